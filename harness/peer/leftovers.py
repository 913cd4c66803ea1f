"""What a killed daemon leaves in a host's kernel, and its removal. Call inside the host.

Absence is fine: a kernel that lacks the facility has nothing of it left over.
"""

from __future__ import annotations

import contextlib
import socket
import struct

from ikelab.netns.nl import Request, attribute, talk

_NETLINK_XFRM = 6
_FLUSH_SA, _FLUSH_POLICY, _DELETE_RULE = 0x1C, 0x1D, 33
_TO_TABLE = 1
_PRIORITY, _TABLE = 6, 15


def flush_ipsec() -> None:
    """Drop every security association and policy of this network namespace."""
    for kind, body in ((_FLUSH_SA, b"\0"), (_FLUSH_POLICY, b"")):
        with contextlib.suppress(OSError):
            talk(_NETLINK_XFRM, [Request(kind, body)])


def drop_rule(table: int, priority: int) -> None:
    """Delete the routing rule that names a table, for IPv4 and IPv6."""
    for family in (socket.AF_INET, socket.AF_INET6):
        header = struct.pack("=8BI", family, 0, 0, 0, 0, 0, 0, _TO_TABLE, 0)
        numbers = {_PRIORITY: priority, _TABLE: table}
        body = header + b"".join(attribute(k, struct.pack("=I", n)) for k, n in numbers.items())
        with contextlib.suppress(OSError):
            talk(socket.NETLINK_ROUTE, [Request(_DELETE_RULE, body)])
