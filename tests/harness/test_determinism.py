"""A seed fixes a run to the octet: what was said and captured, keys, the notes of both sides."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.harness.command import ikelab, start

PATIENCE = 400
"""Seconds for the whole suite twice at once, on a machine that has other things to do."""


def files(run: Path) -> dict[str, bytes]:
    """Everything in the folders of a run's tests, by path."""
    cases = run / "cases"
    return {
        str(path.relative_to(cases)): path.read_bytes()
        for path in sorted(cases.rglob("*"))
        if path.is_file()
    }


def results(run: Path) -> list[dict[str, object]]:
    """The results without what is measured."""
    rows = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "duration"} for row in rows]


@pytest.fixture(scope="module")
def twins(tmp_path_factory) -> tuple[Path, Path]:
    """The whole suite against the reference peer, twice with one seed, in two processes."""
    folder = tmp_path_factory.mktemp("twins")
    places = folder / "one", folder / "other"
    running = [start("run", "-q", "--seed", 7, "--out", place, cwd=folder) for place in places]
    for process in running:
        try:
            out, err = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
        assert process.returncode == 0, out + err
    return places


@pytest.mark.long
def test_the_suite_says_the_same_octets_again(twins):
    one, other = map(files, twins)
    assert list(one) == list(other)
    different = {path.partition("/")[0] for path in one if one[path] != other[path]}
    # The library of TLS draws its randomness itself.
    assert [case for case in different if "tls" not in case.lower()] == []
    kinds = {path.rpartition("/")[2] for path in one}
    assert kinds >= {"transcript.jsonl", "capture.pcapng", "keys.jsonl", "peer.log", "plan.txt"}


@pytest.mark.long
def test_the_suite_finds_the_same_again(twins):
    one, other = map(results, twins)
    assert one == other
    assert len(one) > 100


def test_another_seed_says_something_else(tmp_path):
    seen = []
    for seed in (1, 2):
        place = tmp_path / str(seed)
        words = ("run", "-q", "-k", "right_key", "--seed", seed, "--out", place)
        assert ikelab(*words, cwd=tmp_path).status == 0
        seen.append(files(place))
    one, other = seen
    assert list(one) == list(other)
    transcripts = [path for path in one if path.endswith("transcript.jsonl")]
    assert transcripts
    assert all(one[path] != other[path] for path in transcripts)
