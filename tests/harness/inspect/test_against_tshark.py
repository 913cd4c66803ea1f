"""Captures of fresh runs, side by side with tshark: headers and payloads, outer and inner.

Of fragments the outer payloads are compared: in which frame the whole is shown, and what becomes of
fragments that came out of order or spoilt, tshark and ikelab see differently.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ikelab.harness.inspect.inspection import inspect_file
from ikelab.harness.inspect.keys import load
from ikelab.harness.wireshark import write_profile
from tests.harness.command import SCRIPT
from tests.harness.inspect.test_captures import headers, ours, their_headers, theirs

V2, SKF = 0x20, 53


def whole(rows: dict[int, list[tuple[int, int]]]) -> dict[int, list[tuple[int, int]]]:
    """The rows, those of fragments up to SKF."""
    return {
        frame: row[: kinds.index(SKF) + 1] if SKF in (kinds := [k for k, _ in row]) else row
        for frame, row in rows.items()
    }


def differences(
    capture: Path, keys: Path | None, ask_tshark: Callable[..., Any]
) -> tuple[int, list[str]]:
    """Messages compared, and each frame of which both say something else, in a line."""
    found = inspect_file(capture, [keys] if keys else [])
    frames = ask_tshark(capture, keys)
    known = {m.frame for m in found.messages if m.data[17] == V2}  # tshark reads no 3.0

    def unequal() -> Iterator[str]:
        for what, mine, other in (
            ("header", headers(found), their_headers(frames)),
            ("payloads", whole(ours(found)), whole(theirs(frames))),
        ):
            for frame in sorted(known | set(other)):
                if mine.get(frame) != other.get(frame):  # type: ignore[attr-defined]
                    here, there = mine.get(frame), other.get(frame)  # type: ignore[attr-defined]
                    yield f"{capture} frame {frame}, {what}: {here}, and tshark {there}"

    return len(known), list(unequal())


def run_into(folder: Path, words: str) -> None:
    """A run of the cases with these words against the built-in peer."""
    argv = [SCRIPT, "run", "-q", "--peer", "reference", "-k", words, "--out", str(folder)]
    subprocess.run(argv, check=False, timeout=90, capture_output=True)
    assert (folder / "results.jsonl").is_file()


def compared(run: Path, ask_tshark: Callable[..., Any]) -> tuple[int, list[str]]:
    """The same over all cases of a run."""
    messages, lines = 0, []
    for capture in sorted(run.glob("cases/*/capture.pcapng")):
        keys = capture.parent / "keys"
        count, unequal = differences(capture, keys if keys.is_dir() else None, ask_tshark)
        messages += count
        lines += unequal
    return messages, lines


def test_a_run_reads_as_tshark_reads_it(tmp_path: Path, ask_tshark: Callable[..., Any]) -> None:
    run = tmp_path / "run"
    run_into(run, "narrows or names_an")
    messages, unequal = compared(run, ask_tshark)
    assert messages >= 4
    assert unequal == [], "\n".join(unequal)


@pytest.mark.long
def test_many_cases_read_as_tshark_reads_them(
    tmp_path: Path, ask_tshark: Callable[..., Any]
) -> None:
    """Rekeys, fragments, cookies, and what edits do to messages."""
    run = tmp_path / "run"
    # RFC 9370 changes keys under the SPIs of an IKE SA, and tshark's table has one row for them.
    run_into(run, "(rekey or fragments_together or cookie) and not following_exchanges")
    messages, unequal = compared(run, ask_tshark)
    assert messages >= 200
    assert unequal == [], "\n".join(unequal)


def test_a_difference_is_listed(
    shared: Path, tmp_path: Path, ask_tshark: Callable[..., Any]
) -> None:
    """The capture with the wrong ICV: tshark shows a plaintext all the same, ikelab does not."""
    folder = shared / "captures/tcpdump"
    table = folder / "ikev2pI2.wireshark_ikev2_decryption_table"
    found = inspect_file(folder / "ikev2pI2.pcap", [table])
    assert found.refusals == {"the ICV does not match": 1}
    write_profile(tmp_path, [row for rows in load([table]).ike.values() for row in rows], [])
    _, unequal = differences(folder / "ikev2pI2.pcap", tmp_path, ask_tshark)
    assert len(unequal) == 1 and "payloads" in unequal[0] and "and tshark" in unequal[0]
    assert differences(folder / "ikev2pI2.pcap", None, ask_tshark)[1] == []
