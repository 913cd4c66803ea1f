"""IPComp is agreed on by notifies beside SA: only what was offered, and once (RFC 7296 2.22)."""

from __future__ import annotations

import pytest

from ikelab.harness.edits import insert, notify
from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.esp.ping import ping, post, request
from ikelab.harness.exchange.features import Features
from ikelab.harness.exchange.table import State
from ikelab.harness.peer.base import Unsupported
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.reply import Reply
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Notify
from ikelab.testcases.tunnels import ATTEMPTS, SILENCE

DEFLATE, LZS, LZJH = 2, 3, 4
FIRST = 256  # CPIs below it are reserved or well-known (RFC 3173 3.3)
WANTED = Features(ipcomp=True)
ROOMY = 1024  # octets of an echo's data, which repeats itself every 256


def asked(initiator: Initiator, *algorithms: int) -> tuple[Session, Reply]:
    """IKE_AUTH that offers these algorithms, each under a CPI of its own."""
    sa = initiator.init()
    assert sa.state is State.INIT_DONE, f"IKE_SA_INIT did not succeed\n{sa}"
    offers = []
    for number, algorithm in enumerate(algorithms):
        data = (FIRST + number).to_bytes(2, "big") + bytes([algorithm])
        offers.append(insert("SK", before="SA", payload=notify("IPCOMP_SUPPORTED", data)))
    return sa, sa.auth(edits=offers)


def granted(sa: Session, reply: Reply) -> list[bytes]:
    """The data of every IPCOMP_SUPPORTED of the response."""
    assert sa.established, f"IKE_AUTH did not succeed\n{sa}"
    return [n.data for n in reply.notifies if n.type == Notify.IPCOMP_SUPPORTED]


@case("ESP-07")
@rfc(7296, "2.22")
def test_accepts_one_algorithm_that_was_offered(peer: Tested, initiator: Initiator) -> None:
    """A CPI and an algorithm out of the offer come back, or nothing; the child is there."""
    peer.start()

    sa, reply = asked(initiator, DEFLATE, LZS)

    taken = granted(sa, reply)
    peer.observe("declined" if not taken else f"accepted algorithm {taken[0][2:].hex()}")
    assert len(taken) < 2, f"it accepts {len(taken)} algorithms\n{sa}"
    for data in taken:
        assert len(data) == 3, f"{len(data)} octets are no CPI and algorithm\n{sa}"
        assert data[2] in (DEFLATE, LZS), f"algorithm {data[2]} was not offered\n{sa}"
    assert sa.children, f"no child comes up\n{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("ESP-07")
@rfc(7296, "2.22")
def test_accepts_no_compression_that_nobody_offered(peer: Tested, initiator: Initiator) -> None:
    """Without an offer there is nothing to accept."""
    peer.start()

    sa, reply = asked(initiator)

    assert granted(sa, reply) == [], f"it accepts what nobody offered\n{sa}"
    assert sa.violations == []


@case("ESP-07")
@rfc(7296, "2.22")
def test_makes_a_child_without_an_algorithm_that_it_lacks(
    peer: Tested, initiator: Initiator
) -> None:
    """An algorithm of a number that nobody assigned is not accepted; the child is there."""
    peer.start()

    sa, reply = asked(initiator, 200)

    assert granted(sa, reply) == [], f"it accepts an algorithm that there is not\n{sa}"
    assert sa.children, f"no child comes up\n{sa}"
    assert peer.disagreements(sa) == []


@case("ESP-07", "feature")
@rfc(7296, "2.22")
@rfc(3173, "2.1", "2.2")
@pytest.mark.parametrize("mode", ["tunnel", "transport"])
def test_answers_what_is_compressed(peer: Tested, initiator: Initiator, mode: str) -> None:
    """Where a child agrees on DEFLATE, an echo that is compressed is answered, in either form."""
    ends: dict[str, str] = {}
    if mode == "transport":
        ends = {"tsi": peer.us.address, "tsr": peer.them.address}
        peer.start(mode=mode, features=WANTED, local_ts=ends["tsr"], remote_ts=ends["tsi"])
    else:
        peer.start(features=WANTED)

    sa = initiator.establish(mode=mode, features=WANTED, **ends)

    assert_answers(peer, sa)


@case("ESP-07", "feature")
@rfc(7296, "2.22")
@rfc(3173, "2.1", "2.2")
def test_answers_what_is_compressed_as_it_asked_for(peer: Tested, responder: Responder) -> None:
    """The same where the offer was the peer's: what it gets is under the CPI that it told."""
    peer.start(features=WANTED)
    responder.listen(features=WANTED)
    peer.initiate()

    sa = responder.accept()

    assert_answers(peer, sa)


def assert_answers(peer: Tested, sa: Session) -> None:
    """A child that agreed on DEFLATE brings a compressed echo back."""
    if sa.child.compression is None:
        raise Unsupported("it agrees on no compression")
    if ping(sa, patience=SILENCE, attempts=ATTEMPTS, compress=False) is None:
        raise Unsupported("no host behind the peer answers an echo through the child")
    tunnel = sa.tunnel()
    asked = request(tunnel, size=ROOMY)
    packet = tunnel.send(bytes(asked))
    assert len(packet.data) < ROOMY, "the echo is not compressed"
    before = len(tunnel.refused)

    pong = post(sa, tunnel, packet, asked)

    refused = [str(why) for why in tunnel.refused[before:]]
    why = f"; refused: {', '.join(refused)}" if refused else ""
    assert pong, f"an echo that is compressed gets no answer that can be read{why}\n{sa}"
    assert peer.disagreements(sa) == []
    peer.observe("answers compressed" if pong.opened.compressed else "answers as it is")
