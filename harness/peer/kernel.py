"""What the kernel of a host can do for IPsec daemons, found by trying. Call inside the host.

Netlink is spoken by hand: a handful of messages is no reason for a library.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct

_NETLINK_ROUTE, _NETLINK_XFRM = 0, 6
_DELRULE = 33
_NEWSA, _FLUSHSA, _FLUSHPOLICY = 0x10, 0x1C, 0x1D
_REQUEST_ACK = 0x01 | 0x04
_ALG_AUTH, _ALG_CRYPT = 1, 2
_ESP = 50
_TUN = "/dev/net/tun"


def has_esp() -> bool:
    """Whether the kernel takes an ESP security association; leaves none behind."""
    try:
        added = _ask(_NEWSA, _security_association()) == 0
    except OSError:
        return False
    if added:
        flush()
    return added


def flush() -> None:
    """Drop every security association and policy of this network namespace."""
    for kind, body in ((_FLUSHSA, b"\0"), (_FLUSHPOLICY, b"")):
        try:
            _ask(kind, body)
        except OSError:
            return


def drop_rule(table: int, priority: int) -> None:
    """Delete the routing rule that a daemon left behind, for IPv4 and IPv6; none is fine too."""
    for family in (socket.AF_INET, socket.AF_INET6):
        header = struct.pack("=BBBBBBBBI", family, 0, 0, 0, 0, 0, 0, 1, 0)  # FR_ACT_TO_TBL
        attributes = struct.pack("=HHIHHI", 8, 6, priority, 8, 15, table)
        try:
            _ask(_DELRULE, header + attributes, _NETLINK_ROUTE)
        except OSError:
            return


def has_tun() -> bool:
    """Whether a TUN device can be made here; leaves none behind."""
    try:
        descriptor = os.open(_TUN, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.ioctl(descriptor, 0x400454CA, struct.pack("16sH22x", b"", 0x1001))  # TUNSETIFF
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _ask(kind: int, body: bytes, family: int = _NETLINK_XFRM) -> int:
    """Send one request; the errno of the kernel's acknowledgement, 0 for success."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family) as netlink:
        netlink.settimeout(1.0)
        netlink.send(struct.pack("=IHHII", 16 + len(body), kind, _REQUEST_ACK, 1, 0) + body)
        answer = netlink.recv(8192)
    return -int(struct.unpack_from("=i", answer, 16)[0])


def _security_association() -> bytes:
    """struct xfrm_usersa_info of a transport mode SA on the loopback, AES-CBC and HMAC-SHA1."""
    here = socket.inet_aton("127.0.0.1") + bytes(12)
    selector = bytes(40) + struct.pack("=HBBBxxxiI", socket.AF_INET, 0, 0, 0, 0, 0)
    identity = here + struct.pack(">I", 0x1000) + struct.pack("=Bxxx", _ESP)
    limits = struct.pack("=4Q4Q", *[2**64 - 1] * 4, *[0] * 4)
    tail = struct.pack("=IIHBBB7x", 0, 0, socket.AF_INET, 0, 0, 0)
    info = selector + identity + here + limits + bytes(32 + 12) + tail
    algorithms = _algorithm(_ALG_AUTH, b"hmac(sha1)", 20) + _algorithm(_ALG_CRYPT, b"cbc(aes)", 16)
    return info + algorithms


def _algorithm(kind: int, name: bytes, octets: int) -> bytes:
    body = struct.pack("=64sI", name, octets * 8) + bytes(octets)
    return struct.pack("=HH", 4 + len(body), kind) + body
