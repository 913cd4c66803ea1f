"""The course of one IKE SA as explanations look at it: what was asked, answered, refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from ikelab.harness.inspect import authcheck, facts
from ikelab.harness.inspect.authcheck import Proof
from ikelab.harness.inspect.configs.side import Pair, Side
from ikelab.harness.inspect.facts import Child
from ikelab.harness.inspect.session import Exchange, Half, Message, Session
from ikelab.harness.model import Address
from ikelab.harness.notation import exchange_name
from ikelab.layers.iana import Exchange as Type
from ikelab.layers.iana import Payload

PATIENCE = 4.0
"""Seconds of silence, while the capture goes on, that make a request unanswered."""

AT_ONCE = 0.1
"""Seconds within which the same packet is no repetition, but seen twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why it failed. `sentence` says it; the rest are evidence and what to do about it.

    `certain` is False where more than one cause fits. `works` is True where nothing failed.
    """

    cause: str
    sentence: str
    evidence: tuple[str, ...] = ()
    change: str = ""
    frames: tuple[int, ...] = ()
    certain: bool = True
    works: bool = False

    def __str__(self) -> str:
        parts = (self.sentence, *self.evidence, self.change)
        return " ".join(_sentence(p) for p in parts if p)


def _sentence(text: str) -> str:
    text = text[0].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."


@dataclass
class Story:
    """One IKE SA and what is known around it.

    `end` is the time of the capture's last message, `bare` the SPIs of all ESP packets in it.
    """

    session: Session
    pair: Pair = field(default_factory=Pair)
    psks: tuple[bytes, ...] = ()
    end: float = 0.0
    bare: set[bytes] = field(default_factory=set)
    parent: Session | None = None

    @cached_property
    def inits(self) -> list[Exchange]:
        return self.session.of_type(Type.IKE_SA_INIT)

    @cached_property
    def auths(self) -> list[Exchange]:
        return self.session.of_type(Type.IKE_AUTH)

    @cached_property
    def begun(self) -> Exchange | None:
        """The IKE_SA_INIT whose response chose a suite."""
        found = facts.beginning(self.session)
        if found is None or not facts.offer(found.response):
            return None
        return found

    @cached_property
    def established(self) -> Half | None:
        """The response with which the responder proved itself."""
        for exchange in reversed(self.auths):
            if facts.first(exchange.response, Payload.AUTH) is not None:
                return exchange.response
        return None

    @cached_property
    def children(self) -> list[Child]:
        return facts.children(self.session)

    @cached_property
    def proofs(self) -> list[Proof]:
        return authcheck.proofs(self.session, self.keys)

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The shared keys that were given, and those of the configurations."""
        sides = (self.pair.initiator, self.pair.responder)
        return (*self.psks, *(k for s in sides if s for k in s.psks))

    @cached_property
    def one_way(self) -> bool:
        """Whether only one end's messages were captured although it must have been answered."""
        sides = {m.initiator for m in self.session.messages}
        went_on = len(self.inits) < len(self.session.exchanges)
        return len(sides) == 1 and went_on

    def side(self, initiator: bool) -> Side | None:
        """The configuration of one end."""
        return self.pair.of(initiator)

    def who(self, initiator: bool) -> str:
        """`the initiator (10.0.0.1)`."""
        end = self.session.initiator if initiator else self.session.responder
        return f"the {'initiator' if initiator else 'responder'} ({end[0]})"

    def unanswered(self, exchange: Exchange) -> bool:
        """Whether a request stays without a response although there was time for one."""
        request = exchange.request
        if request is None or exchange.response is not None:
            return False
        # A bystander may miss answers that the sender had: then the conversation goes on.
        later = [
            m for m in self.session.messages
            if m.now > request.messages[-1].now and m.exchange != Type.IKE_SA_INIT
            and m.initiator == exchange.by_initiator and not m.response and m.id > exchange.id
        ]  # fmt: skip
        if later:
            return False
        return sent_again(request) > 0 or self.end - request.first.now >= PATIENCE


def sent_again(half: Half, since: float = 0.0) -> int:
    """How often a message was really sent again, after that time.

    A capture on several interfaces has each packet several times: at once, or with the addresses of
    both sides of a NAT.
    """
    last: dict[tuple[bytes, Address], float] = {}
    found = 0
    for message in half.messages:
        key, now = (message.data, message.src), message.now
        if key in last and now - last[key] >= AT_ONCE:
            found += now > since
        last[key] = now
    return found


def frames(*halves: Half | None) -> tuple[int, ...]:
    """The frames of requests and responses."""
    return tuple(m.frame for h in halves if h for m in h.messages)


def listed(numbers: tuple[int, ...] | list[int]) -> str:
    """`frame 3`, `frames 3, 5 and 9`, `frames 3, 5, 7 ... 40`."""
    found = [str(n) for n in dict.fromkeys(numbers)]
    if len(found) > 6:
        found = [*found[:3], f"... {found[-1]}"]
        return "frames " + ", ".join(found).replace(", ...", " ...")
    if len(found) == 1:
        return f"frame {found[0]}"
    return f"frames {', '.join(found[:-1])} and {found[-1]}"


def count(number: int, label: str) -> str:
    """`1 proposal`, `3 proposals`."""
    return f"{number} {label}" + ("" if number == 1 else "s")


def at(address: Address) -> str:
    """`10.0.0.1:500`, `[2001:db8::1]:500`."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def called(exchange: Exchange) -> str:
    """`IKE_AUTH`, or with its message ID where there may be several."""
    name = exchange_name(exchange.type)
    first = (Type.IKE_SA_INIT, Type.IKE_AUTH)
    return name if exchange.type in first else f"{name} #{exchange.id}"


def errors(exchange: Exchange) -> list[tuple[int, int]]:
    """(notify type, frame) of the error notifies in a response."""
    half = exchange.response
    if half is None:
        return []
    notifies = facts.of_kind(half, Payload.N)
    return [(int(n.type), half.first.frame) for n in notifies if n.type < facts.FIRST_STATUS]


def lone(messages: list[Message]) -> Iterator[Message]:
    """The messages that are no repetitions."""
    return (m for m in messages if not m.repeated)
