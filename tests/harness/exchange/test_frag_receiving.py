"""What a receiver makes of fragments (RFC 7383 2.6)."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import replace

import pytest
from talk import Talk

from ikelab.harness import sk
from ikelab.harness.edits import sealed
from ikelab.harness.exchange import frag
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Datagram
from ikelab.layers.iana import Notify, Payload
from tests.harness.exchange.fragments import (
    ANSWER,
    BIG,
    BODY,
    CBC,
    GCM,
    SIZE,
    bodies,
    both,
    crafted,
    inform,
    ip_octets,
    notes,
    numbers,
    skf,
    up,
)


def shuffled(sent: list[Datagram]) -> list[Datagram]:
    random.Random(7).shuffle(sent)
    return sent


WAYS: dict[str, Callable[[list[Datagram]], list[Datagram]]] = {
    "in order": lambda sent: sent,
    "backwards": lambda sent: sent[::-1],
    "shuffled": shuffled,
    "each twice": lambda sent: [d for d in sent for _ in range(2)],
    "all twice": lambda sent: sent + sent,
    "backwards, each twice": lambda sent: [d for d in sent[::-1] for _ in range(2)],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("suite", [CBC, GCM])
def test_8_kib_both_ways_in_any_order(way: str, suite: str) -> None:
    """2.6: IKE_AUTH with 8 KiB in the request and in the response, in 576 octets a datagram."""
    talk = both(ike=suite, r={"plan": f"IKE_AUTH/response: {BIG}"})
    talk.i.start_auth(talk.now, [BIG])
    sent = talk.sent()
    talk.to_responder(WAYS[way](sent))
    answered = talk.answered()
    total = numbers(answered)[0][1]
    assert max(ip_octets(d) for d in [*sent, *answered]) <= SIZE and total > 10
    talk.to_initiator(WAYS[way](answered))

    assert bodies(talk.i)[0] == BODY == bodies(talk.r)[0]
    assert talk.i.state is talk.r.state is State.ESTABLISHED
    assert talk.i.child and talk.r.child and talk.i.child.keys == talk.r.child.keys
    assert not talk.i.violations and not talk.r.violations
    assert not talk.i.reassembly.sets and not talk.r.reassembly.sets
    talk.i.inform([], talk.now)
    talk.carry()
    assert not talk.i.window.waiting


def test_a_request_is_carried_out_once_and_answered_again_for_its_first_fragment_only() -> None:
    """2.6.1: of the repeated fragments, number 1 brings the stored response once more."""
    talk = up(r={"plan": f"INFORMATIONAL/response: {ANSWER}"})
    sent = inform(talk)
    talk.to_responder(sent)
    stored = talk.answered()
    again = {}
    for datagram in sent:
        talk.to_responder([datagram])
        again[numbers([datagram])[0][0]] = [d.data for d in talk.answered()]

    assert again.pop(1) == [d.data for d in stored] and len(stored) > 10
    assert again and not any(again.values())
    assert bodies(talk.r) == [BODY]
    talk.to_initiator(stored)
    assert bodies(talk.i) == [BODY] and not talk.i.window.waiting


def test_a_forged_first_fragment_brings_no_response() -> None:
    """Only who has the keys can have the response again."""
    talk = up()
    sent = inform(talk)
    talk.to_responder(sent)
    assert talk.answered()
    forged = replace(sent[0], data=sent[0].data[:-1] + bytes([sent[0].data[-1] ^ 1]))
    talk.to_responder([forged])

    assert talk.answered() == []
    assert notes(talk.r)[-1] == "fragment refused: the ICV does not match"


def test_a_request_repeated_in_other_fragments_gets_the_stored_response() -> None:
    """2.5.2: whoever looks for the path MTU sends the same message again in smaller fragments."""
    talk = up()
    talk.to_responder(inform(talk))
    [answer] = talk.answered()
    talk.to_responder([crafted(talk.i, 1, 40, BODY[:100], message_id=2)])

    assert [d.data for d in talk.answered()] == [answer.data]
    assert talk.r.window.expected == 3


def test_smaller_fragments_replace_larger_ones() -> None:
    """2.6: a larger total means that the sender began anew; what was there is discarded."""
    talk = up()
    old = inform(talk)
    talk.to_responder(old[:-1])
    talk.i.config = replace(talk.i.config, fragment=300)
    talk.i.window.next_request -= 1
    new = inform(talk)
    assert len(new) > len(old)
    talk.to_responder(new[:1])
    [waiting] = talk.r.reassembly.sets.values()
    assert (waiting.total, list(waiting.parts)) == (len(new), [1])

    talk.to_responder(old[-1:])  # 2.6: a smaller total than that of the others is dropped
    assert list(waiting.parts) == [1]
    assert notes(talk.r)[-1] == f"fragment {len(old)} of {len(old)}, others are of {len(new)}"
    talk.to_responder(new[1:])
    assert bodies(talk.r) == [BODY]
    talk.to_initiator(talk.answered())
    assert not talk.i.window.waiting


def test_a_forged_larger_total_discards_nothing() -> None:
    """2.6: only a fragment whose ICV is right can begin anew."""
    talk = up()
    sent = inform(talk)
    talk.to_responder(sent[:-1])
    raw = bytearray(sent[0].data)
    struct.pack_into("!HH", raw, 28 + 4, 1, 900)
    talk.to_responder([replace(sent[0], data=bytes(raw)), sent[-1]])

    assert bodies(talk.r) == [BODY]


@pytest.mark.parametrize(
    ("number", "total"),
    [(0, 0), (0, 1), (0, 3), (1, 0), (2, 1), (4, 3), (65535, 3), (1, 65535), (65535, 65535)],
)
def test_impossible_numbers_are_dropped(number: int, total: int) -> None:
    """2.6: neither is zero, the number is no larger than the total; ours is a limit below 65535."""
    talk = up()
    talk.to_responder([crafted(talk.i, number, total, b"text")])

    assert talk.answered() == [] and not talk.r.reassembly.sets
    assert notes(talk.r)[-1] == f"fragment {number} of {total}"
    talk.to_responder(inform(talk))
    assert bodies(talk.r) == [BODY]


def test_one_of_one_is_a_message() -> None:
    """A total of 1 is odd and allowed."""
    talk = up()
    talk.i.inform([], talk.now)
    talk.sent()
    talk.to_responder([crafted(talk.i, 1, 1, b"", message_id=2)])
    talk.to_initiator(talk.answered())
    assert not talk.i.window.waiting and talk.r.window.expected == 3


def test_a_fragment_without_content_is_one() -> None:
    """Empty pieces add nothing, wherever they stand."""
    talk = up()
    talk.i.inform([], talk.now)
    talk.sent()
    body = bytes([0, 0, 0, 8]) + b"body"
    pieces = [body[:3], b"", body[3:], b""]
    for number, text in enumerate(pieces, 1):
        talk.to_responder(
            [crafted(talk.i, number, 4, text, Payload.V if number == 1 else 0, message_id=2)]
        )
    assert bodies(talk.r) == [b"body"]


def test_a_next_payload_in_a_later_fragment_means_nothing() -> None:
    """2.5: it is zero there; the first fragment's is the one that counts."""
    talk = up()
    talk.i.inform([], talk.now)
    talk.sent()
    body = bytes([0, 0, 0, 8]) + b"body"
    talk.to_responder(
        [
            crafted(talk.i, 2, 2, body[5:], Payload.D, message_id=2),
            crafted(talk.i, 1, 2, body[:5], Payload.V, message_id=2),
        ]
    )
    assert bodies(talk.r) == [b"body"]


def test_the_same_number_does_not_replace_what_is_there() -> None:
    """2.6: same message ID, number and total as one in the queue: a replay, dropped unread."""
    talk = up()
    sent = inform(talk)
    talk.to_responder(sent[:1])
    other = crafted(talk.i, 1, len(sent), b"something else", Payload.V, message_id=2)
    talk.to_responder([other, *sent[1:]])

    assert bodies(talk.r) == [BODY]
    assert "fragment 1 is there already" in notes(talk.r)


@pytest.mark.parametrize("suite", [CBC, GCM])
@pytest.mark.parametrize("part", ["icv", "ciphertext", "iv"])
def test_a_fragment_with_a_wrong_icv_is_dropped_and_the_others_stay(suite: str, part: str) -> None:
    """2.6: after the right one came, nothing is missing."""
    talk = up(ike=suite)
    sent = inform(talk)
    raw = bytearray(sent[3].data)
    raw[{"icv": -1, "ciphertext": 100, "iv": 36}[part]] ^= 1
    talk.to_responder([*sent[:3], replace(sent[3], data=bytes(raw)), *sent[4:]])
    assert bodies(talk.r) == [] and talk.answered() == []
    assert notes(talk.r)[-1] == "fragment refused: the ICV does not match"

    talk.to_responder([sent[3]])
    assert bodies(talk.r) == [BODY] and len(talk.answered()) == 1


def test_numbers_are_authenticated() -> None:
    """2.5: number and total stand before the IV, and the ICV covers them."""
    for at in (4, 6):
        talk = up()
        sent = inform(talk)
        raw = bytearray(sent[3].data)
        struct.pack_into("!H", raw, 28 + at, 25)
        talk.to_responder([*sent[:3], replace(sent[3], data=bytes(raw)), *sent[4:]])
        assert bodies(talk.r) == []
        talk.to_responder([sent[3]])
        assert bodies(talk.r) == [BODY]


def test_an_edit_of_the_sealed_stage_spoils_every_fragment() -> None:
    talk = both()
    talk.i.start_auth(talk.now, [BIG, sealed.flip("icv", bit=0)])
    sent = talk.sent()
    talk.to_responder(sent)
    assert notes(talk.r) == ["fragment refused: the ICV does not match"] * len(sent)
    assert not talk.r.reassembly.sets and talk.r.state is State.INIT_DONE


@pytest.mark.parametrize("side", ["i", "r"])
def test_fragments_that_were_not_negotiated_are_dropped(side: str) -> None:
    """2.3, 2.6: without the notify in both IKE_SA_INIT messages there are none."""
    talk = Talk(**{side: {"fragment": SIZE}}).up()  # type: ignore[arg-type]
    talk.to_responder([crafted(talk.i, n, 2, b"") for n in (1, 2)])
    assert talk.answered() == [] and not talk.r.reassembly.sets
    assert notes(talk.r)[-1] == "a fragment, and RFC 7383 was not negotiated"


def test_fragments_are_kept_for_messages_that_may_come_only() -> None:
    """Of a message ID outside the window, or in answer to nothing, not one octet is kept."""
    talk = up()
    talk.to_responder([crafted(talk.i, 1, 2, b"", message_id=n) for n in (0, 3, 77, 0xFFFFFFFF)])
    assert not talk.r.reassembly.sets and talk.answered() == []
    assert notes(talk.r)[-1] == f"a fragment of message ID {0xFFFFFFFF}, expected 2"

    answer = replace(crafted(talk.r, 1, 2, b"", message_id=5), src=talk.r.local, dst=talk.i.local)
    raw = bytearray(answer.data)
    raw[19] |= 0x20
    talk.to_initiator([replace(answer, data=bytes(raw))])
    assert not talk.i.reassembly.sets
    assert notes(talk.i)[-1] == "a fragment that answers nothing that is outstanding"


def test_the_rest_of_a_message_that_came_whole_is_forgotten() -> None:
    """2.4: a sender may try without fragments first, or after all: some of them may be around."""
    talk = up()
    sent = inform(talk)
    talk.to_responder(sent[:4])
    assert talk.r.reassembly.sets
    talk.i.fragments = False
    talk.i.window.next_request -= 1
    [whole] = inform(talk)
    talk.to_responder([whole])
    assert bodies(talk.r) == [BODY]
    talk.to_initiator(talk.answered())
    talk.i.fragments = True
    talk.to_responder(inform(talk))
    assert bodies(talk.r) == [BODY, BODY] and not talk.r.reassembly.sets


def test_there_is_a_limit_to_what_waits() -> None:
    """However much a peer sends without ever completing a message."""
    talk = up()
    piece = bytes(60_000)
    for number in range(2, 40):
        talk.to_responder([crafted(talk.i, number, 1000, piece)])
    [waiting] = talk.r.reassembly.sets.values()
    assert waiting.octets == sum(map(len, waiting.parts.values())) <= frag.MOST_OCTETS
    assert notes(talk.r)[-1] == "too many octets wait for the rest of their messages"

    assert talk.r.state is State.ESTABLISHED
    talk.r.inform([], talk.now)
    talk.carry()
    assert not talk.r.window.waiting


def test_garbage_that_was_put_together_ends_the_sa_as_any_garbage() -> None:
    """2.6 and RFC 7296 2.21.3: as if the message had come in one piece."""
    talk = up()
    talk.i.inform([], talk.now)
    talk.sent()
    for number, text in ((1, b"\x29\x00\x00\x63"), (2, b"oops")):
        talk.to_responder([crafted(talk.i, number, 2, text, Payload.N, message_id=2)])
    [answer] = talk.answered()
    assert talk.r.state is State.CLOSED
    talk.to_initiator([answer])
    last = list(talk.i.transcript)[-1]
    assert Inbound(last.message, last.inner()).errors() == [Notify.INVALID_SYNTAX]


def test_padding_of_any_length_is_taken() -> None:
    """RFC 7296 3.14 holds for each fragment: any content, any length that fills the blocks."""
    talk = up(ike=CBC)
    talk.i.inform([], talk.now)
    talk.sent()
    keys = talk.i.out_keys
    assert keys is not None
    body = bytes([0, 0, 0, 8]) + b"body"
    for number, text in ((1, body[:5]), (2, body[5:])):
        shell = skf(crafted(talk.i, number, 2, b"", Payload.V * (number == 1), message_id=2))
        padding = b"\xaa" * (-(len(text) + 1) % 16 + 32)
        padded = text + padding + bytes([len(padding)])
        length = 8 + 16 + len(padded) + sk.icv_octets_of(keys)
        header = bytearray(bytes(shell)[:36])
        struct.pack_into("!I", header, 24, 28 + length)
        struct.pack_into("!H", header, 30, length)
        data = bytes(sk.protect(keys, bytes(header), bytes(16), padded))
        talk.to_responder([Datagram(data, talk.i.local, talk.i.remote)])
    assert bodies(talk.r) == [b"body"]
