"""GNS3's back-end against a real gns3-server of version 3 on the loopback."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ikelab.harness.errors import ConfigError, LabError
from ikelab.harness.lab.base import Impairment
from ikelab.harness.lab.doctor import examine
from ikelab.harness.lab.gns3 import Gns3Router, Spec
from ikelab.harness.lab.gns3_api import Api, Refused
from tests.harness.command import ikelab
from tests.harness.gns3_server import program, server

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that every test of this module leaves as it was."""
    with server(tmp_path_factory.mktemp("gns3"), program()) as found:
        yield found


@pytest.fixture
def api(url: str) -> Iterator[Api]:
    """Our client; no project is left behind."""
    made = Api(url)
    yield made
    assert made.call("GET", "projects", "list its projects") == []
    made.close()


def test_a_user_is_let_in_and_a_stranger_is_not(url: str) -> None:
    api = Api(url)
    api.open()
    assert api.version.startswith("3.")

    with pytest.raises(ConfigError, match="refuses user 'admin': check what the entry says"):
        Api(url, password="wrong").open()
    with pytest.raises(ConfigError, match="refuses the token"):
        Api(url, token="stale").call("GET", "projects", "list its projects")


def test_a_token_that_has_expired_is_replaced(api: Api) -> None:
    api.open()
    api._client.headers["Authorization"] = "Bearer stale"

    assert api.call("GET", "projects", "list its projects") == []


def test_a_node_is_made_in_a_project_and_both_are_deleted(api: Api) -> None:
    router = Gns3Router(api, Spec("pc1", kind="vpcs", project="ours"))
    router._find_or_make()

    there = router.console()
    assert there.host == "127.0.0.1" and there.port > 1024
    projects = api.call("GET", "projects", "list its projects")
    assert [p["name"] for p in projects] == ["ours"]

    again = Gns3Router(api, Spec("pc1", project="ours"))
    again._find_or_make()
    assert again.console() == there
    again.delete()  # it made nothing
    assert len(api.call("GET", "projects", "list its projects")) == 1
    router.delete()
    router.delete()


def test_a_template_that_is_installed_makes_a_node_of_the_name_that_was_asked_for(api: Api) -> None:
    router = Gns3Router(api, Spec("r9", template="VPCS"))
    router._find_or_make()
    assert router._node["name"] == "r9"
    router.delete()

    with pytest.raises(ConfigError, match=r"no template 'VPCX'; did you mean 'VPCS'\?"):
        Gns3Router(api, Spec("r9", template="VPCX")).start()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (Spec("r1", kind="dynamips", image="nope.bin"),
         "GNS3 did not make r1: (Could not find Dynamips|.*nope.bin.*)"),
        (Spec("r1", kind="c8000v", image="nope.qcow2"),
         "GNS3 did not make r1: (QEMU binary .* cannot be found|.*nope.qcow2.*)"),
        (Spec("r1", kind="iou", image="nope.bin"), "GNS3 did not make r1: .*'nope.bin' is missing"),
        (Spec("r1", kind="iosv"), "r1 of kind iosv needs 'image': GNS3 ships none"),
        (Spec("r1", kind="c8000"), r"unknown kind 'c8000'; did you mean 'c8000v'"),
        (Spec("r1"), "r1 is not in the project, and its entry has no template and no kind"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_said_in_one_line_and_nothing_stays(
    api: Api, spec: Spec, words: str
) -> None:
    with pytest.raises((LabError, ConfigError), match=words) as told:
        Gns3Router(api, spec).start()
    assert "\n" not in str(told.value)


def test_without_ubridge_a_wire_is_refused_with_the_servers_own_words(api: Api) -> None:
    if shutil.which("ubridge"):
        pytest.skip("ubridge is installed here: see the whole path below")
    with pytest.raises(Refused, match="did not make the cloud on ikl0: uBridge is not available"):
        Gns3Router(api, Spec("pc1", kind="vpcs", interface="ikl0")).start()


def test_filters_are_put_on_a_link_and_what_gns3_has_not_is_refused(api: Api) -> None:
    one, two = (Gns3Router(api, Spec(name, kind="vpcs")) for name in ("pc1", "pc2"))
    one._find_or_make()
    two._find_or_make()
    ends = [{"node_id": r._node["node_id"], "adapter_number": 0, "port_number": 0}
            for r in (one, two)]  # fmt: skip
    link = one._call("POST", "links", "link them", {"nodes": ends})
    one._link = link["link_id"]

    one.impair(Impairment(delay=40, jitter=5, loss=2, corrupt=1))
    found = one._call("GET", "link", "show it", link=one._link)["filters"]
    assert found == {"delay": [40, 5], "packet_loss": [2], "corrupt": [1]}
    one._put_back()  # this link was there
    assert one._call("GET", "link", "show it", link=one._link)["filters"] == {}
    one.impair(Impairment(delay=7))
    one.impair(Impairment())
    assert one._call("GET", "link", "show it", link=one._link)["filters"] == {}
    with pytest.raises(ConfigError, match="pc2 has no wire to capture on: write 'interface'"):
        two.begin_capture()
    with pytest.raises(ConfigError, match="GNS3 has no filter for bandwidth"):
        one.impair(Impairment(bandwidth=64))
    with pytest.raises(Refused, match="no running device on this link"):
        one.begin_capture()
    one.delete()


def test_the_doctor_says_what_is_missing_and_how_to_get_it(
    url: str, api: Api, tmp_path: Path
) -> None:
    found = {finding.what: finding for finding in examine(api)}

    assert list(found) == ["server", "ubridge", "dynamips", "qemu", "images"]
    assert found["server"].ok and "GNS3 3." in found["server"].found
    for name in ("ubridge", "dynamips"):
        if shutil.which(name) is None:
            assert not found[name].ok and name in found[name].remedy
    assert not found["images"].ok and "no router image" in found["images"].found

    done = ikelab("lab", "doctor", "--gns3", url, cwd=tmp_path)
    lines = done.out.splitlines()
    assert done.status == 1 and re.match(r"ok +server +GNS3 3", lines[0])
    assert any(re.match(r"missing +images +no router image", line) for line in lines)


def test_the_doctor_tells_a_wrong_password_from_a_server_that_is_not_there(
    url: str, tmp_path: Path
) -> None:
    done = ikelab(
        "lab", "doctor", "--gns3", url, "--user", "admin", "--password", "wrong", cwd=tmp_path
    )
    assert done.status == 1 and "refuses user 'admin'" in done.out

    done = ikelab("lab", "doctor", "--gns3", "http://127.0.0.1:1", cwd=tmp_path)
    assert done.status == 1 and "no GNS3 server answers at http://127.0.0.1:1" in done.out
