"""EAP in strongSwan's words: how a side authenticates by it, and the secrets of its users.

Pure.
"""

from __future__ import annotations

from typing import Any

from ikelab.harness.crypto.tls_identity import TlsIdentity
from ikelab.harness.exchange.eap.credentials import EapCredential, EapTrust
from ikelab.harness.peer.base import PeerConfig, Unsupported
from ikelab.layers.eap import EapType

Value = str | bytes | list[Any]
METHODS: dict[int, str] = {
    EapType.MSCHAPV2: "eap-mschapv2",
    EapType.MD5_CHALLENGE: "eap-md5",
    EapType.GTC: "eap-gtc",
    EapType.TLS: "eap-tls",
}


def local(own: EapCredential) -> dict[str, Value]:
    """How charon proves itself as a user: any method that is asked for, or the only one."""
    found: dict[str, Value] = {"eap_id": _text(own.name)}
    found["auth"] = _method(own.methods[0]) if len(own.methods) == 1 else "eap"
    return found | _certificates(own.tls)


def remote(trust: EapTrust) -> dict[str, Value]:
    """Which method charon asks its users for. It goes no further down a list than the first."""
    found: dict[str, Value] = {"auth": _method(trust.methods[0])}
    return found | {"eap_id": "%any"} if trust.ask_name else found


def daemon(config: PeerConfig) -> dict[str, Any]:
    """What strongswan.conf says: charon has TLS 1.2 at most unless told otherwise."""
    trust = config.trust.eap if config.trust else None
    ends = [config.own.tls if isinstance(config.own, EapCredential) else None]
    ends.append(trust.tls if trust else None)
    versions = {tls.version for tls in ends if tls}
    return {"tls": {"version_max": max(versions)}} if versions - {"1.2"} else {}


def plugins(config: PeerConfig) -> set[str]:
    """The plugins that a configuration cannot do without."""
    trusts = [config.trust, *config.features.more_trust]
    found = {_method(trust.eap.methods[0]) for trust in trusts if trust and trust.eap}
    if "eap-gtc" in found:
        found.add("xauth-generic")  # what charon looks tokens up with; 6.1 of Debian has none
    for own in (config.own, *(more.credential for more in config.features.more)):
        if isinstance(own, EapCredential) and len(own.methods) == 1:
            found.add(_method(own.methods[0]))
    return found


def _method(kind: int) -> str:
    if kind not in METHODS:
        raise Unsupported(f"strongSwan's driver has no EAP method of type {kind}")
    return METHODS[kind]


def _text(name: bytes) -> str:
    if not name.isascii() or not name.decode("ascii").isprintable():
        raise Unsupported("strongSwan's driver takes EAP names of printable ASCII only")
    return name.decode("ascii")


def _certificates(tls: TlsIdentity | None) -> dict[str, Value]:
    return {"certs": [tls.chain[0]]} if tls else {}


def loaded(config: PeerConfig) -> list[tuple[str, dict[str, Value]]]:
    """The vici commands that load passwords, and what TLS needs."""
    found: list[tuple[str, dict[str, Value]]] = []
    own, trust = config.own, config.trust.eap if config.trust else None
    users = dict(trust.users) if trust else {}
    identities = [trust.tls] if trust else []
    if isinstance(own, EapCredential):
        users[own.name] = own.password
        identities.append(own.tls)
    known = sorted((name, password) for name, password in users.items() if password)
    for number, (name, password) in enumerate(known, 1):
        secret: dict[str, Value] = {
            "id": f"eap-{number}",
            "type": "EAP",
            "data": password,
            "owners": [_text(name)],
        }
        found.append(("load_shared", secret))
    for tls in filter(None, identities):
        found += [("load_cert", {"type": "X509", "flag": "CA", "data": a}) for a in tls.anchors]
        found += [("load_cert", {"type": "X509", "flag": "NONE", "data": c}) for c in tls.chain]
        found.append(("load_key", {"type": "any", "data": tls.key}))
    return found
