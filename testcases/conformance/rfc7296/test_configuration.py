"""Addresses and more through the configuration payload (RFC 7296 2.19, 3.15, RFC 8598)."""

from __future__ import annotations

import ipaddress

import pytest

from ikelab.harness.edits import Edit, at, cp, insert
from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.exchange.configuration import Pool
from ikelab.harness.model import TS, selectors
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.layers.iana import CfgAttr, CfgType, Notify, Payload
from ikelab.testcases.each_once import each_once
from ikelab.testcases.rekeys import agreed

POOL, ONE, DNS = "10.3.0.0/24", "10.3.0.5/32", "10.2.0.53"
ANY = "0.0.0.0/0"
ADDRESS, ADDRESS6 = CfgAttr.INTERNAL_IP4_ADDRESS, CfgAttr.INTERNAL_IP6_ADDRESS
UNKNOWN = 1000  # an attribute type that IANA has not given away


def given(sa: Session, kind: int) -> list[bytes]:
    """The values of an attribute in CP(CFG_REPLY)."""
    return [value for attribute, value in sa.sa.configuration if attribute == kind]


def address_of(sa: Session) -> TS:
    """The one IPv4 address that was given, as a selector; AssertionError where there is none."""
    value = b"".join(given(sa, ADDRESS))
    assert len(value) == 4, f"the address is {value.hex() or 'missing'}\n{sa}"
    return TS.parse(str(ipaddress.ip_address(value)))


@case("CP-01", "feature")
@rfc(7296, "2.19", "3.15.1")
def test_gives_an_address_of_its_pool(peer: Tested, initiator: Initiator) -> None:
    """Asked for an address and DNS, it gives both, and narrows TSi to the address."""
    peer.start(pool=(POOL,), dns=(DNS,))

    sa = initiator.establish(request=(ADDRESS, CfgAttr.INTERNAL_IP4_DNS), tsi=ANY)

    address = address_of(sa)
    assert selectors(POOL)[0].contains(address), f"{address} is not of {POOL}\n{sa}"
    assert given(sa, CfgAttr.INTERNAL_IP4_DNS) == [ipaddress.ip_address(DNS).packed], f"{sa}"
    assert sa.child.tsi == (address,), f"{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("CP-01")
@rfc(7296, "2.19")
def test_puts_the_configuration_before_the_sa_payload(peer: Tested, initiator: Initiator) -> None:
    """CP stands before SA in the response as well."""
    peer.start(pool=(POOL,))
    sa = initiator.init(request=(ADDRESS,), tsi=ANY)

    reply = sa.auth()

    kinds = [p.kind for p in reply.payloads]
    assert reply.one(Payload.CP).CFGType == CfgType.CFG_REPLY
    assert kinds.index(Payload.CP) < kinds.index(Payload.SA), f"{reply.names}\n{sa}"


@case("CP-01")
@rfc(7296, "2.19")
def test_sends_no_reply_that_nobody_asked_for(peer: Tested, initiator: Initiator) -> None:
    """Without CP(CFG_REQUEST) there is no CP(CFG_REPLY)."""
    peer.start(pool=(POOL,))
    sa = initiator.init()

    reply = sa.auth()

    assert not reply.silent and not reply.has(Payload.CP), f"{reply.names}\n{sa}"


@case("CP-01", "feature")
@rfc(7296, "2.19", "3.15.1")
def test_uses_the_address_that_it_was_given(peer: Tested, responder: Responder) -> None:
    """As initiator it asks for an address, and takes the one of the reply for its selector."""
    peer.start(request=(int(ADDRESS),), local_ts=ANY)
    responder.listen(pool=Pool((POOL,)))

    peer.initiate()
    sa = responder.accept()

    sent = [p for s in each_once(sa.sent()) for p in s.inner() or [] if p.kind == Payload.CP]
    assert len(sent) == 1, f"the peer asked for no address\n{sa}"
    reply = sent[0]
    address = TS.parse(str(ipaddress.ip_address(bytes(reply.attributes[0].value))))
    assert sa.child.remote_ts == (address,), f"{sa}"
    assert sa.violations == []
    agreed(peer, sa)


@case("CP-02")
@rfc(7296, "3.15.1")
@pytest.mark.parametrize("oddity", ["unknown attribute", "reserved bit"])
def test_ignores_what_it_does_not_know_in_a_request(
    peer: Tested, initiator: Initiator, oddity: str
) -> None:
    """An unknown attribute and the Reserved bit are ignored: the address is given."""
    peer.start(pool=(POOL,))
    edits = [at("SK.CP[0].type").set(0x8000 | ADDRESS)] if oddity == "reserved bit" else []
    sa = initiator.init(request=(ADDRESS,) if edits else (ADDRESS, UNKNOWN), tsi=ANY)

    sa.auth(edits=edits)

    assert sa.established, f"IKE_AUTH did not succeed\n{sa}"
    assert selectors(POOL)[0].contains(address_of(sa))
    assert sa.violations == []
    assert peer.disagreements(sa) == []


# Those whose request is empty; two are reserved, and INTERNAL_IP6_LINK brings a link (RFC 5739).
_NOT_EMPTY = {CfgAttr.INTERNAL_ADDRESS_EXPIRY, CfgAttr.INTERNAL_IP6_NBNS, CfgAttr.INTERNAL_IP6_LINK}
SOURCES = ["RFC 7296", "RFC 5026", "RFC 5739", "RFC 7651", "3GPP TS 24.302"]


@case("CP-02")
@rfc(7296, "3.15.1", "3.15.4")
@pytest.mark.parametrize("source", SOURCES)
def test_gives_an_address_whatever_else_is_asked_for(
    peer: Tested, initiator: Initiator, source: str
) -> None:
    """What it has not it leaves out: DHCP servers, gateways of a telephone, and the address comes.

    What it gives besides is told.
    """
    peer.start(pool=(POOL,))
    more = [a for a in CfgAttr if a.reference == source and a not in (*_NOT_EMPTY, ADDRESS6)]
    wanted = tuple(dict.fromkeys([ADDRESS, *more]))

    sa = initiator.establish(request=wanted, tsi=ANY)

    assert selectors(POOL)[0].contains(address_of(sa))
    peer.observe(", ".join(a.iana for a in more if given(sa, a)) or "nothing besides the address")
    assert sa.violations == []
    assert peer.disagreements(sa) == []


LENGTHS = {
    "an address of three octets": [at("SK.CP[0].value").set(b"\x0a\x03\x00")],
    "an address of 200 octets": [at("SK.CP[0].value").set(bytes(200))],
    "a length beyond the payload": [at("SK.CP[0].length").set(400)],
    "an IPv6 address of four octets": [
        at("SK.CP[0].type").set(int(ADDRESS6)),
        at("SK.CP[0].value").set(bytes(4)),
    ],
}


@case("CP-02", "policy")
@rfc(7296, "3.15.1")
@pytest.mark.parametrize("edits", LENGTHS.values(), ids=LENGTHS)
def test_survives_attributes_of_wrong_length(
    peer: Tested, initiator: Initiator, edits: list[Edit]
) -> None:
    """Attributes of a length that they cannot have do no harm; what becomes of them is told."""
    peer.start(pool=(POOL,))
    sa = initiator.init(request=(ADDRESS,), tsi=ANY)

    reply = sa.auth(edits=edits, patience=1.0)

    peer.observe(reply.outcome)
    assert initiator.probe(request=(ADDRESS,), tsi=ANY), f"no honest IKE SA afterwards\n{sa}"


@case("CP-03", "SHOULD")
@rfc(7296, "3.15.4")
def test_ignores_a_type_of_address_that_it_does_not_have(
    peer: Tested, initiator: Initiator
) -> None:
    """Asked for IPv4 and IPv6, and with IPv4 alone to give, it gives that and does not fail."""
    peer.start(pool=(POOL,))
    sa = initiator.init(request=(ADDRESS, ADDRESS6), tsi=ANY)

    reply = sa.auth()

    assert reply.errors == [], f"{reply.errors}\n{sa}"
    assert selectors(POOL)[0].contains(address_of(sa))
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("CP-03")
@rfc(7296, "1.2", "2.19")
def test_refuses_the_child_of_who_asks_for_no_address(peer: Tested, initiator: Initiator) -> None:
    """Where an address is needed, FAILED_CP_REQUIRED refuses the child, and the IKE SA is up."""
    peer.start(pool=(POOL,), require_request=True)
    sa = initiator.init()

    reply = sa.auth()

    reply.only(Notify.FAILED_CP_REQUIRED)
    assert reply.has(Payload.AUTH) and sa.established and sa.children == [], f"{sa}"
    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"
    assert peer.disagreements(sa) == []


@case("CP-04", "feature")
@rfc(7296, "2.19", "3.15.4")
def test_keeps_the_ike_sa_when_no_address_is_left(peer: Tested, initiator: Initiator) -> None:
    """The same identity asks a pool of one address twice: what it gets is told.

    INTERNAL_ADDRESS_FAILURE makes no child and leaves the IKE SA up.
    """
    peer.start(pool=(ONE,))
    first = initiator.establish(request=(ADDRESS,), tsi=ANY)
    assert str(address_of(first)) == str(selectors(ONE)[0]), f"{first}"
    sa = initiator.init(request=(ADDRESS,), tsi=ANY)

    reply = sa.auth()

    if Notify.INTERNAL_ADDRESS_FAILURE.name in reply.errors:
        peer.observe("INTERNAL_ADDRESS_FAILURE")
        assert reply.has(Payload.AUTH) and sa.established and sa.children == [], f"{sa}"
        assert peer.disagreements(sa) == []
    else:
        peer.observe(f"the same address again: {address_of(sa)}")
        assert sa.established, f"IKE_AUTH did not succeed\n{sa}"
    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"


@case("CP-04", "policy")
@rfc(7296, "2.19", "3.15.4")
def test_keeps_the_ike_sa_of_who_wants_another_address_than_there_is(
    peer: Tested, initiator: Initiator
) -> None:
    """Asked for an IPv6 address alone where there are IPv4 ones, it may refuse the child.

    INTERNAL_ADDRESS_FAILURE is for when no address can be given (3.15.4); to ignore what it does
    not have is allowed too.
    """
    peer.start(pool=(POOL,))
    sa = initiator.init(request=(ADDRESS6,), tsi=ANY)

    reply = sa.auth()

    peer.observe(reply.outcome)
    assert not reply.silent and sa.established, f"no IKE SA\n{sa}"
    assert given(sa, ADDRESS6) == [], f"an IPv6 address that nobody has\n{sa}"
    if Notify.INTERNAL_ADDRESS_FAILURE.name in reply.errors:
        assert sa.children == [], f"{sa}"
    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"
    assert peer.disagreements(sa) == []


@case("CP-05", "feature")
@rfc(8598, "3.1", "3.2")
def test_takes_a_request_for_split_dns(peer: Tested, initiator: Initiator) -> None:
    """Asked for INTERNAL_DNS_DOMAIN and INTERNAL_DNSSEC_TA it answers or ignores them."""
    peer.start(pool=(POOL,), dns=(DNS,))
    wanted = (CfgAttr.INTERNAL_DNS_DOMAIN, CfgAttr.INTERNAL_DNSSEC_TA)

    sa = initiator.establish(request=(ADDRESS, CfgAttr.INTERNAL_IP4_DNS, *wanted), tsi=ANY)

    address_of(sa)
    peer.observe(", ".join(k.name for k in wanted if given(sa, k)) or "neither is given")
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("CP-05")
@rfc(7296, "3.15.1")
def test_accepts_no_more_of_a_cfg_set_than_it_says(peer: Tested, initiator: Initiator) -> None:
    """CFG_SET is ignored, or answered by CFG_ACK whose attributes have no data."""
    peer.start()
    sa = initiator.establish()

    pushed = cp(CfgType.CFG_SET, (int(CfgAttr.INTERNAL_IP4_DNS), bytes([10, 2, 0, 53])))
    reply = sa.inform(edits=[insert("SK", payload=pushed)])

    assert not reply.silent, f"no answer\n{sa}"
    for payload in (p for p in reply.payloads if p.kind == Payload.CP):
        assert payload.CFGType == CfgType.CFG_ACK, f"{payload}\n{sa}"
        assert all(not bytes(a.value) for a in payload.attributes), f"{payload}\n{sa}"
    peer.observe("acknowledged" if reply.has(Payload.CP) else "ignored")
    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"
    assert peer.disagreements(sa) == []
