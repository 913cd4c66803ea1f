"""What the README shows works as shown."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from ikelab.harness.cli import cli
from ikelab.harness.peer import external

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
README = PAGES[0].read_text()
CASES = (ROOT / "docs/cases.md").read_text().partition("## Levels")[0]
MAIN = "import sys; from ikelab.harness.cli import main; sys.exit(main())"


def ikelab(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", MAIN, *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_case_of_your_own_runs(tmp_path: Path) -> None:
    (case,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "test_mine.py").write_text(case)

    done = ikelab("run", "test_mine.py", cwd=tmp_path)

    assert done.returncode == 0, done.stderr + done.stdout
    assert "1 result, 0 unexpected" in done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_shown_exists(page: Path) -> None:
    for line in re.findall(r"^ {4,7}ikelab (.+)$", page.read_text(), re.MULTILINE):
        words = shlex.split(line, comments=True)
        command: click.Command | None = cli
        while words and isinstance(command, click.Group):
            command = command.get_command(click.Context(command), words.pop(0))
            assert command is not None, f"{page.name}: ikelab {line}"
        assert command is not None
        known = {name for option in command.params for name in option.opts}
        for option in (word.partition("=")[0] for word in words if word.startswith("-")):
            assert option in known or option == "-", f"`ikelab {line}`: no option {option}"


def test_the_areas_of_the_cases_are_all_named() -> None:
    found = (
        re.findall(r'@case\("([A-Z]+)-', p.read_text()) for p in ROOT.glob("testcases/**/*.py")
    )
    areas = set().union(*found)
    told = set(
        re.findall(r"[A-Z]+", " ".join(re.findall(r"^\| ([A-Z, ]+) \|", CASES, re.MULTILINE)))
    )

    assert "TS" in areas
    assert areas == told


def test_every_variable_of_the_environment_is_named() -> None:
    text = (ROOT / "docs/environment.md").read_text()
    sources = [p for room in ("harness", "netns") for p in (ROOT / room).glob("**/*.py")]
    found = {name for p in sources for name in re.findall(r'"(IKELAB_[A-Z]+)"', p.read_text())}

    assert "IKELAB_CACHE" in found
    assert {name for name in found - {"IKELAB_WORLD"} if f"`{name}`" not in text} == set()


def test_every_key_of_an_entry_is_named() -> None:
    text = (ROOT / "docs/gateway.md").read_text()

    assert [key for key in external.KEYS if f"`{key}`" not in text] == []


def test_the_pages_it_points_to_exist() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^):#]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} points to {link}"
