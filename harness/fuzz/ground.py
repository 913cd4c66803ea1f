"""The ground that cases stand on: a peer that is started anew when needed, lanes, honest probes.

Used alike by a run, by whoever makes a finding small, and by `ikelab replay`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ikelab.harness.edits import Plan
from ikelab.harness.endpoint import Initiator
from ikelab.harness.errors import LabError
from ikelab.harness.exchange.eap.credentials import EapCredential
from ikelab.harness.exchange.table import State
from ikelab.harness.fuzz import health, oracles, vitals
from ikelab.harness.fuzz.answers import Outcome
from ikelab.harness.fuzz.campaigns import Campaign
from ikelab.harness.fuzz.case import Case
from ikelab.harness.fuzz.lane import InitLane, Lane
from ikelab.harness.fuzz.respond import AnswerLane
from ikelab.harness.fuzz.sealed import MEMBERS, SealedLane
from ikelab.harness.fuzz.shortcut import Shortcut
from ikelab.harness.fuzz.talk import Play, TalkLane
from ikelab.harness.fuzz.target import Target, target
from ikelab.harness.fuzz.template import Clear, Protected
from ikelab.harness.model import Address
from ikelab.harness.rig import Rig
from ikelab.harness.transcript import SENT
from ikelab.harness.transport.memory import MemoryNet
from ikelab.layers.iana import Exchange

PATIENCE = 2.0  # seconds of an honest attempt to find the peer well
PROOF = ("ike", "own")  # options of ours without which an honest attempt comes to nothing
DYING = 0.3  # seconds that a process may take to be gone
REST = 61.0  # virtual seconds after which the reference peer forgets what is half open


class OutOfReach(LabError):
    """No honest conversation with this peer comes to the message of a campaign."""


class Missing(LabError):
    """Nobody answers at a gateway outside: that is the lab's trouble, and no finding."""


class Ground:
    """One peer of a rig. `starts` counts how often it was started."""

    def __init__(self, rig: Rig, label: str, rate: float = 0.0) -> None:
        self.rig, self.label, self.rate = rig, label, rate
        self.strangers = oracles.Strangers()
        self.starts = 0
        self._met = False
        self._options: dict[str, Any] | None = None
        self._proof: dict[str, Any] = {}
        self._initiator: Initiator | None = None
        self._targets: dict[str, Target] = {}
        self._clear: dict[tuple[str, Address, Address], Clear] = {}
        self._protected: dict[str, Protected] = {}
        self._shortcuts: dict[str, Shortcut | None] = {}

    @property
    def initiator(self) -> Initiator:
        """Our endpoint of the present start."""
        assert self._initiator is not None, "nothing was started"
        return self._initiator

    def use(self, campaign: Campaign) -> bool:
        """Have the peer configured as a campaign wants it; whether it was started anew."""
        options, ours = dict(campaign.peer), {} if campaign.response else campaign.ours
        self._proof = {name: ours[name] for name in PROOF if name in ours}
        if self._options == options and self._initiator is not None:
            return False
        self._options = options
        self.restart()
        return True

    def restart(self, folder: Path | None = None) -> None:
        """A fresh peer, and nothing outstanding with the old one; a capture goes to `folder`."""
        self._initiator = None  # nothing was started where the driver refuses the configuration
        self.rig.end()
        if self.rig.topology != "external":
            self.rig.peer.driver.stop()
        self.rig.begin(f"fuzz {self.label} {self.starts}", folder)
        self.starts += 1
        self._start()
        self._initiator = self.rig.initiator()
        if folder is None and isinstance(self._initiator.transport, MemoryNet):
            self._initiator.transport.tap = None  # nobody reads it, and a run is long
        self.strangers.forget()

    def _start(self) -> None:
        options = dict(self._options or {})
        if self.rig.name.startswith(("strongswan", "libreswan")):
            options["options"] = {"log": "plain", **options.get("options", {})}
        try:
            self.rig.peer.start(**options)
        except LabError:
            # A daemon that has just been killed may leave its sockets for a moment.
            self.rig.peer.driver.stop()
            self.rig.peer.start(**options)

    # -- lanes ---------------------------------------------------------------------------------

    def lane(self, campaign: Campaign, *, single: bool = False) -> Lane:
        """The quickest way to put cases of this campaign; `single` is one at a time."""
        if campaign.response:
            return AnswerLane(self.rig, campaign, self.restart)
        if not single:
            self.target(campaign)
        talk = self.talk(campaign, single=single)
        if not single and campaign.way == "init" and not campaign.number:
            ends = self.initiator
            lane = InitLane(ends.transport, self._ready_in_clear(campaign), ends.entropy)
            lane.judge = self.strangers.judge
            lane.window = 1 if self.rig.topology == "memory" else lane.window
            return lane
        if not single and not campaign.fresh:
            template = self._ready_protected(campaign)
            members = 2 if self.rig.topology == "memory" else MEMBERS
            return SealedLane(
                self.initiator.transport, template, talk.sa, oracles.of_member, members=members,
                shortcut=talk.shortcut,
            )  # fmt: skip
        return talk

    def _ready_in_clear(self, campaign: Campaign) -> Clear:
        """The message of a campaign as a template, kept with all that it has learnt of itself."""
        found, base = self.target(campaign), self.initiator.base
        key = campaign.name, base.local, base.remote
        if key not in self._clear:
            self._clear[key] = Clear(found.data, _sizes(found), base.local, base.remote)
        return self._clear[key]

    def _ready_protected(self, campaign: Campaign) -> Protected:
        if campaign.name not in self._protected:
            found = self.target(campaign)
            first = found.bodies[0][0] if found.bodies else 0
            exchange = int(Exchange[campaign.exchange])
            ready = Protected(exchange, first, found.chain, _sizes(found))
            self._protected[campaign.name] = ready
        return self._protected[campaign.name]

    def talk(self, campaign: Campaign, *, single: bool = False) -> TalkLane:
        """Conversations by the engine."""
        ends = self.initiator
        config = replace(ends.base, **_ours(campaign.ours))
        lane = TalkLane(ends.transport, config, ends.entropy, campaign, judge=self._judge)
        if not single:
            lane.shortcut = self._shortcuts.get(campaign.name)
        # In memory everything is answered at once, and a window only costs IKE SAs.
        if single or self.rig.topology == "memory":
            lane.window = 1
        return lane

    def _judge(self, play: Play) -> list[str]:
        found = oracles.of_play(play)
        if play.sa.init.response:
            found += self.strangers.judge(play.sa.init.response)
        return found

    def play(self, case: Case, campaign: Campaign) -> Outcome:
        """One case by the engine, alone."""
        [outcome] = self.lane(campaign, single=True).run([case])
        return outcome

    def target(self, campaign: Campaign) -> Target:
        """The places of the campaign's message, from an honest conversation."""
        if campaign.name not in self._targets:
            self._targets[campaign.name] = self._sample(campaign)
        return self._targets[campaign.name]

    def _sample(self, campaign: Campaign) -> Target:
        outcome = self.play(Case(campaign.name, Plan()), campaign)
        steps = self._sent(outcome, campaign)
        if len(steps) <= campaign.number:
            talk = outcome.sa.transcript.text() if outcome.sa else "(the peer sent nothing)"
            raise OutOfReach(
                f"{self.rig.name}: no honest conversation reaches what {campaign.name} changes "
                f"({outcome.kind})\n{talk}"
            )
        found = target(campaign.exchange, steps[campaign.number], response=campaign.response)
        sizes = _sizes(found) if campaign.way == "auth" else {}
        self._shortcuts[campaign.name] = Shortcut.of(outcome.sa, sizes)
        return found

    @staticmethod
    def _sent(outcome: Outcome, campaign: Campaign) -> list[Any]:
        exchange, half = int(Exchange[campaign.exchange]), 0x20 if campaign.response else 0
        steps = outcome.sa.transcript if outcome.sa else []
        return [s for s in steps if s.direction == SENT and s.data[18] == exchange
                and s.data[19] & 0x20 == half and not s.note]  # fmt: skip

    # -- how the peer is -----------------------------------------------------------------------

    def meet(self) -> None:
        """Missing where a gateway outside does not answer, asked once, before the first case.

        Nobody here has started it, so that its silence to a case alone would say nothing.
        """
        missing = getattr(self.rig, "missing", None)
        if missing is None or self._met:
            return
        self.initiator.init()
        if why := missing("responder"):
            raise Missing(why)
        self.initiator.sessions.clear()
        # Where none ever came up, that none comes up any more would be no fault of the gateway's.
        if not self.answers():
            raise Missing(
                f"{self.rig.name} answers, and refuses an honest IKE SA as its entry has it: "
                "compare psk, certificates, identities, ike and esp with what it is configured with"
            )
        self._met = True

    def alive(self) -> bool:
        """Whether the process that was started still runs."""
        return bool(self.rig.peer.alive())

    def gone(self) -> bool:
        """Whether it is gone, or goes within a moment."""
        if self.rig.topology == "memory":
            return not self.alive()
        end = time.monotonic() + DYING
        while self.alive():
            if time.monotonic() >= end:
                return False
            self.initiator.transport.receive(self.initiator.transport.clock() + 0.02)
        return True

    def died(self) -> bool:
        """Whether it is gone, once it had the time to come to what was sent."""
        return not self.answers() and self.gone()

    def answers(self) -> bool:
        """Whether an honest IKE SA still comes up."""
        return health.answers(self.initiator, self.rig.peer.driver, PATIENCE, self._comes_up)

    def _comes_up(self) -> bool:
        """Whether an honest attempt goes as far as it can."""
        if isinstance((self._options or {}).get("own"), EapCredential):
            # RFC 7296 2.16: nobody proves himself by EAP but who begins.
            return self.initiator.init().state is State.INIT_DONE
        return self.initiator.probe(**self._proof)

    def sas(self) -> int:
        """How many IKE SAs the peer says that it has; 0 where it does not say."""
        driver = self.rig.peer.driver
        try:
            return len(driver.view().sas) if "view" in driver.capabilities else 0
        except LabError:
            return 0

    def vitals(self) -> vitals.Vitals | None:
        """Memory and the like."""
        return vitals.of(self.rig.peer.driver)

    def spins(self) -> bool:
        """Whether the process uses its CPU for seconds although nobody asks it for anything."""
        transport = self.initiator.transport
        if self.rig.topology == "memory" or self.vitals() is None:
            return False
        for wait in (0.2, 1.0, 1.0, 1.0):
            before = self.vitals()
            until = transport.clock() + wait
            while transport.receive(until) is not None:
                continue
            after = self.vitals()
            if before is None or after is None or after.cpu - before.cpu < 0.8 * wait:
                return False
        return True

    def rest(self) -> None:
        """Let time pass where it costs nothing, so that what is half open is forgotten."""
        if self.rig.topology == "memory":
            transport = self.initiator.transport
            until = transport.clock() + REST
            while transport.receive(until) is not None:
                continue

    def paced(self, cases: Iterable[Case]) -> Iterator[Case]:
        """The cases, no more of them a second than is allowed."""
        if not self.rate:
            yield from cases
            return
        due = time.monotonic()
        for case in cases:
            wait = due - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            due = max(due, time.monotonic() - 1.0) + 1.0 / self.rate
            yield case


def _sizes(found: Target) -> dict[str, int]:
    return {place.path: place.size for place in found.places if place.size}


def _ours(options: Mapping[str, Any]) -> dict[str, Any]:
    return dict(options)
