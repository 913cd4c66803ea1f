"""What every command says, and does with the files that it writes, in the same way."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import click

from ikelab.harness.errors import ConfigError


def fail(line: str, status: int) -> int:
    """One line on stderr, whatever the text holds."""
    with contextlib.suppress(BrokenPipeError):
        print("ikelab: " + " ".join(line.split()), file=sys.stderr)
    return status


def folder_for(file: Path) -> Path:
    """The file, whose folder is made and told of where there was none; ConfigError if neither."""
    if str(file) == "-":
        raise ConfigError("- is no file to write: standard output is /dev/stdout")
    if file.parent.is_dir():
        return file
    try:
        file.parent.mkdir(parents=True)
    except (FileExistsError, NotADirectoryError):
        raise ConfigError(f"cannot write {file}: {file.parent} is not a folder") from None
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror}") from None
    click.echo(f"made the folder {file.parent}", err=True)
    return file


def save(text: str, file: Path) -> None:
    """A text into a file, and a line that says so."""
    try:
        folder_for(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror}") from None
    wrote(file)


def wrote(file: Path) -> None:
    """A line that says where to look; none where that is this very output (/dev/stdout)."""
    if file.is_file() and not _is_output(file):
        click.echo(f"wrote {file}")


def _is_output(file: Path) -> bool:
    """Whether a file is what standard output goes to: a line would be put over what it holds."""
    try:
        return os.path.samestat(file.stat(), os.fstat(sys.stdout.fileno()))
    except (OSError, ValueError):  # no descriptor behind it, or a closed one
        return False
