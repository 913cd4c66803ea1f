"""`ikelab lab`: networks that stay open, with a shell in each host."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ikelab.harness.commands.lab_remote import doctor, record
from ikelab.harness.commands.output import folder_for
from ikelab.harness.commands.provision import provision

if TYPE_CHECKING:
    from ikelab.harness.holding import Held


@click.group()
def lab() -> None:
    """Hold networks open, look into them, take them down; routers elsewhere."""


lab.add_command(doctor)
lab.add_command(record)


@lab.command("up")
@click.argument("name")
@click.option("--topology", default="direct", metavar="NAME", help="Network; direct by default.")
@click.option("--peer", default="", metavar="NAME",
              help="Start this peer at the responder: reference, strongswan@trixie.")  # fmt: skip
@click.option("--capture", default="", metavar="FILE", help="Write every link's packets there.")
def lab_up(name: str, topology: str, peer: str, capture: str) -> int:
    """Build a network and hold it open; works for an ordinary user too."""
    from ikelab.harness import holding

    place = str(Path(capture).absolute()) if capture else ""
    wanted = holding.Wanted(name, topology, peer, place)
    wanted.check()
    if capture:
        folder_for(Path(place))
    if peer:
        provision(peer)
    held = holding.up(wanted)
    _describe(held)
    click.echo(f"ikelab lab shell {name} initiator    ikelab lab down {name}")
    return 0


@lab.command("list")
def lab_list() -> int:
    """List the labs that are up, with their hosts and addresses."""
    from ikelab.harness import holding

    found = holding.labs()
    for held in found:
        _describe(held)
    if not found:
        click.echo("no lab is up")
    return 0


@lab.command("topologies")
def lab_topologies() -> int:
    """List the networks that there are."""
    from ikelab.netns.topology import TOPOLOGIES

    for plan in TOPOLOGIES.values():
        click.echo(f"{plan.name:<16} {plan.text}")
    return 0


@lab.command("shell")
@click.argument("name")
@click.argument("host")
def lab_shell(name: str, host: str) -> int:
    """A shell in HOST of lab NAME."""
    from ikelab.harness import holding

    return holding.run(name, host, [os.environ.get("SHELL", "/bin/sh")])


@lab.command("exec", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("host")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def lab_exec(name: str, host: str, command: tuple[str, ...]) -> int:
    """Run COMMAND in HOST of lab NAME; exits as it does."""
    from ikelab.harness import holding

    return holding.run(name, host, command)


@lab.command("rebind")
@click.argument("name")
@click.option("--port", type=int, metavar="N", help="What stands for the client's port 4500.")
@click.option("--address", metavar="ADDRESS", help="Another outside address of the NAT.")
def lab_rebind(name: str, port: int | None, address: str | None) -> int:
    """Have the NAT of lab NAME lose its mappings; new ones are elsewhere."""
    from ikelab.harness import holding

    moved = holding.change(name, port, address)
    click.echo(f"port 4500 of the client is {moved.address} port {moved.port} from now on")
    if moved.anew:
        click.echo(f"{moved.told} was started anew, to expect it there: its SAs are gone")
    elif moved.told:
        click.echo(f"{moved.told} expects it there; its SAs have stayed")
    return 0


@lab.command("down")
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="All labs, and what killed runs left behind.")
def lab_down(name: str | None, every: bool) -> int:
    """Take lab NAME down."""
    from ikelab.harness import holding

    if every == bool(name):
        raise click.UsageError("Give the name of a lab, or --all.")
    if name:
        holding.down(name)
        click.echo(f"{name} is down")
        return 0
    for gone in holding.down_all():
        click.echo(f"{gone} is gone")
    return 0


def _describe(held: Held) -> None:
    peer = f", {held.peer} at the responder" if held.peer else ""
    click.echo(f"{held.name}: {held.topology}{peer}")
    for host, addresses in held.hosts.items():
        by = f" (by {held.routers[host]})" if host in held.routers else ""
        click.echo(f"  {host:<12} {' '.join(addresses)}{by}")
