"""Two ends of an IKE SA and the datagrams between them, delivered by hand: for collisions.

An end is a Listener, so that successors of the IKE SA are found by their SPIs. Whatever an end
sends is returned and goes nowhere until it is delivered: held back, dropped, doubled or reordered
as a test says.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any

from talk import config, mirrored

from ikelab.harness.entropy import entropy
from ikelab.harness.exchange.child import Child
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.listener import Listener
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Datagram
from ikelab.harness.options import overridden
from ikelab.harness.transcript import SENT
from ikelab.layers.iana import Payload
from ikelab.layers.message import demux

NONCE = 47  # octets: a length that nothing else is drawn with, so nonces can be told apart


class Rigged:
    """Entropy whose next nonces are what a test wants (`lead` is how each begins).

    A nonce is told by its length, `octets`.
    """

    def __init__(self, seed: int, label: str) -> None:
        self._stream = entropy(seed, label)
        self.octets = NONCE
        self.lead: deque[bytes] = deque()

    def __call__(self, octets: int) -> bytes:
        drawn = self._stream(octets)
        if octets == self.octets and self.lead:
            drawn = (self.lead.popleft() + drawn)[:octets]
        return drawn


class Crossing:
    """A (the original initiator) and B, with an IKE SA and one child up between them."""

    def __init__(
        self,
        *,
        seed: int = 1,
        a: dict[str, Any] | None = None,
        b: dict[str, Any] | None = None,
        **both: Any,
    ) -> None:
        common = config(nonce_length=NONCE, **both)
        self.entropy = {"a": Rigged(seed, "a"), "b": Rigged(seed, "b")}
        ours, theirs = overridden(common, **(a or {})), overridden(mirrored(common), **(b or {}))
        self.entropy["a"].octets, self.entropy["b"].octets = ours.nonce_length, theirs.nonce_length
        self.ends = {
            "a": Listener(ours, self.entropy["a"]),
            "b": Listener(theirs, self.entropy["b"]),
        }
        self.sas: dict[str, list[IkeSa]] = {"a": [], "b": []}  # every one there ever was
        for name, end in self.ends.items():
            end.on_new = self.sas[name].append
        self.sent_to: Counter[str] = Counter()  # for whoever counts
        self.now = 0.0
        self.a = IkeSa(ours, initiator=True, entropy=self.entropy["a"])
        self.ends["a"].add(self.a)
        self.a.start_init(self.now)
        self.settle(self.sent("a"))
        self.a.start_auth(self.now)
        self.settle(self.sent("a"))
        self.b = self.sas["b"][0]
        assert self.a.state is self.b.state is State.ESTABLISHED, str(self.a.transcript)

    def nonces(self, *, lowest: str) -> None:
        """Rig the next nonces: A draws Ni1 and Nr1, B draws Ni2 and Nr2, in this order.

        As in RFC 7296 2.8.1: request 1 (Ni1) is A's and B answers it with Nr2.
        """
        for end in ("a", "b"):
            mine = ("Ni1", "Nr1") if end == "a" else ("Ni2", "Nr2")
            self.entropy[end].lead.extend(b"\x01" if n == lowest else b"\x80" for n in mine)

    def sent(self, end: str) -> list[Datagram]:
        """What an end has to send now."""
        return self.ends[end].datagrams(self.now)

    def begin(self, intent: Callable[..., None], *args: Any, **kwargs: Any) -> list[Datagram]:
        """Let an SA begin something, such as `x.a.rekey_child`: the datagrams of its request."""
        intent(*args, self.now, **kwargs)
        return self.sent("a") + self.sent("b")

    def deliver(self, datagrams: Iterable[Datagram]) -> list[Datagram]:
        """Deliver these, and return what the end that got them sends for it."""
        out: list[Datagram] = []
        for datagram in datagrams:
            self.now += 0.001
            end = self.end_of(datagram)
            self.ends[end].receive(datagram, self.now)
            out += self.sent(end)
        return out

    def settle(self, *flights: Iterable[Datagram]) -> None:
        """Deliver everything, and all that comes of it, until nobody sends any more."""
        waiting = [d for flight in flights for d in flight]
        while waiting:
            waiting = self.deliver(waiting)

    def wait(self, end: str) -> list[Datagram]:
        """Let an end's next timer run out; what it sends then (its retransmissions)."""
        due = self.ends[end].timer()
        assert due is not None
        self.now = max(self.now, due)
        self.ends[end].handle_timer(self.now)
        return self.sent(end)

    def repeat(self) -> list[Datagram]:
        """What comes again where something is waited for; nothing where all is at rest."""
        for end in ("a", "b"):
            if any(sa.window.waiting for sa in self.live(end)):
                return self.wait(end)
        return []

    def end_of(self, datagram: Datagram) -> str:
        """The end that a datagram is for."""
        local = self.ends["a"].config.local[0]
        return "a" if datagram.dst[0] == local else "b"

    def live(self, end: str) -> list[IkeSa]:
        """The IKE SAs of an end that are not over."""
        return [sa for sa in self.sas[end] if not sa.over]

    def opened(self, flight: Iterable[Datagram]) -> Inbound:
        """The one message of a flight, as whoever sent it opened it."""
        [datagram] = flight
        steps = [s for end in self.sas.values() for sa in end for s in sa.transcript]
        data = demux(datagram.data, datagram.dst[1])[1]
        step = next(s for s in steps if s.data == data and s.direction == SENT)
        return Inbound(step.message, step.inner())


def deleted(it: Inbound) -> list[bytes]:
    """The SPIs that a message's Delete payloads name."""
    return [bytes(spi) for payload in it.all(Payload.D) for spi in payload.SPI]


def pairs(children: Iterable[Child]) -> set[tuple[bytes, bytes]]:
    """(our SPI, the peer's SPI) of each child."""
    return {(c.spi_in, c.spi_out) for c in children}


def assert_agreed(a: IkeSa, b: IkeSa) -> None:
    """Both ends hold the same IKE SA and the same children, with the same keys; all is at rest."""
    assert a.spis == b.spis and a.keys == b.keys and a.chosen == b.chosen
    assert a.initiator is not b.initiator
    assert a.state is b.state is State.ESTABLISHED
    assert pairs(a.children.values()) == {(i, o) for o, i in pairs(b.children.values())}
    theirs = {c.spi_out: c for c in b.children.values()}
    for mine in a.children.values():
        other = theirs[mine.spi_in]
        assert mine.keys == other.keys and mine.keys is not None
        assert mine.made_by_us is not other.made_by_us
        assert (mine.local_ts, mine.remote_ts) == (other.remote_ts, other.local_ts)
        assert (mine.mode, mine.suite, mine.protocol) == (other.mode, other.suite, other.protocol)
    assert not a.violations and not b.violations
    assert not a.window.waiting and not b.window.waiting
    assert not a.collisions.theirs and not b.collisions.theirs
