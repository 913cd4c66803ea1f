"""`ikelab inspect`: read a capture, the folder of a run, or a router's log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ikelab.harness.commands.output import folder_for
from ikelab.harness.commands.place import PLACE
from ikelab.harness.errors import ConfigError
from ikelab.harness.inspect.collector import patient_collector

if TYPE_CHECKING:
    from ikelab.harness.inspect.configs.read import Configs
    from ikelab.harness.inspect.inspection import Inspection
    from ikelab.harness.inspect.keys import KeyRing

LONGEST = 1e8
"""Seconds to listen for: some years, and what select() takes."""
MANY = 5_000
"""Frames beyond which looking for garbage among them costs more than it finds."""


def _seconds(_context: click.Context, _option: click.Parameter, value: float | None) -> Any:
    """A time to listen; click's own ranges let nan through."""
    if value is not None and not 0 < value <= LONGEST:
        raise click.BadParameter(f"{value:g} is no time to listen: give seconds above 0")
    return value


def _said(_context: click.Context, _option: click.Parameter, value: str | None) -> str:
    """A word that chooses; an empty one, such as a variable that was not set, chooses nothing."""
    if value is not None and not value.strip():
        raise click.BadParameter("it is empty: leave it out to have everything")
    return value or ""


@click.command()
@click.argument("file", type=PLACE, metavar="FILE", required=False)
@click.option("--live", metavar="DEVICE", help="Listen on a network interface instead of FILE.")
@click.option("--namespace", default="", metavar="NAME",
              help="The namespace of --live: a name, a process number or a path.")  # fmt: skip
@click.option("--for", "seconds", type=float, callback=_seconds, metavar="SECONDS",
              help="Listen that long.")  # fmt: skip
@click.option("--count", "frames", type=click.IntRange(1), metavar="N",
              help="Listen for so many frames.")  # fmt: skip
@click.option(
    "--keys", multiple=True, type=PLACE, metavar="PATH",
    help="Key table, profile or run folder, log of charon or pluto, ip xfrm state; repeatable.",
)  # fmt: skip
@click.option("--shared-secret", "shared", multiple=True, metavar="HEX",
              help="A Diffie-Hellman or KEM shared secret of the capture; repeatable.")  # fmt: skip
@click.option("--dh-private", "privates", multiple=True, metavar="HEX",
              help="A Diffie-Hellman private value of either end; repeatable.")  # fmt: skip
@click.option(
    "--log", type=PLACE, metavar="PATH",
    help="A router's log of the same conversations, to be compared with the capture.",
)  # fmt: skip
@click.option(
    "--config", "configs", multiple=True, type=PLACE, metavar="PATH",
    help="The configuration of an end (swanctl.conf, ipsec.conf, iked.conf, IOS); repeatable.",
)  # fmt: skip
@click.option(
    "--psk", "psks", multiple=True, metavar="KEY",
    help="A shared key to verify AUTH with, as text or 0x and hex; repeatable.",
)  # fmt: skip
@click.option(
    "--ppk", "ppks", multiple=True, metavar="NAME=KEY",
    help="A preshared key that is mixed into derived keys (RFC 8784), by its name; repeatable.",
)  # fmt: skip
@click.option("--why", is_flag=True, help="Say why each IKE SA failed. Same as --format why.")
@click.option("--json", "as_json", is_flag=True, help="Same as --format json.")
@click.option(
    "--format",
    "form",
    type=click.Choice(
        ["transcript", "summary", "why", "tree", "ladder", "svg", "mermaid", "html",
         "json", "jsonl", "csv", "ios"]
    ),
    help="What to print, summary by default; ios is the style of 'debug crypto ikev2'.",
)  # fmt: skip
@click.option("--frame", "number", type=int, metavar="N", help="The message of --format tree.")
@click.option(
    "--spi", callback=_said, metavar="HEX", help="Only the IKE SA with this SPI (or so it begins)."
)
@click.option("--peer", callback=_said, metavar="ADDRESS", help="Only IKE SAs with this end.")
@click.option("--exchange", callback=_said, metavar="NAME", help="Only messages of this exchange.")
@click.option(
    "--where", callback=_said, metavar="EXPR",
    help="Only messages for which this holds, such as 'notify == NO_PROPOSAL_CHOSEN'.",
)  # fmt: skip
@click.option(
    "--export", "exports", multiple=True,
    type=(click.Choice(["profile", "decrypted", "plain", "anonymised"]),
          PLACE),
    metavar="KIND PATH",
    help="Write the keys as a Wireshark profile (profile), the capture with its keys (decrypted), "
    "its IKE messages opened (plain), or without what tells whose they are (anonymised).",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Exit 1 when a rule is broken.")
@click.option(
    "--jobs", type=click.IntRange(1, 64), metavar="N",
    help="Processes for --json and the summary; by default as many as there are cores if the "
    "file is big.",
)  # fmt: skip
@patient_collector()
def inspect(
    file: Path | None,
    live: str | None,
    namespace: str,
    seconds: float | None,
    frames: int | None,
    keys: tuple[Path, ...],
    shared: tuple[str, ...],
    privates: tuple[str, ...],
    log: Path | None,
    configs: tuple[Path, ...],
    psks: tuple[str, ...],
    ppks: tuple[str, ...],
    why: bool,
    as_json: bool,
    form: str | None,
    number: int | None,
    spi: str,
    peer: str,
    exchange: str,
    where: str,
    strict: bool,
    jobs: int | None,
    exports: tuple[tuple[str, Path], ...],
) -> int:
    """Read a capture, a run or a router's debug log: what was negotiated, opened with the keys.

    FILE is - for standard input.
    """
    from ikelab.harness.inspect.ios import command

    form = _form(form, json=as_json, why=why, tree=number is not None)
    if live is not None:
        if not live:
            raise ConfigError("--live is empty: name an interface, such as eth0")
        _only_live(file=file, log=log, exports=exports)
    elif namespace or seconds is not None or frames is not None:
        raise ConfigError("--namespace, --for and --count go with --live and an interface")
    _nothing_lost(exports, [*keys, *configs, *([log] if log is not None else [])])
    choose = _chooser(spi, peer, exchange, where, form)
    known, ring = _known(configs), _ring(keys, shared, privates)
    ring.ppks = _ppks(ppks)

    def prepare(it: Inspection) -> None:
        it.configs, it.patient = known, True
        it.ring.psks += _psks(psks)

    if live is not None:
        found = [_heard(live, namespace, seconds, frames, ring, quiet=form != "transcript")]
        prepare(found[0])
        choose(found[0])
        if form != "transcript":
            _show(found, form, number)
    elif file is None:
        raise ConfigError("give a FILE (- for standard input), or --live and an interface")
    elif (
        log is None
        and form in ("json", "summary")
        and not (exports or spi or peer or exchange or where)
        and (count := _processes(file, jobs or 0)) > 1
        and (whole := _shared(file, ring, count, form, prepare)) is not None
    ):
        found = [whole]
    else:
        found = command.opened(file, ring)
        if sum(it.frames for it in found) > MANY:
            from ikelab.harness.inspect.collector import leave_alone

            leave_alone()
        for it in found:
            prepare(it)
            choose(it)
        if exports:
            _export(found, exports, file)
        if log is not None:
            _joined(found, file, log, form)
        else:
            _show(found, form, number)
    lost = next((it for it in found if it.lost), None)
    if lost is not None:
        raise ConfigError(f"{lost.file}: {lost.lost}; what was read is shown")
    return 1 if strict and any(it.totals.violations for it in found) else 0


def _form(form: str | None, **asked: bool) -> str:
    """The view, which has several names; ConfigError where two of them do not agree."""
    names = {name for name, given in asked.items() if given} | ({form} if form else set())
    if len(names) > 1:
        raise ConfigError(f"one view at a time: {' or '.join(sorted(names))}")
    return names.pop() if names else "summary"


def _only_live(**others: object) -> None:
    """ConfigError for what takes a file and not an interface."""
    for name, value in others.items():
        if value:
            words = {"file": "FILE", "log": "--log", "exports": "--export"}
            raise ConfigError(f"{words[name]} or --live, not both: an interface is heard once")


def _heard(
    device: str, namespace: str, seconds: float | None, frames: int | None,
    ring: KeyRing, *, quiet: bool,
) -> Inspection:  # fmt: skip
    """An interface listened to; each message is told as it comes, on stderr beside a view."""
    from ikelab.harness.inspect.live import Live
    from ikelab.harness.inspect.watch import watch

    source = Live(device, namespace, seconds=seconds, frames=frames)
    return watch(source, ring, lambda line: click.echo(line, err=quiet))


def _processes(file: Path, jobs: int) -> int:
    from ikelab.harness.inspect import parallel
    from ikelab.harness.inspect.ios import command

    return parallel.processes(file, jobs) if command.is_capture(file) else 1


def _shared(
    file: Path, ring: KeyRing, count: int, form: str, prepare: Callable[[Inspection], None]
) -> Inspection | None:
    """A capture inspected by several processes, and shown; None where one has to do it."""
    from ikelab.harness.inspect import parallel

    try:
        found, texts = parallel.shown(file, ring, count, form, prepare)
    except parallel.Joined:
        return None
    _write(texts)
    return found


def _chooser(
    spi: str, peer: str, exchange: str, where: str, form: str
) -> Callable[[Inspection], None]:
    """What takes out of an inspection all that is not asked for."""
    if not (spi or peer or exchange or where):
        return lambda it: None
    from ikelab.harness.inspect import filters, views

    wanted = filters.Filter.of(spi, peer, exchange, where)
    given = {"--spi": spi, "--peer": peer, "--exchange": exchange, "--where": where}
    words = " ".join(f"{name} {value}" for name, value in given.items() if value)

    def choose(it: Inspection) -> None:
        there = bool(it.sessions or it.esp)
        filters.apply(it, wanted, messages=form in views.OF_MESSAGES)
        if there and not (it.sessions or (it.esp and (spi or peer))):
            click.echo(f"ikelab: nothing in {it.file} fits {words}", err=True)

    return choose


def _ring(keys: tuple[Path, ...], shared: tuple[str, ...], privates: tuple[str, ...]) -> KeyRing:
    from ikelab.harness.inspect.keys import load, octets

    ring = load(keys)
    ring.shared = [octets("--shared-secret", text) for text in shared]
    ring.privates = [octets("--dh-private", text) for text in privates]
    return ring


def _nothing_lost(exports: tuple[tuple[str, Path], ...], read: list[Path]) -> None:
    """ConfigError for an export over what is read, over another one, or over somebody's keys."""
    from ikelab.harness.wireshark import PROFILE

    paths = [path.resolve() for _, path in exports]
    sources = {source.resolve() for source in read}
    for (kind, path), place in zip(exports, paths, strict=True):
        if paths.count(place) > 1:
            raise ConfigError(f"{path} is given twice: each export needs a path of its own")
        if place in sources or any(source in place.parents for source in sources):
            raise ConfigError(f"{path} is what is being read: export to another place")
        if kind == "profile" and path.exists() and not path.is_dir():
            raise ConfigError(f"{path} is not a folder: a profile is one, give another name")
        if kind == "profile" and any((path / name).exists() for name in PROFILE):
            raise ConfigError(f"{path} holds keys already: give another folder for the profile")


def _export(
    found: list[Inspection], exports: tuple[tuple[str, Path], ...], file: Path
) -> None:  # fmt: skip
    from ikelab.harness.inspect.export import export
    from ikelab.harness.inspect.ios.report import LogInspection

    if any(isinstance(it, LogInspection) for it in found):
        raise ConfigError(f"{file} is a router's log, which shows no octets: export a capture")
    if len(found) != 1 or not file.is_file():
        raise ConfigError("--export takes one capture file: a run has several, a pipe is read once")
    export(found[0], [(kind, folder_for(path)) for kind, path in exports], file)


def _known(configs: tuple[Path, ...]) -> Configs:
    from ikelab.harness.inspect.configs import read

    return read.load(configs)


def _psks(texts: tuple[str, ...]) -> list[bytes]:
    return [_key("--psk", text) for text in texts]


def _ppks(texts: tuple[str, ...]) -> dict[bytes, bytes]:
    found = {}
    for text in texts:
        name, _, key = text.partition("=")
        if not name or not key:
            raise ConfigError(f"--ppk {text!r} is no preshared key: give NAME=KEY, such as a=0x01")
        found[name.encode()] = _key("--ppk", key)
    return found


def _key(option: str, text: str) -> bytes:
    from ikelab.harness.inspect.configs import words

    if not text or (text[:2].lower() in ("0x", "0s") and not words.coded(text)):
        raise ConfigError(
            f"{option} {text!r} is no key: behind 0x comes hexadecimal, behind 0s Base64"
        )
    return words.key(text)


def _show(found: list[Inspection], form: str, frame: int | None = None) -> None:
    from ikelab.harness.inspect import views

    if form == "json" and len(found) == 1:
        _write(found[0].json_text())
    elif form == "json":
        _json([it.to_json() for it in found])
    else:
        between = "\n" if form in ("jsonl", "csv") else "\n\n"
        click.echo(between.join(views.text(it, form, frame) for it in found))


def _joined(found: list[Inspection], file: Path, log: Path, form: str) -> None:
    """A capture and a log, side by side."""
    from ikelab.harness.inspect.ios import command, join
    from ikelab.harness.inspect.ios.report import LogInspection

    if len(found) != 1:
        raise ConfigError(f"{file} has {len(found)} cases: name one of them beside --log")
    if isinstance(found[0], LogInspection):
        raise ConfigError(f"{file} is a log itself: give a capture, and the log behind --log")
    if form not in ("summary", "json"):
        raise ConfigError("--log is shown as a summary or with --json")
    it = join.join(found[0], command.log_at(log))
    if form == "json":
        _json(join.to_json(it))
    else:
        click.echo(join.text(it).rstrip())


def _write(pieces: Iterable[str]) -> None:
    sys.stdout.writelines(pieces)
    sys.stdout.write("\n")


def _json(value: Any) -> None:
    import json

    click.echo(json.dumps(value, indent=1))
