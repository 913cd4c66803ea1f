"""iked's own account of its SAs (`ikectl show sa`, and its log for the rest) as a PeerView.

Pure, and tolerant: what is missing leaves its part unknown, nothing here raises on what it says.
"""

from __future__ import annotations

import re

from ikelab.harness.errors import ConfigError
from ikelab.harness.model import TS, Nat, Spis, Suite, Transform
from ikelab.harness.peer.base import ChildView, IkeView, PeerView
from ikelab.harness.peer.openiked import logs, names
from ikelab.layers.iana import Protocol, Sn, TransformType

_SA = re.compile(
    r"^iked_sas: \S+ rspi 0x([0-9a-f]{16}) ispi 0x([0-9a-f]{16}) (\S+?)<([^>]*)>\[[^]]*\] "
    r"(\w+) ([ir])(.*)$"
)
_CHILD = re.compile(
    r"^ {2}sa_childsas: (\S+) (ESP|AH) 0x([0-9a-f]+) (in|out) \S+ -> \S+ \((\w*)\).* P=(\S+)"
)
_FLOW = re.compile(r"^ {2}sa_flows: \S+ \w+ (in|out) (\S+)(?:\((\d+)\))? -> (\S+)(?:\((\d+)\))?")
_FLOWS = re.compile(r"(ESP|AH)-(\S+?)=(\S+?)\((\d+)\)")
_OVER = ("CLOSING", "CLOSED")  # what iked has ended stands in its list for a few seconds more


def view(listed: str, log: str, *, transport: bool = False) -> PeerView:
    """The PeerView of `ikectl show sa` and the log of the same moment."""
    known = logs.told(log)
    sas: list[IkeView] = []
    rows: list[str] = []
    head: re.Match[str] | None = None
    for line in [*listed.splitlines(), "end"]:
        if line.startswith("  "):
            rows.append(line)
            continue
        if head is not None and head[5] not in _OVER:
            sas.append(_ike(head, rows, known, transport))
        head, rows = _SA.match(line), []
    return PeerView(tuple(sas))


def _ike(
    head: re.Match[str], rows: list[str], known: dict[bytes, logs.Told], transport: bool
) -> IkeView:
    spis = Spis(bytes.fromhex(head[2]), bytes.fromhex(head[1]))
    told = known.get(spis.i, logs.Told())
    initiator = head[6] == "i"
    here, there = told.nat.get("DESTINATION"), told.nat.get("SOURCE")
    # Who begins on port 4500 without a NAT has its ESP bare (RFC 7296 2.23).
    encap = ":4500" in head[3] and bool(here or there)
    return IkeView(
        spis=spis,
        state=head[5],
        initiator=initiator,
        suite=names.read(told.suite, Protocol.IKE),
        local_id=told.local_id,
        remote_id=head[4].partition("/")[2] or told.remote_id,
        nat=Nat(here, there) if initiator else Nat(there, here),
        children=_children(rows, told, encap, transport),
    )


def _children(
    rows: list[str], told: logs.Told, encap: bool, transport: bool
) -> tuple[ChildView, ...]:
    """Each pair of an inbound and an outbound half."""
    halves = [match for row in rows if (match := _CHILD.match(row))]
    outbound = {match[1]: match for match in halves if match[4] == "out"}
    found = []
    for inbound in (match for match in halves if match[4] == "in"):
        other = outbound.get(inbound[6])
        spi_in = bytes.fromhex(inbound[3].rjust(8, "0"))
        spi_out = bytes.fromhex(other[3].rjust(8, "0")) if other else bytes(4)
        protocol = Protocol.AH if inbound[2] == "AH" else Protocol.ESP
        local, remote = selectors(told.flows.get(spi_in, ""))
        found.append(
            ChildView(
                protocol=inbound[2],
                spi_in=spi_in,
                spi_out=spi_out,
                suite=_suite(told.children.get(spi_in, ""), protocol),
                local_ts=local,
                remote_ts=remote,
                mode="transport" if transport else "tunnel",
                state="INSTALLED" if "L" in inbound[5] else "CREATED",
                encap=encap,
            )
        )
    return tuple(found)


def _suite(text: str, protocol: int) -> Suite:
    transforms = names.read(text, protocol)
    known = transforms.transforms if transforms else ()
    serial = Sn.ESN if " esn" in f" {text}" and "noesn" not in text else Sn.NO_ESN
    every = sorted((*known, Transform(TransformType.SN, serial)), key=lambda t: t.type)
    return Suite(tuple(every), protocol)


def selectors(text: str) -> tuple[tuple[TS, ...], tuple[TS, ...]]:
    """Both sides' selectors out of `ESP-10.2.0.0/24=10.1.0.0/24(0)`, the peer's own first."""
    local: dict[TS, None] = {}
    remote: dict[TS, None] = {}
    for match in _FLOWS.finditer(text):
        for side, there in ((match[2], local), (match[3], remote)):
            ts = _selector(side, match[4])
            if ts is not None:
                there[ts] = None
    return tuple(local), tuple(remote)


def _selector(text: str, protocol: str) -> TS | None:
    """`10.2.0.0/24`, an address alone, with `:port` behind it where there is one."""
    match = re.fullmatch(r"([\da-fA-F.:]+?(?:/\d+)?)(?:\[(\d+)\])?", text)
    if not match:
        return None
    port = match[2]
    tail = f"[{protocol}/{port}-{port}]" if port and int(port) else ""
    tail = tail or (f"[{protocol}]" if int(protocol) else "")
    try:
        return TS.parse(match[1] + tail)
    except ConfigError:
        return None
