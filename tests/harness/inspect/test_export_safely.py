"""`inspect --export` overwrites nothing that is read, and no keys of somebody else's."""

from __future__ import annotations

import os
import resource
import stat
import threading
from functools import partial
from pathlib import Path

import pytest

from ikelab.harness.cli import main
from tests.harness.command import ikelab

LOG = "*Nov 11 19:30:34.811: IKEv2:(SESSION ID = 1,SA ID = 1):Processing IKE_SA_INIT message\n"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a capture and its keys."""
    place = tmp_path_factory.mktemp("kept")
    done = ikelab("craft", "--message", "INFORMATIONAL", "--out", "run", cwd=place)
    assert done.status == 0, done.err
    [case] = (place / "run/cases").iterdir()
    return case


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["profile", "keys"], "holds keys already"),
        (["plain", "keys/ikev2_decryption_table"], "is what is being read"),
        (["plain", "keys/new.pcapng"], "is what is being read"),
        (["plain", "capture.pcapng"], "is what is being read"),
        (["plain", "x.pcapng", "--export", "anonymised", "x.pcapng"], "is given twice"),
    ],
)
def test_nothing_that_is_read_is_written(kept: Path, words: list[str], why: str) -> None:
    before = {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()}
    keys = [] if words[0] == "profile" else ["--keys", "keys"]

    done = ikelab("inspect", "capture.pcapng", *keys, "--export", *words, cwd=kept)

    assert done.status == 2 and why in done.err and done.err.count("\n") == 1
    assert {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()} == before


def test_a_log_has_no_octets_to_export(tmp_path: Path) -> None:
    (tmp_path / "router.log").write_text(LOG)

    done = ikelab("inspect", "router.log", "--export", "plain", "out.pcapng", cwd=tmp_path)

    assert done.status == 2 and "shows no octets" in done.err
    assert not (tmp_path / "out.pcapng").exists()


KINDS = ["plain", "decrypted", "anonymised"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_stays_what_it_is(kind: str, kept: Path, tmp_path: Path) -> None:
    """As root `--export plain /dev/full` once put a file in the place of the device."""
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    assert main(["inspect", str(kept / "capture.pcapng"), "--export", kind, str(pipe)]) == 0
    reader.join()
    assert stat.S_ISFIFO(pipe.stat().st_mode) and read[0][:4] == b"\n\r\r\n"


@pytest.mark.parametrize("kind", KINDS)
def test_a_link_is_followed(kind: str, kept: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")
    assert (
        main(["inspect", str(kept / "capture.pcapng"), "--export", kind, f"{tmp_path}/link"]) == 0
    )
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").stat().st_size > 100


@pytest.mark.parametrize("kind", [*KINDS, "profile"])
def test_nothing_is_left_where_the_disk_is_full(kind: str, kept: Path, tmp_path: Path) -> None:
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (100, 100))
    words = ["inspect", kept / "capture.pcapng", "--keys", kept / "keys", "--export", kind, "new"]

    done = ikelab(*words, cwd=tmp_path, preexec_fn=limit)

    done.refused(2, "cannot write new: File too large")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", ["preferences", "esp_sa", "keys.jsonl"])
def test_a_profile_of_somebody_s_own_is_left_alone(
    name: str, kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text("mine")
    words = ["inspect", str(kept / "capture.pcapng"), "--export", "profile", str(tmp_path)]
    assert main(words) == 2
    assert "holds keys already" in capsys.readouterr().err
    assert (tmp_path / name).read_text() == "mine"
