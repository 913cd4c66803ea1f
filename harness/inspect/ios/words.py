"""The names that IOS prints for what IANA numbers, in both directions.

A name that stands nowhere here is printed and read as a number, never refused.
"""

from __future__ import annotations

import re

from ikelab.layers.iana import (
    AuthMethod,
    CfgAttr,
    Encr,
    IdType,
    Integ,
    Ke,
    Notify,
    Payload,
    Prf,
    Sn,
    TransformType,
    lookup,
)

PAYLOADS: dict[str, Payload] = {
    "SA": Payload.SA, "KE": Payload.KE, "N": Payload.NONCE, "VID": Payload.V,
    "NOTIFY": Payload.N, "CERT": Payload.CERT, "CERTREQ": Payload.CERTREQ, "AUTH": Payload.AUTH,
    "IDi": Payload.IDI, "IDr": Payload.IDR, "CFG": Payload.CP, "EAP": Payload.EAP,
    "ENCR": Payload.SK, "TSi": Payload.TSI, "TSr": Payload.TSR, "DELETE": Payload.D,
    "ENCR_FRAG": Payload.SKF, "SKF": Payload.SKF, "NONE": Payload.NONE,
}  # fmt: skip
_PAYLOAD_NAMES: dict[int, str] = {number: name for name, number in reversed(PAYLOADS.items())}

_TRANSFORMS: dict[int, dict[str, int]] = {
    TransformType.ENCR: {
        "DES": Encr.ENCR_DES, "3DES": Encr.ENCR_3DES, "AES-CBC": Encr.ENCR_AES_CBC,
        "AES-GCM": Encr.ENCR_AES_GCM_16, "NULL": Encr.ENCR_NULL,
    },
    TransformType.PRF: {
        "MD5": Prf.PRF_HMAC_MD5, "SHA1": Prf.PRF_HMAC_SHA1, "SHA256": Prf.PRF_HMAC_SHA2_256,
        "SHA384": Prf.PRF_HMAC_SHA2_384, "SHA512": Prf.PRF_HMAC_SHA2_512,
    },
    TransformType.INTEG: {
        "None": Integ.NONE, "MD596": Integ.AUTH_HMAC_MD5_96, "SHA96": Integ.AUTH_HMAC_SHA1_96,
        "SHA256": Integ.AUTH_HMAC_SHA2_256_128, "SHA384": Integ.AUTH_HMAC_SHA2_384_192,
        "SHA512": Integ.AUTH_HMAC_SHA2_512_256,
    },
}  # fmt: skip
_TRANSFORM_NAMES = {
    kind: {number: name for name, number in names.items()} for kind, names in _TRANSFORMS.items()
}
_GROUP = re.compile(r"Group (\d+)")
_KEM = re.compile(r"ML-?KEM-?(512|768|1024)", re.IGNORECASE)
_KEMS = {"512": Ke.ML_KEM_512, "768": Ke.ML_KEM_768, "1024": Ke.ML_KEM_1024}
_UNKNOWN = re.compile(r"- (\d+)$")

# IOS shortens two of IANA's names.
_NOTIFIES = {
    "ESP_TFC_NO_SUPPORT": Notify.ESP_TFC_PADDING_NOT_SUPPORTED,
    "NON_FIRST_FRAGS": Notify.NON_FIRST_FRAGMENTS_ALSO,
}
_NOTIFY_NAMES: dict[int, str] = {number: name for name, number in _NOTIFIES.items()}

VENDORS = frozenset(
    ("(CUSTOM)", "DELETE-REASON", "CISCO-DELETE-REASON", "CISCO-GRANITE", "CISCO-DYNAMIC-ROUTE",
     "CISCO-GRE-MODE", "FLEXVPN-SUPPORTED", "FRAGMENTATION")
)  # fmt: skip
"""The names that routers give to vendor IDs."""

METHODS = {
    "PSK": AuthMethod.PSK, "RSA": AuthMethod.RSA_DIGITAL_SIGNATURE,
    "DSS": AuthMethod.DSS_DIGITAL_SIGNATURE,
    "ECDSA-256": AuthMethod.ECDSA_WITH_SHA_256_ON_THE_P_256_CURVE,
    "ECDSA-384": AuthMethod.ECDSA_WITH_SHA_384_ON_THE_P_384_CURVE,
    "ECDSA-521": AuthMethod.ECDSA_WITH_SHA_512_ON_THE_P_521_CURVE,
    "NULL": AuthMethod.NULL_AUTHENTICATION, "DIGITAL-SIGNATURE": AuthMethod.DIGITAL_SIGNATURE,
}  # fmt: skip
_SN_NAMES: dict[int, str] = {Sn.NO_ESN: "Don't use ESN", Sn.ESN: "Use ESN"}
_METHOD_NAMES: dict[int, str] = {number: name for name, number in METHODS.items()}

ID_TYPES = {
    "IPv4 address": IdType.ID_IPV4_ADDR, "FQDN": IdType.ID_FQDN,
    "RFC822 address": IdType.ID_RFC822_ADDR, "IPv6 address": IdType.ID_IPV6_ADDR,
    "DER ASN1 DN": IdType.ID_DER_ASN1_DN, "DER ASN1 GN": IdType.ID_DER_ASN1_GN,
    "Group name": IdType.ID_KEY_ID,
}  # fmt: skip
_ID_NAMES: dict[int, str] = {number: name for name, number in ID_TYPES.items()}

ATTRIBUTES: dict[str, int] = {
    "internal IP4 address": CfgAttr.INTERNAL_IP4_ADDRESS,
    "internal IP4 netmask": CfgAttr.INTERNAL_IP4_NETMASK,
    "internal IP4 DNS": CfgAttr.INTERNAL_IP4_DNS,
    "internal IP4 NBNS": CfgAttr.INTERNAL_IP4_NBNS,
    "internal IP4 subnet": CfgAttr.INTERNAL_IP4_SUBNET,
    "internal IP6 address": CfgAttr.INTERNAL_IP6_ADDRESS,
    "internal IP6 DNS": CfgAttr.INTERNAL_IP6_DNS,
    "internal IP6 subnet": CfgAttr.INTERNAL_IP6_SUBNET,
    "application version": CfgAttr.APPLICATION_VERSION,
}
_ATTRIBUTE_NAMES = {number: name for name, number in ATTRIBUTES.items()}


def payload_name(kind: int, notify: int | None = None) -> str:
    """`SA`, `NOTIFY(INITIAL_CONTACT)`, `Unknown - 200`."""
    name = _PAYLOAD_NAMES.get(kind, f"Unknown - {int(kind)}")
    return f"{name}({notify_name(notify)})" if kind == Payload.N and notify is not None else name


def payload_number(name: str) -> int:
    """A payload type by IOS's name; 0 for one that nobody knows."""
    return int(PAYLOADS.get(name, 0)) or _number(name)


def notify_name(number: int) -> str:
    """IOS's name of a notify type."""
    known = lookup(Notify, number)
    return _NOTIFY_NAMES.get(number) or (known.iana if known else f"Unknown - {number}")


def notify_number(name: str) -> int:
    """A notify type by IOS's name or IANA's; 0 for one that nobody knows."""
    if name in _NOTIFIES:
        return _NOTIFIES[name]
    found = Notify.__members__.get(name)
    return int(found) if found is not None else _number(name)


def transform_name(kind: int, number: int) -> str:
    """`AES-CBC`, `SHA96`, `DH_GROUP_1024_MODP/Group 2`, `Don't use ESN`."""
    if kind == TransformType.SN:
        return _SN_NAMES.get(number, f"Unknown - {number}")
    group = lookup(Ke, number)
    if kind in _TRANSFORM_NAMES:
        return _TRANSFORM_NAMES[kind].get(number, f"Unknown - {number}")
    if group is not None and group.primitive == "ml-kem":
        return f"ML-KEM-{group.bits}"
    if group is not None and group.primitive in ("modp", "ecp"):
        return f"DH_GROUP_{group.bits}_{group.primitive.upper()}/Group {number}"
    return f"Unknown - {number}"


def transform_number(kind: int, name: str) -> int | None:
    """The id of a transform by IOS's name; None for one that nobody knows."""
    name = name.strip()
    if kind == TransformType.SN:
        # Translations turn the words round; only the plain ones mean that ESN is used.
        return Sn.ESN if name.casefold() in ("use esn", "esn", "esn 사용") else Sn.NO_ESN
    known = _TRANSFORMS.get(kind, {})
    if name in known:
        return known[name]
    if kind in _TRANSFORMS:
        return _number(name) or None
    if match := _GROUP.search(name):
        return int(match[1])
    if match := _KEM.search(name):
        return _KEMS[match[1]]
    number = _number(name)
    return number or None


def method_name(number: int) -> str:
    """IOS's word for an authentication method."""
    return _METHOD_NAMES.get(number, f"Unknown - {int(number)}")


def id_name(number: int) -> str:
    """IOS's word for an identification type."""
    return _ID_NAMES.get(number, f"Unknown - {int(number)}")


def id_number(name: str) -> int:
    """An identification type by IOS's word, also in a translation that kept `IPv4`; or 0."""
    for known, number in ID_TYPES.items():
        if known.casefold().partition(" ")[0] in name.casefold().split():
            return number
    return _number(name)


def attribute_name(number: int) -> str:
    """IOS's words for a configuration attribute."""
    return _ATTRIBUTE_NAMES.get(number, f"unknown - {number}")


def attribute_number(name: str) -> int:
    """A configuration attribute by IOS's words, also where a part of them was translated."""
    if number := _number(name):
        return number
    folded = name.casefold()
    if "ip4" in folded or "ip6" in folded:
        last = folded.replace("서브넷", "subnet").split()[-1]
        family = "ip6" if "ip6" in folded else "ip4"
        return next(
            (
                n
                for k, n in ATTRIBUTES.items()
                if family in k.casefold() and k.casefold().endswith(last)
            ),
            0,
        )
    if "app" in folded or "애플리케이션" in folded:
        return CfgAttr.APPLICATION_VERSION
    return 0


def _number(name: str) -> int:
    match = _UNKNOWN.search(name.strip())
    return int(match[1]) if match else 0
