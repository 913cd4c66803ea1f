"""`ikelab run`: the shipped cases (or the user's files) through pytest, in a world of their own."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from ikelab.harness.errors import ConfigError
from ikelab.harness.rig import REFERENCE
from ikelab.harness.verdicts import exit_status

CASES = Path(__file__).resolve().parent.parent / "testcases"


def needs_world(peers: Sequence[str], topology: str) -> bool:
    """Whether the run needs network namespaces."""
    return any(p != REFERENCE for p in peers) or topology not in ("", "memory")


def check(peers: Sequence[str]) -> None:
    """ConfigError for a peer that there is not, before anything is made."""
    from ikelab.harness.peer import registry

    for peer in peers:
        if peer != REFERENCE:
            registry.driver(peer)


def run(  # noqa: PLR0917
    peers: Sequence[str],
    role: str | None,
    topology: str,
    expression: str,
    out: str,
    seed: int | None,
    fault: str,
    quiet: bool,
    paths: Sequence[str],
    argv: Sequence[str],
) -> tuple[int, Path | None]:
    """Run the cases; (exit status, run folder)."""
    import pytest

    from ikelab.harness import pytest_plugin
    from ikelab.harness.progress import Hooks, Progress

    progress = Progress(quiet=quiet)

    class Reporting:
        """Exchanges pytest's terminal reporter for ours."""

        def pytest_addhooks(self, pluginmanager: pytest.PytestPluginManager) -> None:
            pluginmanager.add_hookspecs(Hooks)

        @pytest.hookimpl(trylast=True)
        def pytest_configure(self, config: pytest.Config) -> None:
            terminal = config.pluginmanager.get_plugin("terminalreporter")
            if terminal is not None:
                config.pluginmanager.unregister(terminal)
            config.pluginmanager.register(progress, "ikelab-progress")
            self.config = config

    reporting = Reporting()
    places = [*paths] or [str(CASES)]
    missing = next((p for p in places if not Path(p.partition("::")[0]).exists()), None)
    if missing:
        raise ConfigError(f"no such test file: {missing}")
    options = ["-p", "no:cacheprovider", "-c", str(CASES / "pytest.toml")]
    if not paths:
        options += ["--rootdir", str(CASES.parent)]
    for peer in dict.fromkeys(peers):
        options += ["--ikelab-peer", peer]
    if role:
        options += ["--ikelab-role", role]
    if expression:
        options += ["-k", expression]
    for name, value in (("topology", topology), ("out", out), ("fault", fault)):
        if value:
            options += [f"--ikelab-{name}", value]
    if seed is not None:
        options += ["--ikelab-seed", str(seed)]
    options += ["--ikelab-command", shlex.join(argv)]
    plugins: list[object] = [reporting]
    if not _entry_point_loads():
        plugins.append(pytest_plugin)
    status = pytest.main([*options, *places], plugins=plugins)
    progress.stop()
    suite = reporting.config.pluginmanager.get_plugin("ikelab-suite")
    place = suite.run.path if suite else None
    if progress.collect_errors:
        raise ConfigError("a test file cannot be read: " + _last_line(progress.collect_errors[0]))
    if status == pytest.ExitCode.INTERRUPTED:
        raise KeyboardInterrupt(str(place or ""))
    if status in (pytest.ExitCode.NO_TESTS_COLLECTED, pytest.ExitCode.USAGE_ERROR):
        why = f"no test case matches -k {expression!r}" if expression else "no test case was found"
        raise ConfigError(f"{why}: leave -k out to run them all")
    return exit_status(suite.counts.elements()), place


def _entry_point_loads() -> bool:
    """Whether the installed distribution brings the plugin by itself."""
    from importlib.metadata import entry_points

    return any(e.name == "ikelab" for e in entry_points(group="pytest11"))


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1]
