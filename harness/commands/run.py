"""`ikelab run`: the suite against peers, into a run folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ikelab.harness.commands.output import fail
from ikelab.harness.commands.provision import in_guest, kernel_option, provision
from ikelab.harness.errors import ConfigError


@click.command()
@click.option("--peer", "peers", multiple=True, metavar="NAME", help="Peer under test; repeatable.")
@click.option(
    "--role",
    type=click.Choice(["initiator", "responder"]),
    help="Role of the peer under test; both by default.",
)
@click.option("--topology", metavar="NAME", help="Network; see docs/topologies.md.")
@click.option("-k", "expression", metavar="EXPR", help="Cases whose name matches.")
@click.option("--profile", metavar="NAME", help="Replay the exchange of a router: ios-seed.")
@click.option("--case", "cases", multiple=True, metavar="ID", help="Cases by id: INIT-01, 'TS-*'.")
@click.option("--rfc", "rfcs", multiple=True, metavar="RFC[:SECTION]", help="Cases by section.")
@click.option("--level", "levels", multiple=True, metavar="LEVEL", help="MUST, SHOULD, policy ...")
@click.option("--out", metavar="DIR", help="Run folder; runs/<utc>-<peer> by default.")
@click.option("--seed", type=int, metavar="N", help="Fix our randomness, to repeat a run.")
@click.option("--peers-file", metavar="FILE", help="Gateways; ikelab.toml where there is one.")
@click.option("--fault", metavar="NAME", help="Plant a fault in the reference peer.")
@click.option("--expected", metavar="DIR", help="Known deviations, a file <peer>.toml each.")
@click.option(
    "--combine",
    type=click.IntRange(1, 2),
    metavar="N",
    help="Algorithms and settings: each one once (1, the default) or every pair of them (2).",
)
@kernel_option("host")
@click.option(
    "--jobs", "-j", type=click.IntRange(1), metavar="N", help="Cases at once, each with a lab; 1."
)
@click.option("--repeat", type=click.IntRange(1), metavar="N", help="Run each case N times; 1.")
@click.option("--resume", metavar="DIR", help="Go on with a run that stopped, as it was started.")
@click.option("--quiet", "-q", is_flag=True, help="Print only what is not as it should be.")
@click.argument("paths", nargs=-1, metavar="[TEST FILE]...")
@click.pass_context
def run(context: click.Context, /, kernel: str, resume: str | None, **options: Any) -> int:
    """Run the interop suite against peers and write a run folder."""
    if resume:
        return _go_on(context, resume, options)
    return _run(kernel, options)


def _go_on(context: click.Context, place: str, options: dict[str, Any]) -> int:
    """The command that made a run folder, for what it has not done."""
    from ikelab.harness.resume import command_of

    changed = {"jobs": options.pop("jobs"), "quiet": options.pop("quiet")}
    if any(value not in (None, ()) for value in options.values()):
        raise ConfigError("--resume takes a run as it was started: leave out all but -j and -q")
    made = run.make_context("run", command_of(Path(place)), parent=context.parent).params
    kernel = made.pop("kernel")
    made |= {"out": place, "resume": True} | {k: v for k, v in changed.items() if v}
    return _run(kernel, made)


def _run(kernel: str, options: dict[str, Any]) -> int:
    from ikelab.harness import runner
    from ikelab.netns import guest

    if profile := options.pop("profile", None):
        from ikelab.harness.profiles import replay

        options["expression"] = replay(profile, options["expression"])
    given = {name: value for name, value in options.items() if value not in (None, ())}
    request = runner.Request(**given, command=("ikelab", *sys.argv[1:]))
    request.check()
    if request.in_world or kernel == "guest":
        if not guest.inside():
            for peer in request.peers:
                provision(peer)
        if kernel == "guest" and not guest.inside():
            return in_guest()
        from ikelab.netns import world

        world.enter()
    outcome = runner.run(request)
    from ikelab.reports.load import load_run
    from ikelab.reports.summary import summary

    click.echo(summary([load_run(outcome.place)]).rstrip())
    click.echo(f"run folder: {outcome.place}")
    if outcome.complaint:
        fail(outcome.complaint, outcome.status)
    return outcome.status
