"""Proofs that have their time (RFC 4478)."""

from __future__ import annotations

from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.exchange.features import Features
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Exchange, Notify

SECONDS = 4
LATE = 4  # seconds more, for a busy machine


@case("CHD-23", "feature")
@rfc(4478, "2", "3")
def test_says_how_long_it_is_content(peer: Tested, initiator: Initiator) -> None:
    """AUTH_LIFETIME in the response to IKE_AUTH has four octets: seconds."""
    peer.start(features=Features(auth_lifetime=3600))

    sa = initiator.establish()

    said = sa.reply.notify(Notify.AUTH_LIFETIME)
    assert said is not None and len(said.data) == 4, f"{sa.reply.names}\n{sa}"
    assert 0 < int.from_bytes(said.data, "big") <= 3600, f"{said.data.hex()}\n{sa}"
    assert sa.violations == []


@case("CHD-23", "feature")
@rfc(4478, "1", "2")
def test_proves_itself_anew_in_time(peer: Tested, responder: Responder) -> None:
    """As initiator it begins another IKE SA before its proof is too old.

    RFC 7296 knows no such notify, and nobody announces that he knows RFC 4478.
    """
    peer.needs("auth-lifetime")
    peer.start()
    responder.listen(features=Features(auth_lifetime=SECONDS))
    peer.initiate()
    sa = responder.accept()

    def others() -> set[bytes]:
        """The initiator's SPIs of other IKE SAs that the peer has begun."""
        begun = {bytes(s.message.init_SPI) for s in responder.heard(Exchange.IKE_SA_INIT)}
        return begun - {sa.spis.i}

    came = responder.pump(lambda: bool(others()), SECONDS + LATE)

    assert came, f"no other IKE SA within {SECONDS + LATE} s\n{sa}"
