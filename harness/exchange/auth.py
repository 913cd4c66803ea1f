"""IKE_AUTH with a shared key and the first CHILD_SA, both roles (RFC 7296 1.2, 2.15, 2.9)."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ikelab.harness.crypto.auth import psk_auth, signed_octets
from ikelab.harness.edits import Edit
from ikelab.harness.exchange import first_child, rules
from ikelab.harness.exchange.events import Established
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.window import Reply
from ikelab.harness.model import Identity
from ikelab.harness.transcript import Step
from ikelab.layers.iana import AuthMethod, Exchange, Notify, Payload
from ikelab.layers.notify import IKEv2_Notify
from ikelab.layers.payloads import IKEv2_AUTH, IKEv2_IDi, IKEv2_IDr

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa


# -- initiator -------------------------------------------------------------------------------


def start(sa: IkeSa, now: float, edits: Sequence[Edit]) -> None:
    """Send IDi, [IDr], AUTH, SAi2, TSi, TSr."""
    config = sa.config
    own = IKEv2_IDi(IDtype=config.local_id.type, ID=config.local_id.data)
    payloads: list[Any] = [own]
    if config.send_idr and config.remote_id is not None:
        payloads.append(IKEv2_IDr(IDtype=config.remote_id.type, ID=config.remote_id.data))
    payloads.append(_own_auth(sa, config.local_id))
    payloads += first_child.ask(sa)
    sa.request(Exchange.IKE_AUTH, payloads, now, edits)


def receive(sa: IkeSa, it: Inbound, seen: Step, request: Inbound, now: float) -> None:
    """The responder's IKE_AUTH: verify who it is, then take the child."""
    del now
    auth, identity = it.one(Payload.AUTH), it.one(Payload.IDR)
    if auth is None or identity is None:
        sa.move("recv", it.exchange, "response", "refused")
        names = ", ".join(Notify(e).name if e in set(Notify) else str(e) for e in it.errors())
        sa.end(f"IKE_AUTH refused: {names or 'no IDr or no AUTH'}")
        return
    if not _auth_is_valid(sa, identity, auth):
        evidence = "AUTH of the responder does not verify with the shared key"
        sa.broke(rules.violation("auth-verifies", "2.15", evidence), seen)
        sa.move("recv", it.exchange, "response", "refused")
        sa.end("the responder's AUTH does not verify")
        return
    sa.peer_id = Identity(identity.IDtype, bytes(identity.ID))
    sa.move("recv", it.exchange, "response")
    sa.note(Established())
    _keep_mapping(sa, seen.now)
    if it.has(Payload.SA):
        first_child.take(sa, it, request)


# -- responder -------------------------------------------------------------------------------


def serve(sa: IkeSa, it: Inbound, now: float) -> Reply:
    """Answer IKE_AUTH: refuse who cannot prove it, otherwise IDr, AUTH and the child."""
    auth, identity = it.one(Payload.AUTH), it.one(Payload.IDI)
    if auth is None or identity is None:
        return _refused(sa, Notify.INVALID_SYNTAX, "no IDi or no AUTH")
    peer = Identity(identity.IDtype, bytes(identity.ID))
    wanted = sa.config.remote_id
    stranger = wanted is not None and peer != wanted
    if sa.conduct.verify_auth and (stranger or not _auth_is_valid(sa, identity, auth)):
        reason = f"{peer} is nobody we know" if stranger else "AUTH does not verify"
        return _refused(sa, Notify.AUTHENTICATION_FAILED, reason)
    sa.peer_id = peer
    own = sa.config.local_id
    payloads: list[Any] = [
        IKEv2_IDr(IDtype=own.type, ID=own.data),
        _own_auth(sa, own),
    ]
    sa.note(Established())
    _keep_mapping(sa, now)
    if it.has(Payload.SA):
        answer = first_child.answer(sa, it)
        if len(answer) == 1 and not sa.conduct.keep_ike_on_child_error:
            return Reply(answer, "refused", "no child")
        payloads += answer
    return Reply(payloads)


def _refused(sa: IkeSa, notify: Notify, reason: str) -> Reply:
    clear = not sa.conduct.protect_errors
    return Reply([IKEv2_Notify(type=notify)], "refused", f"{notify.name}: {reason}", clear)


# -- both ------------------------------------------------------------------------------------


def _own_auth(sa: IkeSa, identity: Identity) -> IKEv2_AUTH:
    """Our AUTH over our own first message, the peer's nonce and our ID (2.15)."""
    keys, state = sa.keys, sa.init
    assert keys is not None and keys.suite.prf is not None
    mine, nonce, sk_p = (
        (state.request, state.nr, keys.sk_pi)
        if sa.initiator
        else (state.response, state.ni, keys.sk_pr)
    )
    octets = signed_octets(keys.suite.prf.id, mine, nonce, id_body(identity), sk_p)
    data = psk_auth(keys.suite.prf.id, sa.config.psk, octets)
    return IKEv2_AUTH(auth_type=AuthMethod.SHARED_KEY_MESSAGE_INTEGRITY_CODE, load=data)


def _auth_is_valid(sa: IkeSa, identity: Any, auth: Any) -> bool:
    """Whether the peer's AUTH is what the shared key gives over its first message."""
    keys, state = sa.keys, sa.init
    assert keys is not None and keys.suite.prf is not None
    if auth.auth_type != AuthMethod.SHARED_KEY_MESSAGE_INTEGRITY_CODE:
        return False
    theirs, nonce, sk_p = (
        (state.response, state.ni, keys.sk_pr)
        if sa.initiator
        else (state.request, state.nr, keys.sk_pi)
    )
    # RFC 7296 2.15: the body as it came, reserved octets included.
    body = bytes([identity.IDtype]) + identity.res2.to_bytes(3, "big") + bytes(identity.ID)
    octets = signed_octets(keys.suite.prf.id, theirs, nonce, body, sk_p)
    expected = psk_auth(keys.suite.prf.id, sa.config.psk, octets)
    return hmac.compare_digest(expected, bytes(auth.load))


def id_body(identity: Identity) -> bytes:
    """RestOfIDPayload: type, three reserved octets, data (RFC 7296 2.15)."""
    return bytes([identity.type & 0xFF, 0, 0, 0]) + identity.data


def _keep_mapping(sa: IkeSa, now: float) -> None:
    """RFC 7296 2.23: whoever is behind a NAT sends keepalives."""
    if sa.behind_nat and sa.conduct.send_keepalives:
        sa.keepalive_due = now + sa.config.keepalive
