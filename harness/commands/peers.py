"""`ikelab peers`: what tests run against."""

from __future__ import annotations

from typing import Any

import click

from ikelab.harness.commands.provision import provision

_no_probe = click.option(
    "--no-probe", is_flag=True, help="Start no daemon; tell what is known already."
)


@click.group(invoke_without_command=True)
@_no_probe
@click.pass_context
def peers(context: click.Context, no_probe: bool) -> None:
    """List, add and remove the peers that tests run against; the list where nothing is named."""
    asked, context.obj = context.invoked_subcommand, no_probe
    if asked is None:
        context.invoke(peers_list, no_probe=no_probe)
    elif no_probe and asked != "list":
        raise click.UsageError(f"Say --no-probe of the list: 'peers {asked}' has no such option.")


@peers.command("list")
@_no_probe
@click.pass_context
def peers_list(context: click.Context, no_probe: bool) -> int:
    """List the peers: version, size, and what they can do on this kernel."""
    from ikelab.harness.peer import installed, registry

    click.echo(f"{'reference':<24} built in")
    here = [f"{name}@{installed.RELEASE}" for name in registry.DRIVERS]
    for name in (*registry.names(), *here):
        entry = registry.find(name)
        if entry is not None:
            _show(name, entry, probe=not (no_probe or context.obj))
        elif name in here:
            click.echo(f"{name:<24} not installed on this machine")
        else:
            click.echo(f"{name:<24} not added: ikelab peers add {name}")
    click.echo(f"{'ios:NAME':<24} a Cisco router of ikelab.toml; not proven on one: docs/cisco.md")
    return 0


def _show(name: str, entry: Any, *, probe: bool) -> None:
    """A line for a peer, one for what it can do, and one for each reason why not."""
    from ikelab.harness.errors import IkelabError
    from ikelab.harness.peer import probed, registry

    found, trouble = probed.recall(entry), "not probed"
    if found is None and probe:
        try:
            found = registry.probe(name)
        except (IkelabError, TimeoutError) as error:
            trouble = f"cannot be probed: {error}"
    manifest = entry.manifest
    size = f"{manifest.size / 1e6:.0f} MB" if manifest.size else "on this machine"
    click.echo(f"{name:<24} {(found.version if found else manifest.version):<14} {size}")
    if found is None:
        click.echo(f"  {trouble}")
        return
    click.echo(f"  can: {', '.join(found.capabilities) or 'nothing here'}")
    for why in dict.fromkeys(found.lacks.values()):
        lacking = ", ".join(name for name, reason in found.lacks.items() if reason == why)
        click.echo(f"  lacks {lacking}: {why}")


@peers.command("add")
@click.argument("name", metavar="NAME@RELEASE")
@click.option("--refresh", is_flag=True, help="Fetch it again.")
def peers_add(name: str, refresh: bool) -> int:
    """Unpack a peer from Debian's packages into the cache."""
    entry = provision(name, refresh=refresh)
    if entry is not None:
        click.echo(f"{name}: version {entry.manifest.version}")
    return 0


@peers.command("remove")
@click.argument("name", metavar="NAME@RELEASE")
def peers_remove(name: str) -> int:
    """Delete a peer from the cache."""
    from ikelab.harness.peer import registry

    registry.remove(name)
    click.echo(f"{name} removed")
    return 0
