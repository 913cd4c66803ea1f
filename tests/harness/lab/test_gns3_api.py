"""Which path each call takes in versions 2 and 3, and what becomes of a server's refusals."""

from __future__ import annotations

import sys
from collections.abc import Callable

import httpx
import pytest

from ikelab.harness.errors import ConfigError, LabError
from ikelab.harness.lab.gns3_api import Api, Refused

Answer = Callable[[httpx.Request], httpx.Response]


def served(answer: Answer) -> tuple[Api, list[str]]:
    """A client whose server is this function, and the calls that it got."""
    calls: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        calls.append(f"{request.method} {request.url.path}")
        return answer(request)

    api = Api("http://gns3.example:3080/", user="ann", password="x")
    api._client = httpx.Client(base_url=api.url, transport=httpx.MockTransport(handle))
    return api, calls


def version(number: int) -> Answer:
    """A server of that version that agrees to everything."""

    def answer(request: httpx.Request) -> httpx.Response:
        if not request.url.path.startswith(f"/v{number}/"):
            return httpx.Response(404, json={"detail": "Not Found"})
        if request.url.path.endswith("/version"):
            return httpx.Response(200, json={"version": f"{number}.2.1"})
        if request.url.path.endswith("/authenticate"):
            return httpx.Response(200, json={"access_token": "t0k3n"})
        return httpx.Response(200, json={"seen": request.headers.get("Authorization")})

    return answer


@pytest.mark.parametrize(
    ("number", "name", "path"),
    [
        (3, "begin_capture", "/v3/projects/p/links/l/capture/start"),
        (3, "end_capture", "/v3/projects/p/links/l/capture/stop"),
        (3, "images", "/v3/images"),
        (3, "start", "/v3/projects/p/nodes/n/start"),
        (2, "begin_capture", "/v2/projects/p/links/l/start_capture"),
        (2, "end_capture", "/v2/projects/p/links/l/stop_capture"),
        (2, "images", "/v2/computes/local/qemu/images"),
        (2, "start", "/v2/projects/p/nodes/n/start"),
    ],
)
def test_each_version_has_its_paths(number: int, name: str, path: str) -> None:
    api, calls = served(version(number))

    found = api.call("POST", name, "do it", {}, project="p", link="l", node="n")

    assert calls[-1] == f"POST {path}"
    assert api.version == f"{number}.2.1" and api.host == "gns3.example"
    assert found["seen"] == ("Bearer t0k3n" if number == 3 else "Basic YW5uOng=")


def test_a_page_that_is_no_gns3_server_is_told_from_one() -> None:
    api, _ = served(lambda _: httpx.Response(200, text="<html>Welcome to nginx</html>"))

    with pytest.raises(ConfigError, match="answers, but not as a GNS3 server of version 2 or 3"):
        api.open()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (409, {"message": "Could not find Dynamips."}, "Could not find Dynamips"),
        (404, {"message": "Node doesn't exist", "status": 404}, "Node doesn't exist"),
        (422, {"detail": "one\n  two"}, "one two"),
        (500, None, "500 Internal Server Error"),
    ],
)
def test_a_refusal_is_one_line_in_the_servers_words(status: int, body: object, said: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/nodes"):
            return httpx.Response(status, json=body) if body else httpx.Response(status, text="x")
        return version(3)(request)

    api, _ = served(answer)

    with pytest.raises(Refused) as told:
        api.call("POST", "nodes", "make r1", {}, project="p")
    assert str(told.value) == f"GNS3 did not make r1: {said}" and told.value.status == status


def test_a_basic_password_that_is_wrong_says_so() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(404 if request.url.path.startswith("/v3") else 401, json={})

    with pytest.raises(ConfigError, match="refuses user 'ann'"):
        served(answer)[0].open()


def test_no_server_and_no_url_are_told_apart() -> None:
    answers = r"no GNS3 server answers at http://127\.0\.0\.1:1 \(Connection refused\): start"
    with pytest.raises(LabError, match=answers):
        Api("http://127.0.0.1:1").open()
    for url in ("gns3.example:3080", "http://[::1"):
        with pytest.raises(ConfigError, match="is no URL of a GNS3 server"):
            Api(url).open()


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        ("[Errno -2] Name or service not known", "Name or service not known"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1016)", "wrong version number"),
        ("", "ConnectError"),
    ],
)
def test_why_nobody_answers_is_said_in_words(raised: str, said: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(raised, request=request)

    with pytest.raises(LabError, match=rf"answers at http://gns3.example:3080 \({said}\): start"):
        served(answer)[0].open()


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)

    with pytest.raises(ConfigError, match=r"a lab in GNS3 needs httpx: pip install 'ikelab\[gns3"):
        Api("http://127.0.0.1:3080")
