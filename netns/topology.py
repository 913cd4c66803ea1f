"""Networks as data: nodes, links, addresses, routes, what routers do. No sockets, no system calls.

A `Lab` builds what a `Topology` says. More kinds of network are more rows in `TOPOLOGIES`, not more
code. A case of an IKE initiator and a responder finds its two ends at the nodes of those names.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from ipaddress import IPv4Interface, IPv6Interface, ip_interface

from ikelab.harness.errors import ConfigError, nearest

Interface = IPv4Interface | IPv6Interface
INITIATOR, RESPONDER, CLIENT, ROUTER = "initiator", "responder", "client", "router"


def _interfaces(*texts: str) -> tuple[Interface, ...]:
    return tuple(ip_interface(text) for text in texts)


@dataclass(frozen=True, slots=True)
class Route:
    """Where packets to a network go: the next hop's address."""

    to: str
    via: str


@dataclass(frozen=True, slots=True)
class Nat:
    """What a router makes of IPv4 addresses where packets leave and enter by one device.

    What leaves gets the first of `addresses` (the others are there to be rebound to) and, from the
    IKE ports of `clients`, another port. With `forward` the two IKE ports of the outside lead to
    that inside address, and are kept in what it sends.
    """

    device: str
    addresses: tuple[str, ...]
    clients: tuple[str, ...] = ()
    forward: str = ""


@dataclass(frozen=True, slots=True)
class Impairment:
    """What a router does to the packets that it passes on, in both directions.

    `loss`, `duplicate`, `reorder` and `corrupt` are shares from 0 to 1, `delay` is in seconds.
    """

    loss: float = 0.0
    delay: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    corrupt: float = 0.0
    drop_fragments: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """One host or router. `inner` are its addresses in the subnets behind it (device `inner`).

    `seen_as` is the address that others know the node by, where that is not its own.
    """

    name: str
    inner: tuple[Interface, ...] = ()
    routes: tuple[Route, ...] = ()
    forward: bool = False
    seen_as: str = ""
    nat: Nat | None = None
    impairment: Impairment | None = None


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
    """A network that a lab can build.

    IKE runs over IP `version`, the subnets behind the ends have `inner_version`. A `plain` one does
    nothing to packets: any case can run there. In an `uneven` one it matters who is where.
    """

    name: str
    text: str
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    version: int = 4
    inner_version: int = 4
    plain: bool = False
    uneven: bool = False

    def node(self, name: str) -> Node:
        """The node of this name."""
        return next(node for node in self.nodes if node.name == name)

    def addresses(self, node: str) -> tuple[Interface, ...]:
        """A node's addresses on its links, in order."""
        ends = (end for link in self.links for end in link.ends)
        return tuple(address for end in ends if end.node == node for address in end.addresses)

    def address(self, node: str) -> str:
        """The address of a node that IKE uses there."""
        found = (a for a in self.addresses(node) if a.version == self.version)
        return str(next(found).ip)

    def seen_as(self, node: str) -> str:
        """The address that the other end knows a node by."""
        return self.node(node).seen_as or self.address(node)

    def subnet(self, node: str) -> str:
        """The network behind a node that tunnels are about."""
        found = (i for i in self.node(node).inner if i.version == self.inner_version)
        return str(next(found).network)


_BEHIND = {
    INITIATOR: _interfaces("10.1.0.1/24", "2001:db8:1::1/64"),
    RESPONDER: _interfaces("10.2.0.1/24", "2001:db8:2::1/64"),
    CLIENT: _interfaces("10.3.0.1/24"),
}
_EVERYWHERE, _TUNNELLED = "0.0.0.0/0", "10.0.0.0/8"


def _host(name: str, via: str, seen_as: str = "", to: str = _EVERYWHERE) -> Node:
    """An end that sends everything (or only what tunnels are about) to a router."""
    return Node(name, inner=_BEHIND[name], routes=(Route(to, via),), seen_as=seen_as)


def _end(node: str, address: str, device: str = "eth0", *more: str) -> End:
    return End(node, _interfaces(address, *more), device)


DIRECT = Topology(
    "direct",
    "two hosts on one wire, a subnet behind each",
    nodes=(
        Node(
            INITIATOR,
            inner=_BEHIND[INITIATOR],
            routes=(Route("10.2.0.0/24", "10.0.0.2"), Route("2001:db8:2::/64", "2001:db8:0:1::2")),
        ),
        Node(
            RESPONDER,
            inner=_BEHIND[RESPONDER],
            routes=(Route("10.1.0.0/24", "10.0.0.1"), Route("2001:db8:1::/64", "2001:db8:0:1::1")),
        ),
    ),
    links=(
        Link(
            "wire",
            End(INITIATOR, _interfaces("10.0.0.1/24", "2001:db8:0:1::1/64")),
            End(RESPONDER, _interfaces("10.0.0.2/24", "2001:db8:0:1::2/64")),
        ),
    ),
    plain=True,
)
DIRECT6 = replace(DIRECT, name="direct6", text="direct, over IPv6", version=6, inner_version=6)
IN6 = replace(
    DIRECT, name="4in6", text="IPv4 subnets, IPv6 between the ends", version=6, plain=False
)

# Documentation networks (RFC 5737) are the outside, private ones (RFC 1918) lie behind a NAT.
_INSIDE, _FAR = "192.168.1", "192.168.2"
_OUTSIDE = ("203.0.113.1", "203.0.113.9")
_FORWARDED = ("198.51.100.1",)


def _nat_initiator() -> Topology:
    client = f"{_INSIDE}.2"
    nat = Nat("eth1", _OUTSIDE, clients=(client,))
    return Topology(
        "nat-initiator",
        "a NAT before the initiator that gives it another address and other ports",
        nodes=(
            _host(INITIATOR, f"{_INSIDE}.1", seen_as=_OUTSIDE[0]),
            Node(ROUTER, forward=True, nat=nat),
            _host(RESPONDER, _OUTSIDE[0], to=_TUNNELLED),
        ),
        links=(
            Link("inside", _end(INITIATOR, f"{client}/24"), _end(ROUTER, f"{_INSIDE}.1/24")),
            Link(
                "outside",
                _end(RESPONDER, "203.0.113.2/24"),
                _end(ROUTER, f"{_OUTSIDE[0]}/24", "eth1", f"{_OUTSIDE[1]}/24"),
            ),
        ),
        uneven=True,
    )


def _nat_responder() -> Topology:
    nat = Nat("eth1", _FORWARDED, forward=f"{_FAR}.2")
    return Topology(
        "nat-responder",
        "a NAT before the responder that forwards the IKE ports to it",
        nodes=(
            _host(INITIATOR, _FORWARDED[0], to=_TUNNELLED),
            Node(ROUTER, forward=True, nat=nat),
            _host(RESPONDER, f"{_FAR}.1", seen_as=_FORWARDED[0]),
        ),
        links=(
            Link(
                "outside",
                _end(INITIATOR, "198.51.100.2/24"),
                _end(ROUTER, f"{_FORWARDED[0]}/24", "eth1"),
            ),
            Link("inside", _end(RESPONDER, f"{_FAR}.2/24"), _end(ROUTER, f"{_FAR}.1/24")),
        ),
        uneven=True,
    )


def _nat_both() -> Topology:
    near, far = f"{_INSIDE}.2", f"{_FAR}.2"
    return Topology(
        "nat-both",
        "a NAT before each end; the responder's forwards the IKE ports to it",
        nodes=(
            _host(INITIATOR, f"{_INSIDE}.1", seen_as=_OUTSIDE[0]),
            Node(ROUTER, forward=True, nat=Nat("eth1", _OUTSIDE, clients=(near,))),
            Node("router2", forward=True, nat=Nat("eth1", ("203.0.113.2",), forward=far)),
            _host(RESPONDER, f"{_FAR}.1", seen_as="203.0.113.2"),
        ),
        links=(
            Link("inside", _end(INITIATOR, f"{near}/24"), _end(ROUTER, f"{_INSIDE}.1/24")),
            Link(
                "outside",
                _end(ROUTER, f"{_OUTSIDE[0]}/24", "eth1", f"{_OUTSIDE[1]}/24"),
                _end("router2", "203.0.113.2/24", "eth1"),
            ),
            Link("far", _end(RESPONDER, f"{far}/24"), _end("router2", f"{_FAR}.1/24")),
        ),
        uneven=True,
    )


def _two_clients() -> Topology:
    one = _nat_initiator()
    second = "192.168.3.2"
    router = Node(ROUTER, forward=True, nat=Nat("eth1", _OUTSIDE, clients=(f"{_INSIDE}.2", second)))
    client = _host(CLIENT, "192.168.3.1", seen_as=_OUTSIDE[0])
    third = Link("inside2", _end(CLIENT, f"{second}/24"), _end(ROUTER, "192.168.3.1/24", "eth2"))
    nodes = (one.node(INITIATOR), client, router, one.node(RESPONDER))
    text = "two clients behind one NAT"
    return replace(one, name="two-clients", text=text, nodes=nodes, links=(*one.links, third))


# Benchmarking networks (RFC 2544) are what is routed, and documentation ones (RFC 3849) in IPv6.
_NETS = {4: "198.18.{}.{}/24", 6: "2001:db8:100:{}::{}/64"}
_EVERYWHERE6 = "::/0"


def _at(version: int, net: int, host: int) -> str:
    """An address of a routed network: `198.18.1.2/24`, `2001:db8:100:1::2/64`."""
    return _NETS[version].format(net, host)


def _via(version: int, net: int, host: int) -> str:
    return _at(version, net, host).partition("/")[0]


def _whole(version: int, net: int) -> str:
    return str(ip_interface(_at(version, net, 1)).network)


def _routed(
    name: str, text: str, impairment: Impairment | None = None, version: int = 4
) -> Topology:
    """A router between the ends that changes no address."""
    here = partial(_at, version)
    to = _EVERYWHERE6 if version == 6 else _EVERYWHERE
    return Topology(
        name,
        text,
        nodes=(
            _host(INITIATOR, _via(version, 1, 1), to=to),
            Node(ROUTER, forward=True, impairment=impairment),
            _host(RESPONDER, _via(version, 2, 1), to=to),
        ),
        links=(
            Link("near", _end(INITIATOR, here(1, 2)), _end(ROUTER, here(1, 1))),
            Link("far", _end(RESPONDER, here(2, 2)), _end(ROUTER, here(2, 1), "eth1")),
        ),
        version=version,
        inner_version=version,
    )


def _narrow(mtu: int, version: int = 4) -> Topology:
    """Two routers with a narrow link between them, which neither end knows of."""
    here = partial(_at, version)
    to = _EVERYWHERE6 if version == 6 else _EVERYWHERE
    there, back = (
        Route(_whole(version, net), _via(version, 3, host)) for net, host in ((2, 2), (1, 1))
    )
    return Topology(
        f"mtu{mtu}" + ("-6" if version == 6 else ""),
        f"a link of {mtu} octets in the middle" + (", over IPv6" if version == 6 else ""),
        nodes=(
            _host(INITIATOR, _via(version, 1, 1), to=to),
            Node(ROUTER, forward=True, routes=(there,)),
            Node("router2", forward=True, routes=(back,)),
            _host(RESPONDER, _via(version, 2, 1), to=to),
        ),
        links=(
            Link("near", _end(INITIATOR, here(1, 2)), _end(ROUTER, here(1, 1))),
            Link(
                "narrow",
                _end(ROUTER, here(3, 1), "eth1"),
                _end("router2", here(3, 2), "eth1"),
                mtu=mtu,
            ),
            Link("far", _end(RESPONDER, here(2, 2)), _end("router2", here(2, 1))),
        ),
        version=version,
        inner_version=version,
    )


TOPOLOGIES = {
    topology.name: topology
    for topology in (
        DIRECT,
        DIRECT6,
        IN6,
        _nat_initiator(),
        _nat_responder(),
        _nat_both(),
        _two_clients(),
        _narrow(576),
        _narrow(1280),
        _narrow(1280, version=6),
        _routed(
            "drops-fragments",
            "a router that drops IP fragments",
            Impairment(drop_fragments=True),
        ),
        _routed(
            "drops-fragments-6",
            "a router that drops IP fragments, over IPv6",
            Impairment(drop_fragments=True),
            version=6,
        ),
        _routed("loss", "one packet in five is lost, each way", Impairment(loss=0.2)),
        _routed("loss-6", "loss, over IPv6", Impairment(loss=0.2), version=6),
        _routed("delay", "every packet takes 50 ms, each way", Impairment(delay=0.05)),
        _routed("duplicate", "one packet in three comes twice", Impairment(duplicate=0.33)),
        _routed("reorder", "one packet in three is overtaken", Impairment(reorder=0.33)),
        _routed("corrupt", "one packet in five has a flipped bit", Impairment(corrupt=0.2)),
    )
}


def topology(name: str) -> Topology:
    """The topology of this name; ConfigError names the nearest ones."""
    if name not in TOPOLOGIES:
        known = nearest(name, TOPOLOGIES) or f"; there are {', '.join(TOPOLOGIES)}"
        raise ConfigError(f"unknown topology {name!r}{known}")
    return TOPOLOGIES[name]
