"""A gateway outside that is not there is no finding, and no campaign has passed either."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from ikelab.harness import collector, outside, silence
from ikelab.harness.cli import main
from ikelab.harness.entropy import entropy
from ikelab.harness.fuzz.campaigns import CAMPAIGNS
from ikelab.harness.fuzz.ground import Ground, Missing
from ikelab.harness.outside import OutsideRig
from ikelab.harness.peer import external
from ikelab.harness.peer.reference import Station
from ikelab.harness.peer.serve import UdpStation
from tests.harness.command import ikelab
from tests.harness.test_external import ENTRY, free_ports, gateway_config


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """The port of a gateway by the name of branch, which nobody has."""
    monkeypatch.chdir(tmp_path)
    theirs, ours = free_ports()
    Path("ikelab.toml").write_text(ENTRY.format(port=theirs, ours=ours))
    return theirs


def test_nobody_is_accused_where_nobody_answers(
    port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(collector, "settle", lambda: None)  # this process has other work
    monkeypatch.setattr(outside, "PATIENCE", 0.1)
    words = ("--peer", "branch", "--authorised", "--campaign", "init", "--cases", "20")
    monkeypatch.setattr("sys.argv", ["ikelab", "fuzz", *words, "--out", "run"])

    status = main()

    said = capsys.readouterr()
    assert status == 3 and said.out == ""
    [line] = said.err.splitlines()
    assert line.startswith(f"ikelab: nobody answers at 127.0.0.1:{port} (branch)")
    assert "ICMP port unreachable" in line
    assert line.endswith("go on with: ikelab fuzz --resume run --authorised")
    assert Path("run/results.jsonl").read_text() == ""
    assert list(Path("run/cases").iterdir()) == []
    report = ikelab("report", "run", cwd=Path.cwd())
    assert f"the run did not finish: nobody answers at 127.0.0.1:{port}" in report.out


def test_one_that_answers_is_asked_once(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = OutsideRig(external.read(Path("ikelab.toml"))["branch"], None)
    ground = Ground(rig, "1")
    monkeypatch.setattr(outside, "PATIENCE", 60.0)
    with UdpStation(socket.socket, ports=(port,)) as station:
        station.attach(Station(gateway_config(port), entropy(None)), "127.0.0.1")
        ground.use(CAMPAIGNS["init"])
        ground.meet()
    monkeypatch.setattr(outside, "PATIENCE", 0.1)
    monkeypatch.setattr(silence, "WAIT", 0.1)
    ground.restart()

    ground.meet()  # it is gone, which is for the oracles to find

    other = Ground(rig, "2")
    other.use(CAMPAIGNS["init"])
    with pytest.raises(Missing, match=rf"127.0.0.1:{port} \(branch\) answers no more"):
        other.meet()
    rig.close()


def test_one_that_has_another_key_is_not_accused(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = OutsideRig(external.read(Path("ikelab.toml"))["branch"], None)
    ground = Ground(rig, "1")
    monkeypatch.setattr(outside, "PATIENCE", 60.0)
    config = replace(gateway_config(port), psk=b"another key than the entry's")
    with UdpStation(socket.socket, ports=(port,)) as station:
        station.attach(Station(config, entropy(None)), "127.0.0.1")
        ground.use(CAMPAIGNS["init"])
        with pytest.raises(Missing, match="branch answers, and refuses an honest IKE SA"):
            ground.meet()
    rig.close()
