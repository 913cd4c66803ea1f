"""Paths that lose, delay, double, reorder and damage packets, are narrow, or drop IP fragments."""

from __future__ import annotations

from functools import cache

from ikelab.harness.crossing import Crossing
from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.esp.ping import ping
from ikelab.harness.exchange.table import State
from ikelab.harness.peer.base import IkeView, Unsupported
from ikelab.harness.pki import Certificates, Pki
from ikelab.harness.pytest_plugin import case, rfc, topology
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.harness.transcript import Step
from ikelab.layers.iana import Exchange, Notify, Payload
from ikelab.testcases.tunnels import SILENCE

ROUGH = topology("loss", "loss-6", "delay", "duplicate", "reorder", "corrupt")
# No router here loses or damages two packets of one direction in a row.
OFTEN = (0.25,) * 12
INIT = Exchange.IKE_SA_INIT
PATIENCE = 20.0  # seconds, for who repeats by its own timers
ROUNDS = 3
CHAIN = 4000  # octets of certificates, more than any path here takes at once


@cache
def pki() -> Pki:
    """Certificates that make IKE_AUTH far larger than a packet."""
    return Pki(depth=2, bulk=1200, seed=7383)


def reaches(peer: Tested, path: Crossing) -> None:
    """Unsupported where the network is IPv6 and the peer has none."""
    if path.topology.version == 6:
        peer.needs("ipv6")


def assert_lives(peer: Tested, sa: Session) -> None:
    """Requests of ours are answered, once each; a child is rekeyed; echoes come through."""
    for number in range(ROUNDS):
        assert not sa.inform(patience=PATIENCE).silent, f"no answer to check {number}\n{sa}"
    sa.endpoint.needs("child")
    assert not sa.rekey_child(patience=PATIENCE).silent, f"no answer to the rekeying\n{sa}"
    assert sa.established, f"the IKE SA is gone\n{sa}"
    for number in range(ROUNDS):
        assert ping(sa, attempts=12, patience=SILENCE), f"no answer to echo {number}\n{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []
    assert_answered_alike(sa)
    if peer.tells:
        there = peer.view().sas
        assert len(there) == 1, f"the peer has {len(there)} IKE SAs for one of ours\n{sa}"


def await_established(peer: Tested, sa: Session) -> None:
    """Wait until our IKE_AUTH response has reached a peer that began, so far as it tells.

    A request of ours that overtakes that response comes before the peer has an IKE SA to take it
    in, and what it does with it then is not what is asked here.
    """
    if peer.tells:
        sa.wait(lambda: (there := peer.sa(sa)) is not None and _is_up(there), PATIENCE)


def _is_up(view: IkeView) -> bool:
    return view.state == "ESTABLISHED"


def assert_answered_alike(sa: Session) -> None:
    """RFC 7296 2.1: a response that comes again is bit for bit the same."""
    answers: dict[int, set[bytes]] = {}
    for step in sa.received():
        whole = all(p.kind != Payload.SKF for p in step.message.payloads)
        if int(step.message.flags) & 0x20 and whole:
            answers.setdefault(step.message.id, set()).add(step.data)
    several = [number for number, found in answers.items() if len(found) > 1]
    assert several == [], f"different responses under message ID {several}\n{sa}"


@case("PTH-01")
@rfc(7296, "2", "2.1", "2.4")
@ROUGH
def test_gets_along_with_a_rough_path(peer: Tested, initiator: Initiator, path: Crossing) -> None:
    """What is lost, doubled, late or damaged costs time and nothing else."""
    reaches(peer, path)
    peer.start()

    sa = initiator.establish(retransmit=OFTEN)

    assert_lives(peer, sa)


@case("PTH-01")
@rfc(7296, "2", "2.1", "2.4")
@ROUGH
def test_makes_its_way_over_a_rough_path(
    peer: Tested, responder: Responder, path: Crossing
) -> None:
    """As initiator it repeats what is not answered, and ends up with one IKE SA."""
    reaches(peer, path)
    peer.start()
    responder.listen(retransmit=OFTEN)

    peer.initiate()
    sa = responder.accept(PATIENCE)
    await_established(peer, sa)

    assert_lives(peer, sa)


def needs_fragments(steps: list[Step]) -> None:
    """Unsupported where no first message of the peer announces RFC 7383."""
    payloads = [p for step in steps for p in step.message.payloads if p.kind == Payload.N]
    if all(p.type != Notify.IKEV2_FRAGMENTATION_SUPPORTED for p in payloads):
        raise Unsupported("it does not announce IKEV2_FRAGMENTATION_SUPPORTED")


def assert_fragmented(sa: Session, path: Crossing, link: str, mtu: int) -> None:
    """Both IKE_AUTH messages went as fragments of RFC 7383, and IP had nothing to fragment."""
    for steps in (sa.sent(), sa.received()):
        whole = max((len(step.plain) for step in steps if step.plain), default=0)
        pieces = [s for s in steps if any(p.kind == Payload.SKF for p in s.message.payloads)]
        assert whole > CHAIN and len(pieces) > 1, f"{len(pieces)} fragments of {whole}\n{sa}"
    crossed = path.seen(link)
    assert [str(p) for p in crossed if p.fragment] == [], "IP fragments were on the link"
    largest = max(len(p.data) for p in crossed)
    assert largest <= mtu, f"a packet of {largest} octets on a path of {mtu}\n{sa}"
    assert sa.violations == []


@case("FRG-09", "feature")
@rfc(7383, "1", "2.5")
@topology("drops-fragments", "drops-fragments-6")
def test_fits_through_where_ip_fragments_do_not(
    peer: Tested, initiator: Initiator, path: Crossing
) -> None:
    """Long certificate chains cross a path that drops IP fragments, both ways."""
    reaches(peer, path)
    both = Certificates(pki(), "initiator")
    peer.start(fragment=1280, **both.theirs())

    sa = initiator.init(fragment=1280, **both.ours())
    assert sa.state is State.INIT_DONE, f"IKE_SA_INIT did not succeed\n{sa}"
    needs_fragments([step for step in sa.received() if step.message.exch_type == INIT])
    sa.auth()
    assert sa.established, f"IKE_AUTH did not succeed\n{sa}"

    assert_fragmented(sa, path, "far", 1500)
    assert peer.disagreements(sa) == []


@case("FRG-09", "feature")
@rfc(7383, "1", "2.5")
@topology("drops-fragments", "drops-fragments-6")
def test_gets_through_where_ip_fragments_do_not(
    peer: Tested, responder: Responder, path: Crossing
) -> None:
    """The same with the peer as initiator."""
    reaches(peer, path)
    both = Certificates(pki(), "responder")
    peer.start(fragment=1280, **both.theirs())
    responder.listen(fragment=1280, **both.ours())

    peer.initiate()
    assert responder.pump(lambda: bool(responder.heard(INIT)), 8.0), "the peer sent no request"
    needs_fragments(responder.heard(INIT))
    sa = responder.accept()

    assert_fragmented(sa, path, "far", 1500)
    assert peer.disagreements(sa) == []


@case("PTH-02", "feature")
@rfc(7383, "2.5", "2.5.1")
@topology("mtu576", "mtu1280", "mtu1280-6")
def test_fits_through_a_narrow_link(peer: Tested, initiator: Initiator, path: Crossing) -> None:
    """Told the size of the path, it leaves nothing to the fragments of IP."""
    reaches(peer, path)
    peer.needs("fragment-size")
    mtu = next(link.mtu for link in path.topology.links if link.name == "narrow")
    both = Certificates(pki(), "initiator")
    peer.start(fragment=mtu, **both.theirs())

    sa = initiator.establish(fragment=mtu, **both.ours())

    assert_fragmented(sa, path, "narrow", mtu)
    assert peer.disagreements(sa) == []


@case("PTH-03", "feature")
@rfc(7296, "1.3", "2.9")
@rfc(4301, "5.1.2")
@topology("4in6")
def test_carries_ipv4_inside_ipv6(peer: Tested, initiator: Initiator, path: Crossing) -> None:
    """A tunnel between IPv6 addresses carries packets between IPv4 subnets, and hides them."""
    peer.needs("ipv6")
    peer.start()

    sa = initiator.establish()

    pong = ping(sa, attempts=6, patience=SILENCE)
    assert pong is not None, f"no echo was answered\n{sa}"
    assert {pong.echo.src, pong.echo.dst} == {"10.1.0.1", "10.2.0.1"}
    assert [str(p) for p in path.seen("wire") if p.version == 4] == [], "IPv4 outside the tunnel"
    assert sa.violations == []
    assert peer.disagreements(sa) == []
