"""The import contracts cover the tree: no module escapes them by being new."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONTRACTS = ROOT / ".importlinter"


def contract(name: str) -> configparser.SectionProxy:
    parser = configparser.ConfigParser()
    parser.read(CONTRACTS)
    return parser[f"importlinter:contract:{name}"]


def modules(folder: Path) -> set[str]:
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    return files | {path.parent.name for path in folder.glob("*/__init__.py")}


def test_every_module_stands_in_exactly_one_row() -> None:
    rows = re.findall(r"ikelab\.[\w.]+", contract("rows")["layers"])
    assert len(rows) == len(set(rows))
    rooms = {"ikelab.layers", "ikelab.netns", "ikelab.reports", "ikelab.testcases"}
    present = rooms | {f"ikelab.harness.{name}" for name in modules(ROOT / "harness")}
    assert present - set(rows) == set(), "add these modules to a row of .importlinter"


@pytest.mark.parametrize(
    ("name", "behind"),
    [
        ("scapy", ["scapy"]),
        ("cryptography", ["cryptography", "OpenSSL"]),
        ("pyroute2", ["pyroute2"]),
        ("pytest", ["pytest"]),
    ],
)
def test_third_parties_are_fenced_by_default(name: str, behind: list[str]) -> None:
    """A fence covers whole rooms and lists its exceptions, so a new module is inside it."""
    fence = contract(name)
    assert fence["forbidden_modules"].split() == behind
    assert "ikelab.harness" in fence["source_modules"].split()


def test_importing_the_layers_loads_neither_scapy_all_nor_x509() -> None:
    """`scapy.all` costs most of a second, scapy.contrib.ikev2 pulls in x509."""
    program = (
        "import pkgutil, importlib, sys, ikelab.layers as room\n"
        "for m in pkgutil.iter_modules(room.__path__):\n"
        "    importlib.import_module(f'ikelab.layers.{m.name}')\n"
        "print({'scapy.all', 'scapy.layers.x509', 'scapy.contrib.ikev2'} & set(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd="/"
    )
    assert done.stdout.strip() == "set()"
