"""Where the project's own tests find third-party data and tools.

Something missing is a skip with its reason on a laptop and a failure where IKELAB_REQUIRE_ALL=1
(CI sets it), so that nothing is ever skipped silently.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from ikelab.harness.errors import LabError
from ikelab.harness.peer import cache, registry
from ikelab.layers.iana import Code
from ikelab.netns import world

# A busy machine is no failure: what takes too long is found by the runner's own limits.
# And the same examples each time: a change is judged by itself, and not by the luck of a draw.
settings.register_profile("ikelab", deadline=None, derandomize=True)
settings.load_profile("ikelab")

REQUIRE_ALL = os.environ.get("IKELAB_REQUIRE_ALL") == "1"


def missing(reason: str) -> None:
    """Skip, or fail where everything is required."""
    if REQUIRE_ALL:
        pytest.fail(f"{reason} (IKELAB_REQUIRE_ALL=1 makes this a failure)")
    pytest.skip(reason)


def provisioned(peer: str) -> cache.Entry:
    """A daemon in the cache and the right to make a lab for it; `missing` where one cannot be."""
    if reason := world.available():
        missing(reason)
    try:
        return registry.add(peer)
    except LabError as error:
        missing(f"no {peer}: {error}")
        raise


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of third-party captures and vectors (never part of the project)."""
    root = Path(__file__).parent.parent
    folder = Path(os.environ.get("IKELAB_SHARED", root.parent / "shared")) / "data"
    if not folder.is_dir():
        missing("third-party data not found: set IKELAB_SHARED to the folder that holds data/")
    return folder


@pytest.fixture(scope="session")
def tshark() -> str:
    """The path of tshark, the witness nobody here wrote."""
    found = shutil.which("tshark")
    if found is None:
        missing("tshark not found: install the package tshark")
    return str(found)


@pytest.fixture
def proves(record_property) -> Callable[..., None]:
    """`proves("RFC 3602 4", Encr.ENCR_AES_CBC, 128)`: the published vector that a test checks."""

    def note(source: str, row: Code, bits: int | None = None) -> None:
        registry = type(row).__name__
        key = {"registry": registry, "number": int(row), "bits": bits, "name": row.name}
        record_property("vector", {**key, "source": source})

    return note


def pytest_addoption(parser):
    parser.addoption("--vectors", metavar="FILE", help="List the published vectors that pass.")


def pytest_configure(config):
    if config.getoption("--vectors") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Vectors(Path(config.getoption("--vectors"))))


class Vectors:
    """The list of vectors, of tests that passed; `ikelab coverage --vectors` reads it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[str, Any] = {}

    def pytest_runtest_logreport(self, report):
        if report.when == "call" and report.passed:
            rows = [value for name, value in report.user_properties if name == "vector"]
            self.found |= {json.dumps(row, sort_keys=True): row for row in rows}

    def pytest_sessionfinish(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        rows = [self.found[key] for key in sorted(self.found)]
        self.path.write_text(json.dumps(rows, indent=1) + "\n")
