"""Cases of our answers: the peer initiates, we respond, and the plan changes what we say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ikelab.harness.errors import ConfigError, LabError
from ikelab.harness.exchange.table import State
from ikelab.harness.fuzz import answers
from ikelab.harness.fuzz.answers import IMPOSSIBLE, NOT_REACHED, SILENCE, Outcome
from ikelab.harness.fuzz.campaigns import Campaign
from ikelab.harness.fuzz.case import Case
from ikelab.harness.fuzz.talk import kind_of
from ikelab.harness.rig import Rig
from ikelab.harness.session import Session
from ikelab.harness.transcript import RECEIVED, SENT, Step
from ikelab.layers.iana import Exchange

HONEST = 3.0  # seconds that the peer may take to begin
PATIENCE = 0.4  # seconds that it may take to go on after our changed answer
KEEP_UP = ("libreswan",)
"""Peers that go on trying what they were told to begin: the next case would meet that as well."""


class AnswerLane:
    """One conversation at a time: the peer is told to begin, and we answer by plan."""

    def __init__(self, rig: Rig, campaign: Campaign, restart: Callable[[], None]) -> None:
        self.rig, self.campaign, self.restart = rig, campaign, restart
        self.failures = 0
        # A peer that still has an IKE SA with us begins none.
        restart()
        self.responder = rig.responder()
        self._worn = False

    def _anew(self) -> None:
        self.restart()
        self.responder = self.rig.responder()

    def run(self, cases: Iterable[Case]) -> Iterator[Outcome]:
        """Put the cases; ends early when the peer begins nothing any more."""
        for case in cases:
            if self.failures > 3:
                return
            if self._worn and self.rig.peer.alive():
                self._anew()
            self._worn = self.rig.name.startswith(KEEP_UP)
            try:
                outcome = self._one(case)
                if outcome.kind == NOT_REACHED and self.rig.peer.alive():
                    self._anew()
                    outcome = self._one(case)
            except LabError:
                if self.rig.peer.alive():
                    raise
                # It died of this answer or an earlier one, and can be told nothing.
                yield Outcome(case, kind=NOT_REACHED)
                return
            yield outcome

    def _one(self, case: Case) -> Outcome:
        ends, outcome = self.responder, Outcome(case)
        ends.sessions.clear()
        ends.listen(plan=case.plan, lenient=True, **self.campaign.ours)
        began = ends.transport.clock()
        self.rig.peer.initiate()
        try:
            ends.pump(self._answered, HONEST)
            since = ends.transport.clock()
            ends.pump(self._over, PATIENCE)
        except ConfigError:
            outcome.kind = IMPOSSIBLE
            return outcome
        outcome.seconds = ends.transport.clock() - (since if self._answered() else began)
        self._read(outcome)
        self._close()
        return outcome

    def _answered(self) -> bool:
        """Whether the answer in question has left."""
        return any(self._behind(session) for session in self.responder.sessions)

    def _behind(self, session: Session) -> list[Step]:
        """The steps of a conversation from the answer in question on; none before it has left."""
        exchange, number = int(Exchange[self.campaign.exchange]), self.campaign.number
        steps = session.transcript.steps
        ours = [n for n, step in enumerate(steps) if step.direction == SENT]
        changed = [n for n in ours if steps[n].note.startswith("edits")]
        if changed:  # whatever it looks like now
            return steps[changed[0] :]
        same = [n for n in ours if _answers(steps[n], exchange)]
        return steps[same[number] :] if len(same) > number else []

    def _over(self) -> bool:
        """Whether the peer has gone on: another message of it came after our answer."""
        return bool(self._after())

    def _after(self) -> list[str]:
        return [
            kind_of(step)
            for session in self.responder.sessions
            for step in self._behind(session)
            if step.direction == RECEIVED and "came again" not in step.note
        ]

    def _read(self, outcome: Outcome) -> None:
        sessions = self.responder.sessions
        if not sessions:
            self.failures += 1
            outcome.kind = NOT_REACHED
            return
        self.failures = 0
        after = self._after()
        outcome.kind = "; ".join(after[:3]) or SILENCE
        outcome.sa = sessions[0].sa
        outcome.state = str(sessions[0].state)
        outcome.length = answers.HEADER * len(after)

    def _close(self) -> None:
        """End what came up, so that the peer begins anew next time."""
        for session in list(self.responder.sessions):
            if session.state is State.ESTABLISHED:
                session.close(patience=PATIENCE)
        self.responder.sessions.clear()

    def close(self) -> None:
        """Nothing is held."""


def _answers(step: Step, exchange: int) -> bool:
    """Whether a step is a response of this exchange that leaves for the first time."""
    again = step.note == "sent again"
    return not again and step.data[18] == exchange and bool(step.data[19] & 0x20)
