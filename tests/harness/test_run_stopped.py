"""A run that is stopped by Ctrl-C, a signal or SIGKILL: what was done is kept, nothing stays."""

from __future__ import annotations

import json
import select
import shutil
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.harness.command import LONG, TIMEOUT, Remains, Terminal, ikelab, start

CTRL_C = b"\x03"
LIVING = "process"
DAEMON = "strongswan@trixie"


@pytest.fixture(params=["reference", pytest.param(DAEMON, marks=pytest.mark.long)])
def words(request: pytest.FixtureRequest, namespaces: None, tmp_path: Path) -> list[str]:
    """A run with namespaces whose second test waits to be interrupted."""
    if request.param != "reference":
        request.getfixturevalue("trixie")
    (tmp_path / "test_long.py").write_text(LONG)
    where = ["--peer", request.param, "--topology", "direct"]
    return ["run", *where, "--out", "run", "test_long.py"]


def assert_readable(folder: Path, *, evidence: bool) -> None:
    """The first test has its verdict, reports read the run and say that it is not whole."""
    rows = [json.loads(line) for line in (folder / "results.jsonl").open()]
    assert [row["verdict"] for row in rows] == ["PASS"]
    assert "finished" not in json.loads((folder / "run.json").read_text())
    report = ikelab("report", folder, cwd=folder.parent)
    assert report.status == 0
    assert report.err.startswith(f"ikelab: {folder} is incomplete: the run did not finish")
    assert "1 result, 0 unexpected" in report.out
    assert "the run did not finish" in report.out
    page = ikelab("report", folder, "--html", "page.html", cwd=folder.parent)
    assert (page.status, page.err) == (0, report.err)
    (second,) = folder.glob("cases/*test_second*")
    assert (second / "capture.pcapng").exists()
    if evidence:
        assert "IKE_AUTH" in (second / "transcript.jsonl").read_text()


def test_ctrl_c_on_a_terminal(words: list[str], tmp_path: Path) -> None:
    terminal = Terminal(*words, cwd=tmp_path)
    terminal.until("test_second")
    wait_for_second(tmp_path)
    remains = Remains(terminal.pid)
    assert len(remains.pids) > 2 and remains.networks

    terminal.type(CTRL_C)

    assert terminal.end() == 130, terminal.text
    assert "ikelab: stopped; what was recorded is in run" in terminal.text.splitlines()[-1]
    assert "Traceback" not in terminal.text
    assert remains.left() == []
    assert_readable(tmp_path / "run", evidence=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_in_a_pipe(number: signal.Signals, words: list[str], tmp_path: Path) -> None:
    with start(*words, cwd=tmp_path) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("PASS ")
        wait_for_second(tmp_path)
        remains = Remains(process.pid)
        assert len(remains.pids) > 2 and remains.networks

        process.send_signal(number)
        _, err = process.communicate(timeout=TIMEOUT)

    assert remains.left() == []
    assert err == "ikelab: stopped; what was recorded is in run\n"
    assert process.returncode == 128 + number
    assert_readable(tmp_path / "run", evidence=True)


def test_a_run_that_is_killed(words: list[str], tmp_path: Path) -> None:
    with start(*words, cwd=tmp_path) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("PASS ")
        wait_for_second(tmp_path)
        remains = Remains(process.pid)

        process.kill()
        process.communicate(timeout=TIMEOUT)

    assert process.returncode == -signal.SIGKILL
    assert remains.left() == []
    assert_readable(tmp_path / "run", evidence=False)


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["SIGINT", "SIGKILL"])
def test_several_at_once_stop_as_one(
    number: signal.Signals, words: list[str], tmp_path: Path
) -> None:
    """The signal meets the process that started the others: none of them stays."""
    with start(*words, "-j", "2", cwd=tmp_path) as process:
        wait_for_second(tmp_path)
        remains = Remains(process.pid)
        assert len(remains.pids) > 3 and remains.networks

        process.send_signal(number)
        process.communicate(timeout=TIMEOUT)

    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert remains.left() == []
    assert ikelab("report", "run", cwd=tmp_path).status == 0


def wait_for_second(folder: Path) -> None:
    """Until the second test has its SA."""
    deadline = time.monotonic() + TIMEOUT
    while not (folder / "waiting").exists():
        assert time.monotonic() < deadline
        select.select([], [], [], 0.01)


def test_a_run_in_memory_that_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "test_busy.py").write_text(
        "import pytest\n\n"
        "@pytest.mark.parametrize('n', range(10000))\n"
        "def test_x(peer, initiator, n):\n    peer.start()\n    initiator.establish()\n"
    )
    with start("run", "--out", "run", "test_busy.py", cwd=tmp_path) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("PASS ")

        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=TIMEOUT)

    assert (process.returncode, err) == (130, "ikelab: stopped; what was recorded is in run\n")
    assert ikelab("report", "run", cwd=tmp_path).status == 0


@pytest.mark.skipif(not shutil.which("apt-get"), reason="no apt-get on this machine")
def test_ctrl_c_while_packages_are_fetched(tmp_path: Path) -> None:
    """A mirror that never answers; afterwards the cache is as it was."""
    with socket.create_server(("127.0.0.1", 0)) as mirror:
        env = {
            "IKELAB_CACHE": str(tmp_path / "cache"),
            "IKELAB_DEBIAN_MIRROR": f"http://127.0.0.1:{mirror.getsockname()[1]}/debian",
            "http_proxy": "",
        }
        terminal = Terminal("peers", "add", "strongswan@trixie", cwd=tmp_path, env=env)
        mirror.settimeout(TIMEOUT)
        connection, _ = mirror.accept()
        remains = Remains(terminal.pid)

        terminal.type(CTRL_C)

        assert terminal.end() == 130, terminal.text
        connection.close()
    assert terminal.text.splitlines()[-1].endswith("ikelab: stopped")
    assert [line for line in remains.left() if line.startswith(LIVING)] == []
    assert list((tmp_path / "cache/peers").iterdir()) == []
