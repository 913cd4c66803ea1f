"""Campaigns in what goes on between IKE_SA_INIT and the end of IKE_AUTH: EAP, IKE_INTERMEDIATE."""

from __future__ import annotations

from pathlib import Path

import pytest

from ikelab.harness.fuzz import campaigns, eap_oracles, replay
from ikelab.harness.fuzz.case import Case, parse
from ikelab.harness.fuzz.fuzzer import Fuzzer
from ikelab.harness.fuzz.places import rig
from ikelab.harness.fuzz.tally import Limits, Tally
from ikelab.harness.peer.faults import fault
from ikelab.harness.peer.reference import ReferencePeer
from ikelab.harness.record import RunFolder
from ikelab.harness.rig import Settings
from ikelab.layers.iana import Payload

ROUNDS = tuple(name for name, row in campaigns.CAMPAIGNS.items() if row.way == "rounds")
WRONG = f"IKE_AUTH/request#2: SK.EAP.load = {bytes(16)!r}"
"""The answer to a question of EAP, without what proves the password."""
UNPROVEN = f"IKE_AUTH/request#4: SK.AUTH.load = {bytes(32)!r}"


def settings(planted: str = "") -> Settings:
    return Settings(fault=fault(planted) if planted else None, seed=1)


def seen(planted: str, campaign: str, plan: str) -> list[str]:
    with rig("reference", settings(planted)) as made:
        return replay.replay(made, parse(f"# campaign {campaign}\n{plan}\n")).seen


def fuzzed(place: Path, cases: int, *names: str, kept: list[Case] | None = None) -> Tally:
    with rig("reference", settings()) as made:
        keep = None if kept is None else kept.append
        fuzzer = Fuzzer(made, RunFolder(place, {}), 5, campaigns.find(names), keep=keep)
        return fuzzer.go(Limits(cases=cases), lambda _: None)


@pytest.mark.parametrize("name", ROUNDS)
def test_an_honest_conversation_comes_to_each_message(name: str) -> None:
    campaign = campaigns.CAMPAIGNS[name]
    half = "response" if campaign.response else "request"
    plan = f"{campaign.exchange}/{half}#{campaign.number}: header.id += 0"
    with rig("reference", settings()) as made:
        shown = replay.replay(made, parse(f"# campaign {name}\n{plan}\n"))

    assert shown.transcript is not None
    ours = [step for step in shown.transcript if step.note.startswith("edits")]
    held = {int(payload.kind) for step in ours for payload in step.inner() or ()}
    assert len(ours) == 1
    assert not shown.seen and "silence" not in shown.answer and "reached" not in shown.answer
    if "proof" not in name and name not in ("eap", "intermediate"):
        assert Payload.EAP in held


@pytest.mark.parametrize(
    ("campaign", "plan", "planted", "said"),
    [
        ("eap-mschap", WRONG, "lets-anybody-in-by-eap", eap_oracles.CONTENT),
        ("eap-md5", WRONG, "lets-anybody-in-by-eap", eap_oracles.CONTENT),
        ("eap-gtc", WRONG, "lets-anybody-in-by-eap", eap_oracles.CONTENT),
        ("eap-proof", UNPROVEN, "accepts-any-key", eap_oracles.LETS_IN),
    ],
)
def test_who_is_content_with_less_than_the_proof_is_told(
    campaign: str, plan: str, planted: str, said: str
) -> None:
    assert f"rule: {said}" in seen(planted, campaign, plan)
    assert seen("", campaign, plan) == []


def test_who_overlooks_the_method_beside_a_right_proof_is_not_accused() -> None:
    """strongSwan does: the key of EAP was shown, whatever the octet before it says."""
    assert seen("accepts-any-key", "eap-proof", "IKE_AUTH/request#4: SK.AUTH.auth_type = 0") == []


@pytest.mark.parametrize("campaign", ["auth", "eap-proof"])
def test_who_ignores_reserved_octets_of_an_identity_is_not_accused(campaign: str) -> None:
    """AUTH covers them (2.15), yet whoever reads them as zero has seen the identity proven."""
    assert seen("accepts-any-key", campaign, "IKE_AUTH/request#0: SK.IDi.res2 = 7") == []


@pytest.mark.parametrize("name", ROUNDS)
def test_an_honest_peer_is_accused_of_nothing_in_the_rounds(tmp_path: Path, name: str) -> None:
    kept: list[Case] = []
    tally = fuzzed(tmp_path / "run", 15, name, kept=kept)

    assert (tally.findings, tally.skipped) == ({}, {})
    assert {case.campaign for case in kept} == {name}


def test_who_has_no_words_for_eap_is_passed_over_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second campaign with the same configuration is refused as the first one was."""
    monkeypatch.setattr(ReferencePeer, "speaks", frozenset())

    tally = fuzzed(tmp_path / "run", 30, "eap", "eap-name", "init")

    assert set(tally.skipped) == {"eap", "eap-name"}
    assert all("has no words for eap" in reason for reason in tally.skipped.values())
    assert tally.findings == {}
