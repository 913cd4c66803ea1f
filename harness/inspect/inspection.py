"""A capture file inspected: read once, sorted, opened, judged; then shown in several ways."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ikelab.harness.inspect import facts, lint, report, summary
from ikelab.harness.inspect.collector import patient_collector
from ikelab.harness.inspect.configs.side import Configs, addresses
from ikelab.harness.inspect.derive import open_all
from ikelab.harness.inspect.espwatch import EspWatch
from ikelab.harness.inspect.flow import Flow, Packet
from ikelab.harness.inspect.ikev1 import EXCHANGES, Ikev1
from ikelab.harness.inspect.keys import KeyRing, learn, load
from ikelab.harness.inspect.pcap import Capture
from ikelab.harness.inspect.session import Exchange, Message, Session
from ikelab.harness.inspect.sorting import Sessions
from ikelab.harness.model import Spis, Violation
from ikelab.harness.sk import HEADER
from ikelab.harness.transcript import Transcript
from ikelab.layers.iana import Exchange as Type

if TYPE_CHECKING:
    from ikelab.harness.inspect.espview import View
    from ikelab.harness.inspect.live import Live
    from ikelab.harness.inspect.why.story import Explanation


@dataclass(frozen=True, slots=True)
class EspFlow:
    """The packets of one ESP or AH SA: who sends to whom, with which SPI, how many."""

    protocol: str
    src: str
    dst: str
    spi: bytes


@dataclass(slots=True)
class Totals:
    """Counts over IKE SAs: messages under SK, those opened, why not, and what could not be read."""

    sealed: int = 0
    decrypted: int = 0
    malformed: int = 0
    violations: int = 0
    refusals: Counter[str] = field(default_factory=Counter)

    def add(self, session: Session) -> None:
        """Count the messages of an IKE SA; the rules look at it for that."""
        for message in session.messages:
            if message.sealed is not None:
                self.sealed += 1
                if message.opened:
                    self.decrypted += 1
                else:
                    self.refusals[message.refusal] += 1
        findings = lint.examine(session)
        self.malformed += findings.malformed
        self.violations += len(findings.violations)

    def __iadd__(self, other: Totals) -> Totals:
        for count in fields(self):
            mine, theirs = getattr(self, count.name), getattr(other, count.name)
            setattr(self, count.name, mine + theirs)
        return self


@dataclass
class Inspection:
    """All that a capture shows. `lost` says why its end could not be read, None if it could."""

    file: str
    frames: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    sessions: list[Session] = field(default_factory=list)
    stubs: list[Packet] = field(default_factory=list)  # IKE that ends before its header does
    ikev1: Ikev1 = field(default_factory=Ikev1)
    esp: Counter[EspFlow] = field(default_factory=Counter)
    watch: EspWatch = field(default_factory=EspWatch)
    notes: list[str] = field(default_factory=list)
    lost: str | None = None
    patient: bool = False
    ring: KeyRing = field(default_factory=KeyRing)
    configs: Configs = field(default_factory=Configs)  # of the ends, where the user has them

    @cached_property
    def totals(self) -> Totals:
        """What was counted over all IKE SAs."""
        found = Totals(malformed=len(self.stubs))
        for session in self.sessions:
            found.add(session)
        return found

    @cached_property
    def messages(self) -> list[Message]:
        """The IKEv2 messages with a whole header, in the order of capture."""
        found = [m for session in self.sessions for m in session.messages]
        return sorted(found, key=lambda m: m.frame)

    @cached_property
    def sealed(self) -> list[Message]:
        """Those that have SK or SKF."""
        return [m for m in self.messages if m.sealed is not None]

    @property
    def decrypted(self) -> int:
        return self.totals.decrypted

    @property
    def refusals(self) -> Counter[str]:
        """Why encrypted messages were not opened, and how many for each reason."""
        return self.totals.refusals

    @property
    def malformed(self) -> int:
        """Messages in which something could not be read, in clear or once opened."""
        return self.totals.malformed

    def parent(self, session: Session) -> tuple[Session, Exchange] | None:
        """The IKE SA that this one replaced, and the exchange that made it; None for a first."""
        if any(e.type == Type.IKE_SA_INIT for e in session.exchanges):
            return None
        return self._births.get(session.spis)

    @cached_property
    def _births(self) -> dict[Spis, tuple[Session, Exchange]]:
        """The IKE SAs made by rekeying, by their SPIs."""
        return {spis: (s, e) for s in self.sessions for spis, e in facts.rekeys(s)}

    @cached_property
    def end(self) -> float:
        """The time of the last IKE message."""
        last = [s.messages[-1].now for s in self.sessions if s.messages]
        return max(last, default=0.0)

    @cached_property
    def bare(self) -> set[bytes]:
        """The SPIs of all ESP packets, and of what was taken for ESP."""
        return {flow.spi for flow in self.esp if flow.protocol == "esp"}

    @cached_property
    def esp_views(self) -> list[View]:
        """The packets of ESP and AH, SA by SA; those that a filter took out are not there."""
        from ikelab.harness.inspect import espview

        shown = {(f.protocol, f.src, f.dst, f.spi) for f in self.esp}
        found = espview.views(self)
        keys = ((v.track.protocol, v.track.src, v.track.dst, v.track.spi) for v in found)
        return [v for v, key in zip(found, keys, strict=True) if key in shown]

    @cached_property
    def violations(self) -> list[Violation]:
        """What the rules found in all conversations; `frame` counts as in the capture."""
        return [v for s in self.sessions for v in lint.examine(s).violations]

    def to_json(self) -> dict[str, Any]:
        """The contract of `inspect --json`."""
        return report.to_json(self)

    def json_text(self) -> Iterator[str]:
        """The same as text, in pieces."""
        return report.json_text(self)

    def summary(self) -> str:
        """What was negotiated and what is missing, for people."""
        return summary.summary(self)

    def transcript(self) -> str:
        """The conversations in RFC notation."""
        return summary.transcript(self)

    @property
    def psks(self) -> tuple[bytes, ...]:
        """The shared keys that AUTH is verified with: those given, and those of configurations."""
        configured = (k for sides in self.configs.files for s in sides for k in s.psks)
        return tuple(dict.fromkeys((*self.ring.psks, *self.configs.psks, *configured)))

    @cached_property
    def hints(self) -> list[str]:
        """Addresses that the configurations name: what may lie behind a NAT."""
        return addresses(self.configs.files)

    @property
    def thorough(self) -> bool:
        """Whether each IKE SA may take half a second: for a person who waits, and few of them."""
        return self.patient and len(self.sessions) <= 8

    @cached_property
    def explanations(self) -> list[tuple[Session, Explanation]]:
        """For each IKE SA why it failed, or that it did not."""
        from ikelab.harness.inspect.why import explain_all

        return explain_all(self, self.configs.files, self.psks)

    def why(self) -> str:
        """The explanations in words, those of failures first."""
        from ikelab.harness.inspect.why import paragraphs

        return paragraphs.text(self)

    def check(self, form: str) -> None:
        """ConfigError where this cannot be shown in that format; a capture can, in all."""

    def conversations(self) -> list[Transcript]:
        """The same as values: one transcript for each IKE SA, as a live run has it."""
        return [summary.conversation(s) for s in self.sessions]


def inspect_file(source: Path | BinaryIO, key_paths: Iterable[Path] = ()) -> Inspection:
    """Read a capture with the keys there are. ConfigError where one of the inputs is unusable.

    A capture that is cut short or damaged gives what could be read; `Inspection.lost` says so.
    """
    ring = load(key_paths)
    return inspect_capture(Capture(source), ring)


@patient_collector()
def inspect_capture(
    capture: Capture | Live,
    ring: KeyRing,
    mine: Callable[[Packet], bool] | None = None,
    heard: Callable[[Packet, Message | None], None] | None = None,
    others: Container[bytes] = frozenset(),
) -> Inspection:
    """The same for a capture that is open already, or an interface.

    `mine` leaves packets out, and `others` has the first SPIs of messages that need not be shown to
    it (see `Flow`); `heard` is told of each, with the IKEv2 message that it is.
    """
    result = Inspection(capture.name, notes=list(ring.notes), ring=ring)
    flow, sessions = Flow(capture, others=others), Sessions()
    for packet in flow if mine is None else filter(mine, flow):
        ours = _ikev2(packet, result)
        if heard is not None:
            heard(packet, sessions.add(packet) if ours else None)
        elif ours:
            sessions.wait(packet)
    sessions.settle()
    for number, table in enumerate(capture.secrets, 1):
        learn(ring, table, f"{capture.name}, secrets block {number}")
    open_all(sessions, ring, {it.spi for it in result.esp if it.protocol == "esp"})
    result.frames, result.lost, result.sessions = flow.frames, capture.lost, sessions.all
    for linktype, count in flow.unknown_links.items():
        result.notes.append(f"{count} frames of link type {linktype}, which ikelab does not read")
    result.notes += [f"comment on {_place(number)}: {text}" for number, text in capture.comments]
    if flow.gaps:
        result.notes.append(f"TCP segments are missing in {flow.gaps} places")
    if flow.incomplete:
        result.notes.append(
            f"IP fragments are missing: {flow.incomplete} datagrams not put together"
        )
    return result


def _place(number: int) -> str:
    return f"frame {number}" if number else "the file"


def _ikev2(packet: Packet, result: Inspection) -> bool:
    """Count a packet; whether it is an IKEv2 message with a whole header."""
    kind, data = packet.kind, packet.data
    if kind in ("esp", "ah"):
        result.kinds[kind] += 1
        spi = data[:4] if kind == "esp" else data[4:8]
        result.esp[EspFlow(kind, packet.src[0], packet.dst[0], spi)] += 1
        result.watch.add(packet)
        return False
    if kind != "ike":
        result.kinds[kind] += 1
        return False
    if len(data) < HEADER:
        result.kinds["ike"] += 1
        result.stubs.append(packet)
        return False
    version, whole = data[17] >> 4, int.from_bytes(data[24:28], "big") == len(data)
    if version == 1 and (whole or data[18] in EXCHANGES):
        result.kinds["ikev1"] += 1
        result.ikev1.add(packet)
    elif version == 2 or (whole and version > 2):
        result.kinds["ike"] += 1
        return True
    else:
        result.kinds["unknown"] += 1
    return False
