"""IKE_INTERMEDIATE (RFC 9242): exchanges before IKE_AUTH, which AUTH covers, and what goes in them.

These are the additional key exchanges of RFC 9370, and preshared keys by name (RFC 9867). Each one
ends with new keys; it is itself protected, and authenticated, with those before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ikelab.harness import sk
from ikelab.harness.crypto import ke, mlkem
from ikelab.harness.crypto.errors import BadPublicValue
from ikelab.harness.crypto.keys import IkeKeys, rekey_ike
from ikelab.harness.crypto.prf import prf
from ikelab.harness.edits import Edit
from ikelab.harness.errors import UnsupportedAlgorithm
from ikelab.harness.exchange import addke, ppk_early
from ikelab.harness.exchange.inbound import RESPONSE, Inbound
from ikelab.harness.exchange.negotiate import Offered
from ikelab.harness.exchange.window import Reply
from ikelab.harness.model import Suite
from ikelab.harness.transcript import Step
from ikelab.layers.iana import Exchange, Notify, Payload
from ikelab.layers.message import IKEv2
from ikelab.layers.notify import IKEv2_Notify
from ikelab.layers.payloads import IKEv2_KE

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa

LENGTH = slice(24, 28)  # of the message, in the IKE header
FIRST = 16  # the header's Next Payload


@dataclass(slots=True)
class Between:
    """What lies between IKE_SA_INIT and IKE_AUTH. `auth_i` and `auth_r` are IntAuth so far."""

    agreed: bool = False
    left: tuple[int, ...] = ()  # key exchanges that are still to be done
    pair: ke.KeyPair | None = None
    count: int = 0  # messages of this type that each side has sent
    auth_i: bytes = b""
    auth_r: bytes = b""
    following: IkeKeys | None = None  # as responder: once the response is out
    old: tuple[int, sk.SkKeys] | None = None  # the last request's ID, and what opens it again
    edits: Sequence[Edit] = ()  # of the IKE_AUTH that comes after it all

    @property
    def busy(self) -> bool:
        """Whether there is something to do before IKE_AUTH."""
        return bool(self.left)


# -- IKE_SA_INIT -----------------------------------------------------------------------------


def announce(sa: IkeSa, request: Inbound | None = None) -> list[Any]:
    """INTERMEDIATE_EXCHANGE_SUPPORTED, of a responder only where the initiator says it too."""
    heard = request is None or request.notify(Notify.INTERMEDIATE_EXCHANGE_SUPPORTED) is not None
    wanted = addke.wanted(sa.config.ike) or ppk_early.wanted(sa)
    if not wanted or not heard or not (sa.initiator or sa.conduct.announce_rounds):
        return []
    return [IKEv2_Notify(type=Notify.INTERMEDIATE_EXCHANGE_SUPPORTED)]


def offered(it: Inbound, proposals: list[Offered]) -> list[Offered]:
    """RFC 9370 2.2.1: who cannot do IKE_INTERMEDIATE has no additional key exchange."""
    if it.notify(Notify.INTERMEDIATE_EXCHANGE_SUPPORTED) is not None:
        return proposals
    return addke.without(proposals)


def begin(sa: IkeSa, it: Inbound, suite: Suite) -> None:
    """IKE_SA_INIT is over: see what is to be done. `it` is the peer's message."""
    announced = it.notify(Notify.INTERMEDIATE_EXCHANGE_SUPPORTED) is not None
    agreed = announced and (addke.wanted(sa.config.ike) or ppk_early.wanted(sa))
    sa.between = Between(agreed, addke.methods(suite))


# -- initiator -------------------------------------------------------------------------------


def start(sa: IkeSa, now: float, edits: Sequence[Edit]) -> bool:
    """Do what comes before IKE_AUTH; False where there is nothing (more) to do."""
    state, naming = sa.between, ppk_early.due(sa)
    if not sa.initiator or not (state.left or naming) or not sa.conduct.complete_rounds:
        return False
    if not state.agreed:
        sa.end("additional key exchanges were chosen without INTERMEDIATE_EXCHANGE_SUPPORTED")
        return True
    state.edits, state.pair = edits, None
    payloads: list[Any] = []
    if state.left:
        try:
            state.pair = ke.generate(state.left[0], sa.entropy)
        except UnsupportedAlgorithm as error:
            sa.end(str(error))
            return True
        payloads.append(IKEv2_KE(group=state.left[0], ke=state.pair.public))
    if naming and len(state.left) <= 1:
        payloads += ppk_early.ask(sa)
    sa.request(Exchange.IKE_INTERMEDIATE, payloads, now)
    return True


def receive(sa: IkeSa, it: Inbound, seen: Step, now: float) -> None:
    """A response: new keys, and on to the next exchange."""
    state, keys = sa.between, sa.keys
    assert keys is not None
    try:
        if it.errors():
            names = (Notify(e).name if e in set(Notify) else str(e) for e in it.errors())
            raise BadPublicValue(f"IKE_INTERMEDIATE refused: {', '.join(names)}")
        if state.pair is not None:
            keys = _next_keys(sa, _agreed(sa, it, state.pair, now))
            state.left = state.left[1:]
        key = ppk_early.chosen(sa, it) if sa.mixing.named else None
        if sa.mixing.named and ppk_early.lacks(sa, key):
            raise BadPublicValue("the responder has none of our PPKs, and we insist on one")
    except BadPublicValue as error:
        sa.move("recv", it.exchange, "response", "refused")
        sa.end(str(error))
        return
    cover(sa, seen.data, seen.plain or b"", seen.first_inner)
    sa.move("recv", it.exchange, "response")
    if sa.conduct.change_keys:
        sa.take_keys(ppk_early.mixed(sa, keys, key))
    sa.last_response = None  # who asked for IKE_AUTH waits for its answer
    sa.start_auth(now, state.edits)


def _agreed(sa: IkeSa, it: Inbound, pair: ke.KeyPair, now: float) -> bytes:
    """The shared secret of a response's KE; BadPublicValue where there is none."""
    key = it.one(Payload.KE)
    if key is None or key.group != pair.group:
        raise BadPublicValue("no KE of the method that was asked for")
    data = bytes(key.ke)
    if not sa.conduct.whole_ciphertext:
        data = bytes([data[0] ^ 1]) + data[1:]
    shared = pair.shared(data)
    if not sa.conduct.reject_implicitly and mlkem.rejected(pair.private, data, shared):
        sa.inform([IKEv2_Notify(type=Notify.INVALID_SYNTAX)], now)
        raise BadPublicValue("the ciphertext was changed")
    return shared


# -- responder -------------------------------------------------------------------------------


def serve(sa: IkeSa, it: Inbound) -> Reply:
    """Answer a request; the new keys are for what comes after the answer."""
    state, seen = sa.between, sa.transcript.steps[-1]
    if not state.agreed:
        return _refused("IKE_INTERMEDIATE was not negotiated")
    cover(sa, seen.data, seen.plain or b"", seen.first_inner)
    assert sa.keys is not None
    # RFC 9242 3.2: what an exchange is for is in its payloads; without any it is for nothing.
    payloads, keys = [], sa.keys
    if state.left:
        try:
            payload, shared = _answered(sa, it)
        except (BadPublicValue, UnsupportedAlgorithm) as error:
            return _refused(str(error))
        payloads, state.left = [payload], state.left[1:]
        keys = _next_keys(sa, shared)
    if ppk_early.due(sa) and not state.left:
        found, used = ppk_early.choose(sa, it)
        if ppk_early.lacks(sa, used):
            return _refused("none of the PPKs is ours", Notify.AUTHENTICATION_FAILED)
        payloads, keys = [*payloads, *found], ppk_early.mixed(sa, keys, used)
    if sa.conduct.change_keys and keys is not sa.keys:
        state.following = keys
    return Reply(payloads)


def _answered(sa: IkeSa, it: Inbound) -> tuple[IKEv2_KE, bytes]:
    """Our KE for the one that came, and the shared secret."""
    group, key = sa.between.left[0], it.one(Payload.KE)
    if key is None or key.group != group:
        raise BadPublicValue("no KE of the method whose turn it is")
    try:
        pair = ke.respond(group, sa.entropy, bytes(key.ke))
        shared = pair.shared(bytes(key.ke))
    except BadPublicValue:
        if sa.conduct.check_public_values:
            raise
        pair, shared = ke.generate(group, sa.entropy), bytes(32)
    return IKEv2_KE(group=group, ke=pair.public), shared


def _refused(reason: str, kind: Notify = Notify.INVALID_SYNTAX) -> Reply:
    return Reply([IKEv2_Notify(type=kind)], "refused", reason)


def answered(sa: IkeSa, message_id: int, keys: sk.SkKeys | None) -> None:
    """The response is out: from here on with the new keys, but for the request come again."""
    state = sa.between
    if state.following is None or keys is None:
        return
    state.old = message_id, keys
    sa.take_keys(state.following)
    state.following = None


def opening(sa: IkeSa, packet: IKEv2, keys: sk.SkKeys) -> sk.SkKeys:
    """What opens a message: the keys before for the last request come again (RFC 7296 2.1)."""
    old = sa.between.old
    again = old is not None and packet.id == old[0] and not int(packet.flags) & RESPONSE
    return old[1] if old is not None and again else keys


def unfinished(sa: IkeSa) -> str | None:
    """RFC 9370 2.2.2: why an IKE_AUTH request comes too early."""
    if sa.between.left and sa.conduct.insist_on_rounds:
        return "key exchanges that were negotiated have not been done"
    if ppk_early.due(sa) and ppk_early.lacks(sa, None):
        return "no PPK was named"
    return None


# -- both ------------------------------------------------------------------------------------


def _next_keys(sa: IkeSa, shared: bytes) -> IkeKeys:
    """SKEYSEED(n) = prf(SK_d(n-1), SK(n) | Ni | Nr), then as in RFC 7296 2.14 (RFC 9370 2.2.2)."""
    assert sa.keys is not None
    state = sa.init
    return rekey_ike(sa.keys.suite, sa.keys, shared, state.ni, state.nr, sa.spi_i, sa.spi_r)


def cover(sa: IkeSa, data: bytes, plain: bytes, first: int) -> None:
    """Take one message, sent or received, into IntAuth (RFC 9242 3.3.2).

    It counts as if it had gone in one piece, and without IV, padding and ICV.
    """
    assert sa.keys is not None and sa.keys.suite.prf is not None
    state, number = sa.between, int(sa.keys.suite.prf.id)
    head = bytearray(data[: sk.HEADER])
    head[FIRST] = Payload.SK
    length = 4 + len(plain)
    head[LENGTH] = (sk.HEADER + length).to_bytes(4, "big")
    covered = bytes(head) + bytes([first, 0]) + length.to_bytes(2, "big") + plain
    if data[19] & RESPONSE:
        state.auth_r = prf(number, sa.keys.sk_pr, state.auth_r, covered)
    else:
        state.auth_i = prf(number, sa.keys.sk_pi, state.auth_i, covered)
        state.count += 1


def int_auth(sa: IkeSa) -> bytes:
    """What AUTH covers besides: IntAuth_i | IntAuth_r | the message ID of the first IKE_AUTH."""
    state = sa.between
    if not state.count or not sa.conduct.cover_intermediate:
        return b""
    return state.auth_i + state.auth_r + (state.count + 1).to_bytes(4, "big")
