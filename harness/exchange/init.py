"""IKE_SA_INIT, both roles (RFC 7296 1.2, 2.6, 2.7, 2.23): offers, keys, cookies, NAT detection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ikelab.harness.crypto import ke
from ikelab.harness.crypto.auth import nat_detection
from ikelab.harness.crypto.errors import BadPublicValue
from ikelab.harness.crypto.keys import derive_ike
from ikelab.harness.crypto.prf import cuts_nonces
from ikelab.harness.edits import Edit
from ikelab.harness.errors import ConfigError, UnsupportedAlgorithm
from ikelab.harness.exchange import (
    extensions,
    fit,
    frag,
    intermediate,
    misread,
    mobike,
    ppk,
    proof,
    puzzle,
    redirect,
    rules,
)
from ikelab.harness.exchange.events import Answered, Requested
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.negotiate import accepted_payload, choose, inconsistent, sa_payload
from ikelab.harness.exchange.table import State
from ikelab.harness.exchange.window import Answer
from ikelab.harness.model import IKE_PORT, NATT_PORT, Address, Datagram, Nat, Suite
from ikelab.harness.transcript import Step
from ikelab.layers.iana import Encr, Exchange, Notify, Payload, TransformType
from ikelab.layers.message import IKEv2
from ikelab.layers.notify import IKEv2_Notify
from ikelab.layers.payloads import IKEv2_KE, IKEv2_Nonce

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa

MOST_RETRIES = 5  # cookies and groups asked for before we take the peer for broken


@dataclass(slots=True)
class InitState:
    """What IKE_SA_INIT leaves for IKE_AUTH: both messages, both nonces, our key pair."""

    pair: ke.KeyPair | None = None
    ni: bytes = b""
    nr: bytes = b""
    shared: bytes = b""
    request: bytes = b""
    response: bytes = b""
    cookie: bytes = b""
    solution: bytes = b""  # of the puzzle that came with it (RFC 8019)
    group: int | None = None
    edits: tuple[Edit, ...] = ()  # of the request: who asks for a cookie gets the same again
    retries: int = 0
    asked: list[int] = field(default_factory=list)  # groups that INVALID_KE_PAYLOAD asked for
    echoes: int = 0  # repetitions of requests that are answered: each may bring an answer, late
    refused: list[int] = field(default_factory=list)  # the error notifies that we answered with
    retried: bool = False  # as responder: this initiator was asked for another group before


def remember(sa: IkeSa, data: bytes, response: bool, *, edited: bool) -> None:
    """Keep our own IKE_SA_INIT message as sent: AUTH signs it (RFC 7296 2.15)."""
    if response:
        sa.init.response = data
    else:
        sa.init.request = data
    if edited:
        _follow(sa, Inbound(IKEv2(data)), response)


def _follow(sa: IkeSa, left: Inbound, response: bool) -> None:
    """Go on with the nonce and the suite that edits made: the peer has no others to compute with.

    Where they leave a choice the peer may take another suite than we do, hence the doubt.
    """
    state, nonce = sa.init, left.one(Payload.NONCE)
    if not response:
        state.ni = state.ni if nonce is None else bytes(nonce.nonce)
        return
    if sa.chosen is None:
        return
    state.nr = state.nr if nonce is None else bytes(nonce.nonce)
    choice = fit.choice(left)
    suite = choice.suite.keyed() if choice else sa.chosen
    several = len({t.type for t in suite.transforms}) < len(suite.transforms)
    try:
        _take_keys(sa, sa.chosen if several or not _usable(suite) else suite)
    except (ConfigError, UnsupportedAlgorithm):
        _take_keys(sa, sa.chosen)
    sa.doubtful = True


def _usable(suite: Suite) -> bool:
    return bool(suite.encr and suite.prf and (suite.aead or suite.integ))


# -- initiator -------------------------------------------------------------------------------


def start(sa: IkeSa, now: float, edits: Sequence[Edit]) -> None:
    """Send the request; a retry keeps SPIi, nonce and message ID 0 (2.6, 2.7)."""
    state = sa.init
    state.edits = tuple(edits)
    if state.group is None:
        state.group = sa.config.ke if sa.config.ke is not None else _first_group(sa.config.ike)
    if state.pair is None or state.pair.group != state.group:
        state.pair = ke.generate(state.group, sa.entropy)
    state.ni = state.ni or sa.entropy(sa.config.nonce_length)
    payloads: list[Any] = []
    if state.cookie:
        payloads.append(IKEv2_Notify(type=Notify.COOKIE, notify=state.cookie))
        payloads += puzzle.answer(sa)
    offer = sa.config.ike
    if state.asked and not sa.conduct.repeat_offer:
        offer = tuple(_only(s, state.group) for s in offer)
    payloads += [
        sa_payload(offer),
        IKEv2_KE(group=state.group, ke=state.pair.public),
        IKEv2_Nonce(nonce=state.ni),
        *_nat_detection(sa, bytes(8)),
        *frag.announce(sa),
        *proof.announce(sa),
        *intermediate.announce(sa),
        *extensions.init_request(sa),
    ]
    sa.window.next_request = 0
    sa.request(Exchange.IKE_SA_INIT, payloads, now, edits)


def _first_group(suites: Sequence[Suite]) -> int:
    for suite in suites:
        if suite.ke is not None:
            return suite.ke.id
    raise ConfigError("no IKE proposal names a group; add one, such as x25519 or modp2048")


def _only(suite: Suite, group: int) -> Suite:
    kept = (t for t in suite.transforms if t.type != TransformType.KE or t.id == group)
    return replace(suite, transforms=tuple(kept))


def receive(sa: IkeSa, it: Inbound, seen: Step, datagram: Datagram, now: float) -> None:
    """An IKE_SA_INIT message for this SA: our response, or the peer's request again."""
    if not it.response:
        _again(sa, seen, datagram, now)
        return
    waiting = sa.window.outstanding
    if sa.state is not State.INIT_SENT or waiting is None or it.message_id != 0:
        sa.ignore(seen, "an IKE_SA_INIT response that nothing waits for")
        return
    sa.judged(it, seen, waiting)
    sa.last_response = it
    sa.note(Answered(it.exchange, 0))
    reason = it.malformed()
    critical = it.critical_unknown()
    if reason or critical is not None:
        sa.ignore(seen, reason or f"an unknown critical payload {critical}")
        return
    if redirect.in_init(sa, it, seen, now) or _retry(sa, it, seen, now):
        return
    sa.window.settle(0)
    if it.errors() and not it.has(Payload.SA):
        sa.move("recv", it.exchange, "response", "refused")
        sa.end("IKE_SA_INIT refused: " + ", ".join(str(e) for e in it.errors()))
        return
    misfit = fit.misfit(it, waiting.request)
    if misfit and sa.conduct.insist_on_offer:
        # 3.3.6: an answer that is not consistent with the offer ends the exchange.
        sa.end(f"the answer does not fit the offer: {misfit}")
        return
    _accept(sa, it, seen, datagram)


def _retry(sa: IkeSa, it: Inbound, seen: Step, now: float) -> bool:
    """Follow COOKIE and INVALID_KE_PAYLOAD (1.2, 2.6); False when it is neither."""
    state = sa.init
    cookie = it.notify(Notify.COOKIE)
    invalid = it.notify(Notify.INVALID_KE_PAYLOAD)
    if it.has(Payload.SA) or (cookie is None and invalid is None):
        return False
    if state.echoes and _followed(state, it):
        state.echoes -= 1
        seen.note = "late: what it asks for has been done"
        return True
    if state.retries >= MOST_RETRIES and sa.conduct.bound_retries:
        sa.move("recv", it.exchange, "response", "refused")
        sa.end(f"asked to retry more than {MOST_RETRIES} times")
        return True
    if not sa.conduct.ignore_spi_in_refusals and any(it.message.resp_SPI):
        sa.end("SPIr is not zero in a response that makes no IKE SA")
        return True
    if cookie is not None:
        if not sa.conduct.return_cookie or (state.cookie and not sa.conduct.second_cookie):
            return False
        state.cookie = bytes(cookie.notify)
        puzzle.take(sa, it)
    elif invalid is not None:
        group = int.from_bytes(bytes(invalid.notify)[:2], "big")
        offered = {t.id for s in sa.config.ike for t in s.of(TransformType.KE)}
        asked_before = group in state.asked and sa.conduct.bound_retries
        stranger = group not in offered and sa.conduct.insist_on_own_groups
        if stranger or asked_before or not sa.conduct.retry_invalid_ke:
            # RFC 7296 1.2: a group that was never offered is no answer to follow.
            return False
        state.asked.append(group)
        state.group = group
    state.retries += 1
    seen.note = "asks to try again"
    state.echoes += sa.window.waiting[0].tries
    sa.window.settle(0)
    sa.move("recv", it.exchange, "response", "retry")
    # RFC 7296 2.6: with the cookie, all other payloads go unchanged.
    start(sa, now, state.edits if cookie is not None else ())
    return True


def _followed(state: InitState, it: Inbound) -> bool:
    """Whether a refusal asks for the cookie or the group that the last request had (2.1)."""
    cookie, invalid = it.notify(Notify.COOKIE), it.notify(Notify.INVALID_KE_PAYLOAD)
    if cookie is not None:
        return bytes(cookie.notify) == state.cookie
    return invalid is not None and int.from_bytes(bytes(invalid.notify)[:2], "big") == state.group


def _accept(sa: IkeSa, it: Inbound, seen: Step, datagram: Datagram) -> None:
    """Take the responder's choice, derive the keys, look for NATs."""
    state = sa.init
    answer = it.offers()
    key, nonce = it.one(Payload.KE), it.one(Payload.NONCE)
    if not answer or key is None or nonce is None or not any(it.message.resp_SPI):
        sa.end("IKE_SA_INIT response without SPIr, SA, KE or nonce")
        return
    sa.spi_r = bytes(it.message.resp_SPI)
    state.nr, state.response = bytes(nonce.nonce), seen.data
    chosen = answer[0].suite.keyed()
    if not _usable(chosen):
        sa.end(f"the answer {chosen} lacks a cipher, a PRF or integrity")
        return
    try:
        _derive(sa, chosen, bytes(key.ke))
    except BadPublicValue as error:
        sa.broke(rules.violation("ke-public-value-is-valid", "3.4", str(error)), seen)
        sa.end(f"the public value of KE is invalid: {error}")
        return
    except (UnsupportedAlgorithm, ConfigError, ValueError) as error:
        sa.end(f"the chosen suite cannot be used: {error}")
        return
    if sa.config.nat_detection:
        sender, receiver = _translated(sa, it, sa.spi_r, datagram.src, datagram.dst)
        sa.nat = Nat(initiator=receiver, responder=sender)
    sa.fragments = frag.agreed(sa, it)
    intermediate.begin(sa, it, chosen)
    sa.move("recv", it.exchange, "response")
    if (lacks := ppk.begin(sa, it)) is not None:
        sa.end(lacks)
        return
    _float(sa)


def _derive(sa: IkeSa, chosen: Suite, public: bytes) -> None:
    state = sa.init
    assert state.pair is not None
    try:
        state.shared = state.pair.shared(public)
    except BadPublicValue:
        if sa.conduct.check_public_values:
            raise
        state.shared = bytes(32)
    _take_keys(sa, chosen)


def _take_keys(sa: IkeSa, chosen: Suite) -> None:
    state = sa.init
    whole = chosen.prf is not None and cuts_nonces(chosen.prf.id) and not sa.conduct.cut_nonces
    keys = derive_ike(chosen, state.shared, state.ni, state.nr, sa.spi_i, sa.spi_r, whole=whole)
    sa.take_keys(keys)


def _float(sa: IkeSa) -> None:
    """RFC 7296 2.23: with a NAT in between, the initiator goes on from and to port 4500."""
    found = (sa.nat.initiator or sa.nat.responder) and sa.conduct.detect_nat
    if found or mobike.floats(sa):
        local = (sa.local[0], NATT_PORT) if sa.local[1] == IKE_PORT else sa.local
        remote = (sa.remote[0], NATT_PORT) if sa.remote[1] == IKE_PORT else sa.remote
        sa.local, sa.remote = local, remote


# -- NAT detection ---------------------------------------------------------------------------


def _nat_detection(sa: IkeSa, spi_r: bytes) -> list[IKEv2_Notify]:
    if not sa.config.nat_detection:
        return []
    both = (
        (Notify.NAT_DETECTION_SOURCE_IP, sa.local),
        (Notify.NAT_DETECTION_DESTINATION_IP, sa.remote),
    )
    return [
        IKEv2_Notify(type=kind, notify=nat_detection(sa.spi_i, spi_r, *address))
        for kind, address in both
    ]


def _translated(
    sa: IkeSa, it: Inbound, spi_r: bytes, src: Address, dst: Address
) -> tuple[bool | None, bool | None]:
    """(whether the sender is behind a NAT, whether we are), None where no hash came (2.23).

    Several source hashes are allowed; one that matches is enough.
    """
    if not sa.conduct.detect_nat:
        return False, False
    found: list[bool | None] = []
    for kind, address in (
        (Notify.NAT_DETECTION_SOURCE_IP, src),
        (Notify.NAT_DETECTION_DESTINATION_IP, dst),
    ):
        hashes = [bytes(n.notify) for n in it.notifies(kind)]
        expected = nat_detection(sa.spi_i, spi_r, *address)
        hashes = hashes if sa.conduct.match_any_hash else hashes[:1]
        unknown = None if sa.conduct.no_hash_no_nat else True
        found.append(expected not in hashes if hashes else unknown)
    return found[0], found[1]


# -- responder -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that gets an error notify instead of an SA."""

    notify: int
    data: bytes = b""
    reason: str = ""


def serve(sa: IkeSa, it: Inbound, seen: Step, datagram: Datagram, now: float) -> None:
    """Answer a first IKE_SA_INIT request. The listener has dealt with version and cookie."""
    sa.local, sa.remote = datagram.dst, datagram.src
    sa.init.request = seen.data
    sa.judged(it, seen, None)
    result = _considered(sa, it, datagram)
    if isinstance(result, Refusal):
        _refuse(sa, it, result, now)
        return
    sa.move("recv", it.exchange, "request")
    _, wire = sa.send(it.exchange, it.message_id, result, now, response=True)
    sa.window.keep(0, Answer(seen.data, wire))
    sa.init.response = sa.init.response or b""
    sa.move("send", it.exchange, "response")
    sa.note(Requested(it.exchange, 0))


def _considered(sa: IkeSa, it: Inbound, datagram: Datagram) -> list[Any] | Refusal:
    """The payloads of the response, or why there is none."""
    reason = None
    if sa.conduct.check_chain:
        reason = it.malformed() or inconsistent(it.one(Payload.SA))
    if sa.config.lenient:
        reason = reason or misread.refuses(sa.conduct, it)
    if reason:
        return Refusal(Notify.INVALID_SYNTAX, reason=reason)
    critical = it.critical_unknown()
    if critical is not None and sa.conduct.refuse_critical:
        return Refusal(Notify.UNSUPPORTED_CRITICAL_PAYLOAD, bytes([critical]))
    sa_in, key, nonce = it.one(Payload.SA), it.one(Payload.KE), it.one(Payload.NONCE)
    if nonce is None and not sa.conduct.insist_on_payloads:
        nonce = IKEv2_Nonce(nonce=bytes(32))
    if sa_in is None or key is None or nonce is None:
        return Refusal(Notify.INVALID_SYNTAX, reason="SA, KE or nonce is missing")
    if not 16 <= len(nonce.nonce) <= 256:
        return Refusal(Notify.INVALID_SYNTAX, reason="the nonce is too short or too long")
    if not sa.conduct.skip_unknown and it.unknown():
        return Refusal(Notify.INVALID_SYNTAX, reason="an unknown payload")
    elsewhere = redirect.refuses(sa, it)
    if elsewhere is not None:
        return Refusal(Notify.REDIRECT, elsewhere)
    if ppk.refuses(sa, it):
        return Refusal(Notify.NO_PROPOSAL_CHOSEN, reason="no USE_PPK")
    offered = it.offers()
    if sa.config.lenient:
        offered = misread.offered(sa.conduct, sa_in, offered)
    offered = intermediate.offered(it, _acceptable(sa, offered))
    strict, distinct = sa.conduct.refuse_aead_with_integ, sa.conduct.distinct_methods
    choice = choose(offered, sa.config.ike, strict_aead=strict, distinct=distinct)
    if choice is None and not sa.conduct.insist_on_policy:
        choice = choose(offered, [o.suite for o in offered])
    if choice is None:
        return Refusal(Notify.NO_PROPOSAL_CHOSEN)
    group = choice.suite.ke
    insists = sa.init.retried and not sa.conduct.accept_ke_retry
    if group is None or group.id != key.group or insists:
        wanted = group.id if group else 0
        return Refusal(Notify.INVALID_KE_PAYLOAD, wanted.to_bytes(2, "big"))
    return _accepted(sa, it, choice, datagram)


def _acceptable(sa: IkeSa, offered: list[Any]) -> list[Any]:
    """RFC 7296 3.3.5, 3.3.6: a cipher that takes a Key Length is not chosen without one."""
    if not sa.conduct.check_key_length:
        return offered
    kept = []
    for proposal in offered:
        fine = tuple(
            t
            for t in proposal.suite.transforms
            if t.type != TransformType.ENCR or t.key_bits is not None or not _takes_length(t.id)
        )
        kept.append(replace(proposal, suite=replace(proposal.suite, transforms=fine)))
    return kept


def _takes_length(encr: int) -> bool:
    try:
        row = Encr(encr)
    except ValueError:
        return False
    return row.key_attribute and row.default_key_bits is not None


def _accepted(sa: IkeSa, it: Inbound, choice: Any, datagram: Datagram) -> list[Any] | Refusal:
    state = sa.init
    key, nonce = it.one(Payload.KE), it.one(Payload.NONCE)
    assert key is not None
    try:
        state.pair = ke.respond(key.group, sa.entropy, bytes(key.ke))
        state.ni = bytes(nonce.nonce) if nonce is not None else bytes(32)
        state.nr = sa.entropy(sa.config.nonce_length)
        _derive(sa, choice.suite.keyed(), bytes(key.ke))
    except BadPublicValue as error:
        return Refusal(Notify.INVALID_SYNTAX, reason=str(error))
    except UnsupportedAlgorithm as error:
        return Refusal(Notify.NO_PROPOSAL_CHOSEN, reason=str(error))
    if sa.config.nat_detection:
        sender, receiver = _translated(sa, it, bytes(8), datagram.src, datagram.dst)
        sa.nat = Nat(initiator=sender, responder=receiver)
    sa.fragments = frag.agreed(sa, it)
    intermediate.begin(sa, it, choice.suite)
    return [
        accepted_payload(choice),
        IKEv2_KE(group=key.group, ke=state.pair.public),
        IKEv2_Nonce(nonce=state.nr),
        *_nat_detection(sa, sa.spi_r),
        *(frag.announce(sa) if sa.fragments else ()),
        *proof.announce(sa, it),
        *intermediate.announce(sa, it),
        *extensions.init_response(sa, it),
    ]


def _refuse(sa: IkeSa, it: Inbound, refusal: Refusal, now: float) -> None:
    sa.init.refused.append(refusal.notify)
    sa.stuck = not sa.conduct.survive_refusals
    payload = IKEv2_Notify(type=refusal.notify, notify=refusal.data)
    sa.send(it.exchange, it.message_id, [payload], now, response=True, outcome="refused")
    sa.move("send", it.exchange, "response", "refused")
    sa.end(f"IKE_SA_INIT refused: {Notify(refusal.notify).name} {refusal.reason}".strip())


def _again(sa: IkeSa, seen: Step, datagram: Datagram, now: float) -> None:
    """The request that made this SA came again: the same response goes out (2.1)."""
    kept = sa.window.answers.get(0)
    if kept is None or kept.request != seen.data:
        sa.ignore(seen, "an IKE_SA_INIT request under the SPI of an SA that is past it")
        return
    seen.note = "came again"
    sa.answer_again(kept, datagram, now)
