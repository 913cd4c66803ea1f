"""Signature schemes and their AlgorithmIdentifiers (RFC 7427 appendix A, RFC 8420 appendix A)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from ikelab.harness.crypto.errors import BadSignature
from ikelab.layers.iana import Hash

_Value = TypeVar("_Value")

_HASH_OIDS = {
    Hash.SHA1: "2b0e03021a",
    Hash.SHA2_256: "608648016503040201",
    Hash.SHA2_384: "608648016503040202",
    Hash.SHA2_512: "608648016503040203",
}
_HASH_OCTETS = {Hash.SHA1: 20, Hash.SHA2_256: 32, Hash.SHA2_384: 48, Hash.SHA2_512: 64}
_WORDS = {
    Hash.SHA1: "sha1",
    Hash.SHA2_256: "sha256",
    Hash.SHA2_384: "sha384",
    Hash.SHA2_512: "sha512",
}
_PKCS1_OIDS = {
    "2a864886f70d010105": Hash.SHA1,
    "2a864886f70d01010b": Hash.SHA2_256,
    "2a864886f70d01010c": Hash.SHA2_384,
    "2a864886f70d01010d": Hash.SHA2_512,
}
_ECDSA_OIDS = {
    "2a8648ce3d0401": Hash.SHA1,
    "2a8648ce3d040302": Hash.SHA2_256,
    "2a8648ce3d040303": Hash.SHA2_384,
    "2a8648ce3d040304": Hash.SHA2_512,
}
_EDDSA_OIDS = {"2b6570": "ed25519", "2b6571": "ed448"}
_PSS_OID = "2a864886f70d01010a"
_MGF1_OID = "2a864886f70d010108"

_SEQUENCE, _OID, _NULL, _INTEGER, _CONTEXT = 0x30, 0x06, 0x05, 0x02, 0xA0
_OCTET_STRING = 0x04


@dataclass(frozen=True, slots=True)
class Scheme:
    """How to sign: `kind` is rsa-pkcs1, rsa-pss, ecdsa, ed25519 or ed448.

    `hash` is the number that SIGNATURE_HASH_ALGORITHMS lists for it (Identity for EdDSA);
    `salt` is PSS's salt length in octets.
    """

    kind: str
    hash: Hash
    salt: int = 0

    @property
    def name(self) -> str:
        """`rsa-pss-sha256`, `ed25519` ..."""
        return f"{self.kind}-{_WORDS[self.hash]}" if self.hash in _WORDS else self.kind

    @property
    def identifier(self) -> bytes:
        """The AlgorithmIdentifier, DER."""
        null = _der(_NULL)
        if self.kind == "rsa-pkcs1":
            return _der(_SEQUENCE, _oid(_named(_PKCS1_OIDS, self.hash)), null)
        if self.kind == "ecdsa":
            return _der(_SEQUENCE, _oid(_named(_ECDSA_OIDS, self.hash)))
        if self.kind == "rsa-pss":
            return _der(_SEQUENCE, _oid(_PSS_OID), self._pss_parameters())
        return _der(_SEQUENCE, _oid(_named(_EDDSA_OIDS, self.kind)))

    def _pss_parameters(self) -> bytes:
        """RSASSA-PSS-params (RFC 4055 3.1): what equals the default (SHA-1, 20) is left out."""
        fields = []
        if self.hash != Hash.SHA1:
            digest = _der(_SEQUENCE, _oid(_HASH_OIDS[self.hash]), _der(_NULL))
            fields += [_der(_CONTEXT, digest)]
            fields += [_der(_CONTEXT + 1, _der(_SEQUENCE, _oid(_MGF1_OID), digest))]
        if self.salt != 20:
            fields += [_der(_CONTEXT + 2, _der(_INTEGER, bytes([self.salt])))]
        return _der(_SEQUENCE, *fields)


def pss(hash_id: Hash) -> Scheme:
    """RSASSA-PSS with a salt as long as the hash (RFC 7427 4)."""
    return Scheme("rsa-pss", hash_id, _HASH_OCTETS[hash_id])


SCHEMES: dict[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        *(Scheme("rsa-pkcs1", h) for h in _WORDS),
        *map(pss, _WORDS),
        *(Scheme("ecdsa", h) for h in _WORDS),
        Scheme("ed25519", Hash.IDENTITY),
        Scheme("ed448", Hash.IDENTITY),
    )
}
"""Every scheme that ikelab signs with, by name."""


def digest_info(hash_id: Hash, digest: bytes) -> bytes:
    """DigestInfo (RFC 8017 9.2): the hash function and a hash, however long."""
    algorithm = _der(_SEQUENCE, _oid(_HASH_OIDS[hash_id]), _der(_NULL))
    return _der(_SEQUENCE, algorithm, _der(_OCTET_STRING, digest))


def parse_identifier(der: bytes) -> Scheme:
    """The scheme of an AlgorithmIdentifier; BadSignature says what it is otherwise.

    A default that was written out and a missing NULL are both read: signers differ.
    """
    fields = _children(_only(der, _SEQUENCE))
    if not fields or fields[0][0] != _OID:
        raise BadSignature("the AlgorithmIdentifier has no object identifier")
    oid = fields[0][1].hex()
    if oid in _PKCS1_OIDS:
        return Scheme("rsa-pkcs1", _PKCS1_OIDS[oid])
    if oid in _ECDSA_OIDS:
        return Scheme("ecdsa", _ECDSA_OIDS[oid])
    if oid in _EDDSA_OIDS:
        return Scheme(_EDDSA_OIDS[oid], Hash.IDENTITY)
    if oid == _PSS_OID:
        return _parse_pss(fields[1][1] if len(fields) > 1 else b"")
    raise BadSignature(f"unknown signature algorithm, object identifier {oid} in hex")


def _parse_pss(parameters: bytes) -> Scheme:
    hash_id, mgf_hash, salt, trailer = Hash.SHA1, Hash.SHA1, 20, 1
    for tag, value in _children(parameters):
        if tag == _CONTEXT:
            hash_id = _parse_hash(_only(value, _SEQUENCE))
        elif tag == _CONTEXT + 1:
            mgf = _children(_only(value, _SEQUENCE))
            if len(mgf) != 2 or mgf[0][1].hex() != _MGF1_OID:
                raise BadSignature("RSASSA-PSS with another mask generation than MGF1")
            mgf_hash = _parse_hash(mgf[1][1])
        elif tag == _CONTEXT + 2:
            salt = int.from_bytes(_only(value, _INTEGER), "big")
        elif tag == _CONTEXT + 3:
            trailer = int.from_bytes(_only(value, _INTEGER), "big")
    if mgf_hash != hash_id:
        raise BadSignature("RSASSA-PSS with two different hash functions (RFC 7427 4 wants one)")
    if salt > 1000:
        raise BadSignature(f"RSASSA-PSS with a salt of {salt} octets")
    if trailer != 1:
        raise BadSignature(f"RSASSA-PSS with trailer field {trailer}")
    return Scheme("rsa-pss", hash_id, salt)


def _parse_hash(fields: bytes) -> Hash:
    children = _children(fields)
    oid = children[0][1].hex() if children else ""
    for hash_id, known in _HASH_OIDS.items():
        if known == oid:
            return hash_id
    raise BadSignature(f"unknown hash function, object identifier {oid} in hex")


def _named(table: dict[str, _Value], value: _Value) -> str:
    return next(key for key, found in table.items() if found == value)


def _oid(text: str) -> bytes:
    return _der(_OID, bytes.fromhex(text))


def _der(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return bytes([tag, len(content)]) + content  # nothing here reaches 128 octets


def _only(data: bytes, tag: int) -> bytes:
    """The content of `data`, which has to be one element of this tag."""
    children = _children(data)
    if len(children) != 1 or children[0][0] != tag:
        raise BadSignature("the AlgorithmIdentifier is not DER")
    return children[0][1]


def _children(data: bytes) -> list[tuple[int, bytes]]:
    """The elements of a constructed value; lengths of one octet, as short values have."""
    found = []
    while data:
        if len(data) < 2 or data[1] > 127 or len(data) < 2 + data[1]:
            raise BadSignature("the AlgorithmIdentifier is not DER")
        end = 2 + data[1]
        found.append((data[0], data[2:end]))
        data = data[end:]
    return found
