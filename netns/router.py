"""A router of a lab: by the kernel where it can do what the topology asks, else by ikelab's own.

`IKELAB_ROUTER=own` has ikelab's forwarder do it on every kernel.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Sequence
from functools import cache, partial

from ikelab.harness.errors import LabError
from ikelab.netns import calls, nft
from ikelab.netns.forwarder import Forwarder, Hop
from ikelab.netns.host import Host
from ikelab.netns.impair import netem
from ikelab.netns.nat import Plan
from ikelab.netns.nl import Request, attribute, talk, text
from ikelab.netns.topology import Impairment, Nat, Node

OWN, NFTABLES, NETEM, KERNEL = "ikelab", "nftables", "netem", "kernel"
_NEW_QDISC, _ROOT = 36, 0xFFFFFFFF
_TRIAL = Nat("eth1", ("192.0.2.1",), clients=("192.0.2.2",))


def engine(node: Node) -> str:
    """Who does the router's work on this kernel."""
    forced = os.environ.get("IKELAB_ROUTER") == "own"
    if node.nat is not None:
        return NFTABLES if not forced and node.impairment is None and _has_nft() else OWN
    if node.impairment is not None:
        able = not forced and netem(node.impairment) is not None and _has_netem()
        return NETEM if able else OWN
    return KERNEL


class Router:
    """What a test may do to a router. `engine` says who works."""

    def __init__(self, node: Node, host: Host, hops: Sequence[Hop]) -> None:
        self.node = node
        self.engine = engine(node)
        self._host = host
        self._forwarder: Forwarder | None = None
        if node.nat is not None:
            self._plan = Plan(node.nat.addresses[0])
        try:
            self._start(hops)
        except OSError as error:
            raise LabError(f"cannot set up router {node.name}: {error}") from error

    def _start(self, hops: Sequence[Hop]) -> None:
        if self.engine == OWN:
            self._forwarder = Forwarder(self.node, self._host.fd, hops)
        elif self.engine == NFTABLES:
            self._change()
        elif self.engine == NETEM and self.node.impairment is not None:
            devices = sorted({hop.device for hop in hops})
            self._host.call(partial(_impair, self.node.impairment, devices))

    def rebind(self, port: int | None = None, address: str | None = None) -> None:
        """Have the NAT lose its mappings; new ones are at other ports, or where this says.

        `port` stands for port 4500 of the (first) client. Nothing comes in until the inside has
        sent something. ConfigError for an address that the NAT has not.
        """
        nat = self._nat()
        self._plan = self._plan.later(nat, port, address)
        self._change()

    def expire(self) -> None:
        """Have every mapping of the NAT expire; the next packet makes a new one at other ports."""
        self.rebind()

    def reset(self) -> None:
        """Back to the first address and ports, if the NAT has left them."""
        if self.node.nat is not None:
            first = Plan(self.node.nat.addresses[0])
            if self._plan != first:
                self._plan = first
                self._change()

    def outside(self, port: int = 4500, client: int = 0) -> tuple[str, int]:
        """The address and port that stand for an IKE port of a client now."""
        nat = self._nat()
        if nat.forward:
            return self._plan.address, port
        return self._plan.address, self._plan.ports(nat)[nat.clients[client], port]

    def close(self) -> None:
        """Stop. Twice is fine."""
        if self._forwarder is not None:
            self._forwarder.close()
            self._forwarder = None

    def _nat(self) -> Nat:
        if self.node.nat is None:
            raise LabError(f"router {self.node.name} is no NAT")
        return self.node.nat

    def _change(self) -> None:
        nat = self._nat()
        if self._forwarder is not None:
            self._forwarder.change(self._plan)
            return
        try:
            self._host.call(partial(nft.apply, nat, self._plan))
        except OSError as error:
            raise LabError(f"cannot change the NAT of {self.node.name}: {error}") from error


def _impair(wrong: Impairment, devices: Sequence[str]) -> None:
    options = netem(wrong)
    assert options is not None
    for device in devices:
        index = socket.if_nametoindex(device)
        head = struct.pack("BxxxiIII", socket.AF_UNSPEC, index, 0, _ROOT, 0)
        body = head + attribute(1, text("netem")) + attribute(2, options)
        talk(socket.NETLINK_ROUTE, [Request(_NEW_QDISC, body, create=True)])


@cache
def _has_nft() -> bool:
    return _works(lambda: nft.apply(_TRIAL, Plan("192.0.2.1")))


@cache
def _has_netem() -> bool:
    return _works(lambda: _impair(Impairment(delay=0.001), ["lo"]))


def _works(function: Callable[[], None]) -> bool:
    def alone() -> None:
        calls.unshare(calls.CLONE_NEWNET)
        function()

    try:
        calls.elsewhere(alone)
    except OSError:
        return False
    return True
