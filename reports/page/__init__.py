"""An HTML page from run folders: one file to mail, or a folder for runs of any size.

Neither needs a network or a server. Template, style and script lie beside this file; `data`
decides what goes in.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, PackageLoader

from ikelab.harness.errors import ConfigError
from ikelab.reports.curves import course
from ikelab.reports.load import Run
from ikelab.reports.matrix import build
from ikelab.reports.page.curves import told
from ikelab.reports.page.data import (
    Asked,
    Budget,
    Link,
    Place,
    beside,
    detail,
    embed,
    index,
    pack,
    places,
)
from ikelab.reports.records import Json

SCRIPTS = (
    "base.js",
    "filters.js",
    "matrix.js",
    "payloads.js",
    "ladder.js",
    "detail.js",
    "requirements.js",
    "main.js",
)
"""The parts of the script, in the order they are joined into one."""


def write_page(
    runs: Sequence[Run],
    out: Path,
    *,
    asked: Sequence[Asked] = (),
    file_limit: int = 1 << 20,
    total_limit: int = 1 << 26,
) -> None:
    """Write the page; ConfigError when it cannot be written.

    `asked` are the requirements that it can be arranged by, beside the rules.

    The page holds keys and secrets of the lab, as the run folder does: only its owner may read it.
    Captures, keys, logs of up to `file_limit` octets go into the page until `total_limit` octets
    are spent; what is larger becomes a relative link to the run folder.
    """
    matrix = build(runs)
    budget, link = Budget(file_limit, total_limit), beside(out)
    details = (pack(detail(place, link, budget)) for place in places(runs, matrix))
    with _writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        _dump(runs, index(runs, matrix, asked), out, details=details)


def write_site(runs: Sequence[Run], folder: Path, *, asked: Sequence[Asked] = ()) -> Path:
    """Write a folder and return its page; ConfigError when it cannot be written.

    `index.html` holds the matrix alone, `details/` a script for each result, which the page loads
    when its cell is opened, and `files/` a copy of what the result left. It is its owner's alone.
    """
    matrix = build(runs)
    page = folder / "index.html"
    with _writing(folder):
        for made in (folder, folder / "details", folder / "files"):
            made.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number, place in enumerate(places(runs, matrix)):
            text = pack(detail(place, _copies(folder, number, place), Budget(0, 0)))
            _private(folder / "details" / f"{number}.js", f'ikelabDetail({number},"{text}");\n')
        _dump(runs, index(runs, matrix, asked), page, scripts="'self' file:")
    return page


def write_curves(runs: Sequence[Run], out: Path) -> None:
    """Write how fuzzing runs went over time as a page of its own, which needs no script.

    ConfigError where none of the runs is one of the fuzzer, or the page cannot be written.
    """
    shown = [(run, one) for run in runs if (one := course(run.path)) is not None]
    if not shown:
        names = ", ".join(str(run.path) for run in runs)
        raise ConfigError(f"no curves: {names} has no progress.jsonl, as runs of the fuzzer have")
    environment = Environment(loader=PackageLoader(__name__, "."), autoescape=True)
    text = environment.get_template("curves.html").render(
        title="ikelab: fuzzing over time",
        style=_asset("curves.css"),
        runs=[told(run, one) for run, one in shown],
    )
    with _writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        _private(out, text)


def _copies(folder: Path, number: int, place: Place) -> Link:
    """Links to copies of a result's files, which stay when the run folder goes."""
    own, name = place.result.folder, Path("files", str(number))

    def link(path: Path) -> str:
        assert own is not None  # it holds the file
        copy = folder / name / path.relative_to(own)
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        copy.chmod(0o600)
        return quote((name / path.relative_to(own)).as_posix())

    return link


def _dump(
    runs: Sequence[Run], matrix: Json, out: Path, *, details: Iterable[str] = (), scripts: str = ""
) -> None:
    environment = Environment(loader=PackageLoader(__name__, "."), autoescape=True)
    stream = environment.get_template("template.html").stream(
        title="ikelab: " + ", ".join(run.name for run in runs),
        style=_asset("style.css"),
        script="\n".join(_asset(name) for name in SCRIPTS),
        scripts=scripts,
        index=embed(matrix),
        details=details,
    )
    _private(out, "")
    stream.dump(str(out), encoding="utf-8")


def _private(path: Path, text: str) -> None:
    """A file that only its owner may read: it holds keys. What is no file keeps its mode."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        if stat.S_ISREG(os.fstat(handle).st_mode):
            os.fchmod(handle, 0o600)
        file.write(text)


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error.strerror}") from None


def _asset(name: str) -> str:
    return (files(__name__) / name).read_text(encoding="utf-8")
