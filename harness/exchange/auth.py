"""IKE_AUTH with a shared key and the first CHILD_SA, both roles (RFC 7296 1.2, 2.15, 2.9)."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ikelab.harness.crypto.auth import psk_auth, signed_octets
from ikelab.harness.edits import Edit
from ikelab.harness.exchange import rules
from ikelab.harness.exchange.child import Nonces, install
from ikelab.harness.exchange.events import Established
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.modes import answer_mode, ask_mode, mode_of
from ikelab.harness.exchange.negotiate import (
    Choice,
    accepted_payload,
    choose,
    narrow,
    offers,
    sa_payload,
    selectors_of,
    ts_payloads,
    without_ke,
)
from ikelab.harness.exchange.window import Reply
from ikelab.harness.model import Identity, Spis
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
    if config.esp:
        # The SPI that the peer is to put into the ESP it sends us.
        sa.offered_spi = sa.entropy(4)
        payloads += ask_mode(sa)
        payloads.append(sa_payload(without_ke(config.esp), sa.offered_spi))
        payloads += ts_payloads(config.local_ts, config.remote_ts)
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
        _take_child(sa, it, request)


def _take_child(sa: IkeSa, it: Inbound, request: Inbound) -> None:
    """Install what the responder accepted; whether it was allowed to is for the rules."""
    accepted = offers(it.one(Payload.SA))
    sent = offers(request.one(Payload.SA))
    if not accepted or not sent:
        return
    choice = Choice(accepted[0].number, accepted[0].spi, accepted[0].suite.keyed())
    tsi, tsr = selectors_of(it.one(Payload.TSI)), selectors_of(it.one(Payload.TSR))
    nonces = Nonces(sa.init.ni, sa.init.nr)
    spis = Spis(sent[0].spi, choice.spi)
    install(sa, choice, spis, (tsi, tsr), nonces, made_by_us=True, mode=mode_of(it))


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
        answer = _child_answer(sa, it)
        if len(answer) == 1 and not sa.conduct.keep_ike_on_child_error:
            return Reply(answer, "refused", "no child")
        payloads += answer
    return Reply(payloads)


def _refused(sa: IkeSa, notify: Notify, reason: str) -> Reply:
    clear = not sa.conduct.protect_errors
    return Reply([IKEv2_Notify(type=notify)], "refused", f"{notify.name}: {reason}", clear)


def _child_answer(sa: IkeSa, it: Inbound) -> list[Any]:
    """SAr2, TSi, TSr; or the error notify of a child that cannot be (the IKE SA lives on, 1.2)."""
    choice = choose(offers(it.one(Payload.SA)), without_ke(sa.config.esp))
    if choice is None:
        return [IKEv2_Notify(type=Notify.NO_PROPOSAL_CHOSEN)]
    tsi = selectors_of(it.one(Payload.TSI))
    tsr = selectors_of(it.one(Payload.TSR))
    if sa.conduct.narrow:
        tsi, tsr = narrow(tsi, sa.config.remote_ts), narrow(tsr, sa.config.local_ts)
    if not tsi or not tsr:
        return [IKEv2_Notify(type=Notify.TS_UNACCEPTABLE)]
    spi = sa.entropy(4)
    extras, mode = answer_mode(sa, it)
    nonces = Nonces(sa.init.ni, sa.init.nr)
    spis = Spis(choice.spi, spi)
    install(sa, choice, spis, (tsi, tsr), nonces, made_by_us=False, mode=mode)
    return [*extras, accepted_payload(choice, spi), *ts_payloads(tsi, tsr)]


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


