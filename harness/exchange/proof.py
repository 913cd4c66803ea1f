"""AUTH made and checked: shared key, signature, none (RFC 7296 2.15, RFC 7427, RFC 7619).

Which method we sign with and what the peer may sign with is read from both IKE_SA_INIT messages as
they went over the wire, edits included.
"""

from __future__ import annotations

import hmac
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ikelab.harness.crypto import certs, sign
from ikelab.harness.crypto.auth import null_auth, psk_auth, signed_octets
from ikelab.harness.crypto.errors import BadSignature
from ikelab.harness.crypto.schemes import SCHEMES, Scheme
from ikelab.harness.errors import ConfigError, UnsupportedAlgorithm, nearest
from ikelab.harness.exchange import intermediate, peer_certs, ppk, resumption, small
from ikelab.harness.exchange.credentials import (
    CertCredential,
    Credential,
    NullCredential,
    PskCredential,
    Send,
    Trust,
)
from ikelab.harness.exchange.eap.credentials import EapCredential
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.peer_certs import AuthFailure, NotProven
from ikelab.harness.model import Identity, Level, Violation
from ikelab.layers.iana import AuthMethod, CertEncoding, Hash, Notify, Payload, name
from ikelab.layers.message import IKEv2
from ikelab.layers.notify import IKEv2_Notify
from ikelab.layers.payloads import IKEv2_AUTH, IKEv2_CERT, IKEv2_CERTREQ

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa

X509 = CertEncoding.X_509_CERTIFICATE_SIGNATURE
_HASH_AND_URL = CertEncoding.HASH_AND_URL_OF_X_509_CERTIFICATE
_BUNDLE = CertEncoding.HASH_AND_URL_OF_X_509_BUNDLE
_CRL = CertEncoding.CERTIFICATE_REVOCATION_LIST_CRL
_SHARED = AuthMethod.SHARED_KEY_MESSAGE_INTEGRITY_CODE
_SIGNATURES = frozenset(
    {
        AuthMethod.RSA_DIGITAL_SIGNATURE,
        AuthMethod.ECDSA_WITH_SHA_256_ON_THE_P_256_CURVE,
        AuthMethod.ECDSA_WITH_SHA_384_ON_THE_P_384_CURVE,
        AuthMethod.ECDSA_WITH_SHA_512_ON_THE_P_521_CURVE,
        AuthMethod.DIGITAL_SIGNATURE,
    }
)


def own_credential(sa: IkeSa) -> Credential:
    """What we prove ourselves with: the shared key unless the configuration says otherwise."""
    if sa.initiator and sa.rounds.number:
        return sa.config.features.more[sa.rounds.number - 1].credential
    return sa.config.own or PskCredential(sa.config.psk)


def trust_of(sa: IkeSa) -> Trust:
    """What we accept: the shared key unless the configuration says otherwise."""
    if not sa.initiator and sa.rounds.number:
        return sa.config.features.more_trust[sa.rounds.number - 1]
    return sa.config.trust or Trust(psk=sa.config.psk)


# -- IKE_SA_INIT -------------------------------------------------------------------------------


def announce(sa: IkeSa, request: Inbound | None = None) -> list[Any]:
    """SIGNATURE_HASH_ALGORITHMS of either side, and the responder's CERTREQ.

    `request` is what a responder answers. Nothing where signatures play no part.
    """
    found: list[Any] = []
    if sa.config.own is None and sa.config.trust is None:
        return found
    trust = trust_of(sa)
    if not trust.anchors and not isinstance(own_credential(sa), CertCredential):
        return found
    if request is not None:
        found += certificate_requests(sa)
    heard = request is None or request.notify(Notify.SIGNATURE_HASH_ALGORITHMS) is not None
    if trust.hashes and heard:
        data = b"".join(int(h).to_bytes(2, "big") for h in trust.hashes)
        found.append(IKEv2_Notify(type=Notify.SIGNATURE_HASH_ALGORITHMS, notify=data))
    return found


def certificate_requests(sa: IkeSa) -> list[Any]:
    """CERTREQ with the hashes of our trust anchors (RFC 7296 3.7), and that URLs are welcome."""
    trust = sa.config.trust
    if trust is None or not trust.anchors or not trust.certreq:
        return []
    authority = certs.request(map(peer_certs.anchor, trust.anchors))
    found: list[Any] = [IKEv2_CERTREQ(cert_encoding=X509, cert_authority=authority)]
    if trust.fetch is not None:
        found.append(IKEv2_Notify(type=Notify.HTTP_CERT_LOOKUP_SUPPORTED))
    return found


def announced(sa: IkeSa, *, ours: bool) -> tuple[int, ...]:
    """The hashes that one side announced in its IKE_SA_INIT message."""
    found = first_message(sa, ours=ours).notify(Notify.SIGNATURE_HASH_ALGORITHMS)
    data = bytes(found.notify) if found is not None else b""
    return tuple(int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data) - 1, 2))


def first_message(sa: IkeSa, *, ours: bool) -> Inbound:
    """The first message of one side, as it went over the wire."""
    data = sa.init.request if sa.initiator == ours else sa.init.response
    return Inbound(IKEv2(data))


# -- ours --------------------------------------------------------------------------------------


def certificates(sa: IkeSa, request: Inbound | None = None) -> list[Any]:
    """Our CERT payloads, the end entity first (RFC 7296 3.6); `request` is what we answer."""
    own = own_credential(sa)
    if not isinstance(own, CertCredential) or own.send is Send.NEVER:
        return []
    heard = [first_message(sa, ours=False), *([request] if request else [])]
    if own.send is Send.ASKED and not any(it.has(Payload.CERTREQ) for it in heard):
        return []
    chain = [certs.Certificate.load(c).der for c in own.chain]
    found = [IKEv2_CERT(cert_encoding=X509, cert_data=der) for der in chain]
    looks_up = any(it.notify(Notify.HTTP_CERT_LOOKUP_SUPPORTED) is not None for it in heard)
    if own.url and looks_up and chain:
        reference = bytes(certs.HashAndUrl.of(own.bundle or chain[0], own.url))
        encoding = _BUNDLE if own.bundle else _HASH_AND_URL
        found[: len(chain) if own.bundle else 1] = [
            IKEv2_CERT(cert_encoding=encoding, cert_data=reference)
        ]
    return found + [IKEv2_CERT(cert_encoding=_CRL, cert_data=crl) for crl in own.crls]


def authenticate(sa: IkeSa, identity: Identity, it: Inbound | None = None) -> IKEv2_AUTH:
    """Our AUTH over our own first message, the peer's nonce and our ID (2.15).

    NotProven where our key can do nothing that the peer understands. `it` is what we answer.
    """
    made = _authenticate(sa, identity)
    small.check_method(sa, int(made.auth_type), it)
    return made


def _authenticate(sa: IkeSa, identity: Identity) -> IKEv2_AUTH:
    own = own_credential(sa)
    body = id_body(identity, sa.config.id_reserved)
    prf, octets, sk_p = covered(sa, body, ours=sa.conduct.sign_own_octets)
    if sa.resumption.source is not None:
        return IKEv2_AUTH(auth_type=_SHARED, load=resumption.mac(sa, octets, sk_p, ours=True))
    if isinstance(own, NullCredential):
        data = null_auth(prf, sk_p, octets)
        return IKEv2_AUTH(auth_type=AuthMethod.NULL_AUTHENTICATION, load=data)
    if isinstance(own, EapCredential):
        text = "we have EAP only, and the initiator does not ask for that"
        raise NotProven(AuthFailure.METHOD, text)
    if isinstance(own, PskCredential):
        data = psk_auth(prf, own.key, octets)
        return IKEv2_AUTH(auth_type=AuthMethod.SHARED_KEY_MESSAGE_INTEGRITY_CODE, load=data)
    key = _private_key(own.key)
    method, scheme = _way_to_sign(sa, own, key)
    data = sign.sign(
        method, key, octets, scheme=scheme, entropy=sa.entropy, hash_octets=own.hash_octets
    )
    if own.identifier is not None and method == AuthMethod.DIGITAL_SIGNATURE:
        data = bytes([len(own.identifier)]) + own.identifier + data[1 + data[0] :]
    return IKEv2_AUTH(auth_type=method, load=data)


def _way_to_sign(sa: IkeSa, own: CertCredential, key: sign.PrivateKey) -> tuple[int, Scheme | None]:
    """Method and scheme: as told, else 14 with a hash that the peer announced, else the key's."""
    if own.scheme and own.scheme not in SCHEMES:
        raise ConfigError(f"unknown scheme {own.scheme!r}{nearest(own.scheme, SCHEMES)}")
    told = SCHEMES.get(own.scheme)
    # RFC 7427 3: sent and received by each peer.
    both = announced(sa, ours=False) if announced(sa, ours=True) else ()
    theirs = both if sa.conduct.heed_announcement else () if both else tuple(Hash)
    usable = sign.usable(key, theirs if sa.conduct.heed_hashes else set(Hash) - set(theirs))
    if own.method is not None:
        best = told or next(iter(usable or sign.usable(key, Hash)), None)
        return own.method, best if own.method == AuthMethod.DIGITAL_SIGNATURE else told
    if theirs and (told or usable):
        return AuthMethod.DIGITAL_SIGNATURE, told or usable[0]
    method = sign.method_of(key)
    if method is None:
        said = ", ".join(name(Hash, h) for h in theirs) or "none"
        text = f"our key signs with method 14 only, and of the hashes it needs the peer has {said}"
        raise NotProven(AuthFailure.METHOD, text)
    return method, told


# -- the peer's --------------------------------------------------------------------------------


def check(sa: IkeSa, it: Inbound, identity: Any, auth: Any) -> list[Violation]:
    """Whether the peer is who it says: NotProven with the reason where it is not.

    Returns what it broke on the way although the proof holds.
    """
    if not sa.conduct.verify_auth:
        return []
    peer = Identity(identity.IDtype, bytes(identity.ID))
    wanted = None if sa.rounds.number else sa.config.remote_id
    if wanted is not None and peer != wanted:
        raise NotProven(AuthFailure.STRANGER, f"{peer} is nobody we know, expected {wanted}")
    # RFC 7296 2.15: the body as it came, reserved octets included.
    body = bytes([identity.IDtype]) + identity.res2.to_bytes(3, "big") + bytes(identity.ID)
    prf, octets, sk_p = covered(sa, body, ours=False)
    trust, data = trust_of(sa), ppk.proof(sa, auth)
    method = int(auth.auth_type)
    if sa.resumption.source is not None:
        if method != _SHARED or not hmac.compare_digest(
            resumption.mac(sa, octets, sk_p, ours=False), data
        ):
            raise NotProven(AuthFailure.KEY, "AUTH does not verify with the resumed keys")
        if peer != sa.resumption.source.theirs:
            raise NotProven(AuthFailure.STRANGER, f"{peer} did not get this ticket")
    elif method == AuthMethod.SHARED_KEY_MESSAGE_INTEGRITY_CODE and trust.psk is not None:
        if not hmac.compare_digest(psk_auth(prf, trust.psk, octets), data):
            raise NotProven(AuthFailure.KEY, "AUTH does not verify with the shared key")
    elif method == AuthMethod.NULL_AUTHENTICATION and trust.null:
        if not hmac.compare_digest(null_auth(prf, sk_p, octets), data):
            raise NotProven(AuthFailure.KEY, "AUTH does not verify as NULL authentication")
    elif method in _SIGNATURES and (trust.anchors or trust.known):
        return _check_signature(sa, it, identity, method, data, octets)
    else:
        raise NotProven(AuthFailure.METHOD, f"{name(AuthMethod, method)} is not accepted here")
    return []


def _check_signature(
    sa: IkeSa, it: Inbound, identity: Any, method: int, data: bytes, octets: bytes
) -> list[Violation]:
    leaf = peer_certs.accepted(it, identity, trust_of(sa), sa.conduct)
    try:
        scheme = sign.verify(method, leaf.key, data, octets)
    except certs.CertRefused as refused:
        raise NotProven(refused.reason, str(refused)) from None
    except (BadSignature, UnsupportedAlgorithm) as error:
        raise NotProven(AuthFailure.SIGNATURE, str(error)) from None
    broken = _negotiated(sa, method, scheme)
    unannounced = [v for v in broken if v.rule == "signature-hash-was-announced"]
    if unannounced and sa.conduct.insist_on_announced_hash:
        raise NotProven(AuthFailure.HASH, unannounced[0].message, unannounced[0])
    return broken


def _negotiated(sa: IkeSa, method: int, scheme: Scheme) -> list[Violation]:
    """What RFC 7427 says of the choice between method 14 and the older ones, and of the hash."""
    ours, theirs = announced(sa, ours=True), announced(sa, ours=False)
    digital = method == AuthMethod.DIGITAL_SIGNATURE
    found = []
    if digital and not (ours and theirs):
        lacks = "either side" if not ours and not theirs else "the peer" if ours else "us"
        text = f"method 14 was used without SIGNATURE_HASH_ALGORITHMS of {lacks}"
        found.append(Violation("digital-signature-was-announced", 7427, "3", Level.MUST, text))
    if digital and ours and scheme.hash not in ours:
        text = f"the peer signed with {scheme.name}, whose hash we did not announce"
        found.append(Violation("signature-hash-was-announced", 7427, "4", Level.MUST, text))
    if not digital and ours and theirs:
        text = f"both sides announced hashes, and the peer signed with method {method}, not 14"
        found.append(Violation("digital-signature-is-used", 7427, "3", Level.MUST, text))
    return found


def covered(sa: IkeSa, body: bytes, *, ours: bool) -> tuple[int, bytes, bytes]:
    """(PRF, what AUTH of one side covers, that side's SK_p)."""
    keys, state = sa.keys, sa.init
    assert keys is not None and keys.suite.prf is not None
    first, nonce, sk_p = (
        (state.request, state.nr, keys.sk_pi)
        if sa.initiator == ours
        else (state.response, state.ni, keys.sk_pr)
    )
    prf = int(keys.suite.prf.id)
    octets = signed_octets(prf, first, nonce, body, sk_p) + intermediate.int_auth(sa)
    return prf, octets, sk_p


def id_body(identity: Identity, reserved: int = 0) -> bytes:
    """RestOfIDPayload: type, three reserved octets, data (RFC 7296 2.15)."""
    return bytes([identity.type & 0xFF]) + reserved.to_bytes(3, "big") + identity.data


@lru_cache(maxsize=64)
def _private_key(data: bytes) -> sign.PrivateKey:
    return sign.load_private_key(data)
