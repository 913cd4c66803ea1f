"""How a run shows itself: a moving line on a terminal, plain lines in a pipe.

Takes the place of pytest's own terminal reporter in `ikelab run`.
"""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO

from ikelab.harness.model import Verdict

STYLES = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.UNSUPPORTED: "dim",
    Verdict.ERROR: "bold magenta",
    Verdict.XFAIL: "yellow",
    Verdict.XPASS: "bold yellow",
}


class Progress:
    """Prints a line a test; on a terminal a bar below them.

    It writes to where standard output went when it was made: pytest takes that away during a test,
    and a bar has to move then too.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.collect_errors: list[str] = []
        self._shared = sys.stdout
        self._out = _own(sys.stdout)
        self._bar: Any = None
        self._task: Any = None

    def pytest_collection_finish(self, session: Any) -> None:
        if self._out.isatty() and not self.quiet:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            self._bar = Progress(*columns, transient=True, console=Console(file=self._out))
            self._task = self._bar.add_task("", total=len(session.items))
            self._bar.start()

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.collect_errors.append(f"{report.nodeid}\n{report.longrepr}")

    def pytest_runtest_logstart(self, nodeid: str, location: Any) -> None:
        del location
        if self._bar:
            self._bar.update(self._task, description=nodeid.rpartition("::")[2])

    def pytest_runtest_logreport(self, report: Any) -> None:
        told = getattr(report, "ikelab", None)
        if told is None:
            return
        verdict = Verdict(told["verdict"])
        text = f"{told['peer']}  {told['case']:<8} {told['title']}"
        if told["variant"]:
            text += f" [{told['variant']}]"
        if verdict is not Verdict.PASS and told["reason"]:
            text += f": {told['reason']}"
        if self._bar:
            from rich.markup import escape

            style = STYLES[verdict]
            self._bar.console.print(f"[{style}]{verdict:<11}[/] {escape(text)}", highlight=False)
            self._bar.advance(self._task)
        elif not self.quiet or verdict not in (Verdict.PASS, Verdict.UNSUPPORTED):
            self._print(f"{verdict:<11} {text}")

    def _print(self, text: str) -> None:
        """A line for the pipe; whoever stops reading does not stop the run."""
        try:
            print(text, file=self._out, flush=True)
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for stream in (self._out, self._shared):
                os.dup2(nowhere, stream.fileno())
            os.close(nowhere)

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar:
            self._bar.stop()

    def pytest_sessionfinish(self) -> None:
        self.stop()


def _own(stream: TextIO) -> TextIO:
    """A stream of our own to the same place; the stream itself where it has no descriptor."""
    try:
        return os.fdopen(os.dup(stream.fileno()), "w", encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return stream
