"""Puzzles that a responder under load asks initiators to solve (RFC 8019), in IKE_SA_INIT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ikelab.harness.crypto.prf import prf
from ikelab.harness.errors import UnsupportedAlgorithm
from ikelab.harness.exchange.inbound import Inbound
from ikelab.layers import typed
from ikelab.layers.iana import Notify, Payload, Prf
from ikelab.layers.notify import IKEv2_Notify
from ikelab.layers.payloads import IKEv2_PS

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa

KEYS = 4  # 7.1.2: a solution has four keys
HARDEST = 18  # zero bits beyond which we do not even try: seconds of work
MOST_TRIES = 1 << 24
PRFS = (Prf.PRF_HMAC_SHA2_256, Prf.PRF_HMAC_SHA2_512, Prf.PRF_HMAC_SHA1)


def zero_bits(data: bytes) -> int:
    """How many bits at the end are zero."""
    value = int.from_bytes(data, "big")
    return (value & -value).bit_length() - 1 if value else 8 * len(data)


def solve(prf_id: int, text: bytes, bits: int, start: int = 0) -> list[bytes]:
    """Four different keys of one length whose PRF of the text ends in so many zero bits (7.1.2)."""
    found: list[bytes] = []
    for number in range(start, start + MOST_TRIES):
        key = number.to_bytes(8, "big")
        if zero_bits(prf(prf_id, key, text)) >= bits:
            found.append(key)
            if len(found) == KEYS:
                break
    return found


def right(prf_id: int, text: bytes, bits: int, solution: bytes) -> bool:
    """Whether a PS payload holds such keys (7.1.4)."""
    size = len(solution) // KEYS
    keys = [solution[i : i + size] for i in range(0, len(solution), size or 1)]
    if not size or len(solution) % KEYS or len(set(keys)) != KEYS:
        return False
    return all(zero_bits(prf(prf_id, key, text)) >= bits for key in keys)


# -- initiator -------------------------------------------------------------------------------


def take(sa: IkeSa, it: Inbound) -> None:
    """Solve what comes beside a COOKIE; a puzzle that is too hard is left alone (7.1.1)."""
    notify, cookie = it.notify(Notify.PUZZLE), it.notify(Notify.COOKIE)
    sa.init.solution = b""
    if notify is None or cookie is None or not sa.config.features.solve_puzzles:
        return
    said = typed.read(typed.NOTIFY, Notify.PUZZLE, bytes(notify.notify))
    if not isinstance(said, typed.Puzzle) or said.difficulty > HARDEST:
        return
    try:
        keys = solve(said.prf, bytes(cookie.notify), said.difficulty)
    except UnsupportedAlgorithm:
        return
    sa.init.solution = b"".join(keys)


def answer(sa: IkeSa) -> list[Any]:
    """The PS payload, behind the cookie."""
    return [IKEv2_PS(load=sa.init.solution)] if sa.init.solution else []


# -- responder -------------------------------------------------------------------------------


def ask(it: Inbound, bits: int) -> IKEv2_Notify:
    """A puzzle beside the cookie, with a PRF that the initiator offers."""
    offered = {t.id for o in it.offers() for t in o.suite.transforms if t.type == 2}
    chosen = next((p for p in PRFS if p in offered), PRFS[0])
    data = typed.write(typed.NOTIFY, Notify.PUZZLE, typed.Puzzle(chosen, bits))
    return IKEv2_Notify(type=Notify.PUZZLE, notify=data)


def solved(it: Inbound, cookie: bytes, bits: int) -> bool:
    """Whether a request has the solution of the puzzle that goes with its cookie."""
    payload = it.one(Payload.PS)
    said = typed.read(typed.NOTIFY, Notify.PUZZLE, bytes(ask(it, bits).notify))
    return payload is not None and right(said.prf, cookie, bits, bytes(payload.load))
