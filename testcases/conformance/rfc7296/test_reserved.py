"""What a receiver has to ignore, and what it must not (RFC 7296 2.5, 3.1, 3.2, 3.12)."""

from __future__ import annotations

import pytest

from ikelab.harness.edits import Edit, at, insert, move, unknown, vendor
from ikelab.harness.endpoint import Initiator
from ikelab.harness.exchange.table import State
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.reply import Reply
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Notify, Payload

UNASSIGNED = 100  # a payload type that IANA has not given away
INIT_PAYLOADS = ["SA", "KE", "Nonce", "N"]
AUTH_PAYLOADS = ["SK.IDi", "SK.IDr", "SK.AUTH", "SK.SA", "SK.TSi", "SK.TSr"]


def up(initiator: Initiator, init: list[Edit], auth: list[Edit], **options: object) -> Session:
    """An IKE SA of two exchanges with these edits; AssertionError where it does not come up."""
    sa = initiator.session(**options)
    sa.init(edits=init)
    assert sa.state is State.INIT_DONE, f"IKE_SA_INIT did not succeed\n{sa}"
    sa.auth(edits=auth)
    assert sa.established, f"IKE_AUTH did not succeed\n{sa}"
    return sa


@case("VER-03")
@rfc(7296, "3.1")
@pytest.mark.parametrize("flag", [0x01, 0x02, 0x04, 0x10, 0x40, 0x80])
def test_ignores_reserved_header_flags(peer: Tested, initiator: Initiator, flag: int) -> None:
    """The X bits and the Version bit of the header's flags are ignored on receipt."""
    peer.start()

    sa = initiator.establish(plan=f"*/request: header.flags |= {flag}")

    assert not sa.inform().silent, f"INFORMATIONAL was not answered\n{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("VER-04")
@rfc(7296, "2.5", "3.2")
def test_ignores_reserved_bits_of_payload_headers(peer: Tested, initiator: Initiator) -> None:
    """The seven RESERVED bits beside the critical bit are ignored in every payload."""
    peer.start()

    init = [at(f"{p}.flags").set(0x7F) for p in INIT_PAYLOADS]
    auth = [at(f"{p}.flags").set(0x7F) for p in [*AUTH_PAYLOADS, "SK"]]
    sa = up(initiator, init, auth)

    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("VER-04")
@rfc(7296, "2.5", "3.3.1", "3.3.2", "3.4", "3.8", "3.13")
def test_ignores_reserved_fields_in_payloads(peer: Tested, initiator: Initiator) -> None:
    """RESERVED fields inside SA, KE, AUTH and TS payloads are ignored."""
    peer.start()

    init = [
        at("SA.proposal[0].reserved").set(0xFF),
        at("SA.proposal[0].transform[0].reserved").set(0xFF),
        at("SA.proposal[0].transform[0].res2").set(0xFF),
        at("KE.res2").set(0xFFFF),
    ]
    auth = [at(f"SK.{p}.res2").set(0xFFFFFF) for p in ("AUTH", "TSi", "TSr")]
    sa = up(initiator, init, auth)

    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("VER-04")
@rfc(7296, "2.15", "3.5")
def test_signs_the_reserved_octets_of_an_identity(peer: Tested, initiator: Initiator) -> None:
    """RESERVED of the ID payload is ignored, but AUTH covers it as it came."""
    peer.start()

    sa = up(initiator, [], [], id_reserved=0xA55A11)

    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("VER-08")
@rfc(7296, "2.5", "3.2")
def test_ignores_the_critical_bit_of_known_payloads(peer: Tested, initiator: Initiator) -> None:
    """The critical bit is ignored on every payload type that RFC 7296 defines."""
    peer.start()

    init = [at(f"{p}.flags").set(0x80) for p in INIT_PAYLOADS]
    auth = [at(f"{p}.flags").set(0x80) for p in [*AUTH_PAYLOADS, "SK"]]
    sa = up(initiator, init, auth)

    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("VER-09")
@rfc(7296, "2.5")
def test_takes_payloads_in_any_order(peer: Tested, initiator: Initiator) -> None:
    """Messages are not rejected for the order of their payloads."""
    peer.start()

    init = [move("Nonce", before="SA"), move("SA", after="N")]
    auth = [move("SK.TSr", before="IDi"), move("SK.AUTH", after="TSi"), move("SK.IDi", after="SA")]
    sa = up(initiator, init, auth)

    assert sa.violations == []
    assert peer.disagreements(sa) == []


def ask(sa: Session, exchange: str, edits: list[Edit]) -> Reply:
    """One protected exchange with these edits."""
    if exchange == "IKE_AUTH":
        return sa.auth(edits=edits)
    return sa.create_child(edits=edits) if exchange == "CREATE_CHILD_SA" else sa.inform(edits=edits)


def before(initiator: Initiator, exchange: str) -> Session:
    """An SA that is ready for that exchange."""
    return initiator.init() if exchange == "IKE_AUTH" else initiator.establish()


EXCHANGES = ["IKE_AUTH", "CREATE_CHILD_SA", "INFORMATIONAL"]


@case("VER-07")
@rfc(7296, "2.5", "3.2")
@pytest.mark.parametrize("exchange", EXCHANGES)
def test_skips_an_unknown_payload_inside_sk(
    peer: Tested, initiator: Initiator, exchange: str
) -> None:
    """An unknown payload without the critical bit is skipped in protected messages too."""
    peer.start()
    sa = before(initiator, exchange)

    reply = ask(sa, exchange, [insert("SK", payload=unknown(UNASSIGNED, b"from the future"))])

    assert not reply.silent, f"no answer\n{sa}"
    if exchange == "IKE_AUTH" and not reply.has(Payload.SA):
        peer.needs("child")  # who can have none refuses it in its own words
    assert reply.errors == [], f"an unknown payload was not skipped: {reply.errors}\n{sa}"
    assert sa.established and sa.violations == []
    assert peer.disagreements(sa) == []


@case("VER-07")
@rfc(7296, "2.5", "2.21.2", "3.2")
@pytest.mark.parametrize("exchange", EXCHANGES)
def test_names_the_unknown_critical_payload_inside_sk(
    peer: Tested, initiator: Initiator, exchange: str
) -> None:
    """UNSUPPORTED_CRITICAL_PAYLOAD, with the type, answers protected messages too."""
    peer.start()
    sa = before(initiator, exchange)

    edit = insert("SK", payload=unknown(UNASSIGNED, b"from the future", critical=True))
    reply = ask(sa, exchange, [edit])

    refusal = reply.only(Notify.UNSUPPORTED_CRITICAL_PAYLOAD)
    assert refusal.data == bytes([UNASSIGNED]), f"it names {refusal.data.hex()}\n{sa}"
    assert not reply.has(Payload.AUTH) and not reply.has(Payload.SA)
    assert initiator.probe()


@case("VER-20")
@rfc(7296, "2", "3.12")
@pytest.mark.parametrize("octets", [1, 400])
def test_ignores_unfamiliar_vendor_ids(peer: Tested, initiator: Initiator, octets: int) -> None:
    """Unfamiliar vendor IDs are ignored, in clear and protected."""
    peer.start()

    strange = vendor(bytes(range(256))[:octets].ljust(octets, b"v"))
    sa = up(initiator, [insert(payload=strange)], [insert("SK", payload=strange)])

    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("VER-20", "policy")
@rfc(7296, "2", "3.12")
@pytest.mark.parametrize("octets", [0, 8000, 60000])
def test_survives_odd_vendor_ids(peer: Tested, initiator: Initiator, octets: int) -> None:
    """A vendor ID of no octet, or of very many, does no harm; what becomes of it is recorded.

    RFC 7296 2 demands that messages of 1280 octets are processed, and recommends 3000.
    """
    peer.start()
    sa = initiator.session()

    reply = sa.init(edits=[insert(payload=vendor(b"v" * octets))], patience=1.0)

    peer.observe(reply.outcome)
    assert initiator.probe(), f"no honest IKE SA comes up afterwards\n{sa}"
