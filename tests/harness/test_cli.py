"""What the command line says to bad input: one line on stderr, the exit status of design 9."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.harness.command import Done, ikelab, start


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a few cases against the reference peer."""
    place = tmp_path_factory.mktemp("run")
    done = ikelab("run", "-k", "right_key or liveness", "--out", "made", cwd=place)
    assert done.status == 0, done.err
    return place / "made"


@pytest.fixture(scope="module")
def capture(run_folder: Path) -> Path:
    """The folder of a case that has capture and keys."""
    (found,) = run_folder.glob("cases/*right_key*")
    return found / "capture.pcapng"


# -- words -------------------------------------------------------------------------------------


def test_alone_it_shows_its_commands_and_fails(tmp_path: Path) -> None:
    done = ikelab(cwd=tmp_path)

    assert done.status == 2
    assert "inspect" in done.err and "Traceback" not in done.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["bogus"], "No such command 'bogus'; see 'ikelab --help'"),
        (["run", "--bogus"], "see 'ikelab run --help'"),
        (["run", "--seed", "x"], "'x' is not a valid integer"),
        (["run", "--role", "both"], "'both' is not one of 'initiator', 'responder'"),
        (["inspect"], "give a FILE (- for standard input)"),
        (["run", "--peer", "strongsvan@trixie"], "did you mean 'strongswan@trixie'"),
        (["run", "--peer", "strongswan"], "strongswan@trixie"),
        (["run", "--peer", "strongswan@woody"], "unknown release 'woody' of strongswan; there are"),
        (["peers", "add", "strongswan@woody"], "unknown release 'woody' of strongswan; there are"),
        (["peers", "add", "racoon@trixie"], "unknown peer 'racoon@trixie'"),
        (["run", "--topology", "dirct"], "unknown topology 'dirct'; did you mean 'direct'"),
        (["run", "--topology", "triangle"], "there are memory, direct"),
        (["run", "--peer", "strongswan@trixie", "--topology", "memory"], "other than 'memory'"),
        (["run", "--fault", "accept-any-key"], "did you mean 'accepts-any-key'"),
        (["run", "--fault", "accepts-any-key", "--peer", "strongswan@trixie"], "only in the refer"),
        (["run", "-k", "no_such_case"], "no test case matches -k 'no_such_case'"),
        (["run", "-k", "and and"], "Wrong expression passed to '-k': and and"),
        (["run", "--expected", "nowhere"], "no such folder of known deviations: nowhere"),
        (["run", "test_mine.py"], "no such test file: test_mine.py"),
        (["report", "nowhere"], "no such run folder: nowhere"),
        (["report", "."], "not a run folder: . has neither run.json nor results.jsonl"),
        (["diff", "here", "there"], "no such run folder: here"),
    ],
)
def test_a_wrong_word_gets_one_line(words: list[str], told: str, tmp_path: Path) -> None:
    ikelab(*words, cwd=tmp_path).refused(2, told)

    assert list(tmp_path.iterdir()) == []


def test_an_error_of_ours_shows_its_traceback_when_asked_to(tmp_path: Path) -> None:
    done = ikelab("--debug", "run", "--topology", "dirct", cwd=tmp_path)

    assert done.status != 0
    assert "Traceback" in done.err and "ConfigError: unknown topology 'dirct'" in done.err


# -- captures and keys -------------------------------------------------------------------------


def inspect(tmp_path: Path, *words: object) -> Done:
    return ikelab("inspect", *words, cwd=tmp_path)


def test_a_missing_capture(tmp_path: Path) -> None:
    inspect(tmp_path, "gone.pcap").refused(2, "cannot read gone.pcap: No such file or directory")


def test_a_folder_in_place_of_a_capture(tmp_path: Path) -> None:
    inspect(tmp_path, ".").refused(2, "there is no capture in it")


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"#!/bin/sh\necho no capture\n" * 9])
def test_a_file_that_is_no_capture(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content)

    inspect(tmp_path, "x").refused(2, "not a pcap or pcapng file: x")


@pytest.mark.parametrize("form", ["summary", "transcript", "json"])
def test_a_truncated_capture_is_shown_as_far_as_it_goes(
    form: str, capture: Path, tmp_path: Path
) -> None:
    octets = capture.read_bytes()
    (tmp_path / "cut.pcapng").write_bytes(octets[: len(octets) - 40])

    done = inspect(tmp_path, "cut.pcapng", "--format", form, "--keys", capture.parent / "keys")

    done.refused(2, "cut.pcapng: the file ends inside a block", "what was read is shown")
    assert "IKE_SA_INIT" in done.out and "IKE_AUTH" in done.out


def test_keys_that_are_not_there(capture: Path, tmp_path: Path) -> None:
    inspect(tmp_path, capture, "--keys", "gone").refused(2, "no such file or folder of keys: gone")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("0102,03", "2 columns instead of 8"),
        ('zz,b,c,d,"AES-CBC-128 [RFC3602]",e,f,"NONE [RFC4306]"', "SPIi"),
        ('0102030405060708,0102030405060708,00,00,"ROT13",,,"NONE [RFC4306]"', "ROT13"),
    ],
)
def test_a_malformed_key_row_is_named_by_file_and_line(
    row: str, told: str, capture: Path, tmp_path: Path
) -> None:
    keys = shutil.copytree(capture.parent / "keys", tmp_path / "keys")
    table = keys / "ikev2_decryption_table"
    line = len(table.read_text().splitlines()) + 1
    with table.open("a") as file:
        file.write(row + "\n")

    done = inspect(tmp_path, capture, "--keys", table)

    done.refused(2, f"ikev2_decryption_table:{line}: ", told)


# -- where a run goes --------------------------------------------------------------------------


def test_a_folder_that_holds_a_run_is_left_alone(run_folder: Path) -> None:
    before = (run_folder / "results.jsonl").read_bytes()

    done = ikelab("run", "--out", run_folder, cwd=run_folder.parent)

    done.refused(2, "holds a run already: give --out another folder")
    assert (run_folder / "results.jsonl").read_bytes() == before


def test_a_place_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    ikelab("run", "--out", "file", cwd=tmp_path).refused(2, "file is not a folder")
    ikelab("run", "--out", "file/below", cwd=tmp_path).refused(2, "cannot write to file/below")
    ikelab("run", "--out", "/proc/run", cwd=tmp_path).refused(2, "cannot write to /proc/run")


def test_a_report_that_cannot_be_written(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    done = ikelab("report", run_folder, "--html", "file/page.html", cwd=tmp_path)

    done.refused(2, "file/page.html")


# -- the user's own test files -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import nosuchmodule\n", ["test_mine.py:1: ModuleNotFoundError", "'nosuchmodule'"]),
        ("\ndef test_x(peer: 1\n", ["test_mine.py:2: SyntaxError: '(' was never closed"]),
        ("x = 1\nraise ValueError('odd')\n", ["test_mine.py:2: ValueError: odd"]),
        ("def helper():\n    pass\n", ["no test case was found", "fixture `peer`"]),
        ("def test_x(pear):\n    pass\n", ["test_mine.py:1: there is no fixture 'pear'", "'peer'"]),
        ("x = 1\0", ["test_mine.py: ", "null bytes"]),
        ("import sys\nsys.exit(5)\n", ["test_mine.py:2: SystemExit 5: a test judges by assert"]),
    ],
)
def test_a_broken_test_file_is_named(source: str, told: list[str], tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(source)

    ikelab("run", "test_mine.py", cwd=tmp_path).refused(2, *told)

    assert not (tmp_path / "runs").exists()


def test_a_conftest_that_ends_the_program_is_named(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("import sys\nsys.exit()\n")
    (tmp_path / "test_mine.py").write_text("def test_x(peer):\n    pass\n")

    ikelab("run", "test_mine.py", cwd=tmp_path).refused(2, "conftest.py:2: SystemExit")


def test_an_unknown_proposal_word_names_the_nearest_ones(tmp_path: Path) -> None:
    source = "def test_x(peer):\n    peer.start(ike=['aes257-sha256-modp2048'])\n"
    (tmp_path / "test_mine.py").write_text(source)

    done = ikelab("run", "test_mine.py", cwd=tmp_path)

    done.refused(2, "unknown word 'aes257' in proposal", "did you mean 'aes256'")
    assert done.out.startswith("ERROR ")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def test_x(peer):\n    {}['key']\n", "test_mine.py:2: KeyError: 'key'"),
        ("import sys\ndef test_x(peer):\n    sys.exit(5)\n", "test_mine.py:3: SystemExit 5"),
        (
            "def test_x(peer, initator):\n    pass\n",
            "test_mine.py:1: there is no fixture 'initator'",
        ),
        ("def test_x(peer):\n    peer.start(dpd=1)\n", "test_mine.py:2: there is no option 'dpd'"),
        (
            "def test_x(peer, initiator):\n    peer.start()\n    initiator.init(edit=[])\n",
            "test_mine.py:3: there is no option 'edit'; did you mean 'edits'",
        ),
    ],
)
def test_an_accident_in_a_test_is_an_error_of_its_file_and_not_a_fail(
    source: str, told: str, tmp_path: Path
) -> None:
    (tmp_path / "test_mine.py").write_text(source)

    done = ikelab("run", "test_mine.py", cwd=tmp_path)

    done.refused(2, told)
    assert done.out.startswith("ERROR ")
    (row,) = map(json.loads, next(tmp_path.glob("runs/*/results.jsonl")).read_text().splitlines())
    assert told in row["reason"]
    assert "Traceback" in row["details"]


def test_a_test_without_a_peer_that_fails_is_not_passed_over(tmp_path: Path) -> None:
    source = "def test_x(peer):\n    pass\n\ndef test_sum():\n    assert 1 + 1 == 3\n"
    (tmp_path / "test_mine.py").write_text(source)

    done = ikelab("run", "test_mine.py", cwd=tmp_path)

    done.refused(2, "test_mine.py::test_sum, a test without a peer, failed")
    assert done.out.startswith("PASS ")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["picture.png"], "picture.png is no test file"),
        ([""], "no such test file"),
        (["test_mine.py::test_y"], "no test 'test_y' in "),
    ],
)
def test_what_is_no_test_file_gets_one_line(words: list[str], told: str, tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n")
    (tmp_path / "test_mine.py").write_text("def test_x(peer):\n    pass\n")

    ikelab("run", *words, cwd=tmp_path).refused(2, told)

    assert not (tmp_path / "runs").exists()


def test_a_broken_conftest_gets_one_line(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("raise ValueError('odd')\n")
    (tmp_path / "test_mine.py").write_text("def test_x(peer):\n    pass\n")

    ikelab("run", "test_mine.py", cwd=tmp_path).refused(2, "conftest.py:1: ValueError: odd")


# -- pipes -------------------------------------------------------------------------------------


def test_who_stops_reading_does_not_stop_the_run(tmp_path: Path) -> None:
    with start("run", "-k", "right_key or unknown", "--out", "made", cwd=tmp_path) as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline().startswith("PASS")
        process.stdout.close()
        errors = process.stderr.read()

    assert errors == ""
    assert '"finished"' in (tmp_path / "made/run.json").read_text()
