"""The child that IKE_AUTH makes, with an address from the configuration payload if asked for.

RFC 7296 1.2, 2.9, 2.19, 3.15. Who the peer is has been settled by `auth`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ikelab.harness.exchange import child_extras, compression, configuration, small
from ikelab.harness.exchange.child import Nonces, fresh_spi, install
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.modes import answer_mode, ask_mode, mode_of
from ikelab.harness.exchange.negotiate import (
    Choice,
    accepted_payload,
    choose,
    narrow,
    sa_payload,
    ts_payloads,
    without_ke,
)
from ikelab.harness.model import Spis
from ikelab.layers.iana import Notify, Payload
from ikelab.layers.notify import IKEv2_Notify

if TYPE_CHECKING:
    from ikelab.harness.exchange.sa import IkeSa


def ask(sa: IkeSa) -> list[Any]:
    """What the request holds for its child: [CP], SAi2, TSi, TSr; nothing without ESP suites."""
    config = sa.config
    if not config.esp or small.goes_childless(sa):
        return []
    # The SPI that the peer is to put into the ESP it sends us.
    sa.offered_spi = fresh_spi(sa)
    return [
        *configuration.ask(sa),
        *ask_mode(sa),
        sa_payload(without_ke(config.esp), sa.offered_spi),
        *child_extras.labelled(sa, ts_payloads(config.local_ts, config.remote_ts)),
    ]


def take(sa: IkeSa, it: Inbound, request: Inbound) -> None:
    """Install what the responder accepted; whether it was allowed to is for the rules."""
    configuration.take(sa, it)
    accepted = it.offers()
    sent = request.offers()
    if not accepted or not sent:
        return
    choice = Choice(accepted[0].number, accepted[0].spi, accepted[0].suite.keyed())
    ends = (it.selectors(Payload.TSI), it.selectors(Payload.TSR))
    if sa.conduct.keep_own_selectors:
        asked = request.selectors(Payload.TSI), request.selectors(Payload.TSR)
        ends = (narrow(ends[0], asked[0]) or ends[0], narrow(ends[1], asked[1]) or ends[1])
    nonces = Nonces(sa.init.ni, sa.init.nr)
    spis = Spis(sent[0].spi, choice.spi)
    install(
        sa,
        choice,
        spis,
        ends,
        nonces,
        made_by_us=True,
        mode=mode_of(it, request),
        compression=compression.agreed(request.all(Payload.N), it.all(Payload.N)),
    )


def answer(sa: IkeSa, it: Inbound) -> list[Any]:
    """[CP], SAr2, TSi, TSr; or one error notify, and the IKE SA lives on without a child (1.2)."""
    choice = choose(it.offers(), without_ke(sa.config.esp))
    if choice is None and not sa.conduct.insist_on_child_policy:
        choice = choose(it.offers(), [offer.suite for offer in it.offers()])
    if choice is None or sa.config.most_children < 1:
        return [IKEv2_Notify(type=Notify.NO_PROPOSAL_CHOSEN)]
    refusal = child_extras.refuses(sa, it)
    if refusal is not None:
        return [IKEv2_Notify(type=refusal)]
    given = configuration.answer(sa, it)
    if given.error is not None:
        return [IKEv2_Notify(type=given.error)]
    sa.given = given.selectors
    tsi, tsr = it.selectors(Payload.TSI), it.selectors(Payload.TSR)
    if not sa.conduct.insist_on_payloads:
        tsi, tsr = tsi or sa.config.remote_ts, tsr or sa.config.local_ts
    if sa.conduct.narrow:
        tsi = narrow(tsi, sa.given or sa.config.remote_ts)
        tsr = narrow(tsr, sa.config.local_ts)
    if not tsi or not tsr:
        return [IKEv2_Notify(type=Notify.TS_UNACCEPTABLE)]
    spi = fresh_spi(sa)
    extras, mode = answer_mode(sa, it)
    nonces = Nonces(sa.init.ni, sa.init.nr)
    spis = Spis(choice.spi, spi)
    install(
        sa,
        choice,
        spis,
        (tsi, tsr),
        nonces,
        made_by_us=False,
        mode=mode,
        compression=compression.agreed(extras, it.all(Payload.N)),
    )
    selected = child_extras.labelled(sa, ts_payloads(tsi, tsr))
    return [*given.payloads, *extras, accepted_payload(choice, spi), *selected]
