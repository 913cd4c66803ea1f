"""What a case wants, in OpenIKED's words: iked.conf. Pure: values in, text out.

What OpenIKED's language cannot say is Unsupported.
"""

from __future__ import annotations

from ikelab.harness.model import TS, Identity
from ikelab.harness.peer.base import PeerConfig, Unsupported
from ikelab.harness.peer.openiked import credentials, names
from ikelab.layers.iana import CfgAttr, IdType

POLICY = "ikelab"
DYNAMIC = "dynamic"  # the address that is given away
NO_CHECKS = (
    "OpenIKED looks after a silent peer only when it sends ESP and gets none, or after 300 s; "
    "how often it looks cannot be told apart from that"
)
_REQUESTS = {
    CfgAttr.INTERNAL_IP4_ADDRESS: "address",
    CfgAttr.INTERNAL_IP6_ADDRESS: "address",
    CfgAttr.INTERNAL_IP4_DNS: "name-server",
    CfgAttr.INTERNAL_IP6_DNS: "name-server",
}


def render(config: PeerConfig, *, active: bool = False) -> dict[str, str]:
    """The file iked.conf; `active` has iked begin by itself."""
    _check(config)
    lines = [
        "set dpd_check_interval 0",
        f"set {'mobike' if config.options.get('mobike') == 'yes' else 'nomobike'}",
        f"set {'fragmentation' if config.fragment is not None else 'nofragmentation'}",
        " ".join(_policy(config, active)),
    ]
    return {"iked.conf": "\n".join(lines) + "\n"}


def _policy(config: PeerConfig, active: bool) -> list[str]:
    six = ":" in config.local_address
    words = [f'ikev2 "{POLICY}"', "active" if active else "passive", config.mode, "esp"]
    words.append("inet6" if six else "inet")
    words += _selectors(config)
    words.append(f"local {config.local_address} peer {config.remote_address}")
    words += [f"ikesa {names.proposal(suite)}" for suite in config.ike]
    words += [f"childsa {names.proposal(suite)}" for suite in config.esp]
    words.append(f"srcid {identity(config.local_id)} dstid {identity(config.remote_id)}")
    words += credentials.words(config)
    words += [f"config address {network}" for network in config.pool]
    words += [f"config name-server {server}" for server in config.dns]
    asked = dict.fromkeys(_REQUESTS[CfgAttr(number)] for number in config.request)
    words += [f"request {word} any" for word in asked]
    return words


def _selectors(config: PeerConfig) -> list[str]:
    """Each pair of a local and a remote selector; one protocol for all."""
    local, remote = config.local_ts, config.remote_ts
    protocols = {ts.protocol for ts in (*local, *remote)}
    if len(protocols) > 1:
        raise Unsupported("OpenIKED's policy has one protocol for all of its selectors")
    if len(local) > 1 and len(remote) > 1:
        raise Unsupported("OpenIKED's policy pairs selectors: several on one side only")
    words = [f"proto {number}" for number in protocols if number]
    # RFC 7296 2.19: who is given an address has its selectors narrowed to that one.
    there = [DYNAMIC] if config.pool else [selector(ts) for ts in remote]
    return words + [f"from {selector(a)} to {b}" for a in local for b in there]


def selector(ts: TS) -> str:
    """A network with its port, if any."""
    size = int(ts.end) - int(ts.start) + 1
    if size < 1 or size & (size - 1) or int(ts.start) % size:
        raise Unsupported(f"OpenIKED takes networks, not the range {ts}")
    prefix = ts.start.max_prefixlen - size.bit_length() + 1
    if (ts.start_port, ts.end_port) == (0, 65535):
        return f"{ts.start}/{prefix}"
    if ts.start_port != ts.end_port or not ts.start_port:
        raise Unsupported(f"OpenIKED takes one port or all of them, not those of {ts}")
    return f"{ts.start}/{prefix} port {ts.start_port}"


def identity(value: Identity) -> str:
    """An identity; iked tells its type from the text."""
    addresses = {(IdType.ID_IPV4_ADDR, 4), (IdType.ID_IPV6_ADDR, 16)}
    word = str(value)
    named = value.type in (IdType.ID_FQDN, IdType.ID_RFC822_ADDR)
    plain = word.isascii() and word.isprintable() and not set(word) & set(' "\\/')
    fits = ("@" in word) == (value.type == IdType.ID_RFC822_ADDR)
    if (value.type, len(value.data)) in addresses or (named and plain and word and fits):
        return f'"{word}"'
    raise Unsupported(f"OpenIKED cannot be told the identity {value}")


def _check(config: PeerConfig) -> None:
    unknown = set(config.options) - {"mobike"}
    if unknown:
        raise Unsupported(f"OpenIKED's driver has no option {', '.join(sorted(unknown))}")
    if config.port != 500:
        raise Unsupported("OpenIKED has no other port than 500")
    if config.cookies:
        raise Unsupported("OpenIKED cannot be told to ask for cookies")
    if config.dpd_delay:
        raise Unsupported(NO_CHECKS)
    if config.window != 1:
        raise Unsupported("OpenIKED takes one request at a time")
    if not set(config.request) <= set(_REQUESTS):
        raise Unsupported("OpenIKED asks for addresses and name servers only")
