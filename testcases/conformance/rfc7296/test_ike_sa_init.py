"""IKE_SA_INIT: offers, choices, groups and cookies (RFC 7296 1.2, 2.6, 2.7, 3.3)."""

from __future__ import annotations

import pytest

from ikelab.harness.endpoint import Initiator
from ikelab.harness.exchange.config import Conduct
from ikelab.harness.exchange.negotiate import offers
from ikelab.harness.exchange.table import State
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.reply import Reply
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Notify, Payload
from ikelab.testcases.conformance.refusals import forgotten
from ikelab.testcases.each_once import each_once

# What every peer of ours can do; both proposals of a test come from here.
GCM = "aes256gcm16-prfsha256-ecp256"
CBC = "aes128-sha256-modp2048"
OTHER = "aes256-sha384-ecp384"


def chosen_proposals(reply: Reply) -> list[tuple[int, str]]:
    """(number, transforms) of each proposal in the answer's SA payload."""
    return [(o.number, str(o.suite)) for o in offers(reply.one(Payload.SA))]


@case("INIT-01")
@rfc(7296, "1.2", "2.7", "3.3")
@pytest.mark.parametrize("suite", [GCM, CBC])
def test_accepts_a_supported_suite(peer: Tested, initiator: Initiator, suite: str) -> None:
    """The response carries the suite in one proposal, KE of the same group, and a nonce."""
    peer.start(ike=[suite])

    sa = initiator.init(ike=[suite])

    assert sa.state is State.INIT_DONE, f"IKE_SA_INIT did not succeed\n{sa}"
    assert len(chosen_proposals(sa.reply)) == 1
    assert str(sa.chosen) == suite
    assert sa.reply.one(Payload.KE).group == sa.chosen.ke.id
    assert 16 <= len(sa.reply.one(Payload.NONCE).nonce) <= 256
    assert sa.violations == []


@case("INIT-02")
@rfc(7296, "2.7", "3.3.1")
def test_answers_with_the_number_of_the_accepted_proposal(
    peer: Tested, initiator: Initiator
) -> None:
    """Of two proposals of which only the second is acceptable, number 2 comes back."""
    peer.start(ike=[CBC])

    sa = initiator.init(ike=[OTHER, CBC], ke=14)

    assert [number for number, _ in chosen_proposals(sa.reply)] == [2], f"{sa}"
    assert str(sa.chosen) == CBC
    assert sa.violations == []


@case("INIT-03")
@rfc(7296, "2.7", "3.3")
def test_picks_one_transform_of_each_type(peer: Tested, initiator: Initiator) -> None:
    """Where a proposal has several transforms of each type, exactly one of each comes back."""
    offer = "aes256-aes128-sha384-sha256-prfsha384-prfsha256-ecp256-modp2048"
    peer.start(ike=["aes128-sha256-modp2048-ecp256"])

    sa = initiator.init(ike=[offer])

    assert len(chosen_proposals(sa.reply)) == 1, f"{sa}"
    kinds = [t.type for t in offers(sa.reply.one(Payload.SA))[0].suite.transforms]
    assert sorted(kinds) == [1, 2, 3, 4], f"transform types {kinds} came back\n{sa}"
    assert sa.violations == []


@case("INIT-04")
@rfc(7296, "2.7", "2.21.1", "3.10.1")
def test_refuses_an_offer_without_an_acceptable_proposal(
    peer: Tested, initiator: Initiator
) -> None:
    """Nothing acceptable is answered with NO_PROPOSAL_CHOSEN, and no state is kept."""
    peer.start(ike=[GCM])

    sa = initiator.init(ike=["3des-sha1-modp2048"])

    sa.reply.only(Notify.NO_PROPOSAL_CHOSEN)
    assert not sa.reply.has(Payload.SA)
    assert forgotten(peer, sa), f"state was kept\n{sa}"
    assert initiator.probe(ike=[GCM])


@case("INIT-05")
@rfc(7296, "3.3", "3.3.3")
@rfc(5282, "8")
def test_takes_a_combined_mode_cipher_without_integrity(peer: Tested, initiator: Initiator) -> None:
    """A combined-mode cipher that is offered without an integrity algorithm is chosen so."""
    peer.start(ike=[GCM])

    sa = initiator.init(ike=[GCM])

    assert str(sa.chosen) == GCM, f"{sa}"
    assert sa.chosen.integ is None
    assert sa.violations == []


@case("INIT-05")
@rfc(7296, "3.3")
def test_never_answers_with_combined_mode_and_integrity(peer: Tested, initiator: Initiator) -> None:
    """A proposal that mixes both is refused, or at least not answered with both."""
    peer.start(ike=["aes256gcm16-sha256-prfsha256-ecp256"])

    sa = initiator.init(ike=["aes256gcm16-sha256-prfsha256-ecp256"])

    # RFC 7296 3.3 forbids the offer; of the answer it says only that both must not go together.
    if sa.reply.has(Payload.SA):
        assert sa.chosen is None or sa.chosen.integ is None, f"{sa.chosen} was accepted\n{sa}"
    else:
        sa.reply.only(Notify.NO_PROPOSAL_CHOSEN)


@case("INIT-12")
@rfc(7296, "1.2", "2.7", "3.10.1")
def test_asks_for_the_group_that_it_wants(peer: Tested, initiator: Initiator) -> None:
    """KE of another group than the chosen one gets INVALID_KE_PAYLOAD with an offered group."""
    peer.start(ike=["aes128-sha256-ecp256"])

    sa = initiator.init(
        ike=["aes128-sha256-modp2048-ecp256"], conduct=Conduct().but("retry_invalid_ke")
    )

    refusal = sa.reply.only(Notify.INVALID_KE_PAYLOAD)
    assert refusal.data == (19).to_bytes(2, "big"), f"asked for {refusal.data.hex()}\n{sa}"
    assert sa.violations == []


@case("INIT-13")
@rfc(7296, "1.2", "2.7")
def test_accepts_the_retry_with_the_group_it_asked_for(peer: Tested, initiator: Initiator) -> None:
    """The repeated request, with the whole offer and the group asked for, brings the SA up."""
    peer.start(ike=["aes128-sha256-ecp256"])

    sa = initiator.establish(ike=["aes128-sha256-modp2048-ecp256"])

    first, second = (s.text() for s in each_once(sa.sent())[:2])
    assert "KEi(modp2048)" in first and "KEi(ecp256)" in second
    assert str(sa.chosen) == "aes128-sha256-ecp256"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("COO-02")
@rfc(7296, "2.6")
def test_goes_on_when_its_cookie_comes_back(peer: Tested, initiator: Initiator) -> None:
    """The request repeated with the cookie as its first payload is accepted."""
    peer.needs("cookies")
    peer.start(cookies=True)

    sa = initiator.establish()

    cookies = each_once(s for s in sa.received() if "N(COOKIE)" in s.text())
    assert len(cookies) == 1, f"{len(cookies)} cookies were asked for\n{sa}"
    assert not any(cookies[0].message.resp_SPI), "SPIr is not zero beside a COOKIE"
    assert each_once(sa.sent())[1].message.payloads[0].kind == Payload.N
    assert sa.violations == []
