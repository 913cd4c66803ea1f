"""Changes to a network that stands already: addresses and routes, by pyroute2.

Call inside the host (`Host.call`). Building a lab is `rtnl`'s, which says what pyroute2 would cost
there; in the middle of a session its time does not matter. It is imported at the first change,
because that alone takes 0.15 s and most runs have none.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

from ikelab.netns.topology import Interface


@contextlib.contextmanager
def _netlink() -> Iterator[Any]:
    """An IPRoute of this thread's network; what the kernel refuses is an OSError."""
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    with IPRoute() as netlink:
        try:
            yield netlink
        except NetlinkError as error:  # no OSError, though it holds all that one has
            raise OSError(error.code, error.args[-1]) from error


def address(device: str, interface: Interface, *, gone: bool = False) -> None:
    """A device has this address from now on; or no longer."""
    with _netlink() as netlink:
        netlink.addr(
            "del" if gone else "add",
            index=socket.if_nametoindex(device),
            address=str(interface.ip),
            prefixlen=interface.network.prefixlen,
        )


def default_route(via: str, *, gone: bool = False) -> None:
    """Packets that no other route is for go to a neighbour; or no longer."""
    with _netlink() as netlink:
        netlink.route("del" if gone else "add", dst="default", gateway=via)
