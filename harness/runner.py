"""`ikelab run`: the shipped cases (or the user's files) through pytest, in a world of their own."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ikelab.harness import collector, mistakes, pytest_plugin, routers
from ikelab.harness.choice import Choice
from ikelab.harness.errors import ConfigError, LabError, Stopped, Terminated
from ikelab.harness.peer import faults
from ikelab.harness.progress import Progress
from ikelab.harness.rig import REFERENCE, Settings, check, needs_world
from ikelab.harness.verdicts import exit_status

if TYPE_CHECKING:
    from ikelab.harness.suite import Suite

_SYNTAX = re.compile(r'File "(.*)", line (\d+)')
_CONFTEST = re.compile(r"ImportError while loading conftest '(.*)'")
_OTHERS = (str(Path(os.__file__).parent), str(Path(pytest.__file__).parent.parent))
"""Where Python's and other people's modules lie: what is wrong is not wrong there."""
CASES = Path(__file__).resolve().parent.parent / "testcases"


@dataclass(frozen=True, slots=True)
class Request:
    """What `ikelab run` was asked for; an empty word means the default."""

    peers: tuple[str, ...] = (REFERENCE,)
    role: str = ""
    topology: str = ""
    expression: str = ""
    out: str = ""
    seed: int | None = None
    fault: str = ""
    expected: str = ""
    combine: int = 1
    peers_file: str = ""
    cases: tuple[str, ...] = ()
    rfcs: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    jobs: int = 1
    repeat: int = 1
    resume: bool = False
    quiet: bool = False
    paths: tuple[str, ...] = ()
    command: tuple[str, ...] = ()

    @property
    def settings(self) -> Settings:
        fault = faults.fault(self.fault) if self.fault else None
        outside = routers.find(self.peers_file)
        return Settings(topology=self.topology, seed=self.seed, fault=fault, outside=outside)

    @property
    def in_world(self) -> bool:
        """Whether the run needs network namespaces."""
        return needs_world(self.peers, self.settings)

    @property
    def choice(self) -> Choice:
        return Choice.parse(list(self.cases), list(self.rfcs), list(self.levels))

    def check(self) -> None:
        """ConfigError for what cannot be, before anything is made."""
        from ikelab.harness.record import vacant

        for peer in self.peers:
            check(peer, self.settings)
            if self.jobs > 1 and peer in self.settings.outside:
                raise ConfigError(f"there is one {peer}, for one case at a time: leave out --jobs")
        if self.out and not self.resume:
            vacant(Path(self.out))
        if self.expected and not Path(self.expected).is_dir():
            raise ConfigError(f"no such folder of known deviations: {self.expected}")
        _ = self.choice
        for path in self.paths:
            _check_file(path)

    def options(self) -> list[str]:
        """The request in pytest's words."""
        # Nothing of the folder that the user happens to stand in, nor of his other plugins.
        options = ["-p", "no:cacheprovider", "-c", str(CASES / "pytest.toml")]
        options += ["--rootdir", str(self._root())]
        options += ["--ikelab-command", shlex.join(self.command)]
        for peer in dict.fromkeys(self.peers):
            options += ["--ikelab-peer", peer]
        for name in ("role", "topology", "out", "fault", "expected", "peers_file"):
            if value := getattr(self, name):
                options += [f"--ikelab-{name.replace('_', '-')}", value]
        for name, words in (("case", self.cases), ("rfc", self.rfcs), ("level", self.levels)):
            for word in words:
                options += [f"--ikelab-{name}", word]
        options += ["--ikelab-combine", str(self.combine), "--ikelab-repeat", str(self.repeat)]
        options += ["--ikelab-resume"] * self.resume
        if self.expression:
            options += ["-k", self.expression]
        if self.jobs > 1:
            options += ["-p", "xdist", "-n", str(self.jobs)]
        if self.seed is not None:
            options += ["--ikelab-seed", str(self.seed)]
        return [*options, *(self.paths or [str(CASES)])]

    def _root(self) -> Path:
        """What ids are relative to: those of the cases that come with ikelab stay the same."""
        places = [Path(path.partition("::")[0]).resolve() for path in self.paths]
        for root, holding in ((CASES.parent, CASES.resolve()), (Path.cwd(), Path.cwd())):
            if all(place.is_relative_to(holding) for place in places):
                return root
        return Path(os.path.commonpath([p if p.is_dir() else p.parent for p in places]))


def _check_file(path: str) -> None:
    """ConfigError for what can hold no test; `::` and a test's name may follow a file's name."""
    place = Path(name := path.partition("::")[0])
    if not name or not place.exists():
        raise ConfigError(f"no such test file: {path or 'an empty name'}")
    if not place.is_dir() and place.suffix != ".py":
        raise ConfigError(f"{name} is no test file: one is called test_NAME.py, or is a folder")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `complaint` says in one line why tests ended in ERROR, where any did."""

    status: int
    place: Path
    complaint: str = ""


class Reporting:
    """Takes the place of pytest's terminal reporter, and of its words about broken runs."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.suite: Suite | None = None
        self.broken: BaseException | None = None
        self.interrupt: BaseException | None = None
        self.apart: list[str] = []  # tests without a peer that failed

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        config.pluginmanager.unregister(name="terminalreporter")
        config.pluginmanager.register(self.progress, "ikelab-progress")
        self.suite = config.pluginmanager.get_plugin(pytest_plugin.PLUGIN)

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
        self.broken = excinfo.value
        return True

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.apart += [report.ikelab_apart] if hasattr(report, "ikelab_apart") else []

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.interrupt = excinfo.value


def run(request: Request) -> Outcome:
    """Run the cases. ConfigError where there is nothing to run, LabError where the record broke,
    Stopped with the run folder's name where the user stopped it.
    """
    reporting = Reporting(Progress(quiet=request.quiet))
    collector.settle()
    with _plugins(hermetic=not request.paths) as extra, _heard() as said:
        if extra or not _loads_itself():
            # By name and not as an object: a worker of pytest-xdist has to load it, too.
            extra += ["-p", pytest_plugin.__name__]
        try:
            status = pytest.main([*extra, *request.options()], plugins=[reporting])
        except SystemExit as error:  # out of a conftest.py
            raise mistakes.left(error) from None
    reporting.progress.stop()
    if isinstance(reporting.broken, SystemExit):
        raise mistakes.left(reporting.broken)
    if isinstance(reporting.broken, Exception):
        raise reporting.broken
    if reporting.progress.collect_errors:
        raise ConfigError(_unreadable(reporting.progress.collect_errors[0]))
    if status == pytest.ExitCode.USAGE_ERROR:
        raise ConfigError(_usage(said.getvalue()))
    suite = reporting.suite
    if suite is not None and suite.failure is not None:
        raise suite.failure
    if isinstance(reporting.interrupt, KeyboardInterrupt):
        number = signal.SIGTERM if isinstance(reporting.interrupt, Terminated) else signal.SIGINT
        place = f"; what was recorded is in {suite.place}" if suite and suite.made else ""
        raise Stopped(f"stopped{place}", number)
    if suite is None:
        raise LabError(f"pytest ended with {int(status)} before it began")
    if not suite.counts:
        raise ConfigError((reporting.apart or [_nothing(request)])[0])
    code = exit_status(suite.counts.elements(), [told["usage"] for told in suite.errors])
    complaints = [told["reason"] for told in suite.errors] or reporting.apart
    return Outcome(code or (2 if reporting.apart else 0), suite.place, _complaint(complaints))


@contextlib.contextmanager
def _plugins(*, hermetic: bool) -> Iterator[list[str]]:
    """Options and environment that keep other people's pytest settings out."""
    options = os.environ.pop("PYTEST_ADDOPTS", None)
    try:
        yield ["--disable-plugin-autoload"] if hermetic else []
    finally:
        if options is not None:
            os.environ["PYTEST_ADDOPTS"] = options


@contextlib.contextmanager
def _heard() -> Iterator[io.StringIO]:
    """Keep what pytest writes to stderr about a wrong command line; pass on everything else."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        yield said
    text = said.getvalue()
    # Of these there is a line of ours.
    told = ("ERROR:", "(no match in any of", "mainloop: caught unexpected SystemExit")
    rest = [line for line in text.splitlines() if line and not line.startswith(told)]
    if rest and not _CONFTEST.match(text):
        print("\n".join(rest), file=sys.stderr)


def _usage(said: str) -> str:
    if broken := _CONFTEST.match(said):
        return _unreadable(f"{broken[1]}\n{said}")
    lines = [line.removeprefix("ERROR: ") for line in said.splitlines() if line[:7] == "ERROR: "]
    if lines and lines[0].startswith("not found: ") and "::" in lines[0]:
        file, _, test = lines[0].removeprefix("not found: ").partition("::")
        return f"no test {test!r} in {file}"
    return lines[0] if lines else "pytest refused the command"


def _nothing(request: Request) -> str:
    if chosen := str(request.choice):
        also = f" and matches -k {request.expression!r}" if request.expression else ""
        return f"no test case is {chosen}{also}: 'ikelab requirements' names those there are"
    if request.expression:
        return f"no test case matches -k {request.expression!r}: leave -k out to run them all"
    if request.role:
        return f"no test case has the peer as {request.role}: leave --role out to run them all"
    return "no test case was found: a case is a function test_... that uses the fixture `peer`"


def _complaint(reasons: list[str]) -> str:
    """The line for stderr about tests that ended in ERROR."""
    if not reasons:
        return ""
    if len(set(reasons)) == 1:
        return reasons[0]
    return f"{len(reasons)} tests ended in ERROR, the first one: {reasons[0]}"


def _loads_itself() -> bool:
    """Whether the installed distribution brings the plugin by itself."""
    from importlib.metadata import entry_points

    return any(e.name == "ikelab" for e in entry_points(group="pytest11"))


def _unreadable(text: str) -> str:
    """What pytest says of a file that it cannot import, in a line: place and error.

    The first line is the file's name.
    """
    file, *lines = text.splitlines()
    errors = [line[1:].strip() for line in lines if line.startswith("E   ")]
    places = [m[1] for m in map(re.compile(r"(?:E +)?(\S+\.py:\d+): ").match, lines) if m]
    places += [f"{m[1]}:{m[2]}" for m in map(_SYNTAX.match, errors) if m]
    places = [place for place in places if not place.startswith(_OTHERS)] or [file]
    told = [
        error for error in errors if re.match(r"[A-Za-z_.]+(Error|Exception|Warning)?: ", error)
    ]
    what = told[0] if told else (lines[-1:] or ["no reason was given"])[0]
    return f"a test file cannot be read: {places[-1]}: {what}"
