"""The keys of an IKE SA and of its CHILD_SAs (RFC 7296 2.14, 2.17, 2.18). No packets, no state."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ikelab.harness.crypto import integ as macs
from ikelab.harness.crypto.cipher import key_material_length
from ikelab.harness.crypto.prf import key_length, nonce_key, prf, prf_plus
from ikelab.harness.errors import ConfigError
from ikelab.harness.model import Suite


@dataclass(frozen=True, slots=True)
class IkeKeys:
    """The seven secrets of an IKE SA; the SK_e of a cipher with a salt end with it."""

    suite: Suite
    sk_d: bytes = field(repr=False)
    sk_ai: bytes = field(repr=False)
    sk_ar: bytes = field(repr=False)
    sk_ei: bytes = field(repr=False)
    sk_er: bytes = field(repr=False)
    sk_pi: bytes = field(repr=False)
    sk_pr: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChildKeys:
    """The keys of the two SAs of a CHILD_SA: `_i` protects what the initiator sends.

    "Initiator" is who began the exchange that made the child (RFC 7296 2.17).
    """

    suite: Suite
    encr_i: bytes = field(repr=False)
    integ_i: bytes = field(repr=False)
    encr_r: bytes = field(repr=False)
    integ_r: bytes = field(repr=False)


def derive_ike(
    suite: Suite,
    shared: bytes,
    ni: bytes,
    nr: bytes,
    spi_i: bytes,
    spi_r: bytes,
    *,
    whole: bool = False,
) -> IkeKeys:
    """The keys of a first IKE SA: SKEYSEED = prf(Ni | Nr, g^ir); `whole` cuts no nonce, a fault."""
    prf_id = _prf(suite)
    seed = prf(prf_id, ni + nr, shared) if whole else skeyseed(prf_id, shared, ni, nr)
    return expand_ike(suite, seed, ni, nr, spi_i, spi_r)


def rekey_ike(
    suite: Suite,
    old: IkeKeys,
    shared: bytes,
    ni: bytes,
    nr: bytes,
    spi_i: bytes,
    spi_r: bytes,
    more: bytes = b"",
) -> IkeKeys:
    """The keys of an IKE SA made by rekeying `old`: SKEYSEED = prf(SK_d (old), g^ir | Ni | Nr).

    RFC 7296 2.18: SKEYSEED comes from the old SA's PRF, all that follows from the new one's.
    RFC 9370 2.2.4: `more` is SK(1) | SK(2) | ... of the exchanges that followed.
    """
    seed = prf(_prf(old.suite), old.sk_d, shared, ni, nr, more)
    return expand_ike(suite, seed, ni, nr, spi_i, spi_r)


def derive_child(
    prf_id: int,
    sk_d: bytes,
    suite: Suite,
    ni: bytes,
    nr: bytes,
    shared: bytes = b"",
    more: bytes = b"",
) -> ChildKeys:
    """KEYMAT = prf+(SK_d, [g^ir |] Ni | Nr): the initiator's first, encryption before integrity.

    RFC 9370 2.2.4: `more` is SK(1) | SK(2) | ... of the exchanges that followed.
    """
    encr, integ = _lengths(suite)
    keymat = prf_plus(prf_id, sk_d, shared + ni + nr + more, 2 * (encr + integ))
    return ChildKeys(suite, *_cut(keymat, encr, integ, encr, integ))


def skeyseed(prf_id: int, shared: bytes, ni: bytes, nr: bytes) -> bytes:
    """SKEYSEED of a first IKE SA (RFC 7296 2.14)."""
    return prf(prf_id, nonce_key(prf_id, ni, nr), shared)


def expand_ike(
    suite: Suite, seed: bytes, ni: bytes, nr: bytes, spi_i: bytes, spi_r: bytes
) -> IkeKeys:
    """{SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} = prf+(SKEYSEED, Ni|Nr|SPIi|SPIr)."""
    prf_id = _prf(suite)
    encr, integ = _lengths(suite)
    own = key_length(prf_id)
    lengths = (own, integ, integ, encr, encr, own, own)
    stream = prf_plus(prf_id, seed, ni + nr + spi_i + spi_r, sum(lengths))
    return IkeKeys(suite, *_cut(stream, *lengths))


def mix_ppk(keys: IkeKeys, ppk: bytes) -> IkeKeys:
    """SK_d, SK_pi and SK_pr with a shared key in them, each prf+(PPK, SK_x) (RFC 8784 3)."""
    prf_id = _prf(keys.suite)
    made = (prf_plus(prf_id, ppk, sk, len(sk)) for sk in (keys.sk_d, keys.sk_pi, keys.sk_pr))
    sk_d, sk_pi, sk_pr = made
    return replace(keys, sk_d=sk_d, sk_pi=sk_pi, sk_pr=sk_pr)


def mix_ppk_early(
    keys: IkeKeys, ppk: bytes, ni: bytes, nr: bytes, spi_i: bytes, spi_r: bytes
) -> IkeKeys:
    """All keys anew, of SKEYSEED = prf+(PPK, SK_d) (RFC 9867 3.1.1)."""
    seed = prf_plus(_prf(keys.suite), ppk, keys.sk_d, len(keys.sk_d))
    return expand_ike(keys.suite, seed, ni, nr, spi_i, spi_r)


def _prf(suite: Suite) -> int:
    if suite.prf is None:
        raise ConfigError(f"no PRF in the suite {suite}, so no keys")
    return suite.prf.id


def _lengths(suite: Suite) -> tuple[int, int]:
    """Octets of an encryption key with its salt, and of an integrity key."""
    encr, integ = suite.encr, suite.integ
    return (
        key_material_length(encr.id, encr.key_bits) if encr else 0,
        macs.key_length(integ.id) if integ and not suite.aead else 0,
    )


def _cut(stream: bytes, *lengths: int) -> list[bytes]:
    pieces, start = [], 0
    for length in lengths:
        pieces.append(stream[start : start + length])
        start += length
    return pieces
