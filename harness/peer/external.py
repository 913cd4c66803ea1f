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

import shlex
import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ikelab.harness import written
from ikelab.harness.errors import ConfigError, LabError, nearest, plain
from ikelab.harness.model import Address, Transform
from ikelab.harness.peer import entry_values as values
from ikelab.harness.peer.base import Keys, PeerConfig, PeerView, Unsupported
from ikelab.harness.peer.ios import entry as ios
from ikelab.layers.iana import Protocol

FILE, _TABLE = "ikelab.toml", "peers"
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
    for key in tables:
        if key != _TABLE:
            there = f"[{key}]" if isinstance(tables[key], dict) else repr(key)
            raise ConfigError(f"{path}: unknown table {there}: a gateway is written [peers.NAME]")
    peers = tables.get(_TABLE, {})
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
    try:
        config = _config(name, table)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    return Entry(
        name,
        config,
        (config.remote_address, table.get("local_port", 500)),
        named="our_id" in table,
        initiate=table.get("initiate", ""),
        version=table.get("version", ""),
        router=router,
    )


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


def _check_kinds(table: dict[str, Any]) -> None:
    """ConfigError for a key that there is not or that is missing, and a value of another kind."""
    written.check(table, KEYS)
    for key, value in table.items():
        if value == [] or (isinstance(value, list) and "" in value):
            raise ConfigError(f"{key} is empty: leave it out, or say what it is")
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            raise ConfigError(f"{key} is a list of texts")
        if isinstance(value, int) and key.endswith("port") and not 0 < value < 1 << 16:
            raise ConfigError(f"{key} {value} is no port: 1 to 65535 are")
    missing = [key for key in _NEEDED if key not in table]
    if missing:
        raise ConfigError(f"{', '.join(missing)} missing")


def _config(name: str, table: dict[str, Any]) -> PeerConfig:
    """What the gateway is configured with; ConfigError, less the entry's name, else."""
    values.name(name)
    _check_kinds(table)
    there = table["address"]
    version = values.address("address", there)
    ours = table.get("local_address", "0.0.0.0" if version == 4 else "::")
    if values.address("local_address", ours, ours=True) != version:
        raise ConfigError("address and local_address are of two families")
    ports = table.get("port", 500), table.get("local_port", 500)
    if (there, ports[0]) == (ours, ports[1]):
        raise ConfigError(f"address and local_address are one, {ours}, and so are the ports")
    values.command("initiate", table.get("initiate", ""))
    octets = table.get("fragment")
    if octets is not None and not LEAST_FRAGMENT <= octets < 1 << 16:
        raise ConfigError(f"fragment {octets} is no size of an IP datagram in octets")
    behind = {key: values.behind(key, table[key]) for key in ("local_ts", "remote_ts")}
    if not {ts.version for ts in behind["local_ts"]} & {ts.version for ts in behind["remote_ts"]}:
        raise ConfigError("local_ts and remote_ts are of two families")
    return PeerConfig(
        local_address=there,
        remote_address=ours,
        local_id=values.identity("id", table.get("id", there)),
        remote_id=values.identity("our_id", table.get("our_id", ours)),
        psk=table["psk"].encode(),
        ike=values.proposals("ike", table["ike"], Protocol.IKE),
        esp=values.proposals("esp", table["esp"], Protocol.ESP),
        local_ts=behind["local_ts"],
        remote_ts=behind["remote_ts"],
        port=ports[0],
        cookies=table.get("cookies", False),
        fragment=octets,
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
        except OSError as error:
            raise LabError(
                f"the command {words[0]!r} of {self.name} failed: {plain(error)}"
            ) from None
        except subprocess.TimeoutExpired:
            raise LabError(
                f"the command {words[0]!r} of {self.name} did not end in {COMMAND_TIME:.0f} s"
            ) from None
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
