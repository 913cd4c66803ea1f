"""What an entry's table `gns3` or `cml` may say: found wrong when it is read, not in a case.

Only what the server and its host have can be wrong later: a name, a password, a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ikelab.harness import written
from ikelab.harness.errors import ConfigError, nearest, plain
from ikelab.harness.lab import gns3
from ikelab.harness.lab.base import Impairment
from ikelab.harness.lab.local import Plan, sound

GNS3: Mapping[str, written.Kinds] = {
    "url": str, "user": str, "password": str, "token": str, "node": str, "project": str,
    "template": str, "kind": str, "image": str, "properties": dict, "interface": str, "wire": str,
    "make": str, "device": str, "adapter": int, "port": int, "compute": str, "condition": str,
}  # fmt: skip
CML: Mapping[str, written.Kinds] = {
    "url": str, "user": str, "password": str, "token": str, "node": str, "lab": str,
    "definition": str, "image": str, "configuration": str, "connector": str, "interface": int,
    "topology": str, "verify": bool, "boot_time": int, "condition": str,
}  # fmt: skip
MOST_PORTS, LONGEST_BOOT = 255, 86400


def check(kind: str, table: Mapping[str, Any], *, address: str, way_in: bool) -> None:
    """ConfigError for what is wrong with a table of that kind.

    `address` is ours with the length of its prefix, "" where the entry lacks one; `way_in` whether
    the entry says how the router is reached without its lab.
    """
    keys = GNS3 if kind == "gns3" else CML
    written.check(table, keys, where=f" in table {kind}", lines=("configuration",))
    written.url(table.get("url"), kind)
    wanted = Impairment.parse(table["condition"]) if "condition" in table else Impairment()
    if kind == "gns3":
        gns3.check_filters(wanted)
        _gns3(table, address)
    else:
        _cml(table, way_in)


def _gns3(table: Mapping[str, Any], address: str) -> None:
    kind, image = table.get("kind"), table.get("image")
    if kind and table.get("template"):
        raise ConfigError("give template or kind in table gns3, not both")
    if kind and kind not in gns3.KINDS:
        there = nearest(kind, gns3.KINDS) or f"; there are {', '.join(gns3.KINDS)}"
        raise ConfigError(f"unknown kind {kind!r} in table gns3{there}")
    if kind and gns3.KINDS[kind][1] and not image:
        raise ConfigError(f"kind {kind!r} in table gns3 needs 'image': GNS3 ships none")
    if image and not kind:
        raise ConfigError("image in table gns3 goes with a kind, and there is none")
    for key in ("adapter", "port"):
        written.between(key, table.get(key), 0, MOST_PORTS)
    wire, make = table.get("wire", "ethernet"), table.get("make", "")
    device, interface = table.get("device", gns3.OUR_END), table.get("interface", "")
    plan = Plan(make, wire, interface or gns3.CLOUDS_END, device, address)
    sound(plan)
    if table.get("condition") and not (interface or make):
        raise ConfigError("condition in table gns3 needs a wire: write 'interface' as well")


def _cml(table: Mapping[str, Any], way_in: bool) -> None:
    known = bool(table.get("user")) and bool(table.get("password"))
    if not known and not table.get("token"):
        raise ConfigError("table cml needs user and password, or a token")
    if not known and not way_in:
        raise ConfigError(
            "table cml needs user and password: CML's terminal server, which leads to the router's "
            "console, takes no token"
        )
    written.between("interface", table.get("interface"), 0, MOST_PORTS)
    written.between("boot_time", table.get("boot_time"), 1, LONGEST_BOOT)
    if file := table.get("topology"):
        try:
            Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"topology {file!r} in table cml: {plain(error)}") from None
