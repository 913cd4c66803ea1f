"""The configuration payload: addresses asked for and given, and the child that they are for.

RFC 7296 2.19, 3.15.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from talk import LEFT_NET, RIGHT_NET, Talk

from ikelab.harness.edits import cp, insert
from ikelab.harness.entropy import entropy
from ikelab.harness.exchange.configuration import Pool, attributes
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.exchange.table import State
from ikelab.harness.model import TS, Identity, selectors
from ikelab.layers.iana import CfgAttr, CfgType, IdType, Notify, Payload

FOUR, SIX = CfgAttr.INTERNAL_IP4_ADDRESS, CfgAttr.INTERNAL_IP6_ADDRESS
EVERYWHERE = ["0.0.0.0/0", "::/0"]
UNKNOWN = 12345


def pool(*networks: str, **options: Any) -> dict[str, Any]:
    """A responder that gives addresses away to whoever knows the key."""
    return {"pool": Pool(networks, **options), "local_ts": EVERYWHERE, "remote_id": None}


def road(*request: int, **options: Any) -> dict[str, Any]:
    """An initiator that asks for these attributes, and for a child with any address."""
    return {"request": request, "tsi": EVERYWHERE, "tsr": EVERYWHERE, **options}


def last(talk: Talk) -> tuple[Inbound, Inbound]:
    """IKE_AUTH: request and response."""
    steps = [Inbound(s.message, s.inner()) for s in talk.i.transcript][-2:]
    return steps[0], steps[1]


def one_child(talk: Talk) -> tuple[tuple[TS, ...], tuple[TS, ...]]:
    """(what lies behind the initiator, behind the responder), as both ends know it."""
    assert talk.i.state is talk.r.state is State.ESTABLISHED
    [ours], [theirs] = talk.i.children.values(), talk.r.children.values()
    assert (ours.local_ts, ours.remote_ts) == (theirs.remote_ts, theirs.local_ts)
    assert ours.keys == theirs.keys and (ours.spi_in, ours.spi_out) == (
        theirs.spi_out,
        theirs.spi_in,
    )
    assert not talk.i.violations and not talk.r.violations
    return ours.local_ts, ours.remote_ts


def no_child(talk: Talk, error: Notify) -> None:
    """The response refuses the child with one notify; the IKE SA is up on both sides."""
    _, response = last(talk)
    assert response.errors() == [error]
    assert response.has(Payload.AUTH) and not response.has(Payload.SA)
    assert not response.has(Payload.CP) and not response.has(Payload.TSI)
    assert talk.i.state is talk.r.state is State.ESTABLISHED
    assert not talk.i.children and not talk.r.children and talk.i.configuration == []


def second(talk: Talk, identity: str, **options: Any) -> IkeSa:
    """Another IKE SA with the same responder, of this identity; up."""
    config = Talk(i=road(FOUR, **options)).i.config
    config = replace(config, local_id=Identity.parse(identity))
    talk.i = IkeSa(config, initiator=True, entropy=entropy(9, identity))
    talk.up()
    return talk.i


def test_a_request_is_empty_attributes_before_the_sa() -> None:
    """3.15.1: an empty value asks; 1.2 and 2.19: CP stands before SA."""
    talk = Talk(i=road(FOUR, SIX, CfgAttr.INTERNAL_IP4_DNS), r=pool("10.9.0.0/24")).up()
    request, response = last(talk)
    asked = request.one(Payload.CP)

    assert asked.CFGType == CfgType.CFG_REQUEST
    assert attributes(asked) == [(FOUR, b""), (SIX, b""), (CfgAttr.INTERNAL_IP4_DNS, b"")]
    for it in (request, response):
        kinds = [p.kind for p in it.payloads]
        assert kinds.index(Payload.AUTH) < kinds.index(Payload.CP) < kinds.index(Payload.SA)
    assert response.one(Payload.CP).CFGType == CfgType.CFG_REPLY


@pytest.mark.parametrize(
    ("request_", "network", "value", "behind"),
    [
        (FOUR, "10.9.0.0/24", ip_address("10.9.0.1").packed, "10.9.0.1"),
        (SIX, "2001:db8:9::/64", ip_address("2001:db8:9::1").packed + b"\x80", "2001:db8:9::1"),
    ],
)
def test_an_address_and_the_selectors_that_it_means(
    request_: int, network: str, value: bytes, behind: str
) -> None:
    """2.19: TSi is narrowed to the address; 3.15.1: IPv6 has a prefix length behind it."""
    talk = Talk(i=road(request_), r=pool(network)).up()
    assert talk.i.configuration == [(request_, value)]
    mine, theirs = one_child(talk)
    assert mine == selectors(behind) and theirs == selectors(EVERYWHERE)


def test_both_versions_at_once() -> None:
    talk = Talk(i=road(FOUR, SIX), r=pool("2001:db8:9::/126", "10.9.0.0/30")).up()
    assert [kind for kind, _ in talk.i.configuration] == [FOUR, SIX]
    assert one_child(talk)[0] == selectors(["10.9.0.1", "2001:db8:9::1"])


def test_a_narrower_child_than_the_address_allows() -> None:
    """2.9: TSi is what was asked for and the address both; nothing in common is no child."""
    wide = Talk(i=road(FOUR, tsi="10.9.0.0-10.9.0.255[6/443]"), r=pool("10.9.0.0/24")).up()
    assert one_child(wide)[0] == (TS.parse("10.9.0.1[6/443]"),)
    none = Talk(i=road(FOUR, tsi="10.1.0.0/16"), r=pool("10.9.0.0/24")).up()
    no_child(none, Notify.TS_UNACCEPTABLE)


def test_dns_and_subnets_are_given_to_who_asks_for_them() -> None:
    """3.15.1, 3.15.2: plain addresses, subnets with mask or prefix length; several of each."""
    kinds = (
        CfgAttr.INTERNAL_IP4_DNS,
        CfgAttr.INTERNAL_IP6_DNS,
        CfgAttr.INTERNAL_IP4_SUBNET,
        CfgAttr.INTERNAL_IP6_SUBNET,
    )
    rest = {
        "dns": ("192.0.2.53", "2001:db8::53", "192.0.2.54"),
        "subnets": ("10.2.0.0/16", "2001:db8:2::/48"),
    }
    talk = Talk(i=road(FOUR, *kinds), r=pool("10.9.0.0/24", **rest)).up()
    assert talk.i.configuration == [
        (FOUR, bytes([10, 9, 0, 1])),
        (CfgAttr.INTERNAL_IP4_DNS, bytes([192, 0, 2, 53])),
        (CfgAttr.INTERNAL_IP6_DNS, ip_address("2001:db8::53").packed),
        (CfgAttr.INTERNAL_IP4_DNS, bytes([192, 0, 2, 54])),
        (CfgAttr.INTERNAL_IP4_SUBNET, bytes([10, 2, 0, 0, 255, 255, 0, 0])),
        (CfgAttr.INTERNAL_IP6_SUBNET, ip_address("2001:db8:2::").packed + b"\x30"),
    ]
    bare = Talk(i=road(FOUR), r=pool("10.9.0.0/24", **rest)).up()
    assert bare.i.configuration == [(FOUR, bytes([10, 9, 0, 1]))]
    one_child(bare)


def test_without_an_address_the_policy_rules() -> None:
    """Who asks for name servers only keeps its own addresses."""
    give = {"pool": Pool(("10.9.0.0/24",), ("192.0.2.53",))}
    talk = Talk(i={"request": (CfgAttr.INTERNAL_IP4_DNS,)}, r=give).up()
    assert talk.i.configuration == [(CfgAttr.INTERNAL_IP4_DNS, bytes([192, 0, 2, 53]))]
    assert one_child(talk) == (selectors(LEFT_NET), selectors(RIGHT_NET))


def test_unknown_attributes_are_ignored() -> None:
    """3.15.1: as if they were not there, wherever they stand and whatever they hold."""
    odd = insert("SK", before="SA", payload=cp(1, UNKNOWN, (FOUR, b""), (0x7FFE, b"value")))
    talk = Talk(i={"tsi": EVERYWHERE, "tsr": EVERYWHERE}, r=pool("10.9.0.0/24")).init().auth(odd)
    request, response = last(talk)
    assert [kind for kind, _ in attributes(request.one(Payload.CP))] == [UNKNOWN, FOUR, 0x7FFE]
    assert attributes(response.one(Payload.CP)) == [(FOUR, bytes([10, 9, 0, 1]))]
    one_child(talk)


def test_an_attribute_that_is_asked_for_twice_is_given_once() -> None:
    """3.15.1: a responder may give fewer addresses than were asked for; not one of them twice."""
    talk = Talk(i=road(FOUR, FOUR), r=pool("10.9.0.0/24")).up()
    assert talk.i.configuration == [(FOUR, bytes([10, 9, 0, 1]))]
    assert one_child(talk)[0] == selectors("10.9.0.1")


def test_an_address_that_is_asked_for_is_a_wish() -> None:
    """3.15.1: the responder may give another one."""
    wish = insert("SK", before="SA", payload=cp(1, (FOUR, bytes([10, 9, 0, 77]))))
    talk = Talk(i={"tsi": EVERYWHERE, "tsr": EVERYWHERE}, r=pool("10.9.0.0/24")).init().auth(wish)
    assert talk.i.configuration == [(FOUR, bytes([10, 9, 0, 1]))]
    assert one_child(talk)[0] == selectors("10.9.0.1")


def test_a_kind_of_address_that_is_not_there_is_ignored() -> None:
    """3.15.4: the responder ignores what it does not support and does the rest as usual."""
    talk = Talk(i=road(SIX, FOUR), r=pool("10.9.0.0/24")).up()
    assert talk.i.configuration == [(FOUR, bytes([10, 9, 0, 1]))]
    assert one_child(talk)[0] == selectors("10.9.0.1")


def test_a_pool_runs_dry() -> None:
    """3.15.4: INTERNAL_ADDRESS_FAILURE, no child, and the IKE SA is there."""
    talk = Talk(i=road(FOUR), r=pool("10.9.0.0/30")).up()
    one_child(talk)
    other = second(talk, "other@example.org")
    assert one_child(talk)[0] == selectors("10.9.0.2") and len(other.children) == 1
    second(talk, "third@example.org")
    no_child(talk, Notify.INTERNAL_ADDRESS_FAILURE)
    assert len(talk.listener.sas) == 3


def test_some_addresses_are_better_than_none() -> None:
    """3.15.4: a failure is said only if no address can be given at all."""
    talk = Talk(i=road(FOUR, SIX), r=pool("10.9.0.1/32", "2001:db8:9::/64")).up()
    assert one_child(talk)[0] == selectors(["10.9.0.1", "2001:db8:9::1"])
    other = second(talk, "other@example.org", request=(FOUR, SIX))
    assert [kind for kind, _ in other.configuration] == [SIX]
    assert one_child(talk)[0] == selectors("2001:db8:9::2")


def test_an_identity_gets_the_address_that_it_had() -> None:
    """Also while its old IKE SA is still there, and also when there is no other one left."""
    talk = Talk(i=road(FOUR), r=pool("10.9.0.0/30")).up()
    first = talk.i.configuration
    second(talk, "other@example.org")
    again = second(talk, "left@example.org")
    assert again.configuration == first == [(FOUR, bytes([10, 9, 0, 1]))]
    assert one_child(talk)[0] == selectors("10.9.0.1")


def test_an_identity_is_its_type_too() -> None:
    """3.5: an address, a name and a key that print alike are three identities."""
    talk = Talk(i=road(FOUR), r=pool("10.9.0.0/29")).up()
    given = [second(talk, who).configuration for who in ("10.0.0.1", "keyid:31", "name")]
    name = Identity(IdType.ID_FQDN, b"10.0.0.1")  # that reads as an address
    config = replace(talk.i.config, local_id=name)
    talk.i = IkeSa(config, initiator=True, entropy=entropy(10))
    given.append(talk.up().i.configuration)
    assert len({value for [(_, value)] in given}) == 4


def test_a_request_is_required() -> None:
    """2.19: FAILED_CP_REQUIRED for who does not ask, and the IKE SA lives on without a child."""
    insists = {**pool("10.9.0.0/24"), "require_request": True}
    without = Talk(i={"tsi": EVERYWHERE, "tsr": EVERYWHERE}, r=insists).up()
    no_child(without, Notify.FAILED_CP_REQUIRED)
    one_child(Talk(i=road(FOUR), r=insists).up())
    no_child(Talk(r={"require_request": True}).up(), Notify.FAILED_CP_REQUIRED)


@pytest.mark.parametrize("kind", [CfgType.CFG_REPLY, CfgType.CFG_SET, CfgType.CFG_ACK, 77])
def test_only_a_request_is_one(kind: int) -> None:
    """3.15: CFG_SET and whatever else is not answered with addresses."""
    odd = insert("SK", before="SA", payload=cp(kind, FOUR))
    talk = Talk(r={"pool": Pool(("10.9.0.0/24",))}).init().auth(odd)
    assert not last(talk)[1].has(Payload.CP) and talk.i.configuration == []
    assert one_child(talk) == (selectors(LEFT_NET), selectors(RIGHT_NET))


def test_who_gives_nothing_away_ignores_the_payload() -> None:
    """3.15.4: such a responder never says INTERNAL_ADDRESS_FAILURE."""
    talk = Talk(i={"request": (FOUR,)}).up()
    assert not last(talk)[1].has(Payload.CP) and talk.i.configuration == []
    assert one_child(talk) == (selectors(LEFT_NET), selectors(RIGHT_NET))


@pytest.mark.parametrize("kind", [CfgType.CFG_REQUEST, CfgType.CFG_SET, 0])
def test_only_a_reply_is_taken(kind: int) -> None:
    """The initiator keeps what CFG_REPLY gives, not what something else says."""
    talk = Talk(i=road(FOUR), r={**pool("10.9.0.0/24"), "plan": said(kind)}).up()
    assert talk.i.configuration == []
    assert talk.i.state is State.ESTABLISHED


def said(kind: int) -> str:
    return f"IKE_AUTH/response: SK.CP.CFGType = {int(kind)}"


@pytest.mark.parametrize("rekeys_ike", [False, True])
def test_what_comes_later_is_for_the_same_address(rekeys_ike: bool) -> None:
    """2.9.2, 2.19: rekeys and further children are narrowed to the address, also in a successor."""
    talk = Talk(i=road(FOUR), r={**pool("10.9.0.0/24"), "remote_ts": ["192.0.2.0/24"]}).up()
    assert one_child(talk)[0] == selectors("10.9.0.1")
    if rekeys_ike:
        made: list[IkeSa] = []
        talk.i.on_successor = made.append
        talk.i.rekey(talk.now)
        talk.carry()
        [talk.i] = made
        assert talk.r.spis == talk.i.spis
    for sa in (talk.i, talk.r):
        sa.rekey_child(next(iter(sa.children.values())), talk.now)
        talk.carry()
        assert one_child(talk)[0] == selectors("10.9.0.1")
    talk.i.create_child(talk.now)
    talk.carry()
    assert {c.local_ts for c in talk.i.children.values()} == {selectors("10.9.0.1")}
    assert len(talk.r.children) == 2
