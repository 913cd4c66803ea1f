"""`ikelab fuzz` and `ikelab replay`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ikelab.harness.commands.provision import settings_of


@click.command()
@click.option("--peer", default="reference", metavar="NAME", help="Peer under test.")
@click.option("--target", "targets", multiple=True, metavar="EXCHANGE", help="Repeatable; all.")
@click.option("--cases", type=click.IntRange(1), metavar="N", help="End after N cases; 1000.")
@click.option("--time", "seconds", type=float, metavar="SECONDS", help="End after that long.")
@click.option("--seed", type=int, metavar="N", help="Same seed, same cases.")
@click.option("--out", default="", metavar="DIR", help="Run folder; below runs/ by default.")
@click.option("--fault", metavar="NAME", help="Plant a fault in the reference peer.")
@click.option("--topology", default="", metavar="NAME", help="Network; see docs/topologies.md.")
def fuzz(fault: str | None, topology: str, **options: Any) -> int:
    """Send a peer changed messages in every state, inside SK too; keep what breaks it."""
    from ikelab.harness.fuzz import command

    request = command.Request(**options)
    settings = settings_of(request.peer, fault, topology)
    return command.fuzz(request, settings, ("ikelab", *sys.argv[1:]))[0]


@click.command()
@click.argument("path", type=click.Path(path_type=Path), metavar="FINDING|PLAN")
@click.option("--peer", default="", metavar="NAME", help="Peer; the recorded one by default.")
@click.option("--fault", metavar="NAME", help="Plant a fault in the reference peer.")
@click.option("--topology", default="", metavar="NAME", help="Network; see docs/topologies.md.")
def replay(path: Path, peer: str, fault: str | None, topology: str) -> int:
    """Play a plan, or a finding's or a case's folder, against a peer; exit 1 if it shows again."""
    from ikelab.harness.fuzz import command

    settings = settings_of(command.peer_of(path, peer), fault, topology)
    return command.replay(path, peer, settings)
