"""`ikelab craft`: the octets of one message."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ikelab.harness.commands.place import PLACE


@click.command()
@click.argument("plan", required=False, metavar="[PLAN]")
@click.option(
    "--message", "-m", metavar="EXCHANGE[/response]",
    help="Which message; by default the one that the plan changes, or the IKE_SA_INIT request.",
)  # fmt: skip
@click.option("--ike", multiple=True, metavar="PROPOSAL", help="IKE proposal; repeatable.")
@click.option("--esp", multiple=True, metavar="PROPOSAL", help="ESP proposal; repeatable.")
@click.option(
    "--fragment", type=click.IntRange(min=256), metavar="OCTETS",
    help="Largest IP packet; what is longer goes in fragments.",
)  # fmt: skip
@click.option("--seed", type=int, metavar="N", help="The same octets each time.")
@click.option(
    "--format", "form", type=click.Choice(["hex", "raw", "transcript"]), default="hex",
    show_default=True, help="Hex digits, the octets themselves, or RFC notation.",
)  # fmt: skip
@click.option(
    "--out", type=PLACE, metavar="DIR",
    help="Keep the conversation up to the message, with its keys, as a run folder.",
)  # fmt: skip
def craft(
    plan: str | None,
    message: str | None,
    ike: tuple[str, ...],
    esp: tuple[str, ...],
    fragment: int | None,
    seed: int | None,
    form: str,
    out: Path | None,
) -> int:
    """Make one message and print its octets; nothing is sent.

    PLAN is a file of edits, or one edit such as 'IKE_AUTH/request: SK.TSi.TS[0].start_port = 9'.
    Without one the message is an honest one.
    """
    from importlib.metadata import version

    from ikelab.harness import crafting
    from ikelab.harness.edits import Plan
    from ikelab.harness.record import RunFolder

    edits = Plan() if plan is None else crafting.read(plan)
    given = message is not None
    wanted = crafting.Wanted.parse(message or "") if given else crafting.Wanted.of(edits)
    folder = None
    if out is not None:
        facts = {"kind": "craft", "ikelab": version("ikelab"), "topology": "memory", "seed": seed,
                 "fault": None, "command": ["ikelab", *sys.argv[1:]]}  # fmt: skip
        folder = RunFolder(out, facts)
    try:
        steps = crafting.craft(
            edits, wanted, seed=seed, folder=folder, ike=ike, esp=esp, fragment=fragment
        )
    finally:
        if folder is not None:
            folder.finish()
    for step in steps:
        if form == "raw":
            sys.stdout.buffer.write(step.data)
        else:
            click.echo(step.data.hex() if form == "hex" else step.text())
    return 0
