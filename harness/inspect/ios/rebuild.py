"""A log's conversations as the reader of captures has them: sessions of exchanges of messages.

The octets of a message are made anew from what the router printed. What it does not print (public
values, nonces, hashes, what lies behind them) is zero there and left out wherever a log is shown;
no rule is held against it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ikelab.harness.inspect.ios import words
from ikelab.harness.inspect.ios.dump import PayloadLine, Proposal
from ikelab.harness.inspect.ios.saying import ToldStep
from ikelab.harness.inspect.ios.told import (
    INITIATOR,
    NO_SPI,
    RESPONDER,
    IkeSa,
    Log,
    Sighting,
    merged,
)
from ikelab.harness.inspect.lint import Findings
from ikelab.harness.inspect.session import Exchange, Half, Message, Session
from ikelab.harness.model import TS, Address
from ikelab.harness.transcript import RECEIVED, SENT
from ikelab.layers import config, encrypted, notify, payloads, sa, selectors
from ikelab.layers.chain import build_payloads
from ikelab.layers.iana import CertEncoding, IdType, Payload, TransformType
from ikelab.layers.message import IKEv2, message
from ikelab.layers.message import unknown as unknown_payload

SIZE_UNKNOWN = 0
"""Stands for a key length that the router does not print."""

VENDORS = {
    "DELETE-REASON": b"CISCO-DELETE-REASON",
    "CISCO-DELETE-REASON": b"CISCO-DELETE-REASON",
    "FLEXVPN-SUPPORTED": b"FLEXVPN-SUPPORTED",
    "CISCO-DYNAMIC-ROUTE": b"CISCO-DYNAMIC-ROUTE",
}


@dataclass(slots=True)
class ToldMessage(Message):
    """A message that a log tells of; `frame` is the line of the log."""

    told: Sighting | None = None
    seen: tuple[Sighting, ...] = ()

    @property
    def when(self) -> float | None:
        """Seconds, of a clock that the router chose; None where it printed no time."""
        return self.told.time if self.told is not None else None

    def words(self) -> list[str] | None:
        """Its payloads as the router printed them."""
        return self.step.words() if isinstance(self.step, ToldStep) else None


@dataclass(slots=True)
class ToldSession(Session):
    """An IKE SA that a log tells of."""

    sa: IkeSa | None = None

    @property
    def title(self) -> str:
        """What it is called; a log in the short style has no SPIs."""
        known = self.spis.i != NO_SPI
        return f"IKE SA {self.spis}" if known else "IKE SA whose SPIs are not printed"


def sessions(read: Log) -> list[ToldSession]:
    """One session for each SPI pair of the log."""
    return [session_of(sa) for sa in read.sas]


def session_of(sa: IkeSa) -> ToldSession:
    """The messages of one SPI pair, sorted into exchanges."""
    session = ToldSession(sa.spis, address(sa, INITIATOR), address(sa, RESPONDER), sa=sa)
    for group in sa.messages():
        session.add(_message(group, session))
    for exchange in session.exchanges:
        for half in exchange.halves():
            half.assemble()
    # A log shows what a router printed, not what was on the wire: it accuses nobody.
    session.findings = Findings([], 0)
    session.nat = sa.nat
    return session


def address(sa: IkeSa, role: str) -> Address:
    """Where an end was, as far as the routers tell; ("?", 0) where they do not."""
    other = RESPONDER if role == INITIATOR else INITIATOR
    for sighting in sa.sightings:
        from_initiator = sighting.initiator
        end = sighting.src if from_initiator == (role == INITIATOR) else sighting.dst
        if end:
            host, _, port = end.partition("|")
            return host, int(port)
    for value in sa.values("peer address", other):
        return str(value), 0
    return "?", 0


def _message(group: list[Sighting], session: ToldSession) -> ToldMessage:
    told = merged(group)
    ends = (session.initiator, session.responder)
    src, dst = ends if told.initiator else (ends[1], ends[0])
    data, chain, first = octets(told, session.spis.i, session.spis.r, session.sa)
    direction = SENT if told.initiator else RECEIVED
    step = ToldStep(told.time or 0.0, direction, src, dst, data, chain, first, told=told)
    made = ToldMessage(
        told.line, step.now, src, dst, data, told.exchange, told.id, told.initiator, told.response,
        None, _step=step, told=told, seen=tuple(group),
    )  # fmt: skip
    if chain is not None:
        from ikelab.harness.inspect.unseal import locate

        made.sealed, made.opened, made.plain = locate(data), True, chain
    return made


def octets(
    told: Sighting, spi_i: bytes, spi_r: bytes, sa_: IkeSa | None = None
) -> tuple[bytes, bytes | None, int]:
    """(message, inner chain, type of its first payload) for what a log tells of a message."""
    if not told.response and told.exchange == 34:
        spi_r = bytes(8)
    inner = None if told.inner is None else [payload(row, sa_) for row in told.inner]
    outer = [
        _sealed(row, inner) if row.kind == Payload.SK else payload(row, sa_) for row in told.outer
    ]
    flags = (0x08 if told.initiator else 0) | (0x20 if told.response else 0)
    header = {"init_SPI": spi_i, "resp_SPI": spi_r, "exch_type": told.exchange}
    built: IKEv2 = message(outer, **header, flags=flags, id=told.id)
    chain = None if inner is None else build_payloads(inner)
    return bytes(built), chain, int(inner[0].kind) if inner else 0


def _sealed(row: PayloadLine, inner: list[Any] | None) -> Any:
    first = int(inner[0].kind) if inner else 0
    return encrypted.IKEv2_SK(next_payload=first, load=bytes(_rest(row, 4)))


def _rest(row: PayloadLine, used: int) -> int:
    return max(0, (row.length or used) - used)


def payload(row: PayloadLine, sa_: IkeSa | None = None) -> Any:
    """The packet of one line."""
    maker = _MAKERS.get(row.kind)
    if maker is not None:
        return maker(row)
    if row.kind in (Payload.IDI, Payload.IDR):
        return _id(row, sa_)
    return unknown_payload(row.kind, bytes(_rest(row, 4)))


def _sa(row: PayloadLine) -> Any:
    return sa.IKEv2_SA(proposal=[_proposal(p) for p in row.proposals])


def _proposal(proposal: Proposal) -> Any:
    made = []
    for t in proposal.transforms:
        if t.id is None:
            continue
        bits = t.key_bits
        if bits is None and (t.length == 12 or (t.length is None and t.name.startswith("AES"))):
            bits = SIZE_UNKNOWN
        made.append(
            sa.IKEv2_Transform(
                transform_type=t.type, transform_id=int(t.id),
                key_length=bits if t.type == TransformType.ENCR else None,
            )
        )  # fmt: skip
    spi = bytes(proposal.spi_size)
    return sa.IKEv2_Proposal(
        number=proposal.number, proto=proposal.protocol, SPI=spi, transform=made
    )


def _id(row: PayloadLine, sa_: IkeSa | None) -> Any:
    cls = payloads.IKEv2_IDi if row.kind == Payload.IDI else payloads.IKEv2_IDr
    kind, data = row.id_type, b""
    if (known := identity(sa_, "IDi" if row.kind == Payload.IDI else "IDr")) is not None:
        text, named = known
        kind = words.id_number(named) or kind
        data = _identity_octets(text, kind or 0)
    return cls(IDtype=kind or IdType.ID_KEY_ID, ID=data)


def identity(sa_: IkeSa | None, which: str) -> tuple[str, str] | None:
    """(identity, type) of an end, where one of the routers says it in words."""
    if sa_ is None:
        return None
    role = INITIATOR if which == "IDi" else RESPONDER
    own = [v for v in sa_.values("own identity", role) if isinstance(v, tuple) and v[0] == which]
    if own:
        return own[0][1], own[0][2]
    other = RESPONDER if role == INITIATOR else INITIATOR
    peer = [v for v in sa_.values("peer identity", other) if isinstance(v, tuple)]
    return (peer[0][0], peer[0][1]) if peer else None


def _identity_octets(text: str, kind: int) -> bytes:
    if kind in (IdType.ID_IPV4_ADDR, IdType.ID_IPV6_ADDR):
        try:
            return ipaddress.ip_address(text).packed
        except ValueError:
            return b""
    return text.encode()


def _notify(row: PayloadLine) -> Any:
    return notify.IKEv2_Notify(
        type=row.notify or 0, proto=row.protocol, SPI=bytes(row.spi_size),
        notify=bytes(_rest(row, 8 + row.spi_size)),
    )  # fmt: skip


def _vendor(row: PayloadLine) -> Any:
    known = VENDORS.get(row.vendor or "")
    if known is None or row.length not in (None, len(known) + 4):
        known = bytes(_rest(row, 4))
    return payloads.IKEv2_VendorID(vendorID=known)


def _cp(row: PayloadLine) -> Any:
    made = [
        config.ConfigurationAttribute(type=kind, value=bytes(size)) for kind, size in row.attributes
    ]
    return config.IKEv2_CP(CFGType=row.cfg or 1, attributes=made)


def _ts(row: PayloadLine) -> Any:
    cls = selectors.IKEv2_TSi if row.kind == Payload.TSI else selectors.IKEv2_TSr
    return cls(traffic_selector=[_selector(ts) for ts in row.selectors])


def _selector(ts: TS) -> Any:
    cls = selectors.IPv4TrafficSelector if ts.version == 4 else selectors.IPv6TrafficSelector
    return cls(
        IP_protocol_ID=ts.protocol, start_port=ts.start_port, end_port=ts.end_port,
        starting_address=str(ts.start), ending_address=str(ts.end),
    )  # fmt: skip


_MAKERS: dict[int, Any] = {
    Payload.SA: _sa,
    Payload.KE: lambda row: payloads.IKEv2_KE(group=row.group or 0, ke=bytes(_rest(row, 8))),
    Payload.NONCE: lambda row: payloads.IKEv2_Nonce(nonce=bytes(_rest(row, 4))),
    Payload.N: _notify,
    Payload.V: _vendor,
    Payload.AUTH: lambda row: payloads.IKEv2_AUTH(
        auth_type=row.method or 0, load=bytes(_rest(row, 8))
    ),
    Payload.CERTREQ: lambda row: payloads.IKEv2_CERTREQ(
        cert_encoding=row.encoding or CertEncoding.X_509_CERTIFICATE_SIGNATURE,
        cert_authority=bytes(_rest(row, 5)),
    ),
    Payload.CERT: lambda row: payloads.IKEv2_CERT(
        cert_encoding=row.encoding or CertEncoding.X_509_CERTIFICATE_SIGNATURE,
        cert_data=bytes(_rest(row, 5)),
    ),
    Payload.CP: _cp,
    Payload.TSI: _ts,
    Payload.TSR: _ts,
    Payload.D: lambda row: payloads.IKEv2_Delete(proto=row.protocol or 1, SPI=[]),
}


def rows_of(half: Half) -> tuple[list[PayloadLine], list[PayloadLine] | None]:
    """What the log printed of a message: its outer lines and those inside SK."""
    first = half.first
    if isinstance(first, ToldMessage) and first.told is not None:
        return first.told.outer, first.told.inner
    return [], None


def told_of(half: Half) -> ToldMessage | None:
    """The message as told, where it comes from a log."""
    return half.first if isinstance(half.first, ToldMessage) else None


def halves(exchanges: Iterable[Exchange]) -> list[Half]:
    """Every request and response."""
    return [half for exchange in exchanges for half in exchange.halves()]
