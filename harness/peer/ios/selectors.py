"""Traffic selectors in the words of access lists; Unsupported for those that have none."""

from __future__ import annotations

import contextlib
import ipaddress

from ikelab.harness.model import TS
from ikelab.harness.peer.base import Unsupported


def everything(ts: TS) -> bool:
    """Whether a selector takes every packet of its family."""
    return str(ts) in (
        "0.0.0.0-255.255.255.255[0/0-65535]",
        "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff[0/0-65535]",
    )


def network(ts: TS) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """The network of a selector; Unsupported for a range that is none."""
    size = int(ts.end) - int(ts.start) + 1
    prefix = ts.start.max_prefixlen - size.bit_length() + 1
    with contextlib.suppress(ValueError):  # bits behind the prefix
        found = ipaddress.ip_network(f"{ts.start}/{prefix}")
        if found.broadcast_address == ts.end:
            return found
    raise Unsupported(f"an access list takes networks, not the range {ts}")


def ports(ts: TS) -> str:
    """` eq 500`, ` range 1 9`, or nothing for all ports."""
    if (ts.start_port, ts.end_port) == (0, 65535):
        return ""
    if ts.opaque or ts.protocol not in (6, 17):
        raise Unsupported(f"an access list cannot say the ports of {ts}")
    if ts.start_port == ts.end_port:
        return f" eq {ts.start_port}"
    return f" range {ts.start_port} {ts.end_port}"


def carried(local: TS, remote: TS) -> str:
    """`ip`, `tcp`, `udp`, or the number of the protocol that both selectors have."""
    if local.protocol != remote.protocol:
        raise Unsupported("an access list has one protocol for both ends")
    return {0: "ip", 6: "tcp", 17: "udp"}.get(local.protocol, str(local.protocol))


def permitted(local: TS, remote: TS) -> str:
    """`ip 10.1.0.0 0.0.0.255 10.2.0.0 0.0.0.255`, behind `permit`."""
    words = [carried(local, remote)]
    for ts in (local, remote):
        net = network(ts)
        words.append(f"{net.network_address} {net.hostmask}{ports(ts)}")
    return " ".join(words)
