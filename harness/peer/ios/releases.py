"""Which release of Cisco's software takes what: the table behind every UNSUPPORTED of this driver.

From Cisco's configuration guides and field notice FN72510; not proven on a router. What a release
refuses although the table allows it is told by the session when the line is typed.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass

from ikelab.harness.errors import ConfigError
from ikelab.harness.model import Transform
from ikelab.harness.peer.base import Unsupported
from ikelab.layers.iana import Encr, Integ, Ke, Prf, Protocol, TransformType, name

IOS, XE, ASA = "IOS", "IOS XE", "ASA"

_HASHES = {Prf.PRF_HMAC_MD5, Prf.PRF_HMAC_SHA1, Prf.PRF_HMAC_SHA2_256, Prf.PRF_HMAC_SHA2_384,
           Prf.PRF_HMAC_SHA2_512}  # fmt: skip
_INTEGS = {Integ.NONE, Integ.AUTH_HMAC_MD5_96, Integ.AUTH_HMAC_SHA1_96,
           Integ.AUTH_HMAC_SHA2_256_128, Integ.AUTH_HMAC_SHA2_384_192,
           Integ.AUTH_HMAC_SHA2_512_256}  # fmt: skip
_GROUPS = {Ke.NONE, Ke.MODP_768, Ke.MODP_1024, Ke.MODP_1536, Ke.MODP_2048, Ke.MODP_3072,
           Ke.MODP_4096, Ke.ECP_256, Ke.ECP_384, Ke.MODP_2048_256}  # fmt: skip
_KEMS = {Ke.ML_KEM_512, Ke.ML_KEM_768, Ke.ML_KEM_1024}
_IKE_CIPHERS = {Encr.ENCR_DES, Encr.ENCR_3DES, Encr.ENCR_AES_CBC, Encr.ENCR_AES_GCM_16}
_ESP_CIPHERS = _IKE_CIPHERS | {Encr.ENCR_NULL, Encr.ENCR_NULL_AUTH_AES_GMAC}
_WEAK: dict[int, set[int]] = {
    TransformType.ENCR: {Encr.ENCR_DES, Encr.ENCR_3DES, Encr.ENCR_NULL,
                         Encr.ENCR_NULL_AUTH_AES_GMAC},
    TransformType.PRF: {Prf.PRF_HMAC_MD5},
    TransformType.INTEG: {Integ.AUTH_HMAC_MD5_96},
    TransformType.KE: {Ke.MODP_768, Ke.MODP_1024, Ke.MODP_1536, Ke.MODP_2048_256},
}  # fmt: skip


_RELEASE = re.compile(
    r"(?:(asa)|ios(?:[ -]?xe)?)?\s*(\d+(?:\.\d+)*[a-z]?(?:\(\w+\)\w*)?)?(?:\s+shield=(on|off))?"
)
_TRAINS = {12, 15, 16, 17, *range(26, 100)}  # there was nothing between 17 and 26
_ASAS = range(8, 20)


@dataclass(frozen=True, slots=True)
class Release:
    """A release of IOS, IOS XE or ASA software. `shield` False: weak algorithms were allowed again.

    On IOS XE from 17.11.1 on that takes `crypto engine compliance shield disable` and a reload.
    """

    family: str
    version: tuple[int, ...]
    shield: bool = True

    @classmethod
    def parse(cls, text: str) -> Release:
        """`15`, `15.2(4)M6`, `16.7.1`, `17.9.4a`, `17.12 shield=off`, `26.1`, `asa 9.16(3)`."""
        found = _RELEASE.fullmatch(text.strip().casefold())
        if found is not None:
            asa, number, word = found.groups()
            shield = word != "off"
            numbers = tuple(int(n) for n in re.findall(r"\d+", number or "")[:3])
            if asa and (not numbers or numbers[0] in _ASAS):
                return cls(ASA, numbers or (9, 16), shield)
            if not asa and numbers and numbers[0] in _TRAINS:
                return cls(IOS if numbers[0] < 16 else XE, numbers, shield)
        raise ConfigError(
            f"no release of IOS: {text!r}; write 15, 16, 17, 17.11, 26 or asa, "
            '"17.12 shield=off" where weak algorithms were allowed again'
        )

    @classmethod
    def of_show_version(cls, text: str) -> Release | None:
        """The release that `show version` tells; None where it tells none."""
        asa = re.search(
            r"Adaptive Security Appliance Software Version (\d+\.\d+(?:\(\d+\))?)", text
        )
        rows = [f"asa {asa[1]}"] if asa else re.findall(
            r"\bVersion (\d+\.\d+(?:\.\d+|\(\d+\))?)", text)  # fmt: skip
        for row in rows:  # an IOS XE 3 names IOS 15 as well
            with contextlib.suppress(ConfigError):
                return cls.parse(row)
        return None

    def at_least(self, *version: int) -> bool:
        """Whether this release is of that version or a later one."""
        return self.version >= version

    def __str__(self) -> str:
        return f"{self.family} {'.'.join(map(str, self.version))}"

    @property
    def refuses_weak(self) -> bool:
        """Whether DES, 3DES, MD5 and small groups are refused."""
        since = {XE: (17, 11), ASA: (9, 15), IOS: (99,)}[self.family]
        return self.shield and self.version >= since

    # -- algorithms ------------------------------------------------------------------------

    def check(self, transform: Transform, protocol: int) -> None:
        """Unsupported with the reason where this release does not take a transform."""
        if reason := self.refusal(transform, protocol):
            raise Unsupported(reason)

    def refusal(self, transform: Transform, protocol: int) -> str:
        """Why this release does not take a transform for IKE, ESP or AH; empty where it does."""
        kind, number = transform.type, transform.id
        if TransformType.ADDKE1 <= kind <= TransformType.ADDKE7:
            return self._no_kem(transform)
        known = self._known(kind, protocol)
        what = f"{name(TransformType, kind)} {transform.name}"
        if known is not None and number not in known:
            return f"{self} has no word for {what} in {name(Protocol, protocol)}"
        if self.refuses_weak and number in _WEAK.get(kind, ()):
            return f"{self} refuses {what}: {self._way_out()}"
        if kind == TransformType.SN and number != 0:
            return f"{self} offers no extended sequence numbers that ikelab could ask for"
        return ""

    def _known(self, kind: int, protocol: int) -> set[int] | None:
        groups: set[int] = set(_GROUPS)
        if self.family == ASA or self.at_least(16):
            groups.add(Ke.ECP_521)
        tables: dict[int, set[int]] = {
            TransformType.ENCR: set(_IKE_CIPHERS if protocol == Protocol.IKE else _ESP_CIPHERS),
            TransformType.PRF: set(_HASHES),
            TransformType.INTEG: set(_INTEGS),
            TransformType.KE: groups,
        }
        return tables.get(kind)

    def _no_kem(self, transform: Transform) -> str:
        if transform.id not in _KEMS or transform.type != TransformType.ADDKE1:
            return f"{self} has no additional key exchange {transform.name}"
        if self.family != XE or not self.at_least(26, 1):
            return f"{self} has no ML-KEM: IOS XE 26.1 is the first release that has it"
        return ""

    def _way_out(self) -> str:
        if self.family == ASA:
            return "removed in ASA 9.15"
        order = "'crypto engine compliance shield disable' and a reload"
        number = ".".join(map(str, self.version[:2]))
        return f'give it {order}, then write release = "{number} shield=off"'

    # -- features --------------------------------------------------------------------------

    def need_ppk(self) -> None:
        """Unsupported where there are no post-quantum preshared keys (RFC 8784)."""
        if self.family != XE or not self.at_least(17, 11):
            raise Unsupported(f"{self} has no PPK: IOS XE 17.11 is the first release that has it")


RELEASES = ("15", "16", "17", "26", "asa")
"""A release of each kind that there are golden files for."""
