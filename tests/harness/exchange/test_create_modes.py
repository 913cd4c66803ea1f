"""Children in transport mode, and with extended sequence numbers (RFC 7296 1.3.1, 3.3.2)."""

from __future__ import annotations

import pytest
from crossing import Crossing, assert_agreed, deleted

from ikelab.harness.edits import insert, notify
from ikelab.harness.exchange.inbound import Inbound
from ikelab.layers.iana import Notify, Sn
from tests.harness.exchange.children import notified, refused

# -- transport mode ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "mode"),
    [
        ("transport", "transport", "transport"),
        ("transport", "tunnel", "tunnel"),
        ("tunnel", "transport", "tunnel"),
        ("tunnel", "tunnel", "tunnel"),
    ],
)
def test_transport_mode_is_asked_for_and_granted(a: str, b: str, mode: str) -> None:
    """1.3.1: the response repeats USE_TRANSPORT_MODE, or the child is in tunnel mode."""
    x = Crossing(a={"mode": a}, b={"mode": b})
    request, response = [Inbound(s.message, s.inner()) for s in list(x.a.transcript)[2:4]]
    assert (Notify.USE_TRANSPORT_MODE in notified(request)) is (a == "transport")
    assert (Notify.USE_TRANSPORT_MODE in notified(response)) is (mode == "transport")
    assert x.a.child and x.a.child.mode == mode

    x.settle(x.begin(x.a.create_child))
    assert [c.mode for c in x.a.children.values()] == [mode, mode]
    assert_agreed(x.a, x.b)


def test_transport_mode_that_nobody_asked_for_is_none() -> None:
    """1.3.1: the notify of the response grants what the request asked for."""
    edit = insert("SK", payload=notify(Notify.USE_TRANSPORT_MODE))
    plan = f"IKE_AUTH/response: {edit}\nCREATE_CHILD_SA/response: {edit}"
    x = Crossing(b={"plan": plan})
    x.settle(x.begin(x.a.create_child))
    assert [c.mode for c in x.a.children.values()] == ["tunnel", "tunnel"]
    assert [c.mode for c in x.b.children.values()] == ["tunnel", "tunnel"]


@pytest.mark.parametrize("asker", ["a", "b"])
@pytest.mark.parametrize(("b", "mode"), [("transport", "transport"), ("tunnel", "tunnel")])
def test_a_rekey_keeps_the_mode(asker: str, b: str, mode: str) -> None:
    """1.3.3: usually the same notifications as in the original exchange."""
    x = Crossing(a={"mode": "transport"}, b={"mode": b})
    sa = x.a if asker == "a" else x.b
    request = x.begin(sa.rekey_child, sa.child)
    assert (Notify.USE_TRANSPORT_MODE in notified(x.opened(request))) is (mode == "transport")
    x.settle(request)
    assert x.a.child and x.b.child and x.a.child.mode == x.b.child.mode == mode
    assert_agreed(x.a, x.b)


# -- extended sequence numbers -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "chosen"),
    [
        ("esn", "esn", Sn.ESN),
        ("noesn", "noesn", Sn.NO_ESN),
        ("esn-noesn", "noesn", Sn.NO_ESN),
        ("esn-noesn", "esn", Sn.ESN),
        ("noesn-esn", "esn-noesn", Sn.NO_ESN),
        ("esn-noesn", "noesn-esn", Sn.ESN),
        ("esn", "esn-noesn", Sn.ESN),
        ("esn", "noesn", None),
        ("noesn", "esn", None),
    ],
)
def test_extended_sequence_numbers(a: str, b: str, chosen: Sn | None) -> None:
    """3.3.2, 3.3.3: always negotiated; of two that both allow, the initiator's first one."""
    x = Crossing(a={"esp": [f"aes128-sha256-{a}"]}, b={"esp": [f"aes128-sha256-{b}"]})
    if chosen is None:
        assert not x.a.children and not x.b.children  # 1.2: the IKE SA is there all the same
        refused(x, x.begin(x.a.create_child), Notify.NO_PROPOSAL_CHOSEN)
        return
    x.settle(x.begin(x.a.create_child))
    x.settle(x.begin(x.a.rekey_child, x.a.child))
    assert len(x.a.children) == 2
    for child in (*x.a.children.values(), *x.b.children.values()):
        assert child.suite.sn is not None and child.suite.sn.id == chosen
    assert_agreed(x.a, x.b)


def test_each_child_goes_on_its_own() -> None:
    """Deleting one of several leaves the others as they are."""
    x = Crossing()
    for _ in range(3):
        x.settle(x.begin(x.a.create_child))
    doomed = list(x.a.children.values())[1]
    request = x.begin(x.a.delete_child, doomed)
    answer = x.deliver(request)
    assert deleted(x.opened(request)) == [doomed.spi_in]
    assert deleted(x.opened(answer)) == [doomed.spi_out]
    x.settle(answer)
    assert len(x.a.children) == 3 and doomed.spi_in not in x.a.children
    assert_agreed(x.a, x.b)
