"""Children of the same selectors, one for each CPU (RFC 9611)."""

from __future__ import annotations

from ikelab.harness.edits import Edit, insert, notify
from ikelab.harness.endpoint import Initiator
from ikelab.harness.exchange.features import Features
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Notify, Payload

QUEUES = 3


def info(number: int) -> Edit:
    """SA_RESOURCE_INFO in a request for a child."""
    return insert("SK", payload=notify("SA_RESOURCE_INFO", b"cpu %d" % number))


@case("AGG-01", "feature")
@rfc(9611, "5", "5.1")
def test_makes_a_child_for_each_cpu(peer: Tested, initiator: Initiator) -> None:
    """Further children of the same selectors come up, each with SPIs of its own."""
    peer.start(features=Features(queues=QUEUES))
    sa = initiator.establish()

    for number in range(1, QUEUES):
        reply = sa.create_child(edits=[info(number)])
        assert reply.has(Payload.SA), f"{reply.outcome}\n{sa}"

    assert len(sa.children) == QUEUES
    assert len({(c.tsi, c.tsr) for c in sa.children}) == 1, f"other selectors\n{sa}"
    assert sa.violations == []
    assert peer.disagreements(sa) == []


@case("AGG-01", "feature")
@rfc(9611, "5", "5.2")
def test_says_when_there_are_no_more_queues(peer: Tested, initiator: Initiator) -> None:
    """TS_MAX_QUEUE refuses one child too many, and the others stay."""
    peer.start(features=Features(queues=1))
    sa = initiator.establish()

    reply = sa.create_child(edits=[info(1)])

    reply.only(Notify.TS_MAX_QUEUE)
    assert len(sa.children) == 1 and not sa.inform().silent, f"{sa}"


@case("AGG-01")
@rfc(7296, "3.10.1")
def test_makes_a_child_whatever_it_makes_of_its_resource(
    peer: Tested, initiator: Initiator
) -> None:
    """SA_RESOURCE_INFO is a status: who does not know it makes the child as any other.

    Who allows one child alone says NO_ADDITIONAL_SAS, as to anybody (RFC 7296 1.3).
    """
    initiator.needs("child")
    peer.start()
    sa = initiator.establish()

    reply = sa.create_child(edits=[info(1)])

    peer.observe(reply.outcome)
    if not reply.has(Payload.SA):
        reply.only(Notify.NO_ADDITIONAL_SAS)
    assert sa.violations == []
