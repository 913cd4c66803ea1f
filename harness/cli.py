"""The command line. Every error is one line on stderr that says what to do; see design section 9.

Nothing heavy is imported before a command runs: `ikelab --help` has to be quick.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import click

from ikelab.harness.commands.output import fail
from ikelab.harness.errors import IkelabError, Stopped, Terminated

COMMANDS = {
    "run": "run",
    "inspect": "inspect",
    "report": "report",
    "diff": "report",
    "coverage": "report",
    "requirements": "requirements",
    "fuzz": "fuzz",
    "replay": "fuzz",
    "corpus": "fuzz",
    "craft": "craft",
    "scan": "scan",
    "peers": "peers",
    "matrix": "matrix",
    "lab": "lab",
    "pki": "pki",
}
"""Each command and the module of `ikelab.harness.commands` that has it under that name."""


class _Unread(Exception):
    """Who read our output has stopped reading."""


class Commands(click.Group):
    """The commands; what stops one of them is an error of ours that says so."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"ikelab.harness.commands.{COMMANDS[cmd_name]}")
        return cast("click.Command", getattr(module, cmd_name))

    def make_context(self, *args: Any, **words: Any) -> click.Context:
        try:
            return super().make_context(*args, **words)
        except BrokenPipeError:
            raise _Unread from None

    def invoke(self, ctx: click.Context) -> Any:
        with contextlib.suppress(ValueError):  # a thread called us: its process has the say
            signal.signal(signal.SIGTERM, _terminate)
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            number = signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT
            raise Stopped("stopped", number) from None
        except BrokenPipeError:
            raise _Unread from None  # of a broken pipe click makes an exit status of its own


def _terminate(_number: int, _frame: object) -> None:
    raise Terminated


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="ikelab", prog_name="ikelab")
@click.option("--debug", is_flag=True, help="Show a traceback with an error.")
def cli(debug: bool) -> None:
    """IKEv2 packet crafting, interoperability tests and capture inspection."""
    del debug  # read by main(), which has to know it when anything fails


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit status of design section 9."""
    _open_streams()
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words or os.environ.get("IKELAB_DEBUG") == "1"
    words = [w for w in words if w != "--debug"]
    try:
        status = int(cli.main(words, standalone_mode=False) or 0)
        sys.stdout.flush()
        return status
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return error.exit_code
    except (BrokenPipeError, _Unread):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception as error:
        if debug:
            raise
        return fail(*_explained(error))


def _open_streams() -> None:
    """Where a stream is closed (`>&-`), nothing takes its place: its number is not for a file."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)  # which pytest asks for


def _explained(error: Exception) -> tuple[str, int]:
    """A line and an exit status for what ended a command."""
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "ikelab"
        return f"{error.format_message().rstrip('.')}; see '{path} --help'", error.exit_code
    if isinstance(error, click.ClickException):
        return error.format_message(), error.exit_code
    if isinstance(error, IkelabError):
        return str(error), error.exit_status
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename or ''}".rstrip(": "), 2
    what = f"{type(error).__name__}: {error}".removesuffix(": ")
    return f"ikelab itself failed ({what}): run it again with --debug and report that", 3


if __name__ == "__main__":
    sys.exit(main())
