"""`ikelab scan`: what a responder takes is what it was configured with, no more and no less."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from ikelab.harness import scan
from ikelab.harness.edits import Plan
from ikelab.harness.errors import LabError
from ikelab.harness.model import Suite, is_aead
from ikelab.harness.peer.faults import Fault
from ikelab.harness.rig import Settings, rig
from ikelab.layers.iana import TransformType
from ikelab.netns import world
from tests.harness.command import ikelab
from tests.harness.test_external import free_ports, gateway

__all__ = ["free_ports", "gateway"]

OFFERS = ("aes256-aes128-sha256-sha1-modp2048-x25519", "aes256gcm16-prfsha384-ecp384")


def scanned(ike: tuple[str, ...] = OFFERS, **settings: Any) -> scan.Found:
    with rig("reference", Settings(seed=1, **settings)) as ground:
        ground.peer.start(ike=list(ike))
        asking = scan.Scan(ground.initiator())
        assert list(asking.run()) == asking.found.asked
    return asking.found


def accepted(found: scan.Found) -> set[str]:
    return {t.word for kind in scan.ASKED for t in found.of(kind)}


def test_what_is_taken_is_what_was_configured() -> None:
    found = scanned()

    assert accepted(found) == {
        *("aes128", "aes256", "aes256gcm16", "sha256", "sha1", "modp2048", "x25519", "ecp384"),
        *("prfsha256", "prfsha1", "prfsha384"),
    }
    assert {a.outcome for a in found.asked} == {scan.ACCEPTED, scan.REFUSED}
    assert found.own_order is False and not found.stopped
    assert found.chosen == Suite.parse("aes128-sha1-modp2048")
    assert found.offers == 1 + len(found.asked) + 2


def test_a_responder_with_one_suite_has_no_order() -> None:
    found = scanned(("aes128gcm16-prfsha256-x25519",))

    assert accepted(found) == {"aes128gcm16", "prfsha256", "x25519"}
    assert found.own_order is None


def test_a_group_for_an_additional_exchange_is_found() -> None:
    found = scanned(("aes128-sha256-x25519-ke1_mlkem768", "aes128-sha256-x25519"))

    assert "ke1_mlkem768" in accepted(found) and "ke1_mlkem512" not in accepted(found)


def test_a_responder_that_takes_nothing_of_ours_still_speaks() -> None:
    found = scanned(("encr:4/128-sha256-modp2048",))  # RC5, which ikelab cannot compute

    assert accepted(found) == set() and found.chosen is None
    assert {a.outcome for a in found.asked} == {scan.REFUSED}


def test_another_answer_than_the_one_offered_is_no_acceptance() -> None:
    plan = Plan.parse("IKE_SA_INIT/response: SA.proposal[0].transform[0].transform_id = 3")
    planted = Fault("answers-with-another-cipher", "", (), plan)
    found = scanned(("aes128-sha256-modp2048",), fault=planted)

    outcomes = {a.transform.word: a.outcome for a in found.asked}
    assert outcomes["aes128"] == scan.ANOTHER and outcomes["aes256"] == scan.REFUSED
    assert accepted(found) == set()


def test_silence_from_the_beginning_is_said_and_on_the_way_is_counted() -> None:
    with rig("reference", Settings(seed=1)) as ground, pytest.raises(LabError, match="no answer"):
        next(scan.Scan(ground.initiator()).run())  # nobody was started

    with rig("reference", Settings(seed=1)) as ground:
        ground.peer.start(ike=["aes128-sha256-modp2048"])
        asking = scan.Scan(ground.initiator())
        steps = asking.run()
        next(steps)
        ground.initiator().transport.send = lambda _: None
        assert [a.outcome for a in steps] == [scan.SILENT] * scan.SILENCES
    assert asking.found.stopped and asking.found.json()["complete"] is False


@pytest.mark.parametrize("kind", scan.ASKED)
def test_every_offer_is_one_that_an_honest_initiator_may_make(kind: int) -> None:
    known = {k: scan.candidates(k) for k in scan.ASKED}
    for transform in scan.candidates(kind):
        for suite in scan.offer(transform, known):
            ciphers = suite.of(TransformType.ENCR)
            assert len({is_aead(t.id) for t in ciphers}) == 1
            assert bool(suite.of(TransformType.INTEG)) != is_aead(ciphers[0].id)
            if kind != TransformType.ENCR or transform in ciphers:
                assert suite.of(kind) in ((transform,), ())
    assert not any(t.id in scan.NOT_FOR_IKE for t in scan.candidates(scan.ENCR))


def daemons_view(peer: str) -> dict[str, Any]:
    with rig(peer, Settings()) as ground:
        ground.begin("scan", None)
        ground.peer.start(ike=["aes256-aes128-sha384-modp3072", "aes128gcm16-prfsha256-ecp256"])
        asking = scan.Scan(ground.initiator())
        list(asking.run())
        left = [sa.state for sa in ground.peer.driver.view().sas]
        ground.end()
        return {"found": accepted(asking.found), "own": asking.found.own_order, "left": left}


@pytest.mark.long
def test_a_real_daemon_takes_what_it_was_told_and_has_no_half_open_sa_left(trixie: str) -> None:
    found = world.run(daemons_view, trixie, timeout=120)

    assert found["found"] == {
        *("aes256", "aes128", "sha384", "prfsha384", "modp3072"),
        *("aes128gcm16", "prfsha256", "ecp256"),
    }
    assert found["own"] is True  # prefer_configured_proposals is charon's default
    assert found["left"] == []


def test_an_address_is_scanned_from_the_command_line(gateway: Path, tmp_path: Path) -> None:
    entry = tomllib.loads(gateway.read_text())["peers"]["branch"]
    words = ["--rate", "1000", "--local-port", str(entry["local_port"]), "--out", "kept"]

    done = ikelab("scan", f"127.0.0.1:{entry['port']}", "--json", *words, cwd=tmp_path)

    assert (done.status, done.err) == (0, "")
    told = json.loads(done.out)
    taken = [t["word"] for t in told["transforms"] if t["outcome"] == "accepted"]
    assert taken == ["aes128", "sha256", "prfsha256", "ecp256"]
    assert told["complete"] and told["offers"] == len(told["transforms"]) + 1
    shown = ikelab("inspect", "kept/capture.pcapng", "--json", cwd=tmp_path)
    assert json.loads(shown.out)["ike_messages"] >= 2 * told["offers"]


def test_nobody_at_an_address_is_said_in_a_line(tmp_path: Path) -> None:
    nobody, ours = free_ports()

    done = ikelab("scan", f"127.0.0.1:{nobody}", "--local-port", str(ours), cwd=tmp_path)

    assert done.status == 3 and "no answer from 127.0.0.1" in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("127.0.0.1:0", "is no port"),
        ("nobody@nowhere", "unknown peer"),
        ("224.0.0.1", "is not the address of one responder"),
        ("[::]:500", "is not the address of one responder"),
    ],
)
def test_what_is_no_target_is_said(target: str, why: str, tmp_path: Path) -> None:
    done = ikelab("scan", target, cwd=tmp_path)

    assert done.status == 2 and why in done.err and done.err.count("\n") == 1


@pytest.mark.parametrize("rate", ["nan", "0", "inf"])
def test_what_is_no_rate_is_said(rate: str, tmp_path: Path) -> None:
    done = ikelab("scan", "127.0.0.1", "--rate", rate, cwd=tmp_path)

    assert done.status == 2 and "give a number from 0.1 to 1000" in done.err
