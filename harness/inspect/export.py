"""What an inspection knows, for others: keys for Wireshark, captures opened or anonymised."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ikelab.harness.crypto.auth import nat_detection
from ikelab.harness.errors import ConfigError
from ikelab.harness.frames import packet
from ikelab.harness.inspect import octets
from ikelab.harness.inspect.flow import Flow, Packet
from ikelab.harness.inspect.inspection import Inspection
from ikelab.harness.inspect.pcap import Capture
from ikelab.harness.inspect.session import Half, Message
from ikelab.harness.inspect.write import Writer
from ikelab.harness.model import Address, Datagram
from ikelab.harness.wireshark import EspRow, IkeRow, own_line, write_profile
from ikelab.layers.esp import IpProtocol
from ikelab.layers.iana import Notify, Payload
from ikelab.layers.vendor import vendor_name

RAW_IP, UPPER_PDU = 101, 252
"""Link types: an IP packet; Wireshark's exported PDUs."""
_EPOCH = 1_000_000_000.0  # when an anonymised capture begins: 2001-09-09, which is nobody's secret


def profile(it: Inspection, path: Path, source: Path) -> None:
    """A Wireshark profile folder with the keys that opened something, and those of ESP."""
    try:
        write_profile(path, *_rows(it))
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None


def _rows(it: Inspection) -> tuple[list[IkeRow], list[EspRow]]:
    used = [s for s in it.sessions if any(m.opened for m in s.messages)]
    return [row for session in used for row in session.rows], it.ring.esp


def decrypted(it: Inspection, path: Path, source: Path) -> None:
    """Every frame as it was, behind a secrets block: `ikelab inspect` needs no keys for it."""
    ike, esp = _rows(it)
    with Writer(path, secret=True) as file:
        file.keys("".join(f"{line}\n" for line in (*map(own_line, ike), *map(own_line, esp))))
        for record in Capture(source):
            file.frame(record.time, record.linktype, record.data)


def plain(it: Inspection, path: Path, source: Path) -> None:
    """The IKE messages without encryption, as PDUs that Wireshark shows without any key."""
    with Writer(path, secret=True) as file:
        for message, data in sorted(_opened(it), key=lambda found: found[0].frame):
            step = message.step
            head = _tags(step.src, step.dst, message.frame)
            file.frame(step.now, UPPER_PDU, head + data)


def _opened(it: Inspection) -> Iterator[tuple[Message, bytes]]:
    """Each message in clear; of fragments the whole, in the place of the first."""
    for session in it.sessions:
        for exchange in session.exchanges:
            for half in exchange.halves():
                if half.plain is None:
                    yield from ((m, m.data) for m in half.messages)
                    continue
                data = in_clear(half)
                again = [m for m in half.messages[1:] if not half.fragmented]
                yield from ((m, data) for m in (half.first, *again))


def in_clear(half: Half) -> bytes:
    """A message with what was inside SK in the place of SK; its length field is right."""
    message = half.first
    data = message.data
    text, kind = half.plain or b"", half.first_inner
    outer = octets.outer(data) or []
    before = bytearray(data[: outer[-1][1]] if outer else data[: octets.HEADER])
    # The payload before SK, or the header, names what comes first now.
    before[outer[-2][1] if len(outer) > 1 else 16] = kind
    before[24:28] = (len(before) + len(text)).to_bytes(4, "big")
    return bytes(before) + text


def _tags(src: Address, dst: Address, frame: int) -> bytes:
    """The header of an exported PDU: who dissects it, the addresses, where it came from."""
    version = 6 if ":" in src[0] else 4
    ends = [(20 if version == 4 else 22, src[0]), (21 if version == 4 else 23, dst[0])]
    tags = [(12, b"isakmp\0\0"), *((tag, _packed(host)) for tag, host in ends)]
    numbers = ((24, 3), (25, src[1]), (26, dst[1]), (30, frame))
    tags += [(tag, struct.pack("!I", number)) for tag, number in numbers]
    return b"".join(struct.pack("!HH", tag, len(v)) + v for tag, v in tags) + bytes(4)


def _packed(host: str) -> bytes:
    return ipaddress.ip_address(host).packed


def anonymised(it: Inspection, path: Path, source: Path) -> None:
    """IKEv2, ESP and keepalives without what tells whose they are; nothing else is kept.

    Addresses are numbered as they appear; NAT detection is computed again, so that it says the same
    of the new addresses. Unknown vendor ids, names of authorities, cookies and what ESP carries are
    replaced, times begin at a fixed date. What SK protects stays as it is: keep the keys.
    """
    names = _Names(hashlib.sha256(source.read_bytes()[: 1 << 20]).digest())
    began: float | None = None
    with Writer(path) as file:
        for found in Flow(Capture(source)):
            data = names.packet(found)
            if data is None:
                continue
            began = found.time if began is None else began
            ends = (names.address(found.src), names.address(found.dst))
            udp = bool(found.src[1] or found.dst[1])
            protocol = IpProtocol.UDP if udp else IpProtocol.ESP
            if found.kind == "ike" and 4500 in (found.src[1], found.dst[1]):
                data = bytes(4) + data
            datagram = Datagram(data, *ends, protocol=protocol)
            file.frame(_EPOCH + found.time - began, RAW_IP, packet(datagram))


class _Names:
    """New names for old ones, the same each time; `secret` keeps them from being guessed."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._hosts: dict[str, str] = {}

    def address(self, end: Address) -> Address:
        """The new address of an end; its port stays."""
        host = end[0]
        if host not in self._hosts:
            number = len(self._hosts) + 1
            low = f"198.18.{number >> 8 & 255}.{number & 255}"
            self._hosts[host] = f"2001:db8::{number:x}" if ":" in host else low
        return self._hosts[host], end[1]

    def noise(self, data: bytes) -> bytes:
        """Octets of the same number that only the old ones lead to."""
        found, turn = b"", 0
        while len(found) < len(data):
            found += hmac.digest(self._secret, bytes([turn & 255]) + data, "sha256")
            turn += 1
        return found[: len(data)]

    def packet(self, found: Packet) -> bytes | None:
        """What stays of a packet; None where nothing does."""
        data = found.data
        if found.kind == "esp":
            return data[:8] + bytes(max(0, len(data) - 8))
        if found.kind == "keepalive":
            return data
        if found.kind != "ike" or len(data) < octets.HEADER or data[17] >> 4 != 2:
            return None
        places = octets.outer(data)
        if places is None:
            return data[: octets.HEADER] + bytes(len(data) - octets.HEADER)
        fresh = bytearray(data)
        for kind, at, stop in places:
            body = slice(at + 4, stop)
            if kind in _REPLACED:
                fresh[body] = _REPLACED[kind](self, data[body])
            elif kind == Payload.N:
                fresh[body] = self._notify(found, data, at, stop)
            elif kind not in _KEPT:
                fresh[body] = self.noise(data[body])
        return bytes(fresh)

    def _notify(self, found: Packet, data: bytes, at: int, stop: int) -> bytes:
        start = at + 8 + data[at + 5]
        kind, value = data[at + 6] << 8 | data[at + 7], data[start:stop]
        ends: dict[int, Address] = {
            Notify.NAT_DETECTION_SOURCE_IP: found.src,
            Notify.NAT_DETECTION_DESTINATION_IP: found.dst,
        }
        end = ends.get(kind)
        if end is not None:
            spis = data[:8], data[8:16]
            same = nat_detection(*spis, *end) == value
            value = nat_detection(*spis, *self.address(end)) if same else self.noise(value)
        elif kind not in _TELLING_NOTHING:
            value = self.noise(value)
        return data[at + 4 : start] + value

    def vendor(self, body: bytes) -> bytes:
        """Known ones stay: they name a product, not its owner."""
        return body if vendor_name(body) else self.noise(body)

    def authorities(self, body: bytes) -> bytes:
        """CERTREQ: the encoding, then hashes of the keys of authorities (RFC 7296 3.7)."""
        return body[:1] + self.noise(body[1:])


_REPLACED: dict[int, Callable[[_Names, bytes], bytes]] = {
    int(Payload.V): _Names.vendor,
    int(Payload.CERTREQ): _Names.authorities,
}
# What is random anyway, public numbers, or closed.
_KEPT = frozenset({Payload.SA, Payload.KE, Payload.NONCE, Payload.SK, Payload.SKF, Payload.D})
_TELLING_NOTHING = frozenset(
    {
        Notify.INVALID_KE_PAYLOAD,
        Notify.SIGNATURE_HASH_ALGORITHMS,
        Notify.UNSUPPORTED_CRITICAL_PAYLOAD,
        Notify.SET_WINDOW_SIZE,
    }
)
KINDS: dict[str, Callable[[Inspection, Path, Path], None]] = {
    "profile": profile,
    "decrypted": decrypted,
    "plain": plain,
    "anonymised": anonymised,
}


def export(it: Inspection, wanted: Iterable[tuple[str, Path]], source: Path) -> None:
    """Write what was asked for; ConfigError where it cannot be, or would overwrite its source."""
    for kind, path in wanted:
        if path.exists() and source.exists() and path.samefile(source):
            raise ConfigError(f"{path} is what is being read: export to another file")
        KINDS[kind](it, path, source)
