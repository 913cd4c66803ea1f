"""What happened becomes a verdict, a reason in a line, and an exit status."""

from __future__ import annotations

from pathlib import Path

import pytest

from ikelab.harness import reason
from ikelab.harness.errors import ConfigError, LabError
from ikelab.harness.model import TS, Level, Nat, Verdict, Violation
from ikelab.harness.peer.base import Unsupported
from ikelab.harness.verdicts import (
    Deviation,
    details,
    exit_status,
    expected,
    known,
    verdict_of,
    with_expectation,
)

V = Verdict
SHORT = Violation("nonce-is-long-enough", 7296, "2.10", Level.MUST, "the nonce has 8 octets")
TALK = "#0 --> IKE_SA_INIT  HDR(SPIi=01.., 0), SAi1(3des)\n#0 <-- IKE_SA_INIT  HDR(SPIi=01.., 0)"


@pytest.mark.parametrize(
    ("error", "during", "verdict"),
    [
        (None, "call", V.PASS),
        (AssertionError("x"), "call", V.FAIL),
        (AssertionError("x"), "setup", V.ERROR),
        (AssertionError("x"), "teardown", V.ERROR),
        (Unsupported("x"), "setup", V.UNSUPPORTED),
        (Unsupported("x"), "call", V.UNSUPPORTED),
        (LabError("x"), "call", V.ERROR),
        (ConfigError("x"), "call", V.ERROR),
        (KeyError("x"), "call", V.ERROR),
    ],
)
def test_only_an_assertion_of_the_test_accuses_the_peer(
    error: BaseException | None, during: str, verdict: Verdict
) -> None:
    assert verdict_of(error, during) is verdict


@pytest.mark.parametrize(
    ("verdicts", "usage", "status"),
    [
        ([], [], 0),
        ([V.PASS, V.XFAIL, V.UNSUPPORTED], [], 0),
        ([V.PASS, V.FAIL], [], 1),
        ([V.XPASS], [], 1),
        ([V.PASS, V.ERROR], [False], 3),
        ([V.ERROR, V.FAIL], [False], 1),
        ([V.ERROR], [True], 2),
        ([V.ERROR, V.ERROR], [True, False], 3),
        ([V.ERROR], [False], 3),
    ],
)
def test_the_exit_status(verdicts: list[Verdict], usage: list[bool], status: int) -> None:
    assert exit_status(verdicts, usage) == status


# -- known deviations ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("testcases/interop/test_seed.py::test_x[reference-1]", True),
        ("test_seed.py::test_x[reference-1]", True),
        ("test_seed.py::test_x", True),
        ("interop/test_seed.py::test_x", True),
        ("test_seed.py::test_x[reference-2]", False),
        ("seed.py::test_x", False),
        ("test_seed.py::test", False),
        ("test_x", False),
    ],
)
def test_which_tests_a_deviation_names(name: str, fits: bool) -> None:
    deviation = Deviation(name, "why")

    found = known([deviation], "testcases/interop/test_seed.py::test_x[reference-1]")

    assert found is (deviation if fits else None)


def test_a_deviation_changes_pass_and_fail_alone() -> None:
    deviation = Deviation("x", "why")

    turned = {v: with_expectation(v, deviation) for v in V}

    assert turned == {v: v for v in V} | {V.FAIL: V.XFAIL, V.PASS: V.XPASS}
    assert {v: with_expectation(v, None) for v in V} == {v: v for v in V}


def test_the_list_of_a_peer_has_its_name(tmp_path: Path) -> None:
    (tmp_path / "strongswan-trixie.toml").write_text(
        "[[deviation]]\nid = 'a'\nreason = 'b'\nlink = 'c'\n"
    )

    assert expected("strongswan@trixie", tmp_path) == (Deviation("a", "b", "c"),)
    assert expected("strongswan@bookworm", tmp_path) == ()
    assert str(Deviation("a", "b", "c")) == "b (c)" and str(Deviation("a", "b")) == "b"


@pytest.mark.parametrize("text", ["x", "deviation = 1", "[[deviation]]\nid = 'x'\n", "\xff"])
def test_a_list_that_cannot_be_read_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "reference.toml").write_bytes(text.encode("latin-1"))

    with pytest.raises(ConfigError, match=r"reference\.toml"):
        expected("reference", tmp_path)


# -- reasons -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (LabError("charon died; its last words: a\nb"), "charon died; its last words: a b"),
        (KeyError("x"), "KeyError: 'x'"),
        (RuntimeError(), "RuntimeError"),
        (AssertionError(), "an assertion without a word failed"),
        (AssertionError(f"no answer came\n{TALK}\nassert not True"), "no answer came"),
        (AssertionError(f"{TALK}\nassert got 1, expected 2"), "got 1, expected 2"),
        (AssertionError(f"{TALK}\n       ! {SHORT}\n  no more"), "no more"),
        (AssertionError(TALK), TALK.splitlines()[0]),
        (AssertionError("assert found: rule broken\n  more"), "rule broken"),
        (
            AssertionError(
                "assert False\n +  where False = probe()\n"
                " +    where probe = <ikelab.harness.endpoint.Initiator object at 0x7f>.probe"
            ),
            "does not hold: probe()",
        ),
        (AssertionError("assert not True\n +  where True = <a.B at 0x1f>.silent"),
         "does not hold: not B.silent"),
    ],
)  # fmt: skip
def test_the_line_that_says_most(error: BaseException, line: str) -> None:
    assert reason.one_line(error) == line


def test_a_line_is_no_novel() -> None:
    assert len(reason.one_line(AssertionError("x" * 5000))) == 300


@pytest.mark.parametrize(
    ("op", "left", "right", "line"),
    [
        ("==", [SHORT], [], f"found: {SHORT}"),
        ("==", [SHORT, SHORT], [], f"found: {SHORT} (and 1 more)"),
        ("==", ["SPIs: peer none, wire 01/02"], [], "found: SPIs: peer none, wire 01/02"),
        ("==", [1, 2], [], "got 1, 2, expected nothing"),
        ("==", 1, 2, "got 1, expected 2"),
        ("==", b"\x01\x02", b"", "got 0102, expected no octets"),
        ("==", (572, [1]), (556, [1]), "got 572, expected 556"),
        ("==", [("SA", 56), ("KE", 4)], [("SA", 56), ("KE", 5)], "got 4, expected 5"),
        ("==", [1], [1, 2], "got 1, expected 1, 2"),
        ("==", Nat(True, None).initiator, None, "got True, expected None"),
        ("==", Nat(True, None), Nat(True, True), "got initiator translated, responder unknown, "
         "expected initiator translated, responder translated"),
        ("==", (TS.parse("10.0.0.1"),), (TS.parse("10.0.0.2"),),
         "got 10.0.0.1-10.0.0.1[0/0-65535], expected 10.0.0.2-10.0.0.2[0/0-65535]"),
        ("is", None, True, "got None, expected True"),
        ("!=", "", "", "got '', expected anything else"),
        ("in", "CP", ["SA", "KE"], "got CP, which is not in SA, KE"),
        ("not in", "CP", ["CP"], "got CP, which must not be in CP"),
    ],
)  # fmt: skip
def test_words_for_a_comparison(op: str, left: object, right: object, line: str) -> None:
    words = reason.compared(op, left, right)

    assert words is not None and words[0] == line
    assert reason.one_line(AssertionError("assert " + "\n  ".join(words))) == (
        line.removeprefix("found: ")
    )


def test_pytest_keeps_its_own_words_for_the_rest() -> None:
    assert reason.compared("<", 1, 2) is None


def test_what_should_not_happen_says_where_it_did() -> None:
    try:
        {}["key"]
    except KeyError as error:
        assert 'test_verdicts.py", line' in details(error) and "KeyError: 'key'" in details(error)
    assert details(LabError("x")) == "x"
