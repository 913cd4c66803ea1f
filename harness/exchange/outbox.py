"""From a message tree to the octets that leave: sealed, in fragments where it has to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ikelab.harness import apply, sk
from ikelab.harness.edits import Edit, Stage
from ikelab.harness.errors import ConfigError
from ikelab.harness.exchange import frag
from ikelab.layers.encrypted import IKEv2_Decrypted
from ikelab.layers.message import IKEv2


@dataclass(frozen=True, slots=True)
class Built:
    """The IKE messages to send (several where it was fragmented), and what they hold in clear."""

    messages: list[bytes]
    plain: bytes | None
    first: int


def build(
    tree: IKEv2,
    keys: sk.SkKeys | None,
    entropy: sk.Entropy,
    edits: Sequence[Edit],
    room: int | None = None,
    *,
    lenient: bool = False,
) -> Built:
    """Build and seal a message; `room` is how many octets it may have unfragmented.

    Edits of a stage that this message does not pass are a ConfigError unless `lenient`.
    """
    last = tree.payloads[-1] if tree.payloads else None
    with apply.sense(*edits):
        if not isinstance(last, IKEv2_Decrypted):
            if not lenient:
                _refuse(edits, "an unprotected message", {Stage.PLAIN, Stage.SEALED})
            return Built([bytes(tree)], None, 0)
        if keys is None:
            raise ConfigError("there are no keys yet to protect this message with")
        return _sealed(tree, last, keys, entropy, edits, room)


def _sealed(
    tree: IKEv2,
    last: IKEv2_Decrypted,
    keys: sk.SkKeys,
    entropy: sk.Entropy,
    edits: Sequence[Edit],
    room: int | None,
) -> Built:
    kept: list[bytes] = []

    def on_plain(plain: sk.Plain) -> None:
        apply.on_plain(plain, edits)
        kept.append(plain.chain)

    def on_sealed(sealed: sk.Sealed) -> None:
        apply.on_sealed(sealed, edits)

    data = sk.seal(tree, keys, entropy, on_plain, on_sealed if edits else None)
    first = sk.first_inner(last)
    messages = [data]
    if room is not None and len(data) > room:
        messages = frag.split(tree, first, kept[0], keys, entropy, room, on_sealed)
    return Built(messages, kept[0], first)


def _refuse(edits: Sequence[Edit], what: str, stages: set[Stage]) -> None:
    """An edit that has nothing to act on would be a pass for nothing."""
    for edit in edits:
        if edit.stage in stages:
            raise ConfigError(f"the edit {edit} matches nothing: {what} has no such stage")


def measured(tree: IKEv2, keys: sk.SkKeys | None) -> IKEv2:
    """The tree with its computed fields filled in, for edits that count from them."""
    last = tree.payloads[-1] if tree.payloads else None
    if isinstance(last, IKEv2_Decrypted) and keys is not None:
        data = sk.seal(tree, keys, bytes)
        try:
            return sk.open(IKEv2(data), keys, data)
        except sk.Refusal as refusal:
            raise ConfigError(f"an earlier edit leaves nothing to count from: {refusal}") from None
    return IKEv2(bytes(tree))
