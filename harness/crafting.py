"""One message made to measure: an honest conversation in memory, changed by a plan on its way.

Nothing is sent anywhere. The built-in peer is the other end, so that a message of any exchange has
the keys, the SPIs and the order that it would have; the plan says what is different about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ikelab.harness import apply
from ikelab.harness.edits import Binding, Edit, Plan, Stage
from ikelab.harness.errors import ConfigError, nearest, plain
from ikelab.harness.model import Datagram
from ikelab.harness.peer.faults import Fault
from ikelab.harness.record import CaseFolder, RunFolder
from ikelab.harness.rig import Settings, rig
from ikelab.harness.session import Session
from ikelab.harness.transcript import RECEIVED, SENT, Step
from ikelab.layers.iana import Exchange, Payload

MADE = (
    Exchange.IKE_SA_INIT,
    Exchange.IKE_INTERMEDIATE,
    Exchange.IKE_AUTH,
    Exchange.CREATE_CHILD_SA,
    Exchange.INFORMATIONAL,
)
"""The exchanges of the conversation, in order; IKE_INTERMEDIATE where a proposal asks for it."""

OCTETS = ("flip", "set", "truncate", "append")
"""What an edit of the wire does to octets; the others are about when and where they go."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which message: its exchange, whether it is the response, and which such one of them."""

    exchange: Exchange
    response: bool
    number: int = 0

    @classmethod
    def parse(cls, text: str) -> Wanted:
        """Read `IKE_AUTH` or `IKE_AUTH/response`; ConfigError names what can be made."""
        name, _, half = text.partition("/")
        names = [row.name for row in MADE]
        if name not in names:
            hint = nearest(name, names, 1) or f"; there are {', '.join(names)}"
            raise ConfigError(f"{name!r} is no exchange whose messages can be made{hint}")
        if half not in ("", "request", "response"):
            raise ConfigError(f"{text!r}: write {name} or {name}/response, there is no {half!r}")
        return cls(Exchange[name], half == "response")

    @classmethod
    def of(cls, plan: Plan) -> Wanted:
        """The message that a plan changes last; an IKE_SA_INIT request where it changes none."""
        for binding in reversed(plan.bindings):
            if binding.exchange is not None:
                found = cls.parse(binding.target.partition("#")[0])
                return replace(found, number=binding.number or 0)
        return cls(Exchange.IKE_SA_INIT, response=False)

    def on_the_way(self, plan: Plan) -> None:
        """ConfigError for an edit of a message that comes after this one: it would do nothing."""
        order = [row.name for row in MADE]
        here = order.index(self.exchange.name), self.number, self.response
        for binding in plan.bindings:
            name, number = binding.exchange or order[0], binding.number or 0
            if name not in order or (order.index(name), number, binding.response) > here:
                raise ConfigError(f"{self} comes before {binding.target}, which the plan changes")

    def __str__(self) -> str:
        half = "response" if self.response else "request"
        return f"{self.exchange.name}/{half}" + (f"#{self.number}" if self.number else "")

    def on_the_wire(self, plan: Plan) -> list[Edit]:
        """The edits of its datagrams; ConfigError for one that its octets do not show."""
        edits = plan.edits(self.exchange, self.response, self.number)
        found = [edit for edit in edits if edit.stage is Stage.WIRE]
        for edit in found:
            if edit.op not in OCTETS:
                raise ConfigError(
                    f"{edit} says when, where or how often {self} goes, and nothing is sent here: "
                    f"of the wire there are {', '.join(OCTETS)}; 'ikelab replay' does the rest"
                )
        return found

    def found(self, steps: Sequence[Step], exchange: Exchange) -> list[Step]:
        """The message among the steps of an exchange; its fragments where it is in several.

        An edit may have changed what tells it: then it is the first one of that exchange.
        """
        direction = RECEIVED if self.response else SENT
        there = [s for s in steps if s.direction == direction and s.note != "sent again"]
        exact = [s for s in there if _kind(s) == (self.exchange, self.response)]
        if not exact:
            return there[:1] if exchange == self.exchange and not self.number else []
        messages: list[list[Step]] = []
        for step in exact:
            if messages and _piece(step) and step.message.id == messages[-1][0].message.id:
                messages[-1].append(step)
            else:
                messages.append([step])
        return messages[self.number] if self.number < len(messages) else []


def _piece(step: Step) -> bool:
    return any(p.kind == Payload.SKF for p in step.message.payloads)


def _kind(step: Step) -> tuple[int, bool]:
    return step.message.exch_type, bool(int(step.message.flags) & 0x20)


def read(text: str) -> Plan:
    """A plan from a file, or from the words themselves."""
    if not text.strip():
        raise ConfigError("PLAN is empty: leave it out for an honest message")
    path = Path(text)
    if "\n" in text or not (":" not in text or _is_there(path)):
        return Plan.parse(text)
    try:
        found = Plan.parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        how = "give a file of edits, or an edit: IKE_AUTH/request: SK.TSi.TS[0].start_port = 9"
        raise ConfigError(f"no such plan: {text}; {how}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path} as a plan: {plain(error)}") from None
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    if not found:
        raise ConfigError(f"{path} holds no edit: leave it out for an honest message")
    return found


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # too long for a name, as an edit may be
        return False


def craft(
    plan: Plan,
    wanted: Wanted,
    *,
    seed: int | None = None,
    folder: RunFolder | None = None,
    **options: Sequence[str] | int | None,
) -> list[Step]:
    """The messages wanted: several where it goes in fragments. ConfigError where it does not come.

    `options` are `ike` and `esp` proposals and the size in octets from which on to `fragment`.
    """
    wanted.on_the_way(plan)
    wire = wanted.on_the_wire(plan)
    said = {name: value for name, value in options.items() if value}
    ours = Plan(tuple(b for b in plan.bindings if not b.response))
    theirs = Plan(tuple(b for b in plan.bindings if b.response))
    settings = Settings(seed=seed, fault=Fault("crafted", "", (), theirs))
    case = CaseFolder(folder, str(wanted)) if folder is not None else None
    with rig("reference", settings) as ground:
        ground.begin("craft", case.path if case else None)
        ground.peer.start(**said)
        session = ground.initiator().session(plan=ours, **said)
        found: list[Step] = []
        for exchange, intent in _intents(session):
            known = len(session.transcript.steps)
            intent()
            if found := wanted.found(session.transcript.steps[known:], exchange):
                break
        ground.end()
    if case is not None:
        case.write([session.sa])
        case.text("plan.txt", f"{plan}\n" if plan else "")
    _come_to(plan, session)
    if not found:
        raise ConfigError(f"there is no {wanted} in this conversation: {_lacking(wanted, session)}")
    # A response has come the way of the wire already; of a request we have what was handed to it.
    return found if wanted.response or not wire else _left(found, wire)


def _come_to(plan: Plan, session: Session) -> None:
    """ConfigError for an edit of the nth such message where there are not so many."""

    def count(binding: Binding) -> int:
        kinds = MADE if binding.exchange is None else (Exchange[binding.exchange],)
        return max(session.sa.counted[kind, False] for kind in kinds)

    for binding in plan.bindings:
        if binding.number is not None and binding.number >= (known := count(binding)):
            raise ConfigError(
                f"the plan changes nothing here: there is no {binding.target}, the conversation "
                f"has {known} such and the first one is #0"
            )


def _left(steps: Sequence[Step], wire: Sequence[Edit]) -> list[Step]:
    """The messages as they leave, each with what is done to its datagram."""
    sent = [Datagram(step.data, step.src, step.dst, step.now) for step in steps]
    return [
        replace(step, data=datagram.data, _message=None)
        for step, datagram in zip(steps, apply.on_wire(sent, wire), strict=True)
    ]


def _lacking(wanted: Wanted, session: Session) -> str:
    """Why a message did not come, and what to do."""
    if wanted.exchange == Exchange.IKE_INTERMEDIATE and session.established:
        return "it takes an additional key exchange, such as --ike aes256-sha256-x25519-ke1_x448"
    return f"it ended before that, the last answer being {session.reply.outcome}"


def _intents(session: Session) -> Iterator[tuple[Exchange, Callable[[], object]]]:
    """What an initiator does, one exchange after the other, as long as it can."""
    yield Exchange.IKE_SA_INIT, session.init
    if session.sa.keys is not None:
        yield Exchange.IKE_AUTH, session.auth
    if session.established:
        yield Exchange.CREATE_CHILD_SA, session.create_child
        yield Exchange.INFORMATIONAL, session.inform
