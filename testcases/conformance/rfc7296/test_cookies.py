"""Cookies, asked for and given back (RFC 7296 2.6, 2.6.1)."""

from __future__ import annotations

import pytest

from ikelab.harness.edits import insert, notify
from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.exchange.config import Conduct
from ikelab.harness.exchange.table import State
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.reply import Reply
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Exchange, Notify, Payload
from ikelab.testcases.each_once import each_once

HEADER = 28  # octets of the IKE header
WAIT = 0.8  # seconds of silence that stand for "no answer"
MOST = 20  # requests with a cookie after which nobody can say that they are limited
TWO_GROUPS, SECOND_GROUP = "aes128-sha256-modp2048-ecp256", "aes128-sha256-ecp256"


def cookie_of(reply: Reply) -> bytes:
    """The cookie that a response asks for; AssertionError where it asks for none."""
    found = reply.notify(Notify.COOKIE)
    assert found is not None, f"no cookie was asked for: {reply.outcome}\n{reply}"
    return found.data


def asked(initiator: Initiator) -> Reply:
    """What a first request without a cookie is answered with."""
    return initiator.init(conduct=Conduct().but("return_cookie")).reply


@case("COO-01", "SHOULD")
@rfc(7296, "2.6")
def test_asks_for_a_cookie_under_load(peer: Tested, initiator: Initiator) -> None:
    """With many half-open IKE SAs a request is answered with a COOKIE, and no state is kept."""
    peer.needs("cookies")
    peer.start(cookies=True)

    sa = initiator.init(conduct=Conduct().but("return_cookie"))

    assert 1 <= len(cookie_of(sa.reply)) <= 64
    assert not sa.reply.has(Payload.SA)
    assert not any(sa.reply.message.message.resp_SPI), f"SPIr is not zero beside a COOKIE\n{sa}"
    assert all(known.spis.i != sa.spis.i for known in peer.view().sas), "state was kept"


@case("COO-03")
@rfc(7296, "2.6")
@pytest.mark.parametrize("damage", ["one bit off", "cut short", "made up", "of 64 octets"])
def test_ignores_a_cookie_that_is_not_its_own(
    peer: Tested, initiator: Initiator, damage: str
) -> None:
    """A request with another cookie than expected is processed as if it had none."""
    peer.needs("cookies")
    peer.start(cookies=True)
    real = cookie_of(asked(initiator))
    forged = {
        "one bit off": real[:-1] + bytes([real[-1] ^ 1]),
        "cut short": real[:-1],
        "made up": bytes(len(real)),
        "of 64 octets": real.ljust(64, b"\0") if len(real) < 64 else bytes(64),
    }[damage]

    edit = insert(before="SA", payload=notify("COOKIE", forged))
    sa = initiator.init(edits=[edit], conduct=Conduct().but("return_cookie"))

    assert not sa.reply.has(Payload.SA), f"a forged cookie was accepted\n{sa}"
    assert initiator.probe()


@case("COO-03", "policy")
@rfc(7296, "2.6")
def test_survives_a_cookie_of_another_conversation(peer: Tested, initiator: Initiator) -> None:
    """A cookie that belongs to another SPI and nonce does no harm; its fate is recorded.

    RFC 7296 2.6 leaves open what a cookie covers, and only gives a good way.
    """
    peer.needs("cookies")
    peer.start(cookies=True)
    other = cookie_of(asked(initiator))

    edit = insert(before="SA", payload=notify("COOKIE", other))
    sa = initiator.init(edits=[edit], conduct=Conduct().but("return_cookie"))

    peer.observe("accepted" if sa.reply.has(Payload.SA) else sa.reply.outcome)
    assert initiator.probe(), f"no honest IKE SA comes up afterwards\n{sa}"


@case("COO-04")
@rfc(7296, "2.6", "3.1")
def test_repeats_its_request_with_the_cookie(peer: Tested, responder: Responder) -> None:
    """Asked for a cookie, the initiator sends the same request with the cookie in front."""
    peer.start()
    responder.listen(cookies=True)

    peer.initiate()
    responder.pump(lambda: len(each_once(responder.heard(Exchange.IKE_SA_INIT))) > 1, 8.0)

    requests = each_once(responder.heard(Exchange.IKE_SA_INIT))
    assert len(requests) > 1, "the peer did not come back with the cookie"
    plain, repeated = requests[0], requests[1]
    first = repeated.message.payloads[0]
    assert first.kind == Payload.N and first.type == Notify.COOKIE, f"first comes {first}"
    behind = HEADER + 8 + len(first.notify)
    assert repeated.data[behind:] == plain.data[HEADER:], "the other payloads changed"
    assert repeated.message.id == 0 and repeated.data[:16] == plain.data[:16]


@case("COO-05")
@rfc(7296, "2.6", "3.10.1")
@pytest.mark.parametrize("octets", [1, 64])
def test_gives_back_cookies_of_every_allowed_length(
    peer: Tested, responder: Responder, octets: int
) -> None:
    """Cookies of 1 and of 64 octets are given back, and the IKE SA comes up."""
    peer.start()
    responder.listen(cookies=True, cookie_length=octets)

    peer.initiate()
    sa = responder.accept()

    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("COO-05", "policy")
@rfc(7296, "2.6")
@pytest.mark.parametrize("octets", [0, 65])
def test_survives_cookies_of_other_lengths(
    peer: Tested, responder: Responder, initiator: Initiator, octets: int
) -> None:
    """An empty cookie or one of 65 octets does no harm; whether it comes back is recorded.

    RFC 7296 2.6 binds who makes the cookie.
    """
    peer.start()
    responder.listen(cookies=True, cookie_length=octets)

    peer.initiate()
    came = responder.pump(lambda: any(s.established for s in responder.sessions), WAIT)

    peer.observe("the cookie came back" if came else "the cookie did not come back")
    assert initiator.probe(), "no honest IKE SA comes up afterwards"


@case("COO-06")
@rfc(7296, "2.6.1")
def test_gives_back_a_second_cookie(peer: Tested, responder: Responder) -> None:
    """COOKIE, INVALID_KE_PAYLOAD and another COOKIE do not make the initiator fail."""
    peer.start(ike=[TWO_GROUPS])
    responder.listen(ike=[SECOND_GROUP], cookies=True, cookie_covers_ke=True)

    peer.initiate()
    sa = responder.accept()

    assert str(sa.chosen) == SECOND_GROUP
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("COO-07", "SHOULD")
@rfc(7296, "2.6")
def test_does_not_follow_cookies_without_end(
    peer: Tested, responder: Responder, initiator: Initiator
) -> None:
    """However often a cookie is asked for, the initiator gives up or slows down."""
    peer.start()
    responder.listen(cookies=True, conduct=Conduct().but("accept_cookie"))

    peer.initiate()
    responder.pump(lambda: len(responder.heard(Exchange.IKE_SA_INIT)) > MOST, 2.0)

    count = len(responder.heard(Exchange.IKE_SA_INIT))
    peer.observe(f"{count} requests within 2 s")
    assert count <= MOST, f"{count} requests, each with the newest cookie"


@case("COO-08", "policy")
@rfc(7296, "2.6")
def test_tells_how_many_half_open_sas_it_takes(peer: Tested, initiator: Initiator) -> None:
    """How many half-open IKE SAs it takes before it asks for a cookie is recorded."""
    peer.start()
    most = 40
    taken = 0
    for _ in range(most):
        sa = initiator.init(conduct=Conduct().but("return_cookie"))
        if sa.state is not State.INIT_DONE:
            break
        taken += 1

    asks = sa.reply.notify(Notify.COOKIE) is not None
    peer.observe(f"{'a cookie' if asks else 'no cookie'} after {taken} half-open IKE SAs")
    assert initiator.probe(), f"no honest IKE SA comes up afterwards\n{sa}"


@case("COO-10")
@rfc(7296, "2.1")
def test_answers_a_request_once(peer: Tested, initiator: Initiator) -> None:
    """A response goes out once for each time that its request came, and never by itself.

    So a forged source address gets one response; how much larger than the request is recorded.
    """
    peer.start()
    sa = initiator.init()
    assert sa.state is State.INIT_DONE, f"IKE_SA_INIT did not succeed\n{sa}"

    sa.wait(lambda: len(sa.received()) > 1, 1.5)

    answers = sa.received()
    asked = len(sa.sent())  # once, but for a busy machine where the answer was late
    assert len(answers) <= asked, f"{len(answers)} responses to {asked} requests\n{sa}"
    peer.observe(f"{len(answers[0].data) / len(sa.sent()[0].data):.2f} octets for an octet")
