"""One case against a peer: reach the state, send the changed message, see what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ikelab.harness.edits import Plan
from ikelab.harness.endpoint import Initiator, Session
from ikelab.harness.errors import ConfigError
from ikelab.harness.exchange.table import State
from ikelab.layers.iana import Notify, Protocol
from ikelab.layers.notify import IKEv2_Notify
from ikelab.layers.payloads import IKEv2_Delete

# The exchanges in the order in which an initiator comes to them.
ORDER = ("IKE_SA_INIT", "IKE_AUTH", "CREATE_CHILD_SA", "INFORMATIONAL")
PATIENCE = 0.25  # seconds without an answer that stand for silence


@dataclass(frozen=True, slots=True)
class Answer:
    """What a case led to: how far it came, and the answer to the changed message in a word."""

    exchange: str
    kind: str  # "silence", notify names, payload names
    established: bool

    def __str__(self) -> str:
        return f"{self.exchange}: {self.kind}"


def informational() -> list[Any]:
    """What our INFORMATIONAL requests hold before they are changed: a notify and a delete."""
    return [
        IKEv2_Notify(type=Notify.INITIAL_CONTACT),
        IKEv2_Delete(proto=Protocol.ESP, SPI=[b"\x12\x34\x56\x78"]),
    ]


def goal(plan: Plan) -> str:
    """The last exchange that a plan changes; ConfigError for a plan without requests of ours."""
    named = [b.exchange for b in plan.bindings if not b.response and b.exchange in ORDER]
    if not named:
        raise ConfigError(
            f"the plan changes no request of an initiator: bind edits to {', '.join(ORDER)}"
        )
    return max((str(name) for name in named), key=ORDER.index)


def drive(initiator: Initiator, plan: Plan) -> tuple[Session, Answer]:
    """Play a plan as initiator; everything else in the conversation is honest."""
    last = goal(plan)
    session = initiator.session(plan=plan, lenient=True)
    wait = {name: PATIENCE if name == last else None for name in ORDER}
    session.init(patience=wait["IKE_SA_INIT"])
    if last != "IKE_SA_INIT" and session.state is State.INIT_DONE:
        session.auth(patience=wait["IKE_AUTH"])
        if session.established and last == "CREATE_CHILD_SA":
            session.create_child(patience=PATIENCE)
        elif session.established and last == "INFORMATIONAL":
            session.inform(informational(), patience=PATIENCE)
    return session, _answer(session, last)


def _answer(session: Session, last: str) -> Answer:
    reply = session.reply
    if reply.silent:
        kind = "silence"
    else:
        kind = ", ".join(reply.errors) or ", ".join(reply.names) or "empty"
    return Answer(last, kind, session.established)
