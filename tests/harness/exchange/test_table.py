"""The transition table: every row happens, what has none is ignored, the page is the table."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ikelab.harness.edits import Edit, at, plain
from ikelab.harness.exchange import receiving
from ikelab.harness.exchange import sa as engine
from ikelab.harness.exchange.credentials import Trust
from ikelab.harness.exchange.eap.credentials import EapCredential, EapTrust
from ikelab.harness.exchange.events import Ignored
from ikelab.harness.exchange.features import Features, TicketBox
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.exchange.table import TRANSITIONS, Happening, State, diagram, known, step
from ikelab.layers.iana import Exchange
from ikelab.layers.payloads import IKEv2_Delete
from tests.harness.talk import Talk, events, plan

Row = tuple[State, Happening]
ODD_DELETE = IKEv2_Delete(proto=3, SPI=[b"none"])


ASK: dict[str, Callable[..., None]] = {
    "inform": lambda sa, now, *edits: sa.inform([ODD_DELETE], now, edits),
    "create_child": lambda sa, now, *edits: sa.create_child(now, edits),
    "followup": lambda sa, now, *edits: sa.request(Exchange.IKE_FOLLOWUP_KE, [], now, edits),
    "close": lambda sa, now, *edits: sa.close(now, edits),
}


def usual() -> None:
    talk = Talk().up()
    for ask in ("create_child", "inform", "followup", "close"):
        ASK[ask](talk.i, talk.now)
        talk.carry()
    talk = Talk().up()
    ASK["inform"](talk.r, talk.now)
    talk.carry()


def first_exchanges_that_fail() -> None:
    Talk(i={"ike": ["aes128-sha256-x25519-ecp256"]}, r={"ike": ["aes128-sha256-ecp256"]}).init()
    Talk(i={"ike": ["3des-sha1-x25519"]}).init()
    Talk(i={"psk": "wrong"}).up()
    Talk(r={"plan": plan(r"IKE_AUTH/response: SK.AUTH.load ^= b'\x01'")}).up()


def asked_of_who_is_closing(ask: str) -> None:
    """The request crosses the delete of the side that it goes to."""
    talk = Talk().up()
    ASK["close"](talk.i, talk.now)
    ASK[ask](talk.r, talk.now)
    there, here = talk.sent(), talk.answered()
    talk.to_responder(there)
    talk.to_initiator(here)
    talk.carry()


def answered_while_closing(ask: str, *edits: Edit) -> None:
    """The response to an earlier request comes after the delete went out."""
    talk = Talk().up()
    ASK[ask](talk.i, talk.now, *edits)
    ASK["close"](talk.i, talk.now)
    first, *_ = talk.sent()
    talk.to_responder([first])
    talk.to_initiator(talk.answered())


def malformed(ask: str, *, closing: bool) -> None:
    """INVALID_SYNTAX from a side that is up, or that is closing itself."""
    talk = Talk().up()
    if closing:
        ASK["close"](talk.r, talk.now)
        talk.answered()
    ASK[ask](talk.i, talk.now, plain.append(b"abc"))
    talk.carry()


def with_eap() -> None:
    """IKE_AUTH in several exchanges."""
    mine = EapCredential(b"left", b"secret")
    Talk(i={"own": mine}, r={"trust": Trust(eap=EapTrust({b"left": b"secret"}))}).up()


def with_key_exchanges() -> None:
    """IKE_INTERMEDIATE: as it should be, and without what it is for."""
    ike = ["aes128-sha256-x25519-ke1_ecp256"]
    Talk(ike=ike).up()
    Talk(ike=ike, i={"plan": plan('IKE_INTERMEDIATE/request: drop("SK.KE")')}).up()


def with_tickets() -> None:
    """A ticket that is taken, one that is refused, and an answer that is none."""
    talk = Talk(
        i={"features": Features(ask_ticket=True)}, r={"features": Features(tickets=TicketBox())}
    ).up()
    session = talk.i.resumption.session
    for text in ("", "", 'IKE_SESSION_RESUME/response: drop("Nonce")'):
        config = replace(talk.i.config, features=Features(resume=session))
        talk.i = IkeSa(config, initiator=True, entropy=os.urandom)
        talk.listener.config = replace(talk.listener.config, plan=plan(text))
        if text:
            talk.listener.config.features.tickets.spent.clear()
        talk.init()


def converse() -> None:
    """Conversations that together walk every row."""
    usual()
    with_eap()
    with_key_exchanges()
    with_tickets()
    first_exchanges_that_fail()
    for ask in ("inform", "create_child", "followup"):
        answered_while_closing(ask)
        answered_while_closing(ask, plain.append(b"abc"))
        for closing in (False, True):
            malformed(ask, closing=closing)
    for ask in ASK:
        asked_of_who_is_closing(ask)


def test_every_row_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    walked: set[Row] = set()

    def watched(state: State, happening: Happening) -> State | None:
        walked.add((state, happening))
        return step(state, happening)

    for room in (engine, receiving):
        monkeypatch.setattr(room, "step", watched)
    converse()

    assert set(TRANSITIONS) - walked == set()


def in_state(state: State, who: str) -> tuple[Talk, IkeSa, IkeSa]:
    """(the talk, the SA that is in this state, the one that speaks to it)."""
    talk = Talk().init()
    if state is not State.INIT_DONE:
        talk.auth()
    mine, other = (talk.r, talk.i) if who == "r" else (talk.i, talk.r)
    if state is State.CLOSING:
        mine.close(talk.now)
        mine.datagrams(talk.now)
    elif state is State.CLOSED:
        mine.close(talk.now)
        talk.carry()
    assert mine.state is state
    events(mine)
    return talk, mine, other


STATES = [State.INIT_DONE, State.ESTABLISHED, State.CLOSING, State.CLOSED]
EXCHANGES = [35, 36, 37, 38, 43, 44, 250]
OUT_OF_ORDER = [
    (state, number, who)
    for state in STATES
    for number in EXCHANGES
    for who in "ir"
    if step(state, Happening("recv", known(number), "request")) is None
]


@pytest.mark.parametrize(("state", "exchange", "who"), OUT_OF_ORDER)
def test_what_has_no_row_is_ignored(state: State, exchange: int, who: str) -> None:
    talk, mine, other = in_state(state, who)
    if who == "i" and state is State.INIT_DONE:
        other.window.next_request = 0
    other.window.next_request = mine.window.expected
    other.request(exchange, [ODD_DELETE], talk.now)
    if who == "r":
        talk.to_responder(talk.sent())
        answers = talk.answered()
    else:
        talk.to_initiator(talk.answered())
        answers = talk.sent()

    assert answers == [] and mine.state is state
    assert any(isinstance(e, Ignored) for e in events(mine))


def test_only_an_authenticated_peer_may_ask_for_children_or_delete() -> None:
    """CHD-24: nothing but IKE_AUTH and what goes before it, as long as there is no identity."""
    rows = {h.exchange for s, h in TRANSITIONS if s is State.INIT_DONE and h.way == "recv"}

    assert rows == {Exchange.IKE_AUTH, Exchange.IKE_INTERMEDIATE}


def test_every_state_can_be_reached_and_left() -> None:
    targets = set(TRANSITIONS.values()) | {State.IDLE}
    sources = {state for state, _ in TRANSITIONS}

    assert targets == set(State)
    assert sources == set(State) - {State.CLOSED}


def test_sending_out_of_order_leaves_the_state_alone() -> None:
    talk = Talk().up()
    talk.i.start_auth(talk.now, [at("header.id").set(9)])

    assert talk.i.state is State.ESTABLISHED


def test_the_page_is_the_table() -> None:
    page = (Path(__file__).parents[3] / "docs/states.md").read_text()
    _, _, rest = page.partition("```mermaid\n")
    drawn, _, _ = rest.partition("```")

    assert drawn == diagram(), "write docs/states.md anew: python -m ikelab.harness.exchange.table"
    command = [sys.executable, "-m", "ikelab.harness.exchange.table"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == diagram()


def test_the_drawing_has_every_row() -> None:
    text = diagram()

    assert text.startswith("stateDiagram-v2\n    [*] --> IDLE\n")
    for (state, happening), following in TRANSITIONS.items():
        line = next(x for x in text.splitlines() if x.startswith(f"    {state} --> {following}:"))
        assert str(happening) in line.split(": ")[1].split("<br/>")
