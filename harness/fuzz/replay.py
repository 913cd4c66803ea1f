"""`ikelab replay`: a plan, or the folder of a finding or a case, played once more."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ikelab.harness.edits import Plan
from ikelab.harness.errors import ConfigError
from ikelab.harness.fuzz import oracles
from ikelab.harness.fuzz.drive import Answer, drive
from ikelab.harness.rig import Rig
from ikelab.harness.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a file or folder says: the plan, the peer it was found with, what was seen."""

    plan: Plan
    peer: str = ""
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Replay:
    """How it went: the conversation, the answer, what the oracles say."""

    transcript: Transcript
    answer: Answer
    seen: str | None


def read(path: Path) -> Recorded:
    """A plan file, or a folder with plan.txt; ConfigError for anything else."""
    if not path.exists():
        raise ConfigError(f"no such plan or folder: {path}")
    file = path / "plan.txt" if path.is_dir() else path
    if not file.is_file():
        raise ConfigError(f"{path} holds no plan.txt: nothing was changed in that conversation")
    try:
        plan = Plan.parse(file.read_text(encoding="utf-8"))
    except (ConfigError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from None
    if not plan:
        raise ConfigError(f"{file} holds no edit")
    facts: dict[str, str] = {}
    finding = path / "finding.json"
    if path.is_dir() and finding.is_file():
        facts = json.loads(finding.read_text(encoding="utf-8"))
    return Recorded(plan, facts.get("peer", ""), facts.get("seen", ""))


def replay(rig: Rig, plan: Plan) -> Replay:
    """Play the plan once against a fresh peer, then ask whether an honest IKE SA comes up."""
    rig.begin("replay", None)
    try:
        rig.peer.start()
        initiator = rig.initiator()
        session, answer = drive(initiator, plan)
        seen = oracles.dead(rig.peer) or oracles.lets_in(session) or oracles.hangs(initiator)
        return Replay(session.transcript, answer, seen)
    finally:
        rig.end()
