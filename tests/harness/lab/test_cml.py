"""CML's back-end: the real virl2-client against a controller's answers on the loopback."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ikelab.harness.errors import ConfigError, LabError
from ikelab.harness.lab.base import Impairment
from ikelab.harness.lab.cml import CmlRouter, Spec, topology
from tests.harness.lab.cml_server import (
    KEY,
    LAB,
    LINK,
    PASSWORD,
    PCAP,
    ROUTER,
    TOKEN,
    USER,
    Cml,
    serving,
)


@pytest.fixture
def cml() -> Cml:
    return Cml()


@pytest.fixture
def spec(cml: Cml) -> Iterator[Spec]:
    with serving(cml) as url:
        yield Spec(url, USER, "r1", password=PASSWORD, definition="cat8000v",
                   configuration="hostname r1", boot_time=1)  # fmt: skip


@pytest.mark.parametrize(("version", "key"), [("2.9.1+build.7", KEY), ("2.10.0+build.3", LINK)])
def test_the_whole_way_from_import_to_removal(
    cml: Cml, spec: Spec, tmp_path: Path, version: str, key: str
) -> None:
    cml.version, cml.key = version, key
    router = CmlRouter(spec, poll=0.01)

    router.start()
    assert cml.questions == 2  # it was asked until it had converged
    there = router.console()
    assert (there.port, there.words, there.user) == (22, f"open /{LAB}/{ROUTER}/0", USER)
    assert "Press RETURN" in router.console_log()
    router.impair(Impairment(delay=80, jitter=5, loss=1, bandwidth=256, reorder=3))
    assert cml.condition == {
        "bandwidth": 256, "latency": 80, "jitter": 5, "loss": 1, "enabled": True,
        "duplicate": 0, "reorder_prob": 3, "corrupt_prob": 0,
    }  # fmt: skip
    router.impair(Impairment())
    assert cml.condition is None
    router.begin_capture()
    router.end_capture(tmp_path / "wire.pcap")
    assert (tmp_path / "wire.pcap").read_bytes() == PCAP
    router.stop()
    router.delete()
    router.delete()

    assert cml.labs == {}
    order = [f"PUT labs/{LAB}/start", f"PUT labs/{LAB}/links/{LINK}/capture/start",
             f"PUT labs/{LAB}/links/{LINK}/capture/stop", f"GET pcap/{key}",
             f"PUT labs/{LAB}/stop", f"PUT labs/{LAB}/wipe", f"DELETE labs/{LAB}"]  # fmt: skip
    assert [call for call in dict.fromkeys(cml.asked) if call in order] == order


def test_a_lab_that_is_there_is_used_and_stays(cml: Cml, spec: Spec) -> None:
    cml.labs[LAB] = json.loads(topology(spec))
    cml.condition = before = {"latency": 20, "loss": 0.5, "enabled": True}
    router = CmlRouter(spec, poll=0.01)

    router.start()
    router.impair(Impairment(loss=5))
    router.impair(Impairment(loss=6))
    assert cml.condition and cml.condition["loss"] == 6
    router.delete()

    assert "POST import" not in cml.asked and LAB in cml.labs
    assert cml.condition == before


def test_the_topology_has_the_router_on_an_external_connector(cml: Cml, spec: Spec) -> None:
    made = json.loads(topology(replace(spec, interface=1, image="c8000v-17-12")))

    connector, router = made["nodes"]
    assert connector["node_definition"] == "external_connector"
    assert connector["configuration"] == "System Bridge"
    assert router["image_definition"] == "c8000v-17-12" and len(router["interfaces"]) == 2
    assert made["links"] == [{"id": "l0", "n1": "n0", "i1": "i0", "n2": "n1", "i2": "i1"}]


def test_a_wrong_password_is_one_line(spec: Spec, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="refuses user 'ann': check user and password") as told:
        CmlRouter(replace(spec, password="wrong")).start()
    assert "\n" not in str(told.value)
    assert capfd.readouterr().err == ""


def test_an_expired_token_is_one_line(cml: Cml, spec: Spec) -> None:
    cml.expired.add("old")
    only = replace(spec, user="", password="", token="old")
    with pytest.raises(ConfigError, match=r"the token for CML at .* has expired: get a fresh one"):
        CmlRouter(only).start()


def test_a_token_that_expires_on_the_way_is_renewed_with_the_password(cml: Cml, spec: Spec) -> None:
    router = CmlRouter(replace(spec, token="old"), poll=0.01)

    router.start()

    assert "POST authenticate" in cml.asked
    router.delete()


def test_a_token_that_expires_on_the_way_and_cannot_be_renewed_is_one_line(
    cml: Cml, spec: Spec
) -> None:
    router = CmlRouter(replace(spec, user="", password="", token=TOKEN), poll=0.01)
    router.start()
    cml.expired.add(TOKEN)

    with pytest.raises(ConfigError, match="has expired"):
        router.console_log()


def test_a_lab_that_never_converges_names_who_is_late(cml: Cml, spec: Spec) -> None:
    cml.converges_after = 1000
    router = CmlRouter(replace(spec, boot_time=0), poll=0.001)

    with pytest.raises(LabError, match="has not come up within 0 s: r1 is STARTED;") as told:
        cml.converges_after = 5
        router.start()
    assert "\n" not in str(told.value)
    assert cml.labs == {}  # what was imported is gone


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"definition": ""}, "CML has no lab 'ikelab', and the entry has no 'definition'"),
        ({"node": "r2", "topology": "FILE"}, "has no node 'r2'; did you mean 'r1'"),
        ({"topology": "/nowhere.yaml"}, "/nowhere.yaml: No such file"),
        ({"password": ""}, "needs user and password, or a token"),
    ],
)
def test_what_the_entry_lacks_is_one_line(
    cml: Cml, spec: Spec, tmp_path: Path, change: dict[str, str], words: str
) -> None:
    if change.get("topology") == "FILE":
        (tmp_path / "lab.yaml").write_text(topology(spec))
        change = {**change, "topology": str(tmp_path / "lab.yaml")}
    with pytest.raises(ConfigError, match=words):
        CmlRouter(replace(spec, **change), poll=0.01).start()  # type: ignore[arg-type]


def test_nobody_there_is_one_line() -> None:
    with pytest.raises(LabError, match=r"at http://127\.0\.0\.1:1 \(Connection refused\)"):
        CmlRouter(Spec("http://127.0.0.1:1", USER, "r1", password=PASSWORD)).start()


def test_a_version_that_the_client_does_not_speak_is_one_line(cml: Cml, spec: Spec) -> None:
    cml.version = "3.0.0"
    with pytest.raises(LabError, match="CML did not reach CML: Major version mismatch"):
        CmlRouter(spec).start()


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "virl2_client", None)

    with pytest.raises(
        ConfigError, match=r"a lab in CML needs virl2_client: pip install 'ikelab\[c"
    ):
        CmlRouter(Spec("https://cml", USER, "r1"))
