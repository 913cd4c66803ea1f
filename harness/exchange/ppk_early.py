"""Post-quantum preshared keys that are named before IKE_AUTH, in IKE_INTERMEDIATE (RFC 9867 3.1).

All keys from IKE_AUTH on have the key in them, the identities of both sides are under it. Both
roles; what an IKE SA remembers of it is `ppk`'s `Mixing`.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from ikelab.harness.crypto.keys import IkeKeys, mix_ppk_early
from ikelab.harness.crypto.prf import prf
from ikelab.harness.exchange.features import Ppk
from ikelab.harness.exchange.inbound import Inbound
from ikelab.layers import typed
from ikelab.layers.iana import Notify
from ikelab.layers.notify import IKEv2_Notify

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa

CONFIRMATION = 8  # octets that show that the key behind a name is the same


def wanted(sa: IkeSa) -> bool:
    """Whether this side has keys and would have them named early."""
    return bool(sa.config.features.ppk_early and sa.config.features.ppks)


def heard(sa: IkeSa, it: Inbound) -> bool:
    """Whether the peer's IKE_SA_INIT message and our configuration make it so (3.1)."""
    said = (sa.config.features.ppk_numbers[0], Notify.INTERMEDIATE_EXCHANGE_SUPPORTED)
    return wanted(sa) and all(it.notify(kind) is not None for kind in said)


def announce(sa: IkeSa) -> IKEv2_Notify:
    """USE_PPK_INT."""
    return IKEv2_Notify(type=sa.config.features.ppk_numbers[0])


def due(sa: IkeSa) -> bool:
    """Whether the keys have still to be named."""
    return sa.mixing.early and not sa.mixing.named


def _confirmation(sa: IkeSa, key: Ppk) -> bytes:
    """prf(PPK, Ni | Nr | SPIi | SPIr), cut (3.1)."""
    assert sa.keys is not None and sa.keys.suite.prf is not None
    seed = sa.init.ni + sa.init.nr + sa.spi_i + sa.spi_r
    return prf(int(sa.keys.suite.prf.id), key.key, seed)[:CONFIRMATION]


def ask(sa: IkeSa) -> list[Any]:
    """As initiator, in the last IKE_INTERMEDIATE: every key that we have, by name."""
    sa.mixing.named = True
    return [
        IKEv2_Notify(
            type=sa.config.features.ppk_numbers[1],
            notify=bytes([key.kind]) + key.id + _confirmation(sa, key),
        )
        for key in sa.config.features.ppks
    ]


def choose(sa: IkeSa, it: Inbound) -> tuple[list[Any], Ppk | None]:
    """As responder: the answer and the key, the first one that both sides have (3.1)."""
    sa.mixing.named = True
    for notify in it.notifies(sa.config.features.ppk_numbers[1]):
        data = bytes(notify.notify)
        name, confirmation = data[:-CONFIRMATION], data[-CONFIRMATION:]
        for key in sa.config.features.ppks:
            same = hmac.compare_digest(_confirmation(sa, key), confirmation)
            if bytes([key.kind]) + key.id == name and (same or not sa.conduct.confirm_ppk):
                return [IKEv2_Notify(type=Notify.PPK_IDENTITY, notify=name)], key
    return [], None


def chosen(sa: IkeSa, it: Inbound) -> Ppk | None:
    """As initiator: which of our keys the responder took."""
    notify = it.notify(Notify.PPK_IDENTITY)
    data = bytes(notify.notify) if notify is not None else b""
    said = typed.read(typed.NOTIFY, Notify.PPK_IDENTITY, data) if data else None
    if not isinstance(said, typed.PpkId):
        return None
    names = ((key, (key.kind, key.id)) for key in sa.config.features.ppks)
    return next((key for key, name in names if name == (said.kind, said.identity)), None)


def lacks(sa: IkeSa, key: Ppk | None) -> bool:
    """Whether there has to be a key, and is none."""
    told = sa.config.features
    return key is None and told.ppk_required and sa.conduct.insist_on_ppk


def mixed(sa: IkeSa, keys: IkeKeys, key: Ppk | None) -> IkeKeys:
    """The keys for what comes next; `keys` are those of the last key exchange (3.1.1)."""
    if key is None:
        return keys
    sa.mixing.used = key
    if not sa.conduct.mix_early:
        return keys
    state = sa.init
    return mix_ppk_early(keys, key.key, state.ni, state.nr, sa.spi_i, sa.spi_r)
