"""How fragments of protected messages leave (RFC 7383 2.5)."""

from __future__ import annotations

import pytest
from talk import Talk

from ikelab.harness.edits import insert, unknown
from ikelab.harness.errors import ConfigError
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.exchange.table import State
from ikelab.layers.iana import Exchange, Notify, Payload
from ikelab.layers.payloads import IKEv2_VendorID
from tests.harness.exchange.fragments import (
    BIG,
    BODY,
    CBC,
    GCM,
    SIZE,
    bodies,
    both,
    inform,
    ip_octets,
    numbers,
    skf,
    up,
)


@pytest.mark.parametrize("suite", [CBC, GCM])
@pytest.mark.parametrize(
    ("left", "right"),
    [
        (("10.0.0.1", 500), ("10.0.0.2", 500)),
        (("10.0.0.1", 4500), ("10.0.0.2", 4500)),
        (("2001:db8::1", 500), ("2001:db8::2", 500)),
        (("2001:db8::1", 4500), ("2001:db8::2", 4500)),
    ],
)
def test_no_ip_datagram_is_over_the_limit(
    suite: str, left: tuple[str, int], right: tuple[str, int]
) -> None:
    """2.5.1: the limit counts IP and UDP headers, and the non-ESP marker on port 4500."""
    talk = both(ike=suite, local=left, remote=right, fragment=1280)
    talk.i.start_auth(talk.now, [BIG])
    sent = talk.sent()

    assert len(sent) > 5
    assert max(ip_octets(d) for d in sent) <= 1280
    # As full as its cipher blocks allow, all but the last one.
    assert min(ip_octets(d) for d in sent[:-1]) > 1280 - (16 if suite == CBC else 1)
    talk.to_responder(sent)
    assert bodies(talk.r) == [BODY]


@pytest.mark.parametrize("suite", [CBC, GCM])
def test_only_the_first_names_what_is_inside(suite: str) -> None:
    """2.5: number 1 has the type of the first inner payload, the others none; all lengths fit."""
    talk = both(ike=suite)
    talk.i.start_auth(talk.now, [BIG])
    sent = talk.sent()
    total = len(sent)

    assert numbers(sent) == [(n, total, Payload.IDI if n == 1 else 0) for n in range(1, total + 1)]
    for datagram in sent:
        packet = skf(datagram)
        assert packet.length == len(datagram.data) == 28 + packet.payloads[-1].length
        assert (packet.exch_type, packet.id, packet.flags) == (Exchange.IKE_AUTH, 1, 8)
        assert packet.next_payload == Payload.SKF


def test_every_fragment_has_an_iv_of_its_own() -> None:
    talk = both(ike=GCM)
    talk.i.start_auth(talk.now, [BIG])
    ivs = [bytes(skf(d).payloads[-1].load[:8]) for d in talk.sent()]
    assert len(set(ivs)) == len(ivs) > 10


@pytest.mark.parametrize("suite", [CBC, GCM])
def test_what_fits_is_not_fragmented(suite: str) -> None:
    """2.4: one octet decides; up to the limit there is one SK payload."""
    talk = up(ike=suite)
    sizes = {}
    for body in range(440, 540):
        sent = inform(talk, bytes(body))
        sizes[body] = len(sent)
        assert max(ip_octets(d) for d in sent) <= SIZE
        assert (skf(sent[0]).payloads[-1].kind == Payload.SK) is (len(sent) == 1)
        talk.to_responder(sent)
        talk.to_initiator(talk.answered())
    assert set(sizes.values()) == {1, 2} and sorted(sizes.values()) == list(sizes.values())
    assert bodies(talk.r) == [bytes(n) for n in sizes]


def test_payloads_in_clear_go_with_the_first_fragment() -> None:
    """2.5: what stands before SK is in the first fragment and in no other, and counts."""
    talk = both()
    clear = unknown(200, b"in clear" * 10)
    talk.i.start_auth(talk.now, [BIG, insert(before="SK", payload=clear)])
    sent = talk.sent()

    assert max(ip_octets(d) for d in sent) <= SIZE
    kinds = [[p.kind for p in skf(d).payloads] for d in sent]
    assert kinds == [[200, Payload.SKF], *[[Payload.SKF]] * (len(sent) - 1)]
    talk.to_responder(sent[::-1])
    it = Inbound(*[(s.message, s.inner()) for s in talk.r.transcript][-2])
    assert it.opened and bodies(talk.r) == [BODY]
    assert talk.r.state is State.ESTABLISHED


def test_what_is_put_together_is_what_one_piece_would_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """2.6: header, payloads in clear and payloads inside are those of the original message."""
    seen: list[list[bytes]] = []
    received = IkeSa.opened

    def spy(sa: IkeSa, it: Inbound, *rest: object) -> None:
        seen.append([it.message.exch_type, it.flags, it.message_id, it.message.next_payload])
        seen[-1] += [p.kind for p in it.every]
        received(sa, it, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(IkeSa, "opened", spy)
    edits = [BIG, insert(before="SK", payload=unknown(201))]
    for size in (SIZE, 20_000):
        talk = both(fragment=size)
        talk.i.start_auth(talk.now, edits)
        talk.to_responder(talk.sent()[::-1])
    assert seen[0] == seen[1] and 201 in seen[0] and Payload.V in seen[0]


def test_a_limit_that_holds_no_fragment_is_a_mistake() -> None:
    talk = both(fragment=100)
    with pytest.raises(ConfigError, match="too few"):
        talk.i.start_auth(talk.now, [BIG])


@pytest.mark.parametrize("side", ["i", "r"])
def test_nothing_is_fragmented_unless_both_announced_it(side: str) -> None:
    """2.3: who did not announce it gets whole messages, however large."""
    talk = Talk(**{side: {"fragment": SIZE}}).init()  # type: ignore[arg-type]
    talk.i.start_auth(talk.now, [BIG])
    [sent] = talk.sent()

    assert ip_octets(sent) > 8192 and skf(sent).payloads[-1].kind == Payload.SK
    talk.to_responder([sent])
    talk.to_initiator(talk.answered())
    assert talk.i.state is talk.r.state is State.ESTABLISHED
    announced = [
        Inbound(s.message).notify(Notify.IKEV2_FRAGMENTATION_SUPPORTED) is not None
        for s in list(talk.i.transcript)[:2]
    ]
    assert announced == [side == "i", False]  # the responder answers only who asked


def test_a_retransmission_is_all_fragments_again() -> None:
    """2.6.1: the same octets, each of them."""
    talk = both(retransmit=(1.0,))
    talk.i.start_auth(talk.now, [BIG])
    first = talk.sent()
    talk.now = talk.i.timer() or 0.0
    talk.i.handle_timer(talk.now)
    again = talk.sent()

    assert [d.data for d in again] == [d.data for d in first] and len(first) > 10
    talk.to_responder(first[::2])
    talk.to_responder(again[1::2])  # what the first time was lost
    assert bodies(talk.r) == [BODY]


def test_a_rekeyed_sa_fragments_too() -> None:
    """Support is announced in IKE_SA_INIT only, and goes over to the successor."""
    talk = up()
    talk.i.on_successor = (made := []).append
    talk.i.rekey(talk.now)
    talk.carry()
    [new] = made
    new.inform([IKEv2_VendorID(vendorID=BODY)], talk.now)
    sent = new.datagrams(talk.now)
    assert len(sent) > 10
    talk.to_responder(sent)
    assert bodies(talk.r) == [BODY] and talk.r.spis == new.spis
