"""IKE and ESP in a TCP stream (RFC 9329): the prefix, frames, and streams that are none."""

from __future__ import annotations

import pytest

from ikelab.harness.endpoint import Initiator
from ikelab.harness.esp.ping import ping
from ikelab.harness.exchange.table import State
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.harness.transport.tcp import PREFIX, Connection, TcpTransport, frame
from ikelab.testcases.tunnels import ATTEMPTS, SILENCE

MOMENT = 0.05  # seconds


class Cut:
    """A connection that cuts what we send, or holds it back to send it at once with the next."""

    def __init__(self, inner: Connection, sizes: list[int]) -> None:
        self._inner, self._sizes = inner, sizes
        self.local, self.remote = inner.local, inner.remote
        self.clock, self.receive = inner.clock, inner.receive
        self.pause, self.close = inner.pause, inner.close

    def send(self, data: bytes) -> bool:
        """In pieces of these sizes, the rest at the end."""
        sent, here = True, 0
        for size in (*self._sizes, len(data)):
            piece = data[here : here + size]
            sent, here = sent and (not piece or self._inner.send(piece)), here + size
            if here < len(PREFIX):  # or else TCP puts the pieces together again
                self.pause(self.clock() + MOMENT)
        return sent


@case("TCP-01", "feature")
@rfc(9329, "3", "4")
def test_speaks_ike_in_a_stream(peer: Tested, initiator: Initiator) -> None:
    """Behind IKETCP every message has its length before it; answers come by the same stream."""
    peer.needs("tcp")
    peer.start()

    sa = initiator.over_tcp().establish()

    assert not sa.inform().silent, f"{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("TCP-01", "feature")
@rfc(9329, "3", "7.1")
def test_carries_esp_in_the_stream(peer: Tested, initiator: Initiator) -> None:
    """ESP goes beside IKE, and has no marker before its SPI."""
    peer.needs("tcp")
    peer.start()

    sa = initiator.over_tcp().establish()

    assert ping(sa, patience=SILENCE, attempts=ATTEMPTS) is not None, f"no echo\n{sa}"


SIZES = {
    "octet by octet": [1] * 40,
    "behind the prefix": [6],
    "inside the prefix": [3],
    "inside the length": [7],
    "before the marker": [8],
    "in halves": [120],
}


@case("TCP-01")
@rfc(9329, "3")
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_does_not_mind_how_a_stream_is_cut(
    peer: Tested, initiator: Initiator, sizes: list[int]
) -> None:
    """Segments are not messages: TCP may cut them anywhere."""
    peer.needs("tcp")
    peer.start()

    sa = initiator.over_tcp(Cut(initiator.connect(), sizes)).establish()

    assert sa.violations == []


@case("TCP-01")
@rfc(9329, "3")
def test_reads_two_messages_of_one_segment(peer: Tested, initiator: Initiator) -> None:
    """Two requests of two IKE SAs in one segment are both answered."""
    peer.needs("tcp")
    peer.start()
    connection = initiator.connect()
    end = initiator.over_tcp(connection)
    sessions = [end.session(), end.session()]
    octets = PREFIX
    for session in sessions:
        session.sa.start_init(connection.clock())
        octets += b"".join(frame(d.data) for d in session.sa.datagrams(connection.clock()))
    assert connection.send(octets)
    assert isinstance(end.transport, TcpTransport)
    end.transport.said()

    end.pump(lambda: all(s.state is State.INIT_DONE for s in sessions), 8.0)

    assert [s.state for s in sessions] == [State.INIT_DONE] * 2, f"{sessions[-1]}"


@case("TCP-01", "policy")
@rfc(9329, "3", "6.2")
def test_survives_empty_frames_and_keepalives(peer: Tested, initiator: Initiator) -> None:
    """A frame of nothing, and one with a keepalive, between two messages do no harm."""
    peer.needs("tcp")
    peer.start()
    connection = initiator.connect()
    sa = initiator.over_tcp(connection).establish()

    connection.send(frame(b"") + frame(b"\xff"))
    reply = sa.inform()

    peer.observe("the stream goes on" if not reply.silent else "the stream has ended")
    assert initiator.over_tcp().probe()
    assert peer.alive()


BAD = {
    "another prefix": b"IKETCQ" + frame(bytes(40)),
    "no prefix": frame(bytes(4) + bytes(40)),
    "TLS": bytes.fromhex("160301020001"),
    "a prefix of zeros": bytes(6),
}


@case("TCP-02")
@rfc(9329, "4")
@pytest.mark.parametrize("octets", BAD.values(), ids=BAD)
def test_takes_no_stream_that_does_not_begin_with_iketcp(
    peer: Tested, initiator: Initiator, octets: bytes
) -> None:
    """An IKE_SA_INIT behind another prefix is not answered, and the next stream is served."""
    peer.needs("tcp")
    peer.start()
    connection = initiator.connect()
    connection.send(octets)
    end = initiator.over_tcp(connection)
    assert isinstance(end.transport, TcpTransport)
    end.transport.said()
    sa = end.session()

    sa.init(patience=0.5)

    assert sa.state is not State.INIT_DONE, f"an answer\n{sa}"
    assert initiator.over_tcp().probe()
    assert peer.alive()


LENGTHS = {
    "0": b"\0\0",
    "1": b"\0\1",
    "2": b"\0\2",
    "3": b"\0\3\1",
    "5": b"\0\5\1\2\3",
    "64 KiB that never come": b"\xff\xff" + bytes(100),
    "64 KiB": b"\xff\xff" + bytes(65533),
    "64 KiB of ESP": b"\xff\xff" + b"\1" * 65533,
}


@case("TCP-02", "policy")
@rfc(9329, "3")
@pytest.mark.parametrize("octets", LENGTHS.values(), ids=LENGTHS)
def test_survives_frames_of_odd_lengths(peer: Tested, initiator: Initiator, octets: bytes) -> None:
    """Frames with no room for a message, or with too much, leave the next stream alone."""
    peer.needs("tcp")
    peer.start()
    connection = initiator.connect()
    connection.send(PREFIX + octets)
    answer = connection.receive(connection.clock() + 0.3)

    peer.observe({None: "it stays open", b"": "it is closed"}.get(answer, "an answer"))
    assert initiator.over_tcp().probe(), "no honest IKE SA afterwards"
    assert peer.alive()


@case("TCP-01", "feature")
@rfc(9329, "5")
def test_is_reached_by_tcp_where_udp_does_not_get_through(
    peer: Tested, initiator: Initiator
) -> None:
    """After requests by UDP without an answer a new IKE SA comes up by TCP."""
    peer.needs("tcp")
    peer.start()

    sa = initiator.establish_anyhow(patience=0.5, plan="IKE_SA_INIT/request: wire.drop()")

    assert sa.endpoint.streamed and sa.established, f"{sa}"
    assert sa.violations == []
