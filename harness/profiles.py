"""Ways to speak that are a plan of edits: the payloads that a kind of router adds, and where.

`ios-seed` is Cisco's walk-through of `debug crypto ikev2` between two IOS routers: the same
payloads, in the same order, with the same lengths. `ios` is a router of today: its IKE_SA_INIT
equals those of real routers in everything but random octets.
"""

from __future__ import annotations

import hashlib

from ikelab.harness.edits import Binding, Edit, Plan, at, certreq, cp, insert, notify, vendor
from ikelab.harness.errors import ConfigError, nearest
from ikelab.layers.iana import CertEncoding, CfgAttr, CfgType

DELETE_REASON = b"CISCO-DELETE-REASON"
FLEXVPN = b"FLEXVPN-SUPPORTED"
COPYRIGHT = b"CISCO(COPYRIGHT)&Copyright (c) 2009 Cisco Systems, Inc."
GRE_MODE = b"CISCO-GRE-MODE\x02"
FRAGMENTATION = hashlib.md5(b"FRAGMENTATION", usedforsecurity=False).digest()
# CISCO-GRANITE has sixteen octets of which no public text gives the value.
GRANITE = hashlib.md5(b"ikelab stands in for CISCO-GRANITE", usedforsecurity=False).digest()
CA_HASHES = b"".join(hashlib.sha1(b"CA %d" % n, usedforsecurity=False).digest() for n in range(5))
VERSION = b"Cisco IOS Software, ikelab's stand-in for APPLICATION_VERSION".ljust(257)[:257]
SET_WINDOW_SIZE = (5).to_bytes(4, "big")
IOS_NONCE = 64
"""Octets of a nonce as routers of today send it."""
_PRIVATE = (28675, 28672, 28692, 28681, 28674)  # configuration attributes for private use


def _own_nat() -> list[Edit]:
    # Routers name IKE as the protocol where RFC 7296 3.10 wants zero.
    hashes = ("NAT_DETECTION_SOURCE_IP", "NAT_DETECTION_DESTINATION_IP")
    return [at(f"N({name}).proto").set(1) for name in hashes]


def _vendors(*octets: bytes) -> list[Edit]:
    return [insert(after="Nonce", payload=vendor(data)) for data in reversed(octets)]


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
    start = [*_vendors(DELETE_REASON, FLEXVPN), *_own_nat()]
    if not initiator:
        certificates = [
            insert(payload=certreq(CertEncoding.HASH_AND_URL_OF_X_509_CERTIFICATE, CA_HASHES)),
            insert(payload=notify("HTTP_CERT_LOOKUP_SUPPORTED", proto=1)),
        ]
        return Plan(_bound("IKE_SA_INIT", True, [*start, *certificates]) + _auth(initiator=False))
    return Plan(_bound("IKE_SA_INIT", False, start) + _auth(initiator=True))


def ios(*, initiator: bool) -> Plan:
    """What a router of today sends; give it `nonce_length=IOS_NONCE` besides."""
    start = [*_vendors(DELETE_REASON, COPYRIGHT, GRE_MODE), *_own_nat()]
    start.append(insert(payload=vendor(FRAGMENTATION)))
    return Plan(_bound("IKE_SA_INIT", not initiator, start) + _auth(initiator=initiator))


def _auth(*, initiator: bool) -> tuple[Binding, ...]:
    """What both kinds add inside SK."""
    first = insert("SK", before="IDi" if initiator else "IDr", payload=vendor(GRANITE))
    if not initiator:
        return _bound("IKE_AUTH", True, [first, *_last()])
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
        insert("SK", payload=notify("INITIAL_CONTACT", proto=1)),
        *_last(),
    ]
    return _bound("IKE_AUTH", False, extras)


PROFILES = {"ios-seed": ios_seed, "ios": ios}

_REPLAYS = {"ios-seed": "test_seed"}
"""Profile -> the cases that replay its exchange, as pytest selects them."""


def replay(profile: str, expression: str | None = None) -> str:
    """The expression that selects the cases of a profile, narrowed by the user's own one."""
    cases = _REPLAYS.get(profile)
    if cases is None:
        hint = nearest(profile, _REPLAYS) or f"; there is {', '.join(_REPLAYS)}"
        raise ConfigError(f"no exchange is known for the profile {profile!r}{hint}")
    return f"{cases} and ({expression})" if expression else cases
