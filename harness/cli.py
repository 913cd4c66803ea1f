"""The command line. Every error is one line on stderr that says what to do; see design section 9.

Nothing heavy is imported before a command runs: `ikelab --help` has to be quick.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from ikelab.harness.errors import ConfigError, IkelabError, Stopped, Terminated


class Commands(click.Group):
    """The commands; what stops one of them is an error of ours that says so."""

    def invoke(self, ctx: click.Context) -> Any:
        with contextlib.suppress(ValueError):  # a thread called us: its process has the say
            signal.signal(signal.SIGTERM, _terminate)
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            number = signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT
            raise Stopped("stopped", number) from None


def _terminate(_number: int, _frame: object) -> None:
    raise Terminated


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="ikelab", prog_name="ikelab")
@click.option("--debug", is_flag=True, help="Show a traceback with an error.")
def cli(debug: bool) -> None:
    """IKEv2 packet crafting, interoperability tests and capture inspection."""
    del debug  # read by main(), which has to know it when anything fails


@cli.command()
@click.option("--peer", "peers", multiple=True, metavar="NAME", help="Peer under test; repeatable.")
@click.option(
    "--role",
    type=click.Choice(["initiator", "responder"]),
    help="Role of the peer under test; both by default.",
)
@click.option("--topology", metavar="NAME", help="memory, direct or direct6.")
@click.option("-k", "expression", metavar="EXPR", help="Cases whose name matches.")
@click.option("--out", metavar="DIR", help="Run folder; runs/<utc>-<peer> by default.")
@click.option("--seed", type=int, metavar="N", help="Fix our randomness, to repeat a run.")
@click.option("--peers-file", metavar="FILE", help="Gateways; ikelab.toml where there is one.")
@click.option("--fault", metavar="NAME", help="Plant a fault in the reference peer.")
@click.option("--expected", metavar="DIR", help="Known deviations, a file <peer>.toml each.")
@click.option(
    "--combine",
    type=click.IntRange(1, 2),
    metavar="N",
    help="Algorithms: each one once (1, the default) or every pair of them (2).",
)
@click.option(
    "--kernel",
    type=click.Choice(["host", "guest"]),
    default="host",
    help="Run on the host's kernel, or inside user-mode Linux, which has ESP and AF_KEY.",
)
@click.option("--quiet", "-q", is_flag=True, help="Print only what is not as it should be.")
@click.argument("paths", nargs=-1, metavar="[TEST FILE]...")
def run(kernel: str, **options: Any) -> int:
    """Run the interop suite against peers and write a run folder."""
    from ikelab.harness import runner
    from ikelab.netns import guest

    given = {name: value for name, value in options.items() if value not in (None, ())}
    request = runner.Request(**given, command=("ikelab", *sys.argv[1:]))
    request.check()
    if request.in_world or kernel == "guest":
        if not guest.inside():
            for peer in request.peers:
                _provision(peer)
        if kernel == "guest" and not guest.inside():
            return _in_guest()
        from ikelab.netns import world

        world.enter()
    outcome = runner.run(request)
    from ikelab.reports.load import load_run
    from ikelab.reports.summary import summary

    click.echo(summary([load_run(outcome.place)]).rstrip())
    click.echo(f"run folder: {outcome.place}")
    if outcome.complaint:
        _fail(outcome.complaint, outcome.status)
    return outcome.status


@cli.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option(
    "--keys", multiple=True, type=click.Path(path_type=Path), metavar="PATH",
    help="Key table, profile folder or run folder; repeatable.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Same as --format json.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["transcript", "summary", "json"]),
    default="summary",
    help="What to print.",
)
@click.option("--strict", is_flag=True, help="Exit 1 when a rule is broken.")
def inspect(file: Path, keys: tuple[Path, ...], as_json: bool, form: str, strict: bool) -> int:
    """Read a capture: what was negotiated, decrypted with the keys given."""
    from ikelab.harness.inspect.inspection import inspect_file

    found = inspect_file(file, list(keys))
    if as_json or form == "json":
        import json

        click.echo(json.dumps(found.to_json(), indent=1))
    else:
        click.echo((found.transcript() if form == "transcript" else found.summary()).rstrip())
    if found.lost:
        raise ConfigError(f"{file}: {found.lost}; what was read is shown")
    return 1 if strict and found.violations else 0


@cli.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write the page.")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write JUnit XML.")
def report(runs: tuple[Path, ...], html: Path | None, junit: Path | None) -> int:
    """Make a page, a JUnit file or a summary from run folders."""
    from ikelab.reports.junit import write_junit
    from ikelab.reports.load import load_run
    from ikelab.reports.page import write_page
    from ikelab.reports.summary import summary

    loaded = [load_run(path) for path in runs]
    if html:
        write_page(loaded, html)
    if junit:
        write_junit(loaded, junit)
    if not html and not junit:
        click.echo(summary(loaded).rstrip())
    return 0


@cli.command()
@click.argument("run_a", type=click.Path(path_type=Path))
@click.argument("run_b", type=click.Path(path_type=Path))
def diff(run_a: Path, run_b: Path) -> int:
    """Say what changed between two runs; exit 1 on a regression."""
    from ikelab.reports.diff import diff_runs
    from ikelab.reports.load import load_run

    found = diff_runs(load_run(run_a), load_run(run_b))
    click.echo(str(found).rstrip())
    return 1 if found.regressions else 0


@cli.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--vectors", type=click.Path(path_type=Path, exists=True), metavar="FILE",
              help="The list that 'pytest --vectors FILE' wrote.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write the page.")
def coverage(runs: tuple[Path, ...], vectors: Path | None, out: Path | None) -> int:
    """Say of every code point what run folders prove of it, as a page in Markdown."""
    from ikelab.harness.coverage import coverage as page
    from ikelab.reports.load import load_run

    text = page([load_run(path) for path in runs], vectors)
    if out:
        out.write_text(text, encoding="utf-8")
    else:
        click.echo(text.rstrip())
    return 0


@cli.command()
@click.option("--peer", default="reference", metavar="NAME", help="Peer under test.")
@click.option("--target", "targets", multiple=True, metavar="EXCHANGE", help="Repeatable; all.")
@click.option("--cases", type=click.IntRange(1), metavar="N", help="End after N cases; 1000.")
@click.option("--time", "seconds", type=float, metavar="SECONDS", help="End after that long.")
@click.option("--seed", type=int, metavar="N", help="Same seed, same cases.")
@click.option("--out", default="", metavar="DIR", help="Run folder; below runs/ by default.")
@click.option("--fault", metavar="NAME", help="Plant a fault in the reference peer.")
@click.option("--topology", default="", metavar="NAME", help="memory, direct or direct6.")
def fuzz(fault: str | None, topology: str, **options: Any) -> int:
    """Send a peer changed messages in every state, inside SK too; keep what breaks it."""
    from ikelab.harness.fuzz import command

    request = command.Request(**options)
    settings = _settings(request.peer, fault, topology)
    return command.fuzz(request, settings, ("ikelab", *sys.argv[1:]))[0]


@cli.command()
@click.argument("path", type=click.Path(path_type=Path), metavar="FINDING|PLAN")
@click.option("--peer", default="", metavar="NAME", help="Peer; the recorded one by default.")
@click.option("--fault", metavar="NAME", help="Plant a fault in the reference peer.")
@click.option("--topology", default="", metavar="NAME", help="memory, direct or direct6.")
def replay(path: Path, peer: str, fault: str | None, topology: str) -> int:
    """Play a plan, or a finding's or a case's folder, against a peer; exit 1 if it shows again."""
    from ikelab.harness.fuzz import command

    settings = _settings(command.peer_of(path, peer), fault, topology)
    return command.replay(path, peer, settings)


def _settings(peer: str, fault: str | None, topology: str) -> Any:
    """Settings for one peer, which is fetched, in a world where it needs one."""
    from ikelab.harness.peer import external, faults
    from ikelab.harness.rig import Settings, check, needs_world

    planted = faults.fault(fault) if fault else None
    settings = Settings(topology=topology, fault=planted, outside=external.find())
    if not peer:
        return settings
    check(peer, settings)
    if peer in settings.outside:
        raise ConfigError(f"{peer} is a gateway outside: it is not fuzzed from here")
    if needs_world([peer], settings):
        _provision(peer)
        from ikelab.netns import world

        world.enter()
    return settings


@cli.group(invoke_without_command=True)
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
    return 0


@peers.command("add")
@click.argument("name", metavar="NAME@RELEASE")
@click.option("--refresh", is_flag=True, help="Fetch it again.")
def peers_add(name: str, refresh: bool) -> int:
    """Unpack a peer from Debian's packages into the cache."""
    entry = _provision(name, refresh=refresh)
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


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--key", "keys", multiple=True, metavar="KIND", help="rsa2048, p256, ed25519 ...")
@click.option("--ca", default="p256", metavar="KIND", help="The kind of the CAs' keys.")
@click.option("--depth", default=1, metavar="N", help="How many intermediates there are.")
@click.option("--bulk", default=0, metavar="OCTETS", help="Comment in each certificate.")
@click.option("--seed", type=int, metavar="N", help="Make the same keys again.")
def pki(
    folder: Path, keys: tuple[str, ...], ca: str, depth: int, bulk: int, seed: int | None
) -> int:
    """Make a small PKI for tests in FOLDER: right certificates and wrong ones, with keys."""
    from ikelab.harness.pki import KEYS, Pki, write

    made = write(Pki(ca=ca, depth=depth, bulk=bulk, seed=seed), folder, keys or KEYS)
    click.echo(f"{folder}: root, {depth} intermediates, {len(made)} end entities; see index.json")
    return 0


def _in_guest() -> int:
    """This very command again, inside the guest kernel."""
    from ikelab.harness.peer import kernel
    from ikelab.netns import guest

    entry = _shown(kernel.NAME, lambda progress: kernel.add(progress=progress))
    program = "import sys; from ikelab.harness.cli import main; sys.exit(main())"
    return guest.run(entry.root, [sys.executable, "-c", program, *sys.argv[1:]])


def _provision(name: str, *, refresh: bool = False) -> Any:
    """Fetch a peer with a moving line on a terminal, plain lines in a pipe."""
    from ikelab.harness.peer import cache, registry

    if name == "reference":
        return None
    registry.driver(name)
    if cache.find(name) is not None and not refresh:
        return cache.find(name)
    return _shown(name, lambda progress: registry.add(name, progress=progress, refresh=refresh))


def _shown(name: str, work: Callable[[Callable[[str, float], None]], Any]) -> Any:
    """Do long work with a moving line on a terminal, plain lines in a pipe."""
    if not sys.stderr.isatty():
        said: list[str] = []

        def say(step: str, _done: float) -> None:
            if step not in said:
                said.append(step)
                click.echo(f"{name}: {step}", err=True)

        return work(say)
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=1.0)

        def show(step: str, done: float) -> None:
            bar.update(task, description=f"{name}: {step}", completed=done)

        return work(show)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit status of design section 9."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words or os.environ.get("IKELAB_DEBUG") == "1"
    words = [w for w in words if w != "--debug"]
    try:
        status = int(cli.main(words, standalone_mode=False) or 0)
        sys.stdout.flush()
        return status
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception as error:
        if debug:
            raise
        return _fail(*_explained(error))


def _explained(error: Exception) -> tuple[str, int]:
    """A line and an exit status for what ended a command."""
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "ikelab"
        return f"{error.format_message().rstrip('.')}; see '{path} --help'", error.exit_code
    if isinstance(error, click.ClickException):
        return error.format_message(), error.exit_code
    if isinstance(error, IkelabError):
        return str(error), error.exit_status
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename or ''}".rstrip(": "), 2
    what = f"{type(error).__name__}: {error}".removesuffix(": ")
    return f"ikelab itself failed ({what}): run it again with --debug and report that", 3


def _fail(line: str, status: int) -> int:
    """One line on stderr, whatever the text holds."""
    with contextlib.suppress(BrokenPipeError):
        print("ikelab: " + " ".join(line.split()), file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
