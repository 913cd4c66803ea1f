"""Whatever comes, in whatever state, inside SK or outside: nothing is raised and nothing hangs."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ikelab.harness import sk
from ikelab.harness.entropy import entropy
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Datagram
from ikelab.harness.peer.reference import Station
from ikelab.layers.encrypted import IKEv2_Decrypted
from ikelab.layers.iana import Exchange, Payload
from ikelab.layers.message import message
from tests.harness.talk import Talk, config, mirrored

EXAMPLES = int(os.environ.get("IKELAB_EXAMPLES", "50"))  # of each kind; more for a long night
OPTIONS: dict[str, Any] = {"ike": ["aes128gcm16-prfsha256-x25519-ecp256"], "fragment": 1280}
EXCHANGES = [34, 35, 36, 37, 43, 250]


def initiator(state: State) -> IkeSa:
    """A fresh initiator's SA in this state, with its peer gone."""
    return _talk(state).i


def _talk(state: State) -> Talk:
    between = state is State.INTERMEDIATE_SENT
    talk = Talk(**(OPTIONS | ({"ike": ["aes128-sha256-x25519-ke1_ecp256"]} if between else {})))
    if state is State.IDLE:
        return talk
    talk.i.start_init(0.0)
    if state is State.INIT_SENT:
        return talk
    talk.carry()
    if state is State.AUTH_SENT or between:
        talk.i.start_auth(talk.now)
    elif state is not State.INIT_DONE:
        talk.auth()
        if state is not State.ESTABLISHED:
            talk.i.close(talk.now)
        if state is State.CLOSED:
            talk.carry()
    assert talk.i.state is state
    return talk


def asking(kind: str) -> Talk:
    """An established pair whose initiator waits for the response to a request of this kind."""
    talk = _talk(State.ESTABLISHED)
    match kind:
        case "liveness":
            talk.i.inform([], talk.now)
        case "child":
            talk.i.create_child(talk.now)
        case "rekey child":
            assert talk.i.child is not None
            talk.i.rekey_child(talk.i.child, talk.now)
        case "rekey ike":
            talk.i.rekey(talk.now)
        case "delete":
            assert talk.i.child is not None
            talk.i.delete_child(talk.i.child, talk.now)
    return talk


@cache
def corpus() -> tuple[bytes, ...]:
    """What both ends of honest conversations put on the wire."""
    found: list[bytes] = []
    for options in (OPTIONS, {"r": {"cookies": True}}, {"i": {"psk": "wrong"}},
                    {**OPTIONS, "local_id": "x" * 2000}):  # fmt: skip
        talk = Talk(**options).init()
        if talk.i.state is State.INIT_DONE:
            talk.auth()
        if talk.i.state is State.ESTABLISHED:
            for ask in (talk.i.create_child, talk.i.rekey, talk.i.close):
                ask(talk.now)
                talk.carry()
        found += [s.data for s in talk.i.transcript]
    return tuple(found)


@st.composite
def mutated(draw: st.DrawFn, seeds: tuple[bytes, ...] = ()) -> bytes:
    """Octets that were a real message: cut, bent, repeated, with lengths that lie."""
    data = bytearray(draw(st.sampled_from(seeds or corpus())))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        match draw(st.integers(0, 5)):
            case 0:
                data[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case 1:
                del data[at : at + draw(st.integers(1, 40))]
            case 2:
                data[at:at] = draw(st.binary(max_size=40))
            case 3:
                data[at : at + 2] = draw(st.sampled_from([b"\0\0", b"\0\3", b"\xff\xff", b"\0\4"]))
            case 4:
                data[at:at] = data[at : at + draw(st.integers(1, 60))]
            case 5:
                data[16:20] = bytes(draw(st.lists(st.integers(0, 255), min_size=4, max_size=4)))
    if draw(st.booleans()) and len(data) >= 28:
        data[24:28] = len(data).to_bytes(4, "big")
    return bytes(data)


def survives(sa: Any, datagram: Datagram) -> None:
    """Receive, send, let the time pass, say what happened."""
    sa.receive(datagram, 100.0)
    for now in (100.0, 110.0, 200.0):
        sa.handle_timer(now)
        for sent in sa.datagrams(now):
            assert len(sent.data) < 65536
        due = sa.timer()
        assert due is None or due > now, "a timer that is due after it was handled never ends"
    for one in [sa] if isinstance(sa, IkeSa) else sa.sas:
        assert one.transcript.text() is not None
        assert one.transcript.jsonl() is not None


@settings(max_examples=EXAMPLES)
@given(st.one_of(st.binary(max_size=200), mutated()), st.sampled_from(list(State)),
       st.sampled_from([500, 4500]), st.booleans())  # fmt: skip
def test_an_sa_survives_any_octets_in_any_state(
    data: bytes, state: State, port: int, ours: bool
) -> None:
    sa = initiator(state)
    if ours:
        data = sa.spi_i + sa.spi_r + data[16:]
    survives(sa, Datagram(data, sa.remote, (sa.local[0], port)))


@settings(max_examples=EXAMPLES)
@given(st.one_of(st.binary(max_size=200), mutated()), st.sampled_from([500, 4500]), st.booleans())
def test_a_listener_survives_any_octets(data: bytes, port: int, known: bool) -> None:
    talk = _talk(State.ESTABLISHED)
    if known:
        data = talk.r.spi_i + talk.r.spi_r + data[16:]
    survives(talk.listener, Datagram(data, ("10.0.0.1", port), ("10.0.0.2", port)))


@settings(max_examples=EXAMPLES)
@given(st.lists(st.one_of(st.binary(max_size=100), mutated()), max_size=4), st.booleans())
def test_a_station_survives_any_octets(datagrams: list[bytes], initiates: bool) -> None:
    station = Station(mirrored(config(**OPTIONS)), entropy(1))
    if initiates:
        sa = station.initiate(0.0)
        datagrams = [sa.spi_i + d[8:] for d in datagrams]
    for data in datagrams:
        station.receive(Datagram(data, ("10.0.0.1", 500), ("10.0.0.2", 500)), 1.0)
    station.handle_timer(2.0)
    assert station.datagrams(2.0) is not None


# -- a peer that holds the keys and lies -----------------------------------------------------


def sealed(
    by: IkeSa, chain: bytes, *, first: int, exchange: int, number: int, response: bool
) -> Datagram:
    """A message of this peer with any octets inside a good SK."""
    keys = by.out_keys
    assert keys is not None
    head = message(
        [IKEv2_Decrypted(next_payload=first)],
        init_SPI=by.spi_i,
        resp_SPI=by.spi_r,
        exch_type=exchange,
        flags=(0x08 if by.initiator else 0) | (0x20 if response else 0),
        id=number,
    )

    def fill(plain: sk.Plain) -> None:
        plain.chain = chain
        plain.pad()

    return Datagram(sk.seal(head, keys, entropy(7), fill), by.local, by.remote)


@cache
def chains() -> tuple[tuple[int, bytes], ...]:
    """The inner chains of honest conversations, with the type each starts with."""
    found = []
    for talk in map(asking, ["liveness", "child", "rekey child", "rekey ike", "delete"]):
        talk.carry()
        talk.i.close(talk.now)
        talk.carry()
        found += [(s.first_inner, s.plain) for s in talk.i.transcript if s.plain is not None]
    return tuple(dict.fromkeys(found))


inner = st.one_of(
    st.tuples(st.integers(0, 255), st.binary(max_size=120)),
    st.sampled_from(chains()).flatmap(
        lambda c: st.tuples(st.just(c[0]), mutated((c[1],)) if c[1] else st.just(b""))
    ),
)


@settings(max_examples=EXAMPLES)
@given(inner, st.sampled_from(EXCHANGES), st.sampled_from(["init", "up", "rekeying", "closing"]))
def test_a_responder_survives_any_protected_request(
    content: tuple[int, bytes], exchange: int, state: str
) -> None:
    talk = _talk(State.INIT_DONE if state == "init" else State.ESTABLISHED)
    target = talk.r
    if state == "rekeying":
        target.rekey(talk.now)
    elif state == "closing":
        target.close(talk.now)
    first, chain = content
    number = target.window.expected
    datagram = sealed(talk.i, chain, first=first, exchange=exchange, number=number, response=False)
    survives(talk.listener, datagram)


@settings(max_examples=EXAMPLES)
@given(inner, st.sampled_from(["auth", "liveness", "child", "rekey child", "rekey ike", "delete"]),
       st.sampled_from([None, *EXCHANGES]))  # fmt: skip
def test_an_initiator_survives_any_protected_response(
    content: tuple[int, bytes], kind: str, exchange: int | None
) -> None:
    talk = _talk(State.AUTH_SENT) if kind == "auth" else asking(kind)
    waiting = talk.i.window.outstanding
    assert waiting is not None
    first, chain = content
    datagram = sealed(
        talk.r,
        chain,
        first=first,
        exchange=waiting.exchange if exchange is None else exchange,
        number=waiting.message_id,
        response=True,
    )
    survives(talk.i, datagram)


@settings(max_examples=EXAMPLES)
@given(st.data())
def test_an_initiator_survives_any_first_answer(data: st.DataObject) -> None:
    """IKE_SA_INIT in clear, every field of an honest answer set to anything, and then on."""
    talk = Talk(**OPTIONS)
    talk.i.start_init(0.0)
    talk.to_responder(talk.sent())
    [answer] = talk.answered()
    bent = data.draw(mutated((answer.data,)))
    talk.to_initiator([Datagram(bent, answer.src, answer.dst)])
    if talk.i.state is State.INIT_DONE:
        talk.i.start_auth(talk.now)
    survives(talk.i, Datagram(b"", talk.i.remote, talk.i.local))


def rotten(seed: int) -> Callable[[bytes], bytes]:
    draw = random.Random(seed)

    def bend(data: bytes) -> bytes:
        bent = bytearray(data)
        for _ in range(draw.choice([0, 0, 1, 3])):
            bent[draw.randrange(len(bent))] = draw.randrange(256)
        return bytes(bent)

    return bend


@pytest.mark.parametrize("seed", range(6))
def test_whole_conversations_over_a_rotten_path_come_to_an_end(seed: int) -> None:
    bend = rotten(seed)
    talk = Talk(**OPTIONS, seed=seed, out=lambda d: Datagram(bend(d.data), d.src, d.dst),
                back=lambda d: Datagram(bend(d.data), d.src, d.dst))  # fmt: skip
    talk.i.start_init(0.0)
    for _ in range(60):
        talk.carry()
        if talk.i.state is State.INIT_DONE and not talk.i.window.waiting:
            talk.i.start_auth(talk.now)
        if talk.i.state is State.ESTABLISHED and not talk.i.window.waiting:
            talk.i.close(talk.now)
        due = talk.i.timer()
        if due is None:
            break
        talk.now = max(talk.now, due)
        talk.i.handle_timer(talk.now)

    assert talk.i.state in (State.CLOSED, State.ESTABLISHED, State.INIT_DONE)
    assert talk.i.state is State.CLOSED


def test_a_corpus_has_what_it_needs() -> None:
    seen = {data[18] for data in corpus()}

    assert seen >= {Exchange.IKE_SA_INIT, Exchange.IKE_AUTH, Exchange.CREATE_CHILD_SA}
    assert any(data[16] == Payload.SKF for data in corpus())
    assert len(chains()) > 10
