"""A refused IKE_AUTH is named in the reason, with what to check, in both roles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ikelab.harness import refusal
from ikelab.harness.edits import drop
from ikelab.harness.rig import REFERENCE, Rig, Settings, open_rig
from tests.harness.command import ikelab


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = open_rig(REFERENCE, Settings(seed=1))
    yield made
    made.close()


def test_the_peer_that_refuses_us_is_named(rig: Rig) -> None:
    rig.peer.start(psk="another one")

    with pytest.raises(AssertionError) as failed:
        rig.initiator().establish()

    first = str(failed.value).splitlines()[0]
    assert "the peer refused our IKE_AUTH with AUTHENTICATION_FAILED: is the psk the same" in first


def test_the_peer_that_we_refuse_is_named(rig: Rig) -> None:
    rig.peer.start(psk="another one")
    responder = rig.responder()
    responder.listen()
    rig.peer.initiate()

    with pytest.raises(AssertionError) as failed:
        responder.accept()

    first = str(failed.value).splitlines()[0]
    assert "we refused the peer's IKE_AUTH with AUTHENTICATION_FAILED: is the psk the same" in first


def test_who_changes_the_key_is_told_of_the_refusal_and_given_no_advice(rig: Rig) -> None:
    rig.peer.start()
    session = rig.initiator().init(psk="another one")
    session.auth()

    assert refusal.told(session).endswith(
        "the peer refused our IKE_AUTH with AUTHENTICATION_FAILED"
    )
    assert refusal.of_a_test([session], "it fails") == ""


def test_a_message_that_the_test_broke_is_no_matter_of_the_key(rig: Rig) -> None:
    rig.peer.start()
    session = rig.initiator().init()
    session.auth(edits=[drop("SK.AUTH")])

    assert refusal.of_a_test([session], "it fails") == ""


def test_nobody_refused_anything(rig: Rig) -> None:
    rig.peer.start()

    assert refusal.told(rig.initiator().establish()) == ""


def test_a_verdict_of_a_probe_that_was_refused_says_so(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text(
        "def test_one(peer, initiator):\n"
        '    peer.start(psk="another one")\n'
        '    assert initiator.probe(), "nothing comes up"\n'
    )

    done = ikelab("run", "--out", "run", "test_own.py", cwd=tmp_path)

    assert done.status == 1
    [row] = [json.loads(line) for line in (tmp_path / "run" / "results.jsonl").open()]
    assert row["reason"].startswith("nothing comes up; the peer refused our IKE_AUTH with AUTH")
