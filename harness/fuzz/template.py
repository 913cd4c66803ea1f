"""Honest messages made ready: a case changes a copy of the octets wherever that can be done.

`patches` knows where the fields stand. What moves payloads about is made once by the tree and kept,
with patches of its own. The rest goes through the tree as any plan does: the same octets.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from ikelab.harness import apply, sk
from ikelab.harness.crypto.auth import nat_detection
from ikelab.harness.crypto.cipher import cipher
from ikelab.harness.edits import Edit, Plan, Stage
from ikelab.harness.exchange import outbox
from ikelab.harness.exchange.ports import NON_ESP_MARKER
from ikelab.harness.fuzz.patches import Patches, Splice, put
from ikelab.harness.model import Address, Datagram, encapsulated
from ikelab.harness.paths import Name, parse
from ikelab.layers.iana import Notify, Payload
from ikelab.layers.message import IKEv2, message, parse_payloads
from ikelab.layers.wire import Wire

MOVES = ("drop", "duplicate", "swap")
MOST_VARIANTS = 256

STRUCTURE = (*MOVES, "move", "insert")


def loosened(payloads: list[Any], edits: Sequence[Edit]) -> list[Any]:
    """Dissected payloads in which what edits may change is computed anew; the rest stays octets."""
    structure = any(edit.op in STRUCTURE for edit in edits)
    touched = {name for edit in edits for name in _named(edit)}
    for payload in payloads:
        if payload.notation in touched:
            _recompute(payload)
        elif structure and "next_payload" in payload.automatic:
            payload.next_payload = None
    return payloads


def _named(edit: Edit) -> Iterator[str]:
    """The payloads that an edit's paths begin with."""
    paths = edit.args[: 2 if edit.op == "swap" else 1]
    for path in paths if edit.stage is Stage.MESSAGE else ():
        if path:
            first = [part for part in parse(path)[:2] if isinstance(part, Name)]
            yield from (part.text for part in first)


def _recompute(packet: Any) -> None:
    """Let a packet and all that it holds, but not what follows it, be computed."""
    for name in packet.automatic:
        packet.setfieldval(name, None)
    for name in packet._lists:
        items = packet.getfieldval(name)
        for item in items if isinstance(items, list) else ():
            if isinstance(item, Wire):
                _recompute(item)


class Variants:
    """A ready message and those in which payloads were moved: each has its own patches.

    `ready` makes one by the edits that move. The maker of cases puts these behind the others, so
    what is changed before is changed in its own place.
    """

    def __init__(self, ready: Callable[[tuple[Edit, ...]], Patches]) -> None:
        self._ready = ready
        self._made: dict[tuple[Edit, ...], Patches] = {}

    def split(self, edits: Sequence[Edit]) -> tuple[Patches | None, Sequence[Edit]]:
        """The message that edits begin with, and those that are left; None for neither."""
        first = next((n for n, edit in enumerate(edits) if edit.op in MOVES), len(edits))
        moves = tuple(edits[first:])
        # Who moves a payload that was put in, or by its type, has to look at the tree.
        if any(edit.op not in MOVES for edit in moves):
            return None, edits
        if any("(" in path for edit in moves for path in edit.args):
            return None, edits
        if moves and any(edit.op == "insert" for edit in edits):
            return None, edits
        if moves not in self._made:
            if len(self._made) >= MOST_VARIANTS:
                del self._made[next(iter(self._made))]
            self._made[moves] = self._ready(moves)
        return self._made[moves], edits[:first]


def _of_message(plan: Plan) -> list[Edit]:
    return [b.edit for b in plan.bindings if b.edit.stage is Stage.MESSAGE]


class Clear:
    """An IKE_SA_INIT request; each case has its own SPI, nonce and NAT detection hashes."""

    def __init__(self, data: bytes, sizes: dict[str, int], local: Address, remote: Address) -> None:
        self._data, self._sizes, self._local, self._remote = data, sizes, local, remote
        self._spi = data[:8]
        self._hashes: list[tuple[bytes, Address]] = []
        self._nonce = b""
        for payload in IKEv2(data).payloads:
            if payload.kind == Payload.NONCE:
                self._nonce = bytes(payload.nonce)
            elif payload.kind == Payload.N and payload.type == Notify.NAT_DETECTION_SOURCE_IP:
                self._hashes.append((bytes(payload.notify), local))
            elif payload.kind == Payload.N and payload.type == Notify.NAT_DETECTION_DESTINATION_IP:
                self._hashes.append((bytes(payload.notify), remote))
        self._variants = Variants(self._ready)

    def _ready(self, moves: tuple[Edit, ...]) -> Patches:
        honest = self._edited(moves) if moves else self._data
        return Patches(honest, self._sizes, lambda edit: self._edited([edit, *moves]), 28)

    def _edited(self, edits: Sequence[Edit]) -> bytes:
        tree = IKEv2(self._data)
        loosened(tree.payloads, edits)
        tree.next_payload = tree.length = None
        measure = partial(outbox.measured, keys=None)
        tree = apply.on_message(tree, edits, measure, lenient=True)
        with apply.sense(*edits):
            return bytes(tree)

    def patched(self, edits: Sequence[Edit], spi: bytes, entropy: sk.Entropy) -> bytes | None:
        """The message with these edits where octets can be written; None where they cannot."""
        ready, rest = self._variants.split(edits)
        if ready is None:
            return None
        # The patches come last: they may be of the very octets that are exchanged here.
        return ready.apply(self._fresh(ready.honest, spi, entropy), rest)

    def message(self, plan: Plan, spi: bytes, entropy: sk.Entropy) -> bytes:
        """The message that a plan makes, before the wire stage."""
        edits = _of_message(plan)
        data = self.patched(edits, spi, entropy)
        return self._fresh(self._edited(edits), spi, entropy) if data is None else data

    def honest(self, spi: bytes, entropy: sk.Entropy) -> tuple[bytes, bytes]:
        """The message with nothing changed, and its nonce."""
        nonce = entropy(len(self._nonce))
        return self._fresh(self._data, spi, lambda _: nonce), nonce

    def _fresh(self, data: bytes, spi: bytes, entropy: sk.Entropy) -> bytes:
        """The message with an SPI and a nonce of its own, and the hashes that go with them."""
        data = data.replace(self._spi, spi, 1)
        for digest, address in self._hashes:
            data = data.replace(digest, nat_detection(spi, bytes(8), *address))
        if self._nonce:
            data = data.replace(self._nonce, entropy(len(self._nonce)))
        return data

    def datagrams(self, plan: Plan, spi: bytes, entropy: sk.Entropy, now: float) -> list[Datagram]:
        """What leaves for a plan."""
        data = self.message(plan, spi, entropy)
        edits = [binding.edit for binding in plan.bindings]
        return wired(data, edits, self._local, self._remote, now)


_OUTER = {
    "header.init_SPI": (0, 8), "header.resp_SPI": (8, 8), "header.next_payload": (16, 1),
    "header.version": (17, 1), "header.exch_type": (18, 1), "header.flags": (19, 1),
    "header.id": (20, 4), "header.length": (24, 4),
    "SK.next_payload": (28, 1), "SK.flags": (29, 1), "SK.length": (30, 2),
    "SK.iv": (32, 0), "SK.padding": (32, 0), "SK.pad_length": (32, 0), "SK.icv": (32, 0),
}  # fmt: skip
"""What is around the chain of a protected message: where it stands before the IV, or no octets."""
_HEAD = struct.Struct("!8s8sBBBBIIBBH")


class Protected:
    """A request of an established IKE SA, sealed anew for each of them."""

    def __init__(self, exchange: int, first: int, chain: bytes, sizes: dict[str, int]) -> None:
        self._exchange, self._first, self._chain = exchange, first, chain
        self._changing = tuple(_changing(first, chain))
        self._sizes = {path: size for path, size in sizes.items() if path.startswith("SK.")}
        self._variants = Variants(self._ready)

    def _ready(self, moves: tuple[Edit, ...]) -> Patches:
        first, honest = self._inner(moves) if moves else (self._first, self._chain)
        return Patches(
            honest, self._sizes, lambda edit: self._inner([edit, *moves])[1], first=first
        )

    def _payloads(self, chain: bytes, edits: Sequence[Edit]) -> list[Any]:
        return loosened(parse_payloads(self._first, chain), edits)

    def _inner(self, edits: Sequence[Edit]) -> tuple[int, bytes]:
        """The first type and the chain inside SK with edits, by the tree."""
        tree = message([sk.decrypted(self._payloads(self._chain, edits))])
        tree = apply.on_message(tree, edits, lambda m: m, lenient=True)
        inner = tree.payloads[-1]
        with apply.sense(*edits):
            return sk.first_inner(inner), bytes(inner)[4:-1]

    def datagrams(
        self,
        plan: Plan,
        spis: tuple[bytes, bytes],
        number: int,
        keys: sk.SkKeys,
        entropy: sk.Entropy,
        way: tuple[Address, Address],
        now: float,
    ) -> list[Datagram]:
        """What leaves for a plan in the IKE SA of these SPIs, under this message ID."""
        edits = [binding.edit for binding in plan.bindings]
        fresh = [(octets, entropy(len(octets))) for octets in self._changing]
        built = self.patched(edits, fresh, (*spis, number), keys, entropy)
        if built is None:
            chain = _freshened(self._chain, fresh)
            data = self._edited(chain, edits, spis, number, keys, entropy)
        else:
            data = built.messages[0]
        return wired(data, edits, *way, now)

    def patched(
        self,
        edits: Sequence[Edit],
        fresh: Sequence[tuple[bytes, bytes]],
        header: tuple[bytes, bytes, int],
        keys: sk.SkKeys,
        entropy: sk.Entropy,
    ) -> outbox.Built | None:
        """The message with these edits where octets can be written; None where they cannot.

        `fresh` are octets of the honest chain and those in their place; `header` is both SPIs and
        the message ID.
        """
        outer: dict[str, Splice] = {}
        inner: list[Edit] = []
        for edit in edits:
            if edit.stage is Stage.MESSAGE:
                path = edit.args[0] if edit.args else ""
                if path not in _OUTER:
                    inner.append(edit)
                elif path in outer or (one := _around(edit, header[2])) is None:
                    return None
                else:
                    outer[path] = one
        ready, rest = self._variants.split(inner)
        if ready is None:
            return None
        chain = ready.apply(_freshened(ready.honest, fresh), rest)
        if chain is None:
            return None
        around = tuple(outer.values())
        return under_sk(
            self._exchange, ready.first, chain, header, keys, entropy, edits=edits, around=around
        )

    def _edited(
        self,
        chain: bytes,
        edits: Sequence[Edit],
        spis: tuple[bytes, bytes],
        number: int,
        keys: sk.SkKeys,
        entropy: sk.Entropy,
    ) -> bytes:
        tree = message(
            [sk.decrypted(self._payloads(chain, edits))], init_SPI=spis[0], resp_SPI=spis[1],
            exch_type=self._exchange, flags=0x08, id=number,
        )  # fmt: skip
        measure = partial(outbox.measured, keys=keys)
        tree = apply.on_message(tree, edits, measure, lenient=True)
        return outbox.build(tree, keys, entropy, edits, lenient=True).messages[0]


def under_sk(
    exchange: int,
    first: int,
    chain: bytes,
    header: tuple[bytes, bytes, int],
    keys: sk.SkKeys,
    entropy: sk.Entropy,
    *,
    edits: Sequence[Edit] = (),
    around: Sequence[Splice] = (),
) -> outbox.Built | None:
    """A request of ours with a chain under SK, and what edits do to padding and protected parts.

    `around` changes what stands before the IV; None where it takes the tree to tell.
    """
    box = cipher(keys.encr.id, keys.encr.key_bits, keys.sk_e)
    plain = sk.Plain(chain, b"", 0, 1 if box.aead else box.block)
    plain.pad()
    apply.on_plain(plain, edits)
    text = bytes(plain)
    length = 4 + box.iv_length + len(text) + sk.icv_octets_of(keys)
    if length > 0xFFFF:
        return None
    clear: bytes | None = _HEAD.pack(
        header[0], header[1], Payload.SK, 0x20, exchange, 0x08, header[2],
        28 + length, first, 0, length,
    )  # fmt: skip
    clear = put(clear, around) if clear and around else clear
    if clear is None:
        return None
    sealed = sk.protect(keys, clear, entropy(box.iv_length), text)
    apply.on_sealed(sealed, edits)
    return outbox.Built([bytes(sealed)], plain.chain, clear[-4])


def _around(edit: Edit, number: int) -> Splice | None:
    """What an edit writes before the IV; None where it takes the tree to tell."""
    path, value = edit.args
    start, size = _OUTER[path]
    if size == 8 and value.__class__ is bytes:  # an SPI: nothing counts what is too many
        match edit.op:
            case "set":
                return Splice(start, size, value)
            case "append":
                return Splice(start + size, 0, value)
    if edit.op == "add" and path == "header.id" and value.__class__ is int:
        value += number
    elif edit.op != "set":
        return None
    if size == 8 or value.__class__ is not int or not 0 <= value < 256**size:
        return None
    return Splice(start, size, value.to_bytes(size, "big"))


def _freshened(chain: bytes, fresh: Sequence[tuple[bytes, bytes]]) -> bytes:
    for octets, new in fresh:
        chain = chain.replace(octets, new)
    return chain


def _changing(first: int, chain: bytes) -> list[bytes]:
    """What no two honest requests have in common: nonces, and the SPIs of new children."""
    found = []
    for payload in parse_payloads(first, chain):
        if payload.kind == Payload.NONCE:
            found.append(bytes(payload.nonce))
        elif payload.kind == Payload.SA:
            found += {bytes(p.SPI) for p in payload.proposal if len(p.SPI) >= 4}
    return [octets for octets in found if chain.count(octets) == 1]


def wired(
    data: bytes, edits: Sequence[Edit], local: Address, remote: Address, now: float
) -> list[Datagram]:
    """The datagrams of a message, with the edits of the wire stage."""
    if encapsulated(local, remote):
        data = NON_ESP_MARKER + data
    out = [Datagram(data, local, remote, now)]
    if any(edit.stage is Stage.WIRE for edit in edits):
        out = apply.on_wire(out, edits)
    return out
