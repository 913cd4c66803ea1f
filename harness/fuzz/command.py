"""`ikelab fuzz`, `replay` and `corpus` as functions: a rig, a run, what is printed meanwhile."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ikelab.harness import collector
from ikelab.harness.errors import ConfigError
from ikelab.harness.fuzz import campaigns, case, screen
from ikelab.harness.fuzz import replay as replaying
from ikelab.harness.fuzz.finding import Seen
from ikelab.harness.fuzz.fuzzer import Fuzzer
from ikelab.harness.fuzz.places import check, rig
from ikelab.harness.fuzz.tally import Limits, Tally
from ikelab.harness.fuzz.values import Pool
from ikelab.harness.record import RunFolder, writing
from ikelab.harness.rig import Rig, Settings

STATE = "fuzz.json"
OUTSIDE_RATE = 20.0  # cases a second at a gateway outside, where nobody says otherwise


@dataclass(frozen=True, slots=True)
class Request:
    """What `ikelab fuzz` was asked for."""

    peer: str
    targets: tuple[str, ...] = ()
    campaigns: tuple[str, ...] = ()
    cases: int | None = None
    seconds: float | None = None
    seed: int | None = None
    rate: float = 0.0
    out: str = ""
    resume: str = ""
    corpus: tuple[str, ...] = ()
    captures: tuple[str, ...] = ()
    coverage: str = ""
    authorised: bool = False

    @property
    def limits(self) -> Limits:
        """A thousand cases where nothing was said."""
        if self.cases is None and self.seconds is None:
            return Limits()
        return Limits(self.cases, self.seconds)


@dataclass(frozen=True, slots=True)
class Before:
    """What a run that is resumed had come to."""

    place: Path
    state: dict[str, Any]

    @classmethod
    def read(cls, folder: str) -> Before:
        """ConfigError where the folder is of no fuzzing run."""
        place = Path(folder)
        try:
            state = json.loads((place / STATE).read_text(encoding="utf-8"))
            return cls(place, dict(state))
        except (OSError, ValueError):
            raise ConfigError(f"{folder} is not the folder of a fuzzing run: no {STATE}") from None


def fuzz(request: Request, settings: Settings, command: tuple[str, ...]) -> tuple[int, Path]:
    """Run campaigns; (1 where something was found, else 0; the run folder)."""
    check(request.peer, settings)
    wanted = campaigns.find(request.campaigns, request.targets)
    before = Before.read(request.resume) if request.resume else None
    seed = _seed(request, before)
    corpus = [one for name in request.corpus for one in case.read(Path(name))]
    if before is not None:
        corpus += case.read(before.place / "corpus.txt")
    place = before.place if before is not None else _place(request)
    facts = {
        "ikelab": version("ikelab"),
        "peers": [],
        "topology": settings.topology or "default",
        "seed": seed,
        "command": list(command),
    }
    pool = Pool()
    for name in request.captures:
        pool.add_capture(Path(name))
    outside = request.peer in settings.outside
    with rig(request.peer, settings) as made:
        run = RunFolder(place, facts, shared=before is not None)
        run.add_peer(made.name, made.peer.driver.version, made.peer.driver.capabilities)
        fuzzer = Fuzzer(
            made,
            run,
            seed,
            wanted,
            pool=pool,
            corpus=corpus,
            rate=request.rate or (OUTSIDE_RATE if outside else 0.0),
            edges=_edges(request.coverage),
        )
        _restore(fuzzer.tally, before)
        collector.settle()
        with screen.shown(made.name) as show:
            tally = fuzzer.go(request.limits, show)
        run.finish()
    _save(place, request, seed, tally, before)
    _say(tally, seed, place)
    return (1 if tally.findings else 0), place


def _edges(name: str) -> Any:
    if not name:
        return None
    from ikelab.harness.fuzz.edgemap import EdgeMap

    return EdgeMap.open(name).new


def _seed(request: Request, before: Before | None) -> int:
    if before is not None:
        # The same stream again would make the same cases again.
        return int(before.state["seed"]) + 1
    return secrets.randbelow(1 << 32) if request.seed is None else request.seed


def _place(request: Request) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    name = request.peer.replace(":", "-")
    return Path(request.out) if request.out else Path("runs") / f"{stamp}-fuzz-{name}"


def _restore(tally: Tally, before: Before | None) -> None:
    """What was found before is known: it is counted, not reported again."""
    if before is None:
        return
    for text, folder in before.state.get("findings", {}).items():
        tally.findings[Seen.parse(text)] = before.place / folder


def _save(place: Path, request: Request, seed: int, tally: Tally, before: Before | None) -> None:
    state = {
        "seed": seed,
        "peer": request.peer,
        "cases": tally.cases + (before.state.get("cases", 0) if before is not None else 0),
        "seconds": round(tally.seconds, 1),
        "classes": tally.kinds,
        "findings": {str(s): str(p.relative_to(place)) for s, p in tally.findings.items()},
        "repeats": {str(s): n for s, n in tally.repeats.items()},
        "skipped": tally.skipped,
    }
    with writing(place):
        (place / STATE).write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")


def _say(tally: Tally, seed: int, place: Path) -> None:
    print(screen.line(tally))
    for name, reason in tally.skipped.items():
        print(f"not done: {name}: {reason}")
    for seen, folder in tally.findings.items():
        again = f" ({tally.repeats[seen]} times more)" if tally.repeats[seen] else ""
        print(f"finding: {seen}{again}\n  ikelab replay {folder}")
    print(f"seed {seed}, run folder: {place}")


def replay(path: Path, peer: str, settings: Settings) -> int:
    """Play a plan once more and print what happened; 1 where an oracle fires."""
    recorded = replaying.read(path)
    name = peer or recorded.peer
    if not name:
        raise ConfigError(f"{path} does not say which peer: give --peer NAME")
    with rig(name, settings) as made:
        shown = replaying.replay(made, recorded.case, recorded.seen)
    if shown.transcript is not None:
        print(shown.transcript.text())
    print(f"answer: {shown.answer}")
    if recorded.seen:
        same = "reproduced" if recorded.seen in shown.seen else "not reproduced"
        print(f"recorded: {recorded.seen}: {same}")
    print("\n".join(f"finding: {seen}" for seen in shown.seen) or "no oracle fires")
    return 1 if shown.seen else 0


def peer_of(path: Path, peer: str) -> str:
    """The peer that a replay will need, so that it can be fetched before anything is made."""
    return peer or replaying.read(path).peer


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
