"""A topology brought to life: hosts, routers, wires between them, captures of the wires.

Everything is made in anonymous namespaces of this process's world, so two labs never meet, whatever
their addresses.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from functools import partial
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path
from typing import Self

from ikelab.harness.errors import ConfigError, LabError
from ikelab.netns import changes, rtnl, world
from ikelab.netns.capture import Capture, Tap
from ikelab.netns.forwarder import Hop
from ikelab.netns.host import Host
from ikelab.netns.router import OWN, Router, engine
from ikelab.netns.topology import DIRECT, End, Interface, Link, Node, Topology, topology

_IPV6 = Path("/proc/sys/net/ipv6")
_SETTLING, _MOMENT = 5.0, 0.0005  # seconds
_ETHTOOL_OFF = (0x17, 0x1F, 0x24, 0x2C)  # ETHTOOL_STXCSUM, STSO, SGSO, SGRO


class Lab:
    """`with Lab("direct") as lab: lab.host("initiator").socket()`; inside a world only."""

    def __init__(self, plan: Topology | str = DIRECT) -> None:
        self.topology = topology(plan) if isinstance(plan, str) else plan
        self.hosts: dict[str, Host] = {}
        self.routers: dict[str, Router] = {}
        self._captures: list[Capture] = []
        if not world.inside():
            raise LabError("a lab needs a private world: call ikelab.netns.world.enter() first")
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def host(self, name: str) -> Host:
        """The host of this name."""
        if name not in self.hosts:
            raise LabError(f"topology {self.topology.name} has no host {name!r}")
        return self.hosts[name]

    @property
    def router(self) -> Router:
        """The first router that does something to packets; ConfigError where there is none."""
        for router in self.routers.values():
            if router.node.nat or router.node.impairment:
                return router
        raise ConfigError(f"topology {self.topology.name} has no router that changes anything")

    def readdress(self, node: str, *, add: str = "", drop: str = "") -> None:
        """Give a host's first link another IPv4 address, or take one: `10.0.0.9/25`."""
        link = next(link for link in self.topology.links if node in (link.a.node, link.b.node))
        device = next(end.device for end in link.ends if end.node == node)

        def change() -> None:
            for text, gone in ((add, False), (drop, True)):
                if text:
                    changes.address(device, ip_interface(text), gone=gone)

        self.host(node).call(change)

    def default_route(self, node: str, via: str, *, gone: bool = False) -> None:
        """Have a host send what no other route is for to a neighbour; or no longer."""
        self.host(node).call(partial(changes.default_route, via, gone=gone))

    def capture(
        self, path: Path | str, links: Sequence[str] = (), *, keep: bool = False
    ) -> Capture:
        """Start to write the packets of these links (all of them by default); stop or close it.

        A folder gets `capture.pcapng`. With `keep` they stay in memory too.
        """
        taps = [
            Tap(
                f"{link.a.node}:{link.a.device}",
                f"{link.name}: {link.a.node} - {link.b.node}",
                self.host(link.a.node).fd,
                link.a.device,
                link.mtu,
            )
            for link in self.topology.links
            if not links or link.name in links
        ]
        path = Path(path)
        place = path / "capture.pcapng" if path.is_dir() else path
        capture = Capture(place, taps, keep=keep)
        self._captures.append(capture)
        return capture

    def close(self) -> None:
        """Stop captures, kill programs, drop the namespaces. Twice is fine."""
        with contextlib.ExitStack() as stack:
            for host in self.hosts.values():
                stack.callback(host.close)
            for router in self.routers.values():
                stack.callback(router.close)
            for capture in self._captures:
                stack.callback(capture.stop)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _build(self) -> None:
        plan = self.topology
        for node in plan.nodes:
            addresses, inner = plan.addresses(node.name), node.inner
            if not _IPV6.exists():  # the kernel was started without IPv6: the hosts have IPv4 only
                addresses, inner = _ipv4(addresses), _ipv4(inner)
            self.hosts[node.name] = Host(node.name, addresses, inner)
        for step in (self._wire, self._configure, self._settle):
            for node in plan.nodes:
                host = self.hosts[node.name]
                try:
                    host.call(partial(step, node, host))
                except OSError as error:
                    raise LabError(f"cannot set up host {node.name}: {_reason(error)}") from error
        for node in plan.nodes:
            if node.forward:
                self.routers[node.name] = Router(node, self.hosts[node.name], self._hops(node))

    def _wire(self, node: Node, host: Host) -> None:
        """In the host: make the links that start here; their other ends appear in their nodes."""
        _settings(forward=node.forward and engine(node) != OWN)
        made = []
        for link in self.topology.links:
            if link.a.node == node.name:
                macs = (self._mac(link.a), self._mac(link.b))
                net = self.hosts[link.b.node].fd
                made.append(rtnl.veth(link.a.device, link.b.device, macs=macs, net=net))
        if host.inner:
            # A pair that stays in the host: unlike `dummy`, every kernel that has links has it.
            made.append(rtnl.veth("inner", "inner-end"))
        rtnl.send(*made)

    def _configure(self, node: Node, host: Host) -> None:
        """In the host: devices up, addresses, routes, routers that do not answer for themselves."""
        silent = node.forward and engine(node) == OWN
        made = []
        for link in self.topology.links:
            for end in (end for end in link.ends if end.node == node.name):
                _no_offload(end.device)
                made.append(rtnl.up(end.device, link.mtu))
                addresses = [a for a in end.addresses if a in host.interfaces and not silent]
                made += [rtnl.address(end.device, address) for address in addresses]
                known = self._known(link, end)
                made += [rtnl.neighbour(end.device, address, mac) for address, mac in known]
        if host.inner:
            made += [rtnl.up("inner-end", 1500), rtnl.up("inner", 1500)]
            made += [rtnl.address("inner", address) for address in host.inner_interfaces]
        for route in () if silent else node.routes:
            if _IPV6.exists() or ":" not in route.to:
                made.append(rtnl.route(route.to, route.via))
        rtnl.send(*made)

    def _settle(self, node: Node, host: Host) -> None:
        """In the host: wait until its links carry packets.

        The end that came up first learns a moment later that the other one is there, and until then
        the kernel drops what is sent. The other end knows at once, and says so after a second.
        """
        del host
        order = [one.name for one in self.topology.nodes]
        first = {
            min(link.ends, key=lambda end: order.index(end.node)) for link in self.topology.links
        }
        devices = {end.device for end in first if end.node == node.name}
        deadline = time.monotonic() + _SETTLING
        while devices and not devices <= rtnl.carrying() and time.monotonic() < deadline:
            time.sleep(_MOMENT)

    def _mac(self, end: End) -> str:
        """The MAC of a device: link and end of the topology, locally administered."""
        ends = [one for link in self.topology.links for one in link.ends]
        return f"02:00:00:00:00:{ends.index(end) + 1:02x}"

    def _known(self, link: Link, end: End) -> Iterator[tuple[str, str]]:
        """Addresses at the other end of a link that nobody there answers for, with their MAC."""
        other = link.b if end is link.a else link.a
        node = self.topology.node(other.node)
        if node.forward and engine(node) == OWN:
            for address in other.addresses:
                yield str(address.ip), self._mac(other)

    def _hops(self, node: Node) -> list[Hop]:
        """Where a router's packets go: its links, and its routes by them."""
        found = []
        for link in self.topology.links:
            for end, other in (link.ends, link.ends[::-1]):
                if end.node != node.name:
                    continue
                mac = bytes.fromhex(self._mac(other).replace(":", ""))
                networks = [address.network for address in end.addresses]
                near = list(dict.fromkeys(networks))
                far = [
                    ip_network(route.to)
                    for route in node.routes
                    if any(ip_address(route.via) in network for network in near)
                ]
                found += [Hop(network, end.device, mac, link.mtu) for network in (*near, *far)]
        return found


def _reason(error: OSError) -> str:
    if error.errno == errno.EOPNOTSUPP:
        return "this kernel has no veth links; load its module veth or take another kernel"
    return str(error)


def _ipv4(interfaces: Sequence[Interface]) -> tuple[Interface, ...]:
    return tuple(interface for interface in interfaces if interface.version == 4)


def _settings(*, forward: bool) -> None:
    """Addresses that work at once, no unasked router solicitations, forwarding where wanted."""
    _sysctl("ipv4/ip_forward", int(forward))
    if _IPV6.exists():
        _sysctl("ipv6/conf/all/forwarding", int(forward))
        for name in ("accept_dad", "accept_ra", "router_solicitations"):
            _sysctl(f"ipv6/conf/default/{name}", 0)


def _sysctl(name: str, value: int) -> None:
    Path("/proc/sys/net", name).write_text(str(value))


def _no_offload(device: str) -> None:
    """Have the kernel send whole packets with true checksums, as on a wire (and in the capture)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for command in _ETHTOOL_OFF:
            value = ctypes.create_string_buffer(struct.pack("II", command, 0))
            request = struct.pack("16sP", device.encode(), ctypes.addressof(value))
            fcntl.ioctl(control, 0x8946, request)  # SIOCETHTOOL
