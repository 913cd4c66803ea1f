"""A network in memory with a virtual clock: nothing waits, so silence costs no time.

Nodes are sans-IO (`receive`, `datagrams`, `timer`, `handle_timer`); time jumps to the next timer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from ikelab.harness.model import Datagram

LATENCY = 0.0001  # seconds each way, so that the order of events is the order of times


class Node(Protocol):
    """Whoever answers at an address of the memory network."""

    def receive(self, datagram: Datagram, now: float) -> None: ...
    def datagrams(self, now: float) -> list[Datagram]: ...
    def timer(self) -> float | None: ...
    def handle_timer(self, now: float) -> None: ...


class MemoryNet:
    """One endpoint and the nodes it talks to. Implements `Transport` for the endpoint.

    `tap` sees every datagram in order of time, as a capture would.
    """

    def __init__(self, tap: Callable[[Datagram], None] | None = None) -> None:
        self.now = 0.0
        self.nodes: dict[str, Node] = {}  # by IP address
        self.tap = tap
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
            due = self._next_timer()
            if due is None or due > until:
                self.now = max(self.now, until)
                return None
            self.now = max(self.now, due)
            for node in list(self.nodes.values()):
                node.handle_timer(self.now)

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
