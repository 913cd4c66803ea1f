"""Puzzles beside cookies (RFC 8019): solved, wrongly solved, and not known at all."""

from __future__ import annotations

from ikelab.harness.edits import at
from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.exchange import puzzle
from ikelab.harness.exchange.features import Features
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.tested import Tested
from ikelab.harness.transcript import Step
from ikelab.layers import typed
from ikelab.layers.iana import Exchange, Notify, Payload
from ikelab.testcases.each_once import each_once

BITS = 6
ASKS = Features(puzzle=BITS, insist_on_puzzles=True)
SOLVES = Features(solve_puzzles=True)


@case("COO-09", "feature")
@rfc(8019, "7.1.1", "7.1.4", "8.1")
def test_asks_for_work_and_takes_it(peer: Tested, initiator: Initiator) -> None:
    """PUZZLE stands beside COOKIE, and the right four keys behind it lead to an IKE SA."""
    peer.start(cookies=True, features=ASKS)

    sa = initiator.establish(features=SOLVES)

    asked = [p for p in sa.received()[0].message.payloads if p.kind == Payload.N]
    data = [bytes(p.notify) for p in asked if p.type == Notify.PUZZLE]
    assert data, f"no PUZZLE\n{sa}"
    value = typed.read(typed.NOTIFY, Notify.PUZZLE, data[0])
    assert isinstance(value, typed.Puzzle), f"PUZZLE is {data[0].hex()}\n{sa}"
    assert any(p.kind == Payload.PS for p in each_once(sa.sent())[1].message.payloads)
    assert sa.violations == []


@case("COO-09")
@rfc(8019, "7.1.4")
def test_takes_no_wrong_solution(peer: Tested, initiator: Initiator) -> None:
    """Keys that do not solve it lead to no IKE SA."""
    peer.start(cookies=True, features=ASKS)
    wrong = "IKE_SA_INIT/request: " + str(at("PS.load").set(bytes(range(32))))

    sa = initiator.init(features=SOLVES, plan=wrong, lenient=True)

    answers = [p for step in sa.received() for p in step.message.payloads]
    assert not any(p.kind == Payload.SA for p in answers), f"it is taken\n{sa}"


@case("COO-09")
@rfc(7296, "2.6", "3.10.1")
@rfc(8019, "7.1.2")
def test_gives_the_cookie_back_whatever_it_makes_of_the_puzzle(
    peer: Tested, responder: Responder
) -> None:
    """Who knows no puzzles ignores PUZZLE; who does sends keys that solve it."""
    peer.start(features=SOLVES if "plan" in peer.capabilities else Features())
    responder.listen(cookies=True, features=Features(puzzle=BITS))

    peer.initiate()

    def requests_of_its_own() -> list[Step]:
        """Each request once: a peer may have repeated the first one before our answer came."""
        return list({step.data: step for step in responder.heard(Exchange.IKE_SA_INIT)}.values())

    responder.pump(lambda: len(requests_of_its_own()) > 1, 4.0)

    requests = requests_of_its_own()
    assert len(requests) > 1, "it does not go on after COOKIE with PUZZLE"
    first = requests[1].message.payloads[0]
    assert first.kind == Payload.N and first.type == Notify.COOKIE, "the cookie is not first"
    solutions = [p for p in requests[1].message.payloads if p.kind == Payload.PS]
    peer.observe("it solves the puzzle" if solutions else "it ignores the puzzle")
    if solutions:
        prf = puzzle.ask(Inbound(requests[0].message), BITS).value.prf
        cookie, load = bytes(first.notify), bytes(solutions[0].load)
        assert puzzle.right(prf, cookie, BITS, load), f"a wrong solution: {load.hex()}"
