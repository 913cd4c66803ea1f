"""Faults of the reference peer in what extends RFC 7296. Rows as `manners` has them."""

from __future__ import annotations

from ikelab.harness.peer.manners import Row

ALSO: dict[str, str] = {
    "accepts-any-key": "AUT-21 AUT-22",
    "proves-nothing": "AUT-21 AUT-23",
    "chokes-on-oddities": "AUT-24",
}


def _wire(name: str, cases: str, text: str, plan: str) -> Row:
    return name, cases, text, plan, ()


def _conduct(name: str, cases: str, text: str, *conduct: str) -> Row:
    return name, cases, text, "", conduct


ROWS: list[Row] = [
    # EAP and further proofs
    _wire(
        "proves-no-key",
        "AUT-21 AUT-23",
        "as initiator its AUTH does not verify",
        "IKE_AUTH/request: SK.AUTH.load ^= b'\\x01'",
    ),
    _wire(
        "announces-proofs-unasked",
        "AUT-21",
        "as initiator it says ANOTHER_AUTH_FOLLOWS to a responder that does not know it",
        'IKE_AUTH/request: insert("SK", payload=notify("ANOTHER_AUTH_FOLLOWS"))',
    ),
    _conduct(
        "lets-anybody-in-by-eap",
        "AUT-23",
        "EAP succeeds whatever the user knows",
        "verify_eap",
    ),
    _conduct(
        "believes-an-early-success",
        "AUT-24",
        "as initiator it takes EAP Success before the method has come to its end",
        "await_eap",
    ),
]
