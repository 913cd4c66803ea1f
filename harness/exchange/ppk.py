"""Post-quantum preshared keys: given to both sides beforehand, mixed into the keys of the IKE SA.

RFC 8784: agreed on in IKE_SA_INIT, named in IKE_AUTH, in SK_d, SK_pi and SK_pr from there on.
Both roles. RFC 9867, with keys that are named before IKE_AUTH, is `ppk_early`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ikelab.harness.crypto.keys import IkeKeys, mix_ppk
from ikelab.harness.exchange import ppk_early
from ikelab.harness.exchange.features import Ppk
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.peer_certs import AuthFailure, NotProven
from ikelab.layers import typed
from ikelab.layers.iana import Notify
from ikelab.layers.notify import IKEv2_Notify

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa


@dataclass(slots=True)
class Mixing:
    """How far an IKE SA has come with its key. `bare` are the keys without it, once it is mixed."""

    agreed: bool = False
    early: bool = False  # RFC 9867: it is named in IKE_INTERMEDIATE
    named: bool = False  # and has been, by the initiator
    used: Ppk | None = None
    bare: IkeKeys | None = None
    fallback: bytes | None = None  # as responder: what NO_PPK_AUTH has in place of AUTH's data


def _written(key: Ppk) -> bytes:
    return typed.write(typed.NOTIFY, Notify.PPK_IDENTITY, typed.PpkId(key.kind, key.id))


def _said(notify: Any) -> typed.PpkId | None:
    """The identity in PPK_IDENTITY; None where there is none that can be read."""
    data = bytes(notify.notify) if notify is not None else b""
    value = typed.read(typed.NOTIFY, Notify.PPK_IDENTITY, data) if data else None
    return value if isinstance(value, typed.PpkId) else None


# -- IKE_SA_INIT -----------------------------------------------------------------------------


def announce(sa: IkeSa, request: Inbound | None = None) -> list[Any]:
    """USE_PPK or USE_PPK_INT, of a responder one that the initiator says too (RFC 8784 3).

    RFC 9867 3.1: an initiator may say both.
    """
    told, state = sa.config.features, sa.mixing
    if request is not None and ppk_early.heard(sa, request):
        state.early = True
        return [ppk_early.announce(sa)]
    also = [ppk_early.announce(sa)] if ppk_early.wanted(sa) else []
    heard = request is None or request.notify(Notify.USE_PPK) is not None
    if not told.ppks or not (heard or not sa.conduct.agree_on_ppk):
        return []
    state.agreed = request is not None and heard
    return [IKEv2_Notify(type=Notify.USE_PPK), *(also if request is None else ())]


def refuses(sa: IkeSa, it: Inbound) -> bool:
    """Whether a responder that insists on a key sends this initiator away (RFC 8784 3)."""
    insists = sa.config.features.ppk_required and sa.conduct.insist_on_ppk
    return insists and it.notify(Notify.USE_PPK) is None and not ppk_early.heard(sa, it)


def begin(sa: IkeSa, it: Inbound) -> str | None:
    """As initiator: whether the responder can; why there is nothing to go on with."""
    told = sa.config.features
    early = ppk_early.heard(sa, it)
    late = bool(told.ppks) and it.notify(Notify.USE_PPK) is not None and not early
    sa.mixing = Mixing(agreed=late, early=early)
    if told.ppk_required and not (early or late) and sa.conduct.insist_on_ppk:
        return "the responder does not agree to a PPK, and we insist on one"
    return None


# -- IKE_AUTH --------------------------------------------------------------------------------


def mix(sa: IkeSa) -> None:
    """As initiator, before the first AUTH of ours: with the first key that we have."""
    if sa.mixing.agreed and sa.mixing.used is None:
        _mix(sa, sa.config.features.ppks[0])


def _mix(sa: IkeSa, key: Ppk) -> None:
    assert sa.keys is not None
    sa.mixing.used, sa.mixing.bare = key, sa.keys
    mixed = mix_ppk(sa.keys, key.key)
    if not sa.conduct.mix_sk_d:
        mixed = replace(mixed, sk_d=sa.keys.sk_d)
    sa.keys = mixed


def named(sa: IkeSa, make: Callable[[], Any]) -> list[Any]:
    """PPK_IDENTITY, and NO_PPK_AUTH where we can do without; `make` makes an AUTH payload.

    RFC 8784 3: its method is that of the AUTH beside it.
    """
    key = sa.mixing.used
    if key is None or not sa.mixing.agreed:
        return []
    found = [IKEv2_Notify(type=Notify.PPK_IDENTITY, notify=_written(key))]
    if not sa.config.features.ppk_required:
        with _without(sa):
            data = bytes(make().load)
        found.append(IKEv2_Notify(type=Notify.NO_PPK_AUTH, notify=data))
    return found


@contextmanager
def _without(sa: IkeSa) -> Iterator[None]:
    """The keys as they were before one was mixed in."""
    mixed, sa.keys = sa.keys, sa.mixing.bare
    try:
        yield
    finally:
        sa.keys = mixed


def take(sa: IkeSa, it: Inbound) -> None:
    """As responder, before the initiator's AUTH is checked: which key it means (RFC 8784 3).

    NotProven where it names none that we have, and one side cannot do without.
    """
    told, state = sa.config.features, sa.mixing
    if state.used is not None:
        return
    insists = told.ppk_required and sa.conduct.insist_on_ppk and not state.early
    said = _said(it.notify(Notify.PPK_IDENTITY)) if state.agreed else None
    if said is None:
        if insists:
            raise NotProven(AuthFailure.METHOD, "the initiator names no PPK, and we insist on one")
        return
    key = next((k for k in told.ppks if (k.kind, k.id) == (said.kind, said.identity)), None)
    if key is not None:
        _mix(sa, key)
        return
    bare = it.notify(Notify.NO_PPK_AUTH)
    if bare is None and not sa.conduct.verify_auth:
        return
    if insists:
        raise NotProven(AuthFailure.METHOD, f"no PPK {said.identity!r}, and we insist on one")
    if bare is None or not sa.conduct.do_without_ppk:
        raise NotProven(AuthFailure.METHOD, f"no PPK {said.identity!r}, and no NO_PPK_AUTH")
    state.fallback = bytes(bare.notify)


def proof(sa: IkeSa, auth: Any) -> bytes:
    """The data that proves the peer: those of AUTH, or of NO_PPK_AUTH."""
    return bytes(auth.load) if sa.mixing.fallback is None else sa.mixing.fallback


def confirm(sa: IkeSa) -> list[Any]:
    """An empty PPK_IDENTITY beside the responder's AUTH, where a key is used (RFC 8784 3)."""
    used = sa.mixing.used is not None or not sa.conduct.confirm_used_ppk
    return [IKEv2_Notify(type=Notify.PPK_IDENTITY)] if used and sa.mixing.agreed else []


def settle(sa: IkeSa, it: Inbound) -> None:
    """As initiator, before the responder's AUTH is checked: whether it uses the key, too.

    NotProven where it does not, and we insist on it.
    """
    state = sa.mixing
    if not state.agreed or state.used is None or it.notify(Notify.PPK_IDENTITY) is not None:
        return
    if sa.config.features.ppk_required and sa.conduct.insist_on_ppk:
        raise NotProven(AuthFailure.METHOD, "the responder goes on without the PPK, and we insist")
    sa.keys, state.used, state.bare = state.bare, None, None
