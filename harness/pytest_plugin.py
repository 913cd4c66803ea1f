"""The pytest plugin: fixtures `peer`, `initiator`, `responder`, markers, verdicts, the run folder.

It is idle in a pytest session that has neither `--ikelab-peer` nor a test that uses its fixtures.
With pytest-xdist every worker has rigs of its own, and all write one run folder.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from ikelab.harness.errors import IkelabError

if TYPE_CHECKING:
    from ikelab.harness.crossing import Crossing
    from ikelab.harness.endpoint import Initiator, Responder
    from ikelab.harness.pki import Certificates
    from ikelab.harness.placing import Spot
    from ikelab.harness.rig import Rig
    from ikelab.harness.suite import Suite
    from ikelab.harness.tested import Tested

CASES = Path(__file__).resolve().parent.parent / "testcases"
PLUGIN = "ikelab-suite"


def rfc(number: int, *sections: str) -> pytest.MarkDecorator:
    """Marks a case with the RFC and the sections that it tests."""
    return pytest.mark.rfc(number, *sections)


def topology(*names: str) -> pytest.MarkDecorator:
    """Marks a case with the networks that it is run in, each in turn, whatever the run's is."""
    return pytest.mark.topology(*names)


def case(name: str, level: str = "MUST") -> pytest.MarkDecorator:
    """Marks a case with its catalogue id and its level (MUST, SHOULD, policy, feature)."""
    return pytest.mark.case(name, level)


class Hooks:
    """The hook that a suite calls with every verdict."""

    def pytest_ikelab_result(self, verdict: Any, item: Any, reason: str, peer: str) -> None:
        """A test has its verdict."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(Hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("ikelab", "IKEv2 peers under test")
    option = group.addoption
    option("--ikelab-peer", action="append", default=[], metavar="NAME", help="peer under test")
    option("--ikelab-role", choices=("initiator", "responder"), help="its role; both by default")
    option("--ikelab-topology", default="", metavar="NAME", help="see docs/topologies.md")
    option("--ikelab-seed", type=int, metavar="N", help="fix our randomness")
    option("--ikelab-combine", type=int, default=1, metavar="N", help="strength of combinations")
    option("--ikelab-fault", default="", metavar="NAME", help="fault of the reference peer")
    option("--ikelab-out", default="", metavar="DIR", help="run folder; below runs/ by default")
    option("--ikelab-case", action="append", default=[], metavar="ID", help="cases by id")
    option("--ikelab-rfc", action="append", default=[], metavar="RFC[:SECTION]", help="by RFC")
    option("--ikelab-level", action="append", default=[], metavar="LEVEL", help="by level")
    option("--ikelab-resume", action="store_true", help="go on with the run in --ikelab-out")
    option("--ikelab-repeat", type=int, default=1, metavar="N", help="run each test N times")
    option("--ikelab-peers-file", default="", metavar="FILE", help="gateways; ikelab.toml if there")
    option("--ikelab-expected", default="", metavar="DIR", help="known deviations, <peer>.toml")
    option("--ikelab-command", default="", help="the command line, for the record")


# -- a session with peers ----------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Move into a private world where the peers need one, while there are no threads."""
    if config.getoption("--ikelab-peer") and not hasattr(config, "workerinput"):
        from ikelab.harness.rig import needs_world
        from ikelab.harness.suite import Suite, peers

        with _usage():
            if needs_world(peers(config), Suite(config).settings):
                from ikelab.netns import world

                world.enter()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "rfc(number, *sections): what a case tests")
    config.addinivalue_line("markers", "case(id, level): the catalogue id of a case")
    config.addinivalue_line("markers", "topology(*names): the networks that a case is about")
    pytest.register_assert_rewrite("ikelab.testcases")
    if config.getoption("--ikelab-peer"):
        _suite(config)


@contextlib.contextmanager
def _usage() -> Iterator[None]:
    """Our errors as pytest shows a wrong command line: one line, no traceback."""
    try:
        yield
    except IkelabError as error:
        raise pytest.UsageError(str(error)) from None


def _suite(config: pytest.Config) -> Suite:
    """The session's suite, made when it is first asked for."""
    suite = config.pluginmanager.get_plugin(PLUGIN)
    if suite is None:
        from ikelab.harness.suite import Suite

        shared = getattr(config, "workerinput", {}).get("ikelab_run")
        with _usage():
            suite = Suite(config, Path(shared) if shared else None)
        config.pluginmanager.register(suite, PLUGIN)
    return cast("Suite", suite)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say where the run is."""
    suite = config.pluginmanager.get_plugin(PLUGIN)
    place = suite.place if suite is not None and suite.made else config.stash.get(_SHARED, None)
    if place is not None and (place / "run.json").exists():
        terminalreporter.write_line(f"ikelab: the run folder is {place}")


# -- pytest-xdist: one run folder, written by the workers ----------------------------------------

_SHARED = pytest.StashKey[Path]()
_PEERS = pytest.StashKey[list[dict[str, Any]]]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """In the controller: tell a worker where the run goes."""
    from ikelab.harness.suite import new_place

    stash = node.config.stash
    if _SHARED not in stash:
        suite = node.config.pluginmanager.get_plugin(PLUGIN)
        place = suite.place if suite is not None else new_place(node.config)
        stash[_SHARED], stash[_PEERS] = place.absolute(), []
    node.workerinput["ikelab_run"] = str(stash[_SHARED])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """In the controller: learn which peers a worker had."""
    found = getattr(node, "workeroutput", {}).get("ikelab_peers", [])
    node.config.stash[_PEERS].extend(found)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    config = session.config
    if hasattr(config, "workerinput"):
        suite = config.pluginmanager.get_plugin(PLUGIN)
        peers = suite.run.facts["peers"] if suite is not None and suite.made else []
        config.workeroutput["ikelab_peers"] = peers  # type: ignore[attr-defined]
        return
    place = config.stash.get(_SHARED, None)
    if place is not None and (place / "run.json").exists():
        from ikelab.harness.record import finish_shared

        whole = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        rows = config.stash[_PEERS]
        finish_shared(place, rows, whole=whole)


# -- collecting the shipped cases under the names that they are installed as -------------------


class CaseModule(pytest.Module):
    """A module of ikelab.testcases, wherever its file lies."""

    def _getobj(self) -> Any:
        return importlib.import_module(module_name(self.path))


def module_name(path: Path) -> str:
    """`ikelab.testcases.interop.test_seed` for a file below the shipped cases."""
    parts = path.resolve().relative_to(CASES).with_suffix("").parts
    return ".".join(("ikelab", "testcases", *parts))


def _shipped(path: Path) -> bool:
    return path.resolve().is_relative_to(CASES)


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    # As plain folders: a Package would import its __init__ under the name of the checkout's folder.
    return pytest.Dir.from_parent(parent, path=path) if _shipped(path) else None


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    if not _shipped(module_path):
        return None
    return CaseModule.from_parent(parent, path=module_path)


# -- fixtures ----------------------------------------------------------------------------------


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where the user names a network that is not plain: the cases that are about it."""
    asked = config.getoption("--ikelab-topology")
    ours = [i for i in items if "_ikelab_peer" in getattr(i, "fixturenames", ())]
    if not asked or not ours:
        return
    from ikelab.harness import placing

    gone = [i for i in ours if not placing.wanted(i, asked, shipped=_shipped(i.path))]
    if gone:
        config.hook.pytest_deselected(items=gone)
        items[:] = [i for i in items if i not in gone]


def _place(metafunc: pytest.Metafunc) -> None:
    """Run a test in each network that it is about."""
    from ikelab.harness import placing

    asked = metafunc.config.getoption("--ikelab-topology")
    role = "initiator" if "responder" in metafunc.fixturenames else "responder"
    found = placing.spots(metafunc.definition, role, asked)
    if found:
        spots = list(found.values())
        # Through the fixture itself, so that another network ends the rig that depends on it.
        metafunc.parametrize(
            placing.SPOT_FIXTURE,
            spots,
            ids=list(found),
            indirect=[placing.SPOT_FIXTURE],
            scope="session",
        )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "_ikelab_peer" in metafunc.fixturenames:
        names = dict.fromkeys(metafunc.config.getoption("--ikelab-peer")) or ["reference"]
        metafunc.parametrize("_ikelab_peer", list(names), scope="session")
        _place(metafunc)
        times = metafunc.config.getoption("--ikelab-repeat")
        if times > 1:
            rounds = range(1, times + 1)
            metafunc.parametrize("_ikelab_round", rounds, ids=[f"round{n}" for n in rounds])


@pytest.fixture(scope="session")
def _ikelab_peer(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def _ikelab_spot(request: pytest.FixtureRequest) -> Spot:
    from ikelab.harness.placing import EVERYWHERE

    return cast("Spot", getattr(request, "param", EVERYWHERE))


@pytest.fixture(scope="session")
def _ikelab_rig(
    _ikelab_peer: str, _ikelab_spot: Spot, request: pytest.FixtureRequest
) -> Iterator[Rig]:
    made = _suite(request.config).open_rig(_ikelab_peer, _ikelab_spot)
    yield made
    made.close()


@pytest.fixture
def _ikelab_round() -> int:
    return 1


@pytest.fixture
def _ikelab_test(
    _ikelab_rig: Rig, _ikelab_round: int, request: pytest.FixtureRequest
) -> Iterator[Rig]:
    suite = _suite(request.config)
    suite.begin(_ikelab_rig, request.node)
    yield _ikelab_rig
    suite.end(_ikelab_rig, request.node)


@pytest.fixture
def peer(_ikelab_test: Rig) -> Tested:
    """The peer under test: `start(**config)`, `initiate()`, `view()`, `disagreements(sa)`."""
    return _ikelab_test.peer


@pytest.fixture
def initiator(_ikelab_test: Rig) -> Initiator:
    """Our endpoint as initiator: `init()`, `establish()`, `probe()`."""
    return _ikelab_test.initiator()


@pytest.fixture
def path(_ikelab_test: Rig) -> Crossing:
    """The network in between: `path.router.rebind()`, `path.router.expire()`, `path.seen(link)`."""
    return _ikelab_test.path()


@pytest.fixture
def strength(request: pytest.FixtureRequest) -> int:
    """How many parameters a combination covers at once: 1 each value, 2 each pair."""
    return int(request.config.getoption("--ikelab-combine"))


@pytest.fixture
def certificates(request: pytest.FixtureRequest) -> Certificates:
    """Options of both sides that authenticate with certificates: `ours()`, `theirs()`."""
    from ikelab.harness.pki import Certificates, of_run

    ours = "responder" if "responder" in request.fixturenames else "initiator"
    return Certificates(of_run(request.config.getoption("--ikelab-seed")), ours)


@pytest.fixture
def responder(_ikelab_test: Rig) -> Responder:
    """Our endpoint as responder: `listen()`, `accept()`."""
    return _ikelab_test.responder()


# -- verdicts ----------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    error = call.excinfo.value if call.excinfo else None
    if error is not None and not _shipped(item.path):
        from ikelab.harness import mistakes

        error = mistakes.mistake(error, item.path) or error
        if report.failed:
            vars(report)["ikelab_apart"] = mistakes.apart(item.nodeid, error)
    if "_ikelab_peer" not in getattr(item, "fixturenames", ()):
        return report
    vars(report).pop("ikelab_apart", None)
    suite = _suite(item.config)
    if suite.failure is not None:
        return report
    try:
        told, why = _marked(error, report)
        verdict, why = suite.phase(item, report.when, error, told, why, report.duration)
    except IkelabError as broken:
        suite.give_up(item, broken)
        return report
    if report.when == "teardown":
        # A report is what travels from a worker of pytest-xdist to whoever counts and prints.
        report.ikelab = suite.told.pop(item.nodeid)  # type: ignore[attr-defined]
    stopped = error is not None and report.when == "setup"
    if told is None and (stopped or report.when == "call"):
        _show(report, str(verdict), why, item)
    return report


def _marked(error: BaseException | None, report: pytest.TestReport) -> tuple[Any, str]:
    """What pytest's own marks and functions say: xfail, skip, fail; (None, "") where nothing."""
    from ikelab.harness.model import Verdict

    if hasattr(report, "wasxfail"):
        return (Verdict.XFAIL if report.skipped else Verdict.XPASS), report.wasxfail
    if report.failed and error is None:
        return Verdict.XPASS, str(report.longrepr)
    if report.skipped and error is not None:
        return Verdict.UNSUPPORTED, str(error)
    if isinstance(error, pytest.fail.Exception) and report.when == "call":
        return Verdict.FAIL, str(error)
    return None, ""


def _show(report: pytest.TestReport, verdict: str, why: str, item: pytest.Item) -> None:
    """Let pytest's own report say what the verdict says: skipped, expected, unexpected."""
    if verdict == "UNSUPPORTED":
        path, line, _ = item.reportinfo()
        report.outcome = "skipped"
        report.longrepr = (str(path), (line or 0) + 1, f"UNSUPPORTED: {why}")
    elif verdict == "XFAIL":
        report.outcome = "skipped"
        report.wasxfail = why
    elif verdict == "XPASS":
        report.outcome = "failed"
        report.longrepr = why


__all__ = ["case", "certificates", "initiator", "path", "peer", "responder", "rfc", "topology"]
