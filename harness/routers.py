"""Opening a router of ikelab.toml: the lab that runs it, the session with it, its driver.

The only room that knows labs and peers both.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from ikelab.harness.errors import ConfigError, IkelabError
from ikelab.harness.lab.base import ConsoleAt, Impairment, Router
from ikelab.harness.peer.ios.dialogue import BOOT_TIME
from ikelab.harness.peer.ios.driver import IosPeer
from ikelab.harness.peer.ios.entry import RouterEntry, lab_keys
from ikelab.harness.peer.ios.session import Access, Session


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
        BOOT_TIME,
        through=there.words,
        user=there.user,
        password=there.password,
    )


def _lab(entry: RouterEntry) -> Router:
    """The back-end of an entry's table; ConfigError names what the table has wrong."""
    table = dict(entry.lab)
    table.setdefault("node", entry.name)
    table.pop("condition", None)
    address = f"{entry.ours}/{entry.prefix}" if entry.ours and entry.prefix else ""
    try:
        return _gns3(table, address) if entry.lab_kind == "gns3" else _cml(table)
    except ConfigError as error:
        raise ConfigError(f"router {entry.name!r}: {error}") from None


def _condition(entry: RouterEntry) -> Impairment:
    """What the table says of the wire."""
    text = str(entry.lab.get("condition", ""))
    try:
        return Impairment.parse(text) if text else Impairment()
    except ConfigError as error:
        raise ConfigError(f"router {entry.name!r}: {error}") from None


def _gns3(table: dict[str, Any], address: str) -> Router:
    from ikelab.harness.lab.gns3 import Gns3Router, Spec
    from ikelab.harness.lab.gns3_api import Api

    server = {key: table.pop(key) for key in ("user", "password", "token") if key in table}
    url = _url(table.pop("url", None), "gns3")
    given = lab_keys("gns3", table, _keys(Spec))
    return Gns3Router(Api(url, **server), Spec(**given), address)


def _cml(table: dict[str, Any]) -> Router:
    from ikelab.harness.lab.cml import CmlRouter, Spec

    table["url"] = _url(table.get("url"), "cml")
    given = lab_keys("cml", table, _keys(Spec))
    return CmlRouter(Spec(**{"user": "", **given}))


def _keys(spec: Any) -> dict[str, None]:
    return {field.name: None for field in fields(spec)} | {"condition": None}


def _url(value: Any, kind: str) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigError(f'table {kind} needs url = "http://HOST:PORT"')
    return value
