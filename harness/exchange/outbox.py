"""From a message tree to the octets that leave: sealed, in fragments where it has to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ikelab.harness import apply, sk
from ikelab.harness.edits import Edit
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
) -> Built:
    """Build and seal a message; `room` is how many octets it may have unfragmented."""
    last = tree.payloads[-1] if tree.payloads else None
    if not isinstance(last, IKEv2_Decrypted):
        return Built([bytes(tree)], None, 0)
    if keys is None:
        raise ConfigError("there are no keys yet to protect this message with")
    kept: list[bytes] = []

    def on_plain(plain: sk.Plain) -> None:
        if edits:
            apply.on_plain(plain, edits)
        kept.append(plain.chain)

    def on_sealed(sealed: sk.Sealed) -> None:
        apply.on_sealed(sealed, edits)

    data = sk.seal(tree, keys, entropy, on_plain, on_sealed if edits else None)
    first = last.next_payload
    if first is None:
        first = last.inner[0].kind if last.inner else 0
    messages = [data]
    if room is not None and len(data) > room:
        messages = frag.split(tree, first, kept[0], keys, entropy, room)
    return Built(messages, kept[0], first)


def measured(tree: IKEv2, keys: sk.SkKeys | None) -> IKEv2:
    """The tree with its computed fields filled in, for edits that count from them."""
    last = tree.payloads[-1] if tree.payloads else None
    if isinstance(last, IKEv2_Decrypted) and keys is not None:
        data = sk.seal(tree, keys, bytes)
        return sk.open(IKEv2(data), keys, data)
    return IKEv2(bytes(tree))
