"""Traffic selectors: several, specific, mixed, odd, and at a rekey (RFC 7296 2.9, 3.13)."""

from __future__ import annotations

import pytest

from ikelab.harness.edits import at, drop, duplicate
from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.exchange.table import State
from ikelab.harness.model import TS, selectors
from ikelab.harness.peer.base import Unsupported
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Notify, Payload

WIDE = ("0.0.0.0/0", "::/0")


def wide(ts: TS) -> TS:
    """Every address of a selector's version."""
    return TS.parse(WIDE[ts.version == 6])


def near(ts: TS, offset: int = 5, tail: str = "") -> TS:
    """One address inside a selector, with `[protocol/ports]` behind it."""
    return TS.parse(f"{ts.start + offset}{tail}")


def covers(found: tuple[TS, ...], wanted: TS) -> bool:
    """Whether one selector of several contains all of another."""
    return any(ts.contains(wanted) for ts in found)


@case("TS-04")
@rfc(7296, "2.9")
def test_keeps_the_packet_that_triggered_the_request(peer: Tested, initiator: Initiator) -> None:
    """The narrowed selectors contain the initiator's first ones where the policy allows those."""
    config = peer.start()
    first = near(config.remote_ts[0]), near(config.local_ts[0])

    sa = initiator.establish(tsi=(first[0], wide(first[0])), tsr=(first[1], wide(first[1])))

    assert covers(sa.child.tsi, first[0]), f"TSi {sa.child.tsi} lacks {first[0]}\n{sa}"
    assert covers(sa.child.tsr, first[1]), f"TSr {sa.child.tsr} lacks {first[1]}\n{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("TS-05", "feature")
@rfc(7296, "2.9")
def test_may_say_that_more_selectors_are_possible(peer: Tested, initiator: Initiator) -> None:
    """Which of two separate subsets it takes, and whether it says that there is more, is told."""
    config = peer.start()
    both = [near(config.local_ts[0], 5), near(config.local_ts[0], 77)]
    config = peer.start(local_ts=both)
    sa = initiator.init(tsr=wide(both[0]))

    reply = sa.auth()

    assert sa.established and len(sa.children) == 1, f"no child\n{sa}"
    more = reply.notify(Notify.ADDITIONAL_TS_POSSIBLE) is not None
    said = ", with ADDITIONAL_TS_POSSIBLE" if more else ""
    peer.observe(f"{len(sa.child.tsr)} of {len(both)} selectors{said}")
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("TS-07")
@rfc(7296, "2.9", "3.13")
@pytest.mark.parametrize("count", [2, 20])
def test_takes_several_selectors(peer: Tested, initiator: Initiator, count: int) -> None:
    """Several selectors inside the policy bring a child up whose selectors are among them."""
    config = peer.start()
    several = tuple(near(config.remote_ts[0], 2 * n + 1) for n in range(count))

    sa = initiator.establish(tsi=several)

    assert sa.child.tsi, f"{sa}"
    assert all(covers(several, ts) for ts in sa.child.tsi)
    assert sa.violations == []
    assert peer.disagreements(sa) == []


ODD = {
    "255 selectors": [],
    "one more than there are": [at("SK.TSi.number_of_TSs").add(1)],
    "one less than there are": [at("SK.TSi.number_of_TSs").add(-1)],
    "none announced": [at("SK.TSi.number_of_TSs").set(0)],
    "no selector": [drop("SK.TSi[0]")],
    "a length that is too short": [at("SK.TSi[0].length").set(8)],
    "a length that is too long": [at("SK.TSi[0].length").set(60)],
    "last address before the first": [at("SK.TSi[0].starting_address").set("10.1.0.200"),
                                      at("SK.TSi[0].ending_address").set("10.1.0.100")],
    "last port before the first": [at("SK.TSi[0].start_port").set(500),
                                   at("SK.TSi[0].end_port").set(400)],
    "OPAQUE ports": [at("SK.TSi[0].start_port").set(65535), at("SK.TSi[0].end_port").set(0)],
}  # fmt: skip


def only_v4(peer: Tested) -> None:
    """Unsupported where the lab speaks IPv6: these edits hold IPv4 addresses."""
    if peer.defaults().local_ts[0].version != 4:
        raise Unsupported("the edits of this case are for IPv4")


@case("TS-07", "policy")
@rfc(7296, "3.13", "3.13.1")
@pytest.mark.parametrize("shape", [s for s in ODD if "port" not in s and "address" not in s])
def test_survives_a_selector_payload_that_does_not_add_up(
    peer: Tested, initiator: Initiator, shape: str
) -> None:
    """Numbers and lengths of selectors that are wrong or extreme do no harm; all is recorded."""
    assert_survives(peer, initiator, shape)


@case("TS-08", "policy")
@rfc(7296, "3.13.1")
@pytest.mark.parametrize("shape", [s for s in ODD if "port" in s or "address" in s])
def test_survives_ranges_that_run_backwards(peer: Tested, initiator: Initiator, shape: str) -> None:
    """Ranges whose end is before their start, OPAQUE among them, do no harm; all is recorded."""
    assert_survives(peer, initiator, shape)


def assert_survives(peer: Tested, initiator: Initiator, shape: str) -> None:
    only_v4(peer)
    config = peer.start()
    count = 255 if shape == "255 selectors" else 1
    several = tuple(near(config.remote_ts[0], n % 200 + 1, f"[17/{n + 1}]") for n in range(count))
    sa = initiator.init(tsi=several if count > 1 else config.remote_ts)

    reply = sa.auth(edits=ODD[shape], patience=1.5)

    peer.observe(reply.outcome)
    assert initiator.probe(), f"no honest IKE SA comes up afterwards\n{sa}"


@case("TS-09")
@rfc(7296, "2.9", "3.13.1")
def test_picks_what_it_knows_from_mixed_versions(peer: Tested, initiator: Initiator) -> None:
    """Of IPv4 and IPv6 selectors in one payload those that the policy allows come back."""
    config = peer.start()
    four, six = selectors("192.0.2.0/24")[0], selectors("2001:db8:ff::/64")[0]
    stranger = four if config.local_ts[0].version == 6 else six

    sa = initiator.establish(tsi=(stranger, *config.remote_ts), tsr=(*config.local_ts, stranger))

    assert (sa.child.tsi, sa.child.tsr) == (config.remote_ts, config.local_ts), f"{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("TS-09", "policy")
@rfc(7296, "2.9")
def test_ignores_a_selector_of_an_unknown_type(peer: Tested, initiator: Initiator) -> None:
    """A selector of an unknown type is ignored and does not come back.

    TS_UNACCEPTABLE for all of them is recorded: RFC 9478 expects it of who knows no labels.
    """
    config = peer.start()
    sa = initiator.init()

    strange = [duplicate("SK.TSi[0]"), at("SK.TSi[1].TS_type").set(100)]
    reply = sa.auth(edits=strange)

    if sa.established and reply.errors == ["TS_UNACCEPTABLE"]:
        peer.observe("TS_UNACCEPTABLE")
        return
    assert sa.established and len(sa.children) == 1, f"no child\n{sa}"
    assert len(reply.one(Payload.TSI).traffic_selector) == 1
    assert sa.child.tsi == config.remote_ts
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("TS-10", "feature")
@rfc(7296, "2.9", "3.13.1")
@pytest.mark.parametrize("tail", ["[17/500]", "[6/80-443]", "[1/2048]"], ids=["udp", "tcp", "echo"])
def test_takes_protocols_and_ports(peer: Tested, initiator: Initiator, tail: str) -> None:
    """Selectors with a protocol and ports (of ICMP type and code) are narrowed to or echoed."""
    config = peer.start()
    asked = [TS.parse(f"{ts.start}-{ts.end}{tail}") for ts in (config.remote_ts[0],
                                                             config.local_ts[0])]  # fmt: skip

    sa = initiator.establish(tsi=asked[0], tsr=asked[1])

    assert sa.child.tsi and all(asked[0].contains(ts) for ts in sa.child.tsi), f"{sa}"
    peer.observe(f"{', '.join(map(str, sa.child.tsi))} of {asked[0]}")
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("TS-11", "policy")
@rfc(7296, "2.9")
def test_uses_no_selectors_wider_than_it_asked_for(peer: Tested, responder: Responder) -> None:
    """When the answer is wider than the offer, the initiator uses no more than it wanted.

    RFC 7296 2.9 forbids the responder to widen and does not say what the initiator does then; its
    own policy (RFC 4301 4.4.1) stays what it was.
    """
    only_v4(peer)
    peer.needs("child")
    config = peer.start()
    wider = "IKE_AUTH/response: SK.TSr[0].starting_address = '0.0.0.0'"
    responder.listen(plan=wider, lenient=True)  # who does not prove itself gets no selectors

    peer.initiate()
    responder.accept()
    responder.pump(lambda: False, 0.3)

    children = [child for view in peer.view().sas for child in view.children]
    peer.observe(", ".join(str(t) for c in children for t in c.remote_ts) or "no child")
    assert all(covers(config.remote_ts, ts) for c in children for ts in c.remote_ts), f"{children}"


@case("TS-12")
@rfc(7296, "2.9.2")
def test_does_not_narrow_a_child_at_its_rekey(peer: Tested, initiator: Initiator) -> None:
    """Offered the same selectors or more, the new child has at least those of the old one."""
    only_v4(peer)
    peer.start()
    sa = initiator.establish()
    old = sa.child

    edits = [  # whole networks: not every policy can hold a range
        at(f"SK.{kind}[0].{end}_address").set(address)
        for kind in ("TSi", "TSr")
        for end, address in (("starting", "0.0.0.0"), ("ending", "255.255.255.255"))
    ]
    reply = sa.rekey_child(edits=edits)

    assert reply.has(Payload.SA), f"no rekey: {reply.errors}\n{sa}"
    [new] = sa.children
    for kind, before, after in (("TSi", old.tsi, new.tsi), ("TSr", old.tsr, new.tsr)):
        assert all(covers(after, ts) for ts in before), f"{kind} {before} became {after}\n{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("TS-13", "feature")
@rfc(7296, "2.8", "2.9.2")
def test_tells_what_a_narrower_rekey_brings(peer: Tested, initiator: Initiator) -> None:
    """A rekey that asks for less than the child has is answered; how is recorded.

    The initiator of a rekey should not ask so (2.9.2); some do.
    """
    only_v4(peer)
    peer.start()
    sa = initiator.establish()

    reply = sa.rekey_child(edits=[at("SK.TSi[0].ending_address").set("10.1.0.9")])

    peer.observe(reply.outcome)
    assert not reply.silent, f"no answer\n{sa}"
    assert sa.state is State.ESTABLISHED and not sa.inform().silent
    assert sa.violations == []
