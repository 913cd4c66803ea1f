"""Message IDs and the window they have to be in (RFC 7296 2.2, 2.3)."""

from __future__ import annotations

from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Exchange

RESPONSE = 0x20
WAIT = 4.0  # seconds within which what is to be answered is answered, on a busy machine too


def responses(sa: Session) -> set[int]:
    """The message IDs of the peer's responses."""
    return {int(s.message.id) for s in sa.received() if int(s.message.flags) & RESPONSE}


@case("MID-05")
@rfc(7296, "2.3")
def test_does_not_answer_a_request_outside_the_window(peer: Tested, initiator: Initiator) -> None:
    """A request whose message ID is far ahead gets no response; the next one in order does.

    To tell so in an INFORMATIONAL exchange of its own is allowed.
    """
    peer.start()
    sa = initiator.establish()
    far = sa.sa.window.next_request + 1000

    came = sa.send_as(far)

    answers = [s for s in came if int(s.message.flags) & RESPONSE]
    assert answers == [], f"message ID {far} was acknowledged\n{sa}"
    peer.observe(", ".join(s.text() for s in came) or "silence")
    assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"
    assert peer.disagreements(sa) == []


@case("MID-07")
@rfc(7296, "2.1", "2.2")
def test_ignores_a_response_with_another_message_id(peer: Tested, responder: Responder) -> None:
    """A response whose message ID is not the request's is none: the request is repeated."""
    peer.start()
    responder.listen(plan="IKE_AUTH/response: header.id = 7")

    peer.initiate()
    repeated = responder.pump(lambda: len(responder.heard(Exchange.IKE_AUTH)) > 1, 12.0)

    talk = "\n".join(str(s) for s in responder.sessions)
    assert repeated, f"the request was not repeated\n{talk}"
    assert all(v.state != "ESTABLISHED" for v in peer.view().sas), f"it was taken\n{talk}"


@case("MID-08", "policy")
@rfc(7296, "2.3")
def test_survives_two_requests_at_once(peer: Tested, initiator: Initiator) -> None:
    """Two requests outstanding at a peer that announced no window do no harm.

    RFC 7296 2.3 forbids them to the sender; what is answered is recorded.
    """
    peer.start()
    sa = initiator.establish()
    first = sa.sa.window.next_request

    for number in (first, first + 1):
        sa.send_as(number, patience=0)
    sa.wait(lambda: first in responses(sa), WAIT)
    sa.wait(lambda: first + 1 in responses(sa), 0.3)
    sa.sa.window.next_request = first + 2

    answered = {number for number in responses(sa) if number >= first}
    peer.observe(f"{len(answered)} of 2 answered")
    assert answered <= {first, first + 1}, f"{sorted(answered)} are answered\n{sa}"
    assert first in answered, f"the first one was not answered\n{sa}"
    if first + 1 in answered:
        assert not sa.inform().silent, f"the IKE SA does not answer any more\n{sa}"
    assert initiator.probe(), f"no honest IKE SA comes up afterwards\n{sa}"


@case("MID-09", "feature")
@rfc(7296, "2.3")
def test_answers_every_request_in_the_window_it_announced(
    peer: Tested, initiator: Initiator
) -> None:
    """With SET_WINDOW_SIZE 4 four requests at once are answered, in any order."""
    peer.start(window=4)
    sa = initiator.establish()
    assert sa.sa.window.peer_size == 4, f"no SET_WINDOW_SIZE of 4 came\n{sa}"
    first = sa.sa.window.next_request

    for offset in (3, 1, 2, 0):
        sa.send_as(first + offset, patience=0)
    wanted = set(range(first, first + 4))
    sa.wait(lambda: wanted <= responses(sa), WAIT)

    answered = responses(sa) & wanted
    assert answered == wanted, f"answered {sorted(answered)} of {sorted(wanted)}\n{sa}"
