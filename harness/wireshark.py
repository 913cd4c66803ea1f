"""Key tables as Wireshark 4 keeps them, and our own beside them: rows read, checked and written.

`ikev2_decryption_table` and `esp_sa` are CSV with Wireshark's names of algorithms. It has names for
part of what IKEv2 can negotiate, and refuses a table with a row it does not know: such rows go only
into `keys.jsonl`, which has IANA's numbers, and from which no key is left out.
Knows nothing of packets or of where key files lie.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ikelab.harness.crypto import integ as macs
from ikelab.harness.crypto.keys import ChildKeys, IkeKeys
from ikelab.harness.errors import ConfigError
from ikelab.harness.model import Spis, Transform
from ikelab.layers.iana import Encr, Integ, TransformType

IKE_TABLE, ESP_TABLE, OWN_TABLE = "ikev2_decryption_table", "esp_sa", "keys.jsonl"
_PREFERENCES_FILE = "preferences"
PROFILE = {IKE_TABLE, ESP_TABLE, OWN_TABLE, _PREFERENCES_FILE}
# Without these two Wireshark leaves ESP as it is, whatever the table holds.
PREFERENCES = "esp.enable_encryption_decode: TRUE\nesp.enable_authentication_check: TRUE\n"


def _encr(encr: Encr, bits: int | None = None) -> Transform:
    return Transform(TransformType.ENCR, encr, bits)


def _integ(integ: Integ) -> Transform:
    return Transform(TransformType.INTEG, integ)


def _sized(template: str, encr: Encr) -> dict[str, Transform]:
    return {template.format(bits): _encr(encr, bits) for bits in (128, 192, 256)}


IKE_ENCR: dict[str, Transform] = {
    "NULL [RFC2410]": _encr(Encr.ENCR_NULL),
    "3DES [RFC2451]": _encr(Encr.ENCR_3DES),
    **_sized("AES-CBC-{} [RFC3602]", Encr.ENCR_AES_CBC),
    **_sized("AES-CTR-{} [RFC5930]", Encr.ENCR_AES_CTR),
    **_sized("AES-GCM-{} with 8 octet ICV [RFC5282]", Encr.ENCR_AES_GCM_8),
    **_sized("AES-GCM-{} with 12 octet ICV [RFC5282]", Encr.ENCR_AES_GCM_12),
    **_sized("AES-GCM-{} with 16 octet ICV [RFC5282]", Encr.ENCR_AES_GCM_16),
    **_sized("AES-CCM-{} with 8 octet ICV [RFC5282]", Encr.ENCR_AES_CCM_8),
    **_sized("AES-CCM-{} with 12 octet ICV [RFC5282]", Encr.ENCR_AES_CCM_12),
    **_sized("AES-CCM-{} with 16 octet ICV [RFC5282]", Encr.ENCR_AES_CCM_16),
}
IKE_INTEG: dict[str, Transform] = {
    "HMAC_MD5_96 [RFC2403]": _integ(Integ.AUTH_HMAC_MD5_96),
    "HMAC_SHA1_96 [RFC2404]": _integ(Integ.AUTH_HMAC_SHA1_96),
    "HMAC_MD5_128 [RFC4595]": _integ(Integ.AUTH_HMAC_MD5_128),
    "HMAC_SHA1_160 [RFC4595]": _integ(Integ.AUTH_HMAC_SHA1_160),
    "HMAC_SHA2_256_128 [RFC4868]": _integ(Integ.AUTH_HMAC_SHA2_256_128),
    "HMAC_SHA2_384_192 [RFC4868]": _integ(Integ.AUTH_HMAC_SHA2_384_192),
    "HMAC_SHA2_512_256 [RFC4868]": _integ(Integ.AUTH_HMAC_SHA2_512_256),
}
NO_INTEG = "NONE [RFC4306]"
# Octets of ICV that the row tells not to check; the draft's HMAC has no number at IANA.
IKE_UNCHECKED: dict[str, int] = {
    f"ANY {bits}-bits of Authentication [No Checking]": bits // 8
    for bits in (64, 96, 128, 160, 192, 256)
} | {"HMAC_SHA2_256_96 [draft-ietf-ipsec-ciph-sha-256-00]": 12}

ESP_ENCR: dict[str, Encr] = {
    "NULL": Encr.ENCR_NULL,
    "TripleDES-CBC [RFC2451]": Encr.ENCR_3DES,
    "AES-CBC [RFC3602]": Encr.ENCR_AES_CBC,
    "AES-CTR [RFC3686]": Encr.ENCR_AES_CTR,
    "DES-CBC [RFC2405]": Encr.ENCR_DES,
    "CAST5-CBC [RFC2144]": Encr.ENCR_CAST,
    "BLOWFISH-CBC [RFC2451]": Encr.ENCR_BLOWFISH,
    "AES-GCM with 8 octet ICV [RFC4106]": Encr.ENCR_AES_GCM_8,
    "AES-GCM with 12 octet ICV [RFC4106]": Encr.ENCR_AES_GCM_12,
    "AES-GCM with 16 octet ICV [RFC4106]": Encr.ENCR_AES_GCM_16,
    "AES-GCM [RFC4106]": Encr.ENCR_AES_GCM_16,
}
ESP_INTEG: dict[str, Transform] = {
    "HMAC-MD5-96 [RFC2403]": _integ(Integ.AUTH_HMAC_MD5_96),
    "HMAC-SHA-1-96 [RFC2404]": _integ(Integ.AUTH_HMAC_SHA1_96),
    "HMAC-SHA-256-128 [RFC4868]": _integ(Integ.AUTH_HMAC_SHA2_256_128),
    "HMAC-SHA-384-192 [RFC4868]": _integ(Integ.AUTH_HMAC_SHA2_384_192),
    "HMAC-SHA-512-256 [RFC4868]": _integ(Integ.AUTH_HMAC_SHA2_512_256),
}
ESP_UNCHECKED: dict[str, int] = {
    f"ANY {bits} bit authentication [no checking]": bits // 8 for bits in (64, 96, 128, 192, 256)
} | {
    "NULL": 0,
    "HMAC-SHA-256-96 [draft-ietf-ipsec-ciph-sha-256-00]": 12,
    "MAC-RIPEMD-160-96 [RFC2857]": 12,
}


@dataclass(frozen=True, slots=True)
class IkeRow:
    """The keys of one IKE SA. `unchecked` are octets of ICV to skip where `integ` is unknown."""

    spis: Spis
    encr: Transform
    integ: Transform | None
    sk_ei: bytes = field(repr=False)
    sk_er: bytes = field(repr=False)
    sk_ai: bytes = field(default=b"", repr=False)
    sk_ar: bytes = field(default=b"", repr=False)
    unchecked: int = 0
    prf: int | None = None
    sk_d: bytes = field(default=b"", repr=False)
    sk_pi: bytes = field(default=b"", repr=False)
    sk_pr: bytes = field(default=b"", repr=False)
    source: str = field(default="", compare=False)

    @classmethod
    def of(cls, spis: Spis, keys: IkeKeys) -> IkeRow:
        """The row of an IKE SA from its suite and secrets; ConfigError without a cipher."""
        suite = keys.suite
        if suite.encr is None:
            raise ConfigError(f"no cipher in the suite {suite}, so no key to write")
        prf = suite.prf.id if suite.prf else None
        secrets = (keys.sk_ei, keys.sk_er, keys.sk_ai, keys.sk_ar)
        return cls(
            spis,
            suite.encr,
            suite.integ,
            *secrets,
            prf=prf,
            sk_d=keys.sk_d,
            sk_pi=keys.sk_pi,
            sk_pr=keys.sk_pr,
        )


@dataclass(frozen=True, slots=True)
class EspRow:
    """The keys of one ESP SA; addresses and SPI (hex, or a pattern with *) as text."""

    src: str
    dst: str
    spi: str
    encr: Transform
    integ: Transform | None
    key: bytes = field(repr=False)
    auth: bytes = field(default=b"", repr=False)
    unchecked: int = 0
    source: str = field(default="", compare=False)


def esp_rows(keys: ChildKeys, spis: Spis, initiator: str, responder: str) -> list[EspRow]:
    """Both SAs of a child: the initiator sends with the responder's SPI, and the other way."""
    suite = keys.suite
    if suite.encr is None:
        return []
    return [
        EspRow(
            initiator, responder, spis.r.hex(), suite.encr, suite.integ, keys.encr_i, keys.integ_i
        ),
        EspRow(
            responder, initiator, spis.i.hex(), suite.encr, suite.integ, keys.encr_r, keys.integ_r
        ),
    ]


def write_profile(folder: Path, ike: Iterable[IkeRow], esp: Iterable[EspRow]) -> None:
    """Write a folder that is a Wireshark profile; folder mode 0700, files 0600.

    `WIRESHARK_CONFIG_DIR=FOLDER tshark -r FILE` decrypts with it. Raises OSError. A folder that
    holds other things keeps its mode: it is somebody's, and may be one that others need.
    """
    ike, esp = list(dict.fromkeys(ike)), list(dict.fromkeys(esp))
    rows: list[IkeRow | EspRow] = [*ike, *esp]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if {path.name for path in folder.iterdir()} <= PROFILE:
        folder.chmod(0o700)
    _write(folder / IKE_TABLE, (line for row in ike if (line := ike_line(row))))
    _write(folder / ESP_TABLE, (line for row in esp if (line := esp_line(row))))
    _write(folder / OWN_TABLE, map(own_line, rows))
    _write(folder / _PREFERENCES_FILE, PREFERENCES.splitlines())


def _write(path: Path, lines: Iterable[str]) -> None:
    # Through a new file: an older one may have been opened wider by its owner's umask.
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def ike_line(row: IkeRow) -> str | None:
    """The row in Wireshark's words; None where Wireshark has no name for the cipher."""
    encr = next((n for n, t in IKE_ENCR.items() if t == row.encr), None)
    if encr is None:
        return None
    integ = next((n for n, t in IKE_INTEG.items() if t == row.integ), None)
    sk_ai, sk_ar = row.sk_ai.hex(), row.sk_ar.hex()
    usual = row.integ is None or len(row.sk_ai) == macs.key_length(row.integ.id)
    if (integ is None or not usual) and (octets := _icv_octets(row)):
        # A MAC or a key that Wireshark does not take: told not to check, it decrypts all the same.
        integ = next((n for n, o in IKE_UNCHECKED.items() if o == octets), None)
        sk_ai = sk_ar = ""
        if integ is None:
            return None
    spis = f"{row.spis.i.hex()},{row.spis.r.hex()}"
    keys = f'{row.sk_ei.hex()},{row.sk_er.hex()},"{encr}",{sk_ai},{sk_ar}'
    return f'{spis},{keys},"{integ or NO_INTEG}"'


def esp_line(row: EspRow) -> str | None:
    """The row in Wireshark's words; None where Wireshark has no name for the cipher."""
    encr = next((n for n, number in ESP_ENCR.items() if number == row.encr.id), None)
    if encr is None:
        return None
    integ = next((n for n, t in ESP_INTEG.items() if t == row.integ), None)
    auth = f"0x{row.auth.hex()}"
    if integ is None:
        octets = _icv_octets(row)
        integ = next((n for n, o in ESP_UNCHECKED.items() if o == octets), None)
        auth = ""
        if integ is None:
            return None
    version = "IPv6" if ":" in row.src + row.dst else "IPv4"
    spi = row.spi if "*" in row.spi else f"0x{row.spi}"
    fields = (version, row.src, row.dst, spi, encr, f"0x{row.key.hex()}", integ, auth)
    return ",".join(f'"{value}"' for value in fields)


def _icv_octets(row: IkeRow | EspRow) -> int:
    return macs.icv_length(row.integ.id) if row.integ else row.unchecked


_SECRETS = ("sk_ei", "sk_er", "sk_ai", "sk_ar", "sk_d", "sk_pi", "sk_pr")


def own_line(row: IkeRow | EspRow) -> str:
    """The row as a line of keys.jsonl: numbers of IANA, octets in hex."""
    common: dict[str, Any] = {
        "encr": int(row.encr.id),
        "key_bits": row.encr.key_bits,
        "integ": int(row.integ.id) if row.integ else None,
    }
    if isinstance(row, IkeRow):
        secrets = {n: getattr(row, n).hex() for n in _SECRETS}
        prf = int(row.prf) if row.prf is not None else None
        ends = {"spi_i": row.spis.i.hex(), "spi_r": row.spis.r.hex()}
        return json.dumps({"sa": "ike", **ends, **common, "prf": prf, **secrets})
    ends = {"src": row.src, "dst": row.dst, "spi": row.spi}
    return json.dumps({"sa": "esp", **ends, **common, "key": row.key.hex(), "auth": row.auth.hex()})
