"""IKE_AUTH and the first CHILD_SA, both roles (RFC 7296 1.2, 2.15, 2.9); proofs are in `proof`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ikelab.harness.edits import Edit
from ikelab.harness.exchange import extensions, first_child, intermediate, ppk, proof, rounds, rules
from ikelab.harness.exchange.eap.message import EapFailed
from ikelab.harness.exchange.events import Established, NotAuthenticated
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.peer_certs import AuthFailure, NotProven
from ikelab.harness.exchange.window import Reply
from ikelab.harness.model import Identity
from ikelab.harness.transcript import Step
from ikelab.layers.iana import Exchange, Notify, Payload
from ikelab.layers.notify import IKEv2_Notify
from ikelab.layers.payloads import IKEv2_IDr

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa


# -- initiator -------------------------------------------------------------------------------


def start(sa: IkeSa, now: float, edits: Sequence[Edit]) -> None:
    """Send IDi, [CERT], [CERTREQ], [IDr], AUTH, SAi2, TSi, TSr."""
    config = sa.config
    sa.rounds = rounds.Rounds()
    named: list[Any] = proof.certificate_requests(sa)
    if config.send_idr and config.remote_id is not None:
        named.append(IKEv2_IDr(IDtype=config.remote_id.type, ID=config.remote_id.data))
    try:
        payloads = rounds.opening(sa, named)
    except NotProven as failed:
        _note(sa, failed)
        sa.end(f"we cannot authenticate ({failed.reason}): {failed}")
        return
    payloads += first_child.ask(sa)
    payloads += sa.announce_window()
    payloads += extensions.auth_request(sa)
    sa.request(Exchange.IKE_AUTH, payloads, now, edits)


def receive(sa: IkeSa, it: Inbound, seen: Step, request: Inbound, now: float) -> None:
    """The responder's IKE_AUTH: verify who it is, then take the child."""
    sa.rounds.offer = sa.rounds.offer or request
    if sa.rounds.busy:
        _receive_round(sa, it, seen, now)
        return
    auth, identity = it.one(Payload.AUTH), it.one(Payload.IDR)
    if auth is None or identity is None:
        _refused_by_peer(sa, it, "no IDr or no AUTH")
        return
    reason = _failed_entirely(sa, it)
    if reason is not None:
        _give_up(sa, reason, now)
        return
    try:
        ppk.settle(sa, it)
        for broken in proof.check(sa, it, identity, auth):
            sa.broke(broken, seen)
    except NotProven as failed:
        _reject(sa, seen, failed, now)
        return
    sa.peer_id = Identity(identity.IDtype, bytes(identity.ID))
    sa.rounds.body = rounds.body_of(identity)
    if not rounds.follow(sa, now):
        _finish(sa, it, seen)


def _finish(sa: IkeSa, it: Inbound, seen: Step) -> None:
    """Both sides are who they should be: the response that says so has the child."""
    sa.move("recv", it.exchange, "response")
    sa.note(Established())
    _keep_mapping(sa, seen.now)
    if it.has(Payload.SA) and sa.rounds.offer is not None:
        first_child.take(sa, it, sa.rounds.offer)
    extensions.established(sa, it, seen.now)


def _receive_round(sa: IkeSa, it: Inbound, seen: Step, now: float) -> None:
    """A response of EAP, or of a proof beyond the first one."""
    refusals = [e for e in it.errors() if e == Notify.AUTHENTICATION_FAILED]
    if refusals or (it.errors() and len(it.payloads) == len(it.errors())):
        _refused_by_peer(sa, it, "")
        return
    try:
        if rounds.receive(sa, it, seen, now):
            _finish(sa, it, seen)
    except NotProven as failed:
        _reject(sa, seen, failed, now)
    except EapFailed as failed:
        sa.note(NotAuthenticated(str(AuthFailure.EAP), str(failed)))
        sa.move("recv", it.exchange, "response", "refused")
        sa.end(f"not authenticated: {failed}")


def _refused_by_peer(sa: IkeSa, it: Inbound, otherwise: str) -> None:
    sa.move("recv", it.exchange, "response", "refused")
    names = ", ".join(Notify(e).name if e in set(Notify) else str(e) for e in it.errors())
    sa.end(f"IKE_AUTH refused: {names or otherwise}")


def _failed_entirely(sa: IkeSa, it: Inbound) -> str | None:
    """Why an authenticated response is no success all the same (3.10.1)."""
    unknown = [e for e in it.errors() if e not in set(Notify)]
    if unknown and sa.conduct.heed_unknown_errors:
        return f"IKE_AUTH refused with the unknown error {unknown[0]}"
    if it.errors() and not sa.conduct.keep_ike_on_child_error:
        return "IKE_AUTH brought no child"
    return None


def _give_up(sa: IkeSa, reason: str, now: float) -> None:
    """Tell the responder that its answer is not accepted, and forget the SA (2.21.2)."""
    notify = IKEv2_Notify(type=Notify.AUTHENTICATION_FAILED)
    sa.request(Exchange.INFORMATIONAL, [notify], now, (), "delete")
    sa.end(reason)


def _reject(sa: IkeSa, seen: Step, failed: NotProven, now: float) -> None:
    """The responder is not who we want: tell it, and forget the SA (2.21.2)."""
    if failed.reason in (AuthFailure.KEY, AuthFailure.SIGNATURE):
        evidence = f"AUTH of the responder does not verify: {failed}"
        sa.broke(rules.violation("auth-verifies", "2.15", evidence), seen)
    # RFC 7296 2.21.2: the notify may go into an INFORMATIONAL exchange of its own.
    notify = IKEv2_Notify(type=Notify.AUTHENTICATION_FAILED)
    sa.request(Exchange.INFORMATIONAL, [notify], now, (), "delete")
    _note(sa, failed, seen)
    sa.end(f"not authenticated ({failed.reason}): {failed}")


def _note(sa: IkeSa, failed: NotProven, seen: Step | None = None) -> None:
    if failed.violation is not None and seen is not None:
        sa.broke(failed.violation, seen)
    sa.note(NotAuthenticated(str(failed.reason), str(failed)))


# -- responder -------------------------------------------------------------------------------


def serve(sa: IkeSa, it: Inbound, now: float) -> Reply:
    """Answer IKE_AUTH: refuse who cannot prove it, otherwise IDr, AUTH and the child."""
    sa.rounds.offer = sa.rounds.offer or it
    early = intermediate.unfinished(sa)
    if early is not None:
        return _refused(sa, Notify.INVALID_SYNTAX, early)
    if sa.rounds.busy or rounds.begins_eap(sa, it):
        return _serve_round(sa, it, now)
    auth, identity = it.one(Payload.AUTH), it.one(Payload.IDI)
    trusting = auth is None and not sa.conduct.insist_on_payloads
    if identity is None or (auth is None and not trusting):
        return _refused(sa, Notify.INVALID_SYNTAX, "no IDi or no AUTH")
    own = sa.config.local_id
    try:
        ppk.take(sa, it)
        broken = [] if trusting else proof.check(sa, it, identity, auth)
        mine = proof.authenticate(sa, own, it)
    except NotProven as failed:
        _note(sa, failed, sa.transcript.steps[-1])
        return _refused(sa, Notify.AUTHENTICATION_FAILED, f"{failed.reason}: {failed}")
    for violation in broken:
        sa.broke(violation, sa.transcript.steps[-1])
    sa.peer_id = Identity(identity.IDtype, bytes(identity.ID))
    payloads: list[Any] = [
        IKEv2_IDr(IDtype=own.type, res2=sa.config.id_reserved, ID=own.data),
        *proof.certificates(sa, it),
        mine,
        *ppk.confirm(sa),
    ]
    try:
        reply = rounds.next_round(sa, it, payloads)
    except NotProven as failed:
        _note(sa, failed)
        return _refused(sa, Notify.AUTHENTICATION_FAILED, f"{failed.reason}: {failed}")
    return reply if reply.outcome else _conclude(sa, payloads, now)


def _serve_round(sa: IkeSa, it: Inbound, now: float) -> Reply:
    """Answer a request of EAP, or of a proof beyond the first one."""
    try:
        reply = rounds.serve(sa, it)
    except NotProven as failed:
        _note(sa, failed, sa.transcript.steps[-1])
        return _refused(sa, Notify.AUTHENTICATION_FAILED, f"{failed.reason}: {failed}")
    except EapFailed as failed:
        sa.note(NotAuthenticated(str(AuthFailure.EAP), str(failed)))
        return _refused(sa, Notify.AUTHENTICATION_FAILED, str(failed))
    return reply if reply.outcome else _conclude(sa, reply.payloads, now)


def _conclude(sa: IkeSa, payloads: list[Any], now: float) -> Reply:
    """All is proven: the child that the first request asked for goes with the last response."""
    sa.note(Established())
    _keep_mapping(sa, now)
    payloads += sa.announce_window()
    offer = sa.rounds.offer
    if offer is None:
        return Reply(payloads)
    payloads += extensions.auth_response(sa, offer, now)
    if offer.has(Payload.SA):
        answer = first_child.answer(sa, offer)
        if len(answer) == 1 and not sa.conduct.keep_ike_on_child_error:
            return Reply(answer, "refused", "no child")
        payloads += answer
    return Reply(payloads)


def _refused(sa: IkeSa, notify: Notify, reason: str) -> Reply:
    clear = not sa.conduct.protect_errors
    return Reply([IKEv2_Notify(type=notify)], "refused", f"{notify.name}: {reason}", clear)


# -- both ------------------------------------------------------------------------------------


def _keep_mapping(sa: IkeSa, now: float) -> None:
    """RFC 7296 2.23: whoever is behind a NAT sends keepalives."""
    if sa.behind_nat and sa.conduct.send_keepalives:
        sa.keepalive_due = now + sa.config.keepalive
