"""What a GNS3 server lacks to run a router on a wire to us, and how to get it.

It is asked by trying: a project of its own, a node of each kind in it, and the project deleted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from ikelab.harness.errors import IkelabError
from ikelab.harness.lab.gns3_api import Api, Refused

_UBRIDGE = (
    "GNS3's own package repositories have ubridge (Ubuntu: ppa:gns3/ppa; Debian: build "
    "github.com/GNS3/ubridge), then: setcap cap_net_admin,cap_net_raw=ep on it"
)
_DYNAMIPS = "install dynamips (Debian, Ubuntu: GNS3's repository or contrib/non-free), restart GNS3"
_QEMU = "install QEMU on the server's host (Debian, Ubuntu: apt-get install qemu-system-x86)"
_IMAGES = (
    "Cisco ships router images to owners of a licence (CML's reference platforms have IOSv, "
    "CSR1000v and C8000v); upload one with GNS3's image manager or into GNS3/images"
)
_BROUGHT = re.compile(r"empty\d+[GT]\.qcow2|OVMF_\w+\.fd|config\.img")
_MISSING_IMAGE = "ikelab-asks-for-no-such-image"
# Node type, its properties, what a refusal that is only about the image says.
_TRIED: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("dynamips", {"platform": "c7200", "image": f"{_MISSING_IMAGE}.image", "ram": 512}, _DYNAMIPS),
    ("qemu", {"platform": "x86_64", "hda_disk_image": f"{_MISSING_IMAGE}.qcow2"}, _QEMU),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `ok`, what was found, and how to mend it."""

    what: str
    ok: bool
    found: str
    remedy: str = ""


def examine(api: Api) -> Iterator[Finding]:
    """One finding after the other; an error of the way there (URL, password) is the last one."""
    try:
        api.open()
        yield Finding("server", True, f"GNS3 {api.version} at {api.url}, and it lets us in")
        made = api.call("POST", "projects", "make a project", {"name": f"ikelab-{uuid4().hex[:8]}"})
    except IkelabError as error:
        yield Finding("server", False, str(error))
        return
    project = str(made["project_id"])
    try:
        yield _ubridge(api, project)
        for node_type, properties, remedy in _TRIED:
            yield _emulator(api, project, node_type, properties, remedy)
        yield _images(api)
    finally:
        api.call("DELETE", "project", "delete the doctor's project", project=project)


def _ubridge(api: Api, project: str) -> Finding:
    """A cloud node cannot be made without it; nor can any link work."""
    port = {"name": "lo", "port_number": 0, "type": "ethernet", "interface": "lo"}
    said = _refusal(api, project, "cloud", {"ports_mapping": [port]})
    if said:
        return Finding("ubridge", False, said, _UBRIDGE)
    return Finding("ubridge", True, "a cloud node on the host's interfaces can be made")


def _emulator(
    api: Api, project: str, node_type: str, properties: dict[str, Any], remedy: str
) -> Finding:
    said = _refusal(api, project, node_type, properties)
    if not said or _MISSING_IMAGE in said:
        return Finding(node_type, True, "installed; an image is all that it asks for")
    return Finding(node_type, False, said, remedy)


def _refusal(api: Api, project: str, node_type: str, properties: dict[str, Any]) -> str:
    body = {"name": f"ikelab-{node_type}", "node_type": node_type, "compute_id": "local",
            "properties": properties}  # fmt: skip
    try:
        api.call("POST", "nodes", "make it", body, project=project)
    except Refused as error:
        return error.said
    return ""


def _images(api: Api) -> Finding:
    """Files that GNS3 brings itself are no routers."""
    try:
        listed = api.call("GET", "images", "list its images")
    except Refused as error:
        return Finding("images", False, error.said, _IMAGES)
    names = sorted(row["filename"] for row in listed)
    routers = [name for name in names if not _BROUGHT.fullmatch(name)]
    if not routers:
        return Finding("images", False, "no router image", _IMAGES)
    return Finding("images", True, ", ".join(routers))
