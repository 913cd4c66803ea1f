"""The configuration payload (RFC 7296 2.19, 3.15): an address and more, asked for and given."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.model import TS, IPAddress
from ikelab.layers.config import ConfigurationAttribute, IKEv2_CP
from ikelab.layers.iana import CfgAttr, CfgType, Notify, Payload, lookup

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa

ADDRESSES: dict[int, int] = {CfgAttr.INTERNAL_IP4_ADDRESS: 4, CfgAttr.INTERNAL_IP6_ADDRESS: 6}


@dataclass(frozen=True, slots=True)
class Pool:
    """What a responder gives away: networks to take addresses from, DNS servers, subnets.

    `leases` is shared by all SAs of a listener and remembers who has which address.
    """

    networks: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    leases: dict[str, IPAddress] = field(default_factory=dict)

    def has(self, version: int) -> bool:
        """Whether there is a network of this IP version."""
        return any(ipaddress.ip_network(text).version == version for text in self.networks)

    def lease(self, version: int, who: str) -> IPAddress | None:
        """This identity's address: the one it had, or the next free; None where none is left."""
        key = f"{version}|{who}"
        if key in self.leases:
            return self.leases[key]
        for text in self.networks:
            network = ipaddress.ip_network(text)
            if network.version != version:
                continue
            taken = set(self.leases.values())
            for address in network.hosts():
                if address not in taken:
                    self.leases[key] = address
                    return address
        return None


@dataclass(frozen=True, slots=True)
class Given:
    """A responder's answer: CP payloads, the selectors that the address means, or an error."""

    payloads: list[Any] = field(default_factory=list)
    selectors: tuple[TS, ...] = ()
    error: Notify | None = None


def ask(sa: IkeSa) -> list[Any]:
    """CP(CFG_REQUEST) with an empty attribute for everything wanted."""
    wanted = sa.config.request
    if not wanted:
        return []
    return [
        IKEv2_CP(
            CFGType=CfgType.CFG_REQUEST,
            attributes=[ConfigurationAttribute(type=kind) for kind in wanted],
        )
    ]


def take(sa: IkeSa, it: Inbound) -> None:
    """Keep what CP(CFG_REPLY) gives, as (attribute type, value) in order."""
    cp = it.one(Payload.CP)
    if cp is not None and cp.CFGType == CfgType.CFG_REPLY:
        sa.configuration = attributes(cp)


def attributes(cp: Any) -> list[tuple[int, bytes]]:
    """The attributes of a CP payload; none where its body is malformed."""
    found = []
    for attribute in getattr(cp, "attributes", None) or []:
        kind = getattr(attribute, "type", None)
        if kind is not None:
            found.append((kind & 0x7FFF, bytes(attribute.value)))
    return found


def answer(sa: IkeSa, it: Inbound) -> Given:
    """Give what was asked for and is there; unknown attributes are ignored (3.15.1)."""
    cp, pool = it.one(Payload.CP), sa.config.pool
    if cp is None or cp.CFGType != CfgType.CFG_REQUEST:
        # 2.19: a responder that expects CP refuses the child without it.
        insists = sa.config.require_request and sa.conduct.insist_on_request
        return Given(error=Notify.FAILED_CP_REQUIRED) if insists else Given()
    if pool is None:
        return Given()  # 3.15.4: who gives nothing away ignores the payload
    asked = [kind for kind, _ in attributes(cp)]
    if not sa.conduct.ignore_attributes and any(lookup(CfgAttr, k) is None for k in asked):
        return Given(error=Notify.INTERNAL_ADDRESS_FAILURE)
    given: list[tuple[int, bytes]] = []
    ends: list[TS] = []
    for kind in dict.fromkeys(asked):
        version = ADDRESSES.get(kind)
        # 3.15.4: a type of address that is not there to give is ignored.
        there = version is not None and (pool.has(version) or not sa.conduct.skip_versions)
        if version is None or not there:
            continue
        address = pool.lease(version, _who(sa))
        if address is None:
            if not sa.conduct.skip_versions:
                return Given(error=Notify.INTERNAL_ADDRESS_FAILURE)
            continue
        ends.append(TS(address, address))
        given.append((kind, address.packed + (b"\x80" if version == 6 else b"")))
    if not given and any(kind in ADDRESSES for kind in asked):
        # 3.15.4: "only if no addresses can be assigned".
        return Given(error=Notify.INTERNAL_ADDRESS_FAILURE)
    given += _rest(pool, asked)
    # RFC 8598, RFC 9464 and whatever else there is: as it was told, to who asks for the type.
    given += [(k, value) for k, value in sa.config.features.attributes if k in asked]
    reply = IKEv2_CP(
        CFGType=CfgType.CFG_REPLY,
        attributes=[ConfigurationAttribute(type=kind, value=value) for kind, value in given],
    )
    return Given([reply], tuple(ends))


def _who(sa: IkeSa) -> str:
    """The peer's identity as the key of its leases: the same text of another type is another."""
    return f"{sa.peer_id.type}:{sa.peer_id}" if sa.peer_id else ""


def _rest(pool: Pool, asked: Iterable[int]) -> list[tuple[int, bytes]]:
    """DNS servers and subnets that were asked for."""
    found: list[tuple[int, bytes]] = []
    wanted = set(asked)
    for text in pool.dns:
        address = ipaddress.ip_address(text)
        four = address.version == 4
        kind = CfgAttr.INTERNAL_IP4_DNS if four else CfgAttr.INTERNAL_IP6_DNS
        if kind in wanted:
            found.append((kind, address.packed))
    for text in pool.subnets:
        network = ipaddress.ip_network(text)
        if network.version == 4 and CfgAttr.INTERNAL_IP4_SUBNET in wanted:
            value = network.network_address.packed + network.netmask.packed
            found.append((CfgAttr.INTERNAL_IP4_SUBNET, value))
        elif network.version == 6 and CfgAttr.INTERNAL_IP6_SUBNET in wanted:
            value = network.network_address.packed + bytes([network.prefixlen])
            found.append((CfgAttr.INTERNAL_IP6_SUBNET, value))
    return found
