"""A gateway outside that does not answer stops the run, and nobody is accused of that."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ikelab.harness import outside, silence
from ikelab.harness.entropy import entropy
from ikelab.harness.model import Datagram
from ikelab.harness.outside import OutsideRig
from ikelab.harness.peer import external
from ikelab.harness.peer.reference import Station
from ikelab.harness.peer.serve import UdpStation
from tests.harness.command import ikelab
from tests.harness.test_external import ENTRY, free_ports, gateway_config


@contextlib.contextmanager
def served(port: int) -> Iterator[None]:
    """A gateway on the loopback, as its entry says."""
    with UdpStation(socket.socket, ports=(port,)) as station:
        station.attach(Station(gateway_config(port), entropy(None)), "127.0.0.1")
        yield


@pytest.fixture
def ports() -> tuple[int, int]:
    return free_ports()


@pytest.fixture
def entry(ports: tuple[int, int], tmp_path: Path) -> Path:
    file = tmp_path / "ikelab.toml"
    file.write_text(ENTRY.format(port=ports[0], ours=ports[1]))
    return file


@pytest.fixture
def rig(entry: Path) -> Iterator[OutsideRig]:
    made = OutsideRig(external.read(entry)["branch"], None)
    made.begin("", None)
    yield made
    made.close()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests in which nothing comes: nobody waits long."""
    for room, name in ((outside, "PATIENCE"), (outside, "INITIATES"), (silence, "WAIT")):
        monkeypatch.setattr(room, name, 0.1)


@pytest.mark.long
def test_a_run_stops_at_a_port_that_nobody_has_and_goes_on_later(
    entry: Path, ports: tuple[int, int], tmp_path: Path
) -> None:
    words = ["run", "--peer", "branch", "--out", "run", "--case", "TS-02"]

    done = ikelab(*words, cwd=tmp_path)

    done.refused(3, f"nobody answers at 127.0.0.1:{ports[0]} (branch)", "ICMP port unreachable",
                 "go on with: ikelab run --resume run")  # fmt: skip
    assert "FAIL" not in done.out
    report = ikelab("report", "run", cwd=tmp_path)
    assert report.status == 0
    assert f"the run did not finish: nobody answers at 127.0.0.1:{ports[0]}" in report.out
    assert (tmp_path / "run" / "results.jsonl").read_text() == ""

    with served(ports[0]):
        again = ikelab("run", "--resume", "run", cwd=tmp_path)

    assert again.status == 0, again.out + again.err
    rows = [json.loads(line) for line in (tmp_path / "run" / "results.jsonl").open()]
    assert {(row["case"], row["verdict"]) for row in rows} == {("TS-02", "PASS")}
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert "finished" in facts and "stopped" not in facts


def test_nobody_is_missed_before_anything_was_sent(rig: OutsideRig) -> None:
    assert rig.missing("responder") == ""
    assert rig.missing("initiator") == ""


@pytest.mark.usefixtures("hasty")
def test_one_that_takes_all_and_says_nothing_is_missed(
    rig: OutsideRig, ports: tuple[int, int]
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", ports[0]))
        rig.initiator().init()

        said = rig.missing("responder")

    assert said.startswith(f"nobody answers at 127.0.0.1:{ports[0]} (branch)")
    assert f"that it takes 127.0.0.1:{ports[1]} for a peer of its own" in said


def test_one_that_is_silent_to_a_broken_message_is_there(
    rig: OutsideRig, ports: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outside, "PATIENCE", 60.0)
    with served(ports[0]):
        endpoint = rig.initiator()
        endpoint.transport.send(
            Datagram(bytes(28), ("127.0.0.1", ports[1]), ("127.0.0.1", ports[0]))
        )
        assert not endpoint.pump(lambda: bool(endpoint.strays), 0.0)

        assert rig.missing("responder") == ""


@pytest.mark.usefixtures("hasty")
def test_one_that_answered_before_answers_no_more(rig: OutsideRig, ports: tuple[int, int]) -> None:
    with served(ports[0]):
        endpoint = rig.initiator()
        session = endpoint.session()
        session.init(patience=30.0)
        assert session.received()
        assert rig.missing("responder") == ""
        rig.end()
    rig.begin("", None)
    rig.initiator().init()

    said = rig.missing("responder")

    assert said.startswith(f"127.0.0.1:{ports[0]} (branch) answers no more")
    assert "ICMP port unreachable" in said


@pytest.mark.usefixtures("hasty")
def test_one_that_answers_another_port_only_is_a_matter_of_firewalls(
    rig: OutsideRig, ports: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "WAIT", 30.0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as choosy:
        choosy.bind(("127.0.0.1", ports[0]))

        def answer() -> None:
            while (source := choosy.recvfrom(65535)[1])[1] == ports[1]:
                pass
            choosy.sendto(b"x", source)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        rig.initiator().init()

        said = rig.missing("responder")

    thread.join()
    assert f"and not {ports[1]}: does a firewall" in said


@pytest.mark.usefixtures("hasty")
def test_a_command_that_has_nobody_begin_is_told_of(entry: Path, ports: tuple[int, int]) -> None:
    entry.write_text(entry.read_text() + 'initiate = "true"\n')
    rig = OutsideRig(external.read(entry)["branch"], None)
    rig.begin("", None)
    rig.responder().listen()
    rig.peer.initiate()

    said = rig.missing("initiator")

    assert (
        f"the 'initiate' command of branch ran, twice, and nothing came to 127.0.0.1:{ports[1]}"
        in said
    )
    rig.close()
