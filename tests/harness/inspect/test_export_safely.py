"""`inspect --export` overwrites nothing that is read, and no keys of somebody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

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
