"""Where the project's own tests find third-party data and tools.

Something missing is a skip with its reason on a laptop and a failure where IKELAB_REQUIRE_ALL=1
(CI sets it), so that nothing is ever skipped silently.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

REQUIRE_ALL = os.environ.get("IKELAB_REQUIRE_ALL") == "1"


def missing(reason: str) -> None:
    """Skip, or fail where everything is required."""
    if REQUIRE_ALL:
        pytest.fail(f"{reason} (IKELAB_REQUIRE_ALL=1 makes this a failure)")
    pytest.skip(reason)


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
