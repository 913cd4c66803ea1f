"""Deleting a CHILD_SA and an IKE SA (RFC 7296 1.4.1, 3.11)."""

from __future__ import annotations

from ikelab.harness.endpoint import Initiator
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Payload, Protocol


@case("INF-01")
@rfc(7296, "1.4.1", "3.11")
def test_answers_a_child_delete_with_the_paired_spi(peer: Tested, initiator: Initiator) -> None:
    """The delete of one half of a child is answered with the delete of the other half."""
    peer.start()
    sa = initiator.establish()
    paired = sa.child.spi_out

    reply = sa.delete_child()

    delete = reply.one(Payload.D)
    assert delete.proto == Protocol.ESP
    assert [bytes(s) for s in delete.SPI] == [paired], f"{sa}"
    assert sa.violations == []
    if peer.tells:
        sa.wait(lambda: (view := peer.sa(sa)) is not None and not view.children)
        view = peer.sa(sa)
        assert view is not None and view.children == (), f"the peer keeps {view}"


@case("INF-02")
@rfc(7296, "1.4.1")
def test_answers_an_ike_delete_and_forgets_it(peer: Tested, initiator: Initiator) -> None:
    """The delete of an IKE SA gets an empty response; the SA and its children are gone."""
    peer.start()
    sa = initiator.establish()

    reply = sa.close()

    assert not reply.silent, f"no answer to the delete\n{sa}"
    assert reply.protected and reply.names == [], f"the response holds {reply.names}\n{sa}"
    assert sa.violations == []
    if peer.tells:
        gone = sa.wait(lambda: peer.sa(sa) is None)
        assert gone, f"the peer still has {peer.sa(sa)}"
