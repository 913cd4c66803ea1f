"""What the README shows works as shown."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text()
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


def test_every_command_and_option_shown_exists(tmp_path: Path) -> None:
    shown = re.findall(r"^ {4}ikelab (.+)$", README, re.MULTILINE)
    assert shown
    for line in shown:
        words = line.split()
        depth = 2 if words[0] in ("peers", "lab") else 1
        told = ikelab(*words[:depth], "--help", cwd=tmp_path)
        assert told.returncode == 0, told.stderr
        for option in [word for word in words if word.startswith("-")]:
            assert option in told.stdout, f"`ikelab {line}`: no option {option}"


def test_the_pages_it_points_to_exist() -> None:
    root = Path(__file__).parent.parent
    for page in (root / "README.md", *(root / "docs").glob("*.md")):
        for link in re.findall(r"\]\(([^):#]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} points to {link}"
