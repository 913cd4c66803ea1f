"""WIRE: bytes to Scapy packets and back. No keys, no state, no sockets live here.

The packet classes can be had from here; Scapy is imported when the first of them is asked for.
The functions `chain` and `message` are in `ikelab.layers.message`: here the names are modules.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

if not __name__.startswith("ikelab."):
    raise ImportError(
        "this folder is ikelab.layers: install the project and import it by that name"
    )

_HOMES = {
    "chain": "IKEv2_Malformed IKEv2_Payload IKEv2_Unknown PAYLOADS build_payloads"
    " parse_payloads unknown",
    "config": "ConfigurationAttribute IKEv2_CP",
    "eap": "EapCode EapType IKEv2_EAP",
    "esp": "AH ESP ESP_Decrypted",
    "encrypted": "IKEv2_Decrypted IKEv2_Encrypted IKEv2_Encrypted_Fragment IKEv2_SK IKEv2_SKF",
    "message": "IKEv2 bind demux recompute",
    "notify": "IKEv2_Notify",
    "payloads": "IKEv2_AUTH IKEv2_CERT IKEv2_CERTREQ IKEv2_Delete IKEv2_GSA IKEv2_GSPM IKEv2_IDg"
    " IKEv2_IDi IKEv2_IDr IKEv2_KD IKEv2_KE IKEv2_Nonce IKEv2_PS IKEv2_VendorID",
    "sa": "IKEv2_Proposal IKEv2_SA IKEv2_Transform IKEv2_TransformAttribute",
    "selectors": "IKEv2_TSi IKEv2_TSr IPv4TrafficSelector IPv6TrafficSelector RawTrafficSelector"
    " TrafficSelector",
    "vendor": "vendor_name",
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    try:
        module = _MODULE_OF[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    # message brings in every payload class, without which no chain can be read.
    import_module(f"{__name__}.message")
    return getattr(import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
