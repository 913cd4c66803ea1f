"""Known deviations: whose they are, and that one which needs a capability waits for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ikelab.harness.errors import ConfigError
from ikelab.harness.suite import EXPECTED
from ikelab.harness.verdicts import expected, known

OWN = '[[deviation]]\nid = "test_a.py::test_own"\nreason = "its own"\n'
SHARED = (
    '[[deviation]]\nid = "test_a.py::test_shared"\nreason = "the kernel"\nneeds = "kernel-esp"\n'
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "strongswan-trixie.toml").write_text(OWN)
    (tmp_path / "every-peer.toml").write_text(SHARED)
    return tmp_path


def test_a_peer_has_its_own_and_every_peers(folder: Path) -> None:
    assert [d.reason for d in expected("strongswan@trixie", folder)] == ["its own", "the kernel"]
    assert [d.reason for d in expected("reference", folder)] == ["the kernel"]


def test_what_needs_a_capability_holds_only_with_it(folder: Path) -> None:
    rows = expected("strongswan@trixie", folder)
    test = "conformance/test_a.py::test_shared[strongswan@trixie]"
    assert known(rows, test) is None
    found = known(rows, test, {"child", "kernel-esp"})
    assert found is not None and found.reason == "the kernel"
    assert known(rows, "conformance/test_a.py::test_own[strongswan@trixie]") is not None


def test_a_broken_shared_file_is_told(folder: Path) -> None:
    (folder / "every-peer.toml").write_text("[[deviation]]\nid = 'x'\n")
    with pytest.raises(ConfigError, match=r"every-peer\.toml: every \[\[deviation\]\] needs"):
        expected("reference", folder)


def test_every_shipped_deviation_names_a_shipped_case() -> None:
    cases = EXPECTED.parent
    for file in EXPECTED.glob("*.toml"):
        for row in expected(file.stem, EXPECTED):
            name, _, test = row.id.rpartition("::")
            texts = [path.read_text() for path in cases.rglob(Path(name).name)]
            assert any(f"def {test.partition('[')[0]}(" in text for text in texts), row.id
