"""Fragments of protected messages (RFC 7383): announced, made, put together again."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ikelab.harness import sk
from ikelab.harness.crypto.cipher import cipher
from ikelab.harness.exchange.inbound import RESPONSE, Inbound
from ikelab.harness.transcript import Step
from ikelab.layers.encrypted import IKEv2_Decrypted, IKEv2_SKF
from ikelab.layers.iana import Notify, Payload
from ikelab.layers.message import IKEv2, build_payloads, parse_payloads
from ikelab.layers.notify import IKEv2_Notify

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa

MOST_FRAGMENTS = 1024  # of one message
MOST_OCTETS = 1 << 20  # of all that waits to be put together in one SA
SKF_HEADER = 8


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
    outer = build_payloads(before) if before else b""
    block = 1 if box.aead else box.block
    fixed = sk.HEADER + SKF_HEADER + box.iv_length + sk.icv_octets_of(keys)
    chunk = max((room - fixed - len(outer)) // block * block - 1, 1)
    chunks = [plain[i : i + chunk] for i in range(0, len(plain), chunk)] or [b""]
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
    outer = build_payloads(before) if before else b""
    if outer:
        # The last payload before SKF names it.
        at = len(outer) - len(bytes(before[-1]))
        outer = outer[:at] + bytes([Payload.SKF]) + outer[at + 1 :]
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


@dataclass(frozen=True, slots=True)
class Whole:
    """A message put together: as if it had come in one SK payload."""

    message: IKEv2
    plain: bytes
    first: int


@dataclass(slots=True)
class _Set:
    """The fragments of one message so far."""

    total: int
    parts: dict[int, bytes] = field(default_factory=dict)
    first: int = 0
    octets: int = 0


@dataclass(slots=True)
class Reassembly:
    """Fragments that wait for the rest, by message ID and direction."""

    sets: dict[tuple[int, bool], _Set] = field(default_factory=dict)

    def add(self, packet: IKEv2, seen: Step, keys: sk.SkKeys, *, negotiated: bool) -> Whole | None:
        """Take a fragment; the whole message with the last missing one. Notes what is dropped."""
        skf = packet.payloads[-1]
        number, total = skf.frag_number, skf.frag_total
        seen.note = f"fragment {number} of {total}"
        reason = self._refused(packet, number, total, negotiated)
        if reason:
            seen.note = f"ignored: {reason}"
            return None
        try:
            text = sk.unseal_fragment(packet, keys, seen.data)
        except sk.Refusal as refusal:
            # RFC 7383 2.6: only a fragment whose ICV is right is kept, the others stay.
            seen.note = f"ignored: fragment refused: {refusal}"
            return None
        return self._keep(packet, number, total, text, seen)

    def _refused(self, packet: IKEv2, number: int, total: int, negotiated: bool) -> str | None:
        if not negotiated:
            return "a fragment, and RFC 7383 was not negotiated"
        if not 1 <= number <= total <= MOST_FRAGMENTS:
            return f"fragment {number} of {total}"
        known = self.sets.get(_key(packet))
        if known and total < known.total:
            return f"fragment {number} of {total}, others are of {known.total}"
        if known and total == known.total and number in known.parts:
            return f"fragment {number} is there already"
        if sum(s.octets for s in self.sets.values()) > MOST_OCTETS:
            return "too many octets wait for the rest of their messages"
        return None

    def _keep(
        self, packet: IKEv2, number: int, total: int, text: bytes, seen: Step
    ) -> Whole | None:
        key = _key(packet)
        known = self.sets.get(key)
        if known is None or total > known.total:
            # RFC 7383 2.6: a larger total means smaller fragments; the old ones are discarded.
            known = self.sets[key] = _Set(total)
        known.parts[number] = text
        known.octets += len(text)
        if number == 1:
            known.first = packet.payloads[-1].next_payload
        if len(known.parts) < total:
            return None
        del self.sets[key]
        plain = b"".join(known.parts[n] for n in range(1, total + 1))
        seen.note = f"fragment {number} of {total}, the last to come"
        inner = parse_payloads(known.first, plain)
        return Whole(
            sk.rebuild(packet, [IKEv2_Decrypted(next_payload=known.first, inner=inner)]),
            plain,
            known.first,
        )


def _key(packet: IKEv2) -> tuple[int, bool]:
    return int(packet.id), bool(int(packet.flags) & RESPONSE)
