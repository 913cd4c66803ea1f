"""INFORMATIONAL: liveness, deletes of children and of the IKE SA (RFC 7296 1.4, 3.11)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ikelab.harness.exchange import rekey
from ikelab.harness.exchange.child import Child
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.window import Outstanding, Reply
from ikelab.layers.iana import Notify, Payload, Protocol
from ikelab.layers.notify import IKEv2_Notify
from ikelab.layers.payloads import IKEv2_Delete

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa


def delete_child(child: Child) -> IKEv2_Delete:
    """Names our inbound SPI of the child (1.4.1)."""
    return IKEv2_Delete(proto=child.protocol, SPI=[child.spi_in])


def delete_ike() -> IKEv2_Delete:
    """Names the IKE SA itself: no SPI, because the header has it (3.11)."""
    return IKEv2_Delete(proto=Protocol.IKE, SPIsize=0, SPInum=0, SPI=[])


def serve(sa: IkeSa, it: Inbound, extras: Sequence[Any] = ()) -> Reply | None:
    """Answer INFORMATIONAL; `extras` are what extensions have to say."""
    if not it.payloads and not sa.conduct.answer_liveness:
        return None
    if it.notify(Notify.AUTHENTICATION_FAILED) is not None:
        # RFC 7296 2.21.2: the initiator rejects our AUTH; that ends the IKE SA without a Delete.
        return Reply([], "delete")
    deletes = it.all(Payload.D)
    if any(d.proto == Protocol.IKE for d in deletes):
        # RFC 7296 2.25.2: our own rekey of this SA, if any, is forgotten; theirs has the children.
        rekey.inherit(sa)
        return Reply([], "delete" if sa.conduct.forget_deleted else "")
    if any(map(_misfit, deletes)):
        # 3.11, 2.21.3: SPIs of ESP and AH have four octets, and there are as many as announced.
        outcome = "refused" if sa.conduct.end_on_syntax_error else ""
        return Reply([IKEv2_Notify(type=Notify.INVALID_SYNTAX)], outcome, "a Delete payload")
    answer: list[Any] = list(extras)
    for delete in deletes:
        answer += _paired(sa, delete)
    return Reply(answer)


def _misfit(delete: Any) -> bool:
    """Whether the sizes inside a Delete payload of ESP or AH do not add up."""
    sizes = {len(spi) for spi in delete.SPI} | {delete.SPIsize}
    return sizes != {4} or delete.SPInum != len(delete.SPI)


def _paired(sa: IkeSa, delete: Any) -> list[Any]:
    """The deletes of our halves of the children that the peer deletes (1.4.1)."""
    spis = []
    for spi in delete.SPI:
        child = by_outbound(sa, delete.proto, bytes(spi))
        if child is not None:
            # RFC 7296 2.25.1, 1.4.1: one that we are closing too is not named again.
            if child.spi_in not in closing(sa):
                spis.append(child.spi_in)
            sa.drop_child(child)
        elif not sa.conduct.delete_once:
            spis.append(bytes(spi))
    if not spis or not sa.conduct.answer_deletes:
        return []
    return [IKEv2_Delete(proto=delete.proto, SPI=spis)]


def closing(sa: IkeSa) -> set[bytes]:
    """Our inbound SPIs of the children whose delete is outstanding."""
    return {
        bytes(spi)
        for waiting in sa.window.waiting.values()
        for delete in waiting.request.all(Payload.D)
        for spi in delete.SPI
    }


def by_outbound(sa: IkeSa, protocol: int, spi: bytes) -> Child | None:
    """The child that the peer names by its own inbound SPI."""
    found = (c for c in sa.children.values() if c.spi_out == spi and c.protocol == protocol)
    return next(found, None)


def receive(sa: IkeSa, waiting: Outstanding) -> None:
    """Our request was answered: what we deleted is gone."""
    for delete in waiting.request.all(Payload.D):
        for spi in delete.SPI:
            child = sa.children.get(bytes(spi))
            if child is not None:
                sa.drop_child(child)
    if waiting.closes:
        sa.end("deleted by us")
