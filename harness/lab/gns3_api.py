"""A GNS3 server's REST interface: version 3 with its token, version 2 by the same names.

The only module that knows paths. What the server refuses becomes one line with its own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ikelab.harness.errors import ConfigError, LabError, plain
from ikelab.harness.extras import load

PATHS = {
    "version": "version",
    "computes": "computes",
    "templates": "templates",
    "images": "images",
    "projects": "projects",
    "project": "projects/{project}",
    "open": "projects/{project}/open",
    "close": "projects/{project}/close",
    "from_template": "projects/{project}/templates/{template}",
    "nodes": "projects/{project}/nodes",
    "node": "projects/{project}/nodes/{node}",
    "start": "projects/{project}/nodes/{node}/start",
    "stop": "projects/{project}/nodes/{node}/stop",
    "links": "projects/{project}/links",
    "link": "projects/{project}/links/{link}",
    "filters": "projects/{project}/links/{link}/available_filters",
    "begin_capture": "projects/{project}/links/{link}/capture/start",
    "end_capture": "projects/{project}/links/{link}/capture/stop",
    "file": "projects/{project}/files/{path}",
}
# Where version 2 differs; "images" is the list of one emulator on one compute there.
PATHS_2 = PATHS | {
    "begin_capture": "projects/{project}/links/{link}/start_capture",
    "end_capture": "projects/{project}/links/{link}/stop_capture",
    "images": "computes/local/qemu/images",
}
TIMEOUT = 60.0  # seconds for one call: starting a node can take many


class Refused(LabError):
    """The server understood and said no; `said` has its words."""

    def __init__(self, what: str, said: str, status: int) -> None:
        super().__init__(f"GNS3 did not {what}: {said}")
        self.said = said
        self.status = status


class Api:
    """One server. Logs in at the first call that needs it, and again when a token has expired."""

    def __init__(self, url: str, *, user: str = "admin", password: str = "admin", token: str = ""):
        httpx = load("httpx", "gns3", "a lab in GNS3")
        self._httpx = httpx
        self.url = url.rstrip("/")
        if not self.url.startswith(("http://", "https://")):
            raise ConfigError(f"{url!r} is no URL of a GNS3 server: write http://HOST:3080")
        self._user, self._password = user, password
        self._given = token
        try:
            self._client = httpx.Client(base_url=self.url, timeout=TIMEOUT, trust_env=False)
        except Exception as error:
            raise ConfigError(f"{url!r} is no URL of a GNS3 server: {_why(error)}") from None
        self.version = ""
        self._paths: Mapping[str, str] = PATHS
        self._prefix = "/v3"

    @property
    def host(self) -> str:
        """The server's host, as the URL has it."""
        return str(self._client.base_url.host)

    def open(self) -> None:
        """Find out which version answers and whether it lets us in. Idempotent."""
        if self.version:
            return
        for prefix, paths in (("/v3", PATHS), ("/v2", PATHS_2)):
            answer = self._send("GET", f"{prefix}/version")
            if answer.status_code == 200 and "version" in answer.text:
                self._prefix, self._paths = prefix, paths
                self.version = str(answer.json().get("version", "unknown"))
                break
            if answer.status_code == 401 and prefix == "/v2":
                raise self._not_let_in()
        else:
            raise ConfigError(
                f"{self.url} answers, but not as a GNS3 server of version 2 or 3: "
                "give the address and port of the server itself (3080 by default)"
            )
        if prefix == "/v3":
            self._log_in()
        else:
            self._client.auth = (self._user, self._password)

    def call(self, method: str, name: str, what: str, body: Any = None, **ids: str) -> Any:
        """One call by name; what it answers (JSON where it is JSON, else octets).

        `what` completes the sentence "GNS3 did not ...". Refused has the server's own words.
        """
        self.open()
        path = f"{self._prefix}/{self._paths[name].format(**ids)}"
        answer = self._send(method, path, body)
        if answer.status_code == 401 and self._prefix == "/v3" and not self._given:
            self._log_in()  # a token holds for a day
            answer = self._send(method, path, body)
        if answer.status_code == 401:
            raise self._not_let_in()
        if answer.status_code >= 400:
            raise Refused(what, _message(answer), answer.status_code)
        if "json" in answer.headers.get("content-type", "") and answer.content:
            return answer.json()
        return answer.content

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._client.close()

    def _log_in(self) -> None:
        token = self._given
        if not token:
            body = {"username": self._user, "password": self._password}
            answer = self._send("POST", "/v3/access/users/authenticate", body)
            if answer.status_code == 401:
                raise self._not_let_in()
            if answer.status_code >= 400:
                raise Refused("let us in", _message(answer), answer.status_code)
            token = answer.json()["access_token"]
        self._client.headers["Authorization"] = f"Bearer {token}"

    def _not_let_in(self) -> ConfigError:
        who = "the token" if self._given else f"user {self._user!r}"
        return ConfigError(
            f"the GNS3 server at {self.url} refuses {who}: check what the entry says of it"
        )

    def _send(self, method: str, path: str, body: Any = None) -> Any:
        try:
            return self._client.request(method, path, json=body)
        except self._httpx.HTTPError as error:
            raise LabError(
                f"no GNS3 server answers at {self.url} ({_why(error)}): start gns3server "
                "there, or correct the URL"
            ) from None


def _why(error: Exception) -> str:
    """In plain words, whatever library said it."""
    return plain(error).rstrip(".") or type(error).__name__


def _message(answer: Any) -> str:
    """The server's own words, on one line."""
    try:
        found = answer.json()
    except ValueError:
        return f"{answer.status_code} {answer.reason_phrase}"
    said = found.get("message") or found.get("detail") if isinstance(found, dict) else found
    return " ".join(str(said).split()).rstrip(".")
