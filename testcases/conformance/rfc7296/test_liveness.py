"""Who is alive, who is not, and who may say so (RFC 7296 2.4, 2.21.4)."""

from __future__ import annotations

import struct

import pytest

from ikelab.harness.edits import insert, notify
from ikelab.harness.endpoint import Initiator
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.harness.transcript import Step
from ikelab.layers.iana import Exchange, Notify, Payload, Protocol
from ikelab.layers.message import message
from ikelab.layers.notify import IKEv2_Notify
from ikelab.layers.payloads import IKEv2_Delete

INITIATOR, RESPONSE = 0x08, 0x20
DEAF = "INFORMATIONAL/response: wire.drop()"
LATE = 8.0  # seconds within which a check of every second has come, on a busy machine too
OVER = 20.0  # seconds within which two checks without an answer are the end


def checks(sa: Session) -> list[Step]:
    """The INFORMATIONAL requests of the peer, repetitions included."""
    found = [s for s in sa.received() if s.message.exch_type == Exchange.INFORMATIONAL]
    return [s for s in found if not int(s.message.flags) & RESPONSE]


@case("LIV-02", "SHOULD")
@rfc(7296, "1.4", "2.4")
def test_asks_a_silent_peer_whether_it_lives(peer: Tested, initiator: Initiator) -> None:
    """Told to check liveness, the peer sends an empty INFORMATIONAL request when all is silent."""
    peer.start(dpd_delay=1.0)
    sa = initiator.establish()

    sa.wait(lambda: bool(checks(sa)), LATE)

    [check, *_] = checks(sa) or [None]
    assert check is not None, f"no liveness check in {LATE:.0f} s\n{sa}"
    assert check.encrypted and check.inner() == [], f"{check.text()}\n{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("LIV-02")
@rfc(7296, "2.4")
def test_asks_more_than_once_before_it_gives_up(peer: Tested, initiator: Initiator) -> None:
    """Only repeated attempts without an answer let the peer conclude that we are dead."""
    peer.start(dpd_delay=1.0, tries=1)
    sa = initiator.establish(plan=DEAF)

    sa.wait(lambda: peer.sa(sa) is None, OVER)

    found = checks(sa)
    assert found, f"no liveness check came\n{sa}"
    assert peer.sa(sa) is None, f"the peer keeps an IKE SA that does not answer\n{sa}"
    assert len([s for s in found if s.data == found[0].data]) > 1, f"it asked only once\n{sa}"


@case("LIV-05")
@rfc(7296, "2.3", "2.4")
def test_sends_nothing_else_while_its_check_is_unanswered(
    peer: Tested, initiator: Initiator
) -> None:
    """Without a response to its liveness check no second request goes out, not even a delete."""
    peer.start(dpd_delay=1.0, tries=1)
    sa = initiator.establish(plan=DEAF)

    sa.wait(lambda: peer.sa(sa) is None, OVER)
    sa.wait(lambda: False, 0.3)

    found = checks(sa)
    assert found, f"no liveness check came\n{sa}"
    ids = {s.message.id for s in found}
    assert len(ids) == 1, f"requests {sorted(ids)} were outstanding at once\n{sa}"


STRAYS = {
    "INVALID_IKE_SPI": [IKEv2_Notify(type=Notify.INVALID_IKE_SPI)],
    "INVALID_SPI": [IKEv2_Notify(type=Notify.INVALID_SPI, notify=b"\x0b\xad\x5f\x1d")],
    "INVALID_SYNTAX": [IKEv2_Notify(type=Notify.INVALID_SYNTAX)],
    "AUTHENTICATION_FAILED": [IKEv2_Notify(type=Notify.AUTHENTICATION_FAILED)],
    "INITIAL_CONTACT": [IKEv2_Notify(type=Notify.INITIAL_CONTACT)],
    "Delete": [IKEv2_Delete(proto=Protocol.IKE, SPIsize=0, SPInum=0, SPI=[])],
}


def throw_stray(sa: Session, name: str, *, response: bool) -> list[bytes]:
    """Send one of them in clear under the IKE SA's SPIs; what comes, but for what came before."""
    before = {step.data for step in sa.received()}  # and may come once more, late
    flags = INITIATOR | (RESPONSE if response else 0)
    stray = message(
        [p.copy() for p in STRAYS[name]],
        init_SPI=sa.spis.i,
        resp_SPI=sa.spis.r,
        exch_type=Exchange.INFORMATIONAL,
        flags=flags,
        id=0 if response else sa.sa.window.next_request,
    )
    return [data for data in sa.throw(bytes(stray), patience=0.3) if data not in before]


@case("LIV-03")
@rfc(7296, "2.4", "2.21.4")
@pytest.mark.parametrize("name", ["INVALID_IKE_SPI", "INVALID_SPI", "INVALID_SYNTAX"])
def test_does_not_believe_an_unprotected_complaint(
    peer: Tested, initiator: Initiator, name: str
) -> None:
    """An unprotected notify, marked as a response, ends no IKE SA and gets no answer."""
    peer.start()
    sa = initiator.establish()

    answers = throw_stray(sa, name, response=True)

    assert not [a for a in answers if a[19] & RESPONSE], f"a response was answered\n{sa}"
    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"
    assert peer.disagreements(sa) == []


@case("INF-06")
@rfc(7296, "2.4", "2.21.4")
@pytest.mark.parametrize("name", STRAYS)
def test_unprotected_requests_change_nothing(peer: Tested, initiator: Initiator, name: str) -> None:
    """Once there are keys, nothing that comes without their protection changes any state."""
    peer.start()
    sa = initiator.establish()

    throw_stray(sa, name, response=False)

    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"
    assert len(sa.children) == 1
    assert peer.disagreements(sa) == []


FORGED = {
    "a payload that is too short": (Payload.N, bytes.fromhex("0000000200004000")),
    "a payload that is too long": (Payload.SA, bytes.fromhex("0000ffff00000000")),
    "SK of nothing": (Payload.SK, bytes.fromhex("29000004")),
    "SK of noise": (Payload.SK, bytes.fromhex("29000064") + bytes(range(96))),
    "SKF of noise": (Payload.SKF, bytes.fromhex("2900006800010001") + bytes(range(96))),
    "a critical unknown payload": (100, bytes.fromhex("0080000861626364")),
}


@case("INF-06")
@rfc(7296, "2.4", "2.21.3", "2.21.4", "3.10.1")
@pytest.mark.parametrize("exchange", [Exchange.CREATE_CHILD_SA, Exchange.INFORMATIONAL],
                         ids=lambda e: e.name)  # fmt: skip
@pytest.mark.parametrize("name", FORGED)
def test_forged_requests_change_nothing(
    peer: Tested, initiator: Initiator, exchange: Exchange, name: str
) -> None:
    """A request that nobody who has the keys has made ends no IKE SA, however it is broken."""
    peer.start()
    sa = initiator.establish()
    kind, body = FORGED[name]
    header = struct.pack(
        "!8s8sBBBBII", sa.spis.i, sa.spis.r, kind, 0x20, exchange, INITIATOR,
        sa.sa.window.next_request, 28 + len(body),
    )  # fmt: skip

    sa.throw(header + body, patience=0.3)

    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"
    assert len(sa.children) == 1
    assert peer.disagreements(sa) == []


@case("LIV-04", "feature")
@rfc(7296, "2.4")
def test_takes_initial_contact(peer: Tested, initiator: Initiator) -> None:
    """With INITIAL_CONTACT a new IKE SA comes up; whether older ones go at once is recorded."""
    peer.start()
    old = initiator.establish()

    sa = initiator.session()
    sa.init()
    sa.auth(edits=[insert("SK", after="IDi", payload=notify("INITIAL_CONTACT"))])
    old.wait(lambda: peer.sa(old) is None, 0.5)

    assert sa.established, f"no IKE SA with INITIAL_CONTACT\n{sa}"
    kept = peer.sa(old) is not None
    peer.observe("the older IKE SA stays" if kept else "the older IKE SA is gone")
    assert peer.disagreements(sa) == []
