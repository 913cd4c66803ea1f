"""CREATE_CHILD_SA for children: refusals, and other groups (RFC 7296 1.3, 2.8, 2.9.2)."""

from __future__ import annotations

from typing import Any

import pytest
from crossing import Crossing, assert_agreed
from talk import Talk, events

from ikelab.harness.edits import at, drop
from ikelab.harness.exchange.events import Ignored, Refused
from ikelab.harness.exchange.table import State
from ikelab.harness.model import TS, selectors, suites
from ikelab.layers.iana import Exchange, Ke, Notify, Payload, Protocol
from tests.harness.exchange.children import keymat, keys_of, new, nonce, notified, refused

# -- refusals ----------------------------------------------------------------------------------


def test_no_proposal_chosen() -> None:
    """1.3.1 and 2.21.3: an unacceptable offer costs the child, not the IKE SA."""
    x = Crossing()
    other = suites(["aes256gcm16"], Protocol.ESP)
    refused(x, x.begin(x.a.create_child, esp=other), Notify.NO_PROPOSAL_CHOSEN)


def test_ts_unacceptable() -> None:
    """2.9: nothing of what is asked for is allowed."""
    x = Crossing()
    elsewhere = selectors("192.0.2.0/24")
    refused(x, x.begin(x.a.create_child, tsi=elsewhere), Notify.TS_UNACCEPTABLE)
    refused(x, x.begin(x.b.create_child, tsr=elsewhere), Notify.TS_UNACCEPTABLE)


def test_narrowed_to_what_both_allow() -> None:
    """2.9: a subset comes back, and both ends have it."""
    x = Crossing()
    before = dict(x.a.children)
    wide = selectors(["10.1.255.0-10.3.0.0", "2001:db8::/32"])
    x.settle(x.begin(x.a.create_child, tsi=wide, tsr=selectors("10.2.3.4[17/53]")))
    made = new(x.a, before)
    assert made.local_ts == (TS.parse("10.1.255.0/24"),)
    assert made.remote_ts == (TS.parse("10.2.3.4[17/53]"),)
    assert_agreed(x.a, x.b)


def test_no_additional_sas() -> None:
    """1.3: no more children; a rekey adds none and is allowed, and so is one for one that went."""
    x = Crossing(b={"most_children": 2})
    x.settle(x.begin(x.a.create_child))
    refused(x, x.begin(x.a.create_child), Notify.NO_ADDITIONAL_SAS)
    x.settle(x.begin(x.a.rekey_child, x.a.child))
    assert len(x.a.children) == 2
    x.settle(x.begin(x.a.delete_child, x.a.child))
    x.settle(x.begin(x.a.create_child))
    assert len(x.a.children) == 2
    assert_agreed(x.a, x.b)


@pytest.mark.parametrize("what", ["rekey_child", "rekey"])
def test_who_rekeys_nothing_refuses_it_with_no_additional_sas(what: str) -> None:
    """4: a minimal implementation may refuse every rekey; the SAs go on."""
    conduct = Talk().i.conduct.but("allow_rekeys")
    x = Crossing(b={"conduct": conduct})
    wanted = [x.a.child] if what == "rekey_child" else []
    refused(x, x.begin(getattr(x.a, what), *wanted), Notify.NO_ADDITIONAL_SAS)
    assert len(x.live("b")) == 1


@pytest.mark.parametrize(
    "edit",
    [
        drop("SK.Nonce"),
        drop("SK.SA"),
        at("SK.Nonce.nonce").truncate(15),
        at("SK.Nonce.nonce").append(bytes(240)),
        at("SK.KE.ke").set(bytes(32)),
        at("SK.KE.ke").truncate(31),
    ],
    ids=str,
)
def test_what_is_no_request_for_a_child_ends_the_ike_sa(edit: Any) -> None:
    """2.21.3: INVALID_SYNTAX is fatal in both peers; 2.10: nonces have 16 to 256 octets."""
    x = Crossing(esp=["aes128-sha256-x25519"])
    answer = x.deliver(x.begin(x.a.create_child, edits=[edit]))
    assert notified(x.opened(answer)) == [Notify.INVALID_SYNTAX]
    x.settle(answer)
    assert x.a.over and x.b.over and not x.a.children and not x.b.children


@pytest.mark.parametrize("octets", [16, 256])
def test_nonces_at_their_bounds(octets: int) -> None:
    x = Crossing(a={"nonce_length": octets})
    x.settle(x.begin(x.a.create_child))
    x.settle(x.begin(x.a.rekey))
    [a], [b] = x.live("a"), x.live("b")
    assert len(a.children) == 2
    assert_agreed(a, b)


@pytest.mark.parametrize(
    "plan",
    [
        "drop('SK.Nonce')",
        "drop('SK.KE')",
        "SK.KE.group = 19",
        "SK.KE.ke = b'short'",
        f"SK.KE.ke = {bytes(32)!r}",
        "SK.SA.proposal[0].transform[2].transform_id = 19",
    ],
)
def test_a_response_that_makes_no_child_makes_none(plan: str) -> None:
    """Nothing is installed with keys that the peer cannot have; the IKE SA goes on."""
    x = Crossing(esp=["aes128-sha256-x25519"], b={"plan": f"CREATE_CHILD_SA/response: {plan}"})
    before = dict(x.a.children)
    x.settle(x.begin(x.a.create_child))
    x.settle(x.begin(x.a.rekey_child, x.a.child))

    assert x.a.children == before and x.a.state is State.ESTABLISHED
    assert len([e for e in events(x.a) if isinstance(e, Ignored)]) == 2
    assert not x.a.collisions.theirs
    x.settle(x.begin(x.a.inform, []))
    assert not x.a.window.waiting


def test_an_answer_without_a_group_is_one_without_ke() -> None:
    """1.3.1: KE is optional; who has no group for children chooses the proposal without."""
    x = Crossing(a={"esp": ["aes128-sha256-x25519", "aes128-sha256"]}, b={"esp": ["aes128-sha256"]})
    before = dict(x.a.children)
    request = x.begin(x.a.create_child)
    response = x.deliver(request)
    assert x.opened(request).has(Payload.KE) and not x.opened(response).has(Payload.KE)
    x.settle(response)

    assert x.a.keys
    seed = nonce(x.opened(request)) + nonce(x.opened(response))
    assert keys_of(new(x.a, before)) == keymat(x.a.keys.sk_d, seed, 16, 32)
    assert_agreed(x.a, x.b)


# -- INVALID_KE_PAYLOAD ------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["create_child", "rekey_child"])
def test_follows_the_group_that_is_asked_for(what: str) -> None:
    """1.3.1: INVALID_KE_PAYLOAD names the group; the request is made again, under the next ID."""
    x = Crossing(esp=["aes128-sha256-x25519-ecp256"], b={"esp": ["aes128-sha256-ecp256"]})
    old = x.a.child
    wanted = [old] if what == "rekey_child" else []
    first = x.begin(getattr(x.a, what), *wanted)
    refusal = x.deliver(first)
    invalid = x.opened(refusal).notify(Notify.INVALID_KE_PAYLOAD)
    assert bytes(invalid.notify) == Ke.ECP_256.to_bytes(2, "big")
    second = x.deliver(refusal)
    one, other = x.opened(first), x.opened(second)

    assert (one.one(Payload.KE).group, other.one(Payload.KE).group) == (31, 19)
    assert other.message_id == one.message_id + 1
    assert [o.suite for o in one.offers()] == [o.suite for o in other.offers()]
    for kind in (Payload.TSI, Payload.TSR):
        assert one.selectors(kind) == other.selectors(kind)
    assert notified(one) == notified(other)
    x.settle(second)
    assert len(x.a.children) == (1 if wanted else 2)
    assert (old is not None and old.spi_in in x.a.children) is not bool(wanted)
    assert_agreed(x.a, x.b)


@pytest.mark.parametrize("data", [b"\x00\x02", b"\x00\x00", b"\x13", b""])
def test_does_not_follow_a_group_that_was_not_offered(data: bytes) -> None:
    """1.2, 1.3.1: no downgrade by a group that the initiator never wanted."""
    edit = f"CREATE_CHILD_SA/response: SK.N(INVALID_KE_PAYLOAD).notify = {data!r}"
    x = Crossing(
        esp=["aes128-sha256-x25519-ecp256"],
        b={"esp": ["aes128-sha256-ecp256"], "plan": edit},
    )
    refusal = x.deliver(x.begin(x.a.create_child))
    assert x.deliver(refusal) == []
    assert Refused(Exchange.CREATE_CHILD_SA, 2, Notify.INVALID_KE_PAYLOAD) in events(x.a)
    assert len(x.a.children) == 1 and not x.a.window.waiting


def test_asks_once_more_and_not_for_ever() -> None:
    """Whoever asks for a group over and over gets one other try."""
    edit = "CREATE_CHILD_SA/response: SK.N(INVALID_KE_PAYLOAD).notify = b'\\x00\\x1f'"
    x = Crossing(
        esp=["aes128-sha256-x25519-ecp256"],
        b={"esp": ["aes128-sha256-ecp256"], "plan": edit},
    )
    second = x.deliver(x.deliver(x.begin(x.a.create_child)))
    assert second
    assert x.deliver(x.deliver(second)) == []
    assert len(x.a.children) == 1 and not x.a.window.waiting


def test_a_collision_goes_on_through_a_retry() -> None:
    """2.8.1 counts the nonces of exchanges that made SAs: the retry's, not the refused one's."""
    x = Crossing(esp=["aes128-sha256-x25519-ecp256"], b={"esp": ["aes128-sha256-ecp256"]})
    x.entropy["a"].lead.extend([b"\x01", b"\x80", b"\x90"])  # refused Ni1, Nr1, Ni1 again
    x.entropy["b"].lead.extend([b"\x70", b"\xa0"])  # Ni2, Nr2: B's SA has the lowest
    req1, req2 = x.begin(x.a.rekey_child, x.a.child), x.begin(x.b.rekey_child, x.b.child)
    resp2, refusal = x.deliver(req2), x.deliver(req1)
    again = x.deliver(refusal)
    resp1 = x.deliver(again)
    x.settle(resp1, resp2)

    assert len(x.a.children) == 1 and x.a.child and x.a.child.made_by_us
    assert_agreed(x.a, x.b)
