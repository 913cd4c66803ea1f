"""The pytest plugin: fixtures `peer`, `initiator`, `responder`, markers, verdicts, the run folder.

It is idle in a pytest session that has neither `--ikelab-peer` nor a test that uses its fixtures.
"""

from __future__ import annotations

import importlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ikelab.harness.endpoint import Initiator, Responder
    from ikelab.harness.rig import Rig, Tested
    from ikelab.harness.suite import Suite

CASES = Path(__file__).resolve().parent.parent / "testcases"


def rfc(number: int, *sections: str) -> pytest.MarkDecorator:
    """Marks a case with the RFC and the sections that it tests."""
    return pytest.mark.rfc(number, *sections)


def case(name: str, level: str = "MUST") -> pytest.MarkDecorator:
    """Marks a case with its catalogue id and its level (MUST, SHOULD, policy, feature)."""
    return pytest.mark.case(name, level)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("ikelab", "IKEv2 peers under test")
    group.addoption("--ikelab-peer", action="append", default=[], metavar="NAME")
    group.addoption("--ikelab-role", choices=("initiator", "responder"))
    group.addoption("--ikelab-topology", default="", metavar="NAME")
    group.addoption("--ikelab-seed", type=int, metavar="N")
    group.addoption("--ikelab-fault", default="", metavar="NAME")
    group.addoption("--ikelab-out", default="", metavar="DIR")
    group.addoption("--ikelab-command", default="", help="the command line, for the record")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "rfc(number, *sections): what a case tests")
    config.addinivalue_line("markers", "case(id, level): the catalogue id of a case")
    if config.getoption("--ikelab-peer"):
        from ikelab.harness.suite import Suite

        config.pluginmanager.register(Suite(config), "ikelab-suite")


def _suite(config: pytest.Config) -> Suite:
    from ikelab.harness.suite import Suite

    suite = config.pluginmanager.get_plugin("ikelab-suite")
    if suite is None:
        # A user's own tests, run by plain pytest: the reference peer unless they say otherwise.
        suite = Suite(config)
        config.pluginmanager.register(suite, "ikelab-suite")
    assert isinstance(suite, Suite)
    return suite


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


pytest.register_assert_rewrite("ikelab.testcases")


# -- fixtures ----------------------------------------------------------------------------------


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "peer" in metafunc.fixturenames:
        names = metafunc.config.getoption("--ikelab-peer") or ["reference"]
        metafunc.parametrize("_peer_name", names, scope="session")


@pytest.fixture(scope="session")
def _peer_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def _rig(_peer_name: str, request: pytest.FixtureRequest) -> Iterator[Rig]:
    suite = _suite(request.config)
    made = suite.open_rig(_peer_name)
    yield made
    made.close()


@pytest.fixture
def _test(_rig: Rig, request: pytest.FixtureRequest) -> Iterator[Rig]:
    suite = _suite(request.config)
    suite.begin(_rig, request.node)
    yield _rig
    suite.end(_rig, request.node)


@pytest.fixture
def peer(_test: Rig) -> Tested:
    """The peer under test: `start(**config)`, `initiate()`, `view()`, `disagreements(sa)`."""
    return _test.peer


@pytest.fixture
def initiator(_test: Rig) -> Initiator:
    """Our endpoint as initiator: `init()`, `establish()`, `probe()`."""
    return _test.initiator()


@pytest.fixture
def responder(_test: Rig) -> Responder:
    """Our endpoint as responder: `listen()`, `accept()`."""
    return _test.responder()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    suite = item.config.pluginmanager.get_plugin("ikelab-suite")
    if suite is not None and "peer" in getattr(item, "fixturenames", ()):
        suite.phase(item, call, report)
    return report


__all__ = ["case", "initiator", "peer", "responder", "rfc"]
