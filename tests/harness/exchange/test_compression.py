"""IPComp is offered, taken out of an offer, and kept through a rekey (RFC 7296 2.22)."""

from __future__ import annotations

import pytest
from crossing import Crossing

from ikelab.harness.edits import insert, notify
from ikelab.harness.exchange.child import Child, Compression
from ikelab.harness.exchange.compression import FIRST, LAST
from ikelab.harness.exchange.features import NO_FEATURES, Features
from ikelab.harness.exchange.inbound import Inbound
from ikelab.layers.iana import IpComp, Notify
from tests.harness.exchange.children import notified

WANTED = Features(ipcomp=True)
LZS = notify("IPCOMP_SUPPORTED", data=b"\x12\x34\x03")
UNASKED = notify("IPCOMP_SUPPORTED", data=b"\x12\x34\x02")


def crossing(a: bool, b: bool, plan: str = "", whose: str = "a") -> Crossing:
    """An IKE SA between two who want compression or not; one of them has a plan."""
    sides = {
        name: {"features": WANTED if wants else NO_FEATURES, "plan": plan if name == whose else ""}
        for name, wants in (("a", a), ("b", b))
    }
    return Crossing(a=sides["a"], b=sides["b"])


def of(child: Child | None) -> Compression | None:
    assert child is not None
    return child.compression


def assert_matched(ours: Compression | None, theirs: Compression | None) -> None:
    """Each knows the other's CPI, and both are of those that are negotiated."""
    assert ours is not None and theirs is not None
    assert (ours.ours, ours.theirs) == (theirs.theirs, theirs.ours)
    assert ours.transform == theirs.transform == IpComp.IPCOMP_DEFLATE
    assert all(FIRST <= cpi <= LAST for cpi in (ours.ours, ours.theirs))


@pytest.mark.parametrize("b", [False, True])
@pytest.mark.parametrize("a", [False, True])
def test_both_have_to_want_it(a: bool, b: bool) -> None:
    x = crossing(a, b)
    request, response = [Inbound(s.message, s.inner()) for s in list(x.a.transcript)[2:4]]
    assert (Notify.IPCOMP_SUPPORTED in notified(request)) is a
    assert (Notify.IPCOMP_SUPPORTED in notified(response)) is (a and b)
    if a and b:
        assert_matched(of(x.a.child), of(x.b.child))
    else:
        assert of(x.a.child) is of(x.b.child) is None


@pytest.mark.parametrize("asker", ["a", "b"])
def test_a_new_child_and_a_rekey_have_cpis_of_their_own(asker: str) -> None:
    x = crossing(True, True)
    sa, other = (x.a, x.b) if asker == "a" else (x.b, x.a)
    x.settle(x.begin(sa.create_child))
    assert len(sa.children) == 2
    x.settle(x.begin(sa.rekey_child, sa.child))
    cpis = set()
    for child in sa.children.values():
        mine, theirs = of(child), of(other.children[child.spi_out])
        assert_matched(mine, theirs)
        assert mine is not None
        cpis.add(mine.ours)
    assert len(cpis) == 2


def test_what_is_not_done_here_is_not_taken() -> None:
    x = crossing(False, True, f"IKE_AUTH/request: {insert('SK', before='SA', payload=LZS)}")
    assert of(x.a.child) is of(x.b.child) is None


def test_an_offer_of_several_is_answered_with_deflate_once() -> None:
    x = crossing(True, True, f"IKE_AUTH/request: {insert('SK', before='SA', payload=LZS)}")
    response = Inbound(list(x.a.transcript)[3].message, list(x.a.transcript)[3].inner())
    assert notified(response).count(Notify.IPCOMP_SUPPORTED) == 1
    assert_matched(of(x.a.child), of(x.b.child))


def test_what_comes_unasked_is_no_agreement() -> None:
    plan = f"IKE_AUTH/response: {insert('SK', before='SA', payload=UNASKED)}"
    x = crossing(False, False, plan, "b")
    assert of(x.a.child) is of(x.b.child) is None


@pytest.mark.parametrize("data", [b"", b"\x12\x34", b"\x12\x34\x02\x00", b"\x12\x34\xc8"])
def test_an_offer_that_cannot_be_read_is_none(data: bytes) -> None:
    odd = insert("SK", before="SA", payload=notify("IPCOMP_SUPPORTED", data=data))
    x = crossing(False, True, f"IKE_AUTH/request: {odd}")
    assert of(x.a.child) is of(x.b.child) is None
