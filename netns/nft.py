"""NAT by the kernel: nftables rules and the end of tracked connections, over netlink.

Call inside the router's namespace. The rules map as `nat.Plan` says.
"""

from __future__ import annotations

import struct
from ipaddress import ip_address

from ikelab.netns.nat import IKE_PORT, NATT_PORT, Plan
from ikelab.netns.nl import Request, attribute, nested, talk, text
from ikelab.netns.topology import Nat

_NETFILTER = 12
_NFT, _CONNTRACK = 10 << 8, 1 << 8
_NEW_TABLE, _DELETE_TABLE, _NEW_CHAIN, _NEW_RULE = (_NFT | n for n in (0, 2, 3, 6))
_INET = 2
_TABLE = "ikelab"
_INPUT, _PREROUTING, _POSTROUTING = 1, 0, 4
_SRCNAT, _DSTNAT = 100, -100
_IIFNAME, _OIFNAME, _L4PROTO = 6, 7, 16
_TO_SOURCE, _TO_DESTINATION = 0, 1
_NETWORK, _TRANSPORT = 1, 2


def apply(nat: Nat, plan: Plan) -> None:
    """Translate from now on by this plan, and forget every flow there is."""
    rules = [_source(nat, plan.address)]
    for (client, port), outside in plan.ports(nat).items():
        rules.append(_source(nat, plan.address, client, port, outside))
    for port in (IKE_PORT, NATT_PORT) if nat.forward else ():
        rules.append(_forward(nat, plan.address, port))
    head = struct.pack(">BBH", _INET, 0, 0)
    talk(
        _NETFILTER,
        _batch(
            Request(_NEW_TABLE, head + attribute(1, text(_TABLE))),  # so that there is one
            Request(_DELETE_TABLE, head + attribute(1, text(_TABLE))),
            Request(_NEW_TABLE, head + attribute(1, text(_TABLE)), create=True),
            _chain("input", "filter", _INPUT, 0, drop=True),
            _chain("prerouting", "nat", _PREROUTING, _DSTNAT),
            _chain("postrouting", "nat", _POSTROUTING, _SRCNAT),
            *rules,
        ),
    )
    forget()


def forget() -> None:
    """Drop every tracked connection: what comes in next has no mapping."""
    head = struct.pack(">BBH", _INET, 0, 0)
    talk(_NETFILTER, [Request(_CONNTRACK | 2, head)])


def _batch(*requests: Request) -> list[Request]:
    edge = struct.pack(">BBH", 0, 0, 10)
    return [Request(0x10, edge, ack=False), *requests, Request(0x11, edge, ack=False)]


def _chain(name: str, kind: str, hook: int, priority: int, *, drop: bool = False) -> Request:
    head = struct.pack(">BBH", _INET, 0, 0)
    where = nested(4, attribute(1, struct.pack(">I", hook)), attribute(2, _signed(priority)))
    body = head + attribute(1, text(_TABLE)) + attribute(3, text(name)) + where
    policy = attribute(5, struct.pack(">I", 0)) if drop else b""
    return Request(_NEW_CHAIN, body + policy + attribute(7, text(kind)), create=True)


def _rule(chain: str, *expressions: bytes) -> Request:
    """A rule before those that there are."""
    head = struct.pack(">BBH", _INET, 0, 0)
    names = attribute(1, text(_TABLE)) + attribute(2, text(chain))
    return Request(_NEW_RULE, head + names + nested(4, *expressions), create=True)


def _source(nat: Nat, address: str, client: str = "", port: int = 0, outside: int = 0) -> Request:
    """What leaves by the NAT's device gets its address; from one client's port, another port."""
    match = _equal(_meta(_OIFNAME), _device(nat.device))
    if client:
        match += _equal(_payload(_NETWORK, 12, 4), ip_address(client).packed)
        match += _udp(0, port)
    return _rule("postrouting", *match, *_translate(_TO_SOURCE, address, outside))


def _forward(nat: Nat, address: str, port: int) -> Request:
    match = _equal(_meta(_IIFNAME), _device(nat.device))
    match += _equal(_payload(_NETWORK, 16, 4), ip_address(address).packed)
    match += _udp(2, port)
    return _rule("prerouting", *match, *_translate(_TO_DESTINATION, nat.forward))


def _udp(at: int, port: int) -> list[bytes]:
    ports = _equal(_payload(_TRANSPORT, at, 2), struct.pack(">H", port))
    return _equal(_meta(_L4PROTO), b"\x11") + ports


def _translate(kind: int, address: str, port: int = 0) -> list[bytes]:
    found = [_immediate(1, ip_address(address).packed)]
    body = [_number(1, kind), _number(2, _INET), _number(3, 1)]
    if port:
        found.append(_immediate(2, struct.pack(">H", port)))
        body.append(_number(5, 2))
    return [*found, _expression("nat", *body)]


def _equal(load: bytes, value: bytes) -> list[bytes]:
    compare = _expression("cmp", _number(1, 1), _number(2, 0), nested(3, attribute(1, value)))
    return [load, compare]


def _meta(key: int) -> bytes:
    return _expression("meta", _number(1, 1), _number(2, key))


def _payload(base: int, offset: int, length: int) -> bytes:
    numbers = (1, base, offset, length)
    return _expression("payload", *(_number(n, value) for n, value in enumerate(numbers, 1)))


def _immediate(register: int, value: bytes) -> bytes:
    return _expression("immediate", _number(1, register), nested(2, attribute(1, value)))


def _expression(name: str, *attributes: bytes) -> bytes:
    return nested(1, attribute(1, text(name)), nested(2, *attributes))


def _number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack(">I", value))


def _signed(value: int) -> bytes:
    return struct.pack(">i", value)


def _device(name: str) -> bytes:
    return name.encode().ljust(16, b"\0")
