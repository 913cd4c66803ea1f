"""Tokens by which a crash is told (RFC 6290)."""

from __future__ import annotations

import pytest

from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.exchange import small
from ikelab.harness.exchange.features import Features
from ikelab.harness.exchange.ports import NON_ESP_MARKER
from ikelab.harness.model import Datagram, encapsulated
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Exchange, Notify, Payload
from ikelab.layers.message import IKEv2, message
from ikelab.layers.notify import IKEv2_Notify

KNOWS = Features(crash_secret=b"a secret that outlives a crash..")


def token_of(data: bytes) -> bytes | None:
    """The token in an unprotected message."""
    found = [p for p in IKEv2(data).payloads if p.kind == Payload.N]
    tokens = [bytes(p.notify) for p in found if p.type == Notify.QUICK_CRASH_DETECTION]
    return tokens[0] if tokens else None


@case("INF-15", "feature")
@rfc(6290, "4.2", "4.3")
def test_tells_of_its_crash_with_its_token(peer: Tested, initiator: Initiator) -> None:
    """After a restart, a message of the lost IKE SA gets INVALID_IKE_SPI and the same token."""
    peer.start(features=KNOWS)
    sa = initiator.establish()
    given = sa.reply.notify(Notify.QUICK_CRASH_DETECTION)
    assert given is not None and 16 <= len(given.data) <= 128, f"{sa.reply.names}\n{sa}"
    sa.inform()
    lost = sa.sent()[-1].data

    peer.start(features=KNOWS)
    answers = sa.throw(lost, patience=4.0)

    assert [token_of(data) for data in answers][:1] == [given.data], f"{sa}"


@case("INF-15")
@rfc(6290, "4.5")
@pytest.mark.parametrize("token", ["right", "wrong"])
def test_believes_the_right_token_alone(peer: Tested, responder: Responder, token: str) -> None:
    """INVALID_IKE_SPI with the token of IKE_AUTH ends the IKE SA, with another one it does not."""
    peer.start(features=KNOWS)
    responder.listen(features=KNOWS)
    peer.initiate()
    sa = responder.accept()
    _lie(sa, token == "wrong")

    def gone() -> bool:
        return peer.sa(sa) is None

    patience = 4.0 if token == "right" else 1.0  # what must not come is waited for in vain
    assert sa.wait(gone, patience) == (token == "right"), f"{sa}"


def _lie(sa: Session, wrong: bool) -> None:
    """Say, unprotected, that we know nothing of this IKE SA."""
    engine = sa.sa
    data = small.token(KNOWS.crash_secret, engine.spi_i, engine.spi_r)
    payloads = [
        IKEv2_Notify(type=Notify.INVALID_IKE_SPI),
        IKEv2_Notify(type=Notify.QUICK_CRASH_DETECTION, notify=bytes(32) if wrong else data),
    ]
    header = {"init_SPI": engine.spi_i, "resp_SPI": engine.spi_r, "flags": 0x20, "id": 0}
    octets = bytes(message(payloads, exch_type=Exchange.INFORMATIONAL, **header))
    marker = NON_ESP_MARKER if encapsulated(engine.local, engine.remote) else b""
    sa.emit(Datagram(marker + octets, engine.local, engine.remote))
