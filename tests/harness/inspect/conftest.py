"""tshark as the second witness of what is in a capture."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ikelab.netns import world
from tests.conftest import missing

Pairs = list[tuple[str, Any]]


def walk(tree: Any) -> Iterator[tuple[str, Any]]:
    """Every (key, value), depth first; tshark repeats keys, so objects come as lists of pairs."""
    for key, value in tree:
        yield key, value
        if isinstance(value, list) and value and isinstance(value[0], tuple):
            yield from walk(value)


@pytest.fixture
def ask_tshark(tshark: str) -> Callable[..., list[Pairs]]:
    """(capture, profile folder, *options) -> for each frame a list of all its (key, value)."""

    def ask(capture: Path, profile: Path | None = None, *options: str) -> list[Pairs]:
        env = dict(os.environ)
        if profile is not None:
            env["WIRESHARK_CONFIG_DIR"] = str(profile)
        ran = subprocess.run(
            [tshark, "-r", str(capture), "-T", "json", *options],
            env=env,
            capture_output=True,
            check=False,
        )
        assert b"table" not in ran.stderr, ran.stderr
        return [list(walk(f)) for f in json.loads(ran.stdout, object_pairs_hook=list)]

    return ask


@pytest.fixture
def shared_world() -> Callable[..., object]:
    """Run a function in a network of its own; a skip or a failure where there can be none."""
    if reason := world.available():
        missing(reason)

    def call(function: Callable[[], object]) -> object:
        return world.run(function, timeout=60)

    return call
