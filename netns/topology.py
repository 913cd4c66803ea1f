"""Networks as data: nodes, links, addresses, routes. No sockets and no system calls here.

A `Lab` builds what a `Topology` says. More kinds of network are more values, not more code.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_interface

from ikelab.harness.errors import ConfigError, nearest

Interface = IPv4Interface | IPv6Interface


def _interfaces(*texts: str) -> tuple[Interface, ...]:
    return tuple(ip_interface(text) for text in texts)


@dataclass(frozen=True, slots=True)
class Route:
    """Where packets to a network go: the next hop's address."""

    to: str
    via: str


@dataclass(frozen=True, slots=True)
class Node:
    """One host or router. `inner` are its addresses in the subnets behind it (device `inner`)."""

    name: str
    inner: tuple[Interface, ...] = ()
    routes: tuple[Route, ...] = ()
    forward: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """One end of a link: the node, its device name there, its addresses."""

    node: str
    addresses: tuple[Interface, ...]
    device: str = "eth0"


@dataclass(frozen=True, slots=True)
class Link:
    """A wire between two nodes; captures see it at end `a`."""

    name: str
    a: End
    b: End
    mtu: int = 1500

    @property
    def ends(self) -> tuple[End, End]:
        return (self.a, self.b)


@dataclass(frozen=True, slots=True)
class Topology:
    """A network that a lab can build."""

    name: str
    text: str
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]

    def addresses(self, node: str) -> tuple[Interface, ...]:
        """A node's addresses on its links, in order."""
        ends = (end for link in self.links for end in link.ends)
        return tuple(address for end in ends if end.node == node for address in end.addresses)


DIRECT = Topology(
    "direct",
    "two hosts on one wire, a subnet behind each",
    nodes=(
        Node(
            "initiator",
            inner=_interfaces("10.1.0.1/24", "2001:db8:1::1/64"),
            routes=(Route("10.2.0.0/24", "10.0.0.2"), Route("2001:db8:2::/64", "2001:db8:0:1::2")),
        ),
        Node(
            "responder",
            inner=_interfaces("10.2.0.1/24", "2001:db8:2::1/64"),
            routes=(Route("10.1.0.0/24", "10.0.0.1"), Route("2001:db8:1::/64", "2001:db8:0:1::1")),
        ),
    ),
    links=(
        Link(
            "wire",
            End("initiator", _interfaces("10.0.0.1/24", "2001:db8:0:1::1/64")),
            End("responder", _interfaces("10.0.0.2/24", "2001:db8:0:1::2/64")),
        ),
    ),
)

TOPOLOGIES = {topology.name: topology for topology in (DIRECT,)}


def topology(name: str) -> Topology:
    """The topology of this name; ConfigError names the nearest ones."""
    if name not in TOPOLOGIES:
        known = nearest(name, TOPOLOGIES) or f"; there are {', '.join(TOPOLOGIES)}"
        raise ConfigError(f"unknown topology {name!r}{known}")
    return TOPOLOGIES[name]
