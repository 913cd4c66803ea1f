"""What two daemons and their kernels say of one SA, and what was seen on the wire: do they agree?

Pure: evidence in, sentences out. The judge took part in nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ikelab.harness.inspect import facts
from ikelab.harness.inspect.inspection import Inspection
from ikelab.harness.inspect.session import Session
from ikelab.harness.model import TS
from ikelab.harness.peer.base import ChildView, IkeView, Keys
from ikelab.harness.peer.witness import Expected, differences
from ikelab.netns.xfrm import Database

HARD = "MUST"


@dataclass(frozen=True, slots=True)
class Side:
    """One daemon's word, and its kernel's; `keys` are those of its children."""

    name: str
    view: IkeView
    kernel: Database | None
    keys: frozenset[Keys] = field(repr=False)
    addresses: frozenset[str] = frozenset()
    honest: bool = True  # whether its NAT detection tells what it finds

    @property
    def child(self) -> ChildView:
        """The child that both of them made."""
        assert self.view.child is not None
        return self.view.child


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that is known of one meeting. `clear` are packets that should have been ESP."""

    initiator: Side
    responder: Side
    wire: Inspection
    echoed: bool
    clear: tuple[str, ...] = ()


def judge(it: Evidence) -> list[str]:
    """Every disagreement, a sentence each; empty where all witnesses say the same."""
    found = [*_daemons(it), *_kernels(it), *_wire(it)]
    if not it.echoed:
        found.append("no echo came back through the tunnel")
    return found + [f"in clear on the wire: {text}" for text in it.clear]


def _daemons(it: Evidence) -> Iterator[str]:
    near, far = it.initiator, it.responder
    if (near.view.initiator, far.view.initiator) != (True, False):
        yield "the daemons do not agree on who began"
    for what, ours, theirs in (
        ("SPIs", near.view.spis, far.view.spis),
        ("IKE suite", _keyed(near.view.suite), _keyed(far.view.suite)),
        ("child suite", _keyed(near.child.suite), _keyed(far.child.suite)),
        ("child SPIs", (near.child.spi_in, near.child.spi_out),
         (far.child.spi_out, far.child.spi_in)),
        ("selectors", _pair(near.child.local_ts, near.child.remote_ts),
         _pair(far.child.remote_ts, far.child.local_ts)),
    ):  # fmt: skip
        if ours != theirs:
            yield f"{what}: {near.name} says {ours}, {far.name} says {theirs}"
    if near.honest and far.honest and near.view.nat != far.view.nat:
        yield f"NAT: {near.name} says {near.view.nat}, {far.name} says {far.view.nat}"
    if near.keys and far.keys and near.keys != far.keys:
        yield "the daemons have different keys for their child"


def _kernels(it: Evidence) -> Iterator[str]:
    for side, first in ((it.initiator, True), (it.responder, False)):
        if side.kernel is None:
            continue
        child, key_in, key_out = side.child, None, None
        if len(side.keys) == 1:
            [(encr_i, integ_i, encr_r, integ_r)] = side.keys
            pairs = (encr_r, integ_r), (encr_i, integ_i)
            key_in, key_out = pairs if first else pairs[::-1]
        wanted = Expected(
            child.spi_in, child.spi_out, child.suite, child.mode, child.local_ts, child.remote_ts,
            key_in, key_out, child.encap,
        )  # fmt: skip
        said = differences(side.kernel, wanted, side.addresses)
        yield from (f"{side.name}: {text}" for text in said)
        for sa in side.kernel.sas:
            if sa.spi in (child.spi_in, child.spi_out) and it.echoed and not sa.packets:
                yield f"{side.name}: its kernel counts no packet on SA {sa.spi.hex()}"


def _wire(it: Evidence) -> Iterator[str]:
    session = _session(it)
    if session is None:
        yield f"no IKE SA {it.initiator.view.spis} was seen on the wire"
        return
    for found in it.wire.violations:
        if found.level == HARD:
            yield f"frame {found.frame}: {found}"
    child = it.initiator.child
    opened = [m for m in session.messages if m.sealed is not None and m.opened]
    if opened:  # who told the keys lets us read what they agreed on
        agreed = {(c.spis.r, c.spis.i) for c in facts.children(session)}
        if (child.spi_out, child.spi_in) not in agreed:
            daemons = _hex({(child.spi_out, child.spi_in)})
            yield f"the child on the wire has SPIs {_hex(agreed)}, the daemons' {daemons}"
    seen = {flow.spi for flow in it.wire.esp}
    for spi in (child.spi_in, child.spi_out):
        if it.echoed and it.initiator.kernel is not None and spi not in seen:
            yield f"no ESP with SPI {spi.hex()} was seen on the wire"


def _session(it: Evidence) -> Session | None:
    return next((s for s in it.wire.sessions if s.spis == it.initiator.view.spis), None)


def summary(it: Evidence) -> dict[str, Any]:
    """What each witness says, for the record."""
    session, child = _session(it), it.initiator.child
    wire: dict[str, Any] = {
        "spi_i": session.spis.i.hex() if session else None,
        "spi_r": session.spis.r.hex() if session else None,
        "messages": len(session.messages) if session else 0,
        "protected": sum(m.sealed is not None for s in it.wire.sessions for m in s.messages),
        "decrypted": it.wire.decrypted,
        "children": [[c.spis.i.hex(), c.spis.r.hex()] for c in facts.children(session)]
        if session
        else [],
        "esp": {flow.spi.hex(): count for flow, count in it.wire.esp.items()},
    }
    told: dict[str, Any] = {"wire": wire, "echo": it.echoed, "suite": str(child.suite)}
    for role, side in (("initiator", it.initiator), ("responder", it.responder)):
        told[role] = {
            "peer": side.name,
            "spi_i": side.view.spis.i.hex(),
            "spi_r": side.view.spis.r.hex(),
            "ike": str(side.view.suite),
            "child_in": side.child.spi_in.hex(),
            "child_out": side.child.spi_out.hex(),
            "kernel": None
            if side.kernel is None
            else {s.spi.hex(): s.packets for s in side.kernel.sas},
        }
    return told


def _keyed(suite: Any) -> Any:
    return suite.keyed() if suite is not None else None


def _pair(first: tuple[TS, ...], second: tuple[TS, ...]) -> str:
    return f"{', '.join(sorted(map(str, first)))} === {', '.join(sorted(map(str, second)))}"


def _hex(pairs: set[tuple[bytes, bytes]]) -> str:
    return ", ".join(sorted(f"{a.hex()}/{b.hex()}" for a, b in pairs)) or "none"
