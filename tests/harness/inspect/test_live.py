"""Listening on an interface, in the namespace one is in and in another."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable

import pytest

from ikelab.harness.errors import ConfigError
from ikelab.harness.inspect.keys import KeyRing
from ikelab.harness.inspect.live import Live
from ikelab.harness.inspect.watch import watch
from ikelab.netns import world

REQUEST = b"initiate" + bytes(8) + struct.pack("!BBBBII", 41, 0x20, 34, 8, 0, 36)
REQUEST += struct.pack("!BBHBBH", 0, 0, 8, 0, 0, 16389)


def heard(namespace: Callable[[], str]) -> tuple[list[str], int, int, str | None]:
    """Lines, frames and IKE messages of two requests on the loopback, told where it is."""
    world.raise_loopback()
    device = Live("lo", namespace(), frames=4, seconds=20)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 500))
        for _ in range(2):  # the loopback shows each packet going out and coming in
            sock.sendto(REQUEST, ("127.0.0.1", 500))
        lines: list[str] = []
        it = watch(device, KeyRing(), lines.append)
    return lines, it.frames, it.kinds["ike"], it.lost


def from_within() -> tuple[list[str], int, int, str | None]:
    return heard(lambda: "")


def from_elsewhere() -> tuple[list[str], int, int, str | None]:
    """This process stays; only a thread goes into the namespace that it names by a path."""
    return heard(lambda: f"/proc/{os.getpid()}/ns/net")


@pytest.mark.parametrize("listen", [from_within, from_elsewhere])
def test_messages_are_told_as_they_come(
    shared_world: Callable[..., object], listen: Callable[[], object]
) -> None:
    found = shared_world(listen)
    assert isinstance(found, tuple)
    lines, frames, messages, lost = found
    assert (frames, messages, lost) == (4, 4, None)
    assert len(lines) == 4
    assert all("127.0.0.1:500 > 127.0.0.1:500  #0 IKE_SA_INIT  HDR(" in line for line in lines)


def test_what_cannot_be_listened_on_is_named() -> None:
    for namespace, reason in (("", "No such device"), ("no-such-namespace", "No such file")):
        with pytest.raises(ConfigError, match=f"cannot listen on nothing0.*{reason}|CAP_NET_RAW"):
            Live("nothing0", namespace)
