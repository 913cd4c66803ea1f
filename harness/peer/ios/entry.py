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
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ikelab.harness import written
from ikelab.harness.errors import ConfigError
from ikelab.harness.peer.ios.dialogue import BOOT_TIME, Login
from ikelab.harness.peer.ios.releases import Release
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
KEYS: Mapping[str, written.Kinds] = {
    "kind": str, "ssh": str, "telnet": str, "console": str, "username": str, "password": str,
    "password_env": str, "enable": str, "enable_env": str, "interface": str, "prefix": int,
    "release": str, "boot_time": int, "gns3": dict, "cml": dict,
}  # fmt: skip
NOT_OURS = ("initiate", "version")  # keys of a gateway that ikelab does not configure
LONGEST_BOOT = 86400  # seconds
_INTERFACE = re.compile(r"[A-Za-z][\w./:-]*(?: \d[\w./:]*)?", re.A)


@dataclass(frozen=True, slots=True)
class RouterEntry:
    """A router, apart from what its configuration is to be."""

    name: str
    access: Access | None  # None where the lab says where its console is
    login: Login
    interface: str = ""  # "" is the first one of the family
    prefix: int = 0  # length of its network; 0: the interface has its address already
    ours: str = ""  # our address, where the entry says it
    release: str = ""  # "" is what `show version` says
    boot: float = BOOT_TIME  # seconds that it may take in a lab
    lab: Mapping[str, Any] = field(default_factory=dict)
    lab_kind: str = ""  # "gns3" or "cml"


def split(name: str, table: Mapping[str, Any]) -> tuple[RouterEntry, dict[str, Any]]:
    """The router, and what is left for `external` to read, with our defaults."""
    ours = {key: value for key, value in table.items() if key in KEYS}
    rest = {key: value for key, value in table.items() if key not in KEYS}
    written.check(ours, KEYS)
    _check_values(ours, rest)
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
        interface=ours.get("interface", ""),
        prefix=ours.get("prefix", 0),
        ours=str(rest.get("local_address", "")),
        release=ours.get("release", ""),
        boot=float(ours.get("boot_time", BOOT_TIME)),
        lab=ours[labs[0]] if labs else {},
        lab_kind=labs[0] if labs else "",
    )
    return router, {**DEFAULTS, **rest}


def known() -> tuple[str, ...]:
    """Every key that an entry of this kind may have besides those of a gateway."""
    return tuple(KEYS)


def _check_values(ours: Mapping[str, Any], rest: Mapping[str, Any]) -> None:
    """ConfigError for a value that is of the right kind and cannot be."""
    if (name := ours.get("interface")) is not None and not _INTERFACE.fullmatch(name):
        raise ConfigError(f"interface {name!r} is no name of one: GigabitEthernet1, say")
    version6 = ":" in str(rest.get("address", ""))
    written.between("prefix", ours.get("prefix"), 0, 128 if version6 else 32)
    written.between("boot_time", ours.get("boot_time"), 1, LONGEST_BOOT)
    if "release" in ours:
        Release.parse(ours["release"])
    for key in ("password", "enable"):
        if key in ours and f"{key}_env" in ours:
            raise ConfigError(f"give {key} or {key}_env, not both")
    for key in NOT_OURS:
        if key in rest:
            raise ConfigError(f"{key} is for a gateway that ikelab does not configure")


def _access(name: str, way: str, place: str, login: Login, boot: float) -> Access:
    host, colon, port = place.rpartition(":")
    if not colon or "]" in port or (":" in host and not host.startswith("[")):
        host, port = place, ""
    digits = port.isascii() and port.isdigit()
    number = int(port) if digits else WAYS[way]
    if not written.is_host(host.strip("[]")) or not 0 < number < 65536 or (port and not digits):
        raise ConfigError(f"{way} = {place!r}: write HOST:PORT")
    return Access(name, way, host.strip("[]"), number, login, boot)


def _secret(table: Mapping[str, Any], key: str) -> str:
    """A secret from the file, or from the variable that the file names."""
    variable = table.get(f"{key}_env")
    if variable is None:
        return str(table.get(key, ""))
    if variable not in os.environ:
        raise ConfigError(f"{key}_env names {variable}, and there is no such variable")
    if not os.environ[variable]:
        raise ConfigError(f"{key}_env names {variable}, and that variable is empty")
    return os.environ[variable]
