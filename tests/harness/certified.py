"""Two ends that authenticate with certificates: what the tests of AUTH talk through."""

from __future__ import annotations

from functools import cache
from typing import Any

from talk import Talk, events

from ikelab.harness.exchange.events import NotAuthenticated
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.pki import Pki
from ikelab.layers.iana import Payload
from ikelab.layers.message import IKEv2

AT = 1.78e9
"""A day in 2026, within the validity of what `ikelab pki` makes."""


@cache
def pki() -> Pki:
    return Pki(seed=None)


def certified(
    key: str = "p256",
    *,
    responder: str = "",
    flaws: tuple[str, str] = ("", ""),
    i: dict[str, Any] | None = None,
    r: dict[str, Any] | None = None,
    i_own: dict[str, Any] | None = None,
    r_own: dict[str, Any] | None = None,
    trust: dict[str, Any] | None = None,
) -> Talk:
    """Both sides with a certificate of the PKI; `i_own` and `r_own` are of their credentials."""
    left = pki().member("initiator", key, flaws[0])
    right = pki().member("responder", responder or key, flaws[1])
    trusted = pki().trust(AT, **(trust or {}))
    return Talk(
        local_id=left.identity,
        remote_id=right.identity,
        i={"own": left.credential(**(i_own or {})), "trust": trusted, **(i or {})},
        r={"own": right.credential(**(r_own or {})), "trust": trusted, **(r or {})},
    )


def reason(sa: IkeSa) -> str:
    """Why that end did not authenticate the other one; empty where it did."""
    found = [e.reason for e in events(sa) if isinstance(e, NotAuthenticated)]
    return found[0] if found else ""


def auth_of(sa: IkeSa, *, ours: bool) -> Any:
    """The AUTH payload of one side."""
    return payloads(sa, Payload.AUTH, ours=ours)[0]


def payloads(sa: IkeSa, kind: int, *, ours: bool) -> list[Any]:
    """The payloads of a type that one side sent, in clear and inside SK."""
    direction = "-->" if ours else "<--"
    found = []
    for step in sa.transcript:
        if step.direction == direction:
            found += [p for p in _all(step) if p.kind == kind]
    return found


def _all(step: Any) -> list[Any]:
    from ikelab.layers.message import parse_payloads

    outer = Inbound(IKEv2(step.data)).payloads
    inner = parse_payloads(step.first_inner, step.plain) if step.plain else []
    return [*outer, *inner]
