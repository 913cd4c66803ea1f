"""`ikelab report`, `ikelab diff` and `ikelab coverage`: what run folders say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ikelab.harness.commands.output import fail, folder_for, save, wrote
from ikelab.harness.commands.place import PLACE
from ikelab.harness.errors import ConfigError

if TYPE_CHECKING:
    from ikelab.reports.load import Run


@click.command()
@click.argument("runs", nargs=-1, required=True, type=PLACE, metavar="RUN...")
@click.option("--html", type=PLACE, metavar="FILE", help="Write the page, whole in one file.")
@click.option(
    "--site", type=PLACE, metavar="DIR", help="Write the page as a folder, for large runs."
)
@click.option("--junit", type=PLACE, metavar="FILE", help="Write JUnit XML.")
@click.option("--markdown", type=PLACE, metavar="FILE", help="Write a summary for release notes.")
@click.option("--json", "as_json", type=PLACE, metavar="FILE", help="Write the matrix as JSON.")
@click.option("--curves", type=PLACE, metavar="FILE", help="Write fuzzing runs over time.")
@click.option("--sarif", type=PLACE, metavar="FILE", help="Write SARIF 2.1.0 for code scanning.")
def report(
    runs: tuple[Path, ...],
    html: Path | None,
    site: Path | None,
    junit: Path | None,
    markdown: Path | None,
    as_json: Path | None,
    curves: Path | None,
    sarif: Path | None,
) -> int:
    """Make pages and files from run folders; without an option print a summary.

    Exit 2 where a run is damaged: what could be read is shown or written all the same.
    """
    from functools import partial

    from ikelab.harness.requirements import requirements
    from ikelab.reports.export import write_json, write_markdown
    from ikelab.reports.junit import write_junit
    from ikelab.reports.load import load_run
    from ikelab.reports.page import write_curves, write_page, write_site
    from ikelab.reports.sarif import write_sarif
    from ikelab.reports.summary import summary

    _once(runs)
    loaded = [load_run(path) for path in runs]
    wanted: list[tuple[Callable[[list[Any], Path], object], Path | None]] = [
        (partial(write_page, asked=requirements()), html),
        (partial(write_site, asked=requirements()), site),
        (write_junit, junit),
        (write_markdown, markdown),
        (write_json, as_json),
        (write_curves, curves),
        (write_sarif, sarif),
    ]
    places = [path for _, path in wanted if path]
    for place in places:
        _apart(place, loaded, whole=place is site)
    _distinct(places)
    for write, path in wanted:
        if path:
            write(loaded, folder_for(path))
            wrote(path / "index.html" if path is site else path)
    if not places:
        click.echo(summary(loaded).rstrip())
    return _unsound(loaded)


def _once(runs: tuple[Path, ...]) -> None:
    """ConfigError for a run that would be counted twice."""
    places = [path.resolve() for path in runs]
    for path, place in zip(runs, places, strict=True):
        if places.count(place) > 1:
            raise ConfigError(f"the run {path} is given twice")


def _unsound(runs: list[Run], *, whole: bool = False) -> int:
    """A line for each run of which something is missing; 2 where it is damaged.

    Where only the `whole` of it tells anything, a run that did not come to its end is as bad.
    """
    status = 0
    for run in runs:
        if not run.problems:
            continue
        bad = bool(run.damage) or (whole and bool(run.stopped or run.unanswered))
        first, more = (run.damage or run.problems)[0], len(run.problems) - 1
        kind = "damaged" if run.damage else "incomplete"
        line = f"{run.path} is {kind}: {first}" + (f" (and {more} more)" if more else "")
        status = max(status, fail(line, 2 if bad else 0))
    return status


def _distinct(places: list[Path]) -> None:
    """ConfigError where two exports would be written to one place; /dev/stdout may be shared."""
    known = [path.resolve() for path in places if path.is_file() or not path.exists()]
    for path in places:
        if known.count(path.resolve()) > 1:
            raise ConfigError(f"{path} is given twice: each export needs a file of its own")


def _apart(path: Path, runs: list[Any], *, whole: bool) -> None:
    """ConfigError where writing would spoil a run: its own files; for a `whole` folder, the run."""
    here = path.resolve()
    for run in runs:
        own = run.path.resolve()
        kept = (own / "run.json", own / "results.jsonl", own / "cases")
        if any(here == one or one in here.parents for one in kept) or (whole and here == own):
            raise ConfigError(f"{path} is part of the run {run.path}: write to another place")
    if whole and path.exists() and not path.is_dir():
        raise ConfigError(f"{path} is not a folder: --site makes one, give another name")
    if whole and any((path / name).exists() for name in ("run.json", "results.jsonl")):
        raise ConfigError(f"{path} holds a run: give --site another folder")


@click.command()
@click.argument("run_a", type=PLACE)
@click.argument("run_b", type=PLACE)
@click.option(
    "--keys", multiple=True, type=PLACE, metavar="PATH",
    help="Keys of captures; repeatable.",
)  # fmt: skip
def diff(run_a: Path, run_b: Path, keys: tuple[Path, ...]) -> int:
    """Say what changed between two runs, or between the conversations of two captures.

    Exit 1 on a regression; of captures, when they differ. Exit 2 where a run is damaged or did not
    come to its end, so that a regression may be missing.
    """
    files = [path for path in (run_a, run_b) if path.exists() and not path.is_dir()]
    if len(files) == 2:
        return _captures(run_a, run_b, keys)
    if files:
        for path in (run_a, run_b):
            if not path.exists():
                raise ConfigError(f"no such capture: {path}")
        raise ConfigError(f"{files[0]} is a file: compare two captures, or two run folders")
    if keys:
        raise ConfigError("--keys are for two captures; run folders have their own")
    from ikelab.reports.diff import diff_runs
    from ikelab.reports.load import load_run

    found = diff_runs(load_run(run_a), load_run(run_b))
    click.echo(str(found).rstrip())
    status = _unsound([found.a, found.b], whole=True)
    if not found.compared and not status:
        raise ConfigError(f"{run_a} and {run_b} have no test in common: nothing was compared")
    return 1 if found.regressions else status


def _captures(a: Path, b: Path, keys: tuple[Path, ...]) -> int:
    from ikelab.harness.inspect.compare import compare
    from ikelab.harness.inspect.inspection import inspect_file

    both = inspect_file(a, keys), inspect_file(b, keys)
    found = compare(*both)
    click.echo(str(found))
    lost = [fail(f"{it.file}: {it.lost}; what was read is compared", 2) for it in both if it.lost]
    return 1 if not found.alike else max(lost, default=0)


@click.command()
@click.argument("runs", nargs=-1, required=True, type=PLACE, metavar="RUN...")
@click.option("--vectors", type=PLACE, metavar="FILE",
              help="The list that 'pytest --vectors FILE' wrote.")  # fmt: skip
@click.option("--out", type=PLACE, metavar="FILE", help="Write the page.")
def coverage(runs: tuple[Path, ...], vectors: Path | None, out: Path | None) -> int:
    """Say of every code point what run folders prove of it, as a page in Markdown."""
    from ikelab.harness.coverage import coverage as page
    from ikelab.reports.load import load_run

    text = page([load_run(path) for path in runs], vectors)
    if out:
        save(text, out)
    else:
        click.echo(text.rstrip())
    return 0
