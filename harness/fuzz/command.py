"""`ikelab fuzz` and `ikelab replay` as functions: a rig, a campaign, what is printed meanwhile."""

from __future__ import annotations

import secrets
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from ikelab.harness.errors import ConfigError
from ikelab.harness.fuzz import replay as replaying
from ikelab.harness.fuzz.campaign import Campaign, Limits, Tally
from ikelab.harness.record import RunFolder
from ikelab.harness.rig import Settings, check, rig

EVERY = 2.0  # seconds between two lines in a pipe


@dataclass(frozen=True, slots=True)
class Request:
    """What `ikelab fuzz` was asked for."""

    peer: str
    targets: tuple[str, ...] = ()
    cases: int | None = None
    seconds: float | None = None
    seed: int | None = None
    out: str = ""

    @property
    def limits(self) -> Limits:
        """A thousand cases where nothing was said."""
        if self.cases is None and self.seconds is None:
            return Limits()
        return Limits(self.cases, self.seconds)


def fuzz(request: Request, settings: Settings, command: tuple[str, ...]) -> tuple[int, Path]:
    """Run a campaign; (1 where something was found, else 0; the run folder)."""
    check(request.peer, settings)
    seed = secrets.randbelow(1 << 32) if request.seed is None else request.seed
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    place = Path(request.out) if request.out else Path("runs") / f"{stamp}-fuzz-{request.peer}"
    facts = {
        "ikelab": version("ikelab"),
        "peers": [],
        "topology": settings.topology or "default",
        "seed": seed,
        "command": list(command),
    }
    with rig(request.peer, settings) as made:
        run = RunFolder(place, facts)
        driver = made.peer.driver
        run.add_peer(made.name, driver.version, driver.capabilities)
        campaign = Campaign(made, run, seed, request.targets)
        shown = _Shown()
        tally = campaign.go(request.limits, shown)
        run.finish()
    print(_line(tally))
    for seen, folder in tally.findings.items():
        print(f"finding: {seen}\n  ikelab replay {folder}")
    print(f"seed {seed}, run folder: {place}")
    return (1 if tally.findings else 0), place


class _Shown:
    """A line now and then; on a terminal it moves."""

    def __init__(self) -> None:
        self._next = time.monotonic() + EVERY
        self._moving = sys.stdout.isatty()

    def __call__(self, tally: Tally) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (0.2 if self._moving else EVERY)
        print(_line(tally), end="\r" if self._moving else "\n", flush=True)


def _line(tally: Tally) -> str:
    known = sum(tally.repeats.values())
    return (
        f"{tally.cases} cases, {tally.rate:.0f}/s, {len(tally.answers)} kinds of answer, "
        f"{len(tally.findings)} findings ({known} repeated)"
    )


def replay(path: Path, peer: str, settings: Settings) -> int:
    """Play a plan once more and print what happened; 1 where an oracle fires."""
    recorded = replaying.read(path)
    name = peer or recorded.peer
    if not name:
        raise ConfigError(f"{path} does not say which peer: give --peer NAME")
    with rig(name, settings) as made:
        shown = replaying.replay(made, recorded.plan)
    print(shown.transcript.text())
    print(f"answer: {shown.answer}")
    if recorded.seen:
        same = "reproduced" if shown.seen == recorded.seen else "not reproduced"
        print(f"recorded: {recorded.seen}: {same}")
    print(f"finding: {shown.seen}" if shown.seen else "no oracle fires")
    return 1 if shown.seen else 0


def peer_of(path: Path, peer: str) -> str:
    """The peer that a replay will need, so that it can be fetched before anything is made."""
    return peer or replaying.read(path).peer
