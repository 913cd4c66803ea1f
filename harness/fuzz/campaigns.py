"""Campaigns as data: how a message of ours is reached, which one it is, and what is changed in it.

A row is a conversation (`way`), the message in it, the places that are changed, and how the peer
is configured. Everything else in the conversation is honest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ikelab.harness.errors import ConfigError, nearest
from ikelab.harness.exchange.credentials import Trust
from ikelab.harness.exchange.eap.credentials import EapCredential, EapTrust
from ikelab.harness.model import suites
from ikelab.layers.eap import EapType

WAYS = (
    "init",
    "auth",
    "rounds",
    "create-child",
    "create-child-ke",
    "rekey-child",
    "rekey-ike",
    "inform",
    "liveness",
    "delete-child",
    "delete-ike",
)
"""What the conversation comes to; `auth` and what follows it go through what stands before.

`rounds` is what goes by itself between IKE_SA_INIT and the end of IKE_AUTH: the message is the
`number`th of its exchange.
"""


@dataclass(frozen=True, slots=True)
class Campaign:
    """`where` are patterns of paths, none for all; `operators` names, none for all that fit.

    `peer` and `ours` are options of the configurations. `needs` are capabilities of the peer.
    """

    name: str
    text: str
    exchange: str
    way: str
    where: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    response: bool = False
    number: int = 0
    fresh: bool = True  # a new IKE SA for each case
    peer: Mapping[str, Any] = field(default_factory=dict)
    ours: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()


_INIT, _AUTH, _CREATE = "IKE_SA_INIT", "IKE_AUTH", "CREATE_CHILD_SA"
_INFO = "INFORMATIONAL"
_PROTECTION = (
    "plain-padding", "plain-havoc", "plain-splice", "plain-cut",
    "sealed-flip", "sealed-cut", "sealed-set",
)  # fmt: skip
_SHAPE = (
    "drop", "duplicate", "reorder", "insert-unknown", "insert-notify", "insert-vendor",
    "grammar", "splice", "nest", "many",
)  # fmt: skip
_WIRE = ("wire-cut", "wire-extend", "wire-flip", "wire-havoc", "wire-repeat")
_VALUES = (
    "boundary", "step", "walk", "length-lie", "registry", "bit", "address", "dictionary",
    "havoc", "fill", "cut", "extend", "drop", "duplicate", "reorder",
)  # fmt: skip
_SMALL: Mapping[str, Any] = {"fragment": 200}
_HYBRID: Mapping[str, Any] = {"ike": suites(["aes256gcm16-prfsha256-x25519-ke1_ecp256"])}
_USER, _PASSWORD = b"carol", b"Ar3etTnp"


def _user(kind: int) -> Mapping[str, Any]:
    """The options of the side that proves itself by EAP."""
    return {"own": EapCredential(_USER, _PASSWORD, (kind,))}


def _gate(kind: int) -> Mapping[str, Any]:
    """The options of the side that asks for EAP, after its own AUTH."""
    return {"trust": Trust(eap=EapTrust({_USER: _PASSWORD}, (kind,)))}


def _row(name: str, text: str, exchange: str, way: str, **more: Any) -> Campaign:
    if more.get("where"):
        more.setdefault("operators", _VALUES)
    return Campaign(name, text, exchange, way, **more)


def _eap(name: str, text: str, number: int, kind: int = EapType.MSCHAPV2) -> Campaign:
    return Campaign(name, text, _AUTH, "rounds", number=number, ours=_user(kind), peer=_gate(kind))


def _answer_eap(name: str, text: str, number: int) -> Campaign:
    kind = EapType.MSCHAPV2
    return Campaign(
        name, text, _AUTH, "rounds", number=number, response=True, ours=_gate(kind),
        peer=_user(kind), needs=("initiator",),
    )  # fmt: skip


_ROWS = (
    _row("init", "IKE_SA_INIT, all of it", _INIT, "init"),
    _row("init-header", "the header of IKE_SA_INIT", _INIT, "init", where=("header.*",)),
    _row("init-sa", "proposals and transforms of the IKE SA", _INIT, "init", where=("SA*",)),
    _row("init-ke", "the public value and its group", _INIT, "init", where=("KE*",)),
    _row("init-nonce", "the nonce", _INIT, "init", where=("Nonce*",)),
    _row("init-notify", "NAT detection and other notifies", _INIT, "init", where=("N*",)),
    _row("init-shape", "payloads of IKE_SA_INIT", _INIT, "init", operators=_SHAPE),
    _row("init-wire", "the octets of IKE_SA_INIT", _INIT, "init", operators=_WIRE),
    _row("init-cookie", "the request that returns a cookie (2.6)", _INIT, "init", number=1,
         peer={"cookies": True}, needs=("cookies",)),
    _row("init-fragmentation", "the announcement of RFC 7383", _INIT, "init", ours=_SMALL,
         peer=_SMALL, where=("N*",)),
    _row("auth", "IKE_AUTH, all that is inside SK", _AUTH, "auth"),
    _row("auth-header", "the header of IKE_AUTH", _AUTH, "auth", where=("header.*", "flags")),
    _row("auth-id", "the identities", _AUTH, "auth", where=("IDi*", "IDr*")),
    _row("auth-proof", "AUTH", _AUTH, "auth", where=("AUTH*",)),
    _row("auth-sa", "proposals of the first child", _AUTH, "auth", where=("SA*",)),
    _row("auth-ts", "the first child's traffic selectors", _AUTH, "auth", where=("TS*",)),
    _row("auth-cp", "the configuration payload", _AUTH, "auth", where=("CP*",),
         ours={"request": (1, 3, 8)}, peer={"pool": ("10.3.0.0/24",)}),
    _row("auth-shape", "payloads inside SK of IKE_AUTH", _AUTH, "auth", operators=_SHAPE),
    _row("auth-sk", "padding, IV, ciphertext and ICV of IKE_AUTH", _AUTH, "auth",
         operators=_PROTECTION),
    _row("auth-fragments", "IKE_AUTH in fragments (RFC 7383)", _AUTH, "auth", ours=_SMALL,
         peer=_SMALL, operators=(*_PROTECTION, "fragment-numbers", "wire-flip", "wire-cut",
                                 "wire-repeat",
                                 "wire-extend", "extend", "havoc", "length-lie")),
    _row("create-child", "a further child", _CREATE, "create-child", fresh=False,
         needs=("child",)),
    _row("create-child-sa", "proposals of a further child", _CREATE, "create-child",
         fresh=False, where=("SA*",), needs=("child",)),
    _row("create-child-ts", "selectors of a further child", _CREATE, "create-child",
         fresh=False, where=("TS*",), needs=("child",)),
    _row("create-child-ke", "a further child with a key exchange", _CREATE, "create-child-ke",
         where=("KE*", "Nonce*", "SA*"), needs=("child",)),
    _row("rekey-child", "the rekey of a child", _CREATE, "rekey-child", needs=("child",)),
    _row("rekey-ike", "the rekey of the IKE SA", _CREATE, "rekey-ike"),
    _row("informational", "INFORMATIONAL with a notify and a delete", _INFO, "inform",
         fresh=False),
    _row("informational-header", "the header in an established IKE SA", _INFO, "inform",
         fresh=False, where=("header.*", "flags"), operators=(*_VALUES, "other-id")),
    _row("informational-sk", "padding, IV, ciphertext and ICV in an established IKE SA", _INFO,
         "inform", fresh=False, operators=_PROTECTION),
    _row("informational-shape", "payloads in an established IKE SA", _INFO, "inform",
         fresh=False, operators=_SHAPE),
    _row("liveness", "the empty INFORMATIONAL request", _INFO, "liveness", fresh=False,
         operators=(*_PROTECTION, *_SHAPE, "boundary", "bit", "wire-flip", "wire-repeat")),
    _row("delete-child", "the delete of a child", _INFO, "delete-child", where=("D*",),
         needs=("child",)),
    _row("delete-ike", "the delete of the IKE SA", _INFO, "delete-ike", where=("D*",)),
    _row("answer-init", "our answer to the peer's IKE_SA_INIT", _INIT, "auth", response=True,
         needs=("initiator",)),
    _row("answer-auth", "our answer to the peer's IKE_AUTH", _AUTH, "auth", response=True,
         needs=("initiator",)),
    _row("answer-auth-sk", "the protection of our answer to IKE_AUTH", _AUTH, "auth",
         response=True, operators=_PROTECTION, needs=("initiator",)),
    _row("intermediate", "IKE_INTERMEDIATE with a further key exchange (RFC 9242, RFC 9370)",
         "IKE_INTERMEDIATE", "rounds", ours=_HYBRID, peer=_HYBRID),
    _eap("eap", "the IKE_AUTH that asks for EAP (2.16)", 0),
    _eap("eap-name", "the EAP identity", 1),
    _eap("eap-mschap", "the response of EAP-MSCHAPv2", 2),
    _eap("eap-mschap-end", "what ends EAP-MSCHAPv2", 3),
    _eap("eap-proof", "AUTH made from the key of EAP", 4),
    _eap("eap-md5", "the response of EAP-MD5", 2, EapType.MD5_CHALLENGE),
    _eap("eap-gtc", "the response of EAP-GTC", 2, EapType.GTC),
    _answer_eap("answer-eap", "our first answer, which asks for an EAP identity", 0),
    _answer_eap("answer-eap-mschap", "our question of EAP-MSCHAPv2", 1),
    _answer_eap("answer-eap-mschap-end", "our own proof in EAP-MSCHAPv2", 2),
)  # fmt: skip

CAMPAIGNS: dict[str, Campaign] = {row.name: row for row in _ROWS}
EXCHANGES = {
    _INIT: ("init",),
    _AUTH: ("auth",),
    _CREATE: ("create-child", "rekey-child", "rekey-ike"),
    _INFO: ("informational",),
}
"""What `--target EXCHANGE` stands for."""
DEFAULT = ("init", "auth", "create-child", "informational")


def find(names: Sequence[str], targets: Sequence[str] = ()) -> tuple[Campaign, ...]:
    """The campaigns of these names (`all` is each of them) and of these exchanges."""
    wanted = list(names)
    for target in targets:
        if target not in EXCHANGES:
            known = ", ".join(EXCHANGES)
            raise ConfigError(f"cannot fuzz {target}; there are {known}")
        wanted += EXCHANGES[target]
    if "all" in wanted:
        return tuple(CAMPAIGNS.values())
    for name in wanted:
        if name not in CAMPAIGNS:
            hint = nearest(name, CAMPAIGNS) or f"; there are {', '.join(CAMPAIGNS)}"
            raise ConfigError(f"unknown campaign {name!r}{hint}")
    return tuple(CAMPAIGNS[name] for name in dict.fromkeys(wanted or DEFAULT))


def of_plan(exchange: str, *, response: bool) -> str:
    """The campaign that a plan without a name belongs to: the whole message of its exchange."""
    if response:
        return "answer-init" if exchange == _INIT else "answer-auth"
    return EXCHANGES[exchange][0]
