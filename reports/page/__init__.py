"""One self-contained HTML page from run folders: no network, opens from disk, can be mailed.

Template, style and script lie beside this file; `data` decides what goes in.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader

from ikelab.harness.errors import ConfigError
from ikelab.reports.load import Run
from ikelab.reports.matrix import build
from ikelab.reports.page.data import Budget, detail, embed, index, pack, places

SCRIPTS = (
    "base.js",
    "filters.js",
    "matrix.js",
    "payloads.js",
    "ladder.js",
    "detail.js",
    "main.js",
)
"""The parts of the script, in the order they are joined into one."""


def write_page(
    runs: Sequence[Run],
    out: Path,
    *,
    file_limit: int = 1 << 20,
    total_limit: int = 1 << 26,
) -> None:
    """Write the page; ConfigError when it cannot be written.

    The page holds keys and secrets of the lab, as the run folder does: only its owner may read it.
    Captures, keys, logs of up to `file_limit` octets go into the page until `total_limit` octets
    are spent; what is larger becomes a relative link to the run folder.
    """
    matrix = build(runs)
    budget = Budget(file_limit, total_limit)
    details = (pack(detail(place, out, budget)) for place in places(runs, matrix))
    environment = Environment(loader=PackageLoader(__name__, "."), autoescape=True)
    stream = environment.get_template("template.html").stream(
        title="ikelab: " + ", ".join(run.name for run in runs),
        style=_asset("style.css"),
        script="\n".join(_asset(name) for name in SCRIPTS),
        index=embed(index(runs, matrix)),
        details=details,
    )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.touch(mode=0o600)
        out.chmod(0o600)
        stream.dump(str(out), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error.strerror}") from None


def _asset(name: str) -> str:
    return (files(__name__) / name).read_text(encoding="utf-8")
