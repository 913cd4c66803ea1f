"""Additional key exchanges that somebody meddles with: ciphertexts flipped, transforms stripped."""

from __future__ import annotations

from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.exchange.config import Conduct
from ikelab.harness.exchange.table import State
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Exchange, Ke, Payload, TransformType
from ikelab.testcases.conformance.refusals import given_up, refused
from ikelab.testcases.each_once import each_once
from ikelab.testcases.on_path import meddle

PLAIN = "aes128-sha256-x25519"
HYBRID = f"{PLAIN}-ke1_mlkem768"
EITHER = f"{HYBRID}-ke1_none"
FIRST_PAYLOAD, SA_PAYLOAD = 16, 28  # of an IKE message: Next Payload, and what it names


def stripped(data: bytes) -> bytes:
    """An IKE_SA_INIT message with NONE in the place of ML-KEM-768."""
    if len(data) < 32 or data[FIRST_PAYLOAD] != Payload.SA or data[18] != Exchange.IKE_SA_INIT:
        return data
    end = SA_PAYLOAD + int.from_bytes(data[SA_PAYLOAD + 2 : SA_PAYLOAD + 4], "big")
    head = bytes([TransformType.ADDKE1, 0])
    proposals = data[SA_PAYLOAD:end].replace(
        head + int(Ke.ML_KEM_768).to_bytes(2, "big"), head + bytes(2)
    )
    return data[:SA_PAYLOAD] + proposals + data[end:]


def after_intermediate(sa: Session) -> list[int]:
    """The exchange types of what the peer sent after IKE_INTERMEDIATE, in order, each once."""
    types = [int(s.message.exch_type) for s in each_once(sa.received())]
    assert Exchange.IKE_INTERMEDIATE in types, f"no IKE_INTERMEDIATE came\n{sa}"
    last = max(i for i, kind in enumerate(types) if kind == Exchange.IKE_INTERMEDIATE)
    return list(dict.fromkeys(types[last + 1 :]))


@case("PQ-09")
@rfc(9370, "2.2.2")
def test_tells_nothing_of_a_changed_ciphertext(peer: Tested, responder: Responder) -> None:
    """It goes on to IKE_AUTH as ever, under keys that nobody else has (FIPS 203 6.3)."""
    peer.start(ike=[HYBRID])
    responder.listen(ike=[HYBRID], plan="IKE_INTERMEDIATE/response: SK.KE.ke ^= b'\\x01'")

    peer.initiate()
    responder.pump(lambda: bool(responder.heard(Exchange.IKE_AUTH)), 8.0)

    assert responder.heard(Exchange.IKE_INTERMEDIATE), "the peer sent no IKE_INTERMEDIATE"
    [sa] = [s for s in responder.sessions if s.sa.keys is not None]
    assert after_intermediate(sa) == [Exchange.IKE_AUTH], f"it does not go on as ever\n{sa}"
    assert not sa.established, f"the peer's keys are not from the ciphertext\n{sa}"


@case("PQ-09")
@rfc(9370, "2.2.2")
def test_says_nothing_to_keys_of_a_changed_ciphertext(peer: Tested, initiator: Initiator) -> None:
    """IKE_AUTH under keys of a flipped ciphertext is dropped, and an honest IKE SA comes up."""
    peer.start(ike=[HYBRID])

    sa = initiator.init(ike=[HYBRID], conduct=Conduct().but("whole_ciphertext"))
    sa.auth()

    assert after_intermediate(sa) == [], f"it answers what it cannot open\n{sa}"
    assert not sa.established, f"{sa}"
    assert initiator.probe(ike=[HYBRID]), "no honest IKE SA comes up afterwards"


@case("PQ-10")
@rfc(9370, "2.2.2")
def test_takes_nothing_under_the_first_keys(peer: Tested, initiator: Initiator) -> None:
    """After the additional key exchange an IKE_AUTH under the keys before it leads nowhere."""
    peer.start(ike=[HYBRID])

    sa = initiator.init(ike=[HYBRID], conduct=Conduct().but("change_keys"))
    sa.auth(patience=1.0)

    assert not sa.established, f"the first keys are still good\n{sa}"
    assert initiator.probe(ike=[HYBRID]), "no honest IKE SA comes up afterwards"


@case("PQ-14")
@rfc(9370, "2.2.1")
def test_refuses_an_offer_that_was_stripped(peer: Tested, initiator: Initiator) -> None:
    """ML-KEM taken out of the offer on its way: AUTH covers what was sent, and does not verify."""
    peer.start(ike=[EITHER])
    on_path = meddle(initiator, stripped)

    sa = initiator.init(ike=[EITHER])
    assert on_path.changed and sa.state is State.INIT_DONE, f"nothing was stripped\n{sa}"
    reply = sa.auth()

    refused(peer, sa, reply)


@case("PQ-14")
@rfc(9370, "2.2.1")
def test_refuses_an_answer_that_was_stripped(peer: Tested, responder: Responder) -> None:
    """ML-KEM taken out of the answer on its way: the initiator finds that AUTH does not verify."""
    peer.start(ike=[EITHER])
    lax = Conduct().but("insist_on_rounds")
    responder.listen(ike=[EITHER], conduct=lax)
    on_path = meddle(responder, stripped)

    peer.initiate()
    responder.pump(lambda: any(s.established for s in responder.sessions), 6.0)

    assert responder.heard(Exchange.IKE_SA_INIT), "the peer sent no IKE_SA_INIT"
    assert on_path.changed, "nothing was stripped"
    for sa in responder.sessions:
        assert given_up(peer, sa), f"the peer keeps an IKE SA whose offer was stripped\n{sa}"
