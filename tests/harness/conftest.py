"""What the tests of whole commands need of the machine; what lacks is said."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ikelab.netns import world
from tests.conftest import missing, provisioned

AS_NOBODY = Path(__file__).parents[1] / "netns/as_nobody.py"


@pytest.fixture(scope="session")
def namespaces() -> None:
    """The right to make namespaces."""
    if reason := world.available():
        missing(reason)


@pytest.fixture(scope="session")
def trixie(namespaces: None) -> str:
    """A real daemon to run against."""
    return provisioned("strongswan@trixie").manifest.peer


@pytest.fixture
def nobody() -> Iterator[tuple[list[str], Path]]:
    """Words to put before a command that an ordinary user runs, and a folder of his."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        become = [sys.executable, str(AS_NOBODY), folder] if os.getuid() == 0 else []
        yield become, Path(folder)
