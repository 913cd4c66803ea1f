"""Our end of the wire to a router in GNS3: a veth pair or a tap, made and removed here.

GNS3's cloud takes an interface of the network that the server runs in, and our sockets need the
other end: so it is made where ikelab itself runs, which has to be the same network. What stands
already is never touched: only what was made here is removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
from dataclasses import dataclass
from ipaddress import ip_interface
from pathlib import Path

from ikelab.harness.errors import ConfigError, LabError, nearest
from ikelab.netns import rtnl, world

NAMESPACE, HOST = "namespace", "host"
_TUNSETIFF, _TUNSETPERSIST = 0x400454CA, 0x400454CB
_TAP = 0x1002  # IFF_TAP | IFF_NO_PI
_LONGEST = 15  # characters of a device's name
_EVERYBODY = ["0", "0", "4294967295"]  # the user IDs of the first user namespace


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be made. A tap has one end: `device` is for a veth pair only."""

    where: str  # NAMESPACE or HOST
    wire: str  # "ethernet" or "tap"
    interface: str  # the cloud's end
    device: str  # ours
    address: str  # ours, "10.0.0.1/24"

    @property
    def ours(self) -> str:
        return self.interface if self.wire == "tap" else self.device

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.ours, self.interface)))

    @property
    def commands(self) -> str:
        """The same by hand."""
        made = f"link add {self.device} type veth peer name {self.interface}"
        if self.wire == "tap":
            made = f"tuntap add dev {self.interface} mode tap"
        rest = [f"address add {self.address} dev {self.ours}"]
        return " && ".join(
            f"ip {words}" for words in (made, *rest, *(f"link set {n} up" for n in self.names))
        )


class LocalWire:
    """Makes what a plan says, once, and removes it; without a plan it does nothing."""

    def __init__(self, plan: Plan | None) -> None:
        self._plan = plan
        self._made: tuple[str, int] | None = None  # name and index of our end

    def make(self, server: str) -> None:
        """Make it; ConfigError where that cannot be, with the commands that do it by hand."""
        plan = self._plan
        if plan is None or self._made:
            return
        _check(plan, server)
        try:
            _tap(plan.interface) if plan.wire == "tap" else rtnl.send(
                rtnl.veth(plan.device, plan.interface)
            )
            self._made = (plan.ours, socket.if_nametoindex(plan.ours))
            rtnl.send(
                *(rtnl.up(name, 1500) for name in plan.names),
                rtnl.address(plan.ours, ip_interface(plan.address)),
            )
        except OSError as error:
            with contextlib.suppress(LabError):  # what went wrong first is what counts
                self.remove()
            rights = "run ikelab as root, or " if isinstance(error, PermissionError) else ""
            raise ConfigError(
                f"{plan.ours} cannot be made here ({error.strerror}): {rights}have root do it and "
                f"take 'make' out of the table gns3: {plan.commands}"
            ) from None

    def remove(self) -> None:
        """Remove what was made here, and nothing else of that name. Idempotent."""
        made, self._made = self._made, None
        if made is None:
            return
        name, index = made
        try:
            if socket.if_nametoindex(name) == index:
                rtnl.send(rtnl.gone(index))
        except OSError as error:
            if name in (row[1] for row in socket.if_nameindex()):
                raise LabError(
                    f"{name} cannot be removed ({error.strerror}): ip link delete {name}"
                ) from None


def sound(plan: Plan) -> None:
    """ConfigError for what no machine could make; where nothing is to be made, for a wrong wire."""
    if plan.wire not in ("ethernet", "tap"):
        raise ConfigError(f'wire = "{plan.wire}": write "ethernet" (a veth pair) or "tap"')
    if not plan.where:
        return
    if plan.where not in (NAMESPACE, HOST):
        hint = nearest(plan.where, (NAMESPACE, HOST))
        raise ConfigError(f'make = "{plan.where}": write "{NAMESPACE}" or "{HOST}"{hint}')
    try:
        ip_interface(plan.address)
    except ValueError:
        raise ConfigError(
            "'make' needs local_address and prefix in the entry: our end gets that address"
        ) from None
    for name in plan.names:
        if not 0 < len(name.encode()) <= _LONGEST or "/" in name or not name.isprintable():
            key = "interface" if name == plan.interface else "device"
            raise ConfigError(
                f"{key} {name!r} is no name of an interface: up to {_LONGEST} characters"
            )
    if plan.wire == "ethernet" and plan.device == plan.interface:
        raise ConfigError(f"device and interface are both {plan.device!r}: a wire has two ends")


def _check(plan: Plan, server: str) -> None:
    """ConfigError for what is not to be made, before anything is."""
    sound(plan)
    for name in plan.names:
        if name in (row[1] for row in socket.if_nameindex()):
            raise ConfigError(
                f"there is an interface {name} here already: take 'make' out of the table gns3 to "
                f"use it, or remove it: ip link delete {name}"
            )
    if not _here(server):
        raise ConfigError(
            f"'make' is for a GNS3 server on this machine, in this network, and {server} is not: "
            f"there, do it by hand: {plan.commands}"
        )
    if plan.where == NAMESPACE and _machines_own():
        raise ConfigError(
            f'make = "{NAMESPACE}", and this is the machine\'s own network: run gns3server and '
            f'ikelab in a namespace (ip netns exec NAME ...), or write make = "{HOST}"'
        )


def _here(server: str) -> bool:
    """Whether an address of that name is one of this network's."""
    try:
        found = socket.getaddrinfo(server, None, type=socket.SOCK_DGRAM)
    except OSError:
        return False
    for family, kind, _, _, place in found:
        with contextlib.suppress(OSError), socket.socket(family, kind) as probe:
            probe.bind(place)
            return True
    return False


def _machines_own() -> bool:
    """Whether this network is that of the machine's first process.

    In a user namespace of one's own there is no right to the machine's: trying tells.
    """
    if world.inside() or Path("/proc/self/uid_map").read_text().split() != _EVERYBODY:
        return False
    try:
        return Path("/proc/1/ns/net").stat().st_ino == Path("/proc/self/ns/net").stat().st_ino
    except PermissionError:
        return True


def _tap(name: str) -> None:
    """A tap that stays when we let go of it, so that GNS3's ubridge can take it."""
    device = os.open("/dev/net/tun", os.O_RDWR)
    try:
        fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TAP))
        fcntl.ioctl(device, _TUNSETPERSIST, 1)
    finally:
        os.close(device)
