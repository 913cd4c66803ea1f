"""pluto's own account of its SAs (`whack --showstates`, and its log for the rest) as a PeerView.

Pure, and tolerant: what is missing leaves its part unknown, nothing here raises on what it says.
`whack` tells which states there are, how they do and a child's SPIs; the IKE SA's SPIs, suites,
selectors and what NAT detection found stand in the log only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ikelab.harness.errors import ConfigError
from ikelab.harness.model import TS, Nat, Spis, Suite, Transform
from ikelab.harness.peer.base import ChildView, IkeView, PeerView
from ikelab.harness.peer.libreswan import logs, names
from ikelab.layers.iana import Protocol, Sn, TransformType

_STATE = re.compile(
    r'^(?:\d{3} )?#(\d+): "[^"]*"\S*(?: \S+)?:\d+(?:\(tcp\))? '
    r"(?:STATE_)?(?:V2_)?(\w+) \(([^)]*)\);(.*)$",
    re.MULTILINE,
)
_SPIS = re.compile(
    r'^(?:\d{3} )?#(\d+): "[^"]*".*? (esp|ah)[.:]([0-9a-f]+)@\S+ \2[.:]([0-9a-f]+)@(.*)$',
    re.MULTILINE,
)
_OWNER = re.compile(r"(?:IKE SA |isakmp)#(\d+)")
_UP = {"ESTABLISHED_IKE_SA": "ESTABLISHED", "ESTABLISHED_CHILD_SA": "INSTALLED"}
_PROTOCOLS = {"ICMP": 1, "TCP": 6, "UDP": 17, "GRE": 47, "ESP": 50, "AH": 51, "ICMP6": 58}
_PROTOCOLS |= {"IPV6-ICMP": 58, "SCTP": 132}


@dataclass(slots=True)
class _Listed:
    """One state as whack lists it."""

    number: int
    name: str
    owner: int
    spi_out: bytes = b""
    spi_in: bytes = b""
    mode: str = "tunnel"


def view(listed: str, log: str, local_id: str = "") -> PeerView:
    """The PeerView of `whack --showstates` (or --status) and the log of the same moment."""
    there = _listed(listed)
    known = logs.states(log)
    children: dict[int, list[ChildView]] = {}
    for state in there.values():
        if state.name == "ESTABLISHED_CHILD_SA":
            found = known.get(state.number, logs.State(state.number))
            children.setdefault(state.owner, []).append(_child(state, found))
    sas = []
    for state in there.values():
        if "CHILD" in state.name or state.name.startswith(("REKEY_", "UNDEFINED")):
            continue
        told = known.get(state.number, logs.State(state.number))
        sas.append(_ike(state, told, tuple(children.get(state.number, ())), local_id))
    return PeerView(tuple(sas))


def _listed(text: str) -> dict[int, _Listed]:
    found = {}
    for match in _STATE.finditer(text):
        owner = _OWNER.search(match[4])
        number = int(match[1])
        found[number] = _Listed(number, match[2], int(owner[1]) if owner else 0)
    for match in _SPIS.finditer(text):
        if state := found.get(int(match[1])):
            state.spi_out, state.spi_in = (bytes.fromhex(match[n].rjust(8, "0")) for n in (3, 4))
            state.mode = "tunnel" if " tun" in match[5] else "transport"
    return found


def _ike(
    state: _Listed, told: logs.State, children: tuple[ChildView, ...], local_id: str
) -> IkeView:
    nat = Nat(told.here, told.there) if told.initiator else Nat(told.there, told.here)
    return IkeView(
        spis=told.spis or Spis(bytes(8), bytes(8)),
        state=_UP.get(state.name, "CONNECTING"),
        initiator=told.initiator,
        suite=_suite(told.cipher),
        local_id=local_id,
        remote_id=told.remote_id,
        nat=nat,
        children=children,
    )


def _suite(said: tuple[str, str, str, str] | None) -> Suite | None:
    if said is None:
        return None
    kinds = (TransformType.ENCR, TransformType.INTEG, TransformType.PRF, TransformType.KE)
    found = [names.transform(kind, text) for kind, text in zip(kinds, said, strict=True)]
    return Suite(tuple(sorted((t for t in found if t), key=lambda t: t.type)))


def _child(state: _Listed, told: logs.State) -> ChildView:
    protocol = Protocol.AH if told.protocol == "AH" else Protocol.ESP
    kinds = (TransformType.ENCR, TransformType.INTEG, TransformType.KE)
    found = [names.transform(k, text) for k, text in zip(kinds, told.child or (), strict=False)]
    serial = Transform(TransformType.SN, Sn.ESN if told.esn else Sn.NO_ESN)
    transforms = sorted((*(t for t in found if t), serial), key=lambda t: t.type)
    local, remote = selectors(told.selectors)
    return ChildView(
        protocol=protocol.name,
        spi_in=state.spi_in or told.spi_in,
        spi_out=state.spi_out or told.spi_out,
        suite=Suite(tuple(transforms), protocol),
        local_ts=local,
        remote_ts=remote,
        mode=state.mode,
        state=_UP[state.name],
        encap=told.encap,
    )


def selectors(text: str) -> tuple[tuple[TS, ...], tuple[TS, ...]]:
    """Both sides' selectors, the peer's own first; empty for what cannot be read.

    5.2 writes `10.2.0.0/24===10.1.0.0/24`, and every pair of a child that has several, one behind
    the other in brackets; 4.x `10.2.0.0-10.2.0.255:0-65535 0] -> [10.1.0.0-...`.
    """
    local: list[TS] = []
    remote: list[TS] = []
    for pair in text.split("] ["):
        for separator in ("===", "] -> ["):
            first, found, second = pair.partition(separator)
            if found:
                local += _selectors(first)
                remote += _selectors(second)
                break
    return tuple(dict.fromkeys(local)), tuple(dict.fromkeys(remote))


def _selectors(text: str) -> list[TS]:
    found = (_selector(part.strip()) for part in text.split(","))
    return [ts for ts in found if ts is not None]


def _selector(text: str) -> TS | None:
    """`10.2.0.0/24`, `10.2.0.0/24/UDP/500`, or `10.2.0.0-10.2.0.255:0-65535 17`."""
    if match := re.fullmatch(r"([\da-fA-F.:]+-[\da-fA-F.:]+):(\d+)-(\d+) (\d+)", text):
        ports = f"{match[2]}-{match[3]}"
        return _parse(f"{match[1]}[{match[4]}/{ports}]" if ports != "0-65535" or int(match[4])
                      else match[1])  # fmt: skip
    match = re.fullmatch(r"([\da-fA-F.:]+/\d+)(?:/([\w-]+))?(?:/(\d+))?", text)
    if not match:
        return None
    if not match[2]:
        return _parse(match[1])
    word = match[2].upper()
    protocol = int(word) if word.isdigit() else _PROTOCOLS.get(word, 0)
    port = match[3] or "0"
    return _parse(f"{match[1]}[{protocol}/{port}-{port}]" if int(port)
                  else f"{match[1]}[{protocol}]")  # fmt: skip


def _parse(text: str) -> TS | None:
    try:
        return TS.parse(text)
    except ConfigError:
        return None
