"""What the tests of the data plane share: a child's two ends, with keys that are plain to see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ikelab.harness.crypto.keys import derive_child
from ikelab.harness.esp.child import ChildPath
from ikelab.harness.exchange.child import Child
from ikelab.harness.model import Spis, Suite, selectors
from ikelab.layers.iana import Prf, Protocol

ENDS = {4: ("10.0.0.1", "10.0.0.2"), 6: ("2001:db8::1", "2001:db8::2")}
BEHIND = {
    (4, "tunnel"): ("10.1.0.0/24", "10.2.0.0/24"),
    (6, "tunnel"): ("2001:db8:1::/64", "2001:db8:2::/64"),
    (4, "transport"): ENDS[4],
    (6, "transport"): ENDS[6],
}


def counting() -> Callable[[int], bytes]:
    """Entropy that repeats in every run, and not within one."""
    state = [0]

    def entropy(octets: int) -> bytes:
        state[0] += 1
        return state[0].to_bytes(4, "big").rjust(octets, b"\xa5")[-octets:] if octets else b""

    return entropy


def pair(
    suite: str | Suite = "aes128gcm16",
    *,
    mode: str = "tunnel",
    version: int = 4,
    ts: tuple[str, str] | None = None,
    **options: Any,
) -> tuple[ChildPath, ChildPath]:
    """The initiator's path and the responder's, of one child."""
    if isinstance(suite, str):
        suite = Suite.parse(suite, Protocol.ESP)
    keys = derive_child(Prf.PRF_HMAC_SHA2_256, b"d" * 32, suite, b"i" * 32, b"r" * 32)
    tsi, tsr = (selectors(text) for text in ts or BEHIND[version, mode])
    spis = Spis(b"\xc1\x11\x11\x11", b"\xc2\x22\x22\x22")
    ours, theirs = ENDS[version]
    ends = []
    for made_by_us, local, remote in ((True, ours, theirs), (False, theirs, ours)):
        child = Child(suite.protocol, spis, made_by_us, suite, tsi, tsr, keys, mode)
        ends.append(ChildPath(child, local=local, remote=remote, entropy=counting(), **options))
    return ends[0], ends[1]


@pytest.fixture
def child() -> Callable[..., tuple[ChildPath, ChildPath]]:
    """`child(suite, mode=, version=, ts=)`: both ends of a CHILD_SA."""
    return pair
