"""Fragments that were not agreed on, and fragments of what is answered (RFC 7383 2.4, 2.6.1)."""

from __future__ import annotations

from ikelab.harness.endpoint import Initiator
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Exchange, Payload
from ikelab.layers.message import IKEv2
from ikelab.testcases.conformance.rfc7383.test_fragments import (
    LATE,
    QUIET,
    SMALL,
    established,
    request_of,
)


@case("FRG-06")
@rfc(7383, "2.3", "2.4")
def test_sends_no_fragments_to_who_announced_nothing(peer: Tested, initiator: Initiator) -> None:
    """Without our IKEV2_FRAGMENTATION_SUPPORTED a response comes whole, however long it is."""
    peer.needs("fragment-size")
    peer.start(fragment=SMALL)
    sa = initiator.init()

    sa.auth()

    auth = [step.message for step in sa.received() if step.message.exch_type == Exchange.IKE_AUTH]
    assert auth, f"no answer to IKE_AUTH\n{sa}"
    kinds = {payload.kind for message in auth for payload in message.payloads}
    assert Payload.SKF not in kinds, f"fragments, unasked\n{sa}"


@case("FRG-02")
@rfc(7383, "2.6.1")
def test_answers_no_later_fragment_of_an_answered_request(
    peer: Tested, initiator: Initiator
) -> None:
    """Fragments 2 and 3 of an answered request bring nothing; the whole of it its response.

    Some wait for the whole request to come again and do not answer its first fragment alone.
    """
    sa = established(peer, initiator)
    request = request_of(sa)
    parts = request.pieces(3)
    assert request.answered(*parts), f"no answer\n{sa}"

    late = [data for part in parts[1:] for data in answers(sa, request.number, part, QUIET)]
    again = [data for part in parts[:2] for data in answers(sa, request.number, part, QUIET)]
    again += answers(sa, request.number, parts[2], QUIET if again else LATE)

    assert not late, f"a later fragment is answered\n{sa}"
    assert again, f"the request is not answered again\n{sa}"
    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"
    assert peer.disagreements(sa) == []


def answers(sa: Session, number: int, fragment: bytes, patience: float) -> list[bytes]:
    """Responses to the request of that message ID that a fragment of it brings."""
    came = sa.throw(fragment, patience=patience, note="a fragment again")
    return [data for data in came if IKEv2(data).id == number and int(IKEv2(data).flags) & 0x20]
