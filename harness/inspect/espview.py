"""ESP beside IKE: which child a packet belongs to, what it holds, and what is odd about it.

Keys are those of an `esp_sa` table, or derived from SK_d where a child was made without KE (RFC
7296 2.17).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ikelab.harness.crypto.keys import derive_child
from ikelab.harness.errors import IkelabError
from ikelab.harness.esp import ipcomp
from ikelab.harness.esp.packet import NotIp, flow
from ikelab.harness.esp.seal import Kind, Refused, SaKeys
from ikelab.harness.esp.seal import open as open_esp
from ikelab.harness.inspect import facts, given
from ikelab.harness.inspect.espwatch import HALF, Track
from ikelab.harness.inspect.facts import Child
from ikelab.harness.inspect.session import Exchange, Session
from ikelab.layers.esp import IpProtocol
from ikelab.layers.iana import Exchange as Type
from ikelab.layers.iana import Payload, Sn

if TYPE_CHECKING:
    from ikelab.harness.inspect.inspection import Inspection

MOST_FLOWS = 20


@dataclass(frozen=True, slots=True)
class Joined:
    """The child SA that packets belong to. `to_maker`: they go to who began its exchange."""

    session: Session
    child: Child
    to_maker: bool


@dataclass(slots=True)
class Contents:
    """What was inside, as far as it was opened. `flows` counts packets by who talks to whom."""

    opened: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    dummies: int = 0
    flows: Counter[str] = field(default_factory=Counter)
    source: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """One direction of one SA with all that is known of it."""

    track: Track
    joined: Joined | None
    contents: Contents | None
    remarks: tuple[str, ...]


def views(it: Inspection) -> list[View]:
    """Every SA of which packets were seen; worked out once."""
    found: list[View] = []
    tracks = list(it.watch)
    index = _index(it) if tracks else {}
    for track in tracks:
        joined = _join(track, index)
        contents = _contents(it, track, joined)
        found.append(View(track, joined, contents, tuple(_remarks(track, joined, contents))))
    return found


def _index(it: Inspection) -> dict[bytes, list[Joined]]:
    index: dict[bytes, list[Joined]] = {}
    for session in it.sessions:
        for child in facts.children(session):
            for spi, to_maker in ((child.spis.i, True), (child.spis.r, False)):
                index.setdefault(spi, []).append(Joined(session, child, to_maker))
    return index


def _join(track: Track, index: dict[bytes, list[Joined]]) -> Joined | None:
    """By SPI, and by the addresses that the IKE SA was seen with: SPIs are the receiver's own."""
    for joined in index.get(track.spi, ()):
        ends = {e[0] for m in joined.session.messages for e in (m.src, m.dst)}
        if {track.src, track.dst} <= ends:
            return joined
    return None


# -- keys and contents ---------------------------------------------------------------------------


def _contents(it: Inspection, track: Track, joined: Joined | None) -> Contents | None:
    keys, source = _keys(it, track, joined)
    if keys is None or not track.kept:
        return None
    found = Contents(source=source)
    for _, number, data in track.kept:
        try:
            packet = open_esp(data, keys, number // HALF)
        except Refused as refused:
            found.failed[_REASONS.get(refused.kind, str(refused))] += 1
            continue
        except (IkelabError, ValueError) as error:
            found.failed[str(error)] += 1
            continue
        found.opened += 1
        if packet.nh == IpProtocol.NO_NEXT_HEADER:
            found.dummies += 1
            continue
        found.flows[_flow(track, int(packet.nh), bytes(packet.data))] += 1
    return found


_REASONS = {Kind.INTEGRITY: "wrong ICV"}


def _flow(track: Track, next_header: int, inner: bytes) -> str:
    if next_header == IpProtocol.IPCOMP:
        try:
            it = ipcomp.unpack(inner)
        except Refused as refused:
            return f"{track.src} -> {track.dst}[{next_header}] (not decompressed: {refused})"
        return f"{_told(track, it.protocol, it.data)} (compressed)"
    return _told(track, next_header, inner)


def _told(track: Track, next_header: int, inner: bytes) -> str:
    if next_header not in (IpProtocol.IPV4, IpProtocol.IPV6):
        return f"{track.src} -> {track.dst}[{next_header}] (transport mode)"
    try:
        it = flow(inner)
    except NotIp as error:
        return f"no IP inside: {error}"
    icmp = it.protocol in (IpProtocol.ICMP, IpProtocol.ICMPV6)
    return f"{it.src} -> {it.dst}[{it.protocol}]" if icmp else str(it)


def _keys(it: Inspection, track: Track, joined: Joined | None) -> tuple[SaKeys | None, str]:
    esn = _esn(joined)
    for row in it.ring.esp:
        spi = fnmatchcase(track.spi.hex(), row.spi.lower())
        if spi and fnmatchcase(track.src, row.src) and fnmatchcase(track.dst, row.dst):
            return SaKeys(row.encr, row.integ, row.key, row.auth, esn), row.source or "a table"
    return (_derived(joined, esn), "SK_d") if joined else (None, "")


def _esn(joined: Joined | None) -> bool:
    numbers = joined.child.chosen.sn if joined else None
    return numbers is not None and numbers.id == Sn.ESN


def _derived(joined: Joined, esn: bool) -> SaKeys | None:
    session, child = joined.session, joined.child
    row = next((r for r in session.rows if r.sk_d and r.prf), None)
    exchange = _made_by(session, child)
    if row is None or exchange is None or facts.first(exchange.response, Payload.KE) is not None:
        return None
    source = exchange if exchange.type == Type.CREATE_CHILD_SA else facts.beginning(session)
    if source is None:
        return None
    nonces = [facts.first(h, Payload.NONCE) for h in (source.request, source.response)]
    if nonces[0] is None or nonces[1] is None:
        return None
    ni, nr = (bytes(n.nonce) for n in nonces if n is not None)
    try:
        keys = derive_child(int(row.prf or 0), row.sk_d, child.chosen, ni, nr)
    except IkelabError:
        return None
    # RFC 7296 2.17: the first keys are for what the exchange's initiator sends.
    encr, integ = (keys.encr_r, keys.integ_r) if joined.to_maker else (keys.encr_i, keys.integ_i)
    return SaKeys(child.chosen.encr, child.chosen.integ, encr, integ, esn)


def _made_by(session: Session, child: Child) -> Exchange | None:
    for exchange in session.exchanges:
        if exchange.response is not None and exchange.response.first.frame == child.frame:
            return exchange
    return None


# -- what is odd ---------------------------------------------------------------------------------


def _remarks(track: Track, joined: Joined | None, contents: Contents | None) -> Iterator[str]:
    if track.repeats:
        where = ", ".join(map(str, track.repeated_frames[:6]))
        yield f"{track.repeats} sequence numbers came again (frame {where}): replays"
    if track.missing > 0:
        yield f"{track.missing} sequence numbers between {track.lowest} and {track.highest} missing"
    if track.late:
        yield f"{track.late} packets more than 1024 numbers late"
    if track.wraps:
        with_esn = _esn(joined)
        yield "the 32 bits of the sequence number wrapped" + (
            " (ESN)" if with_esn else ", and ESN was not agreed on (RFC 4303 3.3.3)"
        )
    if contents is not None and contents.failed:
        reasons = ", ".join(f"{n} {reason}" for reason, n in contents.failed.items())
        yield f"not opened: {reasons}"
    if joined is None:
        return
    gone = _deleted(joined)
    if gone and track.last_frame > gone:
        yield f"used after it was deleted in frame {gone}: until frame {track.last_frame}"
    heir = _heir(joined)
    if heir is not None and not gone and track.last_frame > heir.frame + 50:
        yield f"used long after frame {heir.frame} replaced it, and never deleted"


def _deleted(joined: Joined) -> int:
    """The frame of the response to the delete of this child; 0 where there is none."""
    spis = (joined.child.spis.i, joined.child.spis.r)
    frames = [frame for _, spi, frame in given.deleted(joined.session) if spi in spis]
    return max(frames, default=0)


def _heir(joined: Joined) -> Child | None:
    for line in given.lines_of_descent(joined.session):
        for older, newer in pairwise(line):
            if older == joined.child:
                return newer
    return None


# -- shown ---------------------------------------------------------------------------------------


def to_json(view: View) -> dict[str, Any]:
    """One row of `esp` in the contract."""
    track, joined, contents = view.track, view.joined, view.contents
    return {
        "protocol": track.protocol,
        "src": track.src,
        "dst": track.dst,
        "spi": track.spi.hex(),
        "packets": track.packets,
        "octets": track.octets,
        "encapsulated": track.encapsulated,
        "frames": [track.first_frame, track.last_frame],
        "start": round(track.start, 6),
        "end": round(track.end, 6),
        "sequence": {
            "lowest": track.lowest,
            "highest": max(track.highest, 0),
            "missing": max(track.missing, 0),
            "repeated": track.repeats,
            "repeated_frames": track.repeated_frames,
            "late": track.late,
            "reordered": track.reordered,
            "wraps": track.wraps,
        },
        "child": joined
        and {
            "ike_spi_i": joined.session.spis.i.hex(),
            "ike_spi_r": joined.session.spis.r.hex(),
            "spi_i": joined.child.spis.i.hex(),
            "spi_r": joined.child.spis.r.hex(),
            "esn": _esn(joined),
        },
        "opened": contents.opened if contents else 0,
        "not_opened": dict(contents.failed) if contents else {},
        "dummies": contents.dummies if contents else 0,
        "inner": [
            {"flow": text, "packets": n} for text, n in contents.flows.most_common(MOST_FLOWS)
        ]
        if contents
        else [],
        "remarks": list(view.remarks),
    }


def lines(view: View) -> Iterator[str]:
    """The same for people."""
    track = view.track
    carried = " in UDP" if track.encapsulated else ""
    count = f"{track.packets} packet" + ("" if track.packets == 1 else "s")
    head = f"{track.protocol.upper()}  {track.src} -> {track.dst}  SPI {track.spi.hex()}  {count}"
    child = "" if view.joined is None else f", child {view.joined.child.spis}"
    yield f"{head}{carried}{child}"
    if track.highest > 0:
        yield f"  numbers {track.lowest} to {track.highest}"
    if view.contents is not None and view.contents.opened:
        yield f"  {view.contents.opened} opened with keys of {view.contents.source}"
        for text, number in view.contents.flows.most_common(5):
            yield f"    {text}: {number}"
    for remark in view.remarks:
        yield f"  ! {remark}"
