"""Honest handshakes made of the octets of one that the engine held, for those that come after it.

A run makes thousands of IKE SAs that differ in SPIs, nonces and keys alone. `Shortcut` writes their
IKE_SA_INIT, and IKE_AUTH where nobody changes it, and reads answers that have the form of the first
one. Any other answer is left to the engine, which has everything that it would have had.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from ikelab.harness.crypto.auth import nat_detection, psk_auth, signed_octets
from ikelab.harness.crypto.errors import BadPublicValue
from ikelab.harness.crypto.ke import KeyPair
from ikelab.harness.crypto.keys import derive_ike
from ikelab.harness.edits import Binding
from ikelab.harness.exchange import outbox
from ikelab.harness.exchange.child import fresh_spi
from ikelab.harness.exchange.features import Features
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.intermediate import Between
from ikelab.harness.exchange.ports import arrived
from ikelab.harness.exchange.rounds import Rounds
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.exchange.sending import as_left
from ikelab.harness.exchange.table import State
from ikelab.harness.exchange.window import Outstanding
from ikelab.harness.fuzz import answers
from ikelab.harness.fuzz.template import Clear, Protected, under_sk, wired
from ikelab.harness.model import Datagram, Suite
from ikelab.harness.transcript import RECEIVED, SENT, Step
from ikelab.layers.iana import AuthMethod, Exchange, Notify, Payload, Protocol
from ikelab.layers.message import IKEv2

INIT, AUTH = int(Exchange.IKE_SA_INIT), int(Exchange.IKE_AUTH)
INFORMATIONAL = int(Exchange.INFORMATIONAL)
SHARED = AuthMethod.SHARED_KEY_MESSAGE_INTEGRITY_CODE
HEADER = 28

Part = tuple[int, int, int]
"""A payload of a chain: its type, where it begins and where it ends."""


def parts(kind: int, data: bytes, here: int = 0) -> tuple[Part, ...] | None:
    """The payloads of a chain that fills the octets from `here` on; None where it is not sound."""
    found: list[Part] = []
    while kind:
        size = int.from_bytes(data[here + 2 : here + 4], "big")
        if size < 4 or here + size > len(data):
            return None
        found.append((kind, here, here + size))
        kind, here = data[here], here + size
    return tuple(found) if here == len(data) else None


@dataclass(frozen=True, slots=True)
class Form:
    """What honest messages of one kind have in common: header, payloads, and some of their octets.

    `same` are the octets that have to be in their places.
    """

    head: bytes
    parts: tuple[Part, ...]
    same: tuple[tuple[int, bytes], ...]

    @classmethod
    def of(cls, data: bytes) -> Form | None:
        """The form of an IKE_SA_INIT response."""
        found = parts(data[16], data, HEADER)
        if found is None:
            return None
        same = []
        for kind, start, end in found:
            # Proposals are the same each time, as are the group and what a notify is of.
            if kind not in (Payload.SA, Payload.KE, Payload.N, Payload.NONCE):
                return None
            if kind != Payload.NONCE:
                same.append((start, data[start : end if kind == Payload.SA else start + 8]))
        return cls(data[16:HEADER], found, tuple(same))

    def fits(self, data: bytes) -> bool:
        """Whether another message has this form."""
        return (
            data[16:HEADER] == self.head
            and parts(data[16], data, HEADER) == self.parts
            and all(data[start : start + len(octets)] == octets for start, octets in self.same)
        )

    def body(self, data: bytes, kind: int) -> bytes:
        """What the first payload of a type holds."""
        return next(data[start + 4 : end] for k, start, end in self.parts if k == kind)


@dataclass(frozen=True, slots=True)
class Proof:
    """The chain inside SK of an honest IKE_AUTH request: what differs each time, and the answer."""

    first: int
    chain: bytes
    identity: bytes  # the body of IDi
    auth: bytes
    spi: bytes
    answer: tuple[int, ...]  # the types of the answer's payloads


class Shortcut:
    """What one honest conversation teaches about the next ones."""

    def __init__(self, sa: IkeSa, pair: KeyPair, chosen: Suite, form: Form) -> None:
        self._pair, self._chosen, self._form = pair, chosen, form
        self._clear = Clear(sa.init.request, {}, sa.local, sa.remote)
        self._old = sa
        self.proof: Proof | None = None
        self._request: Protected | None = None

    @classmethod
    def of(cls, sa: IkeSa | None, sizes: dict[str, int]) -> Shortcut | None:
        """What an IKE SA of ours teaches; None where its handshake was not of the plain kind.

        `sizes` are those of the numbers in IKE_AUTH, where cases change it.
        """
        if sa is None or sa.chosen is None or sa.init.pair is None or not sa.init.response:
            return None
        config, plain = sa.config, Features()
        usual = config.own is None and config.trust is None and config.features == plain
        direct = not (sa.nat.initiator or sa.nat.responder) and sa.local == config.local
        straight = not sa.init.retries and not sa.between.left and not sa.between.count
        form = Form.of(sa.init.response)
        if not (usual and direct and straight and form is not None and config.nat_detection):
            return None
        if sa.chosen.prf is None or sa.applied:
            return None
        made = cls(sa, sa.init.pair, sa.chosen, form)
        whole = config.fragment is None or not sa.fragments
        made.proof = proof = _proof(sa) if whole and config.window <= 1 else None
        if proof is not None:
            made._request = Protected(AUTH, proof.first, proof.chain, sizes)
        return made

    def leads(self, sa: IkeSa) -> bool:
        """Whether it is good for an IKE SA: the same ends, and no change before IKE_AUTH."""
        old = self._old
        ends = sa.local == old.local and sa.remote == old.remote
        early = (None, Exchange.IKE_SA_INIT.name)
        return ends and not any(b.exchange in early for b in sa.config.plan.bindings)

    # -- IKE_SA_INIT ---------------------------------------------------------------------------

    def begin(self, sa: IkeSa, now: float) -> None:
        """Send IKE_SA_INIT, as `start_init` does."""
        state = sa.init
        state.group, state.pair = self._pair.group, self._pair
        state.request, state.ni = self._clear.honest(sa.spi_i, sa.entropy)
        sa.window.next_request = 0
        wire = wired(state.request, (), sa.local, sa.remote, now)
        self._send(sa, INIT, outbox.Built([state.request], None, 0), wire, now)
        sa.state = State.INIT_SENT

    @staticmethod
    def _send(
        sa: IkeSa, exchange: int, built: outbox.Built, wire: list[Datagram], now: float,
        note: str = "",
    ) -> None:  # fmt: skip
        number, due = sa.window.next_request, now + sa.config.give_up
        sa.window.waiting[number] = Outstanding(exchange, number, _UNREAD, wire, due)
        sa.window.next_request = number + 1
        sa.counted[exchange, False] += 1
        sa.outgoing.extend(wire)
        data = built.messages[0]
        sa.transcript.append(
            Step(now, SENT, sa.local, sa.remote, data, built.plain, built.first, note)
        )

    @staticmethod
    def hand_over(sa: IkeSa) -> None:
        """Give the engine what it has to know of a request before it takes an answer."""
        waiting = sa.window.outstanding
        if waiting is None or waiting.request is not _UNREAD:
            return
        asked = [s for s in sa.transcript.steps if s.direction == SENT][-1]
        built = outbox.Built([asked.data], asked.plain, asked.first_inner)
        waiting.request = as_left(built, waiting.wire)

    def take(self, sa: IkeSa, datagram: Datagram, now: float) -> bool:
        """Take the usual answer to IKE_SA_INIT; False for any other one, with nothing done."""
        data = arrived(datagram)[1]
        if sa.state is not State.INIT_SENT or not self._form.fits(data) or data[:8] != sa.spi_i:
            return False
        spi_r = data[8:16]
        for kind, end in (
            (Notify.NAT_DETECTION_SOURCE_IP, datagram.src),
            (Notify.NAT_DETECTION_DESTINATION_IP, datagram.dst),
        ):
            # RFC 7296 2.23: without its hash a NAT would be between us.
            if int(kind).to_bytes(2, "big") + nat_detection(sa.spi_i, spi_r, *end) not in data:
                return False
        state, old = sa.init, self._old
        try:
            shared = self._pair.shared(self._form.body(data, Payload.KE)[4:])
        except BadPublicValue:
            return False
        sa.transcript.append(Step(now, RECEIVED, datagram.src, datagram.dst, data))
        state.shared, state.response, sa.spi_r = shared, data, spi_r
        state.nr = self._form.body(data, Payload.NONCE)
        sa.take_keys(derive_ike(self._chosen, shared, state.ni, state.nr, sa.spi_i, spi_r))
        sa.nat, sa.fragments = old.nat, old.fragments
        sa.between = Between(old.between.agreed)
        sa.window.settle(0)
        sa.state = State.INIT_DONE
        return True

    # -- IKE_AUTH ------------------------------------------------------------------------------

    def prove(self, sa: IkeSa, now: float) -> bool:
        """Send IKE_AUTH, as `start_auth` does; False where only that can do what the plan says."""
        proof, state, keys = self.proof, sa.init, sa.keys
        if proof is None or self._request is None or keys is None or sa.out_keys is None:
            return False
        octets = signed_octets(self._prf, state.request, state.nr, proof.identity, keys.sk_pi)
        fresh = [(proof.auth, psk_auth(self._prf, sa.config.psk, octets))]
        if proof.spi:
            sa.offered_spi = fresh_spi(sa)
            fresh.append((proof.spi, sa.offered_spi))
        edits = sa.config.plan.edits(AUTH, False, 0)
        header = sa.spi_i, sa.spi_r, sa.window.next_request
        built = self._request.patched(edits, fresh, header, sa.out_keys, sa.entropy)
        if built is None:
            return False
        sa.applied += [Binding(Exchange.IKE_AUTH.name, False, edit) for edit in edits]
        sa.rounds = Rounds()
        wire = wired(built.messages[0], edits, sa.local, sa.remote, now)
        self._send(sa, AUTH, built, wire, now, "edits" if edits else "")
        sa.state = State.AUTH_SENT
        return True

    @property
    def _prf(self) -> int:
        assert self._chosen.prf is not None
        return self._chosen.prf.id

    def proven(self, sa: IkeSa, datagram: Datagram, now: float) -> bool:
        """Take the usual answer to IKE_AUTH: whether the responder is proven and the SA is up."""
        proof, state, keys = self.proof, sa.init, sa.keys
        data = arrived(datagram)[1]
        if sa.state is not State.AUTH_SENT or proof is None or keys is None or not sa.in_keys:
            return False
        if data[18:24] != bytes([AUTH, 0x20, 0, 0, 0, 1]):
            return False
        opened = answers.plain(data, sa.in_keys)
        found = parts(*opened) if opened is not None else None
        if opened is None or found is None or tuple(k for k, *_ in found) != proof.answer:
            return False
        chain = opened[1]
        body = {kind: chain[start + 4 : end] for kind, start, end in found}
        octets = signed_octets(self._prf, state.response, state.ni, body[Payload.IDR], keys.sk_pr)
        mine = psk_auth(self._prf, sa.config.psk, octets)
        if not hmac.compare_digest(body[Payload.AUTH][4:], mine):
            return False
        sa.transcript.append(
            Step(now, RECEIVED, datagram.src, datagram.dst, data, chain, opened[0])
        )
        sa.window.settle(1)
        sa.heard, sa.state = now, State.ESTABLISHED
        return True


_UNREAD = Inbound(
    IKEv2(bytes(16) + b"\0\x20" + bytes([AUTH, 0x08]) + bytes(4) + HEADER.to_bytes(4, "big"))
)
"""Stands for a request of ours as long as nobody wants to read it."""


def farewell(sa: IkeSa, number: int, now: float) -> list[Datagram]:
    """The delete of an IKE SA that we began (RFC 7296 1.4.1), whose answer nobody waits for."""
    return _informational(sa, Payload.D, _DELETE, number, now)


def question(sa: IkeSa, number: int, now: float) -> list[Datagram]:
    """An empty INFORMATIONAL request: whoever has the IKE SA answers it (RFC 7296 1.4)."""
    return _informational(sa, 0, b"", number, now)


def _informational(sa: IkeSa, first: int, chain: bytes, number: int, now: float) -> list[Datagram]:
    if sa.out_keys is None:
        return []
    header = sa.spi_i, sa.spi_r, number
    built = under_sk(INFORMATIONAL, first, chain, header, sa.out_keys, sa.entropy)
    return wired(built.messages[0], (), sa.local, sa.remote, now) if built is not None else []


_DELETE = b"\0\0\0\x08" + bytes([Protocol.IKE, 0, 0, 0])


def _proof(sa: IkeSa) -> Proof | None:
    """The IKE_AUTH of a conversation, where it was one request and one answer that ended well."""
    steps = [s for s in sa.transcript.steps if s.data[18] == AUTH]
    if len(steps) != 2 or sa.peer_id is None or steps[0].plain is None or steps[1].plain is None:
        return None
    asked, said = steps
    ours = parts(asked.first_inner, asked.plain or b"")
    theirs = parts(said.first_inner, said.plain or b"")
    kinds = tuple(kind for kind, *_ in theirs or ())
    chain = asked.plain or b""
    bodies = {kind: chain[start + 4 : end] for kind, start, end in ours or ()}
    whole = {Payload.IDI, Payload.AUTH} <= set(bodies) and {Payload.IDR, Payload.AUTH} <= set(kinds)
    if not whole or bodies[Payload.AUTH][0] != SHARED or Payload.SKF in (asked.data[16],):
        return None
    spi = sa.offered_spi if chain.count(sa.offered_spi) == 1 else b""
    auth = bodies[Payload.AUTH][4:]
    return Proof(asked.first_inner, chain, bodies[Payload.IDI], auth, spi, kinds)
