"""Fragments of protected messages (RFC 7383): announced, made, put together again."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ikelab.harness import sk
from ikelab.harness.crypto.cipher import cipher
from ikelab.harness.errors import ConfigError
from ikelab.harness.exchange.inbound import INITIATOR, RESPONSE, Inbound
from ikelab.harness.model import Datagram
from ikelab.harness.transcript import Step
from ikelab.layers.encrypted import IKEv2_Decrypted, IKEv2_SKF
from ikelab.layers.iana import Exchange, Notify, Payload
from ikelab.layers.message import IKEv2, build_payloads, message, parse_payloads
from ikelab.layers.notify import IKEv2_Notify

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa

MOST_FRAGMENTS = 1024  # of one message
MOST_OCTETS = 1 << 20  # of all that waits to be put together in one SA
SKF_HEADER = 8
LAST_FRAGMENT = 0xFFFF


def announce(sa: IkeSa) -> list[Any]:
    """What IKE_SA_INIT says of us (RFC 7383 2.3)."""
    if sa.config.fragment is None:
        return []
    return [IKEv2_Notify(type=Notify.IKEV2_FRAGMENTATION_SUPPORTED)]


def agreed(sa: IkeSa, it: Inbound) -> bool:
    """Whether the peer announced it too."""
    theirs = it.notify(Notify.IKEV2_FRAGMENTATION_SUPPORTED) is not None
    return theirs and sa.config.fragment is not None


def is_fragment(packet: IKEv2) -> bool:
    """Whether the message's last payload is an SKF that can be read."""
    payloads = packet.payloads
    return bool(payloads) and isinstance(payloads[-1], IKEv2_SKF)


def split(
    tree: IKEv2,
    first: int,
    plain: bytes,
    keys: sk.SkKeys,
    entropy: sk.Entropy,
    room: int,
    edit_sealed: sk.SealedEdit | None = None,
) -> list[bytes]:
    """The fragments of a message whose inner chain is `plain`, none over `room` octets.

    RFC 7383 2.5: only the first names the type of the first inner payload, and payloads before SK
    go with it. The sealed stage of edits is that of every fragment.
    """
    box = cipher(keys.encr.id, keys.encr.key_bits, keys.sk_e)
    before = tree.payloads[:-1]
    block = 1 if box.aead else box.block
    fixed = sk.HEADER + SKF_HEADER + box.iv_length + sk.icv_octets_of(keys)
    chunk = (room - fixed) // block * block - 1
    least = (room - fixed - len(_outer(before))) // block * block - 1
    if least < 1 or len(plain) > least + chunk * (LAST_FRAGMENT - 1):
        raise ConfigError(f"{room} octets of a message are too few for its fragments")
    starts = [0, *range(least, len(plain), chunk)]
    chunks = [plain[i:j] for i, j in zip(starts, [*starts[1:], len(plain)], strict=True)]
    return [
        _fragment(tree, before if n == 1 else [], (first if n == 1 else 0, n, len(chunks)), text,
                  keys, entropy, edit_sealed)
        for n, text in enumerate(chunks, 1)
    ]  # fmt: skip


def _fragment(
    tree: IKEv2,
    before: list[Any],
    numbers: tuple[int, int, int],
    text: bytes,
    keys: sk.SkKeys,
    entropy: sk.Entropy,
    edit_sealed: sk.SealedEdit | None,
) -> bytes:
    box = cipher(keys.encr.id, keys.encr.key_bits, keys.sk_e)
    padding = bytes(-(len(text) + 1) % (1 if box.aead else box.block))
    padded = text + padding + bytes([len(padding)])
    length = SKF_HEADER + box.iv_length + len(padded) + sk.icv_octets_of(keys)
    first, number, total = numbers
    skf = struct.pack("!BBHHH", first, 0, length, number, total)
    outer = _outer(before)
    header = struct.pack(
        "!8s8sBBBBII",
        tree.init_SPI,
        tree.resp_SPI,
        before[0].kind if before else Payload.SKF,
        int(tree.version),
        tree.exch_type,
        int(tree.flags),
        tree.id,
        sk.HEADER + len(outer) + length,
    )
    sealed = sk.protect(keys, header + outer + skf, entropy(box.iv_length), padded)
    if edit_sealed:
        edit_sealed(sealed)
    return bytes(sealed)


def piece(
    sa: IkeSa,
    message_id: int,
    numbers: tuple[int, int],
    text: bytes,
    *,
    first: int = 0,
    exchange: int = Exchange.INFORMATIONAL,
    edit_sealed: sk.SealedEdit | None = None,
) -> bytes:
    """One fragment of a request of ours: (number, total), its part of the chain, the first type.

    Nothing is asked of the numbers: that is what a test case makes one for.
    """
    keys = sa.keys
    assert keys is not None and keys.suite.encr is not None
    sk_e, sk_a = (keys.sk_ei, keys.sk_ai) if sa.initiator else (keys.sk_er, keys.sk_ar)
    tree = message(
        [],
        init_SPI=sa.spi_i,
        resp_SPI=sa.spi_r,
        exch_type=exchange,
        flags=INITIATOR if sa.initiator else 0,
        id=message_id,
    )
    sealing = sk.SkKeys(keys.suite.encr, keys.suite.integ, sk_e, sk_a)
    return _fragment(tree, [], (first, *numbers), text, sealing, sa.entropy, edit_sealed)


def _outer(before: list[Any]) -> bytes:
    """The octets of the payloads before SKF; the last one names it."""
    return build_payloads([*before, IKEv2_SKF()])[:-SKF_HEADER] if before else b""


def take(
    sa: IkeSa, packet: IKEv2, seen: Step, keys: sk.SkKeys, datagram: Datagram, now: float
) -> Whole | None:
    """Keep a fragment; the whole message with the last missing one (RFC 7383 2.6)."""
    window = sa.window
    sa.reassembly.prune(lambda at, response: at in window.waiting if response else window.takes(at))
    response = bool(int(packet.flags) & RESPONSE)
    kept = None if response else window.answers.get(packet.id)
    try:
        if kept is not None:
            _again(sa, packet, seen, keys)
            if sa.conduct.keep_responses:
                seen.note = "came again"
                sa.answer_again(kept, datagram, now)
            return None
        if not sa.conduct.survive_oddities and _odd(sa, packet):
            sa.stuck = True
        if not sa.conduct.reassemble:
            raise Unwanted("a fragment")
        if response and packet.id not in window.waiting:
            raise Unwanted("a fragment that answers nothing that is outstanding")
        if not response and not window.takes(packet.id):
            raise Unwanted(f"a fragment of message ID {packet.id}, expected {window.expected}")
        at = _key(packet)
        known = sa.reassembly.sets.get(at)
        skf = packet.payloads[-1]
        following = len(known.parts) + 1 if known else 1
        if not sa.conduct.take_any_order and skf.frag_number != following:
            raise Unwanted("a fragment out of order")
        if not sa.conduct.restart_fragments and known and skf.frag_total != known.total:
            del sa.reassembly.sets[at]
            raise Unwanted("a fragment of another set")
        return sa.reassembly.add(packet, seen, keys, negotiated=sa.fragments)
    except Unwanted as unwanted:
        sa.ignore(seen, str(unwanted))
    except sk.Refusal as refusal:
        # RFC 7383 2.6: only a fragment whose ICV is right is kept, the others stay.
        sa.ignore(seen, f"fragment refused: {refusal}")
        if not sa.conduct.keep_good_fragments:
            sa.reassembly.sets.clear()
    return None


def _odd(sa: IkeSa, packet: IKEv2) -> bool:
    """Whether a fragment is one that no honest peer would have sent."""
    skf = packet.payloads[-1]
    number, total = skf.frag_number, skf.frag_total
    later = number > 1 and skf.next_payload
    return bool(not sa.fragments or not 1 <= number <= total <= 1000 or later)


def _again(sa: IkeSa, packet: IKEv2, seen: Step, keys: sk.SkKeys) -> None:
    """RFC 7383 2.6.1: the response goes out again for the first fragment, and only for it."""
    skf = packet.payloads[-1]
    if not sa.fragments or (skf.frag_number != 1 and sa.conduct.ignore_later_fragments):
        raise Unwanted(f"fragment {skf.frag_number} of a request that has been answered")
    sk.unseal_fragment(packet, keys, seen.data)


class Unwanted(Exception):
    """A fragment that is dropped before it is opened, and why."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A message put together: as if it had come in one SK payload."""

    message: IKEv2
    plain: bytes
    first: int


@dataclass(slots=True)
class _Set:
    """The fragments of one message so far; `before` is what stands in clear before the first."""

    total: int
    parts: dict[int, bytes] = field(default_factory=dict)
    first: int = 0
    before: list[Any] = field(default_factory=list)
    octets: int = 0


@dataclass(slots=True)
class Reassembly:
    """Fragments that wait for the rest, by message ID and direction."""

    sets: dict[tuple[int, bool], _Set] = field(default_factory=dict)

    def prune(self, wanted: Callable[[int, bool], bool]) -> None:
        """Forget the messages that nobody waits for any more: (message ID, response)."""
        for key in [key for key in self.sets if not wanted(*key)]:
            del self.sets[key]

    def add(self, packet: IKEv2, seen: Step, keys: sk.SkKeys, *, negotiated: bool) -> Whole | None:
        """Take a fragment; the whole message with the last missing one.

        Raises Unwanted and sk.Refusal for what is dropped.
        """
        skf = packet.payloads[-1]
        number, total = skf.frag_number, skf.frag_total
        seen.note = f"fragment {number} of {total}"
        if not negotiated:
            raise Unwanted("a fragment, and RFC 7383 was not negotiated")
        key = _key(packet)
        known = self._known(key, number, total)
        text = sk.unseal_fragment(packet, keys, seen.data)
        if sum(s.octets for s in self.sets.values()) + len(text) > MOST_OCTETS:
            raise Unwanted("too many octets wait for the rest of their messages")
        if known is None or total > known.total:
            # RFC 7383 2.6: a larger total means smaller fragments; the old ones are discarded.
            known = self.sets[key] = _Set(total)
        known.parts[number] = text
        known.octets += len(text)
        if number == 1:
            known.first, known.before = skf.next_payload, packet.payloads[:-1]
        if len(known.parts) < total:
            return None
        del self.sets[key]
        seen.note = f"fragment {number} of {total}, the last to come"
        return _whole(packet, known)

    def _known(self, key: tuple[int, bool], number: int, total: int) -> _Set | None:
        """What there is of the message already; Unwanted where this fragment does not fit."""
        if not 1 <= number <= total <= MOST_FRAGMENTS:
            raise Unwanted(f"fragment {number} of {total}")
        known = self.sets.get(key)
        if known and total < known.total:
            raise Unwanted(f"fragment {number} of {total}, others are of {known.total}")
        if known and total == known.total and number in known.parts:
            raise Unwanted(f"fragment {number} is there already")
        return known


def _whole(packet: IKEv2, known: _Set) -> Whole:
    """The message that all fragments of a set make, with the header that they share."""
    plain = b"".join(known.parts[n] for n in range(1, known.total + 1))
    opened = IKEv2_Decrypted(next_payload=known.first, inner=parse_payloads(known.first, plain))
    whole = sk.rebuild(packet, [*known.before, opened])
    whole.next_payload = whole.payloads[0].kind
    return Whole(whole, plain, known.first)


def _key(packet: IKEv2) -> tuple[int, bool]:
    return int(packet.id), bool(int(packet.flags) & RESPONSE)
