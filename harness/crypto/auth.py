"""Authentication octets (RFC 7296 2.15), the shared-secret method, and NAT detection (2.23)."""

from __future__ import annotations

import hashlib
import ipaddress
from functools import lru_cache

from ikelab.harness.crypto.prf import prf

KEY_PAD = b"Key Pad for IKEv2"


def signed_octets(
    prf_id: int, message: bytes, peer_nonce: bytes, id_body: bytes, sk_p: bytes
) -> bytes:
    """What AUTH signs or MACs: RealMessage | the peer's nonce | prf(SK_p, RestOfIDPayload).

    `message` is the sender's own first message, from the first octet of the first SPI on;
    `id_body` is its ID payload without the generic header; SK_pi or SK_pr goes with the sender.
    """
    return message + peer_nonce + prf(prf_id, sk_p, id_body)


def psk_auth(prf_id: int, psk: bytes, octets: bytes) -> bytes:
    """AUTH data of the shared-key method: prf(prf(Shared Secret, "Key Pad for IKEv2"), octets)."""
    return prf(prf_id, prf(prf_id, psk, KEY_PAD), octets)


def null_auth(prf_id: int, sk_p: bytes, octets: bytes) -> bytes:
    """AUTH data of NULL authentication: as a shared secret, SK_pi or SK_pr (RFC 7619 2.1)."""
    return psk_auth(prf_id, sk_p, octets)


def nat_detection(spi_i: bytes, spi_r: bytes, address: str, port: int) -> bytes:
    """The data of NAT_DETECTION_*_IP: SHA-1(SPIi | SPIr | IP | port), 20 octets."""
    text = spi_i + spi_r + _packed(address) + port.to_bytes(2, "big")
    return hashlib.sha1(text, usedforsecurity=False).digest()


@lru_cache(maxsize=256)
def _packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed
