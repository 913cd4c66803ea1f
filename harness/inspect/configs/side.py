"""What one end of a connection is configured to offer and to accept; and which end it is."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from ikelab.harness.inspect import facts
from ikelab.harness.inspect.session import Session
from ikelab.harness.model import TS, Suite


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One connection in one configuration. Empty means that the file does not say.

    `local` and `remote` are addresses or networks as written. `auth` words: psk, pubkey, eap, null.
    """

    source: str
    ike: tuple[Suite, ...] = ()
    esp: tuple[Suite, ...] = ()
    local: tuple[str, ...] = ()
    remote: tuple[str, ...] = ()
    local_id: str = ""
    remote_id: str = ""
    local_auth: str = ""
    remote_auth: str = ""
    local_ts: tuple[TS, ...] = ()
    remote_ts: tuple[TS, ...] = ()
    psks: tuple[bytes, ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()

    def mirrored(self) -> Side:
        """The same with the ends exchanged: for files that do not say which end is theirs."""
        return replace(
            self,
            local=self.remote,
            remote=self.local,
            local_id=self.remote_id,
            remote_id=self.local_id,
            local_auth=self.remote_auth,
            remote_auth=self.local_auth,
            local_ts=self.remote_ts,
            remote_ts=self.local_ts,
        )


@dataclass(slots=True)
class Configs:
    """The sides of each file, and shared keys of files that hold nothing else."""

    files: list[list[Side]] = field(default_factory=list)
    psks: list[bytes] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Pair:
    """The configurations of both ends of one IKE SA, as far as they were given."""

    initiator: Side | None = None
    responder: Side | None = None

    def of(self, initiator: bool) -> Side | None:
        return self.initiator if initiator else self.responder


def assign(session: Session, files: Sequence[Sequence[Side]]) -> Pair:
    """Which of the connections, at most one a file, are the two ends of this IKE SA.

    Told by addresses, then by what was offered; where nothing tells, the first file is the
    initiator's.
    """
    best: tuple[int, Pair] = (-1, Pair())
    ends = [(None, *sides) for sides in files]
    for first in range(len(ends) + 1):
        for second in range(len(ends) + 1):
            if first == second and first < len(ends):
                continue
            left = ends[first] if first < len(ends) else (None,)
            right = ends[second] if second < len(ends) else (None,)
            for one in left:
                for other in right:
                    points = _points(session, one, other) * 4 + (first < second)
                    if points > best[0]:
                        best = points, Pair(one, other)
    return best[1]


def _points(session: Session, initiator: Side | None, responder: Side | None) -> int:
    total = 0
    if initiator is not None:
        total += 1 + _placed(initiator, session.initiator[0], session.responder[0])
        total += 3 * _offered(session, initiator)
    if responder is not None:
        total += 1 + _placed(responder, session.responder[0], session.initiator[0])
    return max(total, 0)


def _placed(side: Side, local: str, remote: str) -> int:
    """How well the addresses fit: each that fits speaks for it, each that contradicts against."""
    found = 0
    for address, configured in ((local, side.local), (remote, side.remote)):
        if configured:
            found += 4 if any(_covers(c, address) for c in configured) else -3
    return found


def _covers(configured: str, address: str) -> bool:
    try:
        here = ipaddress.ip_address(address)
        if "-" in configured:
            first, last = map(ipaddress.ip_address, configured.split("-", 1))
            return first.version == here.version and int(first) <= int(here) <= int(last)
        return here in ipaddress.ip_network(configured, strict=False)
    except ValueError:
        return False


def _offered(session: Session, side: Side) -> bool:
    """Whether the proposals seen are those of this side."""
    begun = facts.beginning(session)
    seen = facts.offer(begun.request) if begun else ()
    own = {s.keyed() for s in side.ike}
    return bool(seen and own) and all(p.suite.keyed() in own for p in seen)


def addresses(files: Iterable[Sequence[Side]]) -> list[str]:
    """Every single address that the configurations name: what may lie behind a NAT."""
    found: dict[str, None] = {}
    for side in (s for sides in files for s in sides):
        for text in (*side.local, *side.remote):
            try:
                found[str(ipaddress.ip_address(text))] = None
            except ValueError:
                continue
    return list(found)
