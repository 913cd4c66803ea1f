"""Ways to speak that are a plan of edits: the payloads that a kind of router adds, and where.

`ios-seed` is Cisco's walk-through of `debug crypto ikev2` between two IOS routers: the same
payloads, in the same order, with the same lengths.
"""

from __future__ import annotations

import hashlib

from ikelab.harness.edits import Binding, Edit, Plan, certreq, cp, insert, notify, vendor
from ikelab.layers.iana import CertEncoding, CfgAttr, CfgType

DELETE_REASON = b"CISCO-DELETE-REASON"
FLEXVPN = b"FLEXVPN-SUPPORTED"
# CISCO-GRANITE has sixteen octets of which no public text gives the value.
GRANITE = hashlib.md5(b"ikelab stands in for CISCO-GRANITE", usedforsecurity=False).digest()
CA_HASHES = b"".join(hashlib.sha1(b"CA %d" % n, usedforsecurity=False).digest() for n in range(5))
VERSION = b"Cisco IOS Software, ikelab's stand-in for APPLICATION_VERSION".ljust(257)[:257]
SET_WINDOW_SIZE = (5).to_bytes(4, "big")
_PRIVATE = (28675, 28672, 28692, 28681, 28674)  # configuration attributes for private use


def _vendors() -> list[Edit]:
    return [
        insert(after="Nonce", payload=vendor(FLEXVPN)),
        insert(after="Nonce", payload=vendor(DELETE_REASON)),
    ]


def _last() -> list[Edit]:
    return [
        insert("SK", payload=notify("SET_WINDOW_SIZE", SET_WINDOW_SIZE, proto=1)),
        insert("SK", payload=notify("ESP_TFC_PADDING_NOT_SUPPORTED", proto=1)),
        insert("SK", payload=notify("NON_FIRST_FRAGMENTS_ALSO", proto=1)),
    ]


def _bound(exchange: str, response: bool, edits: list[Edit]) -> tuple[Binding, ...]:
    return Plan.of(exchange, response, edits).bindings


def ios_seed(*, initiator: bool) -> Plan:
    """What the routers of the seed send beyond what RFC 7296 asks for."""
    first = insert("SK", before="IDi" if initiator else "IDr", payload=vendor(GRANITE))
    if not initiator:
        certificates = [
            insert(payload=certreq(CertEncoding.HASH_AND_URL_OF_X_509_CERTIFICATE, CA_HASHES)),
            insert(payload=notify("HTTP_CERT_LOOKUP_SUPPORTED", proto=1)),
        ]
        return Plan(
            _bound("IKE_SA_INIT", True, [*_vendors(), *certificates])
            + _bound("IKE_AUTH", True, [first, *_last()])
        )
    request = cp(
        CfgType.CFG_REQUEST,
        CfgAttr.INTERNAL_IP4_DNS,
        CfgAttr.INTERNAL_IP4_DNS,
        CfgAttr.INTERNAL_IP4_NBNS,
        CfgAttr.INTERNAL_IP4_NBNS,
        CfgAttr.INTERNAL_IP4_SUBNET,
        (int(CfgAttr.APPLICATION_VERSION), VERSION),
        *_PRIVATE,
    )
    extras = [
        first,
        insert("SK", after="AUTH", payload=request),
        insert("SK", payload=notify("INITIAL_CONTACT")),
        *_last(),
    ]
    return Plan(_bound("IKE_SA_INIT", False, _vendors()) + _bound("IKE_AUTH", False, extras))


PROFILES = {"ios-seed": ios_seed}
