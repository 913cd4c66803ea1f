"""Keys and trust in Libreswan's words: how each side authenticates, what ipsec.secrets holds.

Pure. Certificates themselves lie in the NSS database (see `nss`).
"""

from __future__ import annotations

from collections.abc import Callable

from ikelab.harness.crypto import files
from ikelab.harness.exchange.credentials import (
    HASHES,
    STRICT,
    CertCredential,
    NullCredential,
    PskCredential,
    Send,
    Trust,
)
from ikelab.harness.model import Identity
from ikelab.harness.peer.base import PeerConfig, Unsupported, shared_key
from ikelab.harness.peer.libreswan import nss
from ikelab.layers.iana import AuthMethod

Words = Callable[[Identity], str]
_SEND = {Send.ALWAYS: "always", Send.ASKED: "sendifasked", Send.NEVER: "never"}
_CURVES = ("p256", "p384", "p521")
_SIZES = {"sha256": "sha2_256", "sha384": "sha2_384", "sha512": "sha2_512"}
_REQUIRED = type(STRICT)(crl_required=True)


def sides(config: PeerConfig, identity: Words) -> dict[str, str]:
    """Who both sides are, and how they prove it."""
    own, peer = _own(config), _peer(config)
    found = {
        "leftid": "%null" if own == "null" else identity(config.local_id),
        "rightid": "%null" if peer == "null" else identity(config.remote_id),
    }
    if isinstance(config.own, CertCredential):
        found |= {"leftcert": nss.OWN, "leftsendcert": _SEND[config.own.send], "sendca": "all"}
    if config.trust is not None and config.trust.anchors:
        found["rightca"] = "%any"
    if own == peer:
        return found | {"authby": own}
    return found | {"leftauth": _kind(own), "rightauth": _kind(peer)}


def setup(config: PeerConfig) -> dict[str, str]:
    """What `config setup` says of CRLs."""
    strict = config.trust is not None and config.trust.policy.crl_required
    return {"crl-strict": "yes"} if strict else {}


def _own(config: PeerConfig) -> str:
    own = config.own
    if isinstance(own, NullCredential):
        return "null"
    if isinstance(own, CertCredential):
        return _signing(own)
    if own is not None and not isinstance(own, PskCredential):
        raise Unsupported("Libreswan's driver has keys, certificates and NULL authentication")
    return "secret"


def _signing(own: CertCredential) -> str:
    """The word of `authby` for a private key."""
    odd = own.hash_octets is not None or own.identifier is not None
    if own.url or odd or not own.chain:
        raise Unsupported("Libreswan's driver signs as it should, with a chain that it holds")
    kind = files.key_kind(own.key)
    if kind != "rsa" and kind not in _CURVES:
        raise Unsupported(f"Libreswan has no {kind} keys")
    if own.method == AuthMethod.RSA_DIGITAL_SIGNATURE and kind == "rsa":
        return "rsa-sha1"
    if own.method not in (None, AuthMethod.DIGITAL_SIGNATURE):
        raise Unsupported(f"Libreswan cannot be told to use method {own.method}")
    family, _, size = own.scheme.rpartition("-")
    if not own.scheme:
        return "rsasig" if kind == "rsa" else "ecdsa"
    if family not in ("rsa-pss", "ecdsa") or size not in _SIZES:
        raise Unsupported(f"Libreswan cannot be told to sign with {own.scheme}")
    return f"{'ecdsa' if family == 'ecdsa' else 'rsa'}-{_SIZES[size]}"


def _kind(word: str) -> str:
    """The word of `leftauth` for one of `authby`: those have no hashes in their names."""
    if word.startswith("rsa"):
        return "rsasig"
    return "ecdsa" if word.startswith("ecdsa") else word


def _peer(config: PeerConfig) -> str:
    trust = config.trust
    if trust is None or (trust.psk is not None and not trust.null and not trust.anchors):
        return "secret"
    if trust.eap is not None:
        raise Unsupported("Libreswan has EAP-TLS alone, and its driver none")
    if trust.anchors:
        return _verifying(config, trust)
    if trust.null and trust.psk is None and not trust.known:
        return "null"
    raise Unsupported("Libreswan's connection accepts a shared key or none at all, not either")


def _verifying(config: PeerConfig, trust: Trust) -> str:
    """What the peer's signature may be: of our own kind, which is all that a case asks for."""
    if trust.psk is not None or trust.null:
        raise Unsupported("Libreswan's connection takes certificates or shared keys, not either")
    if trust.known:
        raise Unsupported("Libreswan's driver knows no certificates that the peer does not send")
    classic = isinstance(config.own, CertCredential) and config.own.method == 1
    if trust.policy not in (STRICT, _REQUIRED) or (trust.hashes != HASHES and not classic):
        raise Unsupported("Libreswan's driver has the usual policy and hashes only")
    if not trust.certreq:
        raise Unsupported("Libreswan always asks for certificates where it expects one")
    return _signing(config.own) if isinstance(config.own, CertCredential) else "rsasig"


def secrets(config: PeerConfig) -> str:
    """ipsec.secrets: the shared key, for whoever both sides are; nothing where none is used."""
    own, trust = config.own, config.trust
    if isinstance(own, CertCredential) and trust is not None and trust.anchors:
        return ""
    key = shared_key(config)
    if not key:
        raise Unsupported("Libreswan has no empty shared key")
    return f": PSK 0x{key.hex()}\n"
