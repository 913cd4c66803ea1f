"""`ikelab replay`: a plan, or the folder of a finding or a case, played once more."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path

from ikelab.harness.errors import ConfigError, plain
from ikelab.harness.fuzz import campaigns, finding
from ikelab.harness.fuzz.answers import Outcome
from ikelab.harness.fuzz.case import Case, parse
from ikelab.harness.fuzz.finding import CRASH, HANG, LEAK, RULE, Replays, Seen
from ikelab.harness.fuzz.ground import Ground
from ikelab.harness.rig import Rig
from ikelab.harness.transcript import Transcript
from ikelab.layers.iana import Exchange


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a file or folder says: the case, the peer it was found with, what was seen."""

    case: Case
    peer: str = ""
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Replay:
    """How it went: the conversation, the answer, what the oracles say."""

    transcript: Transcript | None
    answer: str
    seen: list[str]


def read(path: Path) -> Recorded:
    """A plan file, or a folder with plan.txt; ConfigError for anything else."""
    if not path.exists():
        raise ConfigError(f"no such plan or folder: {path}")
    file = path / "plan.txt" if path.is_dir() else path
    if (path / "run.json").is_file():
        raise ConfigError(f"{path} is a run: give the folder of one of its cases")
    if path.is_dir() and not file.is_file():
        raise ConfigError(
            f"{path} holds no plan.txt: it is no case, or nothing was changed in its conversation"
        )
    try:
        case = parse(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {file} as a plan: {plain(error)}") from None
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None
    facts = _facts(path / "finding.json") if path.is_dir() else {}
    case = Case(case.campaign or _campaign(case), case.plan)
    if case.campaign not in campaigns.CAMPAIGNS:
        raise ConfigError(f"{file}: unknown campaign {case.campaign!r}")
    return Recorded(case, facts.get("peer") or _peer_of_run(path), facts.get("seen", ""))


def _facts(file: Path) -> dict[str, str]:
    """What a finding says of itself; nothing where the folder is of no finding."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {file}: {plain(error)}") from None
    if not isinstance(found, dict):
        raise ConfigError(f"cannot read {file}: it is no JSON object")
    return {name: str(value) for name, value in found.items()}


def _peer_of_run(path: Path) -> str:
    """The peer of a case's folder, as the results of its run name it; "" where none do."""
    results = path.resolve().parent.parent / "results.jsonl"
    if not (path.is_dir() and results.is_file()):
        return ""
    for line in results.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError, AttributeError):  # a line that was torn
            row = json.loads(line)
            if str(row.get("folder", "")).endswith(f"/{path.resolve().name}"):
                return str(row.get("peer", ""))
    return ""


def _campaign(case: Case) -> str:
    """The campaign of a plan that names none: that of the last message that it changes."""
    order = list(campaigns.EXCHANGES)
    known = [b for b in case.plan.bindings if b.exchange is None or b.exchange in order]
    if not known:
        names = ", ".join(order)
        raise ConfigError(f"the plan changes none of {names}: there is no way to its message")
    last = max(known, key=lambda b: order.index(b.exchange or order[0]))
    return campaigns.of_plan(last.exchange or Exchange.IKE_SA_INIT.name, response=last.response)


def replay(rig: Rig, case: Case, recorded: str = "") -> Replay:
    """Play the case against a fresh peer, then see what the oracles say."""
    ground = Ground(rig, "replay")
    campaign = campaigns.CAMPAIGNS[case.campaign]
    try:
        ground.use(campaign)
        outcome = ground.play(case, campaign)
        seen = _seen(ground, case, outcome, recorded)
    finally:
        rig.end()
    talk = outcome.sa.transcript if outcome.sa is not None else None
    return Replay(talk, f"{campaign.exchange}: {outcome.kind}", [str(s) for s in seen])


def _seen(ground: Ground, case: Case, outcome: Outcome, recorded: str) -> list[Seen]:
    found = [Seen(RULE, sign) for sign in outcome.seen]
    if not ground.answers():
        gone, log = ground.gone(), ground.rig.peer.driver.log()
        seen = Seen(CRASH, finding.death(log)) if gone else Seen(HANG, finding.stop(log))
        return [*found, seen]
    before = Seen.parse(recorded)
    again = recorded and before not in found and before.kind not in (CRASH, HANG)
    if again or before.kind == LEAK:
        # What takes more than one conversation to see is asked for by name.
        replays = Replays(ground, lambda name: campaigns.CAMPAIGNS[name])
        if replays.shows(case, before) is not None:
            found.append(before)
    return found
