"""Deletes, notifies and errors inside and outside an IKE SA (RFC 7296 1.4, 1.5, 2.21, 3.10)."""

from __future__ import annotations

import pytest

from ikelab.harness.edits import Edit, at, insert, notify, plain
from ikelab.harness.endpoint import Initiator
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Datagram
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Exchange, Notify, Payload, Protocol
from ikelab.layers.message import IKEv2, message
from ikelab.layers.payloads import IKEv2_Delete

INITIATOR, RESPONSE = 0x08, 0x20
UNKNOWN_STATUS, UNKNOWN_ERROR = 40000, 1000  # neither is given away by IANA, nor private
NOWHERE = b"\x0b\xad\x5f\x1d"


@case("INF-03")
@rfc(7296, "1.4.1", "2.25.1", "3.11")
def test_deletes_all_that_it_has_of_a_list(peer: Tested, initiator: Initiator) -> None:
    """Of several SPIs, of ESP and AH, those that exist are deleted and come back in pairs."""
    peer.start()
    sa = initiator.establish()
    sa.create_child()
    assert len(sa.children) == 2, f"no second child\n{sa}"
    ours = [c.spi_in for c in sa.children]
    paired = {c.spi_out for c in sa.children}

    several = [
        IKEv2_Delete(proto=Protocol.ESP, SPI=[ours[0], NOWHERE, ours[1]]),
        IKEv2_Delete(proto=Protocol.AH, SPI=[NOWHERE]),
    ]
    reply = sa.inform(several)

    assert not reply.silent, f"no answer\n{sa}"
    back = [bytes(s) for p in reply.payloads if p.kind == Payload.D for s in p.SPI]
    assert sorted(back) == sorted(paired), f"deleted {[b.hex() for b in back]}\n{sa}"

    def all_gone() -> bool:
        view = peer.sa(sa)
        return view is not None and all(c.state.startswith("DELET") for c in view.children)

    assert sa.wait(all_gone), f"the peer has {peer.sa(sa)}"
    assert sa.violations == []


MISFITS = {
    "SPIs of three octets": [at("SK.D.SPIsize").set(3)],
    "SPIs of eight octets": [at("SK.D.SPIsize").set(8)],
    "one more SPI than there is": [at("SK.D.SPInum").add(1)],
    "65535 SPIs": [at("SK.D.SPInum").set(65535)],
    "no SPI of no octets": [at("SK.D.SPIsize").set(0), at("SK.D.SPInum").set(1)],
}


def assert_fatal_if_said(peer: Tested, sa: Session) -> None:
    """INVALID_SYNTAX ends the IKE SA on both sides; anything else leaves it as it was."""
    if "INVALID_SYNTAX" in sa.reply.errors:
        gone = sa.wait(lambda: peer.sa(sa) is None, 4.0)
        assert gone, f"the IKE SA goes on after INVALID_SYNTAX\n{sa}"
    else:
        assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"


@case("INF-04")
@rfc(7296, "1.4", "2.21.3", "3.11")
@pytest.mark.parametrize("edits", MISFITS.values(), ids=MISFITS)
def test_answers_a_delete_that_does_not_add_up(
    peer: Tested, initiator: Initiator, edits: list[Edit]
) -> None:
    """A Delete payload with wrong sizes is answered; INVALID_SYNTAX is the end of the IKE SA."""
    peer.start()
    sa = initiator.establish()

    sa.inform([IKEv2_Delete(proto=Protocol.ESP, SPI=[NOWHERE])], edits=edits)

    assert not sa.reply.silent, f"no answer\n{sa}"
    peer.observe(sa.reply.outcome)
    assert_fatal_if_said(peer, sa)
    assert initiator.probe()


@case("INF-05")
@rfc(7296, "3.10.1")
@pytest.mark.parametrize("kind", [UNKNOWN_STATUS, UNKNOWN_ERROR], ids=["status", "error"])
def test_ignores_unknown_notifies_in_requests(
    peer: Tested, initiator: Initiator, kind: int
) -> None:
    """Unknown notifies, status or error, are ignored in every request."""
    peer.start()
    strange = notify(kind, b"from the future")

    sa = initiator.session()
    sa.init(edits=[insert(payload=strange)])
    assert sa.state is State.INIT_DONE, f"IKE_SA_INIT did not succeed\n{sa}"
    sa.auth(edits=[insert("SK", payload=strange)])
    assert sa.established, f"IKE_AUTH did not succeed\n{sa}"
    child = sa.create_child(edits=[insert("SK", payload=strange)])
    assert child.has(Payload.SA), f"no second child: {child.errors}\n{sa}"
    reply = sa.inform(edits=[insert("SK", payload=strange)])

    assert not reply.silent and reply.errors == [], f"{reply.outcome}\n{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


def stray(spi_i: bytes, *, response: bool) -> bytes:
    """An unprotected-looking INFORMATIONAL message for an IKE SA that nobody has."""
    return bytes(
        message(
            [],
            init_SPI=spi_i,
            resp_SPI=b"nobody's",
            exch_type=Exchange.INFORMATIONAL,
            flags=INITIATOR | (RESPONSE if response else 0),
            id=5,
        )
    )


@case("INF-07")
@rfc(7296, "1.5", "2.21.4")
def test_says_no_more_than_invalid_ike_spi_to_strangers(peer: Tested, initiator: Initiator) -> None:
    """A request for an unknown IKE SA gets nothing, or one unprotected INVALID_IKE_SPI."""
    peer.start()
    sa = initiator.session()

    answers = sa.throw(stray(sa.spis.i, response=False), patience=0.6)

    peer.observe("INVALID_IKE_SPI" if answers else "silence")
    for answer in map(IKEv2, answers):
        assert len(answer.payloads) == 1, f"{len(answer.payloads)} payloads\n{sa}"
        only = answer.payloads[0]
        assert only.kind == Payload.N and only.type == Notify.INVALID_IKE_SPI, f"{only}\n{sa}"
        assert int(answer.flags) & RESPONSE and answer.id == 5
        assert answer.exch_type == Exchange.INFORMATIONAL
        assert bytes(answer.init_SPI) == sa.spis.i and bytes(answer.resp_SPI) == b"nobody's"
    assert initiator.probe()


@case("INF-07")
@rfc(7296, "2.21.4", "3.1")
def test_never_answers_a_response_of_strangers(peer: Tested, initiator: Initiator) -> None:
    """A message that is marked as a response, and belongs to no IKE SA, gets no answer."""
    peer.start()
    sa = initiator.session()

    answers = sa.throw(stray(sa.spis.i, response=True), patience=0.6)

    assert answers == [], f"a response was answered\n{sa}"
    assert initiator.probe()


@case("INIT-27")
@rfc(7296, "3.1")
def test_never_answers_what_is_marked_as_a_response(peer: Tested, initiator: Initiator) -> None:
    """IKE_SA_INIT with the Response flag set gets no answer."""
    peer.start()
    sa = initiator.session()

    sa.init(edits=[at("header.flags").set(INITIATOR | RESPONSE)], patience=0.6)

    assert sa.received() == [], f"a response was answered\n{sa}"
    assert initiator.probe()


def assert_survives_header(peer: Tested, initiator: Initiator, edit: Edit) -> None:
    """A first message with this header does no harm; what becomes of it is recorded."""
    peer.start()
    sa = initiator.session()

    sa.init(edits=[edit], patience=0.6)

    peer.observe(sa.received()[0].text() if sa.received() else "silence")
    assert initiator.probe(), f"no honest IKE SA comes up afterwards\n{sa}"


@case("INIT-19", "policy")
@rfc(7296, "2.6", "3.1")
def test_survives_an_initiator_spi_of_zero(peer: Tested, initiator: Initiator) -> None:
    """IKE_SA_INIT with SPIi zero does no harm: 3.1 forbids it to the sender alone."""
    assert_survives_header(peer, initiator, at("header.init_SPI").set(bytes(8)))


HEADERS = {
    "no initiator flag": at("header.flags").set(0),
    "message ID 7": at("header.id").set(7),
    "SPIr not zero": at("header.resp_SPI").set(b"nobody's"),
}


@case("INIT-27", "policy")
@rfc(7296, "2.2", "2.6", "3.1")
@pytest.mark.parametrize("edit", HEADERS.values(), ids=HEADERS)
def test_survives_a_first_message_with_an_odd_header(
    peer: Tested, initiator: Initiator, edit: Edit
) -> None:
    """A header that no initiator may send does no harm: 2.2 and 3.1 bind the sender alone."""
    assert_survives_header(peer, initiator, edit)


@case("INF-08", "policy")
@rfc(7296, "1.5", "2.21.4")
def test_survives_esp_with_an_unknown_spi(peer: Tested, initiator: Initiator) -> None:
    """ESP with an SPI of no CHILD_SA does no harm; whether INVALID_SPI comes is recorded."""
    peer.start()
    sa = initiator.establish()
    us, them = sa.sa.local[0], sa.sa.remote[0]

    for number in range(1, 4):
        data = NOWHERE + number.to_bytes(4, "big") + bytes(64)
        sa.endpoint.transport.send(Datagram(data, (us, 4500), (them, 4500)))
    known = len(sa.received())
    sa.wait(lambda: len(sa.received()) > known, 0.6)

    peer.observe("; ".join(s.text() for s in sa.received()[known:]) or "silence")
    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"
    assert peer.disagreements(sa) == []


@case("INF-09")
@rfc(7296, "1.2", "2.21.2")
def test_keeps_the_ike_sa_when_no_child_proposal_fits(peer: Tested, initiator: Initiator) -> None:
    """IKE_AUTH whose child finds no proposal is answered with AUTH: the IKE SA is up."""
    peer.start(esp=["aes128gcm16"])
    sa = initiator.init(esp=["aes256-sha512"])

    reply = sa.auth()

    reply.only(Notify.NO_PROPOSAL_CHOSEN)
    assert reply.has(Payload.AUTH), f"the refusal of the child has no AUTH\n{sa}"
    assert sa.established and sa.children == []
    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


MALFORMED = {
    "a payload that is too long": plain.replace(bytes.fromhex("0000ffff00004000")),
    "a payload that is too short": plain.replace(bytes.fromhex("0000000200004000")),
    "a payload without its body": plain.replace(bytes.fromhex("00000004")),
}


@case("INF-11")
@rfc(7296, "2.21.3", "3.10.1")
@pytest.mark.parametrize("edit", MALFORMED.values(), ids=MALFORMED)
def test_ends_the_ike_sa_with_invalid_syntax(
    peer: Tested, initiator: Initiator, edit: Edit
) -> None:
    """A protected request that cannot be parsed gets INVALID_SYNTAX, and the IKE SA is over."""
    peer.start()
    sa = initiator.establish()

    reply = sa.inform(edits=[insert("SK", payload=notify("INITIAL_CONTACT")), edit])

    reply.only(Notify.INVALID_SYNTAX)
    assert_fatal_if_said(peer, sa)
    assert initiator.probe()


@case("INF-15", "feature")
@rfc(6290, "4.1")
@rfc(6311, "3")
def test_takes_announcements_of_crash_detection_and_synchronisation(
    peer: Tested, initiator: Initiator
) -> None:
    """QUICK_CRASH_DETECTION and IKEV2_MESSAGE_ID_SYNC_SUPPORTED are answered or ignored."""
    peer.start()
    sa = initiator.init()

    reply = sa.auth(
        edits=[
            insert("SK", payload=notify("QUICK_CRASH_DETECTION", bytes(range(64)))),
            insert("SK", payload=notify("IKEV2_MESSAGE_ID_SYNC_SUPPORTED")),
        ]
    )

    assert sa.established, f"IKE_AUTH did not succeed\n{sa}"
    said = {n.type for n in reply.notifies}
    both = (Notify.QUICK_CRASH_DETECTION, Notify.IKEV2_MESSAGE_ID_SYNC_SUPPORTED)
    peer.observe(", ".join(n.name for n in both if n in said) or "neither is supported")
    assert sa.violations == []
    assert peer.disagreements(sa) == []
