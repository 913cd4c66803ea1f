"""From an installed wheel, away from any checkout, a run has the ids that it has here."""

from __future__ import annotations

import json
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.harness.command import ikelab
from tests.test_packaging import run, wheel

__all__ = ["wheel"]
SOME = ["-k", "right_key or walk_through or supported_suite"]


def ids(folder: Path) -> list[str]:
    return [json.loads(line)["id"] for line in (folder / "results.jsonl").open()]


@pytest.mark.long
def test_ids_are_the_same_from_a_wheel_and_from_the_checkout(
    wheel: Path,
    tmp_path: Path,
) -> None:
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    (site,) = (tmp_path / "env/lib").glob("python3*/site-packages")
    here = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (site / "dependencies.pth").write_text("\n".join(here) + "\n")
    zipfile.ZipFile(wheel).extractall(site)
    program = "import sys; from ikelab.harness.cli import main; sys.exit(main())"
    python = tmp_path / "env/bin/python"

    installed = run(python, "-c", program, "run", *SOME, "--out", "wheel", cwd=tmp_path)
    checkout = ikelab("run", *SOME, "--out", "checkout", cwd=tmp_path)

    assert (installed.returncode, installed.stderr) == (0, "")
    assert checkout.status == 0
    assert ids(tmp_path / "wheel") == ids(tmp_path / "checkout")
    assert all(i.startswith("testcases/") for i in ids(tmp_path / "wheel"))
    facts = json.loads((tmp_path / "wheel/run.json").read_text())
    assert facts["peers"][0]["name"] == "reference"
