"""Honest messages made ready: a case changes a copy, or only the octets of its one field.

A field that stands at a fixed place is found by trying: the message is built with two values, and
where nothing but the field's octets differ the next case writes there. Everything else goes
through the tree as any plan does, so both give the same octets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ikelab.harness import apply, sk
from ikelab.harness.crypto.auth import nat_detection
from ikelab.harness.edits import Edit, Plan, Stage
from ikelab.harness.exchange import outbox
from ikelab.harness.exchange.sa import NON_ESP_MARKER
from ikelab.harness.model import Address, Datagram, encapsulated
from ikelab.layers.iana import Notify, Payload
from ikelab.layers.message import IKEv2, message, parse_payloads, recompute

Patch = tuple[int, int]
"""Where a number stands, and in how many octets."""
Make = Callable[[Edit], bytes]


class Patches:
    """Where the numbers of a message stand, learnt as they are asked for."""

    def __init__(self, honest: bytes, sizes: dict[str, int], make: Make) -> None:
        self._honest, self._sizes, self._make = honest, sizes, make
        self._known: dict[str, Patch | None] = {}

    def of(self, edits: Sequence[Edit]) -> tuple[int, bytes] | None:
        """The place and the octets of a single number; None where the tree has to be edited."""
        if len(edits) != 1 or edits[0].op != "set" or edits[0].stage is not Stage.MESSAGE:
            return None
        path, value = edits[0].args
        size = self._sizes.get(path, 0)
        if not size or value.__class__ is not int or not 0 <= value < 256**size:
            return None
        if path not in self._known:
            self._known[path] = self._learn(path, size)
        patch = self._known[path]
        return None if patch is None else (patch[0], value.to_bytes(patch[1], "big"))

    def _learn(self, path: str, size: int) -> Patch | None:
        """The one place where all zeros and all ones differ, and nothing else does."""
        low, high = (
            self._make(Edit(Stage.MESSAGE, "set", (path, value))) for value in (0, 256**size - 1)
        )
        if not len(low) == len(high) == len(self._honest):
            return None
        differ = [i for i, (a, b) in enumerate(zip(low, high, strict=True)) if a != b]
        if not differ or differ != list(range(differ[0], differ[0] + size)):
            return None
        start, end = differ[0], differ[0] + size
        whole = low[start:end] == bytes(size) and high[start:end] == b"\xff" * size
        rest = low[:start] + self._honest[start:end] + low[end:]
        return (start, size) if whole and rest == self._honest else None


class Clear:
    """An IKE_SA_INIT request; each case has its own SPI, nonce and NAT detection hashes."""

    def __init__(self, data: bytes, sizes: dict[str, int], local: Address, remote: Address) -> None:
        self._data, self._local, self._remote = data, local, remote
        self._tree = recompute(IKEv2(data))
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
        self._patches = Patches(data, sizes, lambda edit: self._edited([edit]))

    def _edited(self, edits: Sequence[Edit]) -> bytes:
        tree = self._tree.copy()
        measure = partial(outbox.measured, keys=None)
        tree = apply.on_message(tree, edits, measure, lenient=True)
        with apply.sense(*edits):
            return bytes(tree)

    def message(self, plan: Plan, spi: bytes, entropy: sk.Entropy) -> bytes:
        """The message that a plan makes, before the wire stage."""
        edits = [binding.edit for binding in plan.bindings]
        patch = self._patches.of(edits)
        data = self._data if patch else self._edited(edits)
        data = data.replace(self._spi, spi, 1)
        for digest, address in self._hashes:
            data = data.replace(digest, nat_detection(spi, bytes(8), *address), 1)
        if self._nonce:
            data = data.replace(self._nonce, entropy(len(self._nonce)), 1)
        if patch:
            start, octets = patch
            data = data[:start] + octets + data[start + len(octets) :]
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
        self._patches = Patches(chain, inside, self._chain_with)

    def _payloads(self, chain: bytes) -> list[Any]:
        return [recompute(p) for p in parse_payloads(self._first, chain)]

    def _chain_with(self, edit: Edit) -> bytes:
        """The chain inside SK with one edit; empty where the edit is of what is around it."""
        tree = message([sk.decrypted(self._payloads(self._chain))])
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
        patch = self._patches.of(edits)
        if patch:
            start, octets = patch
            chain = chain[:start] + octets + chain[start + len(octets) :]
            data = self._sealed(chain, spis, number, keys, entropy)
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
            [sk.decrypted(self._payloads(chain))], init_SPI=spis[0], resp_SPI=spis[1],
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
