"""What no peer does that asks for EAP: be content without the password, or without the key of EAP.

As in `oracles`: what can be read in two ways is not said.
"""

from __future__ import annotations

from collections.abc import Iterator

from ikelab.harness.exchange import rounds
from ikelab.harness.exchange.eap.methods import SUCCESS
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.exchange.table import State
from ikelab.harness.fuzz import answers
from ikelab.harness.transcript import RECEIVED, SENT
from ikelab.layers.eap import EapCode, EapType
from ikelab.layers.iana import Exchange, Payload

LETS_IN = "establishes an IKE SA although no AUTH that was sent proves an identity that was sent"
"""By EAP or without: who overlooks one proof may overlook the other by the same mistake."""
CONTENT = "says that EAP succeeded although nothing that was sent proves the password"
AUTH = int(Exchange.IKE_AUTH)


def of_rounds(sa: IkeSa, state: str) -> Iterator[str]:
    """What a conversation with EAP shows; `state` is what the IKE SA had come to."""
    user = sa.rounds.supplicant
    sent = _sent(sa) if user is not None and sa.initiator else None
    if user is None or sent is None:
        return
    proof = user.answerer.proof if user.answerer is not None else b""
    if proof and _content(sa) and not any(proof in chain for chain in sent):
        yield CONTENT
    if state == State.ESTABLISHED and not _keyed(sa, sent, user.msk):
        yield LETS_IN


def _sent(sa: IkeSa) -> list[bytes] | None:
    """What was inside SK of our IKE_AUTH requests; None where one of them cannot be read."""
    found = []
    for step in sa.transcript:
        if step.direction == SENT and step.data[18:19] == bytes([AUTH]):
            opened = answers.plain(step.data, sa.out_keys) if sa.out_keys is not None else None
            if opened is None:
                return None
            found.append(opened[1])
    return found


def _content(sa: IkeSa) -> bool:
    """Whether the peer says Success, or answers MS-CHAPv2 with its own proof (RFC 2759 5)."""
    for step in sa.transcript:
        for payload in (step.inner() or ()) if step.direction == RECEIVED else ():
            if payload.kind != Payload.EAP:
                continue
            proves = payload.type == EapType.MSCHAPV2 and bytes(payload.load)[:1] == bytes(
                [SUCCESS]
            )
            if payload.code == EapCode.SUCCESS or (payload.code == EapCode.REQUEST and proves):
                return True
    return False


def _keyed(sa: IkeSa, sent: list[bytes], key: bytes) -> bool:
    """Whether AUTH over any of the bodies that were sent stands anywhere in them (2.16)."""
    whole = [answers.bodies_of(chain) for chain in sent]
    if any(some is None for some in whole):
        return True  # where a payload ends is read in more ways than one
    bodies = answers.covered(body for some in whole for body in some or ())
    proofs = [rounds.mac(sa, body, key, ours=True) for body in bodies]
    # Whoever takes the octets whatever method is named beside them has seen the proof all the same.
    return any(proof in chain for chain in sent for proof in proofs)
