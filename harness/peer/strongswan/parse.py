"""charon's own account of its SAs (vici's list-sas) as a PeerView. Pure, and tolerant.

A key that is missing leaves its part unknown; nothing here raises on what a daemon says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ikelab.harness.errors import ConfigError
from ikelab.harness.model import TS, Nat, Spis, Suite, Transform
from ikelab.harness.peer.base import ChildView, IkeView, PeerView
from ikelab.harness.peer.strongswan import names
from ikelab.layers.iana import Protocol, Sn, TransformType

_IKE = {
    "encr-alg": TransformType.ENCR,
    "prf-alg": TransformType.PRF,
    "integ-alg": TransformType.INTEG,
    "dh-group": TransformType.KE,
    **{f"ake{n}": TransformType(TransformType.ADDKE1 + n - 1) for n in range(1, 8)},
}
_CHILD = {key: kind for key, kind in _IKE.items() if key != "prf-alg"}
# Without /etc/protocols in its root charon prints numbers; these are for a daemon of the host.
_PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ah": 51, "ipv6-icmp": 58}
_ICMP = (1, 58)


def plain(value: Any) -> Any:
    """What the vici library gives, with text instead of octets: fit for JSON."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


def view(listed: Iterable[Mapping[str, Any]], hidden: str = "") -> PeerView:
    """The PeerView of list-sas' answers, less the SAs with the remote host that is `hidden`."""
    sas = (sa for item in listed for sa in plain(item).values())
    return PeerView(tuple(_ike(sa) for sa in sas if not hidden or sa.get("remote-host") != hidden))


def _ike(sa: Mapping[str, Any]) -> IkeView:
    initiator = _yes(sa, "initiator")
    here, there = _yes(sa, "nat-local"), _yes(sa, "nat-remote")
    children = [_child(child) for child in (sa.get("child-sas") or {}).values()]
    children.sort(key=lambda child: child.state != "INSTALLED")  # before rekeyed and deleted ones
    return IkeView(
        spis=Spis(_hex(sa, "initiator-spi", 8), _hex(sa, "responder-spi", 8)),
        state=str(sa.get("state", "UNKNOWN")),
        initiator=initiator,
        suite=_suite(sa, _IKE, Protocol.IKE),
        local_id=str(sa.get("local-id", "")),
        remote_id=str(sa.get("remote-id", "")),
        nat=Nat(here, there) if initiator else Nat(there, here),
        children=tuple(children),
    )


def _child(child: Mapping[str, Any]) -> ChildView:
    protocol = str(child.get("protocol", "ESP"))
    number = Protocol.AH if protocol == "AH" else Protocol.ESP
    suite = _suite(child, _CHILD, number) or Suite((), number)
    esn = Sn.ESN if str(child.get("esn", "0")) in ("1", "yes") else Sn.NO_ESN
    serial = Transform(TransformType.SN, esn)
    transforms = sorted([*suite.transforms, serial], key=lambda t: t.type)
    return ChildView(
        protocol=protocol,
        spi_in=_hex(child, "spi-in", 4),
        spi_out=_hex(child, "spi-out", 4),
        suite=Suite(tuple(transforms), number),
        local_ts=_selectors(child.get("local-ts")),
        remote_ts=_selectors(child.get("remote-ts")),
        mode=str(child.get("mode", "TUNNEL")).lower(),
        state=str(child.get("state", "UNKNOWN")),
        encap=_yes(child, "encap"),
    )


def _suite(said: Mapping[str, Any], kinds: Mapping[str, int], protocol: int) -> Suite | None:
    """The transforms that are named; None while nothing has been negotiated."""
    found = []
    for key, kind in kinds.items():
        size = str(said.get(key.replace("-alg", "-keysize"), ""))
        bits = int(size) if size.isdigit() else None
        if key in said and (transform := names.transform(kind, str(said[key]), bits)):
            found.append(transform)
    return Suite(tuple(sorted(found, key=lambda t: t.type)), protocol) if found else None


def _selectors(texts: Iterable[str] | None) -> tuple[TS, ...]:
    return tuple(ts for text in texts or () if (ts := selector(text)))


def selector(text: str) -> TS | None:
    """A selector as charon prints it: `10.1.0.0/24[tcp/22]`, `10.1.0.1..10.1.0.9[17/500-600]`."""
    match = re.fullmatch(
        r"([0-9a-fA-F.:]+(?:/\d+|\.\.[0-9a-fA-F.:]+?)?)(?:\|[^[]*)?(?:\[(.*)\])?", text
    )
    if not match:
        return None
    address, tail = match[1].replace("..", "-"), match[2]
    if tail is None:
        return _parse(address)
    protocol, _, ports = tail.partition("/")
    number = int(protocol) if protocol.isdigit() else _PROTOCOLS.get(protocol.lower(), 0)
    if not ports:
        return _parse(f"{address}[{number}]")
    if ports.upper() == "OPAQUE":
        ports = "65535-0"
    elif number in _ICMP:
        ports = re.sub(r"(\d+)(?:\((\d+)\))?", _type_and_code, ports)
    first, _, last = ports.partition("-")
    if not (first.isdigit() and (last or first).isdigit()):
        return None
    return _parse(f"{address}[{number}/{first}-{last or first}]")


def _type_and_code(match: re.Match[str]) -> str:
    """What charon prints as `8` or `3(4)` is one number on the wire (RFC 7296 3.13.1)."""
    return str(int(match[1]) << 8 | int(match[2] or 0))


def _parse(text: str) -> TS | None:
    try:
        return TS.parse(text)
    except ConfigError:
        return None


def _yes(said: Mapping[str, Any], key: str) -> bool:
    return str(said.get(key, "no")) == "yes"


def _hex(said: Mapping[str, Any], key: str, size: int) -> bytes:
    """An SPI; zeros where it is missing (an SA that has not heard from its peer yet)."""
    try:
        return bytes.fromhex(str(said.get(key, ""))).rjust(size, b"\0")
    except ValueError:
        return bytes(size)
