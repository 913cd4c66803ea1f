"""A profile's folder is its owner's alone; one that holds other things is left as it is."""

from __future__ import annotations

from pathlib import Path

from ikelab.harness import wireshark


def test_a_folder_of_other_things_keeps_its_mode(tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    for folder in (mine, theirs):
        folder.mkdir(mode=0o755)
    (theirs / "notes").touch()

    for folder in (mine, theirs):
        wireshark.write_profile(folder, [], [])

    assert [f.stat().st_mode & 0o777 for f in (mine, theirs)] == [0o700, 0o755]
    assert (theirs / wireshark.IKE_TABLE).stat().st_mode & 0o777 == 0o600
