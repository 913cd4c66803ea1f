"""Links, addresses, routes and neighbours as rtnetlink(7) messages; `nl.talk` sends them in one go.

A lab is there before a run's first message, and from its start to two daemons that answer shall be
150 ms (tests/bench/bench_lab.py). Measured on two cores: the links, addresses and route of one host
take 1.7 ms here, 10 to 13 ms by pyroute2 0.9 (33 to 41 ms the first time in a process), and its
import takes 130 to 200 ms more. `changes` alters a lab that stands with it; tests read labs back.
"""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_address, ip_network

from ikelab.netns.nl import Request, attribute, dump, nested, talk, text
from ikelab.netns.topology import Interface

_NEW_LINK, _NEW_ADDRESS, _NEW_ROUTE, _NEW_NEIGHBOUR = 16, 20, 24, 28
_LINK, _ADDRESS, _ROUTE, _NEIGHBOUR = (
    struct.Struct(form) for form in ("=BxHiII", "=BBBBi", "=8BI", "=BxxxiHBB")
)
_DEL_LINK, _GET_LINK, _NAME, _OPERATES = 17, 18, 3, 16
_UP = 1
_MAIN, _BOOT, _UNICAST = 254, 3, 1  # table, protocol, type of a route
_NODAD = 0x02  # IFA_F_NODAD: the address works at once
_PERMANENT = 0x80  # NUD_PERMANENT: a neighbour that is not asked for
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


def send(*requests: Request) -> None:
    """Have the kernel do it in this thread's network; OSError as it says."""
    if requests:
        talk(socket.NETLINK_ROUTE, requests)


def veth(name: str, peer: str, *, macs: tuple[str, str] | None = None, net: int = -1) -> Request:
    """A pair of devices; the second one in the namespace that the descriptor `net` refers to."""
    own, other = (attribute(1, _octets(mac)) for mac in macs) if macs else (b"", b"")
    place = attribute(28, struct.pack("=I", net)) if net >= 0 else b""
    second = _LINK.pack(0, 0, 0, 0, 0) + attribute(3, text(peer)) + other + place
    kind = nested(18, attribute(1, text("veth")), nested(2, attribute(1, second)))
    body = _LINK.pack(0, 0, 0, 0, 0) + attribute(3, text(name)) + own + kind
    return Request(_NEW_LINK, body, create=True)


def up(device: str, mtu: int) -> Request:
    """A device takes packets, of this size at most."""
    index = socket.if_nametoindex(device)
    return Request(
        _NEW_LINK, _LINK.pack(0, 0, index, _UP, _UP) + attribute(4, struct.pack("=I", mtu))
    )


def gone(index: int) -> Request:
    """A device is no more; nor is the other one of its pair."""
    return Request(_DEL_LINK, _LINK.pack(0, 0, index, 0, 0))


def carrying() -> set[str]:
    """The devices of this thread's network that send what they are given."""
    found = set()
    for body in dump(socket.NETLINK_ROUTE, _GET_LINK, _LINK.pack(0, 0, 0, 0, 0)):
        told, rest = {}, body[_LINK.size :]
        while len(rest) >= 4:
            length, kind = struct.unpack_from("=HH", rest)
            told[kind] = rest[4:length]
            rest = rest[(length + 3) & ~3 :]
        # Its queue drops everything until the other end is seen, which makes its state "up".
        if told.get(_OPERATES) == b"\x06":
            found.add(told[_NAME].rstrip(b"\0").decode())
    return found


def address(device: str, interface: Interface) -> Request:
    """A device has this address."""
    index, flags = socket.if_nametoindex(device), _NODAD if interface.version == 6 else 0
    head = _ADDRESS.pack(_FAMILIES[interface.version], interface.network.prefixlen, flags, 0, index)
    octets = interface.ip.packed
    body = head + attribute(2, octets) + attribute(1, octets)
    return Request(_NEW_ADDRESS, body, create=True)


def route(to: str, via: str) -> Request:
    """Packets to a network go to a neighbour."""
    network = ip_network(to)
    head = _ROUTE.pack(
        _FAMILIES[network.version], network.prefixlen, 0, 0, _MAIN, _BOOT, 0, _UNICAST, 0
    )
    where = attribute(1, network.network_address.packed) if network.prefixlen else b""
    return Request(_NEW_ROUTE, head + where + attribute(5, ip_address(via).packed), create=True)


def neighbour(device: str, host: str, mac: str) -> Request:
    """Whoever has this address is at that MAC, and is never asked."""
    found = ip_address(host)
    index = socket.if_nametoindex(device)
    head = _NEIGHBOUR.pack(_FAMILIES[found.version], index, _PERMANENT, 0, 0)
    body = head + attribute(1, found.packed) + attribute(2, _octets(mac))
    return Request(_NEW_NEIGHBOUR, body, create=True)


def _octets(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))
