"""CML's REST interface on the loopback, as far as virl2-client uses it here.

No CML is to be had here. Where others have published what a CML answered, an answer has its fields
(`cml_recorded`); the others (states, conditions, errors) have the shape that virl2-client 2.10
reads. What was asked is kept.
"""

from __future__ import annotations

import contextlib
import json
import re
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.harness.lab import cml_recorded as seen

USER, PASSWORD, TOKEN = "ann", "s3cret", "eyJ.fresh.token"
LAB, ROUTER, CONNECTOR, LINK, KEY = (
    "b1a6b6c0-0000-4000-8000-0000000000" + n for n in ("00", "01", "02", "03", "04")
)
IKE = (
    bytes(12)
    + b"\x08\x00\x45"
    + bytes(8)
    + b"\x11"
    + bytes(10)
    + b"\x01\xf4\x01\xf4IKE"
    + bytes(18)
)
HEAD = bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000")
PCAP = HEAD + struct.pack("<IIII", 1, 2, len(IKE), len(IKE)) + IKE


@dataclass
class Cml:
    """What the controller knows, and what it was asked."""

    version: str = seen.SYSTEM["version"]
    key: str = KEY  # of a capture; from CML 2.10 on it is the link's ID
    converges_after: int = 2  # questions
    expired: set[str] = field(default_factory=set)  # tokens
    labs: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    bodies: dict[str, Any] = field(default_factory=dict)
    state: str = "DEFINED_ON_CORE"
    condition: dict[str, Any] | None = None
    questions: int = 0

    def answer(self, method: str, path: str, body: bytes, token: str) -> tuple[int, Any]:
        """Status and JSON (or octets) for a call."""
        self.asked.append(f"{method} {path}")
        self.bodies[f"{method} {path}"] = body
        if path == "system_information":
            return 200, seen.like(seen.SYSTEM, version=self.version)
        if path == "authenticate":
            given = json.loads(body)
            if (given["username"], given["password"]) != (USER, PASSWORD):
                return 403, {"code": 403, "description": "Authentication failed!"}
            return 200, TOKEN
        if token in self.expired or token != TOKEN:
            return 401, {"code": 401, "description": "Token validation failed: expired token"}
        for wanted, pattern, handler in ROUTES:
            if wanted == method and (found := re.fullmatch(pattern, path)):
                return handler(self, body, found)
        return 404, {"code": 404, "description": f"no such path in this stand-in: {method} {path}"}


def _authentication(cml: Cml, body: bytes, found: Any) -> tuple[int, Any]:
    return 200, {"id": seen.OWNER, "username": USER, "token": TOKEN, "admin": False, "error": None}


def _import(cml: Cml, body: bytes, found: Any) -> tuple[int, Any]:
    topology = json.loads(body)
    cml.labs[LAB] = topology
    return 200, {"id": LAB, "warnings": []}


def _topology(cml: Cml, body: bytes, found: Any) -> tuple[int, Any]:
    made = cml.labs[LAB]
    names = {"n0": CONNECTOR, "n1": ROUTER}
    nodes = [
        seen.like(
            seen.TOPOLOGY_NODE, id=names[node["id"]], label=node["label"],
            node_definition=node["node_definition"], x=node["x"], y=node["y"],
            interfaces=_interfaces(names[node["id"]], node),
        )
        for node in made["nodes"]
    ]  # fmt: skip
    ends = [made["links"][0]["i1"][1:], made["links"][0]["i2"][1:]]
    link = seen.like(
        seen.TOPOLOGY_LINK, id=LINK, node_a=CONNECTOR, node_b=ROUTER,
        interface_a=f"{CONNECTOR}-{ends[0]}", interface_b=f"{ROUTER}-{ends[1]}",
        label="ikelab-port<->r1-GigabitEthernet1",
    )  # fmt: skip
    lab = seen.like(seen.TOPOLOGY_LAB, title=made["lab"]["title"])
    return 200, {"lab": lab, "nodes": nodes, "links": [link]}


def _interfaces(name: str, node: dict[str, Any]) -> list[seen.Fields]:
    """A router has a loopback besides those that were asked for."""
    router = node["node_definition"] != "external_connector"
    loopback = [seen.like(seen.LOOPBACK, id=f"{name}-lo")] if router else []
    return loopback + [
        seen.like(seen.INTERFACE, id=f"{name}-{i['slot']}", label=i["label"], slot=i["slot"])
        for i in node["interfaces"]
    ]


def _tiles(cml: Cml, body: bytes, found: Any) -> tuple[int, Any]:
    titles = {lab: made["lab"]["title"] for lab, made in cml.labs.items()}
    return 200, {"lab_tiles": {
        lab: seen.like(seen.TILE, id=lab, lab_title=title, state=cml.state)
        for lab, title in titles.items()}}  # fmt: skip


def _capture(cml: Cml, body: bytes, found: Any) -> tuple[int, Any]:
    wanted = json.loads(body)
    if not {"maxpackets", "maxtime"} & set(wanted):
        return 400, {"code": 400, "description": "maxpackets or maxtime is required"}
    config = seen.like(seen.CAPTURE["config"], link_capture_key=cml.key, **wanted)
    return 200, seen.like(seen.CAPTURE, config=config)


def _pcap(cml: Cml, body: bytes, found: Any) -> tuple[int, Any]:
    if found[1] != cml.key:
        return 404, {"code": 404, "description": f"PCAP not found: {found[1]}"}
    return 200, PCAP


def _states(cml: Cml, body: bytes, found: Any) -> tuple[int, Any]:
    late = "BOOTED" if cml.questions >= cml.converges_after else "STARTED"
    return 200, {"nodes": {CONNECTOR: "BOOTED", ROUTER: late},
                 "links": {LINK: "STARTED"}, "interfaces": {}}  # fmt: skip


def _converged(cml: Cml, body: bytes, found: Any) -> tuple[int, Any]:
    cml.questions += 1
    return 200, cml.questions >= cml.converges_after


def _condition(cml: Cml, body: bytes, found: Any) -> tuple[int, Any]:
    cml.condition = json.loads(body) if body else None
    return 200, cml.condition


ROUTES: tuple[tuple[str, str, Any], ...] = (
    ("GET", "authentication|authok", _authentication),
    ("GET", "users", lambda *_: (200, [{"id": seen.OWNER, "username": USER, "admin": False}])),
    ("GET", "labs", lambda cml, *_: (200, list(cml.labs))),
    ("GET", "populate_lab_tiles", _tiles),
    ("POST", "import", _import),
    ("GET", f"labs/{LAB}/topology", _topology),
    ("GET", f"labs/{LAB}", lambda cml, *_: (200, seen.like(
        seen.LAB, id=LAB, state=cml.state, lab_title=cml.labs[LAB]["lab"]["title"],
        owner_username=USER))),
    ("PUT", f"labs/{LAB}/start", lambda *_: (204, None)),
    ("PUT", f"labs/{LAB}/stop", lambda *_: (204, None)),
    ("PUT", f"labs/{LAB}/wipe", lambda *_: (204, None)),
    ("DELETE", f"labs/{LAB}", lambda cml, *_: (204, cml.labs.pop(LAB) and None)),
    ("GET", f"labs/{LAB}/check_if_converged", _converged),
    ("GET", f"labs/{LAB}/lab_element_state", _states),
    ("GET", f"labs/{LAB}/nodes/{ROUTER}/consoles/0/log",
     lambda *_: (200, "Press RETURN to get started!\nr1>")),
    ("GET", f"labs/{LAB}/links/{LINK}/condition", lambda cml, *_: (200, cml.condition)),
    ("PATCH", f"labs/{LAB}/links/{LINK}/condition", _condition),
    ("DELETE", f"labs/{LAB}/links/{LINK}/condition", _condition),
    ("PUT", f"labs/{LAB}/links/{LINK}/capture/start", _capture),
    ("PUT", f"labs/{LAB}/links/{LINK}/capture/stop", lambda *_: (204, None)),
    ("GET", r"pcap/([\w-]+)", _pcap),
)  # fmt: skip


@contextlib.contextmanager
def serving(cml: Cml) -> Iterator[str]:
    """The controller at a URL of the loopback."""

    class Handler(BaseHTTPRequestHandler):
        def serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            path = self.path.removeprefix("/api/v0/").partition("?")[0]
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            status, found = cml.answer(self.command, path, self.rfile.read(length), token)
            raw = isinstance(found, bytes)
            data = found if raw else b"" if found is None else json.dumps(found).encode()
            self.send_response(status)
            self.send_header(
                "Content-Type", "application/octet-stream" if raw else "application/json"
            )
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve

        def log_message(self, *_: object) -> None:
            """Nothing: what was asked is kept."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
