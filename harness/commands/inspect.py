"""`ikelab inspect`: read a capture."""

from __future__ import annotations

from pathlib import Path

import click

from ikelab.harness.errors import ConfigError


@click.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option(
    "--keys", multiple=True, type=click.Path(path_type=Path), metavar="PATH",
    help="Key table, profile folder or run folder; repeatable.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Same as --format json.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["transcript", "summary", "json"]),
    default="summary",
    help="What to print.",
)
@click.option("--strict", is_flag=True, help="Exit 1 when a rule is broken.")
def inspect(file: Path, keys: tuple[Path, ...], as_json: bool, form: str, strict: bool) -> int:
    """Read a capture: what was negotiated, decrypted with the keys given."""
    from ikelab.harness.inspect.inspection import inspect_file

    found = inspect_file(file, list(keys))
    if as_json or form == "json":
        import json

        click.echo(json.dumps(found.to_json(), indent=1))
    else:
        click.echo((found.transcript() if form == "transcript" else found.summary()).rstrip())
    if found.lost:
        raise ConfigError(f"{file}: {found.lost}; what was read is shown")
    return 1 if strict and found.violations else 0
