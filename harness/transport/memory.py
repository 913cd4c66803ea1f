"""A network in memory with a virtual clock: nothing waits, so silence costs no time.

Nodes are sans-IO (`receive`, `datagrams`, `timer`, `handle_timer`); time jumps to the next timer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, runtime_checkable

from ikelab.harness.model import NATT_PORT, Address, Datagram

LATENCY = 0.0001  # seconds each way, so that the order of events is the order of times


class Node(Protocol):
    """Whoever answers at an address of the memory network."""

    def receive(self, datagram: Datagram, now: float) -> None: ...
    def datagrams(self, now: float) -> list[Datagram]: ...
    def timer(self) -> float | None: ...
    def handle_timer(self, now: float) -> None: ...


class Streams(Protocol):
    """The connections of a node."""

    def opened(self, source: Address) -> None: ...
    def due(self, source: Address) -> bytes: ...
    def is_open(self, source: Address) -> bool: ...
    def closed(self, source: Address) -> None: ...


@runtime_checkable
class StreamNode(Node, Protocol):
    """A node that takes TCP connections (RFC 9329)."""

    streams: Streams

    def stream(self, source: Address, local: str, data: bytes, now: float) -> None: ...


class MemoryConnection:
    """A TCP connection in memory, our end of it: what is sent at once comes as one segment."""

    def __init__(self, net: MemoryNet, node: StreamNode, local: str, remote: str) -> None:
        net.connections += 1
        self._net, self._node, self._there = net, node, remote
        self._source = (local, 40000 + net.connections)
        self.local, self.remote = self._source, (remote, NATT_PORT)
        node.streams.opened(self._source)

    def clock(self) -> float:
        return self._net.now

    def send(self, data: bytes) -> bool:
        if not self._node.streams.is_open(self._source):
            return False
        self._net.now += LATENCY
        self._node.stream(self._source, self._there, data, self._net.now)
        return True

    def receive(self, until: float) -> bytes | None:
        while True:
            self._net.settle()
            if data := self._node.streams.due(self._source):
                return data
            if not self._node.streams.is_open(self._source):
                return b""
            if not self._net.advance(until):
                return None

    def pause(self, until: float) -> None:
        self._net.now = max(self._net.now, until)

    def close(self) -> None:
        self._node.streams.closed(self._source)


class MemoryNet:
    """One endpoint and the nodes it talks to. Implements `Transport` for the endpoint.

    `tap` sees every datagram in order of time, as a capture would.
    """

    def __init__(self, tap: Callable[[Datagram], None] | None = None) -> None:
        self.now = 0.0
        self.nodes: dict[str, Node] = {}  # by IP address
        self.tap = tap
        self.connections = 0
        self._inbox: deque[Datagram] = deque()

    def attach(self, address: str, node: Node) -> None:
        """Let `node` answer at this address."""
        self.nodes[address] = node

    def clock(self) -> float:
        return self.now

    def send(self, datagram: Datagram) -> None:
        self._carry(replace(datagram, now=self.now))
        self._collect()

    def receive(self, until: float) -> Datagram | None:
        while True:
            self._collect()
            if self._inbox:
                return self._inbox.popleft()
            if not self.advance(until):
                return None

    def settle(self) -> None:
        """Carry what the nodes have to send now."""
        self._collect()

    def advance(self, until: float) -> bool:
        """Let time pass to the next timer of a node; False where none is due by then."""
        due = self._next_timer()
        if due is None or due > until:
            self.now = max(self.now, until)
            return False
        self.now = max(self.now, due)
        for node in list(self.nodes.values()):
            node.handle_timer(self.now)
        return True

    def connect(self, local: str, remote: Address) -> MemoryConnection:
        """A TCP connection to a node; ConnectionRefusedError where it has no streams."""
        node = self.nodes.get(remote[0])
        if not isinstance(node, StreamNode):
            raise ConnectionRefusedError(f"nobody listens at TCP port {remote[1]} of {remote[0]}")
        return MemoryConnection(self, node, local, remote[0])

    def listen(self, protocol: int, address: str) -> None:
        """Whatever is sent to an endpoint comes to it."""

    def close(self) -> None:
        """Nothing is held."""

    def _carry(self, datagram: Datagram) -> None:
        if self.tap:
            self.tap(datagram)
        node = self.nodes.get(datagram.dst[0])
        if node is None:
            self._inbox.append(datagram)
            return
        self.now += LATENCY
        node.receive(replace(datagram, now=self.now), self.now)

    def _collect(self) -> None:
        moved = True
        while moved:
            moved = False
            for node in list(self.nodes.values()):
                for datagram in node.datagrams(self.now):
                    self.now += LATENCY
                    self._carry(replace(datagram, now=self.now))
                    moved = True

    def _next_timer(self) -> float | None:
        times = [t for t in (node.timer() for node in self.nodes.values()) if t is not None]
        return min(times, default=None)
