"""What makes a case a finding in what the peer says: rules that no honest peer breaks.

Each oracle says what it saw in a sentence that names the rule and nothing of the case, so that the
same bug is told apart from another by it. What cannot be told is not said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ikelab.harness import sk
from ikelab.harness.crypto.auth import psk_auth, signed_octets
from ikelab.harness.edits import Stage
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.fuzz import answers, eap_oracles
from ikelab.harness.fuzz.answers import Outcome
from ikelab.harness.fuzz.sealed import KEPT, Member, directions
from ikelab.harness.fuzz.talk import Play
from ikelab.harness.transcript import SENT, Step
from ikelab.layers.iana import AuthMethod, Exchange, Notify, Payload

AMPLIFIES = 20
"""Octets that come for one that left, before authentication, beyond which a peer amplifies."""
RULES = ("selectors-are-a-subset-of-the-offer", "auth-answer-is-protected")
"""Violations of the engine's rules that are findings."""

FORGED = "takes a message whose integrity check fails"
COMPLAINS = "answers a message whose integrity check fails with an error"
UNVERIFIED = (FORGED, COMPLAINS)
"""Two ways in which the same mistake shows."""
TWICE = "answers a message ID again with something else"
BEYOND = "answers a message ID beyond its window"
REUSED_IV = "protects two messages with the same key and IV"
SAME_SPI = "gives one SPIr to two IKE SAs"
SAME_NONCE = "uses its nonce a second time"
TELLS = "answers without protection with more than a notify"
LETS_IN_BARE = "establishes an IKE SA without AUTH"
LETS_IN = eap_oracles.LETS_IN
AMPLIFIED = "sends many times the octets that it got from a stranger"


def of_play(play: Play) -> list[str]:
    """What a whole conversation shows."""
    sa = play.sa
    found = [one for one in (lets_in(sa), amplifies(play.outcome, play.campaign.way)) if one]
    found += eap_oracles.of_rounds(sa, play.outcome.state)
    found += [f"breaks the rule {v.rule}" for v in sa.violations if v.rule in RULES and _sound(sa)]
    if sa.keys is not None and sa.initiator:
        ours, theirs = directions(sa)
        steps = sa.transcript.steps
        found += _replies(steps, ours, theirs)
    return list(dict.fromkeys(found))


def _sound(sa: IkeSa) -> bool:
    """Whether the requests were readable, so that there is one way to read them."""
    return not any(b.edit.stage is not Stage.MESSAGE for b in sa.applied)


def _replies(steps: list[Step], ours: sk.SkKeys, theirs: sk.SkKeys) -> Iterator[str]:
    requests: dict[int, list[bytes]] = {}
    replies: dict[int, bytes] = {}
    ivs: dict[bytes, bytes] = {}
    expected, window = 0, 1
    for step in steps:
        if len(step.data) < answers.HEADER or step.data[18] == Exchange.IKE_SA_INIT:
            continue
        number = int.from_bytes(step.data[20:24], "big")
        if step.direction == SENT:
            requests.setdefault(number, []).append(step.data)
            continue
        if not step.data[19] & 0x20:
            continue
        if tells(step.data):
            yield TELLS
        opened = answers.plain(step.data, theirs)
        if opened is None:
            continue
        if forged(requests.get(number, []), ours):
            yield _forged(opened)
        if replies.setdefault(number, step.data) != step.data:
            yield TWICE
        if number >= expected + 1 + window and b"\x40\x01" not in opened[1]:
            yield BEYOND
        expected = max(expected, number)
        window = max(window, _window(opened))
        iv = step.data[answers.sk_at(step.data) or 0 :][4:12]
        if theirs.integ is None and ivs.setdefault(iv, step.data) != step.data:
            yield REUSED_IV


def _forged(opened: tuple[int, bytes]) -> str:
    """RFC 7296 3.10.1: even INVALID_SYNTAX is only for what has a valid checksum."""
    names = answers.words(*opened)
    refuses = len(names) == 1 and names[0] in _ERRORS
    return COMPLAINS if refuses else FORGED


_ERRORS = {f"N({row.name})" for row in Notify if row.is_error}


def _window(opened: tuple[int, bytes]) -> int:
    """How many requests a message announces to take; a large number where it says anything."""
    said = answers.words(*opened)
    return 1 << 31 if f"N({Notify.SET_WINDOW_SIZE.name})" in said else 1


def forged(requests: Iterable[bytes], keys: sk.SkKeys) -> bool:
    """Whether none of the requests under a message ID verifies, however one reads them."""
    sent = list(requests)
    sealed = [data for data in sent if answers.sk_at(data) is not None]
    return (
        bool(sent)
        and len(sealed) == len(sent)
        and not any(answers.authentic(data, keys) for data in sealed)
    )


def tells(data: bytes) -> bool:
    """Whether an answer after IKE_SA_INIT holds more in clear than error notifies."""
    names = answers.words(data[16], data[answers.HEADER :])
    return (
        bool(names)
        and names[0] not in ("SK", "SKF")
        and any(
            name in ("IDr", "IDi", "AUTH", "SA", "TSi", "TSr", "CERT", "CP", "EAP")
            for name in names
        )
    )


def lets_in(sa: IkeSa) -> str | None:
    """An IKE SA was established although nothing that left proves our identity."""
    keys = sa.keys
    up = any(str(event) for event in (sa.peer_id,) if event is not None)
    if not up or not sa.initiator or keys is None or keys.suite.prf is None or sa.config.own:
        return None
    sent = [s for s in sa.transcript if s.direction == SENT
            and s.message.exch_type == Exchange.IKE_AUTH]  # fmt: skip
    opened = answers.plain(sent[0].data, directions(sa)[0]) if len(sent) == 1 else None
    if opened is None:
        return None
    chain, prf, state = opened[1], keys.suite.prf.id, sa.init

    def proof(body: bytes) -> bytes:
        octets = signed_octets(prf, state.request, state.nr, body, keys.sk_pi)
        return psk_auth(prf, sa.config.psk, octets)

    bodies = answers.bodies_of(chain)
    if bodies is None or any(_proves(chain, proof(body)) for body in answers.covered(bodies)):
        return None
    has = any(payload.kind == Payload.AUTH for payload in sent[0].inner() or ())
    return LETS_IN if has else LETS_IN_BARE


def _proves(chain: bytes, proof: bytes) -> bool:
    """Whether AUTH data with the method of a shared key stand anywhere in these octets."""
    here = chain.find(proof)
    while here >= 4:
        if chain[here - 4] == AuthMethod.SHARED_KEY_MESSAGE_INTEGRITY_CODE:
            return True
        here = chain.find(proof, here + 1)
    return False


def amplifies(outcome: Outcome, way: str) -> str | None:
    """Before authentication nobody is worth many octets."""
    strangers = way == "init" and outcome.received > 2000
    if strangers and outcome.sent and outcome.received > AMPLIFIES * outcome.sent:
        return AMPLIFIED
    return None


def of_member(member: Member, data: bytes, _outcome: Outcome) -> list[str]:
    """What one answer in an established IKE SA shows."""
    assert member.keys is not None
    ours, theirs = member.keys
    found = [TELLS] if tells(data) else []
    opened = member.opened
    if opened is None:
        return found
    number = int.from_bytes(data[20:24], "big")
    # It may be late, or the answer to what came early: all that had this ID may be what it answers.
    mine = [d for d in _left(member) if d[20:24] == data[20:24]]
    if mine and forged(mine, ours) and number == member.asked:
        found.append(_forged(opened))
    if member.answered.get(number, data) != data:
        found.append(TWICE)
    if number > member.asked and not member.windowed and not _due(member, number):
        found.append(BEYOND)
    iv = data[answers.sk_at(data) or 0 :][4:12]
    if theirs.integ is None and member.ivs.setdefault(iv, data) != data:
        found.append(REUSED_IV)
    return found


def _left(member: Member) -> list[bytes]:
    """The latest messages of ours that an answer may be to."""
    plain = (d[4:] if d[:4] == bytes(4) else d for d in member.sent)
    return [data for data in plain if len(data) >= answers.HEADER]


def _due(member: Member, number: int) -> bool:
    """Whether this message ID may be what the peer expects, although we have no answer before it.

    What stayed without one may have been taken all the same, and its answer be late or lost.
    """
    left = {int.from_bytes(data[20:24], "big") for data in _left(member)}
    return all(n in left for n in range(member.asked, min(number, member.asked + KEPT)))


class Strangers:
    """What the answers to strangers must not share: SPIs and nonces, over a peer's life."""

    def __init__(self) -> None:
        self._spis: dict[bytes, bytes] = {}
        self._nonces: dict[bytes, bytes] = {}

    def judge(self, data: bytes) -> list[str]:
        """Hold an IKE_SA_INIT answer against those before."""
        # Whoever refuses repeats an SPIr that he did not choose.
        if len(data) < answers.HEADER or not nonce_of(data) or not any(data[8:16]):
            return []
        found = []
        if self._spis.setdefault(data[8:16], data[:8]) != data[:8]:
            found.append(SAME_SPI)
        nonce = nonce_of(data)
        if nonce and self._nonces.setdefault(nonce, data[:8]) != data[:8]:
            found.append(SAME_NONCE)
        if len(self._spis) > _REMEMBERED:
            self.forget()
        return found

    def forget(self) -> None:
        """The peer was started anew."""
        self._spis.clear()
        self._nonces.clear()


_REMEMBERED = 100_000


def nonce_of(data: bytes) -> bytes:
    """The nonce of a message in clear; empty where it has none."""
    kind, here = data[16], answers.HEADER
    while kind and here + 4 <= len(data):
        size = data[here + 2] << 8 | data[here + 3]
        if size < 4:
            break
        if kind == Payload.NONCE:
            return data[here + 4 : here + size]
        kind = data[here]
        here += size
    return b""
