"""Keys and trust as OpenIKED has them: a policy's words, and the files below /etc/iked. Pure."""

from __future__ import annotations

from ikelab.harness.crypto import files
from ikelab.harness.exchange.credentials import (
    HASHES,
    STRICT,
    CertCredential,
    NullCredential,
    Send,
    Trust,
)
from ikelab.harness.peer.base import PeerConfig, Unsupported, shared_key
from ikelab.layers.iana import AuthMethod

LOCAL_KEY = "private/local.key"
FOLDERS = ("private", "ca", "certs", "crls", "pubkeys")
_METHODS = {
    None: "",
    AuthMethod.DIGITAL_SIGNATURE: "rfc7427",
    AuthMethod.RSA_DIGITAL_SIGNATURE: "rsa",
    AuthMethod.ECDSA_WITH_SHA_256_ON_THE_P_256_CURVE: "ecdsa256",
    AuthMethod.ECDSA_WITH_SHA_384_ON_THE_P_384_CURVE: "ecdsa384",
    AuthMethod.ECDSA_WITH_SHA_512_ON_THE_P_521_CURVE: "ecdsa521",
}
_KEYS = ("rsa", "p256", "p384", "p521")


def words(config: PeerConfig) -> list[str]:
    """How both sides prove themselves: one way for the two of them."""
    own, trust = config.own, config.trust
    if isinstance(own, NullCredential) or (trust is not None and trust.null):
        raise Unsupported("OpenIKED has no NULL authentication (RFC 7619)")
    if trust is not None and trust.eap is not None:
        raise Unsupported("OpenIKED's driver has no EAP")
    certified = isinstance(own, CertCredential), trust is not None and bool(trust.anchors)
    if any(certified) and not all(certified):
        raise Unsupported("OpenIKED's policy has one way of authentication for both sides")
    if isinstance(own, CertCredential) and trust is not None:
        return _signed(own, trust)
    return [f"psk 0x{_secret(config).hex()}"]


def _signed(own: CertCredential, trust: Trust) -> list[str]:
    odd = own.hash_octets is not None or own.identifier is not None
    if own.url or odd or not own.chain:
        raise Unsupported("OpenIKED's driver signs as it should, with a chain that it holds")
    if own.scheme:
        raise Unsupported(f"OpenIKED cannot be told to sign with {own.scheme}")
    if own.send is not Send.ASKED and own.send is not Send.ALWAYS:
        raise Unsupported("OpenIKED always sends a certificate that it is asked for")
    kind = files.key_kind(own.key)
    if kind not in _KEYS:
        raise Unsupported(f"OpenIKED has no {kind} keys")
    if own.method not in _METHODS:
        raise Unsupported(f"OpenIKED cannot be told to use method {own.method}")
    classic = own.method not in (None, AuthMethod.DIGITAL_SIGNATURE)
    if trust.policy != STRICT or (trust.hashes != HASHES and not classic):
        raise Unsupported("OpenIKED's driver has the usual policy and hashes only")
    if trust.psk is not None:
        raise Unsupported("OpenIKED's policy takes certificates or a shared key, not either")
    if trust.known:
        raise Unsupported("OpenIKED's driver knows no certificates that the peer does not send")
    if not trust.certreq:
        raise Unsupported("OpenIKED always asks for certificates where it expects one")
    word = next(word for method, word in _METHODS.items() if method == own.method)
    return [word] if word else []


def material(config: PeerConfig) -> dict[str, bytes]:
    """What lies below /etc/iked, by path: trust anchors, chains, CRLs and the key, all PEM."""
    own, trust = config.own, config.trust
    if not isinstance(own, CertCredential) or trust is None:
        return {}
    leaf, *above = own.chain
    found = {LOCAL_KEY: files.pem_key(own.key), "certs/own.crt": files.pem_certificate(leaf)}
    for number, anchor in enumerate(trust.anchors):
        found[f"ca/anchor-{number}.crt"] = files.pem_certificate(anchor)
    between = dict.fromkeys(map(files.pem_certificate, (*above, *trust.intermediates)))
    for number, certificate in enumerate(between):
        found[f"ca/above-{number}.crt"] = certificate
    for number, listed in enumerate(trust.crls):
        found[f"crls/crl-{number}.crl"] = files.crl(listed, pem=True)
    return found


def _secret(config: PeerConfig) -> bytes:
    key = shared_key(config)
    if not key:
        raise Unsupported("OpenIKED has no empty shared key")
    return key
