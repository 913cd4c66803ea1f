"""One IKE SA as a test case sees it: typed facts, intents that wait, the conversation.

What waits is the endpoint that the session lives on: it pumps the transport for all of its SAs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from typing import Protocol as Shape

from ikelab.harness import sk
from ikelab.harness.edits import Edit
from ikelab.harness.esp.child import ChildPath
from ikelab.harness.esp.tunnel import Tunnel
from ikelab.harness.exchange import mobike
from ikelab.harness.exchange.child import Child
from ikelab.harness.exchange.config import IkeConfig
from ikelab.harness.exchange.ports import NON_ESP_MARKER, arrived
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.exchange.table import State
from ikelab.harness.model import (
    HONEST,
    Address,
    Datagram,
    Nat,
    Spis,
    Suite,
    Violation,
    encapsulated,
    selectors,
    suites,
)
from ikelab.harness.notation import notify_name
from ikelab.harness.options import several
from ikelab.harness.reply import Reply
from ikelab.harness.transcript import RECEIVED, SENT, Step, Transcript
from ikelab.harness.transport.base import Transport
from ikelab.layers.iana import Exchange, Notify, Payload, Protocol
from ikelab.layers.message import IKEv2

ID_AT = slice(20, 24)  # where a header has its message ID (RFC 7296 3.1)
RETRANSMIT_AFTER = 0.25  # seconds; what a quick initiator waits before it sends again
RETRANSMISSIONS = 4
FIRST_STATUS = 16384  # notifies below are errors (3.10.1)


class Home(Shape):
    """What a session needs of its endpoint."""

    base: IkeConfig
    transport: Transport
    sessions: list[Session]
    tunnels: dict[bytes, Tunnel]
    strays: list[Datagram]
    streamed: bool
    needs: Callable[[str], None]

    def pump(self, done: Callable[[], bool], patience: float | None = None) -> bool:
        """Let everything run until `done()` or the patience is over; whether it was done."""


class Session:
    """One IKE SA of ours, with the endpoint it lives on."""

    def __init__(self, endpoint: Home, sa: IkeSa) -> None:
        self.endpoint = endpoint
        self.sa = sa
        self.reply = Reply(None, sa.transcript)
        self._postponed = False
        self.raw: list[bytes] | None = None

    # -- facts -------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        return self.sa.state

    @property
    def established(self) -> bool:
        """Whether the IKE SA is up."""
        return self.sa.state is State.ESTABLISHED

    @property
    def chosen(self) -> Suite | None:
        """The IKE suite that was chosen."""
        return self.sa.chosen

    @property
    def nat(self) -> Nat:
        return self.sa.nat

    @property
    def spis(self) -> Spis:
        return self.sa.spis

    @property
    def child(self) -> Child:
        """The first CHILD_SA; AssertionError where there is none."""
        self._need_child()
        assert self.sa.child is not None, f"there is no CHILD_SA{self._refused()}\n{self}"
        return self.sa.child

    @property
    def children(self) -> list[Child]:
        self._need_child()
        return list(self.sa.children.values())

    @property
    def violations(self) -> list[Violation]:
        """What the peer broke, as values."""
        return self.sa.violations

    @property
    def transcript(self) -> Transcript:
        return self.sa.transcript

    def received(self) -> list[Step]:
        """The messages that came from the peer."""
        return [s for s in self.transcript if s.direction == RECEIVED]

    def sent(self) -> list[Step]:
        """The messages that we sent."""
        return [s for s in self.transcript if s.direction == SENT]

    # -- intents -----------------------------------------------------------------------------

    def init(self, *, edits: Sequence[Edit] = (), patience: float | None = None) -> Reply:
        """Send IKE_SA_INIT and follow its retries until it is done, refused, or silence."""
        sa = self.sa
        sa.start_init(self._now(), edits)
        self.endpoint.pump(lambda: sa.state in (State.INIT_DONE, State.CLOSED), patience)
        self.reply = Reply(sa.last_response, sa.transcript)
        return self.reply

    def auth(self, *, edits: Sequence[Edit] = (), patience: float | None = None) -> Reply:
        """Send IKE_AUTH and wait for its answer."""
        sa = self.sa
        self._ask(lambda: sa.start_auth(self._now(), edits), patience)
        if sa.rounds.busy:  # EAP and further proofs: the last response is what counts
            self.endpoint.pump(lambda: sa.state is not State.AUTH_SENT, patience)
            self.reply = Reply(sa.last_response, sa.transcript)
        self._postponed = self.reply.postponed
        return self.reply

    def move_to(self, address: str) -> Reply:
        """Have another address from now on, and tell the peer of it (RFC 4555)."""
        sa = self.sa
        local = (address, sa.local[1])
        return self._ask(lambda: mobike.move(sa, local, self._now()), None)

    def move_to_4500(self) -> None:
        """Go on from and to port 4500 (RFC 7296 2.23), whatever the hashes said."""
        sa = self.sa
        sa.local, sa.remote = (sa.local[0], 4500), (sa.remote[0], 4500)

    def inform(
        self,
        payloads: Sequence[Any] = (),
        *,
        edits: Sequence[Edit] = (),
        patience: float | None = None,
    ) -> Reply:
        """Send INFORMATIONAL; without payloads it is a liveness check, which has its time."""
        if patience is None and not payloads and not edits:
            patience = HONEST
        return self._ask(lambda: self.sa.inform(list(payloads), self._now(), edits), patience)

    def delete_child(self, child: Child | None = None, *, edits: Sequence[Edit] = ()) -> Reply:
        """Delete a CHILD_SA."""
        wanted = child or self.child
        return self._ask(lambda: self.sa.delete_child(wanted, self._now(), edits), None)

    def create_child(
        self, *, edits: Sequence[Edit] = (), patience: float | None = None, **wanted: Any
    ) -> Reply:
        """Ask for another CHILD_SA; `esp`, `tsi`, `tsr` as in `Endpoint.config`, `group` of KE."""
        values: dict[str, Any] = dict(wanted)
        if "esp" in values:
            values["esp"] = suites(several(values["esp"]), Protocol.ESP)
        for name in ("tsi", "tsr"):
            if name in values:
                values[name] = selectors(values[name])
        reply = self._ask(lambda: self.sa.create_child(self._now(), edits, **values), patience)
        if reply.notify(Notify.ADDITIONAL_KEY_EXCHANGE) is not None:
            self._settle()  # RFC 9370: the child is there after the last IKE_FOLLOWUP_KE
        return self._judged(reply)

    def rekey_child(
        self,
        child: Child | None = None,
        *,
        edits: Sequence[Edit] = (),
        patience: float | None = None,
    ) -> Reply:
        """Rekey a CHILD_SA and delete the old one; the reply is CREATE_CHILD_SA's."""
        wanted = child or self.child
        reply = self._ask(lambda: self.sa.rekey_child(wanted, self._now(), edits), patience)
        self._settle()
        return self._judged(reply)

    def rekey(self, *, edits: Sequence[Edit] = (), patience: float | None = None) -> Session | None:
        """Rekey the IKE SA and delete it; the session of its successor, None without one.

        `reply` is CREATE_CHILD_SA's.
        """
        known = list(self.endpoint.sessions)
        reply = self._ask(lambda: self.sa.rekey(self._now(), edits), patience)
        self._settle()
        self.reply = reply
        new = [s for s in self.endpoint.sessions if s not in known]
        return new[-1] if new else None

    def _judged(self, reply: Reply) -> Reply:
        """The answer to a request for a child: no answer at all where the peer can have none."""
        self._postponed = self._postponed or reply.postponed
        self._need_child()
        return reply

    def _need_child(self) -> None:
        """A peer without means for a child says TEMPORARY_FAILURE, or was refused one by us.

        Such a peer tells us nothing more; one that lacks nothing is judged by what it said.
        """
        if self._postponed or self.sa.config.most_children < 1:
            self.endpoint.needs("child")

    def _refused(self) -> str:
        """What the peer last said against anything under SK: most likely, why there is no child."""
        for step in reversed(self.received()):
            notifies = [int(p.type) for p in step.inner() or () if p.kind == Payload.N]
            if errors := [notify_name(kind) for kind in notifies if kind < FIRST_STATUS]:
                return f": the peer sent {', '.join(errors)}"
        return ""

    def _settle(self) -> None:
        """Let what follows by itself (the delete of what was rekeyed) come to its end."""
        self.endpoint.pump(lambda: not self.sa.window.waiting)

    def close(self, *, edits: Sequence[Edit] = (), patience: float | None = None) -> Reply:
        """Delete the IKE SA."""
        return self._ask(lambda: self.sa.close(self._now(), edits), patience)

    def tunnel(self, child: Child | None = None) -> Tunnel:
        """The data plane of a child; ESP goes inside UDP where a NAT was found (RFC 3948).

        UnsupportedAlgorithm where ikelab cannot compute its suite.
        """
        self.endpoint.needs("child")
        wanted, sa, tunnels = child or self.child, self.sa, self.endpoint.tunnels
        if wanted.spi_in not in tunnels:
            local, remote = sa.local[0], sa.remote[0]
            path = ChildPath(wanted, local=local, remote=remote, entropy=sa.entropy)
            encap = (_translated(sa) or self.endpoint.streamed) and wanted.protocol == Protocol.ESP
            made = Tunnel(path, encap=encap, ports=(sa.local[1], sa.remote[1]))
            tunnels[wanted.spi_in] = made
            # The peer may choose the other form.
            self.endpoint.transport.listen(path.protocol, local)
        tunnels[wanted.spi_in].follow(sa.local, sa.remote, sa.mobility.moves, _translated(sa))
        return tunnels[wanted.spi_in]

    def emit(self, datagram: Datagram) -> None:
        """Send a datagram as it is."""
        self.endpoint.transport.send(datagram)

    def wait(self, done: Callable[[], bool], patience: float | None = None) -> bool:
        """Let time pass until `done()`; whether it came to that."""
        return self.endpoint.pump(done, patience)

    def _ask(self, start: Callable[[], None], patience: float | None) -> Reply:
        assert self.sa.keys is not None, f"IKE_SA_INIT did not succeed: there are no keys\n{self}"
        self.sa.last_response = None
        start()
        sa = self.sa
        self.endpoint.pump(lambda: sa.last_response is not None or not sa.window.waiting, patience)
        self.reply = Reply(sa.last_response, sa.transcript)
        return self.reply

    def _now(self) -> float:
        return self.endpoint.transport.clock()

    # -- octets ------------------------------------------------------------------------------

    def repeat(self, step: Step | None = None, patience: float | None = None) -> list[bytes]:
        """Send the octets of an earlier message of ours again (the last one by default).

        As a real retransmission it leaves after a while, and again, less and less often, when
        nothing comes: a peer may drop what repeats a request that it is still at work on. Returns
        the IKE messages that came back; the SA itself does not see them.
        """
        chosen = step or self.sent()[-1]
        path = (chosen.src, chosen.dst)
        self.wait(lambda: False, RETRANSMIT_AFTER)
        for number in range(RETRANSMISSIONS):
            wait = RETRANSMIT_AFTER * 2**number if patience is None else patience
            answers = self.throw(chosen.data, patience=wait, note="sent again", path=path)
            if answers:
                return answers
        return []

    def throw(
        self,
        data: bytes,
        *,
        patience: float | None = None,
        count: int = 1,
        note: str = "raw",
        path: tuple[Address, Address] | None = None,
    ) -> list[bytes]:
        """Send octets as they are on this session's path; the IKE messages that come back.

        Answers to other requests that come once more, late, are none to this one.
        """
        now = self._now()
        late = self._answers_but(data[ID_AT])
        src, dst = path or (self.sa.local, self.sa.remote)
        octets = NON_ESP_MARKER + data if encapsulated(src, dst) else data
        self.raw = []
        earlier = next((s for s in self.transcript if s.data == data), None)
        plain, first = (earlier.plain, earlier.first_inner) if earlier else (None, 0)
        self.transcript.append(Step(now, SENT, src, dst, data, plain, first, note))
        self.endpoint.transport.send(Datagram(octets, src, dst, now))
        try:
            self.endpoint.pump(lambda: len(self._fresh(late)) >= count, patience)
            return self._fresh(late)
        finally:
            self.raw = None

    def _answers_but(self, message_id: bytes) -> set[bytes]:
        """What came so far under other message IDs than this one."""
        return {step.data for step in self.received() if step.data[ID_AT] != message_id}

    def _fresh(self, late: set[bytes]) -> list[bytes]:
        return [data for data in self.raw or () if data not in late]

    def send_as(
        self,
        message_id: int,
        payloads: Sequence[Any] = (),
        *,
        exchange: int = Exchange.INFORMATIONAL,
        response: bool = False,
        edits: Sequence[Edit] = (),
        patience: float = 0.5,
    ) -> list[Step]:
        """Send a protected message under any message ID; what came back within the patience.

        It is no request of ours: nothing waits for its response and nothing sends it again.
        Answers to other requests that come once more, late, are none to this one.
        """
        known = len(self.transcript.steps)
        late = self._answers_but(message_id.to_bytes(4, "big"))
        body = list(payloads)
        self.sa.send(exchange, message_id, body, self._now(), response=response, edits=edits)
        found: list[Step] = []

        def answered() -> bool:
            steps = self.transcript.steps[known:]
            found[:] = [s for s in steps if s.direction == RECEIVED and s.data not in late]
            return bool(found)

        self.wait(answered, patience)
        return found

    def overhear(self, datagram: Datagram) -> None:
        """Keep a datagram that answers `throw`."""
        _, data = arrived(datagram)
        earlier = next((s for s in self.transcript if s.data == data), None)
        plain, first = (earlier.plain, earlier.first_inner) if earlier else (None, 0)
        step = Step(datagram.now, RECEIVED, datagram.src, datagram.dst, data, plain, first)
        self.transcript.append(step)
        if self.raw is not None and len(data) >= sk.HEADER and IKEv2(data).length:
            self.raw.append(data)

    def __str__(self) -> str:
        return self.transcript.text()


def _translated(sa: IkeSa) -> bool:
    """Whether there is a NAT between the two ends."""
    return bool(sa.nat.initiator or sa.nat.responder)
