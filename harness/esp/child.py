"""A CHILD_SA at work: inner packets in, ESP or AH out, and back. Sans-IO.

Keeps what a pair of SAs keeps: our sequence number and the window over the peer's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ikelab.harness.errors import UnsupportedAlgorithm
from ikelab.harness.esp import ah, ipcomp, seal
from ikelab.harness.esp.packet import Flow, NotIp, flow, ip_packet, selected
from ikelab.harness.esp.replay import HALF, Counter, ReplayWindow
from ikelab.harness.esp.seal import Kind, Refused, SaKeys
from ikelab.harness.exchange.child import Child
from ikelab.layers.esp import AH, ESP, ESP_Decrypted, IpProtocol
from ikelab.layers.iana import IpComp, Protocol, Sn

_VERSIONS = {IpProtocol.IPV4: 4, IpProtocol.IPV6: 6}


@dataclass(frozen=True, slots=True)
class Strictness:
    """What a receiver looks at; False is a fault, for tests of tests."""

    replay: bool = True
    integrity: bool = True
    padding: bool = True
    selectors: bool = True
    high_bits: bool = True
    unspecified: bool = True
    compressed: bool = True  # what is compressed is taken


@dataclass(frozen=True, slots=True)
class Opened:
    """A packet that was taken: the inner IP packet, and what was around it."""

    inner: bytes
    flow: Flow
    number: int  # the sequence number, all of its bits
    tfc: bytes  # what followed the inner packet
    packet: ESP_Decrypted | AH
    compressed: bool = False  # it came by IPComp


class ChildPath:
    """Both SAs of a CHILD_SA, seen from our side; `local` and `remote` are the outer addresses.

    UnsupportedAlgorithm where the child has no keys, because ikelab cannot compute its suite.
    """

    def __init__(
        self,
        child: Child,
        *,
        local: str,
        remote: str,
        entropy: seal.Entropy,
        window: int = 64,
        strictness: Strictness = Strictness(),
    ) -> None:
        if child.keys is None:
            raise UnsupportedAlgorithm(f"ikelab cannot compute ESP with {child.suite}")
        self.child = child
        self.local, self.remote = local, remote
        self.entropy = entropy
        self.strictness = strictness
        numbers = child.suite.sn
        esn = numbers is not None and numbers.id == Sn.ESN
        by_i, by_r = sa_keys(child, esn=esn)
        self._out, self._in = (by_i, by_r) if child.made_by_us else (by_r, by_i)
        self.counter = Counter(esn)
        # RFC 4303 3.4.3: without integrity there is nothing that a window could rely on; neither
        # is there where numbers may come twice (RFC 9827 4).
        several = numbers is not None and numbers.id == Sn.UNSPECIFIED_NUMBERS_32_BIT
        several = several and strictness.unspecified
        self.window = ReplayWindow(window if self._in.icv_length and not several else 0, esn)

    @property
    def protocol(self) -> int:
        """The IP protocol of the outer packet, where UDP does not carry it."""
        return IpProtocol.AH if self.child.protocol == Protocol.AH else IpProtocol.ESP

    # -- out -----------------------------------------------------------------------------------

    def wrap(
        self,
        inner: bytes,
        *,
        tfc: int = 0,
        number: int | None = None,
        compress: bool = True,
        **literal: Any,
    ) -> bytes:
        """An inner IP packet as ESP; as a whole outer IP packet where the child is AH.

        It is compressed where the child agreed on that and it gets smaller, unless `compress` is
        False. `tfc` octets of padding follow the inner packet (RFC 4303 2.7). `number` replaces the
        sequence number; our own goes on from the highest. Other words are fields of ESP_Decrypted
        or AH, sent as they are: `spi`, `seq`, `padding`, `pad_length`, `nh`, `iv`, `icv`.
        """
        payload, protocol = self._payload(inner)
        agreed = self.child.compression
        if agreed is not None and agreed.transform == IpComp.IPCOMP_DEFLATE and compress:
            packed = ipcomp.pack(payload, protocol, agreed.theirs)
            payload, protocol = (packed, IpProtocol.IPCOMP) if packed else (payload, protocol)
        return self._sealed(payload, protocol, bytes(tfc), number, literal)

    def dummy(self, octets: int = 64, **literal: Any) -> bytes:
        """A packet that the peer has to drop without prejudice (RFC 4303 2.6)."""
        data = self.entropy(octets)
        return self._sealed(data, IpProtocol.NO_NEXT_HEADER, b"", None, literal)

    def _payload(self, inner: bytes) -> tuple[bytes, int]:
        """What goes inside, and its next header: the packet, or in transport mode its payload."""
        version = inner[0] >> 4 if inner else 0
        if self.child.mode != "transport":
            return inner, IpProtocol.IPV6 if version == 6 else IpProtocol.IPV4
        it = flow(inner)
        return inner[it.start : it.end], it.protocol

    def _sealed(
        self, data: bytes, protocol: int, tfc: bytes, number: int | None, literal: dict[str, Any]
    ) -> bytes:
        if number is None:
            number = self.counter.next()
        else:
            self.counter.last = max(self.counter.last, number)
        spi = int.from_bytes(self.child.spi_out, "big")
        fields = {"spi": spi, "seq": number % HALF, "nh": int(protocol), **literal}
        if self.protocol == IpProtocol.AH:
            packet = AH(**fields)
            ends = (self.local, self.remote)
            return ah.seal(packet, self._out, data + tfc, ends, number // HALF)
        opened = ESP_Decrypted(**{"data": data, "tfc": tfc, **fields})
        return seal.seal(opened, self._out, self.entropy, number // HALF)

    # -- in ------------------------------------------------------------------------------------

    def unwrap(self, data: bytes) -> bytes:
        """The inner IP packet of what came; Refused with its kind where it must be dropped."""
        return self.open(data).inner

    def open(self, data: bytes) -> Opened:
        """As `unwrap`, with what was around. The order of checks is RFC 4303's 3.4."""
        is_ah = self.protocol == IpProtocol.AH
        head = AH(data[ah.where(data) :]) if is_ah else ESP(data)
        if len(data) < seal.HEADER:
            raise Refused(Kind.LENGTH, f"{len(data)} octets are no ESP")
        if head.spi.to_bytes(4, "big") != self.child.spi_in:
            raise Refused(Kind.SPI, f"SPI {head.spi:08x}, ours is {self.child.spi_in.hex()}")
        strict = self.strictness
        number = self.window.check(head.seq) if strict.replay else self.window.locate(head.seq)
        number %= HALF * HALF if strict.high_bits else HALF
        packet = self._opened(data, number, is_ah)
        if self.window.size:
            self.window.accept(number)
        payload = bytes(packet.payload) if is_ah else bytes(packet.data)
        if not is_ah and strict.padding and packet.padding != seal.monotonic(packet.pad_length):
            raise Refused(Kind.PADDING, "the padding is not 1, 2, 3 (RFC 4303 2.4)")
        return self._judged(packet, payload, number)

    def _opened(self, data: bytes, number: int, is_ah: bool) -> ESP_Decrypted | AH:
        high = number // HALF
        try:
            if is_ah:
                return ah.open(data, self._in, high)
            return seal.open(data, self._in, high, verify=self.strictness.integrity)
        except Refused as refused:
            if refused.kind is Kind.PADDING and self.window.size:
                self.window.accept(number)  # authentic all the same
            raise

    def _judged(self, packet: ESP_Decrypted | AH, payload: bytes, number: int) -> Opened:
        """The inner packet, once it is one that this SA carries (RFC 4303 3.4.4, RFC 4301 5.2)."""
        protocol, rest = packet.nh, b""
        if protocol == IpProtocol.NO_NEXT_HEADER:
            raise Refused(Kind.DUMMY, "a dummy packet")
        compressed = protocol == IpProtocol.IPCOMP and self.child.compression is not None
        if compressed:
            found = self._unpacked(payload)
            payload, protocol, rest = found.data, found.protocol, found.rest
        if self.child.mode == "transport":
            payload = ip_packet(self.remote, self.local, protocol, payload)
        elif _VERSIONS.get(protocol) != (payload[0] >> 4 if payload else None):
            raise Refused(Kind.NEXT_HEADER, f"next header {protocol} in tunnel mode")
        try:
            it = flow(payload)
        except NotIp as error:
            raise Refused(Kind.INNER, f"no IP packet inside: {error}") from None
        allowed = selected(it, self.child.remote_ts, self.child.local_ts)
        if self.strictness.selectors and not allowed:
            raise Refused(Kind.SELECTORS, f"{it} is outside the selectors")
        tfc = payload[it.end :] + rest
        return Opened(payload[: it.end], it, number, tfc, packet, compressed)

    def _unpacked(self, payload: bytes) -> ipcomp.Unpacked:
        """What was compressed, by the one algorithm that we do."""
        agreed = self.child.compression
        assert agreed is not None
        if agreed.transform != IpComp.IPCOMP_DEFLATE or not self.strictness.compressed:
            raise Refused(Kind.COMPRESSION, "compressed, which is not undone here")
        return ipcomp.unpack(payload, agreed.ours)


def sa_keys(child: Child, *, esn: bool = False) -> tuple[SaKeys, SaKeys]:
    """The keys of both SAs; first of what the initiator of the child's exchange sends."""
    keys, suite = child.keys, child.suite
    assert keys is not None
    encr = suite.encr if child.protocol == Protocol.ESP else None
    return (
        SaKeys(encr, suite.integ, keys.encr_i, keys.integ_i, esn),
        SaKeys(encr, suite.integ, keys.encr_r, keys.integ_r, esn),
    )
