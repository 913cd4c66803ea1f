"""The kernel as a second witness: what it holds for a child, compared with what was negotiated.

Pure: values in, sentences out. What a kernel cannot express as negotiated (ranges that are no
network, several ports) is not compared, nor are keys that it does not tell.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from ikelab.harness.model import TS, Suite
from ikelab.layers.iana import Protocol, Sn
from ikelab.netns.xfrm import Database, Sa

_ICMP = (1, 58)  # their ports are type and code


@dataclass(frozen=True, slots=True)
class Expected:
    """A child as negotiated, seen from the host whose kernel is asked.

    Keys are (cipher, MAC), None where nobody told them; `encap` is None where nobody knows.
    """

    spi_in: bytes
    spi_out: bytes
    suite: Suite
    mode: str
    local_ts: tuple[TS, ...]
    remote_ts: tuple[TS, ...]
    key_in: tuple[bytes, bytes] | None = field(default=None, repr=False)
    key_out: tuple[bytes, bytes] | None = field(default=None, repr=False)
    encap: bool | None = None
    compressed: bool = False  # by IPComp


def differences(found: Database, wanted: Expected, own: Collection[str]) -> list[str]:
    """Where the kernel differs, a sentence each; `own` are the host's addresses."""
    there: list[str] = []
    for way, spi, key in (("in", wanted.spi_in, wanted.key_in),
                          ("out", wanted.spi_out, wanted.key_out)):  # fmt: skip
        sa = _sa(found, way, spi, own)
        if sa is None:
            there.append(f"the kernel has no SA {way} {spi.hex()}")
        else:
            there += [f"kernel SA {way} {spi.hex()}: {text}" for text in _sa_lines(sa, wanted, key)]
    return there + list(_policy_lines(found, wanted))


def _sa(found: Database, way: str, spi: bytes, own: Collection[str]) -> Sa | None:
    for sa in found.sas:
        if sa.spi == spi and (sa.dst if way == "in" else sa.src) in own:
            return sa
    return None


def _sa_lines(sa: Sa, wanted: Expected, key: tuple[bytes, bytes] | None) -> Iterable[str]:
    protocol = Protocol(wanted.suite.protocol).name
    if sa.protocol != protocol:
        yield f"{sa.protocol}, negotiated {protocol}"
    # Of IPComp and ESP the one that is applied first makes the tunnel.
    mode = "transport" if wanted.compressed else wanted.mode
    if sa.mode != mode:
        yield f"{sa.mode} mode, negotiated {mode}"
    esn = wanted.suite.sn is not None and wanted.suite.sn.id == Sn.ESN
    if sa.esn != esn:
        yield f"{'ESN' if sa.esn else 'no ESN'}, negotiated {'ESN' if esn else 'none'}"
    if wanted.encap is not None and wanted.encap != (sa.encap is not None):
        yield f"{'UDP' if sa.encap else 'no UDP'} encapsulation, the daemon says otherwise"
    if key is not None and any(sa.encr_key + sa.integ_key):
        if sa.encr_key != key[0]:
            yield "another key of the cipher than was negotiated"
        if sa.integ_key != key[1]:
            yield "another key of the MAC than was negotiated"


def _policy_lines(found: Database, wanted: Expected) -> Iterable[str]:
    have = {(p.way, p.src, p.dst) for p in found.policies}
    pairs = [(a, b) for a in wanted.local_ts for b in wanted.remote_ts]
    for local, remote in pairs:
        if not (_plain(local) and _plain(remote)) or local.protocol != remote.protocol:
            continue
        for way, src, dst in (("out", local, remote), ("in", remote, local)):
            if (way, src, dst) not in have:
                yield f"the kernel has no policy {way} from {src} to {dst}"


def _plain(ts: TS) -> bool:
    """Whether a policy can hold the selector as it is: a network, and one port or all of them."""
    size = int(ts.end) - int(ts.start) + 1
    if size < 1 or size & (size - 1) or int(ts.start) % size or ts.protocol in _ICMP:
        return False
    ports = (ts.start_port, ts.end_port)
    return ports == (0, 65535) or (0 < ports[0] == ports[1] < 65535)
