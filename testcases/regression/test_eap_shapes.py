"""EAP-MSCHAPv2 out of turn, and cut short: nobody gets in by it, and nothing breaks."""

from __future__ import annotations

import pytest

from ikelab.harness.edits import Plan
from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.pki import Certificates
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.eap import EapType
from ikelab.layers.iana import Exchange, Payload
from ikelab.testcases.conformance.eap import gate, initiating, responding, user
from ikelab.testcases.each_once import each_once

MSCHAP = EapType.MSCHAPV2
SUCCESS = 3  # code of EAP, and of MSCHAPv2's own messages
METHOD = 2  # which IKE_AUTH has the method's first message


@case("REG-08")
@rfc(7296, "2.16")
@pytest.mark.parametrize("load", [b"\x03", b"\x03\x01\x00\x04", b""], ids=["short", "long", "none"])
def test_takes_no_word_of_success_for_a_password(
    peer: Tested, initiator: Initiator, certificates: Certificates, load: bytes
) -> None:
    """A user who answers the challenge with Success, and knows no password, is not let in."""
    peer.start(**responding(certificates.theirs, gate(certificates, MSCHAP)))
    honest = initiating(certificates.ours, user(certificates, MSCHAP))
    plan = Plan.parse(f"IKE_AUTH/request#{METHOD}: SK.EAP.load = {load!r}")
    sa = initiator.init(**honest, plan=plan)

    reply = sa.auth(patience=1.0)

    peer.observe(reply.outcome)
    codes = [p.code for step in sa.received() for p in step.inner() or [] if p.kind == Payload.EAP]
    assert SUCCESS not in codes, f"EAP Success without a password\n{sa}"
    assert not sa.established, f"the user is let in\n{sa}"
    assert peer.alive(), f"the peer ended\n{sa}"
    assert initiator.probe(**honest), f"no honest user is served afterwards\n{sa}"


SHORT = {
    "a challenge of one octet": b"\x01",
    "a challenge without its value": b"\x01\x01\x00\x05\x10",
    "a failure of one octet": b"\x04",
    "a failure of two octets": b"\x04\x01",
    "a failure of three octets": b"\x04\x01\x00",
    "a success of three octets": b"\x03\x01\x00",
    "a length of zero": b"\x01\x01\x00\x00\x10" + bytes(16),
    "a length beyond the message": b"\x01\x01\xff\xff\x10" + bytes(16),
}


@case("REG-09", "policy")
@rfc(7296, "2.16", "3.16")
@pytest.mark.parametrize("name", SHORT)
def test_survives_short_messages_of_its_gateway(
    peer: Tested, responder: Responder, certificates: Certificates, name: str
) -> None:
    """A gateway that has proved itself sends MSCHAPv2 cut short; another one is served later."""
    honest = responding(certificates.ours, gate(certificates, MSCHAP))
    own = initiating(certificates.theirs, user(certificates, MSCHAP))
    peer.start(**own)
    plan = Plan.parse(f"IKE_AUTH/response#1: SK.EAP.load = {SHORT[name]!r}")
    responder.listen(**honest, plan=plan)
    peer.initiate()
    assert responder.pump(lambda: len(each_once(responder.heard(Exchange.IKE_AUTH))) > 1, 8.0), (
        "no EAP"
    )
    responder.pump(lambda: False, 0.5)
    assert peer.alive(), f"the peer ended over {name}"

    peer.start(**own)
    responder.listen(**honest)
    peer.initiate()

    assert responder.accept().established
