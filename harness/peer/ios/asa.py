"""The same in an ASA's words: policy, IPsec proposal, crypto map, tunnel group."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ikelab.harness.exchange.credentials import CertCredential, PskCredential
from ikelab.harness.model import TS, Suite
from ikelab.harness.peer.base import PeerConfig, Unsupported
from ikelab.harness.peer.ios import names
from ikelab.harness.peer.ios.releases import Release
from ikelab.harness.peer.ios.render import (
    NAME,
    Rendering,
    check,
    pfs,
    secret,
    signature,
)
from ikelab.harness.peer.ios.selectors import carried, network, ports
from ikelab.layers.iana import IdType, Integ, Protocol, TransformType

OPTIONS = {"interface", "max_half_open", "max_sa", "trustpoint"}


def render(config: PeerConfig, release: Release) -> Rendering:
    """The configuration of an ASA; Unsupported says what it cannot do."""
    check(config, release, OPTIONS)
    if any(suite.protocol == Protocol.AH for suite in config.esp):
        raise Unsupported(f"{release} has no AH")
    if config.window != 1:
        raise Unsupported(f"{release} has a window of one request")
    writer = _Writer(config, release)
    return Rendering(tuple(writer.lines()), tuple(reversed(writer.undo)))


class _Writer:
    """One configuration; `undo` in the order in which it was made."""

    def __init__(self, config: PeerConfig, release: Release) -> None:
        self.config, self.release = config, release
        self.undo: list[str] = []
        self.interface = config.options.get("interface", "outside")

    def lines(self) -> Iterator[str]:
        yield from self._globals()
        yield from self._policies()
        yield from self._proposals()
        yield from self._map()
        yield from self._group()

    def _line(self, line: str, undo: str = "") -> str:
        self.undo.append(undo or f"no {line}")
        return line

    def _globals(self) -> Iterator[str]:
        config = self.config
        if config.fragment is not None:
            mtu = f"mtu {config.fragment} preferred-method ietf"
            yield self._line(f"crypto ikev2 fragmentation {mtu}", "no crypto ikev2 fragmentation")
        if config.cookies:
            yield self._line("crypto ikev2 cookie-challenge always")
        if number := config.options.get("max_half_open"):
            yield self._line(f"crypto ikev2 limit max-in-negotiation-sa {number}")
        if number := config.options.get("max_sa"):
            yield self._line(f"crypto ikev2 limit max-sa {number}")
        yield self._line("crypto isakmp nat-traversal 10")

    def _policies(self) -> Iterator[str]:
        for number, suite in enumerate(self.config.ike, 1):
            yield self._line(f"crypto ikev2 policy {number}")
            yield from (f" {line}" for line in _policy(suite))
            yield " lifetime seconds 86400"

    def _proposals(self) -> Iterator[str]:
        for number, suite in enumerate(self.config.esp, 1):
            yield self._line(f"crypto ipsec ikev2 ipsec-proposal {NAME}-{number}")
            ciphers = " ".join(names.asa_cipher(t) for t in suite.of(TransformType.ENCR))
            hashes = [names.asa_hash(t, esp=True) for t in suite.of(TransformType.INTEG)]
            yield f" protocol esp encryption {ciphers}"
            yield f" protocol esp integrity {' '.join(hashes) or 'null'}"

    def _map(self) -> Iterator[str]:
        config, there = self.config, f"crypto map {NAME} 10"
        for a in config.local_ts:
            for b in config.remote_ts:
                yield self._line(f"access-list {NAME} extended permit {_permitted(a, b)}")
        yield self._line(f"{there} match address {NAME}")
        yield self._line(f"{there} set peer {config.remote_address}")
        count = max(1, len(config.esp))
        if not config.esp:
            yield self._line(f"crypto ipsec ikev2 ipsec-proposal {NAME}-1")
            yield " protocol esp encryption aes-256"
            yield " protocol esp integrity sha-256"
        sets = " ".join(f"{NAME}-{n}" for n in range(1, count + 1))
        yield self._line(f"{there} set ikev2 ipsec-proposal {sets}")
        if config.mode == "transport":
            yield self._line(f"{there} set ikev2 mode transport")
        for line in pfs(config):
            yield self._line(f"{there} {line}")
        yield self._line(f"crypto map {NAME} interface {self.interface}")
        yield self._line(f"crypto ikev2 enable {self.interface}")

    def _group(self) -> Iterator[str]:
        config, peer = self.config, self.config.remote_address
        if config.local_id.type not in (IdType.ID_IPV4_ADDR, IdType.ID_IPV6_ADDR):
            raise Unsupported(f"{self.release} presents its address with a shared key")
        yield self._line("crypto isakmp identity address", "no crypto isakmp identity")
        yield self._line(
            f"tunnel-group {peer} type ipsec-l2l", f"clear configure tunnel-group {peer}"
        )
        yield f"tunnel-group {peer} ipsec-attributes"
        own = config.own.key if isinstance(config.own, PskCredential) else config.psk
        theirs = config.trust.psk if config.trust is not None and config.trust.psk else config.psk
        signed = isinstance(config.own, CertCredential)
        trusting = config.trust is not None and bool(config.trust.anchors)
        if signed or trusting:
            signature(config, self.release)
        if trusting:
            yield " ikev2 remote-authentication certificate"
        else:
            key = secret(theirs, self.release)
            yield f" ikev2 remote-authentication pre-shared-key {key}"
        if signed:
            yield f" ikev2 local-authentication certificate {config.options['trustpoint']}"
        else:
            yield f" ikev2 local-authentication pre-shared-key {secret(own, self.release)}"
        if config.dpd_delay:
            yield f" isakmp keepalive threshold {math.ceil(config.dpd_delay)} retry 2"
        else:
            yield " isakmp keepalive disable"


def _policy(suite: Suite) -> Iterator[str]:
    def several(kind: int) -> list[str]:
        return [names.asa_hash(t) for t in suite.of(kind) if t.id or kind != TransformType.INTEG]

    yield "encryption " + " ".join(names.asa_cipher(t) for t in suite.of(TransformType.ENCR))
    integrity = several(TransformType.INTEG)
    none = [t for t in suite.of(TransformType.INTEG) if t.id == Integ.NONE]
    yield "integrity " + " ".join(integrity or ["null"] * (bool(none) or True))
    yield "group " + " ".join(str(int(t.id)) for t in suite.of(TransformType.KE))
    yield "prf " + " ".join(several(TransformType.PRF))


def _permitted(local: TS, remote: TS) -> str:
    words = [carried(local, remote)]
    for ts in (local, remote):
        net = network(ts)
        place = f"{net.network_address} {net.netmask}" if net.version == 4 else str(net)
        words.append(f"{place}{ports(ts)}")
    return " ".join(words)
