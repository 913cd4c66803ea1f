"""What is done around a configuration, by family: logging, an address to send from, a trigger.

Facts about IOS and the ASA's command line, as Cisco documents it; none was tried on a box.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from ikelab.harness.model import TS
from ikelab.harness.peer.base import PeerConfig

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
LOOPBACK = "Loopback900"


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The habits of a family. `trigger` is given `inside` and `outside`, hosts on both ends."""

    logging: tuple[str, ...]
    asked: str  # shows how it logged before
    kept: re.Pattern[str]  # the lines of that which are given again
    defaults: tuple[str, ...]
    clear_log: str
    trigger: str
    surroundings: bool  # whether it needs an address behind it, and a route, for the trigger


# A debug log that is read from the buffer comes whole; a terminal loses lines, and a console at
# 9600 baud stops the router.
IOS = Upkeep(
    logging=(
        "service timestamps debug datetime msec",
        "logging buffered 4000000 debugging",
        "no logging console",
    ),
    asked="show running-config | include logging (buffered|console)|service timestamps debug",
    kept=re.compile(r"(?:no )?(?:logging (?:buffered|console)|service timestamps debug)\b"),
    defaults=(
        "default service timestamps debug",
        "default logging buffered",
        "default logging console",
    ),
    clear_log="clear logging",
    trigger="ping {outside} source {inside} repeat 1 timeout 1",
    surroundings=True,
)
ASA = Upkeep(
    logging=(
        "logging enable",
        "logging buffer-size 1048576",
        "logging buffered debugging",
        "logging debug-trace",
    ),
    asked="show running-config logging",
    kept=re.compile(r"(?:no )?logging (?:enable|buffer-size|buffered|debug-trace)\b"),
    defaults=("no logging debug-trace", "no logging buffered", "no logging buffer-size",
              "no logging enable"),
    clear_log="clear logging buffer",
    # It sends no packet and brings the tunnel up all the same.
    trigger="packet-tracer input inside icmp {inside} 8 0 {outside}",
    surroundings=False,
)  # fmt: skip


def of(version: str) -> Upkeep:
    """The habits of the family that a dialect names first."""
    return ASA if version.startswith("ASA") else IOS


def around(config: PeerConfig, *, behind: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Lines (and what takes them back) of an address to send from and a way to what is behind us.

    Nothing where the router is not to have an address `behind` it.
    """
    if not behind or not config.local_ts:
        return (), ()
    inside = host(config.local_ts[0])
    lines = [f"interface {LOOPBACK}", f" {address(f'{inside}/{inside.max_prefixlen}')}"]
    ways = [
        f"{_route(network)} {config.remote_address}"
        for selector in config.remote_ts
        for network in _networks(selector)
    ]
    return (*lines, *ways), (*(f"no {way}" for way in ways), f"no interface {LOOPBACK}")


def host(selector: TS) -> IPAddress:
    """The first address in a range that a host can have."""
    first = ipaddress.ip_address(str(selector.start))
    return first if str(selector.end) == str(selector.start) else first + 1


def address(text: str) -> str:
    """The command that gives an interface this address."""
    there = ipaddress.ip_interface(text)
    if there.version == 6:
        return f"ipv6 address {there}"
    return f"ip address {there.ip} {there.netmask}"


def _networks(selector: TS) -> list[IPNetwork]:
    """The networks of a range of addresses."""
    first, last = (ipaddress.ip_address(str(end)) for end in (selector.start, selector.end))
    return list(ipaddress.summarize_address_range(first, last))


def _route(network: IPNetwork) -> str:
    """The start of the command that says where a network lies."""
    if network.version == 6:
        return f"ipv6 route {network}"
    return f"ip route {network.network_address} {network.netmask}"
