"""IOS and IOS XE: IKEv2 proposals, profiles, keyrings, transform sets, crypto maps and tunnels.

One side for each crypto map entry and each protected tunnel; without either, one for the rest.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ikelab.harness.inspect.configs import words
from ikelab.harness.inspect.configs.side import Side
from ikelab.harness.model import TS, Suite, Transform
from ikelab.harness.peer.ios import names
from ikelab.layers.iana import Protocol, TransformType

_AUTH = {"pre-share": "psk", "rsa-sig": "pubkey", "ecdsa-sig": "pubkey", "eap": "eap"}
_PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "gre": 47, "ip": 0, "ipv4": 0}


@dataclass(slots=True)
class _Block:
    """One line at the margin, and those indented below it."""

    head: list[str]
    lines: list[list[str]] = field(default_factory=list)

    def of(self, *start: str) -> list[list[str]]:
        """What follows these words, in each line that begins with them."""
        return [ln[len(start) :] for ln in self.lines if ln[: len(start)] == list(start)]


def recognised(text: str) -> bool:
    """Whether this is such a configuration."""
    return bool(re.search(r"^crypto ikev2 (proposal|profile|keyring)\b", text, re.MULTILINE))


def read(text: str, source: str) -> list[Side]:
    """The connections of a running configuration."""
    blocks = list(_blocks(text))
    ike = tuple(_proposals(blocks))
    found = []
    for block in blocks:
        if block.head[:2] == ["crypto", "map"] and "ipsec-isakmp" in block.head:
            found.append(_side(blocks, block, ike, f"{source} ({' '.join(block.head[1:4])})"))
        elif block.head[0] == "interface" and block.of("tunnel", "protection"):
            found.append(_tunnel(blocks, block, ike, source))
    return found or [_side(blocks, _Block(["none"]), ike, source)]


def _blocks(text: str) -> Iterator[_Block]:
    """The blocks, up to what undoes them."""
    block: _Block | None = None
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("!"):
            continue
        if line[0].isspace():
            if block is not None:
                block.lines.append(line.split())
            continue
        if block is not None:
            yield block
        block = None if line.startswith("no ") else _Block(line.split())
    if block is not None:
        yield block


def _named(blocks: Iterable[_Block], *start: str) -> dict[str, _Block]:
    """Blocks by the word that follows these."""
    size = len(start)
    return {b.head[size]: b for b in blocks if b.head[:size] == list(start) and len(b.head) > size}


def _proposals(blocks: list[_Block]) -> Iterator[Suite]:
    policies = _named(blocks, "crypto", "ikev2", "policy").values()
    named = {ln[0] for policy in policies for ln in policy.of("proposal")}
    for name, block in _named(blocks, "crypto", "ikev2", "proposal").items():
        if named and name not in named:
            continue
        kinds = {
            kind: _transforms(kind, [w for line in block.of(word) for w in line])
            for word, kind in (
                ("encryption", TransformType.ENCR),
                ("integrity", TransformType.INTEG),
                ("prf", TransformType.PRF),
                ("group", TransformType.KE),
            )
        }
        encr, integ = kinds[TransformType.ENCR], kinds[TransformType.INTEG]
        prf = kinds[TransformType.PRF] or [p for i in integ for p in words.prf_of(i)]
        if encr and prf and kinds[TransformType.KE]:
            yield words.suite(Protocol.IKE, encr, integ, prf, kinds[TransformType.KE])


def _transforms(kind: int, texts: list[str]) -> list[Transform]:
    return words.of("ios", kind, texts) or []


def _side(blocks: list[_Block], block: _Block, ike: tuple[Suite, ...], source: str) -> Side:
    """A crypto map entry with the profile, the keyring and the access list that it names."""
    lists = _named(blocks, "ip", "access-list", "extended")
    name = next((ln[0] for ln in block.of("match", "address")), "")
    local_ts, remote_ts = _selectors(lists[name]) if name in lists else ((), ())
    return _made(
        blocks,
        block,
        ike,
        source,
        remote=tuple(ln[0] for ln in block.of("set", "peer")),
        local_ts=local_ts,
        remote_ts=remote_ts,
    )


def _tunnel(blocks: list[_Block], block: _Block, ike: tuple[Suite, ...], source: str) -> Side:
    """A tunnel interface: its profile names the rest; its selectors are any to any."""
    wanted = block.of("tunnel", "protection", "ipsec", "profile")
    profiles = _named(blocks, "crypto", "ipsec", "profile")
    profile = profiles.get(wanted[0][0]) if wanted and wanted[0] else None
    return _made(
        blocks,
        profile or _Block(["none"]),
        ike,
        f"{source} ({block.head[1]})",
        local=tuple(a for ln in block.of("tunnel", "source") for a in ln if a[0].isdigit()),
        remote=tuple(a for ln in block.of("tunnel", "destination") for a in ln if a[0].isdigit()),
    )


def _made(
    blocks: list[_Block],
    block: _Block,
    ike: tuple[Suite, ...],
    source: str,
    *,
    local: tuple[str, ...] = (),
    remote: tuple[str, ...] = (),
    local_ts: tuple[TS, ...] = (),
    remote_ts: tuple[TS, ...] = (),
) -> Side:
    profiles = _named(blocks, "crypto", "ikev2", "profile")
    names_ = [ln[0] for ln in block.of("set", "ikev2-profile")] or list(profiles)[:1]
    profile = profiles.get(names_[0], _Block(["none"])) if names_ else _Block(["none"])
    return Side(
        source=source,
        ike=ike,
        esp=tuple(_esp(blocks, block)),
        local_id=_identity(profile.of("identity", "local")),
        remote_id=_identity(profile.of("match", "identity", "remote")),
        local_auth=_way(profile.of("authentication", "local")),
        remote_auth=_way(profile.of("authentication", "remote")),
        psks=tuple(_keys(blocks, profile)),
        local=local,
        remote=remote,
        local_ts=local_ts,
        remote_ts=remote_ts,
    )


def _identity(lines: list[list[str]]) -> str:
    """`address 10.0.0.1 255.255.255.255`, `fqdn gw.example`; several, or a network, is anybody."""
    if len(lines) != 1 or len(lines[0]) < 2:
        return ""
    kind, value, *mask = lines[0]
    if kind == "address" and mask and mask[0] != "255.255.255.255":
        return ""
    return value if kind in ("address", "fqdn", "email", "key-id") and value != "domain" else ""


def _way(lines: list[list[str]]) -> str:
    return _AUTH.get(lines[0][0], "") if len(lines) == 1 and lines[0] else ""


def _keys(blocks: list[_Block], profile: _Block) -> Iterator[bytes]:
    """The shared keys of the profile's keyring, encrypted ones (type 6) left out."""
    rings = _named(blocks, "crypto", "ikev2", "keyring")
    for wanted in profile.of("keyring", "local") or profile.of("keyring"):
        ring = rings.get(wanted[0]) if wanted else None
        for line in ring.of("pre-shared-key") if ring else ():
            rest = line[1:] if line and line[0] in ("local", "remote") else line
            if rest and rest[0] != "6":
                yield words.key(rest[-1] if rest[0] == "0" else rest[0])


def _esp(blocks: list[_Block], block: _Block) -> Iterator[Suite]:
    """The transform sets that are named, with the group of `set pfs`."""
    sets = {
        b.head[3]: " ".join(b.head[4:])
        for b in blocks
        if b.head[:3] == ["crypto", "ipsec", "transform-set"] and len(b.head) > 4
    }
    wanted = [n for ln in block.of("set", "transform-set") for n in ln] or list(sets)
    pfs = [ln[0].removeprefix("group") for ln in block.of("set", "pfs") if ln]
    groups = _transforms(TransformType.KE, pfs)
    for name in wanted:
        suite = names.transform_suite(sets[name]) if name in sets else None
        if suite is not None and (suite.encr or suite.integ):
            yield words.suite(suite.protocol, suite.transforms, groups, words.EITHER[:1])


def _selectors(block: _Block) -> tuple[tuple[TS, ...], tuple[TS, ...]]:
    """Source and destination networks of an access list; nothing where a line is not understood."""
    found: tuple[list[str], list[str]] = ([], [])
    for line in block.lines:
        rest = line[1:] if line and line[0].isdigit() else line
        if len(rest) < 2 or rest[0] != "permit":
            continue
        protocol = _PROTOCOLS.get(rest[1], -1)
        if protocol < 0:
            return (), ()
        left = rest[2:]
        for ends in found:
            text, left = _end(left, protocol)
            ends.append(text)
    return words.selectors(found[0]), words.selectors(found[1])


def _end(rest: list[str], protocol: int) -> tuple[str, list[str]]:
    """`any`, `host 10.0.0.1` or network and wildcard, with `eq PORT`; then what is left."""
    if rest[:1] == ["any"]:
        network, rest = "0.0.0.0/0", rest[1:]
    elif rest[:1] == ["host"] and len(rest) > 1:
        network, rest = rest[1], rest[2:]
    elif len(rest) > 1:
        network, rest = _network(rest[0], rest[1]), rest[2:]
    else:
        return "?", []
    port = ""
    if rest[:1] == ["eq"] and len(rest) > 1 and rest[1].isdigit():
        port, rest = f"/{rest[1]}", rest[2:]
    return f"{network}[{protocol}{port}]" if protocol or port else network, rest


def _network(address: str, wildcard: str) -> str:
    try:
        return str(ipaddress.ip_network(f"{address}/{wildcard}", strict=False))
    except ValueError:
        return "?"
