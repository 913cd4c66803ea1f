"""Lines of a log that no healthy daemon writes are found among the many that it does."""

from __future__ import annotations

import pytest

from ikelab.harness.fuzz.finding import LINES, bad_lines

HEALTHY = ["09[IKE] integrity check failed\n", "10[NET] sending packet: from 10.0.0.1\n"]


@pytest.mark.parametrize(
    "line",
    [
        "==1==ERROR: AddressSanitizer: heap-use-after-free", "x.c:1: runtime error: overflow",
        "EXPECTATION FAILED at demux.c", "ASSERTION FAILED at crypto.c", "passert(x) failed",
        "thread 3 received SIGSEGV", "segmentation fault", "*** stack smashing detected ***",
        "double free or corruption", "free(): invalid pointer", "malloc(): corrupted top size",
        "killed by signal 6", "ABORT: at init.c", "kernel panic", "Traceback (most recent call",
    ],
)  # fmt: skip
def test_a_bad_line_is_found(line: str) -> None:
    many = HEALTHY * LINES

    assert bad_lines([*many, line + "\n", *many]) == [line]


def test_a_healthy_log_has_none() -> None:
    assert bad_lines(HEALTHY) == []
