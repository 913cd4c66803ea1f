"""An interface watched: a line for each IKE message as it comes, opened where there are keys."""

from __future__ import annotations

import time
from collections.abc import Callable

from ikelab.harness.inspect.flow import Packet
from ikelab.harness.inspect.inspection import Inspection, inspect_capture
from ikelab.harness.inspect.keys import KeyRing
from ikelab.harness.inspect.live import Live
from ikelab.harness.inspect.session import Message
from ikelab.harness.inspect.unseal import open_direction
from ikelab.harness.model import Address, Spis


def watch(live: Live, ring: KeyRing, say: Callable[[str], None]) -> Inspection:
    """Listen until it is over; `say` gets the lines. The inspection is of all that was heard."""

    def heard(packet: Packet, message: Message | None) -> None:
        if message is not None:
            say(f"{_when(packet)}  {_told(message, ring)}")
        elif packet.kind == "ike":
            say(f"{_when(packet)}  IKEv1 or damaged, {len(packet.data)} octets")

    return inspect_capture(live, ring, heard=heard)


def _told(message: Message, ring: KeyRing) -> str:
    """The message in RFC notation; SK opened for this line only."""
    step, data = message.step, message.data
    step.plain = None
    rows = ring.ike.get(Spis(data[:8], data[8:16]), [])
    if rows and message.sealed is not None and not message.sealed.fragments:
        # One message alone is little evidence for a key: what is shown here is judged at the end.
        (opened,) = open_direction([message.sealed], rows, message.initiator)
        step.plain, step.first_inner = opened.chain, message.sealed.first
    text = step.text()
    step._message = None
    return f"#{message.id} {text}"


def _when(packet: Packet) -> str:
    clock = time.strftime("%H:%M:%S", time.localtime(packet.time))
    return f"{clock}.{int(packet.time % 1 * 1000):03d}  {_at(packet.src)} > {_at(packet.dst)}"


def _at(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
