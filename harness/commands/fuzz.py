"""`ikelab fuzz`, `ikelab replay` and `ikelab corpus`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ikelab.harness.commands.number import Number
from ikelab.harness.commands.place import PLACE
from ikelab.harness.commands.provision import (
    goes_to_guest,
    in_guest,
    kernel_option,
    settings_of,
)


@click.command()
@click.option("--peer", default="", metavar="NAME", help="Peer under test; reference by default.")
@click.option("--campaign", "campaigns", multiple=True, metavar="NAME", help="Or 'all'; list: ?")
@click.option("--target", "targets", multiple=True, metavar="EXCHANGE", help="Repeatable.")
@click.option("--cases", type=click.IntRange(1), metavar="N", help="End after N cases; 1000.")
@click.option(
    "--time", "seconds", type=Number(0.1, 1e7), metavar="SECONDS", help="End after that long."
)
@click.option("--seed", type=int, metavar="N", help="Same seed, same cases.")
@click.option("--rate", type=Number(0, 1e6), default=0.0, metavar="N", help="Cases a second.")
@click.option("--out", default="", metavar="DIR", help="Run folder; below runs/ by default.")
@click.option("--resume", default="", metavar="DIR", help="Go on with a run where it ended.")
@click.option("--corpus", multiple=True, metavar="FILE", help="Cases to begin with.")
@click.option(
    "--capture", "captures", multiple=True, metavar="FILE", help="Payloads out of a capture."
)
@click.option("--coverage", default="", metavar="MAP", help="An edge map in shared memory.")
@click.option("--authorised", is_flag=True, help="You may fuzz this gateway outside.")
@click.option("--fault", default="", metavar="NAME", help="Plant a fault in the reference; list: ?")
@click.option("--topology", default="", metavar="NAME", help="memory, direct or direct6.")
@click.option("--compare", is_flag=True, help="Tell where the reference would answer otherwise.")
@kernel_option("")
def fuzz(**options: Any) -> int:
    """Send a peer changed messages in every state, inside SK too; keep what breaks it."""
    from ikelab.harness.fuzz import command

    if "?" in options["campaigns"] or options["fault"] == "?":
        return _list(faults=options["fault"] == "?")
    request, before = command.request_of(options)
    if goes_to_guest(request.peer, request.kernel):
        return in_guest()
    fault = request.fault or None
    settings = settings_of(request.peer, fault, request.topology, authorised=request.authorised)
    return command.fuzz(request, settings, ("ikelab", *sys.argv[1:]), before)[0]


def _list(*, faults: bool) -> int:
    from ikelab.harness.fuzz.campaigns import CAMPAIGNS
    from ikelab.harness.peer.faults import FAULTS

    rows: Any = FAULTS if faults else CAMPAIGNS
    for row in rows.values():
        click.echo(f"{row.name:22} {row.text}")
    return 0


@click.command()
@click.argument("path", type=PLACE, metavar="FINDING|PLAN")
@click.option("--peer", default="", metavar="NAME", help="Peer; the recorded one by default.")
@click.option("--fault", metavar="NAME", help="Plant a fault in the reference peer.")
@click.option("--topology", default="", metavar="NAME", help="memory, direct or direct6.")
@click.option("--authorised", is_flag=True, help="You may send this to a gateway outside.")
@kernel_option("host")
def replay(
    path: Path, peer: str, fault: str | None, topology: str, authorised: bool, kernel: str
) -> int:
    """Play a plan, or a finding's or a case's folder, against a peer; exit 1 if it shows again."""
    from ikelab.harness.fuzz import command

    recorded, whom = command.recorded(path, peer)
    if goes_to_guest(whom, kernel):
        return in_guest()
    settings = settings_of(whom, fault, topology, authorised=authorised)
    return command.replay(recorded, whom, settings)


@click.group()
def corpus() -> None:
    """Put corpora together, or make one smaller."""


@corpus.command()
@click.argument("paths", nargs=-1, required=True, type=PLACE, metavar="FILE...")
@click.option("--out", required=True, type=PLACE, metavar="FILE")
def merge(paths: tuple[Path, ...], out: Path) -> int:
    """Write the cases of several corpora as one, each of them once."""
    from ikelab.harness.fuzz import command

    click.echo(f"{command.merge(paths, out)} cases: {out}")
    return 0


@corpus.command()
@click.argument("path", type=PLACE, metavar="FILE")
@click.option("--out", required=True, type=PLACE, metavar="FILE")
@click.option("--peer", default="reference", metavar="NAME", help="Whose answers count.")
@click.option("--topology", default="", metavar="NAME", help="memory, direct or direct6.")
def minimise(path: Path, out: Path, peer: str, topology: str) -> int:
    """Keep the shortest case of each class of answers that a peer gives."""
    from ikelab.harness.fuzz import command
    from ikelab.harness.fuzz.places import rig

    settings = settings_of(peer, None, topology)
    with rig(peer, settings) as made:
        before, after = command.minimise(path, out, made)
    click.echo(f"{after} of {before} cases: {out}")
    return 0
