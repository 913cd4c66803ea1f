"""The payloads whose body is a few numbers and then bytes (RFC 7296 3.4 to 3.9, 3.11, 3.12)."""

# mypy: disable-error-code="misc,no-any-return"

from __future__ import annotations

from typing import Any

from scapy.packet import Packet

from ikelab.layers import group
from ikelab.layers.chain import GENERIC, IKEv2_Payload
from ikelab.layers.fields import (
    Identifier,
    Number,
    Octets,
    OctetsList,
    address_repr,
    octets_repr,
    text_repr,
)
from ikelab.layers.iana import AuthMethod, CertEncoding, IdType, Ke, Payload, Protocol, name
from ikelab.layers.vendor import vendor_name


class IKEv2_KE(IKEv2_Payload):
    """Key Exchange: the group and the public value."""

    name = "IKEv2 Key Exchange"
    payload_type = Payload.KE
    fields_desc = [
        *GENERIC,
        Number("group", Ke.MODP_2048, 2, Ke),
        Number("res2", 0, 2),
        Octets("ke"),
    ]

    def mysummary(self) -> str:
        return f"KE({self.fieldtype['group'].i2repr(self, self.getfieldval('group'))})"


def identity_repr(pkt: Packet, data: bytes) -> str:
    """An ID body in words: an address, a name, or hex."""
    kind = pkt.getfieldval("IDtype")
    if kind in (IdType.ID_IPV4_ADDR, IdType.ID_IPV6_ADDR):
        return address_repr(data)
    if kind in (IdType.ID_FQDN, IdType.ID_RFC822_ADDR, IdType.ID_KEY_ID):
        return text_repr(data)
    return octets_repr(data)


class _Identification(IKEv2_Payload):
    """The body that IDi, IDr and IDg share (RFC 7296 3.5)."""

    fields_desc = [
        *GENERIC,
        Number("IDtype", IdType.ID_IPV4_ADDR, 1, IdType),
        Number("res2", 0, 3),
        Identifier("ID", b"", identity_repr),
    ]

    def mysummary(self) -> str:
        return f"{self.notation}({identity_repr(self, self.getfieldval('ID') or b'')})"


class IKEv2_IDi(_Identification):
    """Identification - Initiator."""

    name = "IKEv2 Identification - Initiator"
    payload_type = Payload.IDI


class IKEv2_IDr(_Identification):
    """Identification - Responder."""

    name = "IKEv2 Identification - Responder"
    payload_type = Payload.IDR


class IKEv2_IDg(_Identification):
    """Group Identification (RFC 9838)."""

    name = "IKEv2 Group Identification"
    payload_type = Payload.IDG


class IKEv2_CERT(IKEv2_Payload):
    """Certificate; the data as it stands on the wire, not parsed."""

    name = "IKEv2 Certificate"
    payload_type = Payload.CERT
    fields_desc = [
        *GENERIC,
        Number("cert_encoding", CertEncoding.X_509_CERTIFICATE_SIGNATURE, 1, CertEncoding),
        Octets("cert_data"),
    ]


class IKEv2_CERTREQ(IKEv2_Payload):
    """Certificate Request: for X.509 a row of 20-octet hashes of CA keys."""

    name = "IKEv2 Certificate Request"
    payload_type = Payload.CERTREQ
    fields_desc = [
        *GENERIC,
        Number("cert_encoding", CertEncoding.X_509_CERTIFICATE_SIGNATURE, 1, CertEncoding),
        Octets("cert_authority"),
    ]


class IKEv2_AUTH(IKEv2_Payload):
    """Authentication: the method and its data."""

    name = "IKEv2 Authentication"
    payload_type = Payload.AUTH
    fields_desc = [
        *GENERIC,
        Number("auth_type", AuthMethod.PSK, 1, AuthMethod),
        Number("res2", 0, 3),
        Octets("load"),
    ]

    def mysummary(self) -> str:
        return f"AUTH({self.fieldtype['auth_type'].i2repr(self, self.getfieldval('auth_type'))})"


class IKEv2_Nonce(IKEv2_Payload):
    """Ni or Nr."""

    name = "IKEv2 Nonce"
    payload_type = Payload.NONCE
    fields_desc = [*GENERIC, Octets("nonce")]


def _vendor(pkt: Packet, data: bytes) -> str:
    known = vendor_name(data)
    return text_repr(data) if known is None else f"{octets_repr(data)} ({known})"


class IKEv2_VendorID(IKEv2_Payload):
    """Vendor ID; shown with its name where it is known."""

    name = "IKEv2 Vendor ID"
    payload_type = Payload.V
    fields_desc = [*GENERIC, Octets("vendorID", b"", _vendor)]

    def mysummary(self) -> str:
        data = self.getfieldval("vendorID")
        known = vendor_name(data) if isinstance(data, bytes) else None
        return f"V({known or octets_repr(data or b'')})"


class IKEv2_Delete(IKEv2_Payload):
    """Delete: a list of SPIs of one protocol, none for the IKE SA itself (RFC 7296 3.11)."""

    name = "IKEv2 Delete"
    payload_type = Payload.D
    fields_desc = [
        *GENERIC,
        Number("proto", Protocol.IKE, 1, Protocol),
        Number("SPIsize", None),
        Number("SPInum", None, 2),
        OctetsList("SPI"),
    ]
    automatic = ("next_payload", "length", "SPIsize", "SPInum")

    def _split(self, values: dict[str, Any], data: bytes) -> None:
        # The octets are cut by SPI size whatever the count says; what is left over stays.
        size = values["SPIsize"] or len(data)
        values["SPI"] = [data[i : i + size] for i in range(8, len(data), size)]

    def _complete(self, values: dict[str, Any], tail: bytes, index: int, after: int) -> None:
        super()._complete(values, tail, index, after)
        listed = values["SPI"] if isinstance(values["SPI"], list) else []
        if values["SPIsize"] is None:
            values["SPIsize"] = len(listed[0]) if listed else 0
        if values["SPInum"] is None:
            values["SPInum"] = len(listed)

    def mysummary(self) -> str:
        kind = self.fieldtype["proto"].i2repr(self, self.getfieldval("proto"))
        return f"D({' '.join([kind, *(octets_repr(s) for s in self.getfieldval('SPI')[:8])])})"


class IKEv2_GSPM(IKEv2_Payload):
    """Generic Secure Password Method (RFC 6467); the body is the method's."""

    name = "IKEv2 Generic Secure Password Method"
    payload_type = Payload.GSPM
    fields_desc = [*GENERIC, Octets("load")]


class _Group(IKEv2_Payload):
    """The body that GSA and KD share."""

    @property
    def parts(self) -> Any:
        """Its policies or key bags (`group.Part`); the octets where they do not add up."""
        load = self.getfieldval("load")
        try:
            return group.read(load)
        except ValueError:
            return load

    def mysummary(self) -> str:
        parts = self.parts
        if isinstance(parts, bytes):
            return f"{self.notation}({octets_repr(parts)})"
        listed = (f"{name(Protocol, p.protocol)} {octets_repr(p.spi)}".strip() for p in parts[:8])
        return f"{self.notation}({', '.join(listed)})"


class IKEv2_GSA(_Group):
    """Group Security Association (RFC 9838 4.4): policies; see `parts`."""

    name = "IKEv2 Group Security Association"
    payload_type = Payload.GSA
    fields_desc = [*GENERIC, Octets("load")]


class IKEv2_KD(_Group):
    """Key Download (RFC 9838 4.5): key bags; see `parts`."""

    name = "IKEv2 Key Download"
    payload_type = Payload.KD
    fields_desc = [*GENERIC, Octets("load")]


class IKEv2_PS(IKEv2_Payload):
    """Puzzle Solution (RFC 8019)."""

    name = "IKEv2 Puzzle Solution"
    payload_type = Payload.PS
    fields_desc = [*GENERIC, Octets("load")]
