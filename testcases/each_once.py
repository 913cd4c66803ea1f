"""Messages without their repetitions: on a busy machine either side may send one again.

RFC 7296 2.1 has them be the same octets, so that who counts messages counts different ones.
"""

from __future__ import annotations

from collections.abc import Iterable

from ikelab.harness.exchange.inbound import RESPONSE
from ikelab.harness.session import Session
from ikelab.harness.transcript import Step


def each_once(steps: Iterable[Step]) -> list[Step]:
    """The messages in the order in which they came first."""
    found: dict[bytes, Step] = {}
    for step in steps:
        found.setdefault(step.data, step)
    return list(found.values())


def exchanged(sa: Session, message_id: int) -> tuple[Step, bytes]:
    """Our request of this message ID, and the octets of the peer's response to it."""
    asked = [s for s in sa.sent() if s.message.id == message_id and not _is_response(s)]
    came = [s for s in sa.received() if s.message.id == message_id and _is_response(s)]
    assert asked and came, f"no answer to message ID {message_id}\n{sa}"
    return asked[0], came[0].data


def _is_response(step: Step) -> bool:
    return bool(int(step.message.flags) & RESPONSE)
