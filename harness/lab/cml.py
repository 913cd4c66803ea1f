"""A router in Cisco Modeling Labs (CML), on one wire to an external connector, by virl2-client.

A topology is imported (ours, or the user's file), started and waited for until CML says that it has
converged. Whatever goes wrong on the way is one line.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ikelab.harness.errors import ConfigError, IkelabError, LabError, nearest, plain
from ikelab.harness.extras import load
from ikelab.harness.lab.base import ConsoleAt, Impairment

SCHEMA = "0.1.0"  # the oldest topology format: every CML 2 reads it
CONNECTOR = "ikelab"
BOOT_TIME = 900  # seconds
MOST_PACKETS, LONGEST_CAPTURE = 1_000_000, 86_400  # the most that CML takes; seconds
POLL = 5  # seconds between two questions whether the lab has converged; virl2-client's own wait


@dataclass(frozen=True, slots=True)
class Spec:
    """A router that CML is to run, or has in the lab of that title."""

    url: str
    user: str
    node: str
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    lab: str = "ikelab"
    definition: str = ""  # of the node: "cat8000v", "csr1000v", "iosv", "iol-xe"
    image: str = ""
    configuration: str = ""  # what it boots with
    connector: str = "System Bridge"  # the external connector's own bridge
    interface: int = 0  # which of the router's, where the wire goes
    topology: str = ""  # a file to import instead of the topology made here
    verify: bool = True
    boot_time: int = BOOT_TIME


class CmlRouter:
    """Implements `base.Router`."""

    def __init__(self, spec: Spec, *, poll: float = POLL) -> None:
        self.name = spec.node
        self.spec = spec
        self._virl: Any = load("virl2_client", "cml", "a lab in CML")
        # It says on its own what becomes our one line.
        logging.getLogger("virl2_client").addHandler(logging.NullHandler())
        logging.getLogger("virl2_client").propagate = False
        self._poll = poll
        self._session: Any = None
        self._lab: Any = None
        self._node: Any = None
        self._link: Any = None
        self._before: dict[str, Any] | None = None  # the link's conditions, where it was there
        self._made = False
        self._capture = ""  # the key of the one that goes on

    def start(self) -> None:
        """Find or import the lab, start it, wait until it has converged."""
        with self._explained("reach CML"):
            client = self._client()
        try:
            with self._explained("make the lab"):
                self._find_or_import(client)
            with self._explained("start the lab"):
                self._lab.start(wait=False)
            self._converge()
        except BaseException:
            with contextlib.suppress(IkelabError):  # what went wrong first is what counts
                self.delete()
            raise

    def console(self) -> ConsoleAt:
        """CML's terminal server: SSH to the controller, then `open`."""
        host = self.spec.url.split("//", 1)[-1].split("/", 1)[0].split(":", 1)[0]
        words = f"open /{self._lab.id}/{self._node.id}/0"
        return ConsoleAt(host, 22, words, self.spec.user, self.spec.password)

    def console_log(self) -> str:
        """What the router's first console has said since it booted."""
        with self._explained("give the console log"):
            log = self._node.console_logs(0)
        return str(log.get("text") if isinstance(log, dict) else log)

    def impair(self, wanted: Impairment) -> None:
        with self._explained("set the link's conditions"):
            if self._before is None and not self._made:
                self._before = dict(self._wire().get_condition() or {})
            if not wanted:
                self._wire().remove_condition()
                return
            self._wire().set_condition(
                bandwidth=wanted.bandwidth,
                latency=wanted.delay,
                jitter=wanted.jitter,
                loss=wanted.loss,
                duplicate=wanted.duplicate,
                reorder_prob=wanted.reorder,
                corrupt_prob=wanted.corrupt,
                enabled=True,
            )

    def begin_capture(self) -> None:
        with self._explained("capture on the link"):
            # Before CML 2.10 one of the two limits has to be said.
            begun = self._wire().start_capture(maxpackets=MOST_PACKETS, maxtime=LONGEST_CAPTURE)
        found = begun.get("config", {}).get("link_capture_key") if isinstance(begun, dict) else ""
        self._capture = str(found or self._wire().id)

    def end_capture(self, file: Path) -> None:
        with self._explained("give the capture"):
            self._wire().stop_capture()
            # virl2-client 2.10's download_capture asks at .../api/v0//api/v0/pcap/ID, and for the
            # link's own ID, which is a capture's key from CML 2.10 on only.
            file.write_bytes(self._session.get(f"pcap/{self._capture}").content)

    def stop(self) -> None:
        if self._lab is not None:
            with self._explained("stop the lab"):
                self._lab.stop(wait=False)

    def delete(self) -> None:
        """Remove the lab that was imported here; one that was there before stays as it was."""
        before, self._before = self._before, None
        if before is not None:
            with self._explained("put the link's conditions back"):
                self._wire().remove_condition()
                if before:
                    self._wire().set_condition(**before)
        if self._made and self._lab is not None:
            with self._explained("remove the lab"):
                self._lab.stop(wait=True)
                self._lab.wipe(wait=True)
                self._lab.remove()
        self._made, self._lab = False, None

    def _client(self) -> Any:
        spec = self.spec
        if not spec.token and not (spec.user and spec.password):
            # The client would ask for them at the terminal.
            raise ConfigError(f"CML at {spec.url} needs user and password, or a token")
        return self._virl.ClientLibrary(
            spec.url,
            spec.user or None,
            spec.password or None,
            jwtoken=spec.token or None,
            ssl_verify=spec.verify,
            raise_for_auth_failure=True,
            allow_http=spec.url.startswith("http://"),
            convergence_wait_time=self._poll,
        )

    def _find_or_import(self, client: Any) -> None:
        spec = self.spec
        self._session = client._session
        found = client.find_labs_by_title(spec.lab)
        if found:
            self._lab = found[0]
        else:
            self._lab = client.import_lab(self._topology(), title=spec.lab)
            self._made = True
        # One interval for all that waits: starting, stopping, wiping.
        self._lab.wait_time = self._poll
        labels = {node.label: node for node in self._lab.nodes()}
        if spec.node not in labels:
            hint = nearest(spec.node, labels) or f"; there are {', '.join(sorted(labels))}"
            raise ConfigError(f"the lab {spec.lab!r} in CML has no node {spec.node!r}{hint}")
        self._node = labels[spec.node]

    def _topology(self) -> str:
        spec = self.spec
        if spec.topology:
            try:
                return Path(spec.topology).read_text(encoding="utf-8")
            except OSError as error:
                raise ConfigError(f"{spec.topology}: {error.strerror}") from None
        if not spec.definition:
            raise ConfigError(
                f"CML has no lab {spec.lab!r}, and the entry has no 'definition' to make one of"
                " (cat8000v, csr1000v, iosv, iol-xe)"
            )
        return topology(spec)

    def _converge(self) -> None:
        tries = max(int(self.spec.boot_time / self._poll), 1)
        try:
            with self._explained("say whether the lab is up"):
                self._lab.wait_until_lab_converged(max_iterations=tries, wait_time=self._poll)
        except _Unfinished:
            with self._explained("show its nodes"):
                late = [f"{n.label} is {n.state}" for n in self._lab.nodes() if n.state != "BOOTED"]
            raise LabError(
                f"the lab {self.spec.lab!r} in CML has not come up within {self.spec.boot_time} s: "
                f"{', '.join(late) or 'every node has booted, but no link'}; see its console in CML"
            ) from None

    def _wire(self) -> Any:
        if self._link is None:
            links = [link for link in self._lab.links()
                     if self._node in (link.node_a, link.node_b)]  # fmt: skip
            if not links:
                raise ConfigError(f"{self.name} has no link in CML: there is nothing to capture on")
            ours = [link for link in links
                    if "external_connector" in _definitions(link)]  # fmt: skip
            self._link = (ours or links)[0]
        return self._link

    @contextlib.contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """Whatever virl2-client raises, as one line of ours."""
        httpx = load("httpx", "cml", "a lab in CML")
        exceptions = load("virl2_client.exceptions", "cml", "a lab in CML")
        try:
            yield
        except (exceptions.InitializationError, exceptions.APIError) as error:
            raise self._said(what, error) from None
        except exceptions.VirlException as error:
            raise LabError(f"CML did not {what}: {_line(error)}") from None
        except httpx.HTTPStatusError as error:
            raise self._said(what, error) from None
        except (httpx.HTTPError, OSError) as error:
            raise LabError(
                f"no CML answers at {self.spec.url} ({_line(error)}): is the address right, and "
                "its certificate trusted (verify = false in the entry accepts any)?"
            ) from None
        except RuntimeError as error:
            if "converged" in str(error):
                raise _Unfinished(str(error)) from None
            raise

    def _said(self, what: str, error: Exception) -> Exception:
        response = getattr(error, "response", None)
        status = response.status_code if response is not None else 0
        if "token expired" in str(error) or (status == 401 and self.spec.token):
            return ConfigError(
                f"the token for CML at {self.spec.url} has expired: get a fresh one, or give "
                "user and password instead"
            )
        if status in (401, 403) or "authenticate" in str(error):
            return ConfigError(
                f"CML at {self.spec.url} refuses user {self.spec.user!r}: check user and password"
            )
        return LabError(f"CML did not {what}: {_line(error)}")


class _Unfinished(LabError):
    """A lab that has not converged in time."""


def topology(spec: Spec) -> str:
    """A lab of one router on one external connector, in CML's format (JSON is YAML)."""
    interfaces = [
        {"id": f"i{n}", "slot": n, "label": f"port{n}", "type": "physical"}
        for n in range(spec.interface + 1)
    ]
    router: dict[str, Any] = {
        "id": "n1", "label": spec.node, "node_definition": spec.definition, "x": 0, "y": 0,
        "configuration": spec.configuration, "interfaces": interfaces,
    }  # fmt: skip
    if spec.image:
        router["image_definition"] = spec.image
    connector = {
        "id": "n0", "label": CONNECTOR, "node_definition": "external_connector", "x": -200, "y": 0,
        "configuration": spec.connector,
        "interfaces": [{"id": "i0", "slot": 0, "label": "port", "type": "physical"}],
    }  # fmt: skip
    link = {"id": "l0", "n1": "n0", "i1": "i0", "n2": "n1", "i2": f"i{spec.interface}"}
    lab = {"title": spec.lab, "description": "made by ikelab", "notes": "", "version": SCHEMA}
    made = {"lab": lab, "nodes": [connector, router], "links": [link]}
    return json.dumps(made, indent=1)


def _definitions(link: Any) -> set[str]:
    return {str(link.node_a.node_definition), str(link.node_b.node_definition)}


def _line(error: Exception) -> str:
    return " ".join(plain(error).split()).rstrip(".") or type(error).__name__
