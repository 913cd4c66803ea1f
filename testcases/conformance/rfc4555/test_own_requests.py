"""Where a peer that knows MOBIKE sends its own requests (RFC 4555 3.8)."""

from __future__ import annotations

from ikelab.harness.endpoint import Initiator
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.harness.transcript import Step
from ikelab.testcases.conformance.rfc4555.test_mobility import MOBILE, mobile

CHECKS = 1.0  # seconds of silence after which the peer asks whether we live
LATE = 6.0  # seconds within which it has asked, on a slow machine too


@case("MOB-03")
@rfc(4555, "3.8")
def test_follows_no_address_without_an_update(peer: Tested, initiator: Initiator) -> None:
    """A request from another address moves nothing: its own requests come to the old one.

    Without MOBIKE RFC 7296 2.23 has it follow; with it UPDATE_SA_ADDRESSES alone says so.
    """
    peer.start(features=MOBILE, dpd_delay=CHECKS)
    sa = mobile(initiator)
    usual = sa.sa.local

    sa.sa.local = (initiator.spare(), usual[1])
    answer = sa.inform()
    sa.sa.local = usual
    assert not answer.silent, f"no answer at the other address\n{sa}"
    before = len(requests(sa))
    assert sa.wait(lambda: len(requests(sa)) > before, LATE), f"it asks for no sign of life\n{sa}"

    assert {step.dst for step in requests(sa)} == {usual}, f"it followed without an update\n{sa}"
    assert sa.violations == []


def requests(sa: Session) -> list[Step]:
    """The requests that came from the peer."""
    return [step for step in sa.received() if not int(step.message.flags) & 0x20]
