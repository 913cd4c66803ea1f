"""`ikelab requirements`: what the RFCs ask for, what tests it, and what nothing tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ikelab.harness.commands.output import save
from ikelab.harness.errors import ConfigError


@click.command()
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path), metavar="[RUN]...")
@click.option("--rfc", type=int, metavar="NUMBER", help="Of this RFC alone.")
@click.option("--section", metavar="SECTION", help="Of this section and those below it.")
@click.option("--untested", is_flag=True, help="Only those that no case tests.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write Markdown.")
def requirements(
    runs: tuple[Path, ...], rfc: int | None, section: str | None, untested: bool, out: Path | None
) -> int:
    """Say which sentences of the RFCs have a case, and what it found in run folders."""
    from ikelab.harness import requirement_page as page
    from ikelab.harness.requirements import requirements as every
    from ikelab.reports.load import load_run

    rows = [row for row in every() if _wanted(row, rfc, section, untested)]
    if not rows:
        raise ConfigError(
            "no requirement is of that kind: leave --rfc and --section out to see all"
        )
    loaded = [load_run(path) for path in runs]
    if out is None:
        click.echo(page.text(rows, loaded).rstrip())
    else:
        save(page.markdown(rows, loaded), out)
    return 0


def _wanted(row: Any, rfc: int | None, section: str | None, untested: bool) -> bool:
    inside = section is None or f"{row.section}.".startswith(f"{section}.")
    return inside and rfc in (None, row.rfc) and not (untested and row.cases)
