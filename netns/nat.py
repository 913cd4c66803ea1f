"""ikelab's own NAT: flows between an inside and an outside, as connection tracking keeps them.

Pure: packets in, packets out. It maps as `Plan` says, so that a test knows the ports; `nft` has the
kernel do the same. A flow exists once its first packet went out (or came to a forwarded port);
what comes in without one is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ikelab.harness.errors import ConfigError
from ikelab.harness.model import Address
from ikelab.netns.packets import UDP, Packet, Reassembly, rewritten
from ikelab.netns.topology import Nat

IKE_PORT, NATT_PORT = 500, 4500
_STEP = 10
_IKE, _NATT, _OTHERS = 40500, 44500, 50000
_LOWEST, _HIGHEST = 1024, 65000


@dataclass(frozen=True, slots=True)
class Plan:
    """What stands for the inside at this moment: an address, and a port for each IKE port.

    The first client has `ike` and `natt`, the next ones the ports after them.
    """

    address: str
    ike: int = _IKE
    natt: int = _NATT

    def later(self, nat: Nat, port: int | None = None, address: str | None = None) -> Plan:
        """The plan after the mappings are gone: other ports, and what was asked for."""
        if address is not None and address not in nat.addresses:
            known = ", ".join(nat.addresses)
            raise ConfigError(f"the NAT has no address {address}; there are {known}")
        if port is not None and not _LOWEST <= port <= _HIGHEST:
            limits = f"from {_LOWEST} to {_HIGHEST}"
            raise ConfigError(f"no outside port {port}: it has to be {limits}")
        natt = _after(self.natt, _NATT, _HIGHEST) if port is None else port
        return Plan(address or self.address, _after(self.ike, _IKE, _NATT - _STEP), natt)

    def ports(self, nat: Nat) -> Mapping[Address, int]:
        """Inside address and port -> outside port."""
        ike = {(client, IKE_PORT): self.ike + n for n, client in enumerate(nat.clients)}
        return ike | {(client, NATT_PORT): self.natt + n for n, client in enumerate(nat.clients)}


def _after(port: int, first: int, last: int) -> int:
    """The next port, and after the last one the first again."""
    return port + _STEP if port + _STEP <= last else first


@dataclass(frozen=True, slots=True)
class Flow:
    """The two ends of a flow and what stands for the inside one."""

    inside: Address
    outside: Address
    remote: Address


class Translator:
    """The state of one NAT."""

    def __init__(self, nat: Nat) -> None:
        self.nat = nat
        self.plan = Plan(nat.addresses[0])
        self._out: dict[tuple[int, Address, Address], Flow] = {}
        self._in: dict[tuple[int, Address, Address], Flow] = {}
        self._reassembly = Reassembly()
        self._next = _OTHERS

    def change(self, plan: Plan) -> None:
        """Forget every flow; new ones go by this plan."""
        self._out.clear()
        self._in.clear()
        self.plan = plan

    def outward(self, packet: Packet) -> Packet | None:
        """What leaves for a packet from the inside; None while its fragments are not all there."""
        whole = self._reassembly.take(packet)
        if whole is None or whole.version != 4:
            return whole
        key = (whole.protocol, whole.src, whole.dst)
        flow = self._out.get(key)
        if flow is None:
            port = self._port(whole.src) if whole.protocol == UDP else 0
            flow = Flow(whole.src, (self.plan.address, port), whole.dst)
            self._add(whole.protocol, flow)
        return rewritten(whole, src=flow.outside)

    def inward(self, packet: Packet) -> Packet | None:
        """What reaches the inside for a packet from the outside; None for what has no mapping."""
        whole = self._reassembly.take(packet)
        if whole is None or whole.version != 4:
            return whole
        flow = self._in.get((whole.protocol, whole.dst, whole.src))
        if flow is None:
            if not self._forwarded(whole):
                return None
            flow = Flow((self.nat.forward, whole.dst[1]), whole.dst, whole.src)
            self._add(whole.protocol, flow)
        return rewritten(whole, dst=flow.inside)

    def _forwarded(self, packet: Packet) -> bool:
        known = packet.dst[0] in self.nat.addresses and packet.dst[1] in (IKE_PORT, NATT_PORT)
        return bool(self.nat.forward) and packet.protocol == UDP and known

    def _port(self, inside: Address) -> int:
        if inside[0] == self.nat.forward:
            return inside[1]
        if port := self.plan.ports(self.nat).get(inside):
            return port
        self._next += 1
        return self._next

    def _add(self, protocol: int, flow: Flow) -> None:
        self._out[protocol, flow.inside, flow.remote] = flow
        self._in[protocol, flow.outside, flow.remote] = flow
