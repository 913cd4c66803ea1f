"""Echoes through a child: send one, wait for what comes back, opened and compared.

Speaks through a session, whose transport does the sending; every wait has a bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Protocol

from ikelab.harness.esp.child import Opened
from ikelab.harness.esp.packet import Echo, echo
from ikelab.harness.esp.tunnel import Tunnel
from ikelab.harness.exchange.child import Child
from ikelab.harness.model import HONEST, TS, Datagram

IDENTIFIER = 0x696B
SIZE = 32  # octets of data in an echo


class Speaker(Protocol):
    """What a session offers to who pings through it."""

    def tunnel(self, child: Child | None = None) -> Tunnel: ...
    def emit(self, datagram: Datagram) -> None: ...
    def wait(self, done: Callable[[], bool], patience: float | None = None) -> bool: ...


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to an echo: the packet that was opened, and the datagram that carried it."""

    echo: Echo
    opened: Opened
    datagram: Datagram


def ping(
    session: Speaker,
    to: str | None = None,
    *,
    source: str | None = None,
    child: Child | None = None,
    patience: float = HONEST,
    size: int = SIZE,
    attempts: int = 1,
    **crafted: Any,
) -> Pong | None:
    """Ask for an echo from an address behind the peer; None where none comes.

    Without addresses the first hosts of the child's selectors are taken. `attempts` are for a peer
    that may not have installed its SAs yet. `crafted` are words of `ChildPath.wrap`: TFC padding, a
    sequence number, fields as they are.
    """
    tunnel = session.tunnel(child)
    asked: list[Echo] = []
    for _ in range(attempts):
        asked.append(request(tunnel, to, source=source, size=size))
        datagram = tunnel.send(bytes(asked[-1]), **crafted)
        if pong := post(session, tunnel, datagram, *asked, patience=patience):
            return pong
    return None


def request(
    tunnel: Tunnel, to: str | None = None, *, source: str | None = None, size: int = SIZE
) -> Echo:
    """An echo request that no other one of this tunnel is like."""
    path = tunnel.path
    source = source or host(path.child.local_ts, path.local)
    to = to or host(path.child.remote_ts, path.remote)
    tunnel.echoes += 1
    data = bytes(n & 0xFF for n in range(size))
    return Echo(source, to, False, IDENTIFIER, tunnel.echoes & 0xFFFF, data)


def post(
    session: Speaker,
    tunnel: Tunnel,
    datagram: Datagram,
    *asked: Echo,
    patience: float = HONEST,
) -> Pong | None:
    """Send a datagram as it is, and wait for the echo that it, or one before it, asks for."""
    wanted = [one.answer() for one in asked]
    before = len(tunnel.opened)

    def found() -> Pong | None:
        for opened, carrier in tunnel.opened[before:]:
            seen = echo(opened.inner)
            if seen is not None and seen in wanted:
                return Pong(seen, opened, carrier)
        return None

    session.emit(datagram)
    session.wait(lambda: found() is not None, patience)
    return found()


def host(ranges: tuple[TS, ...], outer: str) -> str:
    """An address inside selectors: the tunnel's own end where they hold it, else the first host."""
    own = ip_address(outer)
    for ts in ranges:
        if ts.version == own.version and int(ts.start) <= int(own) <= int(ts.end):
            return outer
    first = ranges[0]
    return str(first.start if first.start == first.end else first.start + 1)
