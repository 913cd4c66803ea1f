"""Honest messages made ready: a case changes a copy, or only the octets of its one field.

A field that stands at a fixed place is found by trying: the message is built with two values, and
where nothing but the field's octets differ the next case writes there. Everything else goes
through the tree as any plan does, so both give the same octets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ikelab.harness import apply, sk
from ikelab.harness.crypto.auth import nat_detection
from ikelab.harness.edits import Edit, Plan, Stage
from ikelab.harness.errors import ConfigError
from ikelab.harness.exchange import outbox
from ikelab.harness.exchange.sa import NON_ESP_MARKER
from ikelab.harness.model import Address, Datagram, encapsulated
from ikelab.harness.paths import Name, parse
from ikelab.layers.iana import Notify, Payload
from ikelab.layers.message import IKEv2, message, parse_payloads
from ikelab.layers.wire import Wire

Make = Callable[[Edit], bytes]


@dataclass(frozen=True, slots=True)
class Patch:
    """Where a field stands and how long it is; `payload` is where its payload begins if it ends it.

    Octets of another length then change two lengths, the payload's and the message's.
    """

    start: int
    size: int
    payload: int | None = None


class Patches:
    """Where the fields of a message stand, learnt as they are asked for.

    `head` is how many octets stand before the first payload: 28, or 0 for a chain alone.
    """

    def __init__(self, honest: bytes, sizes: dict[str, int], make: Make, head: int) -> None:
        self._honest, self._sizes, self._make, self._head = honest, sizes, make, head
        self._known: dict[str, Patch | None] = {}

    def apply(self, data: bytes, edits: Sequence[Edit]) -> bytes | None:
        """`data` with one or more fields changed; None where the tree has to be edited.

        Only octets that stand in their own places before and after are changed here.
        """
        found: list[tuple[Patch, bytes]] = []
        for edit in edits:
            if edit.stage is Stage.WIRE:
                continue
            one = self._one(edit)
            if one is None or (len(edits) > 1 and len(one[1]) != one[0].size):
                return None
            found.append(one)
        if not found:
            return None
        for patch, octets in found:
            data = self._put(data, patch, octets)
        return data

    def _one(self, edit: Edit) -> tuple[Patch, bytes] | None:
        if edit.op != "set" or edit.stage is not Stage.MESSAGE:
            return None
        path, value = edit.args
        size = self._sizes.get(path, 0)
        if value.__class__ is int and size and 0 <= value < 256**size:
            octets = value.to_bytes(size, "big")
        elif value.__class__ is bytes and not size:
            octets = value
        else:
            return None
        if path not in self._known:
            self._known[path] = self._learn(path, size)
        patch = self._known[path]
        if patch is None or (len(octets) != patch.size and patch.payload is None):
            return None
        return patch, octets

    def _put(self, data: bytes, patch: Patch, octets: bytes) -> bytes:
        changed = data[: patch.start] + octets + data[patch.start + patch.size :]
        more = len(octets) - patch.size
        if not more:
            return changed
        assert patch.payload is not None
        changed = _counted(changed, patch.payload + 2, 2, more)
        return _counted(changed, 24, 4, more) if self._head else changed

    def _learn(self, path: str, size: int) -> Patch | None:
        """Found by trying; what does not come out as the tree makes it is left to the tree."""
        place = self._found(path, size)
        if place is None:
            return None
        start, length = place
        fixed = Patch(start, length)
        if size:
            return fixed
        whole = Patch(start, length, self._payload_of(start, start + length))
        if whole.payload is not None and all(
            self._put(self._honest, whole, trial) == self._made(path, trial)
            for trial in (b"", b"\xaa" * (length + 3))
        ):
            return whole
        return fixed

    def _made(self, path: str, value: object) -> bytes:
        try:
            return self._make(Edit(Stage.MESSAGE, "set", (path, value)))
        except ConfigError:
            return b""

    def _found(self, path: str, size: int) -> tuple[int, int] | None:
        """The one place where all zeros and all ones differ, and nothing else does."""
        length = size or self._length(path)
        if not length:
            return None
        zeros, ones = bytes(length), b"\xff" * length
        low = self._made(path, 0 if size else zeros)
        high = self._made(path, 256**size - 1 if size else ones)
        if not len(low) == len(high) == len(self._honest):
            return None
        differ = [i for i, (a, b) in enumerate(zip(low, high, strict=True)) if a != b]
        if not differ or differ != list(range(differ[0], differ[0] + length)):
            return None
        start, end = differ[0], differ[0] + length
        whole = low[start:end] == zeros and high[start:end] == ones
        rest = low[:start] + self._honest[start:end] + low[end:]
        return (start, length) if whole and rest == self._honest else None

    def _length(self, path: str) -> int:
        """How many octets a field has: what the message loses when it is empty."""
        empty = self._made(path, b"")
        return max(0, len(self._honest) - len(empty)) if empty else 0

    def _payload_of(self, start: int, end: int) -> int | None:
        """Where the payload begins that ends with these octets."""
        here = self._head
        while here + 4 <= len(self._honest):
            size = int.from_bytes(self._honest[here + 2 : here + 4], "big")
            if size < 4:
                return None
            if here < start and here + size == end:
                return here
            here += size
        return None


def _counted(data: bytes, at: int, octets: int, more: int) -> bytes:
    """The message with a length that counts so many octets more."""
    length = int.from_bytes(data[at : at + octets], "big") + more
    return data[:at] + length.to_bytes(octets, "big") + data[at + octets :]


STRUCTURE = ("drop", "duplicate", "swap", "move", "insert")


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


class Clear:
    """An IKE_SA_INIT request; each case has its own SPI, nonce and NAT detection hashes."""

    def __init__(self, data: bytes, sizes: dict[str, int], local: Address, remote: Address) -> None:
        self._data, self._local, self._remote = data, local, remote
        self._natted = encapsulated(local, remote)
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
        self._patches = Patches(data, sizes, lambda edit: self._edited([edit]), 28)

    def _edited(self, edits: Sequence[Edit]) -> bytes:
        tree = IKEv2(self._data)
        loosened(tree.payloads, edits)
        tree.next_payload = tree.length = None
        measure = partial(outbox.measured, keys=None)
        tree = apply.on_message(tree, edits, measure, lenient=True)
        with apply.sense(*edits):
            return bytes(tree)

    def message(self, plan: Plan, spi: bytes, entropy: sk.Entropy) -> bytes:
        """The message that a plan makes, before the wire stage."""
        edits = [binding.edit for binding in plan.bindings]
        # The patches come last: they may be of the very octets that are exchanged here.
        data = self._fresh(self._data, spi, entropy)
        patched = self._patches.apply(data, edits)
        return self._fresh(self._edited(edits), spi, entropy) if patched is None else patched

    def _fresh(self, data: bytes, spi: bytes, entropy: sk.Entropy) -> bytes:
        """The message with an SPI and a nonce of its own, and the hashes that go with them."""
        data = data.replace(self._spi, spi, 1)
        for digest, address in self._hashes:
            data = data.replace(digest, nat_detection(spi, bytes(8), *address), 1)
        if self._nonce:
            data = data.replace(self._nonce, entropy(len(self._nonce)), 1)
        return data

    def datagrams(self, plan: Plan, spi: bytes, entropy: sk.Entropy, now: float) -> list[Datagram]:
        """What leaves for a plan."""
        data = self.message(plan, spi, entropy)
        return wired(data, plan, self._local, self._remote, now)


class Protected:
    """A request of an established IKE SA, sealed anew for each of them."""

    def __init__(self, exchange: int, first: int, chain: bytes, sizes: dict[str, int]) -> None:
        self._exchange, self._first, self._chain = exchange, first, chain
        self._changing = tuple(_changing(first, chain))
        inside = {path: size for path, size in sizes.items() if path.startswith("SK.")}
        self._patches = Patches(chain, inside, self._chain_with, 0)

    def _payloads(self, chain: bytes, edits: Sequence[Edit]) -> list[Any]:
        return loosened(parse_payloads(self._first, chain), edits)

    def _chain_with(self, edit: Edit) -> bytes:
        """The chain inside SK with one edit; empty where the edit is of what is around it."""
        tree = message([sk.decrypted(self._payloads(self._chain, [edit]))])
        tree = apply.on_message(tree, [edit], lambda m: m, lenient=True)
        with apply.sense(edit):
            return bytes(tree.payloads[-1])[4:-1]

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
        chain = self._chain
        for octets in self._changing:
            chain = chain.replace(octets, entropy(len(octets)), 1)
        patched = self._patches.apply(chain, edits) if len(chain) == len(self._chain) else None
        if patched is not None:
            data = self._sealed(patched, spis, number, keys, entropy)
        else:
            data = self._edited(chain, edits, spis, number, keys, entropy)
        return wired(data, plan, *way, now)

    def _sealed(
        self,
        chain: bytes,
        spis: tuple[bytes, bytes],
        number: int,
        keys: sk.SkKeys,
        entropy: sk.Entropy,
    ) -> bytes:
        tree = message(
            [sk.decrypted([])], init_SPI=spis[0], resp_SPI=spis[1], exch_type=self._exchange,
            flags=0x08, id=number,
        )  # fmt: skip
        tree.payloads[-1].next_payload = self._first

        def whole(plain: sk.Plain) -> None:
            plain.chain = chain
            plain.pad()

        return sk.seal(tree, keys, entropy, whole)

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


def _changing(first: int, chain: bytes) -> list[bytes]:
    """What no two honest requests have in common: nonces, and the SPIs of new children."""
    found = []
    for payload in parse_payloads(first, chain):
        if payload.kind == Payload.NONCE:
            found.append(bytes(payload.nonce))
        elif payload.kind == Payload.SA:
            found += {bytes(p.SPI) for p in payload.proposal if len(p.SPI) >= 4}
    return [octets for octets in found if chain.count(octets) == 1]


def wired(data: bytes, plan: Plan, local: Address, remote: Address, now: float) -> list[Datagram]:
    """The datagrams of a message, with the plan's edits of the wire stage."""
    if encapsulated(local, remote):
        data = NON_ESP_MARKER + data
    out = [Datagram(data, local, remote, now)]
    if any(binding.edit.stage is Stage.WIRE for binding in plan.bindings):
        out = apply.on_wire(out, [binding.edit for binding in plan.bindings])
    return out
