"""What an entry of ikelab.toml says of a router: how it is reached, what it is, which lab runs it.

[peers.branch]
kind = "ios"
address = "10.0.0.2"             # where it speaks IKE
ssh = "192.0.2.7"                # or telnet = "HOST:PORT", or console = "HOST:PORT"
username = "ikelab"
password_env = "BRANCH_PASSWORD" # or password = "..."; the same for enable
interface = "GigabitEthernet1"   # the one with the address
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ikelab.harness.errors import ConfigError, nearest
from ikelab.harness.peer.ios.dialogue import BOOT_TIME, Login
from ikelab.harness.peer.ios.session import Access

KIND = "ios"
PREFIX = "ios:"
WAYS = {"ssh": 22, "telnet": 23, "console": 0}
# What a router is met with where the entry says nothing: the addresses of ikelab's own labs, and
# algorithms that every release from IOS 15 on has.
DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "psk": "ikelab-shared-key",
        "ike": ["aes256-sha256-modp2048"],
        "esp": ["aes256-sha256"],
        "local_ts": "10.2.0.0/24",
        "remote_ts": "10.1.0.0/24",
    }
)
_KEYS: dict[str, type | tuple[type, ...]] = {
    "kind": str, "ssh": str, "telnet": str, "console": str, "username": str, "password": str,
    "password_env": str, "enable": str, "enable_env": str, "interface": str, "prefix": int,
    "release": str, "boot_time": int, "gns3": dict, "cml": dict,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RouterEntry:
    """A router, apart from what its configuration is to be."""

    name: str
    access: Access | None  # None where the lab says where its console is
    login: Login
    interface: str = "GigabitEthernet1"
    prefix: int = 0  # length of its network; 0: the interface has its address already
    ours: str = ""  # our address, where the entry says it
    release: str = ""  # "" is what `show version` says
    lab: Mapping[str, Any] = field(default_factory=dict)
    lab_kind: str = ""  # "gns3" or "cml"


def split(name: str, table: Mapping[str, Any]) -> tuple[RouterEntry, dict[str, Any]]:
    """The router, and what is left for `external` to read, with our defaults."""
    ours = {key: value for key, value in table.items() if key in _KEYS}
    rest = {key: value for key, value in table.items() if key not in _KEYS}
    for key, value in ours.items():
        if not isinstance(value, _KEYS[key]):
            raise ConfigError(f"{key} is of the wrong type")
    login = Login(ours.get("username", ""), _secret(ours, "password"), _secret(ours, "enable"))
    labs = [key for key in ("gns3", "cml") if key in ours]
    ways = [key for key in WAYS if key in ours]
    if len(ways) > 1 or len(labs) > 1 or not (ways or labs):
        raise ConfigError("give one of ssh, telnet, console, or a table gns3 or cml")
    boot = float(ours.get("boot_time", BOOT_TIME)) if labs else 0.0
    access = _access(name, ways[0], ours[ways[0]], login, boot) if ways else None
    router = RouterEntry(
        name,
        access,
        login,
        interface=ours.get("interface", "GigabitEthernet1"),
        prefix=ours.get("prefix", 0),
        ours=str(rest.get("local_address", "")),
        release=ours.get("release", ""),
        lab=ours[labs[0]] if labs else {},
        lab_kind=labs[0] if labs else "",
    )
    return router, {**DEFAULTS, **rest}


def known() -> tuple[str, ...]:
    """Every key that an entry of this kind may have besides those of a gateway."""
    return tuple(_KEYS)


def _access(name: str, way: str, place: str, login: Login, boot: float) -> Access:
    host, colon, port = place.rpartition(":")
    if not colon or "]" in port or (":" in host and not host.startswith("[")):
        host, port = place, ""
    number = int(port) if port.isdigit() else WAYS[way]
    if not host or not 0 < number < 65536 or (port and not port.isdigit()):
        raise ConfigError(f"{way} = {place!r}: write HOST:PORT")
    return Access(name, way, host.strip("[]"), number, login, boot)


def _secret(table: Mapping[str, Any], key: str) -> str:
    """A secret from the file, or from the variable that the file names."""
    variable = table.get(f"{key}_env")
    if variable is None:
        return str(table.get(key, ""))
    if variable not in os.environ:
        raise ConfigError(f"{key}_env names {variable}, and there is no such variable")
    return os.environ[variable]


def lab_keys(kind: str, table: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a lab's table that its `Spec` has; ConfigError names what it has not."""
    for key in table:
        if key not in fields:
            raise ConfigError(f"unknown key {key!r} in table {kind}{nearest(key, fields)}")
    return dict(table)
