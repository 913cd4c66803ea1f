"""`ikelab matrix`: daemons against each other."""

from __future__ import annotations

import sys

import click

from ikelab.harness.commands.provision import in_guest, kernel_option, provision


@click.command()
@click.argument("peers", nargs=-1, required=True, metavar="NAME@RELEASE...")
@click.option(
    "--proof",
    "proofs",
    type=click.Choice(["psk", "certificates"]),
    multiple=True,
    help="How they prove themselves; repeatable, both by default.",
)
@click.option("--out", metavar="DIR", help="Run folder; runs/<utc>-matrix by default.")
@kernel_option("host")
@click.option("--quiet", "-q", is_flag=True, help="Print only what is not as it should be.")
def matrix(
    peers: tuple[str, ...], proofs: tuple[str, ...], out: str | None, kernel: str, quiet: bool
) -> int:
    """Bring up every pair of peers, in both directions, and judge them as a bystander."""
    from ikelab.harness.errors import ConfigError
    from ikelab.harness.peer import registry
    from ikelab.netns import guest

    names = list(dict.fromkeys(peers))
    for name in names:
        if name == "reference":
            raise ConfigError("the built-in peer has no place in the matrix: it is of daemons")
        registry.driver(name)
    if not guest.inside():
        for name in names:
            provision(name)
        if kernel == "guest":
            return in_guest()
    from ikelab.netns import world

    world.enter()
    return _run(names, proofs, out, quiet)


def _run(names: list[str], proofs: tuple[str, ...], out: str | None, quiet: bool) -> int:
    from datetime import UTC, datetime
    from importlib.metadata import version
    from pathlib import Path

    from ikelab.harness import pairing
    from ikelab.harness.model import Verdict
    from ikelab.harness.record import RunFolder, vacant
    from ikelab.harness.verdicts import exit_status

    place = Path(out) if out else Path("runs") / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-matrix"
    vacant(place)
    facts = {
        "ikelab": version("ikelab"),
        "topology": "direct",
        "seed": None,
        "fault": None,
        "command": ["ikelab", *sys.argv[1:]],
    }
    folder = RunFolder(place, facts)

    def told(pair: pairing.Pair, verdict: Verdict, reason: str) -> None:
        if not quiet or verdict in (Verdict.FAIL, Verdict.ERROR):
            click.echo(f"{verdict!s:<12}{pair}: {reason}")

    found = pairing.run(names, proofs or pairing.PROOFS, folder, told)
    folder.finish()
    for line in pairing.table(names, proofs or pairing.PROOFS, found):
        click.echo(line)
    click.echo(f"run folder: {place}")
    return exit_status(found)
