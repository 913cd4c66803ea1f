"""Records into conversations: per SPI pair the messages, the walk through the states, the facts.

SA numbers are each router's own, so a record is put to an SPI pair by the nearest record that
prints one. The text of two routers may be mixed; the role in the state records tells who speaks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ikelab.harness.inspect.ios import dump, patterns, sentences, sizes, words
from ikelab.harness.inspect.ios.dump import PayloadLine
from ikelab.harness.inspect.ios.records import Record, clean, records
from ikelab.harness.inspect.ios.told import (
    INITIATOR,
    NO_SPI,
    RESPONDER,
    IkeSa,
    Log,
    Said,
    Sighting,
    Trace,
)
from ikelab.harness.model import Spis
from ikelab.harness.sk import HEADER
from ikelab.layers.iana import Exchange, Payload

SEALED = frozenset({"ENCR", "ENCR_FRAG", "SKF"})


def read(text: str, file: str = "") -> Log:
    """Everything that a text of `debug crypto ikev2` tells. Never fails."""
    text = clean(text)
    reader = _Reader(file)
    for record in records(text):
        reader.feed(record)
    reader.place()
    sizes.add(reader.log, text)
    return reader.log


class _Reader:
    """Goes through the records once; `place` then puts what it gathered to its SPI pairs."""

    def __init__(self, file: str) -> None:
        self.log = Log(file)
        self._items: list[Trace | Sighting | Said] = []
        self._current: Sighting | None = None
        self._constructed: list[tuple[str, str]] = []
        self._inner: list[PayloadLine] | None = None
        self._proposed: list[dump.Proposal] = []
        self._attributes: list[tuple[int, int]] = []

    def feed(self, record: Record) -> None:
        """Take one record in."""
        self.log.records += 1
        if not record.tag:
            self._untagged(record)
            return
        for way in (self._trace, self._header, self._packet, self._named, self._building,
                    self._policies):  # fmt: skip
            if way(record):
                return
        self._sentence(record)

    def _untagged(self, record: Record) -> None:
        """A line of another facility, or the rest of a dump with a timestamp of its own."""
        rows = self._rows(record.body)
        if not rows and not dump.ATTRIBUTE.search(record.body):
            self.log.foreign += 1

    def _rows(self, text: str) -> bool:
        """Payload rows and their details, to the message or the inner chain they belong to."""
        if self._inner is not None:
            rows = dump.read_rows(text, self._inner[-1:])
            self._inner += rows
        elif self._current is not None:
            rows = dump.read_rows(text, self._current.last())
            self._current.take(rows)
        else:
            rows = dump.read_rows(text)
        return bool(rows)

    def _trace(self, record: Record) -> bool:
        match = patterns.TRACE.match(record.body)
        if not match:
            return False
        spi_i, spi_r, role, number, state, event = match.groups()
        # Old releases print eight hexadecimal digits, newer ones the decimal number.
        message_id = int(number, 16 if len(number) >= 8 else 10)
        spis = Spis(bytes.fromhex(spi_i), bytes.fromhex(spi_r))
        role = INITIATOR if role == "I" else RESPONDER
        self._items.append(
            Trace(
                record.line,
                record.time,
                spis,
                role,
                message_id,
                state.upper(),
                event,
                record.sa,
            )
        )
        self.log.state_records += 1
        self._current = None
        return True

    def _header(self, record: Record) -> bool:
        match = patterns.HEADER.match(record.body)
        if not match:
            return False
        first, _, exchange, flags, number, length = match.groups()
        flags = flags.upper()
        initiator, response = "INITIATOR" in flags, "MSG-RESPONSE" in flags
        made = Sighting(
            record.line, record.time, _exchange(exchange), int(number), initiator, response,
            int(length), number=record.sa,
        )  # fmt: skip
        known = self._current
        if known is not None and known.announces(made):
            # The packet's dump after its announcement: the same message, now with lengths.
            known.length, known.outer = made.length, []
            known.initiator, known.role_known = made.initiator, True
            made = known
        else:
            made.sent = True if self._constructed or self._inner is not None else None
            self._items.append(made)
        made.sealed = first in SEALED
        if made.sealed and made.inner is None and made.sent:
            made.inner = self._inner
        self._inner, self._current = None, made
        self._rows(record.body[match.end() :])
        self._prepare(made.outer)
        self._name(made)
        return True

    def _whole(self) -> None:
        """A receiver that opens SK prints what was inside and leaves SK out; else SK alone."""
        for item in self._items:
            if not isinstance(item, Sighting) or not item.sealed:
                continue
            if not item.outer:
                length = None if item.length is None else item.length - HEADER
                item.outer = [PayloadLine(Payload.SK, length)]
            elif item.sent is False and item.inner == [] and item.length is not None:
                item.inner = None

    def _name(self, made: Sighting) -> None:
        """Put the names of what was constructed to the vendor IDs, in their order."""
        names = [name for kind, name in self._constructed if kind == "vendor"]
        made.vendors = tuple(names) or made.vendors
        self._constructed = []

    def _packet(self, record: Record) -> bool:
        match = patterns.PACKET.match(record.body)
        if not match:
            return False
        way, there, there_port, here, here_port, spi_i, spi_r, number, exchange, kind = (
            match.groups()
        )
        sent, response = way.lower() == "sending", kind.upper() == "RESPONSE"
        ends = [f"{here}|{here_port}", f"{there}|{there_port}"]
        made = Sighting(
            record.line, record.time, _exchange(exchange), int(number), not response, response,
            spis=Spis(bytes.fromhex(spi_i), bytes.fromhex(spi_r)), sent=sent, number=record.sa,
            src=ends[not sent], dst=ends[sent],
            role_known=_exchange(exchange) == Exchange.IKE_SA_INIT,
        )  # fmt: skip
        rows = dump.read_names(record.body[match.end() :])
        self._prepare(rows)
        made.sealed = made.exchange != Exchange.IKE_SA_INIT
        if made.sealed and sent:
            made.outer, made.inner = rows, self._inner
        elif made.sealed:
            made.outer, made.inner = [PayloadLine(Payload.SK)], rows
        else:
            made.outer = rows
        if sent:
            self._name(made)
        self._inner = None
        self._items.append(made)
        self._current = made
        return True

    def _prepare(self, rows: list[PayloadLine]) -> None:
        """Proposals and attributes that were printed before the list of payloads."""
        for row in rows:
            if row.kind == Payload.SA and self._proposed:
                if row.proposals:
                    sizes.from_policies(row, [p.transforms for p in self._proposed])
                else:
                    row.proposals = self._proposed
                self._proposed = []
            if row.kind == Payload.CP and self._attributes:
                row.attributes, self._attributes = self._attributes, []

    def _named(self, record: Record) -> bool:
        """`Construct` and `Parse` records: a name, and in a dump the payload behind it."""
        vendor, notify = patterns.VENDOR.match(record.body), patterns.NOTIFY.match(record.body)
        match = vendor or notify
        if match is not None:
            parsed, name = match[1] == "Parse", match[3] if vendor else match[2]
        else:
            match = patterns.NAMED.match(record.body)
            if match is None:
                return False
            name = match[1]
            vendor = match if name in words.VENDORS else None
            if vendor is None and not words.notify_number(name):
                return False
            parsed = bool(dump.read_rows(record.body[match.end() :]))
        rest = record.body[match.end() :]
        if not parsed:
            self._current = None
            self._constructed.append(("vendor" if vendor else "notify", name))
            if rows := dump.read_rows(rest):
                self._inner = rows
            return True
        if self._current is not None:
            self._current.sent = False
            before = len(self._current.inner or ()) + len(self._current.outer)
            self._rows(rest)
            added = [*self._current.outer, *(self._current.inner or ())][before:]
            if vendor and added and added[0].kind == Payload.V:
                added[0].vendor = name
        return True

    def _building(self, record: Record) -> bool:
        if match := patterns.BUILDING.match(record.body):
            rest = record.body[match.end() :]
            self._inner = dump.read_rows(rest) or dump.read_names(rest)
            self._prepare(self._inner)
            self._current = None
            return True
        if match := patterns.PROPOSED.match(record.body):
            protocol, number, size, count = match.groups()
            transforms = dump.policy(record.body[match.end() :])
            self._proposed.append(
                dump.Proposal(
                    int(number), dump.protocol(protocol), int(size), int(count), transforms
                )
            )
            return True
        if match := patterns.ATTRIBUTE.match(record.body):
            self._attributes.append((words.attribute_number(match[1]), int(match[2])))
            return True
        return False

    def _policies(self, record: Record) -> bool:
        match = patterns.POLICIES.match(record.body)
        if match is None:
            return False
        listed = [dump.policy(p) for p in patterns.EACH_POLICY.findall(record.body[match.end() :])]
        last = next((i for i in reversed(self._items) if isinstance(i, Sighting)), None)
        for row in (*last.outer, *(last.inner or ())) if last is not None else ():
            if row.kind == Payload.SA:
                sizes.from_policies(row, listed)
        return True

    def _sentence(self, record: Record) -> None:
        body = record.body
        say = self._say
        if spi := sentences.child_spi(body):
            say(record, "child spi", spi)
        elif address := sentences.key_address(body):
            say(record, "peer address", address)
        elif who := sentences.identity(body):
            say(record, "own identity", who)
        elif them := sentences.peer_identity(body):
            say(record, "peer identity", them)
        for pattern, end, translated in sentences.NAT_SAYS:
            if pattern.match(body):
                say(record, "nat", (end, translated))
        if record.error or sentences.failure(body):
            say(record, "failure", body or "(the router gives no reason)")
        if not sentences.known(body) and not record.error:
            # It may be the rest of a dump that came with a tag of its own.
            if self._rows(body):
                return
            record.known = False
            self.log.unknown.append(record)

    def _say(self, record: Record, kind: str, value: object) -> None:
        self._items.append(Said(record.line, record.time, record.sa, kind, value, record.body))

    # -- placing -----------------------------------------------------------------------------

    def place(self) -> None:
        """Put every item to the SPI pair that it belongs to."""
        self._roles()
        self._whole()
        made: dict[bytes, list[IkeSa]] = {}
        for index, item in enumerate(self._items):
            if isinstance(item, Trace):
                _sa_of(made, self.log, item.spis).traces.append(item)
                continue
            anchor = item if isinstance(item, Sighting) and item.spis else self._anchor(index)
            if anchor is None:
                if isinstance(item, Said) and item.kind == "failure":
                    self.log.failures.append(item)
                elif isinstance(item, Sighting):
                    _sa_of(made, self.log, Spis(NO_SPI, NO_SPI)).sightings.append(item)
                continue
            assert anchor.spis is not None
            sa = _sa_of(made, self.log, anchor.spis)
            role = anchor.role if isinstance(anchor, Trace) else anchor.box
            if isinstance(item, Said):
                sa.said.append((role, item))
                continue
            if item.sent is None:
                item.sent = (role == INITIATOR) == item.initiator
            sa.sightings.append(item)

    def _roles(self) -> None:
        """The Initiator flag of messages in the short style, which does not print it."""
        roles: dict[bytes, str] = {}
        for item in self._items:
            if isinstance(item, Trace):
                roles.setdefault(item.spis.i, item.role)
            elif isinstance(item, Sighting) and item.spis is not None:
                if item.role_known:
                    roles.setdefault(item.spis.i, item.box)
                elif item.spis.i in roles:
                    item.initiator = (roles[item.spis.i] == INITIATOR) == item.sent

    def _anchor(self, index: int) -> Trace | Sighting | None:
        """The nearest record with an SPI pair: the one before, except for a first message."""
        item = self._items[index]
        number = item.number
        before = list(reversed(self._items[max(0, index - 200) : index]))
        after = self._items[index + 1 : index + 200]
        first = (
            isinstance(item, Sighting)
            and item.exchange == Exchange.IKE_SA_INIT
            and item.sent is False
            and not item.response
        )
        ways: tuple[Iterable[Trace | Sighting | Said], ...] = (
            (after, before) if first else (before, after)
        )
        for way in ways:
            anchors = list(_anchors(way))
            same = [a for n, a in anchors if number is not None and n == number]
            if found := (same or [a for _, a in anchors]):
                return found[0]
        return None


def _anchors(
    items: Iterable[Trace | Sighting | Said],
) -> Iterator[tuple[int | None, Trace | Sighting]]:
    for item in items:
        if isinstance(item, Trace) or (isinstance(item, Sighting) and item.spis is not None):
            yield item.number, item


def _sa_of(made: dict[bytes, list[IkeSa]], log: Log, spis: Spis) -> IkeSa:
    """The SA of an SPI pair; one without the responder's SPI is the newest with the initiator's."""
    for sa in reversed(made.setdefault(spis.i, [])):
        if NO_SPI in (spis.r, sa.spis.r) or sa.spis.r == spis.r:
            if sa.spis.r == NO_SPI:
                sa.spis = spis
            return sa
    sa = IkeSa(spis)
    made[spis.i].append(sa)
    log.sas.append(sa)
    return sa


def _exchange(name: str) -> int:
    found = Exchange.__members__.get(name.upper())
    return int(found) if found is not None else int(name) if name.isdecimal() else 0
