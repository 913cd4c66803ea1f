"""What a responder takes: each transform offered once, in IKE_SA_INIT requests of their own.

Whoever scans needs no credentials. An offer holds one transform of the type that is asked about and
all that ikelab knows of the other types, so that a responder that takes it at all can choose it.
Every IKE SA that was begun is ended by an IKE_AUTH request that says nothing, which the responder
refuses: half-open SAs would make it ask for cookies, or stop answering.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from ikelab.harness.crypto import cipher, integ, ke, prf
from ikelab.harness.endpoint import Initiator
from ikelab.harness.errors import LabError
from ikelab.harness.inspect.weak import weak
from ikelab.harness.model import Suite, Transform, is_aead
from ikelab.harness.notation import notify_name
from ikelab.harness.session import Session
from ikelab.layers.iana import (
    TRANSFORMS,
    Encr,
    Exchange,
    Integ,
    Ke,
    Notify,
    Payload,
    Protocol,
    TransformType,
)
from ikelab.layers.vendor import vendor_name

ENCR, PRF, INTEG, KE = (
    TransformType.ENCR, TransformType.PRF, TransformType.INTEG, TransformType.KE,
)  # fmt: skip
MORE = TransformType.ADDKE1
ASKED = (ENCR, INTEG, PRF, KE, MORE)
"""The types that are asked about, in this order: what is taken narrows the next ones' offers."""
SILENCES = 3
"""So many offers in a row without an answer: the responder no longer speaks with us."""
FAREWELL = 0.3  # seconds that the refusal of an empty IKE_AUTH is waited for
_FIRST = Transform(KE, Ke.CURVE25519)  # the smallest public value of those in use

SIZES = (128, 192, 256, 448)
"""Key lengths in bits that are asked about; Blowfish and CAST have dozens."""
NOT_FOR_IKE = frozenset({
    Encr.ENCR_NULL, Encr.ENCR_NULL_AUTH_AES_GMAC,  # RFC 7296 5, RFC 4543: no confidentiality
    Encr.ENCR_AES_CCM_8_IIV, Encr.ENCR_AES_GCM_16_IIV, Encr.ENCR_CHACHA20_POLY1305_IIV,
})  # fmt: skip
"""Ciphers of children only; RFC 8750 3 has the implicit IV for ESP alone."""

ACCEPTED, REFUSED, SILENT = "accepted", "refused", "no answer"
ANOTHER = "answered with another"


@dataclass(frozen=True, slots=True)
class Asked:
    """One transform and what came of offering it: accepted, refused, no answer, or a notify."""

    transform: Transform
    outcome: str


@dataclass
class Found:
    """What a responder takes and says of itself."""

    asked: list[Asked] = field(default_factory=list)
    chosen: Suite | None = None  # when everything is offered
    own_order: bool | None = None  # whether the responder's order decides; None: cannot be told
    notifies: list[str] = field(default_factory=list)
    vendors: list[str] = field(default_factory=list)
    cookies: int = 0
    offers: int = 0
    stopped: bool = False  # it fell silent on the way

    def of(self, kind: int, outcome: str = ACCEPTED) -> list[Transform]:
        """The transforms of a type with this outcome."""
        return [a.transform for a in self.asked if (a.transform.type, a.outcome) == (kind, outcome)]

    def json(self) -> dict[str, Any]:
        """As `ikelab scan --json` prints it."""
        accepted = Suite(tuple(a.transform for a in self.asked if a.outcome == ACCEPTED))
        return {
            "transforms": [
                {
                    "type": TransformType(a.transform.type).name,
                    "id": a.transform.id,
                    "name": a.transform.name,
                    "key_bits": a.transform.key_bits,
                    "word": a.transform.word,
                    "outcome": a.outcome,
                }
                for a in self.asked
            ],
            "chosen": str(self.chosen) if self.chosen else None,
            "order": {None: None, True: "responder", False: "initiator"}[self.own_order],
            "discouraged": [str(found) for found in weak([accepted], None)],
            "notifies": self.notifies,
            "vendor_ids": self.vendors,
            "offers": self.offers,
            "cookies": self.cookies,
            "complete": not self.stopped,
        }


@cache
def candidates(kind: int) -> tuple[Transform, ...]:
    """Every transform of a type that ikelab can compute, in IANA's order."""
    if kind == MORE:
        return tuple(
            Transform(MORE, t.id) for t in candidates(KE) if Ke(t.id).primitive == "ml-kem"
        )
    able: dict[int, Callable[..., str | None]] = {
        PRF: prf.why_not, INTEG: integ.why_not, KE: ke.why_not,
    }  # fmt: skip
    found = []
    for row in TRANSFORMS[kind]:
        if isinstance(row, Encr):
            sizes = [b for b in row.key_bits if b in SIZES] if row.key_attribute else [None]
            use = row not in NOT_FOR_IKE
            found += [
                Transform(kind, row, b) for b in sizes if use and cipher.why_not(row, b) is None
            ]
        elif able[kind](row) is None and not (kind == INTEG and row == Integ.NONE):
            found.append(Transform(kind, row))
    return tuple(found)


def offer(one: Transform | None, known: dict[int, Sequence[Transform]]) -> tuple[Suite, ...]:
    """Proposals in which only this transform of its type is there; combined-mode ciphers apart.

    RFC 7296 3.3: a combined-mode cipher and one that needs integrity are not of one proposal.
    """
    lists = {**known, **({one.type: (one,)} if one is not None else {})}
    more = lists.get(MORE, ()) if one is not None and one.type == MORE else ()
    common = [*lists[PRF], *lists[KE], *more]
    combined = [t for t in lists[ENCR] if is_aead(t.id)]
    plain = [t for t in lists[ENCR] if not is_aead(t.id)]
    made = []
    if plain and lists[INTEG]:
        made.append(Suite(_sorted([*plain, *lists[INTEG], *common])))
    if combined and (one is None or one.type != INTEG):
        made.append(Suite(_sorted([*combined, *common])))
    return tuple(made)


def _sorted(transforms: list[Transform]) -> tuple[Transform, ...]:
    return tuple(sorted(transforms, key=lambda t: t.type))  # stable: the order within a type stays


class Scan:
    """Asks a responder; `pause` seconds between two offers."""

    def __init__(self, initiator: Initiator, *, pause: float = 0.0) -> None:
        self._initiator = initiator
        self._pause = pause
        self._known: dict[int, Sequence[Transform]] = {k: candidates(k) for k in ASKED}
        self._silent = 0
        self.found = Found()

    def run(self) -> Iterator[Asked]:
        """Every transform with its outcome, as it is known; LabError where nobody answers."""
        self._begin()
        for kind in ASKED:
            for transform in candidates(kind):
                if self._silent >= SILENCES:
                    self.found.stopped = True
                    return
                asked = Asked(transform, self._outcome(transform))
                self.found.asked.append(asked)
                yield asked
            taken = self.found.of(kind)
            if taken and kind != MORE:
                self._known[kind] = taken
        self._order()

    def _begin(self) -> None:
        """Everything at once: whether somebody is there, and what he says of himself."""
        session = self._offered(None, _FIRST.id)
        if session.reply.silent:
            raise LabError(_nobody(session))
        self.found.chosen = session.chosen
        for notify in session.reply.notifies:
            if notify.type >= 16384 and notify.type != Notify.COOKIE:
                _keep(self.found.notifies, notify_name(notify.type))
        for payload in session.reply.payloads:
            if payload.kind == Payload.V:
                data = bytes(payload.vendorID)
                _keep(self.found.vendors, vendor_name(data) or data.hex())

    def _outcome(self, transform: Transform) -> str:
        group = self.found.chosen.ke if self.found.chosen is not None else None
        if transform.type == KE:
            group = transform
        session = self._offered(transform, (group or _FIRST).id)
        if session.reply.silent:
            self._silent += 1
            return SILENT
        self._silent = 0
        if session.chosen is not None and transform in session.chosen.transforms:
            return ACCEPTED
        errors = session.reply.errors
        if errors == ["NO_PROPOSAL_CHOSEN"]:
            return REFUSED
        return ANOTHER if session.reply.has(Payload.SA) else ", ".join(errors) or "no choice"

    def _offered(self, transform: Transform | None, group: int, *, turned: bool = False) -> Session:
        """One IKE_SA_INIT exchange, and the end of what it began."""
        suites = offer(transform, self._known)
        if turned:
            suites = tuple(
                Suite(_sorted(list(reversed(suite.transforms))), Protocol.IKE)
                for suite in reversed(suites)
            )
        if self._pause and self.found.offers:
            self._initiator.pump(lambda: False, self._pause)
        self.found.offers += 1
        session = self._initiator.init(ike=suites, ke=group)
        if any(_asks_for_a_cookie(step) for step in session.received()):
            self.found.cookies += 1
        if session.chosen is not None and session.sa.keys is not None:
            session.send_as(1, [], exchange=Exchange.IKE_AUTH, patience=FAREWELL)
        session.sa.end("scanned")
        return session

    def _order(self) -> None:
        """Who decides: the same offer twice, the second time turned round."""
        if self.found.chosen is None or sum(a.outcome == ACCEPTED for a in self.found.asked) < 5:
            return
        group = (self.found.chosen.ke or _FIRST).id
        first, second = (self._offered(None, group, turned=turned) for turned in (False, True))
        several = any(len(self.found.of(kind)) > 1 for kind in (ENCR, PRF, INTEG))
        if first.chosen is not None and second.chosen is not None and several:
            self.found.own_order = first.chosen.keyed() == second.chosen.keyed()


def _nobody(session: Session) -> str:
    (there, port), own = session.sa.remote, session.sa.local[0]
    return (
        f"no answer from {there} port {port} to an IKE_SA_INIT request from {own}: "
        "is it up, and does it take requests from this address?"
    )


def _asks_for_a_cookie(step: Any) -> bool:
    return any(p.kind == Payload.N and p.type == Notify.COOKIE for p in step.message.payloads)


def _keep(texts: list[str], text: str) -> None:
    if text not in texts:
        texts.append(text)
