"""Which algorithms a pluto has, as `whack --status` lists them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ikelab.harness.model import Transform
from ikelab.harness.peer.libreswan import names
from ikelab.layers.iana import Integ, Prf, Protocol, TransformType

_IKE_CIPHER = re.compile(r"algorithm IKE encrypt: .*v2id=(\d+)")
_IKE_PRF = re.compile(r"algorithm IKE PRF: name=(\w+)")
_IKE_GROUP = re.compile(r"algorithm IKE DH Key Exchange: name=(\w+)")
_CHILD_CIPHER = re.compile(r"algorithm ESP encrypt: name=(\w+)")
_CHILD_INTEG = re.compile(r"algorithm AH/ESP auth: name=(\w+)")
# pluto lists no integrity algorithms of IKE: it has those of its PRFs.
_INTEGS = {
    Prf.PRF_HMAC_MD5: Integ.AUTH_HMAC_MD5_96,
    Prf.PRF_HMAC_SHA1: Integ.AUTH_HMAC_SHA1_96,
    Prf.PRF_AES128_XCBC: Integ.AUTH_AES_XCBC_96,
    Prf.PRF_HMAC_SHA2_256: Integ.AUTH_HMAC_SHA2_256_128,
    Prf.PRF_HMAC_SHA2_384: Integ.AUTH_HMAC_SHA2_384_192,
    Prf.PRF_HMAC_SHA2_512: Integ.AUTH_HMAC_SHA2_512_256,
}

Known = frozenset[tuple[int, int]]
"""Transform types and ids."""


@dataclass(frozen=True, slots=True)
class Algorithms:
    """What a pluto can do for IKE, and for ESP and AH."""

    ike: Known
    child: Known

    def has(self, transform: Transform, protocol: int) -> bool:
        """Whether the transform is there; sequence numbers always are."""
        if transform.type == TransformType.SN:
            return protocol != Protocol.IKE
        known = self.ike if protocol == Protocol.IKE else self.child
        return (transform.type, transform.id) in known


def read(status: str) -> Algorithms:
    """The algorithms of a status text."""
    prfs = _named(_IKE_PRF, TransformType.PRF, status)
    groups = _named(_IKE_GROUP, TransformType.KE, status) | {(TransformType.KE, 0)}
    ike = {(int(TransformType.ENCR), int(number)) for number in _IKE_CIPHER.findall(status)}
    ike |= {(TransformType.INTEG, _INTEGS[Prf(p)]) for _, p in prfs if p in _INTEGS}
    child = _named(_CHILD_CIPHER, TransformType.ENCR, status)
    child |= _named(_CHILD_INTEG, TransformType.INTEG, status)
    return Algorithms(frozenset(ike | prfs | groups), frozenset(child | groups))


def _named(pattern: re.Pattern[str], kind: int, status: str) -> set[tuple[int, int]]:
    found = (names.transform(kind, text) for text in pattern.findall(status))
    return {(int(t.type), int(t.id)) for t in found if t is not None}
