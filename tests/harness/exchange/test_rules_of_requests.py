"""Every rule about requests: a request that breaks it is named, and honest ones are not."""

from __future__ import annotations

import pytest

from ikelab.harness.exchange import rules_of_requests
from ikelab.harness.exchange.rules import RULES
from ikelab.harness.exchange.table import State
from ikelab.harness.model import suites
from tests.harness.talk import Talk, plan

GCM, PFS = "aes256gcm16-prfsha256-x25519", "aes128-sha256-x25519"
INIT, AUTH, CREATE = "IKE_SA_INIT/request: ", "IKE_AUTH/request: ", "CREATE_CHILD_SA/request: "
INFO = "INFORMATIONAL/request: "
BREAKS = {
    "offered-proposals-are-numbered": INIT + "SA.proposal[1].number = 3",
    "offered-combined-mode-comes-without-integrity": (
        INIT + "SA.proposal[1].transform[0].transform_id = 20"),
    "key-length-is-of-variable-keys": (
        INIT + "SA.proposal[1].transform[0].transform_id = 3"),
    "ke-is-of-an-offered-group": CREATE + "SK.KE.group = 19",
    "ipcomp-comes-with-an-offer": (
        INFO + "insert('SK', payload=notify('IPCOMP_SUPPORTED', data=b'\\0\\1\\2'))"),
    "initial-contact-comes-in-ike-auth": (
        INFO + "insert('SK', payload=notify('INITIAL_CONTACT'))"),
    "netmask-is-asked-for-without-a-value": (
        AUTH + "SK.CP.attributes[1].value = b'\\xff\\xff\\xff\\0'"),
}  # fmt: skip


def said(talk: Talk) -> set[str]:
    """What the responder says of the requests of a conversation with each exchange."""
    talk.init().auth()
    assert talk.i.state is State.ESTABLISHED
    talk.i.inform([], talk.now)
    talk.carry()
    talk.i.create_child(talk.now, esp=suites([PFS], 3))
    talk.carry()
    return {violation.rule for violation in talk.r.violations}


def conversation(edits: str = "") -> Talk:
    offered = {"ike": [GCM, PFS], "request": (1, 2)}
    return Talk(
        r={"ike": [GCM], "esp": [PFS]}, i={**offered, **({"plan": plan(edits)} if edits else {})}
    )


@pytest.mark.parametrize("rule", BREAKS)
def test_a_broken_rule_is_named_and_no_other(rule: str) -> None:
    assert said(conversation(BREAKS[rule])) == {rule}


def test_honest_requests_break_none() -> None:
    assert said(conversation()) == set()


def test_every_rule_has_a_request_that_breaks_it() -> None:
    here = rules_of_requests.__name__
    assert {name for name, entry in RULES.items() if entry.check.__module__ == here} == set(BREAKS)
