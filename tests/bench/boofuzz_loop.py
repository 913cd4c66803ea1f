"""boofuzz at its fastest on the same daemon: one flat request, nothing read, nothing logged.

Its cases are changes of the fields of an IKE_SA_INIT request, as ours are. It is not needed by
anything but this bench: `pip install boofuzz` into an environment of its own, and name that one's
`site-packages` in PYTHONPATH.
"""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ikelab.harness.model import Address

MISSING = "boofuzz is not installed here, so that nothing is said of it (pip install boofuzz)"
CASES = 1500


def there() -> bool:
    """Whether it can be measured here."""
    return find_spec("boofuzz") is not None


def rate(sock: socket.socket, peer: Address, request: bytes) -> float:
    """Cases a second: each a datagram that was sent, whatever came back."""
    from boofuzz import Request, Session, Target

    with tempfile.TemporaryDirectory(prefix="ikelab-") as folder, _inside(folder):
        session = Session(
            target=Target(connection=_connection(sock, peer)),
            index_end=CASES,
            sleep_time=0.0,
            web_port=None,
            keep_web_open=False,
            fuzz_loggers=[],
            receive_data_after_each_request=False,
            receive_data_after_fuzz=False,
            reuse_target_connection=True,
        )
        session.connect(Request("init", children=tuple(_fields(request))))
        start = time.perf_counter()
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
            session.fuzz()
        return float(session.num_cases_actually_fuzzed / (time.perf_counter() - start))


@contextlib.contextmanager
def _inside(folder: str) -> Any:
    """It writes its results where one stands."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _fields(request: bytes) -> Any:
    from boofuzz import Byte as Octet
    from boofuzz import Bytes, DWord, QWord, Static, Word

    def number(cls: Any, name: str, start: int, size: int) -> Any:
        value = int.from_bytes(request[start : start + size], "big")
        return cls(name, default_value=value, endian=">", full_range=size < 2)

    yield number(QWord, "SPIi", 0, 8)
    yield number(QWord, "SPIr", 8, 8)
    for place, name in enumerate(("next", "version", "exchange", "flags"), 16):
        yield number(Octet, name, place, 1)
    yield number(DWord, "id", 20, 4)
    yield number(DWord, "length", 24, 4)
    here, kind = 28, request[16]
    while kind:
        size = int.from_bytes(request[here + 2 : here + 4], "big")
        yield number(Octet, f"next of {here}", here, 1)
        yield Static(f"flags of {here}", default_value=request[here + 1 : here + 2])
        yield number(Word, f"length of {here}", here + 2, 2)
        yield Bytes(f"body of {here}", default_value=request[here + 4 : here + size], size=size - 4)
        kind, here = request[here], here + size


def _connection(sock: socket.socket, peer: Address) -> Any:
    from boofuzz import ITargetConnection

    class Ours(ITargetConnection):  # type: ignore[misc]
        """A socket that is there already, in the namespace of the initiator."""

        info = "UDP"

        def open(self) -> None:
            pass

        def close(self) -> None:
            pass

        def recv(self, max_bytes: int) -> bytes:
            return b""

        def send(self, data: bytes) -> int:
            return sock.sendto(data, peer)

    return Ours()
