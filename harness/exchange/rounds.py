"""IKE_AUTH in more than one exchange: EAP (RFC 7296 2.16), EAP alone (RFC 5998), several proofs.

A round is one identity and its proof; RFC 4739 lets the initiator go through several. Both roles.
What one message proves is `proof`'s; what the whole of it makes is `auth`'s.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ikelab.harness.crypto.auth import psk_auth
from ikelab.harness.exchange import ppk, proof
from ikelab.harness.exchange.eap.credentials import EapCredential
from ikelab.harness.exchange.eap.message import EapFailed, EapMessage
from ikelab.harness.exchange.eap.session import Authenticator, Supplicant
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.peer_certs import AuthFailure, NotProven
from ikelab.harness.exchange.window import Reply
from ikelab.harness.model import Identity
from ikelab.harness.transcript import Step
from ikelab.layers.eap import EapCode
from ikelab.layers.iana import AuthMethod, Exchange, Notify, Payload
from ikelab.layers.notify import IKEv2_Notify
from ikelab.layers.payloads import IKEv2_AUTH, IKEv2_IDi, IKEv2_IDr

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa

SHARED = AuthMethod.SHARED_KEY_MESSAGE_INTEGRITY_CODE
MORE = "more"
"""The outcome of a response that is not the last one of IKE_AUTH."""


@dataclass(slots=True)
class Rounds:
    """Where IKE_AUTH is. `offer` is its first request, which asks for the child."""

    number: int = 0
    offer: Inbound | None = None
    supplicant: Supplicant | None = None
    authenticator: Authenticator | None = None
    body: bytes = b""  # of the peer's ID payload in this round: AUTH covers it
    finishing: bool = False  # EAP succeeded: AUTH is what comes next
    waiting: bool = False  # as responder: another identity is what comes next

    @property
    def busy(self) -> bool:
        """Whether more than one exchange is going on."""
        return bool(self.supplicant or self.authenticator or self.number)


def announce(sa: IkeSa) -> list[Any]:
    """MULTIPLE_AUTH_SUPPORTED: the responder's in IKE_SA_INIT (RFC 4739 2.1)."""
    told = sa.config.features
    wanted = told.more and _several(sa) if sa.initiator else told.more_trust
    return [IKEv2_Notify(type=Notify.MULTIPLE_AUTH_SUPPORTED)] if wanted else []


def _several(sa: IkeSa) -> bool:
    """Whether the responder announced that it takes several proofs."""
    said = proof.first_message(sa, ours=False).notify(Notify.MULTIPLE_AUTH_SUPPORTED)
    return said is not None


def mac(sa: IkeSa, body: bytes, key: bytes, *, ours: bool) -> bytes:
    """AUTH data of a method that made `key`, or with SK_p where it made none (2.16)."""
    prf, octets, sk_p = proof.covered(sa, body, ours=ours)
    return psk_auth(prf, key or sk_p, octets)


def _own_body(sa: IkeSa) -> bytes:
    return proof.id_body(identity(sa), sa.config.id_reserved)


def identity(sa: IkeSa) -> Identity:
    """Who we say we are in this round."""
    number = sa.rounds.number
    if number and sa.initiator:
        return sa.config.features.more[number - 1].identity
    return sa.config.local_id


def body_of(payload: Any) -> bytes:
    head = int(payload.IDtype) << 24 | int(payload.res2)
    return head.to_bytes(4, "big") + bytes(payload.ID)


def _auth(data: bytes) -> IKEv2_AUTH:
    return IKEv2_AUTH(auth_type=SHARED, load=data)


# -- initiator -------------------------------------------------------------------------------


def opening(sa: IkeSa, between: list[Any]) -> list[Any]:
    """What begins a round: IDi, [CERT], something `between`, AUTH, which EAP begins without."""
    own, who = proof.own_credential(sa), identity(sa)
    head = IKEv2_IDi(IDtype=who.type, res2=sa.config.id_reserved, ID=who.data)
    if isinstance(own, EapCredential):
        sa.rounds.supplicant = Supplicant(own, sa.entropy, patient=sa.conduct.await_eap)
        sa.rounds.finishing = False
        only = [IKEv2_Notify(type=Notify.EAP_ONLY_AUTHENTICATION)] if own.only else []
        return [head, *between, *only]
    sa.rounds.supplicant = None
    ppk.mix(sa)
    mine = proof.authenticate(sa, who)
    named = ppk.named(sa, lambda: proof.authenticate(sa, who))
    return [head, *proof.certificates(sa), *between, mine, *named, *_another(sa)]


def _another(sa: IkeSa) -> list[Any]:
    """ANOTHER_AUTH_FOLLOWS beside every AUTH of ours but the last (RFC 4739 2.2)."""
    more = len(sa.config.features.more) > sa.rounds.number
    return [IKEv2_Notify(type=Notify.ANOTHER_AUTH_FOLLOWS)] if more and _several(sa) else []


def follow(sa: IkeSa, now: float) -> bool:
    """Begin the next round, if there is one; whether there is."""
    if not _another(sa):
        return False
    sa.move("recv", Exchange.IKE_AUTH, "response", MORE)
    sa.rounds.number += 1
    sa.request(Exchange.IKE_AUTH, opening(sa, []), now)
    return True


def receive(sa: IkeSa, it: Inbound, seen: Step, now: float) -> bool:
    """A response inside of EAP or of a later round; whether all is proven now.

    NotProven for a responder that is not who it should be, EapFailed for the rest.
    """
    state = sa.rounds
    if state.supplicant is None:
        # RFC 4739 2.3: a responder that is proven adds nothing of its own to a later signature.
        return not follow(sa, now)
    if not state.finishing:
        if not state.body:
            _responder(sa, it, seen)
        _converse(sa, it, now)
        return False
    auth = it.one(Payload.AUTH)
    if auth is None:
        raise EapFailed("no AUTH after EAP")
    ppk.settle(sa, it)
    expected = mac(sa, state.body, state.supplicant.msk, ours=False)
    right = auth.auth_type == SHARED and hmac.compare_digest(expected, bytes(auth.load))
    if not right and sa.conduct.verify_auth:
        raise NotProven(AuthFailure.KEY, "AUTH is not made from the key of EAP")
    return not follow(sa, now)


def _responder(sa: IkeSa, it: Inbound, seen: Step) -> None:
    """Its identity, and the AUTH that goes before EAP unless EAP alone was asked for."""
    auth, who = it.one(Payload.AUTH), it.one(Payload.IDR)
    if who is None:
        raise EapFailed("no IDr")
    own = sa.rounds.supplicant.own if sa.rounds.supplicant else None
    sa.rounds.body = body_of(who)
    sa.peer_id = Identity(who.IDtype, bytes(who.ID))
    if auth is not None:
        for broken in proof.check(sa, it, who, auth):
            sa.broke(broken, seen)
    elif own is None or not own.only:
        raise NotProven(AuthFailure.METHOD, "the responder begins EAP without AUTH of its own")


def _converse(sa: IkeSa, it: Inbound, now: float) -> None:
    """Answer the EAP message of a response."""
    state = sa.rounds
    payload = it.one(Payload.EAP)
    assert state.supplicant is not None
    if payload is None:
        raise EapFailed("no EAP message")
    answer = state.supplicant.take(EapMessage.of(payload))
    if answer is not None:
        payloads: list[Any] = [answer.payload()]
    elif not state.supplicant.over:
        raise EapFailed("the responder says that EAP failed")
    else:
        state.finishing = True
        own = state.supplicant.own
        key = state.supplicant.msk if own.key is None else own.key
        ppk.mix(sa)
        named = ppk.named(sa, lambda: _auth(mac(sa, _own_body(sa), key, ours=True)))
        payloads = [_auth(mac(sa, _own_body(sa), key, ours=True)), *named, *_another(sa)]
    sa.move("recv", it.exchange, "response", MORE)
    sa.request(Exchange.IKE_AUTH, payloads, now)


# -- responder -------------------------------------------------------------------------------


def begins_eap(sa: IkeSa, it: Inbound) -> bool:
    """Whether this request asks for EAP, and we have it to offer."""
    asks = it.has(Payload.IDI) and not it.has(Payload.AUTH)
    return asks and proof.trust_of(sa).eap is not None


def serve(sa: IkeSa, it: Inbound) -> Reply:
    """Answer a request of EAP or of a later round; an outcome of "" means that all is proven.

    NotProven, EapFailed where it has failed.
    """
    state = sa.rounds
    if state.authenticator is not None:
        return _finished(sa, it) if state.finishing else _examine(sa, it)
    who = it.one(Payload.IDI)
    if who is None:
        raise EapFailed("no IDi")
    state.waiting = False
    wanted = sa.config.remote_id
    peer = Identity(who.IDtype, bytes(who.ID))
    if wanted is not None and peer != wanted and not state.number and sa.conduct.verify_auth:
        raise NotProven(AuthFailure.STRANGER, f"{peer} is nobody we know, expected {wanted}")
    state.body = body_of(who)
    auth = it.one(Payload.AUTH)
    if auth is None:
        return _begin(sa, it, who)
    for broken in proof.check(sa, it, who, auth):
        sa.broke(broken, sa.transcript.steps[-1])
    return next_round(sa, it, [])


def _begin(sa: IkeSa, it: Inbound, who: Any) -> Reply:
    state, trust = sa.rounds, proof.trust_of(sa).eap
    if trust is None:
        raise NotProven(AuthFailure.METHOD, "no AUTH, and EAP is not what we ask for")
    if not state.number:
        sa.peer_id = Identity(who.IDtype, bytes(who.ID))
    state.authenticator = Authenticator(trust, sa.entropy, bytes(who.ID))
    state.finishing = False
    payloads: list[Any] = []
    if not state.number:
        own = sa.config.local_id
        payloads.append(IKEv2_IDr(IDtype=own.type, res2=sa.config.id_reserved, ID=own.data))
        alone = trust.only and it.notify(Notify.EAP_ONLY_AUTHENTICATION) is not None
        if not alone:
            payloads += [*proof.certificates(sa, it), proof.authenticate(sa, own, it)]
    return Reply([*payloads, state.authenticator.start().payload()], MORE)


def _examine(sa: IkeSa, it: Inbound) -> Reply:
    """Take the peer's EAP message."""
    state = sa.rounds
    assert state.authenticator is not None
    payload = it.one(Payload.EAP)
    if payload is None:
        raise EapFailed("no EAP message")
    message = state.authenticator.take(EapMessage.of(payload))
    if message is None:
        raise EapFailed("an EAP message that answers nothing")
    if state.authenticator.over is False and not sa.conduct.verify_eap:
        state.authenticator.over = True
        message = EapMessage(EapCode.SUCCESS, message.identifier)
    if state.authenticator.over is False:
        return Reply([message.payload()], "refused", f"EAP failed: {state.authenticator.failure}")
    state.finishing = bool(state.authenticator.over)
    return Reply([message.payload()], MORE)


def _finished(sa: IkeSa, it: Inbound) -> Reply:
    """The initiator's AUTH has to be made from what EAP left on both sides."""
    state, auth = sa.rounds, it.one(Payload.AUTH)
    assert state.authenticator is not None
    key = state.authenticator.msk
    if auth is None:
        raise NotProven(AuthFailure.METHOD, "no AUTH after EAP")
    ppk.take(sa, it)
    expected = mac(sa, state.body, key, ours=False)
    right = auth.auth_type == SHARED and hmac.compare_digest(expected, ppk.proof(sa, auth))
    if not right and sa.conduct.verify_auth:
        raise NotProven(AuthFailure.KEY, "AUTH is not made from the key of EAP")
    mine = _auth(mac(sa, _own_body(sa), sa.config.features.eap_key or key, ours=True))
    return next_round(sa, it, [mine, *ppk.confirm(sa)])


def next_round(sa: IkeSa, it: Inbound, payloads: list[Any]) -> Reply:
    """The round is over: wait for another identity, or be content (RFC 4739 2.2)."""
    state = sa.rounds
    follows = it.notify(Notify.ANOTHER_AUTH_FOLLOWS) is not None
    if len(sa.config.features.more_trust) <= state.number:
        return Reply(payloads)
    if not follows:
        if sa.conduct.verify_auth:
            raise NotProven(AuthFailure.METHOD, "the initiator proves itself once only")
        return Reply(payloads)
    state.number += 1
    state.waiting, state.authenticator = True, None
    return Reply(payloads, MORE)
