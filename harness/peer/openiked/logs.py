"""What iked's own log tells: suites, selectors and keys of its SAs, by SPI. Pure.

Plain lines name the IKE SA by its initiator's SPI; hexadecimal dumps stand below their line in
groups of four octets. Nothing here raises on what a log says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

from ikelab.harness.peer import dumps
from ikelab.harness.peer.base import Keys
from ikelab.harness.peer.openiked import names
from ikelab.layers.iana import Encr, Integ, Protocol

_SPI = re.compile(r"^spi=0x([0-9a-f]{16}): ")
_HEADER = re.compile(r"header ispi 0x([0-9a-f]{16}) rspi 0x([0-9a-f]{16})")
_UP = re.compile(
    r"established peer \S+\[(?P<peer>[^]]*)\] local \S+\[(?P<local>[^]]*)\] policy '[^']*' "
    r"as (?P<role>initiator|responder) \((?P<suite>[^)]*)\)"
)
_REKEYED = re.compile(r"rekeyed as new IKESA 0x([0-9a-f]{16}) \(([^)]*)\)")
_CHILD = re.compile(r"loaded SPIs: ([0-9a-fx, ]+) \(([^)]*)\)")
_FLOWS = re.compile(r"loaded flows: (.*)$")
_FLOW = re.compile(r"(?:loaded flow|flow already loaded) (0x[0-9a-f]+)")
_KEY = re.compile(r"ikev2_sa_keys: (SKEYSEED|SK_\w+) with (\d+) bytes")
_KEYMAT = re.compile(r"ikev2_childsa_negotiate: key material length (\d+)")
_STREAM = re.compile(r"ikev2_prfplus: Tn with (\d+) bytes")
_ASKED = re.compile(r"type NAT_DETECTION_(SOURCE|DESTINATION)_IP")
_NAT = re.compile(r"NAT_DETECTION_(SOURCE|DESTINATION)_IP detected NAT")
_ROW = re.compile(r"(?P<hex>(?:[0-9a-f]{8} )*(?:[0-9a-f]{2}){1,4})$")


@dataclass(slots=True)
class Told:
    """What the log says of one IKE SA."""

    initiator: bool | None = None
    suite: str = ""
    local_id: str = ""
    remote_id: str = ""
    nat: dict[str, bool] = field(default_factory=dict)  # by SOURCE (the other end), DESTINATION
    children: dict[bytes, str] = field(default_factory=dict)  # suite by each of its SPIs
    flows: dict[bytes, str] = field(default_factory=dict)
    keys: dict[str, bytes] = field(default_factory=dict)


def told(log: str) -> dict[bytes, Told]:
    """By the initiator's SPI of each IKE SA."""
    found: dict[bytes, Told] = {}
    current = b""
    spis: list[bytes] = []
    flows: dict[str, str] = {}  # what was told of a flow, by the address that the log calls it by
    latest: list[str] = []
    for line, dump in dumps.lines(log, _ROW):
        if match := _SPI.match(line) or _HEADER.search(line):
            current = bytes.fromhex(match[1])
        sa = found.setdefault(current, Told())
        if match := _UP.search(line):
            sa.initiator, sa.suite = match["role"] == "initiator", match["suite"]
            sa.local_id, sa.remote_id = _identity(match["local"]), _identity(match["peer"])
        elif match := _REKEYED.search(line):
            new = found.setdefault(bytes.fromhex(match[1]), Told())
            new.suite, new.local_id, new.remote_id = match[2], sa.local_id, sa.remote_id
            # RFC 7296 2.8: it inherits the children; where a NAT is was found once for all.
            new.children, new.flows, new.nat = dict(sa.children), dict(sa.flows), dict(sa.nat)
        elif match := _FLOW.search(line):
            latest.append(match[1])
        elif match := _CHILD.search(line):
            spis = [bytes.fromhex(text[2:].rjust(8, "0")) for text in match[1].split(", ")]
            sa.children |= dict.fromkeys(spis, match[2])
            # A rekeyed child has the flows of the one before it: nothing is said of them again.
            if known := next((flows[name] for name in latest if name in flows), ""):
                sa.flows |= dict.fromkeys(spis, known)
                latest = []
        elif match := _NAT.search(line):
            sa.nat[match[1]] = True
        elif match := _ASKED.search(line):
            sa.nat.setdefault(match[1], False)
        elif match := _FLOWS.search(line):
            sa.flows |= dict.fromkeys(spis, match[1])
            flows |= dict.fromkeys(latest, match[1])
            latest = []
        elif match := _KEY.search(line):
            sa.keys[match[1]] = dump[: int(match[2])]
    found.pop(b"", None)
    return found


def child_keys(log: str) -> frozenset[Keys]:
    """The keys of every child: its key material, cut up as its suite says (RFC 7296 2.17)."""
    found = set()
    streams: list[bytes] = []
    wanted = 0
    for line, dump in dumps.lines(log, _ROW):
        if match := _KEYMAT.search(line):
            wanted = int(match[1])
        elif (match := _STREAM.search(line)) and wanted:
            streams.append(dump[:wanted])
            wanted = 0
        elif (match := _CHILD.search(line)) and streams:
            found.add(_cut(streams.pop(0), match[2]))
    return frozenset(found)


def _cut(stream: bytes, text: str) -> Keys:
    suite = names.read(text, Protocol.ESP)
    encr = suite.encr if suite else None
    integ = suite.integ if suite else None
    row = Encr._value2member_map_.get(encr.id) if encr else None
    bits = (encr.key_bits if encr else None) or max(getattr(row, "key_bits", (0,)) or (0,))
    mac = int(getattr(Integ._value2member_map_.get(integ.id), "key", 0)) if integ else 0
    cipher = bits // 8 + int(getattr(row, "salt", 0))
    if encr is None:  # iked has no name for AES in counter mode ("enc unknown")
        cipher = max(0, len(stream) // 2 - mac)
    cuts = (0, cipher, cipher + mac, 2 * cipher + mac, 2 * (cipher + mac))
    first, second, third, fourth = (stream[a:b] for a, b in pairwise(cuts))
    return first, second, third, fourth


def _identity(text: str) -> str:
    """`IPV4/10.0.0.1` less its type."""
    return text.partition("/")[2] or text
