"""The one table of protocol facts: every row of IANA's "IKEv2 Parameters" registries.

This room knows numbers, names, sizes and requirement words, and imports the standard library
only. A number that stands nowhere here is still a legal number: `name()` prints it and nothing
refuses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Self, TypeVar


class Code(IntEnum):
    """One registry row: the number is the value; `iana` is IANA's name, `reference` its source."""

    iana: str
    reference: str

    def __new__(
        cls, value: int, iana: str = "", reference: str = "", facts: Mapping[str, Any] | None = None
    ) -> Self:
        member = int.__new__(cls, value)
        member._value_ = value
        member.iana = iana
        member.reference = reference
        if facts:
            member.__dict__.update(facts)
        return member


C = TypeVar("C", bound=Code)


def lookup(registry: type[C], number: int) -> C | None:
    """The registry's row of this number, None where IANA has none."""
    return registry._value2member_map_.get(number)  # type: ignore[return-value]


def name(registry: type[Code], number: int) -> str:
    """IANA's name of a number, or the number itself as text."""
    row = registry._value2member_map_.get(number)
    return row.iana if row is not None else str(int(number))  # type: ignore[attr-defined]


class Exchange(Code):
    """IKEv2 Exchange Types (header field; RFC 7296 3.1)."""

    IKE_SA_INIT = 34, "IKE_SA_INIT", "RFC 7296"
    IKE_AUTH = 35, "IKE_AUTH", "RFC 7296"
    CREATE_CHILD_SA = 36, "CREATE_CHILD_SA", "RFC 7296"
    INFORMATIONAL = 37, "INFORMATIONAL", "RFC 7296"
    IKE_SESSION_RESUME = 38, "IKE_SESSION_RESUME", "RFC 5723"
    GSA_AUTH = 39, "GSA_AUTH", "RFC 9838"
    GSA_REGISTRATION = 40, "GSA_REGISTRATION", "RFC 9838"
    GSA_REKEY = 41, "GSA_REKEY", "RFC 9838"
    GSA_INBAND_REKEY = 42, "GSA_INBAND_REKEY", "RFC 9838"
    IKE_INTERMEDIATE = 43, "IKE_INTERMEDIATE", "RFC 9242"
    IKE_FOLLOWUP_KE = 44, "IKE_FOLLOWUP_KE", "RFC 9370"


class Payload(Code):
    """IKEv2 Payload Types; members carry the short `notation` of RFC 7296 1.2."""

    notation: str

    NONE = 0, "No Next Payload", "RFC 7296", {"notation": "-"}
    SA = 33, "Security Association", "RFC 7296", {"notation": "SA"}
    KE = 34, "Key Exchange", "RFC 7296", {"notation": "KE"}
    IDI = 35, "Identification - Initiator", "RFC 7296", {"notation": "IDi"}
    IDR = 36, "Identification - Responder", "RFC 7296", {"notation": "IDr"}
    CERT = 37, "Certificate", "RFC 7296", {"notation": "CERT"}
    CERTREQ = 38, "Certificate Request", "RFC 7296", {"notation": "CERTREQ"}
    AUTH = 39, "Authentication", "RFC 7296", {"notation": "AUTH"}
    NONCE = 40, "Nonce", "RFC 7296", {"notation": "Nonce"}
    N = 41, "Notify", "RFC 7296", {"notation": "N"}
    D = 42, "Delete", "RFC 7296", {"notation": "D"}
    V = 43, "Vendor ID", "RFC 7296", {"notation": "V"}
    TSI = 44, "Traffic Selector - Initiator", "RFC 7296", {"notation": "TSi"}
    TSR = 45, "Traffic Selector - Responder", "RFC 7296", {"notation": "TSr"}
    SK = 46, "Encrypted and Authenticated", "RFC 7296", {"notation": "SK"}
    CP = 47, "Configuration", "RFC 7296", {"notation": "CP"}
    EAP = 48, "Extensible Authentication", "RFC 7296", {"notation": "EAP"}
    GSPM = 49, "Generic Secure Password Method", "RFC 6467", {"notation": "GSPM"}
    IDG = 50, "Group Identification", "RFC 9838", {"notation": "IDg"}
    GSA = 51, "Group Security Association", "RFC 9838", {"notation": "GSA"}
    KD = 52, "Key Download", "RFC 9838", {"notation": "KD"}
    SKF = 53, "Encrypted and Authenticated Fragment", "RFC 7383", {"notation": "SKF"}
    PS = 54, "Puzzle Solution", "RFC 8019", {"notation": "PS"}
    NOTIFY = N
    DELETE = D
    VENDOR = V


class TransformType(Code):
    """Transform Type Values (RFC 7296 3.3.2)."""

    ENCR = 1, "Encryption Algorithm (ENCR)", "RFC 7296"
    PRF = 2, "Pseudo-random Function (PRF)", "RFC 7296"
    INTEG = 3, "Integrity Algorithm (INTEG)", "RFC 7296"
    KE = 4, "Key Exchange Method (KE)", "RFC 9370"
    SN = 5, "Sequence Numbers (SN)", "RFC 9827"
    ADDKE1 = 6, "Additional Key Exchange 1 (ADDKE1)", "RFC 9370"
    ADDKE2 = 7, "Additional Key Exchange 2 (ADDKE2)", "RFC 9370"
    ADDKE3 = 8, "Additional Key Exchange 3 (ADDKE3)", "RFC 9370"
    ADDKE4 = 9, "Additional Key Exchange 4 (ADDKE4)", "RFC 9370"
    ADDKE5 = 10, "Additional Key Exchange 5 (ADDKE5)", "RFC 9370"
    ADDKE6 = 11, "Additional Key Exchange 6 (ADDKE6)", "RFC 9370"
    ADDKE7 = 12, "Additional Key Exchange 7 (ADDKE7)", "RFC 9370"
    KWA = 13, "Key Wrap Algorithm (KWA)", "RFC 9838"
    GCAUTH = 14, "Group Controller Authentication Method (GCAUTH)", "RFC 9838"


class Attribute(Code):
    """Transform Attribute Types (RFC 7296 3.3.5), without the AF bit."""

    KEY_LENGTH = 14, "Key Length (in bits)", "RFC 7296"
    SIGNATURE_ALGORITHM_IDENTIFIER = 18, "Signature Algorithm Identifier", "RFC 9838"


class Algorithm(Code):
    """A transform id. `words` maps a daemon to the words its configuration uses.

    `{bits}` stands in a word where the key length stands. `ike_status` and `esp_status` are the
    requirement words of RFC 8247 and RFC 8221; `deprecated` is IANA's status (RFC 9395).
    """

    primitive: str | None
    key_bits: tuple[int, ...]
    default_key_bits: int | None
    words: Mapping[str, tuple[str, ...]]
    ike_status: str | None
    esp_status: str | None
    deprecated: bool


_ALGORITHM: dict[str, Any] = {
    "primitive": None,
    "key_bits": (),
    "default_key_bits": None,
    "words": {},
    "ike_status": None,
    "esp_status": None,
    "deprecated": False,
}


def _algorithm(**facts: Any) -> dict[str, Any]:
    return {**_ALGORITHM, **facts}


_DAEMONS = ("ikelab", "strongswan", "libreswan", "openiked", "ios")


def _words(*columns: str) -> dict[str, tuple[str, ...]]:
    """A row's words: one column a daemon, several words in a column apart by blanks."""
    return {d: tuple(c.split()) for d, c in zip(_DAEMONS, columns, strict=False) if c}


def _cipher(
    primitive: str | None,
    bits: tuple[int, ...],
    *words: str,
    default: int | None = None,
    block: int = 1,
    iv: int = 8,
    salt: int = 0,
    icv: int = 0,
    ike: str | None = None,
    esp: str | None = None,
    deprecated: bool = False,
) -> dict[str, Any]:
    """The facts of an encryption row; `default` is given where a Key Length attribute is sent."""
    return _algorithm(
        primitive=primitive,
        key_bits=bits,
        default_key_bits=default,
        key_attribute=default is not None,
        block=block,
        iv=iv,
        salt=salt,
        icv=icv,
        aead=icv > 0,
        words=_words(*words),
        ike_status=ike,
        esp_status=esp,
        deprecated=deprecated,
    )


_AES = (128, 192, 256)


class Encr(Algorithm):
    """Transform Type 1, Encryption Algorithm. `block`, `iv`, `salt`, `icv` are in octets.

    `key_bits` are the legal key sizes without the salt; `default_key_bits` is the Key Length
    attribute to send by default, None where the attribute must not be sent (RFC 7296 3.3.5).
    """

    key_attribute: bool
    block: int
    iv: int
    salt: int
    icv: int
    aead: bool

    ENCR_DES_IV64 = (
        1, "ENCR_DES_IV64", "RFC 1827",
        _cipher(None, (64,), "desiv64", block=8, esp="MUST NOT", deprecated=True),
    )  # fmt: skip
    ENCR_DES = (
        2, "ENCR_DES", "RFC 2405",
        _cipher("des", (64,), "des", "des", "", "des", "des",
                block=8, ike="MUST NOT", esp="MUST NOT", deprecated=True),
    )  # fmt: skip
    ENCR_3DES = (
        3, "ENCR_3DES", "RFC 2451",
        _cipher("3des", (192,), "3des", "3des", "3des 3des_cbc", "3des", "3des",
                block=8, ike="MAY", esp="SHOULD NOT"),
    )  # fmt: skip
    ENCR_RC5 = (
        4, "ENCR_RC5", "RFC 2451",
        _cipher(None, tuple(range(40, 2041, 8)), "rc5x{bits}",
                block=8, default=128, deprecated=True),
    )  # fmt: skip
    ENCR_IDEA = (
        5, "ENCR_IDEA", "RFC 2451", _cipher("idea", (128,), "idea", block=8, deprecated=True),
    )  # fmt: skip
    ENCR_CAST = (
        6, "ENCR_CAST", "RFC 2451",
        _cipher("cast5", tuple(range(40, 129, 8)), "cast{bits} cast", "cast{bits}", "", "cast",
                block=8, default=128, deprecated=True),
    )  # fmt: skip
    ENCR_BLOWFISH = (
        7, "ENCR_BLOWFISH", "RFC 2451",
        _cipher("blowfish", tuple(range(40, 449, 8)), "blowfish{bits} blowfish",
                "blowfish{bits} blowfish", "", "blowfish",
                block=8, default=128, esp="MUST NOT", deprecated=True),
    )  # fmt: skip
    ENCR_3IDEA = (
        8, "ENCR_3IDEA", "RFC 2451",
        _cipher(None, (384,), "3idea", block=8, esp="MUST NOT", deprecated=True),
    )  # fmt: skip
    ENCR_DES_IV32 = (
        9, "ENCR_DES_IV32", "RFC 7296",
        _cipher(None, (64,), "desiv32", block=8, iv=4, esp="MUST NOT", deprecated=True),
    )  # fmt: skip
    ENCR_NULL = (
        11, "ENCR_NULL", "RFC 2410",
        _cipher("null", (0,), "null", "null", "null", "null", "null", iv=0, esp="MUST"),
    )  # fmt: skip
    ENCR_AES_CBC = (
        12, "ENCR_AES_CBC", "RFC 3602",
        _cipher("aes-cbc", _AES, "aes{bits} aes", "aes{bits} aes", "aes{bits} aes_cbc{bits} aes",
                "aes-{bits}", "aes-cbc-{bits}",
                default=128, block=16, iv=16, ike="MUST", esp="MUST"),
    )  # fmt: skip
    ENCR_AES_CTR = (
        13, "ENCR_AES_CTR", "RFC 3686",
        _cipher("aes-ctr", _AES, "aes{bits}ctr aesctr", "aes{bits}ctr", "aes_ctr{bits}",
                "aes-{bits}-ctr", default=128, salt=4),
    )  # fmt: skip
    ENCR_AES_CCM_8 = (
        14, "ENCR_AES_CCM_8", "RFC 4309",
        _cipher("aes-ccm", _AES, "aes{bits}ccm8 aes{bits}ccm64", "aes{bits}ccm8 aes{bits}ccm64",
                "aes_ccm_a{bits} aes_ccm_8_{bits}",
                default=128, salt=3, icv=8, ike="SHOULD", esp="SHOULD"),
    )  # fmt: skip
    ENCR_AES_CCM_12 = (
        15, "ENCR_AES_CCM_12", "RFC 4309",
        _cipher("aes-ccm", _AES, "aes{bits}ccm12 aes{bits}ccm96", "aes{bits}ccm12 aes{bits}ccm96",
                "aes_ccm_b{bits} aes_ccm_12_{bits}", default=128, salt=3, icv=12),
    )  # fmt: skip
    ENCR_AES_CCM_16 = (
        16, "ENCR_AES_CCM_16", "RFC 4309",
        _cipher("aes-ccm", _AES, "aes{bits}ccm16 aes{bits}ccm128 aes{bits}ccm",
                "aes{bits}ccm16 aes{bits}ccm128 aes{bits}ccm",
                "aes_ccm{bits} aes_ccm_c{bits} aes_ccm_16_{bits}", default=128, salt=3, icv=16),
    )  # fmt: skip
    ENCR_AES_GCM_8 = (
        18, "ENCR_AES_GCM_8", "RFC 4106",
        _cipher("aes-gcm", _AES, "aes{bits}gcm8 aes{bits}gcm64", "aes{bits}gcm8 aes{bits}gcm64",
                "aes_gcm_a{bits} aes_gcm_8_{bits}", default=128, salt=4, icv=8),
    )  # fmt: skip
    ENCR_AES_GCM_12 = (
        19, "ENCR_AES_GCM_12", "RFC 4106",
        _cipher("aes-gcm", _AES, "aes{bits}gcm12 aes{bits}gcm96", "aes{bits}gcm12 aes{bits}gcm96",
                "aes_gcm_b{bits} aes_gcm_12_{bits}", "aes-{bits}-gcm-12",
                default=128, salt=4, icv=12),
    )  # fmt: skip
    ENCR_AES_GCM_16 = (
        20, "ENCR_AES_GCM_16", "RFC 4106",
        _cipher("aes-gcm", _AES, "aes{bits}gcm16 aes{bits}gcm128 aes{bits}gcm",
                "aes{bits}gcm16 aes{bits}gcm128 aes{bits}gcm",
                "aes_gcm{bits} aes_gcm_c{bits} aes_gcm_16_{bits}", "aes-{bits}-gcm",
                "aes-gcm-{bits}", default=128, salt=4, icv=16, ike="SHOULD", esp="MUST"),
    )  # fmt: skip
    ENCR_NULL_AUTH_AES_GMAC = (
        21, "ENCR_NULL_AUTH_AES_GMAC", "RFC 4543",
        _cipher("aes-gmac", _AES, "aes{bits}gmac", "aes{bits}gmac", "null_auth_aes_gmac{bits}",
                "aes-{bits}-gmac", "", default=128, salt=4, icv=16, esp="MAY"),
    )  # fmt: skip
    RESERVED_FOR_IEEE_P1619_XTS_AES = (
        22, "Reserved for IEEE P1619 XTS-AES", "Matt Ball", _cipher(None, (), iv=0),
    )  # fmt: skip
    ENCR_CAMELLIA_CBC = (
        23, "ENCR_CAMELLIA_CBC", "RFC 5529",
        _cipher("camellia-cbc", _AES, "camellia{bits} camellia", "camellia{bits} camellia",
                "camellia{bits} camellia_cbc{bits}", default=128, block=16, iv=16),
    )  # fmt: skip
    ENCR_CAMELLIA_CTR = (
        24, "ENCR_CAMELLIA_CTR", "RFC 5529",
        _cipher("camellia-ctr", _AES, "camellia{bits}ctr", "camellia{bits}ctr",
                default=128, salt=4),
    )  # fmt: skip
    ENCR_CAMELLIA_CCM_8 = (
        25, "ENCR_CAMELLIA_CCM_8", "RFC 5529",
        _cipher("camellia-ccm", _AES, "camellia{bits}ccm8 camellia{bits}ccm64",
                "camellia{bits}ccm8 camellia{bits}ccm64", default=128, salt=3, icv=8),
    )  # fmt: skip
    ENCR_CAMELLIA_CCM_12 = (
        26, "ENCR_CAMELLIA_CCM_12", "RFC 5529",
        _cipher("camellia-ccm", _AES, "camellia{bits}ccm12 camellia{bits}ccm96",
                "camellia{bits}ccm12 camellia{bits}ccm96", default=128, salt=3, icv=12),
    )  # fmt: skip
    ENCR_CAMELLIA_CCM_16 = (
        27, "ENCR_CAMELLIA_CCM_16", "RFC 5529",
        _cipher("camellia-ccm", _AES, "camellia{bits}ccm16 camellia{bits}ccm128 camellia{bits}ccm",
                "camellia{bits}ccm16 camellia{bits}ccm128 camellia{bits}ccm",
                default=128, salt=3, icv=16),
    )  # fmt: skip
    ENCR_CHACHA20_POLY1305 = (
        28, "ENCR_CHACHA20_POLY1305", "RFC 7634",
        _cipher("chacha20-poly1305", (256,), "chacha20poly1305", "chacha20poly1305",
                "chacha20_poly1305", "chacha20-poly1305",
                salt=4, icv=16, ike="SHOULD", esp="SHOULD"),
    )  # fmt: skip
    ENCR_AES_CCM_8_IIV = (
        29, "ENCR_AES_CCM_8_IIV", "RFC 8750",
        _cipher("aes-ccm", _AES, "aes{bits}ccm8iiv", default=128, iv=0, salt=3, icv=8),
    )  # fmt: skip
    ENCR_AES_GCM_16_IIV = (
        30, "ENCR_AES_GCM_16_IIV", "RFC 8750",
        _cipher("aes-gcm", _AES, "aes{bits}gcm16iiv", default=128, iv=0, salt=4, icv=16),
    )  # fmt: skip
    ENCR_CHACHA20_POLY1305_IIV = (
        31, "ENCR_CHACHA20_POLY1305_IIV", "RFC 8750",
        _cipher("chacha20-poly1305", (256,), "chacha20poly1305iiv", iv=0, salt=4, icv=16),
    )  # fmt: skip
    ENCR_KUZNYECHIK_MGM_KTREE = (
        32, "ENCR_KUZNYECHIK_MGM_KTREE", "RFC 9227",
        _cipher(None, (256,), "kuznyechikmgm", salt=12, icv=12),
    )  # fmt: skip
    ENCR_MAGMA_MGM_KTREE = (
        33, "ENCR_MAGMA_MGM_KTREE", "RFC 9227", _cipher(None, (256,), "magmamgm", salt=4, icv=8),
    )  # fmt: skip
    ENCR_KUZNYECHIK_MGM_MAC_KTREE = (
        34, "ENCR_KUZNYECHIK_MGM_MAC_KTREE", "RFC 9227",
        _cipher(None, (256,), "kuznyechikmgmmac", salt=12, icv=12),
    )  # fmt: skip
    ENCR_MAGMA_MGM_MAC_KTREE = (
        35, "ENCR_MAGMA_MGM_MAC_KTREE", "RFC 9227",
        _cipher(None, (256,), "magmamgmmac", salt=4, icv=8),
    )  # fmt: skip


def _prf(
    primitive: str | None,
    octets: int,
    *words: str,
    fixed: bool = False,
    ike: str | None = None,
    deprecated: bool = False,
) -> dict[str, Any]:
    return _algorithm(
        primitive=primitive,
        output=octets,
        key=octets,
        fixed_key=fixed,
        words=_words(*words),
        ike_status=ike,
        deprecated=deprecated,
    )


class Prf(Algorithm):
    """Transform Type 2, Pseudorandom Function; `output` and preferred `key` in octets.

    `fixed_key` marks those that take a key of one length only; RFC 7296 2.14 then wants 8 octets
    of each nonce.
    """

    output: int
    key: int
    fixed_key: bool

    PRF_HMAC_MD5 = (
        1, "PRF_HMAC_MD5", "RFC 2104",
        _prf("hmac-md5", 16, "prfmd5", "prfmd5", "md5 hmac_md5", "hmac-md5", "md5",
             ike="MUST NOT", deprecated=True),
    )  # fmt: skip
    PRF_HMAC_SHA1 = (
        2, "PRF_HMAC_SHA1", "RFC 2104",
        _prf("hmac-sha1", 20, "prfsha1", "prfsha1", "sha1 hmac_sha1", "hmac-sha1", "sha1",
             ike="MUST-"),
    )  # fmt: skip
    PRF_HMAC_TIGER = (
        3, "PRF_HMAC_TIGER", "RFC 2104", _prf(None, 24, "prftiger", deprecated=True),
    )  # fmt: skip
    PRF_AES128_XCBC = (
        4, "PRF_AES128_XCBC", "RFC 4434",
        _prf("aes-xcbc", 16, "prfaesxcbc", "prfaesxcbc", "aes_xcbc", fixed=True, ike="SHOULD"),
    )  # fmt: skip
    PRF_HMAC_SHA2_256 = (
        5, "PRF_HMAC_SHA2_256", "RFC 4868",
        _prf("hmac-sha256", 32, "prfsha256 prfsha2_256", "prfsha256", "sha2_256 sha2 sha256",
             "hmac-sha2-256", "sha256", ike="MUST"),
    )  # fmt: skip
    PRF_HMAC_SHA2_384 = (
        6, "PRF_HMAC_SHA2_384", "RFC 4868",
        _prf("hmac-sha384", 48, "prfsha384 prfsha2_384", "prfsha384", "sha2_384 sha384",
             "hmac-sha2-384", "sha384"),
    )  # fmt: skip
    PRF_HMAC_SHA2_512 = (
        7, "PRF_HMAC_SHA2_512", "RFC 4868",
        _prf("hmac-sha512", 64, "prfsha512 prfsha2_512", "prfsha512", "sha2_512 sha512",
             "hmac-sha2-512", "sha512", ike="SHOULD+"),
    )  # fmt: skip
    PRF_AES128_CMAC = (
        8, "PRF_AES128_CMAC", "RFC 4615",
        _prf("aes-cmac", 16, "prfaescmac", "prfaescmac", fixed=True),
    )  # fmt: skip
    PRF_HMAC_STREEBOG_512 = (
        9, "PRF_HMAC_STREEBOG_512", "RFC 9385", _prf(None, 64, "prfstreebog512"),
    )  # fmt: skip


def _integ(
    primitive: str | None,
    key: int,
    icv: int,
    *words: str,
    ike: str | None = None,
    esp: str | None = None,
    deprecated: bool = False,
) -> dict[str, Any]:
    return _algorithm(
        primitive=primitive,
        key=key,
        icv=icv,
        words=_words(*words),
        ike_status=ike,
        esp_status=esp,
        deprecated=deprecated,
    )


class Integ(Algorithm):
    """Transform Type 3, Integrity Algorithm; `key` and `icv` in octets."""

    key: int
    icv: int

    NONE = (0, "NONE", "RFC 7296",
            _integ(None, 0, 0, "nointeg", "", "none", esp="MUST"))  # fmt: skip
    AUTH_HMAC_MD5_96 = (
        1, "AUTH_HMAC_MD5_96", "RFC 2403",
        _integ("hmac-md5", 16, 12, "md5", "md5", "md5 hmac_md5", "hmac-md5", "md5",
               ike="MUST NOT", esp="MUST NOT", deprecated=True),
    )  # fmt: skip
    AUTH_HMAC_SHA1_96 = (
        2, "AUTH_HMAC_SHA1_96", "RFC 2404",
        _integ("hmac-sha1", 20, 12, "sha1 sha", "sha1 sha", "sha1 sha hmac_sha1", "hmac-sha1",
               "sha1", ike="MUST-", esp="MUST-"),
    )  # fmt: skip
    AUTH_DES_MAC = (
        3, "AUTH_DES_MAC", "RFC 7296",
        _integ(None, 8, 8, "desmac", ike="MUST NOT", esp="MUST NOT", deprecated=True),
    )  # fmt: skip
    AUTH_KPDK_MD5 = (
        4, "AUTH_KPDK_MD5", "RFC 1826",
        _integ(None, 16, 16, "kpdkmd5", ike="MUST NOT", esp="MUST NOT", deprecated=True),
    )  # fmt: skip
    AUTH_AES_XCBC_96 = (
        5, "AUTH_AES_XCBC_96", "RFC 3566",
        _integ("aes-xcbc", 16, 12, "aesxcbc", "aesxcbc", "aes_xcbc", ike="SHOULD", esp="SHOULD"),
    )  # fmt: skip
    AUTH_HMAC_MD5_128 = (
        6, "AUTH_HMAC_MD5_128", "RFC 4595", _integ("hmac-md5", 16, 16, "md5_128", "md5_128"),
    )  # fmt: skip
    AUTH_HMAC_SHA1_160 = (
        7, "AUTH_HMAC_SHA1_160", "RFC 4595",
        _integ("hmac-sha1", 20, 20, "sha1_160", "sha1_160"),
    )  # fmt: skip
    AUTH_AES_CMAC_96 = (
        8, "AUTH_AES_CMAC_96", "RFC 4494",
        _integ("aes-cmac", 16, 12, "aescmac", "aescmac", "aes_cmac"),
    )  # fmt: skip
    AUTH_AES_128_GMAC = (
        9, "AUTH_AES_128_GMAC", "RFC 4543",
        _integ("aes-gmac", 16, 16, "ahaes128gmac", esp="MAY"),
    )  # fmt: skip
    AUTH_AES_192_GMAC = (
        10, "AUTH_AES_192_GMAC", "RFC 4543",
        _integ("aes-gmac", 24, 16, "ahaes192gmac", esp="MAY"),
    )  # fmt: skip
    AUTH_AES_256_GMAC = (
        11, "AUTH_AES_256_GMAC", "RFC 4543",
        _integ("aes-gmac", 32, 16, "ahaes256gmac", esp="MAY"),
    )  # fmt: skip
    AUTH_HMAC_SHA2_256_128 = (
        12, "AUTH_HMAC_SHA2_256_128", "RFC 4868",
        _integ("hmac-sha256", 32, 16, "sha256 sha2_256", "sha256 sha2_256",
               "sha2_256 sha2 sha256", "hmac-sha2-256", "sha256", ike="MUST", esp="MUST"),
    )  # fmt: skip
    AUTH_HMAC_SHA2_384_192 = (
        13, "AUTH_HMAC_SHA2_384_192", "RFC 4868",
        _integ("hmac-sha384", 48, 24, "sha384 sha2_384", "sha384 sha2_384", "sha2_384 sha384",
               "hmac-sha2-384", "sha384"),
    )  # fmt: skip
    AUTH_HMAC_SHA2_512_256 = (
        14, "AUTH_HMAC_SHA2_512_256", "RFC 4868",
        _integ("hmac-sha512", 64, 32, "sha512 sha2_512", "sha512 sha2_512", "sha2_512 sha512",
               "hmac-sha2-512", "sha512", ike="SHOULD", esp="SHOULD"),
    )  # fmt: skip


def _ke(
    primitive: str | None,
    bits: int,
    public: int,
    *words: str,
    ciphertext: int | None = None,
    ike: str | None = None,
    deprecated: bool = False,
) -> dict[str, Any]:
    return _algorithm(
        primitive=primitive,
        bits=bits,
        public=public,
        ciphertext=ciphertext,
        words=_words(*words),
        ike_status=ike,
        deprecated=deprecated,
    )


class Ke(Algorithm):
    """Transform Types 4 and 6 to 12, Key Exchange Method.

    `public` is the length in octets of what the initiator sends; where the responder's answer has
    another length (ML-KEM), `ciphertext` is that.
    """

    bits: int
    public: int
    ciphertext: int | None

    NONE = 0, "NONE", "RFC 7296", _ke(None, 0, 0, "modpnone", "modpnone", "none", "none")
    MODP_768 = (
        1, "768-bit MODP Group", "RFC 7296",
        _ke("modp", 768, 96, "modp768", "modp768", "", "modp768", "1",
            ike="MUST NOT", deprecated=True),
    )  # fmt: skip
    MODP_1024 = (
        2, "1024-bit MODP Group", "RFC 7296",
        _ke("modp", 1024, 128, "modp1024", "modp1024", "modp1024 dh2", "modp1024", "2",
            ike="SHOULD NOT"),
    )  # fmt: skip
    MODP_1536 = (
        5, "1536-bit MODP Group", "RFC 3526",
        _ke("modp", 1536, 192, "modp1536", "modp1536", "modp1536 dh5", "modp1536", "5",
            ike="SHOULD NOT"),
    )  # fmt: skip
    MODP_2048 = (
        14, "2048-bit MODP Group", "RFC 3526",
        _ke("modp", 2048, 256, "modp2048", "modp2048", "modp2048 dh14", "modp2048", "14",
            ike="MUST"),
    )  # fmt: skip
    MODP_3072 = (
        15, "3072-bit MODP Group", "RFC 3526",
        _ke("modp", 3072, 384, "modp3072", "modp3072", "modp3072 dh15", "modp3072", "15"),
    )  # fmt: skip
    MODP_4096 = (
        16, "4096-bit MODP Group", "RFC 3526",
        _ke("modp", 4096, 512, "modp4096", "modp4096", "modp4096 dh16", "modp4096", "16"),
    )  # fmt: skip
    MODP_6144 = (
        17, "6144-bit MODP Group", "RFC 3526",
        _ke("modp", 6144, 768, "modp6144", "modp6144", "modp6144 dh17", "modp6144"),
    )  # fmt: skip
    MODP_8192 = (
        18, "8192-bit MODP Group", "RFC 3526",
        _ke("modp", 8192, 1024, "modp8192", "modp8192", "modp8192 dh18", "modp8192"),
    )  # fmt: skip
    ECP_256 = (
        19, "256-bit random ECP group", "RFC 5903",
        _ke("ecp", 256, 64, "ecp256", "ecp256", "dh19 ecp_256", "ecp256", "19", ike="SHOULD"),
    )  # fmt: skip
    ECP_384 = (
        20, "384-bit random ECP group", "RFC 5903",
        _ke("ecp", 384, 96, "ecp384", "ecp384", "dh20 ecp_384", "ecp384", "20"),
    )  # fmt: skip
    ECP_521 = (
        21, "521-bit random ECP group", "RFC 5903",
        _ke("ecp", 521, 132, "ecp521", "ecp521", "dh21 ecp_521", "ecp521", "21"),
    )  # fmt: skip
    MODP_1024_160 = (
        22, "1024-bit MODP Group with 160-bit Prime Order Subgroup", "RFC 5114",
        _ke("modp", 1024, 128, "modp1024s160", "modp1024s160", "dh22",
            ike="MUST NOT", deprecated=True),
    )  # fmt: skip
    MODP_2048_224 = (
        23, "2048-bit MODP Group with 224-bit Prime Order Subgroup", "RFC 5114",
        _ke("modp", 2048, 256, "modp2048s224", "modp2048s224", "dh23", ike="SHOULD NOT"),
    )  # fmt: skip
    MODP_2048_256 = (
        24, "2048-bit MODP Group with 256-bit Prime Order Subgroup", "RFC 5114",
        _ke("modp", 2048, 256, "modp2048s256", "modp2048s256", "dh24", "", "24",
            ike="SHOULD NOT"),
    )  # fmt: skip
    ECP_192 = (
        25, "192-bit Random ECP Group", "RFC 5114",
        _ke("ecp", 192, 48, "ecp192", "ecp192", "", "ecp192"),
    )  # fmt: skip
    ECP_224 = (
        26, "224-bit Random ECP Group", "RFC 5114",
        _ke("ecp", 224, 56, "ecp224", "ecp224", "", "ecp224"),
    )  # fmt: skip
    BRAINPOOL_P224R1 = (
        27, "brainpoolP224r1", "RFC 6954",
        _ke("brainpool", 224, 56, "ecp224bp", "ecp224bp", "", "brainpool224"),
    )  # fmt: skip
    BRAINPOOL_P256R1 = (
        28, "brainpoolP256r1", "RFC 6954",
        _ke("brainpool", 256, 64, "ecp256bp", "ecp256bp", "", "brainpool256"),
    )  # fmt: skip
    BRAINPOOL_P384R1 = (
        29, "brainpoolP384r1", "RFC 6954",
        _ke("brainpool", 384, 96, "ecp384bp", "ecp384bp", "", "brainpool384"),
    )  # fmt: skip
    BRAINPOOL_P512R1 = (
        30, "brainpoolP512r1", "RFC 6954",
        _ke("brainpool", 512, 128, "ecp512bp", "ecp512bp", "", "brainpool512"),
    )  # fmt: skip
    CURVE25519 = (
        31, "Curve25519", "RFC 8031",
        _ke("curve25519", 256, 32, "x25519 curve25519", "curve25519 x25519",
            "dh31 curve25519", "curve25519"),
    )  # fmt: skip
    CURVE448 = (
        32, "Curve448", "RFC 8031",
        _ke("curve448", 448, 56, "x448 curve448", "curve448 x448"),
    )  # fmt: skip
    GOST3410_2012_256 = 33, "GOST3410_2012_256", "RFC 9385", _ke(None, 256, 64, "gost256")
    GOST3410_2012_512 = 34, "GOST3410_2012_512", "RFC 9385", _ke(None, 512, 128, "gost512")
    ML_KEM_512 = (
        35, "ml-kem-512", "draft-ietf-ipsecme-ikev2-mlkem",
        _ke("ml-kem", 512, 800, "mlkem512", "mlkem512", ciphertext=768),
    )  # fmt: skip
    ML_KEM_768 = (
        36, "ml-kem-768", "draft-ietf-ipsecme-ikev2-mlkem",
        _ke("ml-kem", 768, 1184, "mlkem768", "mlkem768", "ml_kem_768", ciphertext=1088),
    )  # fmt: skip
    ML_KEM_1024 = (
        37, "ml-kem-1024", "draft-ietf-ipsecme-ikev2-mlkem",
        _ke("ml-kem", 1024, 1568, "mlkem1024", "mlkem1024", ciphertext=1568),
    )  # fmt: skip


class Sn(Algorithm):
    """Transform Type 5, Sequence Numbers (Extended Sequence Numbers before RFC 9827)."""

    NO_ESN = (
        0, "32-bit Sequential Numbers", "RFC 9827",
        _algorithm(words=_words("noesn", "noesn", "", "noesn")),
    )  # fmt: skip
    ESN = (
        1, "Partially Transmitted 64-bit Sequential Numbers", "RFC 9827",
        _algorithm(words=_words("esn", "esn", "", "esn")),
    )  # fmt: skip
    UNSPECIFIED_NUMBERS_32_BIT = (
        2, "32-bit Unspecified Numbers", "RFC 9827", _algorithm(words=_words("unspecifiedsn")),
    )  # fmt: skip


class Kwa(Algorithm):
    """Transform Type 13, Key Wrap Algorithm."""

    KW_5649_128 = 1, "KW_5649_128", "RFC 9838", _algorithm(primitive="aes-kwp", key_bits=(128,))
    KW_5649_192 = 2, "KW_5649_192", "RFC 9838", _algorithm(primitive="aes-kwp", key_bits=(192,))
    KW_5649_256 = 3, "KW_5649_256", "RFC 9838", _algorithm(primitive="aes-kwp", key_bits=(256,))
    KW_ARX = 4, "KW_ARX", "RFC 9838", _algorithm(primitive="arx-kw", key_bits=(256,))


class GcAuth(Algorithm):
    """Transform Type 14, Group Controller Authentication Method."""

    IMPLICIT = 1, "Implicit", "RFC 9838", _algorithm()
    DIGITAL_SIGNATURE = 2, "Digital Signature", "RFC 9838", _algorithm()


TRANSFORMS: dict[int, type[Algorithm]] = {
    TransformType.ENCR: Encr,
    TransformType.PRF: Prf,
    TransformType.INTEG: Integ,
    TransformType.KE: Ke,
    TransformType.SN: Sn,
    **dict.fromkeys(range(TransformType.ADDKE1, TransformType.ADDKE7 + 1), Ke),
    TransformType.KWA: Kwa,
    TransformType.GCAUTH: GcAuth,
}
"""Transform type -> the registry of its ids."""


class IdType(Code):
    """Identification Payload ID Types (RFC 7296 3.5)."""

    ID_IPV4_ADDR = 1, "ID_IPV4_ADDR", "RFC 7296"
    ID_FQDN = 2, "ID_FQDN", "RFC 7296"
    ID_RFC822_ADDR = 3, "ID_RFC822_ADDR", "RFC 7296"
    ID_IPV6_ADDR = 5, "ID_IPV6_ADDR", "RFC 7296"
    ID_DER_ASN1_DN = 9, "ID_DER_ASN1_DN", "RFC 7296"
    ID_DER_ASN1_GN = 10, "ID_DER_ASN1_GN", "RFC 7296"
    ID_KEY_ID = 11, "ID_KEY_ID", "RFC 7296"
    ID_FC_NAME = 12, "ID_FC_NAME", "RFC 4595"
    ID_NULL = 13, "ID_NULL", "RFC 7619"


class CertEncoding(Code):
    """Certificate Encodings (RFC 7296 3.6)."""

    PKCS_7_WRAPPED_X_509_CERTIFICATE = 1, "PKCS #7 wrapped X.509 certificate", "RFC 7296"
    PGP_CERTIFICATE = 2, "PGP Certificate", "RFC 7296"
    DNS_SIGNED_KEY = 3, "DNS Signed Key", "RFC 7296"
    X_509_CERTIFICATE_SIGNATURE = 4, "X.509 Certificate - Signature", "RFC 7296"
    KERBEROS_TOKEN = 6, "Kerberos Token", "RFC 7296"
    CERTIFICATE_REVOCATION_LIST_CRL = 7, "Certificate Revocation List (CRL)", "RFC 7296"
    AUTHORITY_REVOCATION_LIST_ARL = 8, "Authority Revocation List (ARL)", "RFC 7296"
    SPKI_CERTIFICATE = 9, "SPKI Certificate", "RFC 7296"
    X_509_CERTIFICATE_ATTRIBUTE = 10, "X.509 Certificate - Attribute", "RFC 7296"
    RAW_RSA_KEY = 11, "Raw RSA Key (DEPRECATED)", "RFC 7296"
    HASH_AND_URL_OF_X_509_CERTIFICATE = 12, "Hash and URL of X.509 certificate", "RFC 7296"
    HASH_AND_URL_OF_X_509_BUNDLE = 13, "Hash and URL of X.509 bundle", "RFC 7296"
    OCSP_CONTENT = 14, "OCSP Content", "RFC 4806"
    RAW_PUBLIC_KEY = 15, "Raw Public Key", "RFC 7670"


class AuthMethod(Code):
    """IKEv2 Authentication Method (RFC 7296 3.8)."""

    RSA_DIGITAL_SIGNATURE = 1, "RSA Digital Signature", "RFC 7296"
    SHARED_KEY_MESSAGE_INTEGRITY_CODE = 2, "Shared Key Message Integrity Code", "RFC 7296"
    DSS_DIGITAL_SIGNATURE = 3, "DSS Digital Signature", "RFC 7296"
    ECDSA_WITH_SHA_256_ON_THE_P_256_CURVE = (
        9, "ECDSA with SHA-256 on the P-256 curve", "RFC 4754",
    )  # fmt: skip
    ECDSA_WITH_SHA_384_ON_THE_P_384_CURVE = (
        10, "ECDSA with SHA-384 on the P-384 curve", "RFC 4754",
    )  # fmt: skip
    ECDSA_WITH_SHA_512_ON_THE_P_521_CURVE = (
        11, "ECDSA with SHA-512 on the P-521 curve", "RFC 4754",
    )  # fmt: skip
    GENERIC_SECURE_PASSWORD_AUTHENTICATION_METHOD = (
        12, "Generic Secure Password Authentication Method", "RFC 6467",
    )  # fmt: skip
    NULL_AUTHENTICATION = 13, "NULL Authentication", "RFC 7619"
    DIGITAL_SIGNATURE = 14, "Digital Signature", "RFC 7427"
    PSK = SHARED_KEY_MESSAGE_INTEGRITY_CODE


class Notify(Code):
    """IKEv2 Notify Message Error Types (below 16384) and Status Types."""

    @property
    def is_error(self) -> bool:
        """Whether the type is in the error range (RFC 7296 3.10.1)."""
        return self < 16384

    UNSUPPORTED_CRITICAL_PAYLOAD = 1, "UNSUPPORTED_CRITICAL_PAYLOAD", "RFC 7296"
    INVALID_IKE_SPI = 4, "INVALID_IKE_SPI", "RFC 7296"
    INVALID_MAJOR_VERSION = 5, "INVALID_MAJOR_VERSION", "RFC 7296"
    INVALID_SYNTAX = 7, "INVALID_SYNTAX", "RFC 7296"
    INVALID_MESSAGE_ID = 9, "INVALID_MESSAGE_ID", "RFC 7296"
    INVALID_SPI = 11, "INVALID_SPI", "RFC 7296"
    NO_PROPOSAL_CHOSEN = 14, "NO_PROPOSAL_CHOSEN", "RFC 7296"
    INVALID_KE_PAYLOAD = 17, "INVALID_KE_PAYLOAD", "RFC 7296"
    AUTHENTICATION_FAILED = 24, "AUTHENTICATION_FAILED", "RFC 7296"
    SINGLE_PAIR_REQUIRED = 34, "SINGLE_PAIR_REQUIRED", "RFC 7296"
    NO_ADDITIONAL_SAS = 35, "NO_ADDITIONAL_SAS", "RFC 7296"
    INTERNAL_ADDRESS_FAILURE = 36, "INTERNAL_ADDRESS_FAILURE", "RFC 7296"
    FAILED_CP_REQUIRED = 37, "FAILED_CP_REQUIRED", "RFC 7296"
    TS_UNACCEPTABLE = 38, "TS_UNACCEPTABLE", "RFC 7296"
    INVALID_SELECTORS = 39, "INVALID_SELECTORS", "RFC 7296"
    UNACCEPTABLE_ADDRESSES = 40, "UNACCEPTABLE_ADDRESSES", "RFC 4555"
    UNEXPECTED_NAT_DETECTED = 41, "UNEXPECTED_NAT_DETECTED", "RFC 4555"
    USE_ASSIGNED_HOA = 42, "USE_ASSIGNED_HoA", "RFC 5026"
    TEMPORARY_FAILURE = 43, "TEMPORARY_FAILURE", "RFC 7296"
    CHILD_SA_NOT_FOUND = 44, "CHILD_SA_NOT_FOUND", "RFC 7296"
    INVALID_GROUP_ID = 45, "INVALID_GROUP_ID", "RFC 9838"
    AUTHORIZATION_FAILED = 46, "AUTHORIZATION_FAILED", "RFC 9838"
    STATE_NOT_FOUND = 47, "STATE_NOT_FOUND", "RFC 9370"
    TS_MAX_QUEUE = 48, "TS_MAX_QUEUE", "RFC 9611"
    REGISTRATION_FAILED = 49, "REGISTRATION_FAILED", "RFC 9838"

    INITIAL_CONTACT = 16384, "INITIAL_CONTACT", "RFC 7296"
    SET_WINDOW_SIZE = 16385, "SET_WINDOW_SIZE", "RFC 7296"
    ADDITIONAL_TS_POSSIBLE = 16386, "ADDITIONAL_TS_POSSIBLE", "RFC 7296"
    IPCOMP_SUPPORTED = 16387, "IPCOMP_SUPPORTED", "RFC 7296"
    NAT_DETECTION_SOURCE_IP = 16388, "NAT_DETECTION_SOURCE_IP", "RFC 7296"
    NAT_DETECTION_DESTINATION_IP = 16389, "NAT_DETECTION_DESTINATION_IP", "RFC 7296"
    COOKIE = 16390, "COOKIE", "RFC 7296"
    USE_TRANSPORT_MODE = 16391, "USE_TRANSPORT_MODE", "RFC 7296"
    HTTP_CERT_LOOKUP_SUPPORTED = 16392, "HTTP_CERT_LOOKUP_SUPPORTED", "RFC 7296"
    REKEY_SA = 16393, "REKEY_SA", "RFC 7296"
    ESP_TFC_PADDING_NOT_SUPPORTED = 16394, "ESP_TFC_PADDING_NOT_SUPPORTED", "RFC 7296"
    NON_FIRST_FRAGMENTS_ALSO = 16395, "NON_FIRST_FRAGMENTS_ALSO", "RFC 7296"
    MOBIKE_SUPPORTED = 16396, "MOBIKE_SUPPORTED", "RFC 4555"
    ADDITIONAL_IP4_ADDRESS = 16397, "ADDITIONAL_IP4_ADDRESS", "RFC 4555"
    ADDITIONAL_IP6_ADDRESS = 16398, "ADDITIONAL_IP6_ADDRESS", "RFC 4555"
    NO_ADDITIONAL_ADDRESSES = 16399, "NO_ADDITIONAL_ADDRESSES", "RFC 4555"
    UPDATE_SA_ADDRESSES = 16400, "UPDATE_SA_ADDRESSES", "RFC 4555"
    COOKIE2 = 16401, "COOKIE2", "RFC 4555"
    NO_NATS_ALLOWED = 16402, "NO_NATS_ALLOWED", "RFC 4555"
    AUTH_LIFETIME = 16403, "AUTH_LIFETIME", "RFC 4478"
    MULTIPLE_AUTH_SUPPORTED = 16404, "MULTIPLE_AUTH_SUPPORTED", "RFC 4739"
    ANOTHER_AUTH_FOLLOWS = 16405, "ANOTHER_AUTH_FOLLOWS", "RFC 4739"
    REDIRECT_SUPPORTED = 16406, "REDIRECT_SUPPORTED", "RFC 5685"
    REDIRECT = 16407, "REDIRECT", "RFC 5685"
    REDIRECTED_FROM = 16408, "REDIRECTED_FROM", "RFC 5685"
    TICKET_LT_OPAQUE = 16409, "TICKET_LT_OPAQUE", "RFC 5723"
    TICKET_REQUEST = 16410, "TICKET_REQUEST", "RFC 5723"
    TICKET_ACK = 16411, "TICKET_ACK", "RFC 5723"
    TICKET_NACK = 16412, "TICKET_NACK", "RFC 5723"
    TICKET_OPAQUE = 16413, "TICKET_OPAQUE", "RFC 5723"
    LINK_ID = 16414, "LINK_ID", "RFC 5739"
    USE_WESP_MODE = 16415, "USE_WESP_MODE", "RFC 5840"
    ROHC_SUPPORTED = 16416, "ROHC_SUPPORTED", "RFC 5857"
    EAP_ONLY_AUTHENTICATION = 16417, "EAP_ONLY_AUTHENTICATION", "RFC 5998"
    CHILDLESS_IKEV2_SUPPORTED = 16418, "CHILDLESS_IKEV2_SUPPORTED", "RFC 6023"
    QUICK_CRASH_DETECTION = 16419, "QUICK_CRASH_DETECTION", "RFC 6290"
    IKEV2_MESSAGE_ID_SYNC_SUPPORTED = 16420, "IKEV2_MESSAGE_ID_SYNC_SUPPORTED", "RFC 6311"
    IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED = (
        16421, "IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED", "RFC 6311",
    )  # fmt: skip
    IKEV2_MESSAGE_ID_SYNC = 16422, "IKEV2_MESSAGE_ID_SYNC", "RFC 6311"
    IPSEC_REPLAY_COUNTER_SYNC = 16423, "IPSEC_REPLAY_COUNTER_SYNC", "RFC 6311"
    SECURE_PASSWORD_METHODS = 16424, "SECURE_PASSWORD_METHODS", "RFC 6467"
    PSK_PERSIST = 16425, "PSK_PERSIST", "RFC 6631"
    PSK_CONFIRM = 16426, "PSK_CONFIRM", "RFC 6631"
    ERX_SUPPORTED = 16427, "ERX_SUPPORTED", "RFC 6867"
    IFOM_CAPABILITY = 16428, "IFOM_CAPABILITY", "3GPP TS 24.303"
    GROUP_SENDER = 16429, "GROUP_SENDER", "RFC 9838"
    IKEV2_FRAGMENTATION_SUPPORTED = 16430, "IKEV2_FRAGMENTATION_SUPPORTED", "RFC 7383"
    SIGNATURE_HASH_ALGORITHMS = 16431, "SIGNATURE_HASH_ALGORITHMS", "RFC 7427"
    CLONE_IKE_SA_SUPPORTED = 16432, "CLONE_IKE_SA_SUPPORTED", "RFC 7791"
    CLONE_IKE_SA = 16433, "CLONE_IKE_SA", "RFC 7791"
    PUZZLE = 16434, "PUZZLE", "RFC 8019"
    USE_PPK = 16435, "USE_PPK", "RFC 8784"
    PPK_IDENTITY = 16436, "PPK_IDENTITY", "RFC 8784"
    NO_PPK_AUTH = 16437, "NO_PPK_AUTH", "RFC 8784"
    INTERMEDIATE_EXCHANGE_SUPPORTED = 16438, "INTERMEDIATE_EXCHANGE_SUPPORTED", "RFC 9242"
    IP4_ALLOWED = 16439, "IP4_ALLOWED", "RFC 8983"
    IP6_ALLOWED = 16440, "IP6_ALLOWED", "RFC 8983"
    ADDITIONAL_KEY_EXCHANGE = 16441, "ADDITIONAL_KEY_EXCHANGE", "RFC 9370"
    USE_AGGFRAG = 16442, "USE_AGGFRAG", "RFC 9347"
    SUPPORTED_AUTH_METHODS = 16443, "SUPPORTED_AUTH_METHODS", "RFC 9593"
    SA_RESOURCE_INFO = 16444, "SA_RESOURCE_INFO", "RFC 9611"
    USE_PPK_INT = 16445, "USE_PPK_INT", "RFC 9867"
    PPK_IDENTITY_KEY = 16446, "PPK_IDENTITY_KEY", "RFC 9867"
    IKE_SA_INIT_FULL_TRANSCRIPT_AUTH = (
        16447, "IKE_SA_INIT_FULL_TRANSCRIPT_AUTH",
        "draft-ietf-ipsecme-ikev2-downgrade-prevention",
    )  # fmt: skip


class Protocol(Code):
    """IKEv2 Security Protocol Identifiers."""

    IKE = 1, "IKE", "RFC 7296"
    AH = 2, "AH", "RFC 7296"
    ESP = 3, "ESP", "RFC 7296"
    FC_ESP_HEADER = 4, "FC_ESP_HEADER", "RFC 4595"
    FC_CT_AUTHENTICATION = 5, "FC_CT_AUTHENTICATION", "RFC 4595"
    GIKE_UPDATE = 6, "GIKE_UPDATE", "RFC 9838"


class TsType(Code):
    """IKEv2 Traffic Selector Types."""

    TS_IPV4_ADDR_RANGE = 7, "TS_IPV4_ADDR_RANGE", "RFC 7296"
    TS_IPV6_ADDR_RANGE = 8, "TS_IPV6_ADDR_RANGE", "RFC 7296"
    TS_FC_ADDR_RANGE = 9, "TS_FC_ADDR_RANGE", "RFC 4595"
    TS_SECLABEL = 10, "TS_SECLABEL", "RFC 9478"


class CfgType(Code):
    """IKEv2 Configuration Payload CFG Types."""

    CFG_REQUEST = 1, "CFG_REQUEST", "RFC 7296"
    CFG_REPLY = 2, "CFG_REPLY", "RFC 7296"
    CFG_SET = 3, "CFG_SET", "RFC 7296"
    CFG_ACK = 4, "CFG_ACK", "RFC 7296"


class CfgAttr(Code):
    """IKEv2 Configuration Payload Attribute Types, without the reserved bit."""

    INTERNAL_IP4_ADDRESS = 1, "INTERNAL_IP4_ADDRESS", "RFC 7296"
    INTERNAL_IP4_NETMASK = 2, "INTERNAL_IP4_NETMASK", "RFC 7296"
    INTERNAL_IP4_DNS = 3, "INTERNAL_IP4_DNS", "RFC 7296"
    INTERNAL_IP4_NBNS = 4, "INTERNAL_IP4_NBNS", "RFC 7296"
    INTERNAL_ADDRESS_EXPIRY = 5, "INTERNAL_ADDRESS_EXPIRY (reserved)", "RFC 4306"
    INTERNAL_IP4_DHCP = 6, "INTERNAL_IP4_DHCP", "RFC 7296"
    APPLICATION_VERSION = 7, "APPLICATION_VERSION", "RFC 7296"
    INTERNAL_IP6_ADDRESS = 8, "INTERNAL_IP6_ADDRESS", "RFC 7296"
    INTERNAL_IP6_NBNS = 9, "INTERNAL_IP6_NBNS (reserved)", "RFC 4306"
    INTERNAL_IP6_DNS = 10, "INTERNAL_IP6_DNS", "RFC 7296"
    INTERNAL_IP6_DHCP = 12, "INTERNAL_IP6_DHCP", "RFC 7296"
    INTERNAL_IP4_SUBNET = 13, "INTERNAL_IP4_SUBNET", "RFC 7296"
    SUPPORTED_ATTRIBUTES = 14, "SUPPORTED_ATTRIBUTES", "RFC 7296"
    INTERNAL_IP6_SUBNET = 15, "INTERNAL_IP6_SUBNET", "RFC 7296"
    MIP6_HOME_PREFIX = 16, "MIP6_HOME_PREFIX", "RFC 5026"
    INTERNAL_IP6_LINK = 17, "INTERNAL_IP6_LINK", "RFC 5739"
    INTERNAL_IP6_PREFIX = 18, "INTERNAL_IP6_PREFIX", "RFC 5739"
    HOME_AGENT_ADDRESS = 19, "HOME_AGENT_ADDRESS", "3GPP TS 24.302"
    P_CSCF_IP4_ADDRESS = 20, "P_CSCF_IP4_ADDRESS", "RFC 7651"
    P_CSCF_IP6_ADDRESS = 21, "P_CSCF_IP6_ADDRESS", "RFC 7651"
    FTT_KAT = 22, "FTT_KAT", "3GPP TS 24.302"
    EXTERNAL_SOURCE_IP4_NAT_INFO = 23, "EXTERNAL_SOURCE_IP4_NAT_INFO", "3GPP TS 24.302"
    TIMEOUT_PERIOD_FOR_LIVENESS_CHECK = (
        24, "TIMEOUT_PERIOD_FOR_LIVENESS_CHECK", "3GPP TS 24.302",
    )  # fmt: skip
    INTERNAL_DNS_DOMAIN = 25, "INTERNAL_DNS_DOMAIN", "RFC 8598"
    INTERNAL_DNSSEC_TA = 26, "INTERNAL_DNSSEC_TA", "RFC 8598"
    ENCDNS_IP4 = 27, "ENCDNS_IP4", "RFC 9464"
    ENCDNS_IP6 = 28, "ENCDNS_IP6", "RFC 9464"
    ENCDNS_DIGEST_INFO = 29, "ENCDNS_DIGEST_INFO", "RFC 9464"


class GatewayId(Code):
    """IKEv2 Gateway Identity Types (REDIRECT, RFC 5685)."""

    IPV4_ADDRESS = 1, "IPv4 address of the VPN gateway", "RFC 5685"
    IPV6_ADDRESS = 2, "IPv6 address of the VPN gateway", "RFC 5685"
    FQDN = 3, "FQDN of the VPN gateway", "RFC 5685"


class Hash(Code):
    """IKEv2 Hash Algorithms (SIGNATURE_HASH_ALGORITHMS, RFC 7427)."""

    SHA1 = 1, "SHA1", "RFC 7427"
    SHA2_256 = 2, "SHA2-256", "RFC 7427"
    SHA2_384 = 3, "SHA2-384", "RFC 7427"
    SHA2_512 = 4, "SHA2-512", "RFC 7427"
    IDENTITY = 5, "Identity", "RFC 8420"
    STREEBOG_256 = 6, "STREEBOG_256", "RFC 9385"
    STREEBOG_512 = 7, "STREEBOG_512", "RFC 9385"


class IpComp(Code):
    """IKEv2 Notification IPCOMP Transform IDs."""

    IPCOMP_OUI = 1, "IPCOMP_OUI", "RFC 7296"
    IPCOMP_DEFLATE = 2, "IPCOMP_DEFLATE", "RFC 2394"
    IPCOMP_LZS = 3, "IPCOMP_LZS", "RFC 2395"
    IPCOMP_LZJH = 4, "IPCOMP_LZJH", "RFC 3051"


class SecurePassword(Code):
    """IKEv2 Secure Password Methods (RFC 6467)."""

    PACE = 1, "PACE", "RFC 6631"
    AUGPAKE = 2, "AugPAKE", "RFC 6628"
    SECURE_PSK_AUTHENTICATION = 3, "Secure PSK Authentication", "RFC 6617"


class PpkIdType(Code):
    """IKEv2 Post-quantum Preshared Key ID Types (RFC 8784)."""

    PPK_ID_OPAQUE = 1, "PPK_ID_OPAQUE", "RFC 8784"
    PPK_ID_FIXED = 2, "PPK_ID_FIXED", "RFC 8784"


class RohcAttribute(Code):
    """ROHC Attribute Types of the ROHC_SUPPORTED notify (RFC 5857)."""

    MAX_CID = 1, "Maximum Context Identifier (MAX_CID)", "RFC 5857"
    ROHC_PROFILE = 2, "ROHC Profile (ROHC_PROFILE)", "RFC 5857"
    ROHC_INTEG = 3, "ROHC Integrity Algorithm (ROHC_INTEG)", "RFC 5857"
    ROHC_ICV_LEN = 4, "ROHC ICV Length in bytes (ROHC_ICV_LEN)", "RFC 5857"
    MRRU = 5, "Maximum Reconstructed Reception Unit (MRRU)", "RFC 5857"


class GsaAttribute(Code):
    """GSA Attributes of a group policy (RFC 9838 4.4.2.2)."""

    GSA_KEY_LIFETIME = 1, "GSA_KEY_LIFETIME", "RFC 9838"
    GSA_INITIAL_MESSAGE_ID = 2, "GSA_INITIAL_MESSAGE_ID", "RFC 9838"
    GSA_NEXT_SPI = 3, "GSA_NEXT_SPI", "RFC 9838"


class GroupPolicyAttribute(Code):
    """Group-wide Policy Attributes (RFC 9838 4.4.3)."""

    GWP_ATD = 1, "GWP_ATD", "RFC 9838"
    GWP_DTD = 2, "GWP_DTD", "RFC 9838"
    GWP_SENDER_ID_BITS = 3, "GWP_SENDER_ID_BITS", "RFC 9838"


class GroupKeyAttribute(Code):
    """Group Key Bag Attributes (RFC 9838 4.5)."""

    SA_KEY = 1, "SA_KEY", "RFC 9838"


class MemberKeyAttribute(Code):
    """Member Key Bag Attributes (RFC 9838 4.5)."""

    WRAP_KEY = 1, "WRAP_KEY", "RFC 9838"
    AUTH_KEY = 2, "AUTH_KEY", "RFC 9838"
    GM_SENDER_ID = 3, "GM_SENDER_ID", "RFC 9838"
