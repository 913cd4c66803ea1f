"""Fragments of protected messages, one by one (RFC 7383 2.4 to 2.6)."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from ikelab.harness.edits import wire
from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.exchange import frag
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.rig import Tested
from ikelab.harness.session import Session
from ikelab.harness.sk import Sealed, SealedEdit
from ikelab.layers.iana import Exchange, Payload
from ikelab.layers.notify import IKEv2_Notify
from ikelab.testcases.each_once import each_once

PATH = 576  # octets of an IP datagram
SMALL = 200  # so small that IKE_AUTH with a shared key takes several
UNKNOWN_STATUS = 40000  # not given away by IANA, nor private
QUIET = 0.4  # seconds in which what must not come does not come
LATE = 4.0  # seconds within which what has to come has come, on a slow machine too


def established(peer: Tested, initiator: Initiator) -> Session:
    """An IKE SA in which both sides may fragment."""
    peer.start(fragment=PATH)
    sa = initiator.establish(fragment=PATH)
    assert sa.sa.fragments, f"the peer did not announce fragmentation\n{sa}"
    return sa


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was made and not sent: its message ID, its chain, its exchange type."""

    sa: Session
    number: int
    chain: bytes
    first: int
    exchange: int

    def pieces(self, total: int) -> list[bytes]:
        """The whole of it in `total` fragments."""
        size = -(-len(self.chain) // total)
        cuts = range(0, size * total, size)
        return [self.piece(n, total, self.chain[i : i + size]) for n, i in enumerate(cuts, 1)]

    def piece(
        self,
        number: int,
        total: int,
        text: bytes = bytes(32),
        edit: SealedEdit | None = None,
        **literal: int,
    ) -> bytes:
        """One fragment with these numbers and this part of the chain."""
        first = literal.get("first", self.first if number == 1 else 0)
        return frag.piece(
            self.sa.sa,
            self.number,
            (number, total),
            text,
            first=first,
            exchange=self.exchange,
            edit_sealed=edit,
        )

    def answered(self, *datagrams: bytes, patience: float = LATE) -> bool:
        """Send fragments; whether the request has its response within the patience."""
        sa = self.sa
        sa.sa.last_response = None
        for data in datagrams:
            sa.throw(data, patience=0, note="fragment")
        return sa.wait(lambda: sa.sa.last_response is not None, patience)


def request_of(sa: Session, exchange: int = Exchange.CREATE_CHILD_SA) -> Request:
    """A request for another child, or an INFORMATIONAL one, that stays with us."""
    now, kept = sa.endpoint.transport.clock(), [wire.drop()]
    if exchange == Exchange.CREATE_CHILD_SA:
        sa.sa.create_child(now, kept)
    else:
        sa.sa.inform([IKEv2_Notify(type=UNKNOWN_STATUS, notify=bytes(64))], now, kept)
    step = sa.sent()[-1]
    assert step.plain is not None
    return Request(sa, step.message.id, step.plain, step.first_inner, exchange)


ORDERS = {
    "last first": [2, 1, 0],
    "middle first": [1, 0, 2],
    "each twice": [0, 0, 1, 1, 2, 2],
    "all twice": [0, 1, 0, 1, 2],
}


@case("FRG-02")
@rfc(7383, "2.6")
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_puts_fragments_together_in_any_order(
    peer: Tested, initiator: Initiator, order: list[int]
) -> None:
    """Fragments that come in another order, or again, make the message all the same."""
    sa = established(peer, initiator)
    request = request_of(sa)
    parts = request.pieces(3)

    assert request.answered(*[parts[n] for n in order]), f"no answer\n{sa}"
    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"
    assert peer.disagreements(sa) == []


@case("FRG-02")
@rfc(7383, "2.2", "2.4")
def test_puts_the_fragments_of_an_informational_together(
    peer: Tested, initiator: Initiator
) -> None:
    """Every message with an Encrypted payload may come in fragments, INFORMATIONAL too."""
    sa = established(peer, initiator)
    request = request_of(sa, Exchange.INFORMATIONAL)

    assert request.answered(*request.pieces(2)), f"no answer\n{sa}"
    assert peer.disagreements(sa) == []


def spoil(sealed: Sealed) -> None:
    sealed.icv = sealed.icv[:-1] + bytes([sealed.icv[-1] ^ 1])


@case("FRG-03")
@rfc(7383, "2.6")
def test_drops_only_the_fragment_that_does_not_verify(peer: Tested, initiator: Initiator) -> None:
    """A fragment with a wrong checksum is dropped silently; the others are kept."""
    sa = established(peer, initiator)
    request = request_of(sa)
    first, second = request.pieces(2)
    bad = request.piece(2, 2, edit=spoil)

    assert not request.answered(first, bad, patience=QUIET), f"a bad fragment was used\n{sa}"
    assert request.answered(second), f"the good fragments are gone\n{sa}"
    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"
    assert peer.disagreements(sa) == []


@case("FRG-04")
@rfc(7383, "2.5.2", "2.6")
def test_starts_anew_with_a_larger_total(peer: Tested, initiator: Initiator) -> None:
    """Fragments of a larger total replace those that wait: the message was fragmented anew."""
    sa = established(peer, initiator)
    request = request_of(sa)
    large, small = request.pieces(2), request.pieces(3)

    assert request.answered(large[0], *small), f"no answer\n{sa}"
    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"
    assert peer.disagreements(sa) == []


@case("FRG-04")
@rfc(7383, "2.6")
def test_drops_fragments_of_a_smaller_total(peer: Tested, initiator: Initiator) -> None:
    """Fragments of a smaller total than those that wait are dropped silently."""
    sa = established(peer, initiator)
    request = request_of(sa)
    large, small = request.pieces(2), request.pieces(3)

    assert not request.answered(small[0], *large, patience=QUIET), (
        f"a smaller total was taken\n{sa}"
    )
    assert request.answered(*small[1:]), f"the fragments that waited are gone\n{sa}"
    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"
    assert peer.disagreements(sa) == []


@case("FRG-05")
@rfc(7383, "2.5", "2.6")
@pytest.mark.parametrize("numbers", [(0, 2), (3, 2), (1, 0), (0, 0)], ids=str)
def test_drops_fragments_with_impossible_numbers(
    peer: Tested, initiator: Initiator, numbers: tuple[int, int]
) -> None:
    """A number or a total of zero, or a number beyond the total, is dropped silently."""
    sa = established(peer, initiator)

    request = request_of(sa)

    assert not request.answered(request.piece(*numbers), patience=QUIET), f"it was answered\n{sa}"
    assert request.answered(*request.pieces(2)), f"honest fragments get no answer afterwards\n{sa}"
    assert peer.disagreements(sa) == []


@case("FRG-05")
@rfc(7383, "2.6")
@rfc(7296, "2.4", "2.21.4")
def test_a_forged_fragment_ends_no_ike_sa(peer: Tested, initiator: Initiator) -> None:
    """A fragment that proves nothing, with numbers that cannot be, is dropped silently."""
    sa = established(peer, initiator)
    request = request_of(sa)

    assert not request.answered(request.piece(0, 2, edit=spoil), patience=QUIET), (
        f"it was answered\n{sa}"
    )
    assert request.answered(*request.pieces(2)), f"honest fragments get no answer afterwards\n{sa}"
    assert peer.disagreements(sa) == []


@case("FRG-05", "policy")
@rfc(7383, "2.6", "5")
def test_survives_the_largest_total(peer: Tested, initiator: Initiator) -> None:
    """A fragment of 65535 does no harm."""
    sa = established(peer, initiator)

    request = request_of(sa)

    request.answered(request.piece(65535, 65535), patience=QUIET)

    assert initiator.probe(fragment=PATH), f"no honest IKE SA comes up afterwards\n{sa}"


@case("FRG-06", "policy")
@rfc(7383, "2.3", "2.4")
def test_survives_fragments_that_nobody_negotiated(peer: Tested, initiator: Initiator) -> None:
    """Fragments without IKEV2_FRAGMENTATION_SUPPORTED of ours: whether they are read is told.

    RFC 7383 2.4 forbids to send them and does not say what a receiver does.
    """
    peer.start(fragment=PATH)
    sa = initiator.establish()

    request = request_of(sa)
    read = request.answered(*request.pieces(2), patience=QUIET)

    peer.observe("read all the same" if read else "ignored")
    assert initiator.probe(), f"no honest IKE SA comes up afterwards\n{sa}"


@case("FRG-07", "policy")
@rfc(7383, "2.5", "2.6")
def test_survives_a_next_payload_in_a_later_fragment(peer: Tested, initiator: Initiator) -> None:
    """Only the first fragment names a payload type; what becomes of another that does is told."""
    sa = established(peer, initiator)
    request = request_of(sa)
    first, _ = request.pieces(2)
    rest = request.chain[-(-len(request.chain) // 2) :]

    read = request.answered(first, request.piece(2, 2, rest, first=Payload.D), patience=QUIET)

    peer.observe("read" if read else "dropped")
    assert initiator.probe(fragment=PATH), f"no honest IKE SA comes up afterwards\n{sa}"


@case("FRG-08", "policy")
@rfc(7383, "2.6", "5")
def test_survives_very_many_fragments_without_an_end(peer: Tested, initiator: Initiator) -> None:
    """A thousand fragments of a message that never gets whole do no harm."""
    sa = established(peer, initiator)
    request = request_of(sa)

    pieces = [request.piece(n, 65534, bytes(480)) for n in range(1, 1001)]
    request.answered(*pieces, patience=QUIET)

    peer.observe("kept" if peer.sa(sa) is not None else "the IKE SA was dropped")
    assert initiator.probe(fragment=PATH), "no honest IKE SA comes up afterwards"


@case("FRG-01")
@rfc(7383, "2.3", "2.5")
def test_fragments_what_does_not_fit(peer: Tested, initiator: Initiator) -> None:
    """Both sides announce fragmentation, and no message is larger than the path."""
    peer.needs("fragment-size")
    peer.start(fragment=SMALL)

    sa = initiator.establish(fragment=SMALL)

    auth = each_once(s for s in sa.received() if s.message.exch_type == Exchange.IKE_AUTH)
    assert len(auth) > 1, f"the response came whole\n{sa}"
    assert max(len(s.data) for s in auth) <= SMALL - 28, f"a fragment does not fit\n{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("FRG-10", "SHOULD")
@rfc(7383, "2.6")
@rfc(7296, "2.1")
def test_repeats_all_fragments(peer: Tested, responder: Responder) -> None:
    """Without a response every fragment of the request comes again, bit for bit."""
    peer.needs("fragment-size")
    peer.start(fragment=SMALL)
    responder.listen(fragment=SMALL, plan="IKE_AUTH/response: wire.drop()")

    peer.initiate()
    every: list[bytes] = []

    def all_again() -> bool:
        every[:] = [step.data for step in responder.heard(Exchange.IKE_AUTH)]
        return bool(every) and min(every.count(data) for data in every) > 1

    responder.pump(all_again, 12.0)

    talk = "\n".join(str(s) for s in responder.sessions)
    distinct = set(every)
    assert len(distinct) > 1, f"the request was not fragmented\n{talk}"
    again = {data for data in distinct if every.count(data) > 1}
    assert again == distinct, f"{len(again)} of {len(distinct)} fragments came again\n{talk}"
