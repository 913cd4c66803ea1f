"""`ikelab fuzz`, `replay` and `corpus` as functions: a rig, a run, what is printed meanwhile."""

from __future__ import annotations

import contextlib
import secrets
import shlex
import signal
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ikelab.harness import collector
from ikelab.harness.errors import ConfigError, LabError, Stopped, Terminated
from ikelab.harness.fuzz import campaigns, case, differential, results, screen
from ikelab.harness.fuzz import replay as replaying
from ikelab.harness.fuzz.fuzzer import Fuzzer
from ikelab.harness.fuzz.ground import Missing
from ikelab.harness.fuzz.places import check, rig
from ikelab.harness.fuzz.state import Before, Keeper, Request, held
from ikelab.harness.fuzz.tally import Tally
from ikelab.harness.fuzz.values import Pool
from ikelab.harness.record import RunFolder
from ikelab.harness.rig import REFERENCE, Rig, Settings

TOLD = 12  # differences that are printed
OUTSIDE_RATE = 20.0  # cases a second at a gateway outside, where nobody says otherwise


def request_of(options: dict[str, Any]) -> tuple[Request, Before | None]:
    """What was asked for, completed by the run that is gone on with where there is one."""
    request = Request(**options)
    if not request.resume:
        return replace(request, peer=request.peer or REFERENCE), None
    before = Before.read(request.resume)
    return before.going_on(request), before


def fuzz(
    request: Request, settings: Settings, command: tuple[str, ...], before: Before | None = None
) -> tuple[int, Path]:
    """Run campaigns; (1 where something was found, else 0; the run folder)."""
    check(request.peer, settings)
    wanted = campaigns.find(request.campaigns, request.targets)
    seed = secrets.randbelow(1 << 32) if request.seed is None else request.seed
    place = before.place if before is not None else _place(request)
    pool, edges = _pool(request.captures), _edges(request.coverage)
    rate = request.rate or (OUTSIDE_RATE if request.peer in settings.outside else 0.0)
    with contextlib.ExitStack() as stack:
        if before is not None:
            stack.enter_context(held(place))
            before.mend()
        corpus = _corpus(request, before)
        made = stack.enter_context(rig(request.peer, settings))
        run = RunFolder(place, _facts(request, seed, command), again=before is not None)
        if before is None:
            stack.enter_context(held(place))
        keeper = Keeper(place, request, seed, before)
        run.add_peer(made.name, made.peer.driver.version, made.peer.driver.capabilities)
        sample = differential.Sample(seed)
        fuzzer = Fuzzer(
            made, run, seed, wanted, pool=pool, corpus=corpus, rate=rate, edges=edges,
            sample=sample.take if request.compare else None,
        )  # fmt: skip
        if before is not None:
            before.restore(fuzzer.tally)
        collector.settle()
        tally = _gone(fuzzer, keeper)
        unreached = tally.unreached(one.name for one in wanted)
        done = [one for one in wanted if one.name not in unreached]
        results.of_campaigns(run, done, tally.skipped, (made.name, made.topology))
        if request.compare:
            _compare(made, place, sample, tally.seconds, rate)
        run.finish()
    _say(tally, unreached, seed, place, guest=request.kernel == "guest")
    return (1 if tally.findings else 0), place


def _compare(
    made: Rig, place: Path, sample: differential.Sample, seconds: float, rate: float
) -> None:
    """Put some cases of each class of answers to the reference too, and tell what differs."""
    limit = max(differential.LEAST, seconds * differential.SHARE)
    found = differential.compare(made, sample.cases, limit, rate=rate)
    found.write(place / differential.FILE)
    print(f"compared with the reference: {found.compared} of {found.asked} cases")
    for name, reason in found.skipped.items():
        print(f"not compared: {name}: {reason}")
    for one in found.ranked[:TOLD]:
        print(f"difference: {one} ({one.count} cases)")
    if len(found.found) > TOLD:
        print(f"and {len(found.found) - TOLD} more: {place / differential.FILE}")


def _facts(request: Request, seed: int, command: tuple[str, ...]) -> dict[str, Any]:
    return {
        "ikelab": version("ikelab"),
        "peers": [],
        "topology": request.topology or "default",
        "seed": seed,
        "fault": request.fault or None,
        "command": list(command),
    }


def _gone(fuzzer: Fuzzer, keeper: Keeper) -> Tally:
    """The tally of a run to its end; Stopped, with how to go on, where the user ended it.

    LabError, with the same, where there is nobody to fuzz.
    """
    tally, request = fuzzer.tally, keeper.request
    also = " --authorised" if request.authorised else ""
    again = f"ikelab fuzz --resume {shlex.quote(str(keeper.place))}{also}"
    keeper.keep(tally)
    try:
        with screen.shown(request.peer) as show:
            fuzzer.go(request.limits, keeper.showing(show))
    except KeyboardInterrupt as stop:
        number = signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT
        text = f"stopped; what was found is in {keeper.place}; go on with it: {again}"
        raise Stopped(text, number) from None
    except Missing as nobody:
        fuzzer.run.stopped(str(nobody))
        raise LabError(f"{nobody}; once that is mended, go on with: {again}") from None
    finally:
        keeper.keep(tally)
    return tally


def _corpus(request: Request, before: Before | None) -> list[case.Case]:
    """The cases to begin with: those of the user's files, and of the run that is gone on with."""
    files = [Path(name) for name in request.corpus]
    if before is not None:
        files.append(before.place / "corpus.txt")
    return [one for file in files for one in case.read(file)]


def _pool(captures: tuple[str, ...]) -> Pool:
    pool = Pool()
    for name in captures:
        pool.add_capture(Path(name))
    return pool


def _edges(name: str) -> Any:
    if not name:
        return None
    from ikelab.harness.fuzz.edgemap import EdgeMap

    return EdgeMap.open(name).new


def _place(request: Request) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    name = request.peer.replace(":", "-")
    return Path(request.out) if request.out else Path("runs") / f"{stamp}-fuzz-{name}"


def _say(tally: Tally, unreached: list[str], seed: int, place: Path, *, guest: bool) -> None:
    there = " --kernel guest" if guest else ""
    print(screen.line(tally))
    for name, reason in tally.skipped.items():
        print(f"not done: {name}: {reason}")
    if unreached:
        print(f"not done: {', '.join(unreached)}: the run ended before they had a case")
    for seen, folder in tally.findings.items():
        again = f" ({tally.repeats[seen]} times more)" if tally.repeats[seen] else ""
        print(f"finding: {seen}{again}\n  ikelab replay {folder}{there}")
    print(f"seed {seed}, run folder: {place}")


def replay(recorded: replaying.Recorded, peer: str, settings: Settings) -> int:
    """Play a plan once more and print what happened; 1 where an oracle fires."""
    with rig(peer, settings) as made:
        shown = replaying.replay(made, recorded.case, recorded.seen)
    if shown.transcript is not None:
        print(shown.transcript.text())
    print(f"answer: {shown.answer}")
    if recorded.seen:
        same = "reproduced" if recorded.seen in shown.seen else "not reproduced"
        print(f"recorded: {recorded.seen}: {same}")
    print("\n".join(f"finding: {seen}" for seen in shown.seen) or "no oracle fires")
    return 1 if shown.seen else 0


def recorded(path: Path, peer: str) -> tuple[replaying.Recorded, str]:
    """What is to be replayed, and the peer: it can then be fetched before anything is made."""
    found = replaying.read(path)
    if not (name := peer or found.peer):
        raise ConfigError(f"{path} does not say which peer: give --peer NAME")
    return found, name


def merge(paths: tuple[Path, ...], out: Path) -> int:
    """Several corpora as one, each case once; returns how many there are."""
    found = dict.fromkeys(str(one) for path in paths for one in case.read(path))
    _write(out, list(found))
    return len(found)


def minimise(path: Path, out: Path, made: Rig) -> tuple[int, int]:
    """Keep one case, the shortest, for each class of answer of a peer; (before, after)."""
    from ikelab.harness.fuzz.ground import Ground

    ground = Ground(made, "corpus")
    best: dict[tuple[Any, ...], str] = {}
    cases = case.read(path)
    for one in cases:
        campaign = campaigns.CAMPAIGNS[one.campaign]
        ground.use(campaign)
        outcome = ground.play(one, campaign)
        key = outcome.key[:4]
        if key not in best or len(str(one)) < len(best[key]):
            best[key] = str(one)
        if not ground.alive() or not ground.answers():
            ground.restart()
    _write(out, list(best.values()))
    return len(cases), len(best)


def _write(out: Path, entries: list[str]) -> None:
    try:
        out.write_text("".join(f"{entry}\n\n" for entry in entries), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error.strerror}") from None
