"""`ikelab peers`: what tests run against."""

from __future__ import annotations

import click

from ikelab.harness.commands.provision import provision


@click.group(invoke_without_command=True)
@click.pass_context
def peers(context: click.Context) -> None:
    """List, add and remove the peers that tests run against."""
    if context.invoked_subcommand is None:
        context.invoke(peers_list)


@peers.command("list")
def peers_list() -> int:
    """List the peers: version, size, what can be added."""
    from ikelab.harness.peer import cache, registry

    entries = {entry.manifest.peer: entry.manifest for entry in cache.entries()}
    click.echo(f"{'reference':<24} built in")
    for name in registry.names():
        manifest = entries.get(name)
        if manifest is None:
            click.echo(f"{name:<24} not added: ikelab peers add {name}")
        else:
            click.echo(f"{name:<24} {manifest.version:<14} {manifest.size / 1e6:.0f} MB")
    click.echo(f"{'ios:NAME':<24} a Cisco router of ikelab.toml; not proven on one: docs/cisco.md")
    return 0


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
