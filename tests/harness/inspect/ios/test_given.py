"""What `ikelab inspect` may be given for a log, and what it says of things that are none."""

from __future__ import annotations

import gzip
import io
import os
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from ikelab.harness.cli import main
from tests.harness.inspect.ios.test_log import ASA
from tests.harness.inspect.lab import Lab

SHOWN = "IKE SA dfa3b583a4369958:27c943c13fd94665"


def inspect(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What the command prints; it is to end well."""
    status = main(["inspect", *map(str, words)])
    done = capsys.readouterr()
    assert (status, done.err) == (0, "")
    return done.out


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The one line that the command says instead, with status 2."""
    assert main(["inspect", *map(str, words)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ikelab: ")
    return line


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """A named pipe into which somebody writes the log, once."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    threading.Thread(target=path.write_text, args=(ASA,), daemon=True).start()
    return path


def test_a_log_through_a_named_pipe(fifo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert SHOWN in inspect(capsys, fifo)


def test_a_log_beside_a_capture_through_a_named_pipe(
    fifo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.pcap").write_bytes(Lab().up().pcap())
    assert SHOWN in inspect(capsys, tmp_path / "a.pcap", "--log", fifo)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_log_on_standard_input(
    pack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    octets = io.BytesIO(pack(ASA.encode()))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=octets))
    assert SHOWN in inspect(capsys, "-")


@pytest.mark.parametrize("code", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_a_log_as_windows_writes_it(
    code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log").write_bytes(ASA.encode(code))
    assert SHOWN in inspect(capsys, tmp_path / "log")


def test_a_capture_on_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    octets = io.BytesIO(gzip.compress(Lab().up().pcap()))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=octets))
    assert "4 IKEv2 messages" in inspect(capsys, "-")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("hello\n", "no line of it is a record of 'debug crypto ikev2'"),
        ("x: 4 frames, 4 IKEv2 messages\n", "what 'ikelab inspect' printed"),
        ("aabbccddeeff0011,0011223344556677,00,00\n", "give it with --keys"),
        ("connections {\n}\n", "give it with --config"),
        ("Tunnel-id Local   Remote\n", "what a show command prints"),
    ],
)
def test_a_text_that_is_no_log_is_told_what_it_is(
    text: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x").write_text(text)
    assert told in refused(capsys, tmp_path / "x")


def test_a_pipe_with_rubbish_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    threading.Thread(target=path.write_bytes, args=(b"GIF89a\0\1\2",), daemon=True).start()
    assert "it begins with 47 49 46 38" in refused(capsys, path)


@pytest.mark.parametrize("words", [[""], ["a.pcap", "--keys", ""], ["a.pcap", "--log", ""]])
def test_an_empty_word_is_no_path(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "an empty path" in refused(capsys, *words)


def test_a_filter_by_address_where_a_log_has_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log").write_text("IKEv2:Next payload: SA, version: 2.0 Exchange type: IKE_SA_INIT,"
                                  " flags: INITIATOR Message id: 0, length: 192\n")  # fmt: skip
    assert main(["inspect", str(tmp_path / "log"), "--peer", "10.0.0.1"]) == 0
    assert "fits --peer 10.0.0.1" in capsys.readouterr().err
