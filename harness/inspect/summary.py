"""An inspection for people: the summary, and the transcript in RFC notation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ikelab.harness.inspect import facts, lint, sessionview
from ikelab.harness.inspect.collector import patient_collector
from ikelab.harness.inspect.facts import Child
from ikelab.harness.inspect.report import looked_at, negotiated, offered_words
from ikelab.harness.inspect.session import Exchange, Session
from ikelab.harness.inspect.why import explain_one
from ikelab.harness.model import Address
from ikelab.harness.notation import exchange_name
from ikelab.harness.transcript import Transcript
from ikelab.layers.iana import AuthMethod, Protocol, name

if TYPE_CHECKING:
    from ikelab.harness.inspect.inspection import Inspection
    from ikelab.harness.inspect.why.story import Explanation


def conversation(session: Session) -> Transcript:
    """The messages of one IKE SA as steps, each with a note where there is something to say."""
    lint.examine(session)  # leaves its violations with the steps
    for message in session.messages:
        step = message.step
        if message.repeated:
            step.note = "retransmission"
        elif message.sealed and not message.opened:
            step.note = f"not decrypted: {message.refusal}"
    return Transcript(message.step for message in session.messages)


@patient_collector()
def transcript(it: Inspection) -> str:
    """Every IKE SA's messages in RFC notation, `-->` from its original initiator."""
    blocks: list[str] = []
    for session in it.sessions:
        text = conversation(session).text()
        blocks += looked_at(session, f"{_title(session)}\n{text}")
    blocks += [f"frame {p.number}: {len(p.data)} octets, an IKE header has 28" for p in it.stubs]
    return "\n\n".join([*blocks, *below(it)])


@patient_collector()
def summary(it: Inspection) -> str:
    """What was there, what was negotiated, what is missing and why."""
    found = list(blocks(it))  # first: it lets each IKE SA go, and the head has only to count
    return "\n\n".join([head(it), *found, *below(it)])


def summary_around(it: Inspection, found: Iterable[str]) -> Iterator[str]:
    """The same in pieces, of blocks that are text already."""
    yield head(it)
    for text in (*found, *below(it)):
        yield f"\n\n{text}"


def blocks(it: Inspection) -> Iterator[str]:
    """The part of the summary that each IKE SA has, one at a time."""
    for session in it.sessions:
        yield from looked_at(session, "\n".join(lines(session, it)))


def head(it: Inspection) -> str:
    """The first line of the summary."""
    totals = it.totals
    counts = [_count(it.frames, "frame"), _count(it.kinds["ike"], "IKEv2 message")]
    if totals.sealed:
        counts.append(f"{totals.decrypted} of {totals.sealed} encrypted ones opened")
    for kind, label in _OTHER_KINDS:
        if it.kinds[kind]:
            counts.append(_count(it.kinds[kind], label))
    if totals.malformed:
        counts.append(f"{totals.malformed} malformed")
    return f"{it.file}: {', '.join(counts)}"


_OTHER_KINDS = (
    ("esp", "ESP packet"),
    ("ah", "AH packet"),
    ("keepalive", "keepalive"),
    ("unknown", "other datagram"),
)


def below(it: Inspection) -> Iterator[str]:
    """What stands below the IKE SAs."""
    if it.ikev1.messages:
        kinds = ", ".join(f"{n} {kind}" for kind, n in it.ikev1.exchanges.items())
        yield f"IKEv1: {_count(it.ikev1.messages, 'message')}, not decoded ({kinds})"
    if it.esp:
        from ikelab.harness.inspect import espview

        yield "\n".join(line for view in it.esp_views for line in espview.lines(view))
    if it.notes:
        yield "\n".join(f"note: {note}" for note in it.notes)
    if it.lost:
        yield f"LOST: {it.lost}"


def _count(number: int, label: str) -> str:
    return f"{number} {label}" + ("" if number == 1 else "s")


def _title(session: Session) -> str:
    first, second = _at(session.initiator), _at(session.responder)
    return f"IKE SA {session.spis}  {first} --> {second}"


def _at(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def lines(session: Session, it: Inspection) -> Iterator[str]:
    """The summary of one IKE SA, a line for each thing that is known or missing."""
    offered, chosen = negotiated(session, it)
    yield _title(session)
    if parent := it.parent(session):
        yield _line("rekeyed from", str(parent[0].spis))
    if chosen:
        of = f"   (of {_count(len(offered), 'proposal')})" if offered else ""
        yield _line("chosen", f"{chosen}{of}")
        for label, text in sessionview.offer_lines(offered, chosen, sessionview.number_of(session)):
            yield _line(label, text)
    elif offered:
        yield _line("offered", " | ".join(str(p.suite) for p in offered))
        yield _line("chosen", f"nothing: {_why(session.exchanges)}")
    yield _line("NAT", sessionview.nat_line(session, it.hints, thorough=it.thorough))
    for label, end in zip(("initiator", "responder"), facts.ends(session), strict=True):
        if end.id or end.method is not None:
            method = "" if end.method is None else f", {name(AuthMethod, end.method)}"
            yield _line(label, f"{end.id or '?'}{method}{', EAP' if end.eap else ''}")
    said: dict[int, str] = {}
    for child in facts.children(session):
        yield from _child_lines(child, said)
    vendors = {known or data.hex() for data, known, _ in facts.vendors(session)}
    if vendors:
        yield _line("vendor ids", ", ".join(sorted(vendors)))
    for label, text in sessionview.lines(session, offered, chosen, it.psks):
        yield _line(label, text)
    yield _line("exchanges", _exchanges(session.exchanges))
    for label, text in _missing(session):
        yield _line(label, text)
    if (reason := _reason(session, it)) is not None:
        yield _line("why", reason.sentence)
    broken = list(lint.examine(session).violations)
    for found in broken[:10]:
        yield _line("violation", f"frame {found.frame}: {found}")
    if len(broken) > 10:
        yield _line("violation", f"and {len(broken) - 10} more (--format transcript, --json)")


def _reason(session: Session, it: Inspection) -> Explanation | None:
    """Why it failed; None where it did not."""
    found = explain_one(it, session)
    return None if found.works else found


def _line(label: str, text: str) -> str:
    return f"  {label:<13}{text}"


def _child_lines(child: Child, said: dict[int, str]) -> Iterator[str]:
    """Children are rekeyed with the very same suites and selectors; `said` has their words by id.

    To look them up by value takes longer than to write them: they hold many values themselves.
    """
    for value in (child.tsi, child.tsr):
        if id(value) not in said:
            said[id(value)] = ", ".join(map(str, value)) or "?"
    if id(child.chosen) not in said:
        said[id(child.chosen)] = offered_words(child.chosen)["text"]
    protocol = name(Protocol, child.protocol)
    mode = "transport" if child.transport else "tunnel"
    replaces = f", replaces {child.replaces.hex()}" if child.replaces else ""
    yield _line("child", f"{protocol} {child.spis}  {said[id(child.chosen)]}  {mode}{replaces}")
    yield _line("", f"{said[id(child.tsi)]} === {said[id(child.tsr)]}")


def _exchanges(exchanges: Iterable[Exchange]) -> str:
    """`IKE_SA_INIT, IKE_AUTH, 12 INFORMATIONAL`."""
    counts = {exchange_name(kind): n for kind, n in Counter([e.type for e in exchanges]).items()}
    return ", ".join(kind if n == 1 else f"{n} {kind}" for kind, n in counts.items())


def _why(exchanges: Iterable[Exchange]) -> str:
    """The error notifies in clear, as the reason why nothing came of it."""
    found = [e for x in exchanges for e in facts.errors(x.response)]
    if found:
        return ", ".join(dict.fromkeys(found))
    answered = any(x.response for x in exchanges)
    return "no response holds a readable SA" if answered else "no response"


def _missing(session: Session) -> Iterator[tuple[str, str]]:
    """What a reader would look for and not find, and why."""
    refused = Counter(m.refusal for m in session.messages if m.sealed and not m.opened)
    for reason, count in refused.items():
        yield "not opened", f"{_count(count, 'message')}: {reason}"
    for half, label in ((True, "request"), (False, "response")):
        lone = [e for e in session.exchanges if (e.response if half else e.request) is None]
        if len(lone) > 5:
            yield "not captured", f"{len(lone)} {'responses' if half else 'requests'}"
            continue
        for exchange in lone:
            where = f"{exchange_name(exchange.type)} #{exchange.id}"
            what = "no response" if half else "no request"
            yield (
                "not captured",
                f"{what} to the {label} {where}" if half else f"{what} for {where}",
            )
