"""One message made to measure: an honest conversation in memory, changed by a plan on its way.

Nothing is sent anywhere. The built-in peer is the other end, so that a message of any exchange has
the keys, the SPIs and the order that it would have; the plan says what is different about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ikelab.harness.edits import Plan
from ikelab.harness.errors import ConfigError, nearest, plain
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


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which message: its exchange, and whether it is the response."""

    exchange: Exchange
    response: bool

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
                return cls.parse(binding.target.partition("#")[0])
        return cls(Exchange.IKE_SA_INIT, response=False)

    def on_the_way(self, plan: Plan) -> None:
        """ConfigError for an edit of a message that comes after this one: it would do nothing."""
        order = [row.name for row in MADE]
        here = order.index(self.exchange.name), self.response
        for binding in plan.bindings:
            name = binding.exchange or order[0]
            if name not in order or (order.index(name), binding.response) > here:
                raise ConfigError(f"{self} comes before {binding.target}, which the plan changes")

    def __str__(self) -> str:
        return f"{self.exchange.name}/{'response' if self.response else 'request'}"

    def found(self, steps: Sequence[Step], exchange: Exchange) -> list[Step]:
        """The message among the steps of an exchange; its fragments where it is in several.

        An edit may have changed what tells it: then it is the first one of that exchange.
        """
        direction = RECEIVED if self.response else SENT
        there = [s for s in steps if s.direction == direction and s.note != "sent again"]
        exact = [s for s in there if _kind(s) == (self.exchange, self.response)]
        if not exact:
            return there[:1] if exchange == self.exchange else []
        pieces = [s for s in exact if any(p.kind == Payload.SKF for p in s.message.payloads)]
        return [s for s in pieces if s.message.id == exact[0].message.id] or exact[:1]


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
    if not found:
        raise ConfigError(f"there is no {wanted} in this conversation: {_lacking(wanted, session)}")
    return found


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
