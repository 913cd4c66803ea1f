"""Conversations in the words of a router's `debug crypto ikev2 packet`, to lay beside a real one.

Told from the initiator's side: what it sends is built, then sent; what it receives is parsed. A
state machine is not printed: a bystander does not know it. `log.read` reads it back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

from ikelab.harness.inspect import facts
from ikelab.harness.inspect.inspection import Inspection
from ikelab.harness.inspect.ios import rebuild, words
from ikelab.harness.inspect.ios.dump import PayloadLine
from ikelab.harness.inspect.session import Half, Message, Session
from ikelab.harness.model import Address, Identity, Nat
from ikelab.harness.notation import exchange_name, selector_of, suite_of, wire_length
from ikelab.layers.iana import (
    CertEncoding,
    CfgType,
    Payload,
    Protocol,
    TransformType,
    TsType,
    name,
)
from ikelab.layers.iana import Exchange as Type
from ikelab.layers.message import IKEv2_Malformed
from ikelab.layers.vendor import vendor_name

CISCO = ("CISCO-", "FLEXVPN-", "FRAGMENTATION")


def text(it: Inspection) -> str:
    """Every IKE SA of an inspection, one after the other, as a router prints it."""
    blocks = []
    for number, session in enumerate(it.sessions, 1):
        blocks.append("\n".join(_session(session, number)))
        session.forget()
    return "\n\n".join(blocks) + "\n"


def _session(session: Session, number: int) -> Iterator[str]:
    for exchange in session.exchanges:
        for half in exchange.halves():
            writer = _Writer(session, half, number)
            yield from writer.lines()
        if exchange.type == Type.IKE_SA_INIT and exchange.response is not None:
            yield from _nat(facts.nat(session), number)
    yield from _children(session, number)


def _nat(nat: Nat, number: int) -> Iterator[str]:
    """What the initiator makes of the NAT detection payloads."""
    if nat.initiator is None and nat.responder is None:
        return
    tag = f"IKEv2:(SA ID = {number}):"
    words_ = {True: "not matched", False: "matched"}
    yield f"{tag}Process NAT discovery notify"
    if nat.responder is not None:
        yield f"{tag}Processing nat detect src notify"
        yield f"{tag}Remote address {words_[nat.responder]}"
    if nat.initiator is not None:
        yield f"{tag}Processing nat detect dst notify"
        yield f"{tag}Local address {words_[nat.initiator]}"
    if nat.initiator is False and nat.responder is False:
        yield f"{tag}NAT not found"


def _children(session: Session, number: int) -> Iterator[str]:
    if isinstance(session, rebuild.ToldSession):
        spis = session.sa.child_spis if session.sa else []
    else:
        spis = [child.spis.i for child in facts.children(session)]
    for index, spi in enumerate(spis, 1):
        handle = 0x80000000 + index
        told = f"0x{handle:X} associated with SPI 0x{spi.hex().upper()} for session {number}"
        yield f"IKEv2:Adding ident handle {told}"


class _Writer:
    """One message in the router's words."""

    def __init__(self, session: Session, half: Half, number: int) -> None:
        self.session, self.half, self.number = session, half, number
        self.message: Message = half.first
        self.sent = self.message.initiator
        told = rebuild.told_of(half)
        self.told = told.told if told else None

    def lines(self) -> Iterator[str]:
        inner = self.half.inner()
        outer_rows, inner_rows = rebuild.rows_of(self.half)
        if self.sent:
            yield from self._constructed(inner if inner is not None else self.half.outer())
            yield from self._proposed(inner if inner is not None else self.half.outer())
            if inner is not None:
                yield from self._ids(inner)
                yield f"{self._tag()}Building packet for encryption.  "
                yield "Payload contents: "
                yield from self._payloads(inner, inner_rows or [])
        for message in self._transmissions():
            yield from self._header(message, outer_rows, shown=self.sent or inner is None)
        if not self.sent and inner is not None:
            yield from self._payloads(inner, inner_rows or [])
        if not self.sent:
            yield from self._received(inner if inner is not None else self.half.outer())
            yield from self._ids(inner or [])

    def _transmissions(self) -> Iterable[Message]:
        """What is shown of it: fragments one by one; of repetitions the first."""
        return [m for m in self.half.messages if not m.repeated] or self.half.messages[:1]

    def _header(self, message: Message, rows: list[PayloadLine], *, shown: bool) -> Iterator[str]:
        here, there = self.session.initiator, self.session.responder
        ends = (
            f"To {_at(there)}/From {_at(here)}"
            if self.sent
            else f"From {_at(there)}/To {_at(here)}"
        )
        packet = message.step.message
        spis = bytes(packet.init_SPI).hex().upper(), bytes(packet.resp_SPI).hex().upper()
        kind = "RESPONSE" if message.response else "REQUEST"
        exchange = exchange_name(message.exchange)
        way = "Sending" if self.sent else "Received"
        yield f"{self._tag(message)}{way} Packet [{ends}/VRF i0:f0] "
        yield f"Initiator SPI : {spis[0]} - Responder SPI : {spis[1]} Message id: {message.id}"
        yield f"IKEv2 {exchange} Exchange {kind} "
        payloads = packet.payloads
        flags = "INITIATOR" if message.initiator else "RESPONDER"
        flags += " MSG-RESPONSE" if message.response else ""
        length = len(message.data) if self.told is None else self.told.length
        first = words.payload_name(payloads[0].kind).partition("(")[0] if payloads else "NONE"
        if length is None:
            yield "Payload contents: "
            yield " " + " ".join(words.payload_name(p.kind, _notify_of(p)) for p in payloads)
            return
        version = f"{int(packet.version) >> 4}.{int(packet.version) & 15}"
        yield (
            f"{self._tag(message, 'IKEv2-PAK')}Next payload: {first}, version: {version} "
            f"Exchange type: {exchange}, flags: {flags} Message id: {message.id}, length: {length}"
        )
        yield "Payload contents: "
        if shown:
            yield from self._payloads(payloads, rows)

    def _payloads(self, payloads: list[Any], rows: list[PayloadLine]) -> Iterator[str]:
        """The dump; in what was received, vendor IDs and notifies are announced by name."""
        named = [words.payload_name(p.kind, _notify_of(p)) for p in payloads]
        nexts = [n.partition("(")[0] for n in named[1:]] + ["NONE"]
        if self.told is not None and self.told.length is None:
            yield " " + " ".join(named)
            return
        for index, (payload, row) in enumerate(zip_longest(payloads, rows[: len(payloads)])):
            length = row.length if row is not None else _length(payload)
            follows = nexts[index]
            if payload.kind == Payload.SK and (inner := self.half.inner()):
                follows = words.payload_name(inner[0].kind).partition("(")[0]
            if not self.sent and payload.kind == Payload.V:
                yield f"IKEv2:Parse Vendor Specific Payload: {_vendor(payload, row)}"
            if not self.sent and payload.kind == Payload.N:
                yield f"IKEv2:Parse Notify Payload: {named[index][7:-1]}"
            yield f" {named[index]}  Next payload: {follows}, reserved: 0x0, length: {length}"
            if not isinstance(payload, IKEv2_Malformed):
                yield from details(payload)

    def _constructed(self, payloads: list[Any]) -> Iterator[str]:
        _, inner = rebuild.rows_of(self.half)
        rows = inner if inner is not None else rebuild.rows_of(self.half)[0]
        for payload, row in zip_longest(payloads, rows[: len(payloads)]):
            if payload.kind == Payload.V:
                yield f"IKEv2:Construct Vendor Specific Payload: {_vendor(payload, row)}"
            elif payload.kind == Payload.N:
                yield f"IKEv2:Construct Notify Payload: {words.notify_name(int(payload.type))}"

    def _proposed(self, payloads: list[Any]) -> Iterator[str]:
        """What is offered, with the key lengths that the dump leaves out."""
        for protocol, proposal in _proposals(payloads):
            when = "initial negotiation" if protocol == Protocol.IKE else "IPSec negotiation"
            yield (
                f"{self._tag()}{name(Protocol, protocol)} Proposal: {proposal.number}, SPI size: "
                f"{len(bytes(proposal.SPI))} ({when}), "
            )
            yield f"Num. transforms: {len(proposal.transform)}"
            yield "   " + "   ".join(_policy(proposal))

    def _received(self, payloads: list[Any]) -> Iterator[str]:
        found = list(_proposals(payloads))
        if found:
            yield f"{self._tag()}Received Policies: "
        for _, proposal in found:
            yield f"Proposal {proposal.number}:  {' '.join(_policy(proposal))}"

    def _ids(self, payloads: list[Any]) -> Iterator[str]:
        for payload in facts.find(payloads, Payload.IDI if self.sent else Payload.IDR):
            if not bytes(payload.ID):
                continue
            who = str(Identity(payload.IDtype, bytes(payload.ID)))
            kind = words.id_name(payload.IDtype)
            if self.sent:
                yield f"{self._tag()}Constructing IDi payload: '{who}' of type '{kind}'"
            else:
                based = f"peer's identity '{who}' of type '{kind}'"
                yield f"{self._tag()}Searching policy based on {based}"

    def _tag(self, message: Message | None = None, tag: str = "IKEv2") -> str:
        step = (message or self.message).step
        known = self.told is None or self.told.time is not None
        stamp = f"*{stamped(step.now)}: " if known else ""
        return f"{stamp}{tag}:(SESSION ID = {self.number},SA ID = {self.number}):"


def stamped(seconds: float) -> str:
    """`Nov 11 19:30:34.811`, in UTC."""
    when = datetime.fromtimestamp(seconds, UTC)
    return f"{when:%b} {when.day:>2} {when:%H:%M:%S}.{when.microsecond // 1000:03}"


def _at(address: Address) -> str:
    return f"{address[0]}:{address[1]}"


def _notify_of(payload: Any) -> int | None:
    if payload.kind != Payload.N or isinstance(payload, IKEv2_Malformed):
        return None
    return int(payload.type)


def _length(payload: Any) -> int:
    return len(payload.load) if isinstance(payload, IKEv2_Malformed) else wire_length(payload)


def _vendor(payload: Any, row: PayloadLine | None) -> str:
    if row is not None and row.vendor:
        return row.vendor
    known = vendor_name(bytes(getattr(payload, "vendorID", b"")))
    return known if known and known.startswith(CISCO[:1]) else "(CUSTOM)"


def _proposals(payloads: list[Any]) -> Iterator[tuple[int, Any]]:
    for sa in facts.find(payloads, Payload.SA):
        for proposal in sa.proposal:
            readable = not isinstance(proposal, IKEv2_Malformed)
            if readable and not any(isinstance(t, IKEv2_Malformed) for t in proposal.transform):
                yield int(proposal.proto), proposal


def _policy(proposal: Any) -> list[str]:
    found = []
    for t in suite_of(proposal).transforms:
        bits = f"-{t.key_bits}" if t.key_bits else ""
        found.append(
            words.transform_name(t.type, t.id) + (bits if t.type == TransformType.ENCR else "")
        )
    return found


# -- what stands below a payload's line ----------------------------------------------------


def details(payload: Any) -> Iterator[str]:
    """The lines below a payload's own one."""
    writer = _DETAILS.get(payload.kind)
    if writer is not None:
        yield from writer(payload)


def _sa(payload: Any) -> Iterator[str]:
    last = len(payload.proposal) - 1
    for index, proposal in enumerate(payload.proposal):
        if isinstance(proposal, IKEv2_Malformed):
            continue
        more, size = (2 if index < last else 0), int(proposal.length)
        yield f"  last proposal: 0x{more:x}, reserved: 0x0, length: {size}"
        listed = proposal.transform
        head = (
            f"  Proposal: {proposal.number}, Protocol id: {name(Protocol, proposal.proto)}, "
            f"SPI size: {len(bytes(proposal.SPI))}, #trans: {len(listed)}"
        )
        for at, transform in enumerate(listed):
            if isinstance(transform, IKEv2_Malformed):
                continue
            more = 3 if at < len(listed) - 1 else 0
            length = int(transform.length)
            yield f"{head}    last transform: 0x{more:x}, reserved: 0x0: length: {length}"
            word = words.transform_name(transform.transform_type, transform.transform_id)
            yield f"    type: {int(transform.transform_type)}, reserved: 0x0, id: {word}"
            head = ""
        if not listed:
            yield head


def _ke(payload: Any) -> Iterator[str]:
    yield f"    DH group: {int(payload.group)}, Reserved: 0x0"


def _id(payload: Any) -> Iterator[str]:
    yield f"    Id type: {words.id_name(payload.IDtype)}, Reserved: 0x0 0x0"


def _auth(payload: Any) -> Iterator[str]:
    yield f"    Auth method {words.method_name(payload.auth_type)}, reserved: 0x0, reserved 0x0"


def _certreq(payload: Any) -> Iterator[str]:
    known = {
        CertEncoding.HASH_AND_URL_OF_X_509_CERTIFICATE: "Hash and URL of PKIX",
        CertEncoding.X_509_CERTIFICATE_SIGNATURE: "X.509 Certificate - signature",
    }
    other = f"Unknown - {int(payload.cert_encoding)}"
    yield f"    Cert encoding {known.get(payload.cert_encoding, other)}"


def _notify(payload: Any) -> Iterator[str]:
    known = {Protocol.IKE: "IKE", Protocol.AH: "AH", Protocol.ESP: "ESP"}
    protocol = known.get(payload.proto, f"Unknown - {int(payload.proto)}")
    size, kind = len(bytes(payload.SPI)), words.notify_name(int(payload.type))
    yield f"    Security protocol id: {protocol}, spi size: {size}, type: {kind}"


def _delete(payload: Any) -> Iterator[str]:
    protocol = name(Protocol, payload.proto)
    size = len(bytes(payload.SPI[0])) if payload.SPI else 0
    yield f"    Security protocol id: {protocol}, spi size: {size}, num of spi: {len(payload.SPI)}"


def _ts(payload: Any) -> Iterator[str]:
    listed = payload.traffic_selector
    yield f"    Num of TSs: {len(listed)}, reserved 0x0, reserved 0x0"
    for selector in listed:
        ts = None if isinstance(selector, IKEv2_Malformed) else selector_of(selector)
        if ts is None:
            continue
        length = 16 if ts.version == 4 else 40
        kind = name(TsType, selector.TS_type)
        yield f"    TS type: {kind}, proto id: {ts.protocol}, length: {length}"
        yield f"    start port: {ts.start_port}, end port: {ts.end_port}"
        yield f"    start addr: {ts.start}, end addr: {ts.end}"


def _cp(payload: Any) -> Iterator[str]:
    yield f"    cfg type: {name(CfgType, payload.CFGType)}, reserved: 0x0, reserved: 0x0"
    for attribute in payload.attributes:
        if not isinstance(attribute, IKEv2_Malformed):
            kind = words.attribute_name(int(attribute.type) & 0x7FFF)
            yield f"     attrib type: {kind}, length: {len(bytes(attribute.value))}"


_DETAILS: dict[int, Any] = {
    Payload.SA: _sa, Payload.KE: _ke, Payload.IDI: _id, Payload.IDR: _id, Payload.AUTH: _auth,
    Payload.CERTREQ: _certreq, Payload.CERT: _certreq, Payload.N: _notify, Payload.D: _delete,
    Payload.TSI: _ts, Payload.TSR: _ts, Payload.CP: _cp,
}  # fmt: skip
