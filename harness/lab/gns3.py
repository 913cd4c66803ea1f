"""A router in GNS3, on one wire to an interface of the server's host where we have our sockets.

The wire is a link without a switch: one end in a cloud node on our veth or tap, the other in the
router. What was found is used (a project, a node of that name); only what was made is deleted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ikelab.harness.errors import ConfigError, IkelabError, LabError, nearest
from ikelab.harness.lab.base import ConsoleAt, Impairment
from ikelab.harness.lab.gns3_api import Api, Refused
from ikelab.harness.lab.local import LocalWire, Plan

CLOUD = "ikelab"
CAPTURE = "ikelab.pcap"
OUR_END, CLOUDS_END = "ikelab0", "ikelab1"
_VIRTUAL: dict[str, Any] = {"platform": "x86_64", "console_type": "telnet", "options": "-nographic"}
# What each kind of router needs to boot; a word of the entry's `properties` takes precedence.
KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    # kind: (GNS3's node type, the property that names the image, the other properties)
    "dynamips": ("dynamips", "image",
                 {"platform": "c7200", "ram": 512, "slot0": "C7200-IO-FE", "slot1": "PA-2FE-TX"}),
    "iosv": ("qemu", "hda_disk_image",
             _VIRTUAL | {"ram": 768, "adapters": 4, "adapter_type": "e1000",
                         "hda_disk_interface": "virtio"}),
    "csr1000v": ("qemu", "hda_disk_image",
                 _VIRTUAL | {"ram": 4096, "adapters": 4, "adapter_type": "virtio-net-pci",
                             "hda_disk_interface": "virtio"}),
    "c8000v": ("qemu", "hda_disk_image",
               _VIRTUAL | {"ram": 4096, "cpus": 2, "adapters": 4,
                           "adapter_type": "virtio-net-pci", "hda_disk_interface": "virtio"}),
    "iou": ("iou", "path", {"ethernet_adapters": 2, "serial_adapters": 0, "ram": 512}),
    "vpcs": ("vpcs", "", {}),  # no router, but a node that needs no image
}  # fmt: skip
_CONSOLE_IN_PROPERTIES = ("console_type",)


@dataclass(frozen=True, slots=True)
class Spec:
    """A router that GNS3 is to run, or has: `template` is an installed one, `kind` one of ours."""

    node: str
    project: str = "ikelab"
    template: str = ""
    kind: str = ""
    image: str = ""
    properties: Mapping[str, Any] = field(default_factory=dict)
    interface: str = ""  # of the server's host: our veth, or a tap
    wire: str = "ethernet"  # or "tap"
    make: str = ""  # where ikelab makes the interface: "namespace" or "host"; "": it is there
    device: str = OUR_END  # our end of the veth pair that it makes
    adapter: int = 0  # the router's, where the wire goes
    port: int = 0
    compute: str = "local"


class Gns3Router:
    """Implements `base.Router`. Nothing is asked of the server before `start`.

    `address` ("10.0.0.1/24") is for our end of the wire, where that is to be made.
    """

    def __init__(self, api: Api, spec: Spec, address: str = "") -> None:
        if spec.make and not spec.interface:
            spec = replace(spec, interface=CLOUDS_END)
        self.name = spec.node
        self.spec = spec
        plan = Plan(spec.make, spec.wire, spec.interface, spec.device, address)
        self._local = LocalWire(plan if spec.make else None)
        self._api = api
        self._project = ""
        self._node: dict[str, Any] = {}
        self._cloud: dict[str, Any] = {}
        self._link = ""
        self._before: dict[str, Any] | None = None  # the wire's filters
        self._made: list[tuple[str, dict[str, str]]] = []  # to delete, last first

    def start(self) -> None:
        """Make what is not there, wire it, power it on."""
        try:
            self._local.make(self._api.host)
            self._find_or_make()
            self._call("POST", "start", f"start {self.name}", {}, node=self._node["node_id"])
        except BaseException:
            with contextlib.suppress(IkelabError):  # what went wrong first is what counts
                self.delete()
            raise

    def console(self) -> ConsoleAt:
        """The node's console; where the server listens everywhere, at the server's address."""
        node = self._call("GET", "node", f"show {self.name}", node=self._node["node_id"])
        port = node.get("console")
        if not port:
            raise LabError(f"{self.name} has no console in GNS3: give it the console type telnet")
        if node.get("console_type") not in ("telnet", None):
            raise ConfigError(
                f"the console of {self.name} is of type {node['console_type']!r}: set it to telnet"
            )
        host = str(node.get("console_host") or "")
        if host in ("", "0.0.0.0", "::"):
            host = self._api.host
        return ConsoleAt(host, int(port))

    def console_log(self) -> str:
        """GNS3 keeps none; whoever opens the console first has all of it."""
        return ""

    def impair(self, wanted: Impairment) -> None:
        """GNS3's packet filters on the wire."""
        check_filters(wanted)
        filters: dict[str, list[int]] = {}
        if wanted.delay or wanted.jitter:
            filters["delay"] = [wanted.delay, wanted.jitter]
        if wanted.loss:
            filters["packet_loss"] = [wanted.loss]
        if wanted.corrupt:
            filters["corrupt"] = [wanted.corrupt]
        link = self._wire("set the filters of")
        if self._before is None:
            found = self._call("GET", "link", "show the wire", link=link)
            self._before = dict(found.get("filters") or {})
        self._call("PUT", "link", "set the filters", {"filters": filters}, link=link)

    def begin_capture(self) -> None:
        body = {"capture_file_name": CAPTURE, "data_link_type": "DLT_EN10MB"}
        link = self._wire("capture on")
        self._call("POST", "begin_capture", "capture on the wire", body, link=link)

    def end_capture(self, file: Path) -> None:
        link = self._call("GET", "link", "show the wire", link=self._link)
        self._call("POST", "end_capture", "end the capture", {}, link=self._link)
        name = Path(link.get("capture_file_path") or CAPTURE).name
        path = f"project-files/captures/{name}"
        data = self._call("GET", "file", "give its capture", path=path)
        file.write_bytes(data)

    def stop(self) -> None:
        if self._node:
            self._call("POST", "stop", f"stop {self.name}", {}, node=self._node["node_id"])

    def delete(self) -> None:
        """Delete what was made here; what was there before stays, and is stopped by `stop`."""
        try:
            self._put_back()
            self._delete_made()
        finally:
            self._local.remove()

    def _put_back(self) -> None:
        """A wire that was there has the filters again that it had."""
        ours = ("link", {"link": self._link}) in self._made
        before, self._before = self._before, None
        if before is not None and not ours:
            body = {"filters": before}
            self._call("PUT", "link", "put its filters back", body, link=self._link)

    def _delete_made(self) -> None:
        while self._made:
            name, ids = self._made.pop()
            try:
                self._call("DELETE", name, f"delete its {name}", **ids)
            except Refused as error:
                if error.status != 404:  # gone with its project is gone
                    raise

    def _wire(self, what: str) -> str:
        if not self._link:
            raise ConfigError(
                f"{self.name} has no wire to {what}: write 'interface' into its table gns3"
            )
        return self._link

    def _find_or_make(self) -> None:
        spec = self.spec
        self._project = self._the_project(spec.project)
        nodes = self._call("GET", "nodes", "list the nodes")
        found = {node["name"]: node for node in nodes}
        self._node = found.get(spec.node) or self._new_node()
        if not spec.interface:
            return
        self._cloud = found.get(CLOUD) or self._new_cloud()
        self._link = self._the_link()

    def _the_project(self, name: str) -> str:
        projects = self._api.call("GET", "projects", "list its projects")
        found = next((p for p in projects if p["name"] == name), None)
        if found is None:
            made = self._api.call("POST", "projects", f"make project {name}", {"name": name})
            self._made.append(("project", {}))
            return str(made["project_id"])
        if found.get("status") != "opened":
            self._api.call("POST", "open", f"open project {name}", {}, project=found["project_id"])
        return str(found["project_id"])

    def _new_node(self) -> dict[str, Any]:
        spec = self.spec
        if spec.template:
            made = self._from_template(spec)
        else:
            made = self._call("POST", "nodes", f"make {spec.node}", _body(spec))
        self._made.append(("node", {"node": made["node_id"]}))
        return dict(made)

    def _from_template(self, spec: Spec) -> Any:
        known = {t["name"]: t for t in self._api.call("GET", "templates", "list its templates")}
        if spec.template not in known:
            hint = nearest(spec.template, known) or f"; there are {', '.join(sorted(known))}"
            raise ConfigError(f"GNS3 has no template {spec.template!r}{hint}")
        template = known[spec.template]["template_id"]
        body = {"x": 200, "y": 0, "name": spec.node}
        if known[spec.template].get("compute_id") is None:
            body["compute_id"] = spec.compute
        made = self._call("POST", "from_template", f"make {spec.node}", body, template=template)
        if made["name"] != spec.node:  # version 2 numbers it by the template's own format
            body = {"name": spec.node}
            made = self._call("PUT", "node", f"name {spec.node}", body, node=made["node_id"])
        return made

    def _new_cloud(self) -> dict[str, Any]:
        spec = self.spec
        port = {"name": spec.interface, "port_number": 0, "type": spec.wire,
                "interface": spec.interface}  # fmt: skip
        body = {"name": CLOUD, "node_type": "cloud", "compute_id": spec.compute, "x": -200, "y": 0,
                "properties": {"ports_mapping": [port]}}  # fmt: skip
        made = self._call("POST", "nodes", f"make the cloud on {spec.interface}", body)
        self._made.append(("node", {"node": made["node_id"]}))
        return dict(made)

    def _the_link(self) -> str:
        ends = {self._cloud["node_id"], self._node["node_id"]}
        for link in self._call("GET", "links", "list the links"):
            if {end["node_id"] for end in link["nodes"]} == ends:
                return str(link["link_id"])
        body = {"nodes": [
            {"node_id": self._cloud["node_id"], "adapter_number": 0, "port_number": 0},
            {"node_id": self._node["node_id"], "adapter_number": self.spec.adapter,
             "port_number": self.spec.port},
        ]}  # fmt: skip
        made = self._call("POST", "links", f"wire {self.name} to {self.spec.interface}", body)
        self._made.append(("link", {"link": made["link_id"]}))
        return str(made["link_id"])

    def _call(self, method: str, name: str, what: str, body: Any = None, **ids: str) -> Any:
        return self._api.call(method, name, what, body, project=self._project, **ids)


def check_filters(wanted: Impairment) -> None:
    """ConfigError for what no filter of GNS3 does."""
    lacking = [name for name in ("duplicate", "reorder", "bandwidth") if getattr(wanted, name)]
    if lacking:
        raise ConfigError(
            f"condition: GNS3 has no filter for {lacking[0]}: leave it out, or use CML"
        )


def _body(spec: Spec) -> dict[str, Any]:
    """What makes a node of one of our kinds; ConfigError where the entry lacks something."""
    if spec.kind not in KINDS:
        hint = nearest(spec.kind, KINDS) or f"; there are {', '.join(KINDS)}"
        raise ConfigError(
            f"{spec.node} is not in the project, and its entry has no template and no kind to "
            f"make it of{f': unknown kind {spec.kind!r}' if spec.kind else ''}{hint}"
        )
    node_type, image, others = KINDS[spec.kind]
    if image and not spec.image:
        raise ConfigError(f"{spec.node} of kind {spec.kind} needs 'image': GNS3 ships none")
    properties = others | ({image: spec.image} if image else {}) | dict(spec.properties)
    top = {key: properties.pop(key) for key in _CONSOLE_IN_PROPERTIES if key in properties}
    return {"name": spec.node, "node_type": node_type, "compute_id": spec.compute, "x": 200,
            "y": 0, "properties": properties, **top}  # fmt: skip
