"""Extensions that are a notify or two: RFC 4478, RFC 6023, RFC 6290, RFC 6311, RFC 9593."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ikelab.harness.crypto.prf import prf
from ikelab.harness.exchange.events import ProofExpires, Synchronised
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.peer_certs import AuthFailure, NotProven
from ikelab.harness.exchange.table import State
from ikelab.layers import typed
from ikelab.layers.iana import AuthMethod, Notify, Prf, name
from ikelab.layers.message import IKEv2
from ikelab.layers.notify import IKEv2_Notify

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa

EARLY = 0.75
"""Of a proof's lifetime, the part after which an initiator begins anew."""
SYNC = Notify.IKEV2_MESSAGE_ID_SYNC


@dataclass(slots=True)
class Small:
    """What these extensions remember of one IKE SA."""

    expires: float | None = None  # RFC 4478: when the proof of the initiator is too old
    token: bytes = b""  # RFC 6290: the peer's
    sync: bool = False  # RFC 6311: whether both announced it
    sync_nonce: bytes = b""
    replaces: IkeSa | None = None  # RFC 4478: the IKE SA whose proof was too old


# -- SUPPORTED_AUTH_METHODS (RFC 9593) -------------------------------------------------------


def announce_methods(sa: IkeSa) -> list[Any]:
    """The methods that we take, in the short form (3.2.1)."""
    told = sa.config.features.methods
    if not told:
        return []
    data = typed.write(
        typed.NOTIFY, Notify.SUPPORTED_AUTH_METHODS, tuple(typed.Announcement(m) for m in told)
    )
    return [IKEv2_Notify(type=Notify.SUPPORTED_AUTH_METHODS, notify=data)]


def _first(sa: IkeSa) -> Inbound:
    """The responder's first message."""
    return Inbound(IKEv2(sa.init.response))


def heard_methods(sa: IkeSa, it: Inbound | None = None) -> tuple[int, ...]:
    """The methods that the peer takes; none where it did not say.

    A responder says so in IKE_SA_INIT, an initiator in IKE_AUTH.
    """
    said = it or (_first(sa) if sa.initiator else None)
    found = said.notify(Notify.SUPPORTED_AUTH_METHODS) if said else None
    if found is None:
        return ()
    value = typed.read(typed.NOTIFY, Notify.SUPPORTED_AUTH_METHODS, bytes(found.notify))
    return tuple(int(a.method) for a in value) if isinstance(value, tuple) else ()


def check_method(sa: IkeSa, method: int, it: Inbound | None = None) -> None:
    """NotProven where the peer announced its methods, and ours is none of them."""
    heard = heard_methods(sa, it)
    if heard and method not in heard and sa.conduct.heed_methods:
        said = ", ".join(name(AuthMethod, m) for m in heard)
        text = f"the peer takes {said}, and not our {name(AuthMethod, method)}"
        raise NotProven(AuthFailure.METHOD, text)


# -- childless IKE SAs (RFC 6023) ------------------------------------------------------------


def announce_childless(sa: IkeSa) -> list[Any]:
    """The responder says in IKE_SA_INIT that it takes IKE_AUTH without a child."""
    wanted = sa.config.features.childless
    return [IKEv2_Notify(type=Notify.CHILDLESS_IKEV2_SUPPORTED)] if wanted else []


def goes_childless(sa: IkeSa) -> bool:
    """Whether our IKE_AUTH asks for no child: only where the responder can do without (4)."""
    if not sa.config.features.childless:
        return False
    heard = _first(sa).notify(Notify.CHILDLESS_IKEV2_SUPPORTED)
    return heard is not None or not sa.conduct.heed_childless


# -- AUTH_LIFETIME (RFC 4478) ----------------------------------------------------------------


def announce_lifetime(sa: IkeSa, now: float) -> list[Any]:
    """The responder says for how long it is content with this proof."""
    seconds = sa.config.features.auth_lifetime
    if not seconds:
        return []
    sa.small.expires = now + seconds
    return [IKEv2_Notify(type=Notify.AUTH_LIFETIME, notify=seconds.to_bytes(4, "big"))]


def take_lifetime(sa: IkeSa, it: Inbound, now: float) -> None:
    """Remember when to prove ourselves anew: some time before it is asked for."""
    notify = it.notify(Notify.AUTH_LIFETIME)
    if notify is not None and len(notify.notify) == 4:
        sa.small.expires = now + EARLY * int.from_bytes(bytes(notify.notify), "big")


def expired(sa: IkeSa, now: float) -> None:
    """Time is over: the initiator begins anew in time, the responder deletes who did not."""
    due = sa.small.expires
    if due is None or now < due or sa.state is not State.ESTABLISHED:
        return
    sa.small.expires = None
    sa.note(ProofExpires())
    if sa.initiator and sa.conduct.prove_anew:
        new = sa.another(sa.config)
        new.small.replaces = sa
        new.start_init(now)
    elif not sa.initiator and sa.conduct.end_with_proof:
        sa.close(now)


def replace(sa: IkeSa, now: float) -> None:
    """The new proof is there: the IKE SA that it was asked for goes (RFC 7296 2.8.3)."""
    old, sa.small.replaces = sa.small.replaces, None
    if old is not None and old.state is State.ESTABLISHED:
        old.close(now)


# -- quick crash detection (RFC 6290) --------------------------------------------------------


def token(secret: bytes, spi_i: bytes, spi_r: bytes) -> bytes:
    """A token that can be made again from a secret that outlives a crash (5.1)."""
    return prf(Prf.PRF_HMAC_SHA2_256, secret, spi_i, spi_r)


def announce_token(sa: IkeSa) -> list[Any]:
    """Our token goes in IKE_AUTH (4.2)."""
    secret = sa.config.features.crash_secret
    if not secret:
        return []
    data = token(secret, sa.spi_i, sa.spi_r)
    return [IKEv2_Notify(type=Notify.QUICK_CRASH_DETECTION, notify=data)]


def take_token(sa: IkeSa, it: Inbound) -> None:
    """Keep the peer's token, of 16 to 128 octets (4.1)."""
    notify = it.notify(Notify.QUICK_CRASH_DETECTION)
    if notify is not None and 16 <= len(notify.notify) <= 128:
        sa.small.token = bytes(notify.notify)


def crashed(sa: IkeSa, clear: Inbound) -> bool:
    """Whether an unprotected message proves that the peer has lost the IKE SA (4.3, 4.5)."""
    known = sa.small.token
    if not known or clear.notify(Notify.INVALID_IKE_SPI) is None:
        return False
    said = [bytes(n.notify) for n in clear.notifies(Notify.QUICK_CRASH_DETECTION)]
    right = any(hmac.compare_digest(known, one) for one in said)
    return right or (bool(said) and not sa.conduct.check_token)


# -- message ID synchronisation (RFC 6311) ---------------------------------------------------


def announce_sync(sa: IkeSa) -> list[Any]:
    """Both say in IKE_AUTH that they can do it (5.1)."""
    wanted = sa.config.features.sync and (sa.initiator or sa.small.sync)
    return [IKEv2_Notify(type=Notify.IKEV2_MESSAGE_ID_SYNC_SUPPORTED)] if wanted else []


def take_sync(sa: IkeSa, it: Inbound) -> None:
    """Whether the peer can do it too."""
    heard = it.notify(Notify.IKEV2_MESSAGE_ID_SYNC_SUPPORTED) is not None
    sa.small.sync = heard and sa.config.features.sync


def ask_sync(sa: IkeSa, now: float, *, sends: int, receives: int) -> None:
    """Tell the peer our counters after a failover, in a request of message ID 0 (5.1).

    `sends` is the ID of our next request, `receives` the one that we expect.
    """
    sa.small.sync_nonce = sa.entropy(4)
    data = sa.small.sync_nonce + sends.to_bytes(4, "big") + receives.to_bytes(4, "big")
    following = sa.window.next_request
    sa.window.next_request = 0
    sa.inform([IKEv2_Notify(type=SYNC, notify=data)], now)
    sa.window.next_request = following


def is_sync(sa: IkeSa, it: Inbound) -> bool:
    """Whether a request sets message IDs anew: it is outside of the window."""
    notify = it.notify(SYNC)
    fits = notify is not None and len(notify.notify) == 12 and it.message_id == 0
    return fits and (sa.small.sync or not sa.conduct.agree_first)


def serve_sync(sa: IkeSa, it: Inbound) -> list[Any]:
    """Take the larger values on both sides, and say which (5.1)."""
    notify = it.notify(SYNC)
    assert notify is not None, "is_sync() comes first"
    data = bytes(notify.notify)
    sends, receives = int.from_bytes(data[4:8], "big"), int.from_bytes(data[8:12], "big")
    window = sa.window
    window.expected = max(window.expected, sends)
    window.next_request = max(window.next_request, receives)
    window.waiting.clear()
    window.answers.clear()
    sa.note(Synchronised(window.next_request, window.expected))
    nonce = data[:4] if sa.conduct.echo_sync else b"\0\0\0\0"
    said = window.next_request.to_bytes(4, "big") + window.expected.to_bytes(4, "big")
    return [IKEv2_Notify(type=SYNC, notify=nonce + said)]


def take_sync_answer(sa: IkeSa, it: Inbound) -> None:
    """The peer's counters are what we go on with; a nonce that is not ours is no answer."""
    notify = it.notify(SYNC)
    if notify is None or len(notify.notify) != 12 or not sa.small.sync_nonce:
        return
    data = bytes(notify.notify)
    if data[:4] != sa.small.sync_nonce:
        return
    sa.small.sync_nonce = b""
    sa.window.expected = max(sa.window.expected, int.from_bytes(data[4:8], "big"))
    sa.window.next_request = max(sa.window.next_request, int.from_bytes(data[8:12], "big"))
    sa.note(Synchronised(sa.window.next_request, sa.window.expected))
