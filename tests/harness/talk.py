"""Two ends of an IKE SA with nothing in between but lists: what the engine's tests talk through."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from ikelab.harness.edits import Plan
from ikelab.harness.entropy import entropy
from ikelab.harness.exchange.config import IkeConfig
from ikelab.harness.exchange.events import Event
from ikelab.harness.exchange.listener import Listener
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.model import Datagram, Identity, Violation, selectors, suites
from ikelab.harness.options import overridden
from ikelab.layers.iana import Protocol

LEFT, RIGHT = "10.0.0.1", "10.0.0.2"
QUICK, QUICK_ESP = "aes128-sha256-x25519", "aes128-sha256"
LEFT_NET, RIGHT_NET = "10.1.0.0/16", "10.2.0.0/16"


def config(**options: Any) -> IkeConfig:
    """The initiator's side, with what a test says instead."""
    base = IkeConfig(
        local=(LEFT, 500),
        remote=(RIGHT, 500),
        local_id=Identity.parse("left@example.org"),
        remote_id=Identity.parse("right@example.org"),
        psk=b"a secret",
        ike=suites([QUICK]),
        esp=suites([QUICK_ESP], Protocol.ESP),
        local_ts=selectors(LEFT_NET),
        remote_ts=selectors(RIGHT_NET),
    )
    return overridden(base, **options)


def mirrored(config: IkeConfig) -> IkeConfig:
    """The same as seen from the other side."""
    return replace(
        config,
        local=config.remote,
        remote=config.local,
        local_id=config.remote_id or Identity.parse("right@example.org"),
        remote_id=config.local_id,
        local_ts=config.remote_ts,
        remote_ts=config.local_ts,
    )


class Talk:
    """An initiator's IkeSa and a responder's Listener; nothing moves but by `carry` and friends.

    `i` and `r` are options of one side, the rest is for both. `out` and `back` are what a NAT on
    the way does to a datagram.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        i: dict[str, Any] | None = None,
        r: dict[str, Any] | None = None,
        out: Callable[[Datagram], Datagram] = lambda d: d,
        back: Callable[[Datagram], Datagram] = lambda d: d,
        **both: Any,
    ) -> None:
        both_sides = config(**both)
        ours = overridden(both_sides, **(i or {}))
        theirs = overridden(mirrored(both_sides), **(r or {}))
        self.i = IkeSa(ours, initiator=True, entropy=entropy(seed, "initiator"))
        self.listener = Listener(theirs, entropy(seed, "responder"))
        self.out, self.back = out, back
        self.now = 0.0

    @property
    def r(self) -> IkeSa:
        """The responder's newest SA."""
        return self.listener.sas[-1]

    @property
    def violations(self) -> list[Violation]:
        """What either end says that the other broke."""
        return [v for sa in (self.i, *self.listener.sas) for v in sa.violations]

    def sent(self) -> list[Datagram]:
        """What the initiator has to send now, as it arrives at the responder."""
        return [self.out(d) for d in self.i.datagrams(self.now)]

    def answered(self) -> list[Datagram]:
        """What the responder has to send now, as it arrives at the initiator."""
        return [self.back(d) for d in self.listener.datagrams(self.now)]

    def to_responder(self, datagrams: Iterable[Datagram]) -> None:
        """Deliver to the responder."""
        for datagram in datagrams:
            self.now += 0.001
            self.listener.receive(datagram, self.now)

    def to_initiator(self, datagrams: Iterable[Datagram]) -> None:
        """Deliver to the initiator."""
        for datagram in datagrams:
            self.now += 0.001
            self.i.receive(datagram, self.now)

    def carry(self) -> None:
        """Deliver everything, both ways, until nobody has anything to send."""
        while True:
            there, here = self.sent(), self.answered()
            if not there and not here:
                return
            self.to_responder(there)
            self.to_initiator(here)

    def init(self, *edits: Any) -> Talk:
        """IKE_SA_INIT with whatever retries it takes."""
        self.i.start_init(self.now, edits)
        self.carry()
        return self

    def auth(self, *edits: Any) -> Talk:
        """IKE_AUTH."""
        self.i.start_auth(self.now, edits)
        self.carry()
        return self

    def up(self) -> Talk:
        """Both exchanges, without edits."""
        return self.init().auth()


def events(sa: IkeSa) -> list[Event]:
    """Every event that waits."""
    found = []
    while (event := sa.next_event()) is not None:
        found.append(event)
    return found


def plan(text: str) -> Plan:
    """A plan of one line or several."""
    return Plan.parse(text)
