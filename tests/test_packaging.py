"""The five folders at the top are installed as `ikelab.*`, whole, and only under that name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("harness", "layers", "netns", "reports", "testcases")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def shipped_files() -> set[str]:
    """Every file of the rooms that is not a by-product, as a path in the wheel."""
    return {
        f"ikelab/{path.relative_to(ROOT)}"
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }


def run(*argv: object, cwd: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    """Run without what this process was told about Python's paths; output is text."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST"))}
    return subprocess.run(
        [str(word) for word in argv],
        cwd=cwd,
        env=clean | env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built by the setuptools that is installed here."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    source.mkdir()
    for name in (*ROOMS, "pyproject.toml", "README.md", "LICENSE"):
        (source / name).symlink_to(ROOT / name)
    program = "import sys; from setuptools import build_meta as b; b.build_wheel(sys.argv[1])"
    built = run(sys.executable, "-c", program, place, cwd=source)
    assert built.returncode == 0, built.stderr
    (found,) = place.glob("*.whl")
    return found


def test_the_package_list_is_the_tree() -> None:
    tree = {
        "ikelab." + ".".join(path.parent.relative_to(ROOT).parts)
        for room in ROOMS
        for path in (ROOT / room).rglob("__init__.py")
    }
    assert sorted(PROJECT["tool"]["setuptools"]["packages"]) == sorted(tree)
    assert PROJECT["tool"]["setuptools"]["package-dir"] == {f"ikelab.{r}": r for r in ROOMS}


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_is_typed(room: str) -> None:
    assert (ROOT / room / "py.typed").is_file()


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_refuses_its_bare_name(room: str) -> None:
    """A second set of Scapy classes would come of `import layers` in the checkout."""
    tried = run(sys.executable, "-c", f"import {room}", PYTHONPATH=str(ROOT))
    assert tried.returncode == 1
    assert f"this folder is ikelab.{room}: install the project" in tried.stderr


def test_the_wheel_holds_every_file_of_the_rooms(wheel: Path) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("ikelab/")}
    assert packed == shipped_files()


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A fresh environment with the wheel unpacked beside the dependencies: python, its packages."""
    tmp_path = tmp_path_factory.mktemp("installed")
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    python = tmp_path / "env/bin/python"
    (site,) = (tmp_path / "env/lib").glob("python3*/site-packages")
    # The dependencies of this environment, without its .pth files and so without the checkout.
    here = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (site / "dependencies.pth").write_text("\n".join(here) + "\n")
    zipfile.ZipFile(wheel).extractall(site)
    return python, site


def test_the_wheel_works_in_a_fresh_environment(
    installed: tuple[Path, Path], tmp_path: Path
) -> None:
    """Away from the checkout: imports, data, the command."""
    python, site = installed
    (info,) = site.glob("ikelab-*.dist-info")
    assert "ikelab = ikelab.harness.cli:main" in (info / "entry_points.txt").read_text()
    assert (info / "licenses/LICENSE").is_file()

    program = "import ikelab.layers, ikelab.reports as r; print(ikelab.layers.__file__, r.__file__)"
    where = run(python, "-c", program, cwd=tmp_path)
    assert where.stdout.split() == [
        str(site / "ikelab/layers/__init__.py"),
        str(site / "ikelab/reports/__init__.py"),
    ], where.stderr
    main = "from ikelab.harness.cli import main; main(['--help'])"
    told = run(python, "-c", main, cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert "inspect" in told.stdout


@pytest.mark.parametrize("more", [[], ["-n", "2"]], ids=["alone", "xdist"])
def test_a_project_of_ones_own_uses_the_wheel(
    more: list[str], installed: tuple[Path, Path], tmp_path: Path
) -> None:
    """The test that docs/own-project.md shows, run by pytest from the installed wheel."""
    text = (ROOT / "docs/own-project.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len([line for line in example.splitlines() if line.strip()]) <= 10
    (tmp_path / "test_gateway.py").write_text(example)

    done = run(installed[0], "-m", "pytest", "--ikelab-peer", "reference", *more, cwd=tmp_path)

    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr
    assert len(list(tmp_path.glob("runs/*-reference/results.jsonl"))) == 1


def test_the_locks_name_what_pyproject_asks_for() -> None:
    """Every direct requirement is pinned with hashes, and no registry is written down."""
    name = re.compile(r"^[\w.-]+")
    extras = PROJECT["project"]["optional-dependencies"]
    runtime = {*PROJECT["project"]["dependencies"], *extras["build"]}
    asked = {"requirements.lock": runtime, "requirements-dev.lock": runtime | {*extras["dev"]}}
    for lock, wanted in asked.items():
        text = (ROOT / lock).read_text()
        pinned = set(re.findall(r"^([\w.-]+)==\S+ .*\\\n {4}--hash=sha256:", text, re.MULTILINE))
        direct = {m.group().lower() for want in wanted if (m := name.match(want))}
        assert direct <= pinned, f"{lock} is behind pyproject.toml: run `make lock`"
        assert "://" not in text
        assert "--index-url" not in text and "--find-links" not in text


def test_the_development_lock_holds_the_runtime_lock() -> None:
    pins = {
        lock: set(re.findall(r"^[\w.-]+==\S+", (ROOT / lock).read_text(), re.MULTILINE))
        for lock in ("requirements.lock", "requirements-dev.lock")
    }
    assert pins["requirements.lock"] <= pins["requirements-dev.lock"]
