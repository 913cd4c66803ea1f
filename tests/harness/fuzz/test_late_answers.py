"""An answer that is late, or to a message that came before its turn, accuses nobody."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ikelab.harness.fuzz import oracles
from ikelab.harness.fuzz.answers import Outcome
from ikelab.harness.fuzz.campaigns import CAMPAIGNS
from ikelab.harness.fuzz.case import parse
from ikelab.harness.fuzz.ground import Ground
from ikelab.harness.fuzz.sealed import Member, directions
from ikelab.harness.fuzz.shortcut import question
from ikelab.harness.rig import Settings, rig


@pytest.fixture
def member() -> Iterator[Member]:
    with rig("reference", Settings(seed=1)) as made:
        ground = Ground(made, "test")
        ground.use(CAMPAIGNS["informational"])
        sa = ground.initiator.establish().sa
        found = Member(sa, phase="busy", keys=directions(sa), next_id=3, asked=3)
        found.opened = (0, b"")
        yield found


def said(member: Member) -> list[str]:
    """What the oracle sees in an answer to message ID 3."""
    head = member.sa.spi_i + member.sa.spi_r + bytes([46, 0x20, 37, 0x20, 0, 0, 0, 3])
    data = head + (60).to_bytes(4, "big") + bytes([0, 0, 0, 32]) + bytes(28)
    case = parse("INFORMATIONAL/request: plain.pad(3)", "informational")
    return oracles.of_member(member, data, Outcome(case))


def sealed(member: Member, number: int) -> bytes:
    [datagram] = question(member.sa, number, 0.0)
    return datagram.data


def forged(member: Member, number: int) -> bytes:
    data = sealed(member, number)
    return data[:-1] + bytes([data[-1] ^ 1])


def test_who_answers_what_does_not_verify_is_accused(member: Member) -> None:
    member.sent.append(forged(member, 3))

    assert said(member) == [oracles.FORGED]


def test_what_had_the_same_message_id_may_be_what_is_answered(member: Member) -> None:
    early = sealed(member, 3)  # by an edit of its ID, while 2 was due
    member.sent += [early, sealed(member, 2), forged(member, 3)]

    assert said(member) == []


def test_an_earlier_message_id_excuses_nobody(member: Member) -> None:
    member.sent += [sealed(member, 2), forged(member, 3)]

    assert said(member) == [oracles.FORGED]


def beyond(member: Member, *sent: int) -> list[str]:
    """What the oracle sees where 2 is what we believe to be due, and the answer is to 3."""
    member.asked = member.next_id = 2
    member.sent += [sealed(member, number) for number in sent]
    return said(member)


def test_who_answers_beyond_its_window_is_accused(member: Member) -> None:
    assert beyond(member, 3) == [oracles.BEYOND]


def test_what_was_taken_without_an_answer_in_time_moves_the_window(member: Member) -> None:
    """The answer to 2 is late, or lost: for the peer 3 is next (RFC 7296 2.3)."""
    assert beyond(member, 2, 3) == []


def test_a_message_that_never_left_moves_no_window(member: Member) -> None:
    assert beyond(member, 1, 3) == [oracles.BEYOND]
