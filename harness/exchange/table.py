"""The legal order of an IKE SA as one role-blind table; the state diagram is drawn from it.

A row is (state, what happens) -> next state. `send` is ours, `recv` the peer's, so the same rows
serve the initiator and the responder. What has no row is out of order.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from ikelab.layers.iana import Exchange, lookup


class State(StrEnum):
    """Where an IKE SA is."""

    IDLE = "IDLE"
    INIT_SENT = "INIT_SENT"  # our IKE_SA_INIT request is out
    INIT_DONE = "INIT_DONE"  # keys exist, nobody is authenticated
    INTERMEDIATE_SENT = "INTERMEDIATE_SENT"  # our IKE_INTERMEDIATE request is out
    AUTH_SENT = "AUTH_SENT"  # our IKE_AUTH request is out
    ESTABLISHED = "ESTABLISHED"
    CLOSING = "CLOSING"  # our delete of the IKE SA is out
    CLOSED = "CLOSED"


class Happening(NamedTuple):
    """A message as the table sees it: who sends it, which exchange, request or response."""

    way: str  # "send" or "recv"
    exchange: Exchange
    half: str  # "request" or "response"
    outcome: str = ""  # "", "retry", "more", "refused", "delete"

    def __str__(self) -> str:
        text = f"{self.way} {self.exchange.name} {self.half}"
        return f"{text} ({self.outcome})" if self.outcome else text


_INIT, _AUTH = Exchange.IKE_SA_INIT, Exchange.IKE_AUTH
_CHILD, _INFO = Exchange.CREATE_CHILD_SA, Exchange.INFORMATIONAL
_RESUME = Exchange.IKE_SESSION_RESUME
_BETWEEN, _FOLLOWUP = Exchange.IKE_INTERMEDIATE, Exchange.IKE_FOLLOWUP_KE
S, H = State, Happening

TRANSITIONS: dict[tuple[State, Happening], State] = {
    # RFC 7296 1.2: the first exchange, with the retries of 1.2 (INVALID_KE_PAYLOAD) and 2.6
    (S.IDLE, H("send", _INIT, "request")): S.INIT_SENT,
    (S.INIT_SENT, H("recv", _INIT, "response", "retry")): S.IDLE,
    (S.INIT_SENT, H("recv", _INIT, "response", "refused")): S.CLOSED,
    (S.INIT_SENT, H("recv", _INIT, "response")): S.INIT_DONE,
    (S.IDLE, H("recv", _INIT, "request")): S.IDLE,
    (S.IDLE, H("send", _INIT, "response", "refused")): S.CLOSED,
    (S.IDLE, H("send", _INIT, "response")): S.INIT_DONE,
    # RFC 5723: a ticket in place of the first exchange; one that is refused leads to it
    (S.IDLE, H("send", _RESUME, "request")): S.INIT_SENT,
    (S.INIT_SENT, H("recv", _RESUME, "response", "retry")): S.IDLE,
    (S.INIT_SENT, H("recv", _RESUME, "response", "refused")): S.CLOSED,
    (S.INIT_SENT, H("recv", _RESUME, "response")): S.INIT_DONE,
    (S.IDLE, H("recv", _RESUME, "request")): S.IDLE,
    (S.IDLE, H("send", _RESUME, "response", "refused")): S.CLOSED,
    (S.IDLE, H("send", _RESUME, "response")): S.INIT_DONE,
    # RFC 9242: what goes between the first exchange and authentication, as often as it takes
    (S.INIT_DONE, H("send", _BETWEEN, "request")): S.INTERMEDIATE_SENT,
    (S.INTERMEDIATE_SENT, H("recv", _BETWEEN, "response")): S.INIT_DONE,
    (S.INTERMEDIATE_SENT, H("recv", _BETWEEN, "response", "refused")): S.CLOSED,
    (S.INIT_DONE, H("recv", _BETWEEN, "request")): S.INIT_DONE,
    (S.INIT_DONE, H("send", _BETWEEN, "response")): S.INIT_DONE,
    (S.INIT_DONE, H("send", _BETWEEN, "response", "refused")): S.CLOSED,
    # RFC 7296 1.2: authentication and the first child
    (S.INIT_DONE, H("send", _AUTH, "request")): S.AUTH_SENT,
    (S.AUTH_SENT, H("recv", _AUTH, "response")): S.ESTABLISHED,
    (S.AUTH_SENT, H("recv", _AUTH, "response", "refused")): S.CLOSED,
    (S.INIT_DONE, H("recv", _AUTH, "request")): S.INIT_DONE,
    (S.INIT_DONE, H("send", _AUTH, "response")): S.ESTABLISHED,
    (S.INIT_DONE, H("send", _AUTH, "response", "refused")): S.CLOSED,
    # RFC 7296 2.16, RFC 4739: EAP and further proofs, in more exchanges of the same type
    (S.AUTH_SENT, H("recv", _AUTH, "response", "more")): S.INIT_DONE,
    (S.INIT_DONE, H("send", _AUTH, "response", "more")): S.INIT_DONE,
    # RFC 7296 1.3, 1.4: everything afterwards
    (S.ESTABLISHED, H("send", _CHILD, "request")): S.ESTABLISHED,
    (S.ESTABLISHED, H("recv", _CHILD, "response")): S.ESTABLISHED,
    (S.ESTABLISHED, H("recv", _CHILD, "request")): S.ESTABLISHED,
    (S.ESTABLISHED, H("send", _CHILD, "response")): S.ESTABLISHED,
    (S.ESTABLISHED, H("send", _INFO, "request")): S.ESTABLISHED,
    (S.ESTABLISHED, H("recv", _INFO, "response")): S.ESTABLISHED,
    (S.ESTABLISHED, H("recv", _INFO, "request")): S.ESTABLISHED,
    (S.ESTABLISHED, H("send", _INFO, "response")): S.ESTABLISHED,
    (S.ESTABLISHED, H("send", _INFO, "response", "delete")): S.CLOSED,
    # RFC 9370 2.2.4: further key exchanges of what CREATE_CHILD_SA makes
    (S.ESTABLISHED, H("send", _FOLLOWUP, "request")): S.ESTABLISHED,
    (S.ESTABLISHED, H("recv", _FOLLOWUP, "response")): S.ESTABLISHED,
    (S.ESTABLISHED, H("recv", _FOLLOWUP, "response", "refused")): S.CLOSED,
    (S.ESTABLISHED, H("recv", _FOLLOWUP, "request")): S.ESTABLISHED,
    (S.ESTABLISHED, H("send", _FOLLOWUP, "response")): S.ESTABLISHED,
    (S.ESTABLISHED, H("send", _FOLLOWUP, "response", "refused")): S.CLOSED,
    (S.CLOSING, H("recv", _FOLLOWUP, "request")): S.CLOSING,
    (S.CLOSING, H("send", _FOLLOWUP, "response")): S.CLOSING,
    (S.CLOSING, H("send", _FOLLOWUP, "response", "refused")): S.CLOSED,
    (S.CLOSING, H("recv", _FOLLOWUP, "response")): S.CLOSING,
    (S.CLOSING, H("recv", _FOLLOWUP, "response", "refused")): S.CLOSED,
    # RFC 7296 1.4.1: our own delete; requests that cross it are still answered
    (S.ESTABLISHED, H("send", _INFO, "request", "delete")): S.CLOSING,
    (S.CLOSING, H("recv", _INFO, "request")): S.CLOSING,
    (S.CLOSING, H("send", _INFO, "response")): S.CLOSING,
    (S.CLOSING, H("send", _INFO, "response", "delete")): S.CLOSED,
    (S.CLOSING, H("recv", _INFO, "response")): S.CLOSING,  # to what was asked before
    (S.CLOSING, H("recv", _INFO, "response", "delete")): S.CLOSED,
    # RFC 7296 2.25: what crosses our delete is refused with TEMPORARY_FAILURE
    (S.CLOSING, H("recv", _CHILD, "request")): S.CLOSING,
    (S.CLOSING, H("send", _CHILD, "response")): S.CLOSING,
    (S.CLOSING, H("recv", _CHILD, "response")): S.CLOSING,
    # RFC 7296 2.21.3: INVALID_SYNTAX is the end for both
    (S.ESTABLISHED, H("send", _CHILD, "response", "refused")): S.CLOSED,
    (S.ESTABLISHED, H("recv", _CHILD, "response", "refused")): S.CLOSED,
    (S.ESTABLISHED, H("send", _INFO, "response", "refused")): S.CLOSED,
    (S.ESTABLISHED, H("recv", _INFO, "response", "refused")): S.CLOSED,
    (S.CLOSING, H("send", _CHILD, "response", "refused")): S.CLOSED,
    (S.CLOSING, H("recv", _CHILD, "response", "refused")): S.CLOSED,
    (S.CLOSING, H("send", _INFO, "response", "refused")): S.CLOSED,
    (S.CLOSING, H("recv", _INFO, "response", "refused")): S.CLOSED,
    # RFC 7296 2.21.2: the initiator that rejects the response deletes with INFORMATIONAL
    (S.AUTH_SENT, H("send", _INFO, "request", "delete")): S.CLOSING,
}


IN_CLEAR = (Exchange.IKE_SA_INIT, Exchange.IKE_SESSION_RESUME)
"""The exchanges that come before there are keys."""


def known(exchange: int) -> Exchange:
    """The exchange type, or one that no row has for an unknown number."""
    return lookup(Exchange, exchange) or Exchange.GSA_INBAND_REKEY


def step(state: State, happening: Happening) -> State | None:
    """The state after it happened; None where that is out of order."""
    return TRANSITIONS.get((state, happening))


def diagram() -> str:
    """The table as a Mermaid state diagram; what leads from one state to another is one arrow."""
    return "\n".join(["stateDiagram-v2", "    [*] --> IDLE", *_arrows(), "    CLOSED --> [*]", ""])


def _arrows() -> Iterator[str]:
    ways: dict[tuple[State, State], list[str]] = {}
    for (state, happening), following in TRANSITIONS.items():
        ways.setdefault((state, following), []).append(str(happening))
    for (state, following), labels in ways.items():
        yield f"    {state} --> {following}: {'<br/>'.join(labels)}"


if __name__ == "__main__":
    print(diagram(), end="")
