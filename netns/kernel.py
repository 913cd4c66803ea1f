"""What this machine's kernel can do for a lab, learnt by trying each thing in a namespace.

Nothing is read from a kernel's configuration: a module may be there and refused, or built in and
unlisted. `probe()` answers for every ability with the kernel's own words where it cannot.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass

from ikelab.netns import calls, world, xfrm
from ikelab.netns.nl import Request, attribute, nested, talk, text

_NETLINK_NETFILTER = 12
_NOBODY = 65534
_TCP_ULP = 31


@dataclass(frozen=True, slots=True)
class Ability:
    """One thing a kernel can or cannot do: `if kernel["esp"]:`; `why` it cannot, else empty."""

    name: str
    text: str
    works: bool
    why: str = ""

    def __bool__(self) -> bool:
        return self.works


def probe() -> dict[str, Ability]:
    """Try everything, in throw-away namespaces (a private world of its own outside of one)."""
    if not world.inside():
        if reason := world.available():
            return {name: Ability(name, line, False, reason) for name, (line, _) in _TRIES.items()}
        return world.run(probe)
    return calls.elsewhere(_try_all)


def _try_all() -> dict[str, Ability]:
    """In a thread with a namespace: one for all, because the kernel takes its time to end one."""
    try:
        calls.unshare(calls.CLONE_NEWNET)
        world.raise_loopback()
    except OSError as error:
        why = error.strerror or str(error)
        return {name: Ability(name, line, False, why) for name, (line, _) in _TRIES.items()}
    return {name: _try(name, line, function) for name, (line, function) in _TRIES.items()}


def _try(name: str, line: str, function: Callable[[], None]) -> Ability:
    try:
        function()
    except OSError as error:
        return Ability(name, line, False, error.strerror or str(error))
    return Ability(name, line, True)


def _userns() -> None:
    """In a forked process: a user namespace is for a process as a whole. Root tries as nobody."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        number = 0
        with contextlib.suppress(OSError):
            os.setresuid(_NOBODY, _NOBODY, _NOBODY)
        try:
            calls.unshare(calls.CLONE_NEWUSER | calls.CLONE_NEWNET)
        except OSError as error:
            number = error.errno or 1
        os.write(writer, bytes([number]))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        number = (pipe.read(1) or b"\1")[0]
    os.waitpid(child, 0)
    if number:
        raise OSError(number, os.strerror(number))


def _ipv6() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe_socket:
        probe_socket.bind(("::1", 0))


def _tun() -> None:
    try:
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    except PermissionError as error:
        remedy = f"{error.strerror}; `sudo chmod 666 /dev/net/tun` gives it its usual mode"
        raise OSError(error.errno, remedy) from error
    try:
        fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", b"probe0", 0x1001))  # TUNSETIFF, IFF_TUN
    finally:
        # The kernel takes 20 ms to take the device away, and nobody needs to wait for that.
        threading.Thread(target=os.close, args=(fd,), name="tun probe", daemon=True).start()


def _af_key() -> None:
    socket.socket(15, socket.SOCK_RAW, 2).close()  # PF_KEY, PF_KEY_V2


def _netem() -> None:
    # RTM_NEWQDISC on lo: struct tcmsg, then the queue's kind and struct tc_netem_qopt
    head = struct.pack("BxxxiIII", socket.AF_UNSPEC, socket.if_nametoindex("lo"), 0, 0xFFFFFFFF, 0)
    options = struct.pack("IIIIII", 0, 1000, 0, 0, 0, 0)
    body = head + attribute(1, text("netem")) + attribute(2, options)
    talk(socket.NETLINK_ROUTE, [Request(36, body, create=True)])


def _nat() -> None:
    head = struct.pack(">BBH", socket.AF_INET, 0, 0)
    table, chain = text("probe"), text("nat")
    hook = nested(4, attribute(1, struct.pack(">I", 4)), attribute(2, struct.pack(">i", 100)))
    masquerade = nested(4, nested(1, attribute(1, text("masq")), nested(2)))
    names = attribute(1, table) + attribute(3, chain)
    nft = 10 << 8
    talk(
        _NETLINK_NETFILTER,
        [
            Request(0x10, struct.pack(">BBH", 0, 0, 10), ack=False),  # NFNL_MSG_BATCH_BEGIN
            Request(nft | 0, head + attribute(1, table), create=True),
            Request(nft | 3, head + names + hook + attribute(7, text("nat")), create=True),
            Request(
                nft | 6, head + attribute(1, table) + attribute(2, chain) + masquerade, create=True
            ),
            Request(0x11, struct.pack(">BBH", 0, 0, 10), ack=False),
        ],
    )


def _esp() -> None:
    """XFRM_MSG_NEWSA: a tunnel SA with AES-CBC and HMAC-SHA1."""
    talk(xfrm.NETLINK, [Request(xfrm.NEW_SA, xfrm.new_sa("cbc(aes)", 16), create=True)])


def _espintcp() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), timeout=1.0) as here,
    ):
        here.setsockopt(socket.IPPROTO_TCP, _TCP_ULP, b"espintcp")


_TRIES: dict[str, tuple[str, Callable[[], None]]] = {
    "userns": ("labs without root", _userns),
    "ipv6": ("IPv6", _ipv6),
    "esp": ("ESP in the kernel (XFRM)", _esp),
    "espintcp": ("ESP in TCP (espintcp), for daemons", _espintcp),
    "af_key": ("PF_KEY sockets, which OpenIKED needs", _af_key),
    "nat": ("NAT by nftables", _nat),
    "netem": ("loss, delay and reordering by netem", _netem),
    "tun": ("ESP in user space (TUN device)", _tun),  # last: others would wait for its end
}
