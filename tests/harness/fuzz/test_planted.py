"""The peer with planted bugs: each shows by its own case, none without it, and a run finds them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ikelab.harness.errors import ConfigError
from ikelab.harness.fuzz import campaigns, replay
from ikelab.harness.fuzz.case import parse
from ikelab.harness.fuzz.finding import Replays, Seen
from ikelab.harness.fuzz.fuzzer import Fuzzer
from ikelab.harness.fuzz.ground import Ground
from ikelab.harness.fuzz.places import rig
from ikelab.harness.fuzz.tally import Limits, Tally
from ikelab.harness.peer.planted.bugs import BUGS
from ikelab.harness.peer.planted.peer import named
from ikelab.harness.record import RunFolder
from ikelab.harness.rig import Settings

SHOWN = {
    "notify-spi-size": ("init", "IKE_SA_INIT/request#0: N.SPIsize = 200", "crash"),
    "nonce-buffer": ("init", f"IKE_SA_INIT/request#0: Nonce.nonce = {b'A' * 300!r}", "crash"),
    "attribute-off-by-one": (
        "init",
        "IKE_SA_INIT/request#0: SA.proposal[0].transform[0].length = 9",
        "crash",
    ),
    "proposal-loop": ("init", "IKE_SA_INIT/request#0: SA.proposal[0].length = 0", "hang"),
    "cookie-stack": (
        "init",
        f"IKE_SA_INIT/request#0: insert('', payload=notify('COOKIE', data={b'A' * 65!r}))",
        "crash",
    ),
    "message-length": ("init", "IKE_SA_INIT/request#0: header.length = 5000", "crash"),
    "refused-half-open": ("init", "IKE_SA_INIT/request#0: KE.group = 5", "leak"),
    "vendor-memory": ("init", "IKE_SA_INIT/request#0: insert('', payload=vendor(b'xyz'))", "leak"),
    "spi-reuse": ("init", "IKE_SA_INIT/request#0: truncate('Nonce.nonce', 16)", "rule"),
    "nonce-reuse": ("init", "IKE_SA_INIT/request#0: drop('N')", "rule"),
    "empty-identity": ("auth", "IKE_AUTH/request#0: SK.IDi.ID = b''", "crash"),
    "selector-count": ("auth", "IKE_AUTH/request#0: SK.TSi.number_of_TSs = 9", "crash"),
    "configuration-loop": ("auth-cp", "IKE_AUTH/request#0: SK.CP.attributes[0].type = 0", "hang"),
    "payload-table": (
        "auth",
        "IKE_AUTH/request#0: insert('SK', payload=unknown(230, data=b'x'))",
        "crash",
    ),
    "method-bypass": ("auth", "IKE_AUTH/request#0: SK.AUTH.auth_type = 9", "rule"),
    "wide-selectors": (
        "auth",
        "IKE_AUTH/request#0: duplicate('SK.TSr.traffic_selector[0]')",
        "rule",
    ),
    "fragment-number": (
        "auth-fragments",
        r"IKE_AUTH/request#0: wire.set(32, b'\x00\x09')",
        "crash",
    ),
    "delete-count": ("informational", "INFORMATIONAL/request#0: SK.D.SPInum = 9", "crash"),
    "short-icv": ("informational", "INFORMATIONAL/request#0: sealed.flip('icv', 2)", "rule"),
    "repeated-id": ("informational", "INFORMATIONAL/request#0: header.id += -1", "rule"),
    "late-auth": ("informational", "INFORMATIONAL/request#0: header.exch_type = 35", "crash"),
}


def shown(peer: str, bug: str) -> list[str]:
    campaign, line, kind = SHOWN[bug]
    case = parse(f"# campaign {campaign}\n{line}\n")
    with rig(peer, Settings(seed=1)) as made:
        if kind != "leak":
            return [seen.partition(":")[0] for seen in replay.replay(made, case).seen] or (
                # What two conversations must not share needs two.
                ["rule"] if kind == "rule" and _twice(peer, case, bug) else []
            )
        replays = Replays(Ground(made, "test"), lambda name: campaigns.CAMPAIGNS[name])
        found = [name for name in ("half-open", "held") if replays.shows(case, Seen("leak", name))]
        return ["leak"] if found else []


def _twice(peer: str, case: object, bug: str) -> bool:
    signs = {
        "spi-reuse": "gives one SPIr to two IKE SAs",
        "nonce-reuse": "uses its nonce a second time",
    }
    if bug not in signs:
        return False
    with rig(peer, Settings(seed=1)) as made:
        replays = Replays(Ground(made, "test"), lambda name: campaigns.CAMPAIGNS[name])
        return replays.shows(case, Seen("rule", signs[bug])) is not None  # type: ignore[arg-type]


def test_every_bug_has_a_case() -> None:
    assert set(SHOWN) == set(BUGS)
    assert len(BUGS) >= 20
    assert {bug.shows for bug in BUGS.values()} == {"crash", "hang", "leak", "rule"}


@pytest.mark.parametrize("bug", SHOWN)
def test_a_bug_shows_by_its_case_and_an_honest_peer_by_none(bug: str) -> None:
    assert shown(f"planted:{bug}", bug) == [SHOWN[bug][2]] == [BUGS[bug].shows]
    assert shown("planted:none", bug) == []


def fuzzed(peer: str, place: Path, cases: int, *names: str) -> Tally:
    with rig(peer, Settings(seed=1)) as made:
        fuzzer = Fuzzer(made, RunFolder(place, {}), 11, campaigns.find(names or ["all"]))
        return fuzzer.go(Limits(cases=cases), lambda _: None)


def test_an_honest_peer_is_accused_of_nothing_in_any_campaign(tmp_path: Path) -> None:
    names = ("auth-fragments", "init-cookie", "informational-header", "rekey-ike", "answer-auth")

    assert fuzzed("planted:none", tmp_path / "run", 300, *names).findings == {}


@pytest.mark.long
def test_a_run_finds_most_of_the_bugs_and_makes_them_small(tmp_path: Path) -> None:
    tally = fuzzed("planted", tmp_path / "run", 2500)

    assert len(tally.findings) >= 12
    for folder in tally.findings.values():
        plan = replay.read(folder).case.plan
        assert 1 <= len(plan.bindings) <= 3
    assert len(set(map(str, tally.findings))) == len(tally.findings)


def test_unknown_bugs_are_refused() -> None:
    assert named("planted") == frozenset(BUGS)
    assert named("planted:none") == frozenset()
    with pytest.raises(ConfigError, match="did you mean 'short-icv'"):
        named("planted:short-ivc")
