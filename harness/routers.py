"""Opening a router of ikelab.toml: the lab that runs it, the session with it, its driver.

The only room that knows labs and peers both.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ikelab.harness.errors import ConfigError, IkelabError
from ikelab.harness.lab.base import ConsoleAt, Impairment, Router
from ikelab.harness.peer import external
from ikelab.harness.peer.base import PeerConfig, Unsupported
from ikelab.harness.peer.external import Entry
from ikelab.harness.peer.ios.driver import IosPeer
from ikelab.harness.peer.ios.entry import RouterEntry
from ikelab.harness.peer.ios.session import Access, Session


def find(file: str = "") -> dict[str, Entry]:
    """The entries of the user's file, as `external.find`, with all that they say of routers right.

    What is wrong is told here in one line, before a router is booted and a case begins.
    """
    found = external.find(file)
    for entry in found.values():
        if entry.router is not None:
            try:
                _check(entry.router, entry.config)
            except ConfigError as error:
                name = entry.router.name
                raise ConfigError(f"{file or external.FILE}: peer {name!r}: {error}") from None
    return found


def _check(router: RouterEntry, config: PeerConfig) -> None:
    """ConfigError for a wrong table of a lab, and for what no release could be configured with."""
    from ikelab.harness.peer.ios import dialect
    from ikelab.harness.peer.ios.releases import RELEASES

    if router.lab_kind:
        from ikelab.harness.lab import tables

        way_in = router.access is not None
        tables.check(router.lab_kind, router.lab, address=_address(router), way_in=way_in)
    refusals = []
    for release in [router.release] if router.release else RELEASES:
        spoken = dialect.of("", release)
        assert spoken is not None
        try:
            spoken.render(config, router.interface or spoken.interface)
            return
        except Unsupported as error:
            refusals.append(str(error))
    raise ConfigError(f"no case could be configured: {refusals[0]}")


@dataclass(frozen=True, slots=True)
class Open:
    """A router that can be talked to, the lab that runs it (if any), and how to let go of both."""

    session: Session
    lab: Router | None
    close: Callable[[], None]


def open_session(entry: RouterEntry) -> Open:
    """Start the router where a lab is to, and a session; the session connects when first used."""
    if entry.lab_kind:
        lab, wanted = _lab(entry), _condition(entry)
        lab.start()
        try:
            if wanted:
                lab.impair(wanted)
            access = entry.access or _access(entry, lab.console())
        except BaseException:
            with contextlib.suppress(IkelabError):  # what went wrong first is what counts
                lab.delete()
            raise
        return Open(Session.over(access), lab, lab.delete)
    assert entry.access is not None
    return Open(Session.over(entry.access), None, lambda: None)


def open_router(entry: RouterEntry) -> IosPeer:
    """The driver of a router; which release it is has been asked."""
    from ikelab.harness.peer.ios import dialect

    opened = open_session(entry)
    try:
        version = "" if entry.release else opened.session.show("show version")
        spoken = dialect.of(version, entry.release)
        if spoken is None:
            raise ConfigError(
                f"{entry.name} does not say which release of IOS it is: write "
                f'release = "17.9" (or "asa 9.16") into its entry'
            )
        return IosPeer(entry, opened.session, spoken, opened.close)
    except BaseException:
        opened.session.close()
        with contextlib.suppress(Exception):  # what went wrong first is what counts
            opened.close()
        raise


def _access(entry: RouterEntry, there: ConsoleAt) -> Access:
    return Access(
        entry.name,
        "ssh" if there.words else "console",
        there.host,
        there.port,
        entry.login,
        entry.boot,
        through=there.words,
        user=there.user,
        password=there.password,
    )


def _lab(entry: RouterEntry) -> Router:
    """The back-end of an entry's table, which `find` has looked through."""
    table = dict(entry.lab)
    table.setdefault("node", entry.name)
    table.pop("condition", None)
    try:
        return _gns3(table, _address(entry)) if entry.lab_kind == "gns3" else _cml(table)
    except ConfigError as error:
        raise ConfigError(f"router {entry.name!r}: {error}") from None


def _address(entry: RouterEntry) -> str:
    """Our end of the wire, "" where the entry does not say it."""
    return f"{entry.ours}/{entry.prefix}" if entry.ours and entry.prefix else ""


def _condition(entry: RouterEntry) -> Impairment:
    """What the table says of the wire."""
    text = str(entry.lab.get("condition", ""))
    return Impairment.parse(text) if text else Impairment()


def _gns3(table: dict[str, Any], address: str) -> Router:
    from ikelab.harness.lab.gns3 import Gns3Router, Spec
    from ikelab.harness.lab.gns3_api import Api

    server = {key: table.pop(key) for key in ("user", "password", "token") if key in table}
    return Gns3Router(Api(table.pop("url"), **server), Spec(**table), address)


def _cml(table: dict[str, Any]) -> Router:
    from ikelab.harness.lab.cml import CmlRouter, Spec

    return CmlRouter(Spec(**{"user": "", **table}))
