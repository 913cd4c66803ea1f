"""A gateway that we do not run: one TOML entry says where it is and what it is configured with.

    [peers.branch]
    address = "192.0.2.1"
    psk = "secret"
    ike = ["aes256-sha256-modp2048"]
    esp = ["aes256-sha256"]
    local_ts = "10.2.0.0/24"
    remote_ts = "10.1.0.0/24"

`local_ts` is what lies behind the gateway. We configure nothing, so a case that wants another
configuration is UNSUPPORTED. Commands are optional: `initiate` makes the gateway start an IKE SA.
With `kind = "ios"` it is a router that we do configure: see `ios.entry`.
"""

from __future__ import annotations

import ipaddress
import shlex
import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ikelab.harness.errors import ConfigError, LabError, nearest, plain
from ikelab.harness.model import Address, Identity, Transform, selectors, suites
from ikelab.harness.peer.base import Keys, PeerConfig, PeerView, Unsupported
from ikelab.harness.peer.ios import entry as ios
from ikelab.layers.iana import Protocol

FILE = "ikelab.toml"
LEAST_FRAGMENT = 128  # octets of an IP datagram; less has no room for headers and a payload
COMMAND_TIME = 20.0  # seconds that a user's command may take
KEYS: dict[str, type | tuple[type, ...]] = {
    "address": str, "local_address": str, "port": int, "local_port": int, "psk": str, "id": str,
    "our_id": str, "ike": list, "esp": list, "local_ts": (str, list), "remote_ts": (str, list),
    "initiate": str, "version": str, "cookies": bool, "fragment": int,
}  # fmt: skip
_NEEDED = ("address", "psk", "ike", "esp", "local_ts", "remote_ts")


@dataclass(frozen=True, slots=True)
class Entry:
    """One gateway: how it is configured, from which of our addresses it is reached, commands."""

    name: str
    config: PeerConfig
    local: Address
    named: bool = False  # whether the entry says who we are; otherwise our address does
    initiate: str = ""
    version: str = ""
    router: ios.RouterEntry | None = None  # what we configure ourselves


def find(file: str = "") -> dict[str, Entry]:
    """The entries of the file that the user names, or of ikelab.toml where he stands, if any."""
    path = Path(file or FILE)
    return read(path) if file or path.is_file() else {}


def absent(name: str, there: Mapping[str, Entry]) -> str:
    """What to say of a name that is neither a daemon's nor in the user's file."""
    if there:
        return f"unknown peer {name!r}{nearest(name, there)}; your gateways are {', '.join(there)}"
    if Path(FILE).is_file():
        return f"unknown peer {name!r}: {FILE} describes no gateway, which takes [peers.NAME]"
    return (
        f"unknown peer {name!r}: 'ikelab peers' lists those there are; a gateway of yours is "
        f"described in {FILE}, and there is no {FILE} in this folder"
    )


def read(path: Path) -> dict[str, Entry]:
    """Every entry of a file; ConfigError names the entry and the key that is wrong."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no such file: {path}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {plain(error)}") from None
    peers = tables.get("peers", {})
    if not isinstance(peers, dict):
        raise ConfigError(f"{path}: write [peers] with one entry a gateway")
    entries = {name: _entry(path, name, table) for name, table in peers.items()}
    # A router has two names, so that a run says of itself that it configured one.
    routers = [replace(e, name=ios.PREFIX + e.name) for e in entries.values() if e.router]
    return entries | {entry.name: entry for entry in routers}


def _entry(path: Path, name: str, table: Any) -> Entry:
    where = f"{path}: peer {name!r}"
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: write {name} = {{ address = ..., psk = ..., ike = [...] }}")
    router = None
    if "kind" in table:
        router, table = _router(where, name, table)
    for key, value in table.items():
        if key not in KEYS:
            raise ConfigError(f"{where}: unknown key {key!r}{nearest(key, KEYS)}")
        if not isinstance(value, KEYS[key]) or (isinstance(value, bool) and KEYS[key] is int):
            raise ConfigError(f"{where}: {key} is of the wrong type, not {_kind(KEYS[key])}")
        if value in ("", []) or (isinstance(value, list) and "" in value):
            raise ConfigError(f"{where}: {key} is empty: leave it out, or say what it is")
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            raise ConfigError(f"{where}: {key} is a list of texts")
        if isinstance(value, int) and key.endswith("port") and not 0 < value < 1 << 16:
            raise ConfigError(f"{where}: {key} {value} is no port: 1 to 65535 are")
    missing = [key for key in _NEEDED if key not in table]
    if missing:
        raise ConfigError(f"{where}: {', '.join(missing)} missing")
    version = _version(where, "address", table["address"])
    ours = table.get("local_address", "0.0.0.0" if version == 4 else "::")
    if _version(where, "local_address", ours) != version:
        raise ConfigError(f"{where}: address and local_address are of two families")
    _check_values(where, table)
    try:
        config = _config(table, ours)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    local = (ours, table.get("local_port", 500))
    return Entry(
        name,
        config,
        local,
        named="our_id" in table,
        initiate=table.get("initiate", ""),
        version=table.get("version", ""),
        router=router,
    )


def _kind(kinds: type | tuple[type, ...]) -> str:
    words = {str: "a text in quotes", int: "a whole number", bool: "true or false", list: "a list"}
    return " or ".join(words[kind] for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))


def _version(where: str, key: str, text: str) -> int:
    try:
        return ipaddress.ip_address(text).version
    except ValueError:
        raise ConfigError(f"{where}: {key} {text!r} is no IP address") from None


def _check_values(where: str, table: dict[str, Any]) -> None:
    """ConfigError for a command that no shell would take, and for fragments of an odd size."""
    try:
        shlex.split(table.get("initiate", ""))
    except ValueError as error:
        raise ConfigError(
            f"{where}: initiate {table['initiate']!r} is no command: {str(error).lower()}"
        ) from None
    octets = table.get("fragment")
    if octets is not None and not LEAST_FRAGMENT <= octets < 1 << 16:
        raise ConfigError(f"{where}: fragment {octets} is no size of an IP datagram in octets")


def _router(where: str, name: str, table: dict[str, Any]) -> tuple[ios.RouterEntry, dict[str, Any]]:
    """The router of an entry, and the entry as if it were of a gateway that is configured."""
    if table["kind"] != ios.KIND:
        raise ConfigError(
            f"{where}: kind is {ios.KIND!r}, or left out for a configured gateway; an ASA is of "
            f'kind {ios.KIND!r} with release = "asa 9.16"'
        )
    try:
        router, rest = ios.split(name, table)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    for key in rest:
        if key not in KEYS:
            raise ConfigError(f"{where}: unknown key {key!r}{nearest(key, {*KEYS, *ios.known()})}")
    return router, rest


def _config(table: dict[str, Any], ours: str) -> PeerConfig:
    return PeerConfig(
        local_address=table["address"],
        remote_address=ours,
        local_id=Identity.parse(table.get("id", table["address"])),
        remote_id=Identity.parse(table.get("our_id", ours)),
        psk=table["psk"].encode(),
        ike=suites(table["ike"]),
        esp=suites(table["esp"], Protocol.ESP),
        local_ts=selectors(table["local_ts"]),
        remote_ts=selectors(table["remote_ts"]),
        port=table.get("port", 500),
        cookies=table.get("cookies", False),
        fragment=table.get("fragment"),
    )


class ExternalPeer:
    """Implements `Peer` for a gateway that is configured already."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.name = entry.name
        self.version = entry.version
        self.called = False  # whether the entry's command has been run
        found = {"responder", "child", "nat-d-honest"}
        if entry.initiate:
            found |= {"initiator", "initiate"}
        if entry.config.cookies:
            found.add("cookies")
        self.capabilities = frozenset(found)

    def start(self, config: PeerConfig) -> None:
        """Unsupported where the case wants what the gateway is not configured with."""
        mine = self.entry.config
        wanted = replace(config, remote_address=mine.remote_address)
        for name in ("ike", "esp", "psk", "local_id", "remote_id", "local_ts", "remote_ts",
                     "cookies", "mode", "pool", "dns", "request"):  # fmt: skip
            asked, there = getattr(wanted, name), getattr(mine, name)
            if name in ("ike", "esp") and set(map(str, asked)) == set(map(str, there)):
                continue
            if asked != there:
                raise Unsupported(
                    f"{self.name} is not configured by ikelab, and the case wants another {name}"
                )

    def initiate(self) -> None:
        """Run the entry's command."""
        if not self.entry.initiate:
            raise Unsupported(f"{self.name} has no 'initiate' command in its entry")
        words = shlex.split(self.entry.initiate)
        self.called = True
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, timeout=COMMAND_TIME, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise LabError(f"the command {words[0]!r} of {self.name} failed: {error}") from None
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["nothing"]
            raise LabError(f"the command {words[0]!r} of {self.name} failed: {said[0]}")

    def view(self) -> PeerView:
        """The gateway tells nothing."""
        return PeerView()

    def knows(self, transform: Transform, protocol: int) -> bool:
        """Whether the entry offers it."""
        offered = self.entry.config.ike if protocol == Protocol.IKE else self.entry.config.esp
        return any(transform in suite.transforms for suite in offered)

    def child_keys(self) -> frozenset[Keys]:
        """The gateway tells none."""
        return frozenset()

    def alive(self) -> bool:
        """Nobody knows: what it answers is all there is."""
        return True

    def log(self) -> str:
        """The gateway's log is its owner's."""
        return ""

    def config_text(self) -> str:
        """The entry, without the key."""
        shown = replace(self.entry.config, psk=b"")
        rows = (f"{name} = {getattr(shown, name)}" for name in shown.__dataclass_fields__)
        return "\n".join(rows) + "\n"

    def stop(self) -> None:
        """Nothing was started."""
