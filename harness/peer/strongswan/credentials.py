"""Keys, certificates and trust in strongSwan's words: what vici loads, how a side authenticates.

Pure but for `load`, which hands over what `loaded` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ikelab.harness.exchange.credentials import (
    HASHES,
    STRICT,
    CertCredential,
    NullCredential,
    Send,
    Trust,
)
from ikelab.harness.exchange.eap.credentials import EapCredential
from ikelab.harness.exchange.features import NO_FEATURES, Ppk
from ikelab.harness.peer.base import PeerConfig, Unsupported
from ikelab.harness.peer.strongswan import eap
from ikelab.layers.iana import AuthMethod, PpkIdType

Value = str | bytes | list[Any]
_SEND = {Send.ALWAYS: "always", Send.ASKED: "ifasked", Send.NEVER: "never"}
_CLASSIC = frozenset(
    {
        AuthMethod.RSA_DIGITAL_SIGNATURE,
        AuthMethod.ECDSA_WITH_SHA_256_ON_THE_P_256_CURVE,
        AuthMethod.ECDSA_WITH_SHA_384_ON_THE_P_384_CURVE,
        AuthMethod.ECDSA_WITH_SHA_512_ON_THE_P_521_CURVE,
    }
)


def local(config: PeerConfig) -> dict[str, Value]:
    """How charon proves itself: the section `local` less its identity."""
    own = config.own
    if config.trust is not None and config.trust.eap is not None and config.trust.eap.only:
        # RFC 5998: no AUTH of its own before EAP.
        return {"auth": eap.remote(config.trust.eap)["auth"]}
    if isinstance(own, EapCredential):
        return eap.local(own)
    if isinstance(own, NullCredential):
        raise Unsupported("strongSwan has no NULL authentication (RFC 7619)")
    if not isinstance(own, CertCredential):
        return {"auth": "psk"}
    odd = own.hash_octets is not None or own.identifier is not None
    if own.url or odd or not own.chain:
        raise Unsupported("strongSwan's driver signs as it should, with a chain that it holds")
    auth = f"ike:{_scheme(own.scheme)}" if own.scheme else "pubkey"
    return {"auth": auth, "certs": [own.chain[0]]}


def remote(config: PeerConfig) -> dict[str, Value]:
    """What charon accepts: the section `remote` less its identity."""
    trust = config.trust
    if isinstance(config.own, EapCredential) and config.own.only:
        return {"auth": eap.local(config.own)["auth"]}
    if trust is None:
        return {"auth": "psk"}
    if trust.eap is not None:
        return eap.remote(trust.eap)
    if trust.null:
        raise Unsupported("strongSwan has no NULL authentication (RFC 7619)")
    if trust.psk is not None and trust.anchors:
        raise Unsupported("strongSwan's connection takes a shared key or a certificate, not either")
    if trust.policy not in (STRICT, _REQUIRED) or trust.hashes not in (HASHES, ()):
        raise Unsupported("strongSwan's driver has the usual policy and hashes only")
    if trust.anchors:
        strict = {"revocation": "strict"} if trust.policy.crl_required else {}
        return {"auth": "pubkey", "cacerts": list(trust.anchors), **strict}
    return {"auth": "psk"}


def connection(config: PeerConfig) -> dict[str, str]:
    """What a connection says of CERT and CERTREQ."""
    found = {"send_certreq": "yes" if config.trust and config.trust.certreq else "no"}
    if isinstance(config.own, CertCredential):
        found["send_cert"] = _SEND[config.own.send]
    return found


def daemon(config: PeerConfig) -> dict[str, str]:
    """What strongswan.conf says: RFC 7427 is on unless one of the older methods is wanted."""
    own, trust = config.own, config.trust
    method = own.method if isinstance(own, CertCredential) else None
    if method not in (None, AuthMethod.DIGITAL_SIGNATURE, *_CLASSIC):
        raise Unsupported(f"strongSwan cannot be told to use method {method}")
    if method in _CLASSIC or (trust is not None and trust.anchors and not trust.hashes):
        return {"signature_authentication": "no"}
    return {}


def loaded(config: PeerConfig) -> list[tuple[str, dict[str, Value]]]:
    """The vici commands that load certificates, CRLs and the private key."""
    found: list[tuple[str, dict[str, Value]]] = []
    own, trust = config.own, config.trust or Trust()
    for anchor in trust.anchors:
        found.append(("load_cert", {"type": "X509", "flag": "CA", "data": anchor}))
    chain = own.chain if isinstance(own, CertCredential) else ()
    for certificate in (*chain[1:], *trust.intermediates, *trust.known):
        found.append(("load_cert", {"type": "X509", "flag": "NONE", "data": certificate}))
    for crl in trust.crls:
        found.append(("load_cert", {"type": "X509_CRL", "flag": "NONE", "data": crl}))
    if isinstance(own, CertCredential):
        found.append(("load_key", {"type": "any", "data": own.key}))
    found += eap.loaded(config)
    for key in config.features.ppks:
        owners = [ppk_name(key)]
        found.append(("load_shared", {"type": "PPK", "data": key.key, "owners": owners}))
    for more in config.features.more:
        found += loaded(_alone(config, own=more.credential))
    for further in config.features.more_trust:
        found += loaded(_alone(config, trust=further))
    return found


def _alone(config: PeerConfig, **proof: Any) -> PeerConfig:
    """A configuration with one of the proofs beyond the first (RFC 4739)."""
    return replace(config, **{"own": None, "trust": None, "features": NO_FEATURES, **proof})


def ppk_name(key: Ppk) -> str:
    """The identity of a PPK in strongSwan's words, which has none for octets that are no text."""
    word = key.id.decode("ascii", "replace")
    plain = key.kind == PpkIdType.PPK_ID_FIXED and word.isprintable() and word.isascii()
    if not plain or not word or set(word) & set('#%"=:, '):
        raise Unsupported(f"strongSwan's driver cannot say the PPK identity {key.id!r}")
    return word


def ppk_secrets(config: PeerConfig) -> dict[str, dict[str, str]]:
    """PPKs as swanctl.conf holds them."""
    return {
        f"ppk-{number}": {"id-0": ppk_name(key), "secret": f"0x{key.key.hex()}"}
        for number, key in enumerate(config.features.ppks)
    }


def load(session: Any, config: PeerConfig) -> None:
    """Hand it all over."""
    for command, message in loaded(config):
        getattr(session, command)(message)


def readable(tree: Mapping[str, Any]) -> dict[str, Any]:
    """A tree with the names of files where vici gets octets: as swanctl.conf would hold it."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found[key] = readable(value)
        elif isinstance(value, list) and any(isinstance(item, bytes) for item in value):
            found[key] = [f"{key}-{number}.der" for number in range(len(value))]
        else:
            found[key] = value
    return found


def _scheme(word: str) -> str:
    """A scheme in strongSwan's words: `rsa-pkcs1-sha256` is `rsa-sha256`, PSS is `rsa/pss-..`."""
    return word.replace("rsa-pkcs1-", "rsa-").replace("rsa-pss-", "rsa/pss-")


_REQUIRED = type(STRICT)(crl_required=True)
