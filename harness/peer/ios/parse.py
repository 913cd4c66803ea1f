"""What a router shows, as a PeerView: `show crypto ikev2 sa detailed`, `session detailed`,
`show crypto ipsec sa`, `show crypto session detail`, and the ASA's forms.

Pure and tolerant: nothing here raises on what a router says. `shown.read` has every field of an
output, and the lines that nobody understood.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ikelab.harness.model import TS, Nat, Spis, Suite, Transform
from ikelab.harness.peer.base import ChildView, IkeView, PeerView
from ikelab.harness.peer.ios import names
from ikelab.harness.peer.ios.shown import Fields, Output, read
from ikelab.layers.iana import Protocol, TransformType

QUESTIONS = (
    "show crypto ikev2 sa detailed",
    "show crypto ikev2 session detailed",
    "show crypto ipsec sa",
)
ASA_QUESTIONS = ("show crypto ikev2 sa detail", "show crypto ipsec sa")
_STATES = {"READY": "ESTABLISHED", "Active": "ESTABLISHED", "IN-NEG": "CONNECTING",
           "DELETE": "DELETING"}  # fmt: skip


@dataclass
class _Ike:
    """One IKE SA as several outputs tell of it."""

    fields: Fields = field(default_factory=dict)
    children: list[Fields] = field(default_factory=list)


def view(answers: Mapping[str, str], *, transport: bool = False) -> PeerView:
    """The PeerView of the answers of one moment; the commands are told by what they show."""
    outputs = [read(text) for text in answers.values()]
    flows = [flow for it in outputs if it.kind == "ipsec sa" for flow in _flows(it)]
    found = list(_ike_sas(it for it in outputs if it.kind == "ikev2"))
    if not found:
        found = list(_sessions(it for it in outputs if it.kind == "session"))
    alone = len(found) == 1
    return PeerView(tuple(_ike_view(sa, flows, transport, alone) for sa in found))


def unknown(answers: Mapping[str, str]) -> list[str]:
    """The lines of the answers that nobody understood."""
    return [text for answer in answers.values() for _, text in read(answer).unknown]


def _ike_sas(outputs: Iterable[Output]) -> Iterator[_Ike]:
    """The IKE SAs of all outputs, each once: by its SPIs, or by its ends where none are shown."""
    known: dict[Any, _Ike] = {}
    for output in outputs:
        for row in output.fields.get("sas", ()):
            spis = row.get("local_spi"), row.get("remote_spi")
            ends = row.get("local"), row.get("remote"), row.get("tunnel_id")
            sa = known.setdefault(spis if all(spis) else ends, _Ike())
            sa.fields |= {k: v for k, v in row.items() if k != "children"}
            sa.children += [c for c in row.get("children", ()) if c not in sa.children]
    yield from known.values()


def _sessions(outputs: Iterable[Output]) -> Iterator[_Ike]:
    """`show crypto session`: ends and state, no SPIs and no suites."""
    for output in outputs:
        peers = (p for s in output.fields.get("sessions", ()) for p in s.get("peers", ()))
        for peer in peers:
            for row in peer.get("ike_sas", ()):
                if row.get("version") == 2:
                    identity = peer.get("phase1_id", "")
                    yield _Ike(row | {"status": row.get("state", ""), "remote_id": identity})


def _ike_view(sa: _Ike, flows: list[_Flow], transport: bool, alone: bool) -> IkeView:
    row = sa.fields
    initiator = row.get("initiator") == "Yes" or row.get("role") == "INITIATOR"
    own, theirs = (_spi(row.get(name)) for name in ("local_spi", "remote_spi"))
    mine = [f for f in flows if f.peer == str(row.get("remote")) or alone]
    return IkeView(
        spis=Spis(own, theirs) if initiator else Spis(theirs, own),
        state=_STATES.get(str(row.get("status")), str(row.get("status", "")).upper()),
        initiator=initiator,
        suite=_suite(row),
        local_id=str(row.get("local_id", row.get("local", ""))),
        remote_id=str(row.get("remote_id", row.get("remote", ""))),
        nat=_nat(row, initiator),
        children=tuple(_children(sa.children, mine, transport)),
    )


def _spi(text: Any) -> bytes:
    """An SPI; one of digits only was taken for a number."""
    digits = str(text).rjust(16, "0") if text is not None else ""
    return bytes.fromhex(digits)


def _suite(row: Fields) -> Suite | None:
    if "encr" not in row:
        return None
    integ = str(row.get("hash", ""))
    # The ASA prints no PRF: it is that of the same hash.
    prf = str(row.get("prf") or {"SHA96": "SHA1", "MD596": "MD5"}.get(integ, integ))
    bits = row.get("keysize")
    group, kem = str(row.get("dh_group", "")), str(row.get("pqc", ""))
    return names.ike_suite(str(row["encr"]), bits, prf, integ, group, kem)


def _nat(row: Fields, initiator: bool) -> Nat:
    """What the router found; it says on which side of itself a NAT is."""
    told = str(row.get("nat_t", ""))
    if not told:
        return Nat(None, None)
    if told.startswith("not"):
        return Nat(False, False)
    here = "inside" in told.lower()
    there = "outside" in told.lower()
    if not here and not there:
        return Nat(None, None)
    return Nat(here, there) if initiator else Nat(there, here)


# -- children ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Flow:
    """A pair of SAs of `show crypto ipsec sa`."""

    peer: str
    spi_in: bytes
    spi_out: bytes
    suite: Suite
    local_ts: tuple[TS, ...]
    remote_ts: tuple[TS, ...]
    settings: tuple[str, ...]
    status: str


def _flows(output: Output) -> Iterator[_Flow]:
    for interface in output.fields.get("interfaces", ()):
        for flow in interface.get("flows", ()):
            yield from _pairs(flow)


def _pairs(flow: Fields) -> Iterator[_Flow]:
    for protocol in ("esp", "ah"):
        ways = {
            way: [
                s for s in flow.get("sas", ()) if (s["direction"], s["protocol"]) == (way, protocol)
            ]
            for way in ("inbound", "outbound")
        }
        # The newest pair stands last; during a rekey there are two of each.
        for inbound, outbound in zip(ways["inbound"], ways["outbound"], strict=False):
            told = " ".join(inbound.get("settings", ()))
            settings = told.split()
            suite = names.transform_suite(str(inbound.get("transform", "")), esn="esn" in settings)
            yield _Flow(
                peer=str(flow.get("peer", "")),
                spi_in=_number(inbound["spi"]),
                spi_out=_number(outbound["spi"]),
                suite=_with_group(suite, flow, told),
                local_ts=_ident(flow.get("local_ident")),
                remote_ts=_ident(flow.get("remote_ident")),
                settings=tuple(settings),
                status=str(inbound.get("status", inbound.get("state", ""))),
            )


def _with_group(suite: Suite, flow: Fields, settings: str) -> Suite:
    """The group of a child made with one: a router tells it of the flow, an ASA of the SA.

    The child of IKE_AUTH has none, and they show none then.
    """
    shown = str(flow.get("dh_group", "")) if flow.get("pfs") == "Y" else settings
    match = re.search(r"(?:^|PFS )[Gg]roup ?(\d+)", shown)
    if match is None:
        return suite
    group = Transform(TransformType.KE, int(match[1]))
    return replace(suite, transforms=tuple(sorted((*suite.transforms, group), key=_kind)))


def _kind(transform: Transform) -> int:
    return transform.type


def _number(text: Any) -> bytes:
    return int(str(text), 16).to_bytes(4, "big")


def _ident(ident: Fields | None) -> tuple[TS, ...]:
    """`10.1.0.0/255.255.255.0/0/0`; a port of 0 is all of them."""
    if ident is None:
        return ()
    try:
        net = ipaddress.ip_network(f"{ident['address']}/{ident['mask']}", strict=False)
    except ValueError:
        return ()
    port = int(ident["port"])
    first, last = (port, port) if port else (0, 65535)
    ts = TS(net.network_address, net.broadcast_address, int(ident["protocol"]), first, last)
    return (ts,)


def _children(rows: list[Fields], flows: list[_Flow], transport: bool) -> Iterator[ChildView]:
    """The children of `session detailed` with what `ipsec sa` adds; else those of the latter."""
    by_spi: dict[bytes, list[_Flow]] = {}
    for flow in flows:
        by_spi.setdefault(flow.spi_in, []).append(flow)
    listed: dict[bytes, ChildView] = {}
    for row in rows:
        made = _child(row, transport)
        if made is None:
            continue
        known = listed.get(made.spi_in)
        if known is not None:
            made = replace(
                known,
                local_ts=tuple(dict.fromkeys((*known.local_ts, *made.local_ts))),
                remote_ts=tuple(dict.fromkeys((*known.remote_ts, *made.remote_ts))),
            )
        listed[made.spi_in] = made
    for spi, made in listed.items():
        same = by_spi.pop(spi, None)
        yield _completed(made, same) if same else made
    if not rows:
        yield from (_of_flows(same) for same in by_spi.values())


def _child(row: Fields, transport: bool) -> ChildView | None:
    protocol = Protocol.ESP
    spi_in, spi_out = row.get("esp_in"), row.get("esp_out")
    if spi_in is None or int(str(spi_in), 16) == 0:
        protocol, spi_in, spi_out = Protocol.AH, row.get("ah_in"), row.get("ah_out")
    if spi_in is None or spi_out is None:
        return None
    integ = row.get("ah_hmac") if protocol == Protocol.AH else row.get("esp_hmac")
    cipher = "" if protocol == Protocol.AH else str(row.get("cipher", ""))
    pairs = row.get("pairs", ())
    local = [*row.get("local_selectors", ()), *(_half(p, "local") for p in pairs)]
    remote = [*row.get("remote_selectors", ()), *(_half(p, "remote") for p in pairs)]
    mode = str(row.get("mode", "transport" if transport else "tunnel"))
    return ChildView(
        protocol="AH" if protocol == Protocol.AH else "ESP",
        spi_in=_number(spi_in),
        spi_out=_number(spi_out),
        suite=names.child_suite(protocol, cipher, row.get("key_bits"), str(integ or "")),
        local_ts=tuple(dict.fromkeys(ts for r in local for ts in _range(r))),
        remote_ts=tuple(dict.fromkeys(ts for r in remote for ts in _range(r))),
        mode=mode.lower(),
    )


def _half(pair: Fields, side: str) -> Fields:
    return {k.removeprefix(f"{side}_"): v for k, v in pair.items() if k.startswith(f"{side}_")}


def _range(row: Fields) -> Iterator[TS]:
    """A range of addresses and ports; the protocol is not shown."""
    try:
        start, end = (ipaddress.ip_address(str(row[name])) for name in ("start", "end"))
    except ValueError:
        return
    if start.version == end.version:
        yield TS(start, end, 0, int(row["start_port"]), int(row["end_port"]))


def _completed(child: ChildView, flows: list[_Flow]) -> ChildView:
    """A child with its key lengths, mode and ESN, and the protocol of its selectors.

    A session shows ranges and no protocol, a flow the protocol and networks: where the flows have
    several protocols, their own words count.
    """
    flow, whole = flows[0], _of_flows(flows)
    protocols = {ts.protocol for ts in (*whole.local_ts, *whole.remote_ts)}
    local, remote = child.local_ts or whole.local_ts, child.remote_ts or whole.remote_ts
    if len(protocols) == 1:
        [protocol] = protocols
        local = tuple(replace(ts, protocol=protocol) for ts in local)
        remote = tuple(replace(ts, protocol=protocol) for ts in remote)
    elif protocols:
        local, remote = whole.local_ts, whole.remote_ts
    mode = "transport" if "Transport" in flow.settings else child.mode
    return replace(whole, local_ts=local, remote_ts=remote, mode=mode)


def _of_flows(flows: list[_Flow]) -> ChildView:
    """A child as `ipsec sa` shows it: one flow a pair of selectors, all with the same SPIs."""
    flow = flows[0]
    return ChildView(
        protocol="AH" if flow.suite.protocol == Protocol.AH else "ESP",
        spi_in=flow.spi_in,
        spi_out=flow.spi_out,
        suite=flow.suite,
        local_ts=tuple(dict.fromkeys(ts for f in flows for ts in f.local_ts)),
        remote_ts=tuple(dict.fromkeys(ts for f in flows for ts in f.remote_ts)),
        mode="transport" if "Transport" in flow.settings else "tunnel",
        state=_installed(flow),
        encap=_encapsulated(flow),
    )


def _installed(flow: _Flow) -> str:
    return "INSTALLED" if flow.status.upper() in ("ACTIVE", "") else flow.status.upper()


def _encapsulated(flow: _Flow) -> bool:
    return any("UDP" in word for word in flow.settings)
