"""What the network did to a conversation: silence, blocked ports, lost fragments, wrong ports."""

from __future__ import annotations

from collections.abc import Iterator

from ikelab.harness.inspect import natview
from ikelab.harness.inspect.natview import Where
from ikelab.harness.inspect.session import Exchange, Half
from ikelab.harness.inspect.why.story import (
    Explanation,
    Story,
    at,
    called,
    count,
    frames,
    listed,
    sent_again,
)
from ikelab.harness.model import IKE_PORT, NATT_PORT
from ikelab.layers.iana import Exchange as Type

LARGE = 1280
"""Octets of a message beyond which IP may have to fragment it (RFC 7383 2.5.1)."""


def wrong_port(story: Story) -> Iterator[Explanation]:
    """Answers that go elsewhere than their requests came from (RFC 7296 2.11, 2.23)."""
    for exchange in story.session.exchanges:
        request, response = exchange.request, exchange.response
        if request is None or response is None:
            continue
        asked, answered = request.messages[0].src, response.messages[0].dst
        if asked == answered:
            continue
        known = {m.src for m in request.messages}
        if any(m.dst in known for m in response.messages) or _goes_on(story, exchange):
            continue
        if not sent_again(request, since=response.first.now):
            continue
        side = exchange.by_initiator
        address = asked[0] != answered[0]
        what = "address" if address else "port"
        sentence = (
            f"{story.who(not side).capitalize()} answers {called(exchange)} to "
            f"{what} {answered[0] if address else answered[1]}, but the request came from "
            f"{what} {asked[0] if address else asked[1]}: the answer is lost in the NAT"
        )
        evidence = (
            f"the request came from {at(asked)} ({listed(frames(request))}) and was sent "
            f"{count(len(request.messages), 'time')}",
            f"the answer went to {at(answered)} ({listed(frames(response))})",
        )
        change = (
            "answers go to where the request came from (RFC 7296 2.11): update the responder, or "
            "give the NAT a static mapping of UDP 500 and 4500"
        )
        yield Explanation(
            cause="port",
            sentence=sentence,
            evidence=evidence,
            change=change,
            frames=(*frames(request), *frames(response)),
        )


def _goes_on(story: Story, exchange: Exchange) -> bool:
    """Whether whoever asked asked for more: so the answer did arrive."""
    end = exchange.response.first.now if exchange.response else 0.0
    return any(
        e.request is not None and e.by_initiator == exchange.by_initiator and e is not exchange
        and e.request.first.now > end and (e.id > exchange.id or e.type != exchange.type)
        for e in story.session.exchanges
    )  # fmt: skip


def silent(story: Story) -> Iterator[Explanation]:
    """No answer to IKE_SA_INIT, or none to IKE_AUTH."""
    if story.inits and not any(e.response for e in story.inits):
        if not story.one_way and story.unanswered(story.inits[-1]):
            yield _never(story, story.inits[-1])
        return
    if story.established is not None or story.one_way:
        return
    for exchange in reversed(story.auths):
        if (lost := _lost_answer(story, exchange)) is not None:
            yield lost
            return
        if story.unanswered(exchange):
            yield _auth_silent(story, exchange)
            return
        if exchange.request is None and exchange.response is not None:
            return
    if story.begun is not None and not story.auths and _over(story):
        yield _no_auth(story, story.begun)


def _lost_answer(story: Story, exchange: Exchange) -> Explanation | None:
    """A response in fragments of which some never come, while the request is repeated."""
    request, response = exchange.request, exchange.response
    if request is None or response is None or not sent_again(request):
        return None
    if (missing := _missing_fragments(response)) is None:
        return None
    total, gone = missing
    return Explanation(
        cause="fragments",
        sentence=f"Fragment {', '.join(map(str, gone))} of {total} of the IKE_AUTH response never "
        "arrives, so the message cannot be put together",
        evidence=(
            f"the others are {listed(frames(response))}",
            f"the request is repeated ({listed(frames(request))})",
        ),
        change=_SMALLER,
        frames=(*frames(request), *frames(response)),
    )


def _over(story: Story) -> bool:
    last = story.session.messages[-1].now
    return story.end - last >= 4.0 or bool(story.begun and _retransmitted(story.begun))


def _retransmitted(exchange: Exchange) -> bool:
    return any(sent_again(h) for h in exchange.halves())


def _never(story: Story, exchange: Exchange) -> Explanation:
    request = exchange.request
    assert request is not None
    times = len(request.messages)
    last = request.messages[-1].now - request.first.now
    where = frames(request)
    sent = f"{times} times within {last:.1f} s" if times > 1 else "once"
    sentence = (
        f"{story.who(False).capitalize()} never answers: IKE_SA_INIT was sent {sent} and nothing "
        "came back"
    )
    return Explanation(
        cause="silence",
        sentence=sentence,
        evidence=(f"the silence begins with {listed(where)}",),
        change="check the address, that UDP 500 is let through both ways, and that a daemon "
        "listens there and has a connection for this initiator",
        frames=where,
    )


def _auth_silent(story: Story, exchange: Exchange) -> Explanation:
    """IKE_SA_INIT passed, IKE_AUTH did not: the marker, fragments, port 4500, or silence."""
    request = exchange.request
    assert request is not None
    where = frames(request)
    if story.session.spis.i[:4] in story.bare and request.first.dst[1] == NATT_PORT:
        return Explanation(
            cause="marker",
            sentence="IKE_AUTH goes to port 4500 without the non-ESP marker and is taken for ESP",
            evidence=(f"see {listed(where)}",),
            change="messages on port 4500 begin with four zero octets (RFC 3948 2.2)",
            frames=where,
        )
    missing = _missing_fragments(request)
    if missing:
        total, gone = missing
        lost = ", ".join(map(str, gone))
        return Explanation(
            cause="fragments",
            sentence=f"Fragment {lost} of {total} of the IKE_AUTH request never arrives, so the "
            f"message cannot be put together",
            evidence=(f"the others are {listed(where)}",),
            change=_SMALLER,
            frames=where,
        )
    first = story.begun or next(reversed(story.inits), None)
    moved = request.first.dst[1] == NATT_PORT and _port(first) == IKE_PORT
    if request.fragmented or len(request.first.data) > LARGE:
        return _large(story, request, moved)
    if moved and first is not None:
        return _blocked(story, exchange, first)
    if natview.view(story.session).floats and request.first.dst[1] == IKE_PORT:
        return Explanation(
            cause="port",
            sentence="IKE_AUTH stays on port 500 although a NAT was found, and is never answered",
            evidence=(f"see {listed(where)}", *_nat(story)),
            change="behind a NAT the initiator moves to port 4500 (RFC 7296 2.23)",
            frames=where,
        )
    return Explanation(
        cause="silence",
        sentence=f"{story.who(False).capitalize()} falls silent at IKE_AUTH: the request was sent "
        f"{count(len(request.messages), 'time')} and never answered",
        evidence=(*_answered(first), f"see {listed(where)}"),
        change="look at the responder's log at that moment: a message that it cannot open is "
        "dropped without a word",
        frames=where,
        certain=False,
    )


def _answered(first: Exchange | None) -> Iterator[str]:
    if first is not None and first.response is not None:
        yield f"IKE_SA_INIT was answered ({listed(frames(first.response))})"


_SMALLER = (
    "let fragments pass, or make smaller ones: fragmentation = yes and a fragment size of 1280 or "
    "less on both ends (RFC 7383), fewer certificates, a smaller MTU"
)


def _missing_fragments(half: Half) -> tuple[int, list[int]] | None:
    """(how many there are, which never came) of a message in SKF; None where none is missing."""
    seen = {(m.sealed.fragments, m.sealed.fragment) for m in half.messages if m.sealed}
    total = max((t for t, _ in seen), default=0)
    gone = [n for n in range(1, total + 1) if (total, n) not in seen]
    return (total, gone) if gone else None


def _large(story: Story, request: Half, moved: bool) -> Explanation:
    size = max(len(m.data) for m in request.messages)
    parts = max((m.sealed.fragments for m in request.messages if m.sealed), default=0)
    how = f"in {parts} fragments of up to {size} octets" if parts else f"with {size} octets"
    also = " (or port 4500 is blocked: nothing was answered there yet)" if moved else ""
    return Explanation(
        cause="fragments",
        sentence=f"IKE_AUTH leaves {how} and is never answered, while smaller messages pass: "
        f"{_fate(parts)}{also}",
        evidence=(f"see {listed(frames(request))}",),
        change=_SMALLER,
        frames=frames(request),
        certain=False,
    )


def _fate(parts: int) -> str:
    if parts:
        return "fragments are lost on the way, or the responder cannot put them together"
    return "its IP fragments are lost on the way"


def _blocked(story: Story, exchange: Exchange, first: Exchange) -> Explanation:
    request = exchange.request
    assert request is not None
    where = frames(request)
    ours, theirs = story.session.initiator[0], story.session.responder[0]
    return Explanation(
        cause="blocked-4500",
        sentence=f"UDP port 4500 is blocked between {ours} and {theirs}: IKE_SA_INIT passes on "
        "port 500, and IKE_AUTH on port 4500 is never answered",
        evidence=(
            *_answered(first),
            f"IKE_AUTH was sent {count(len(request.messages), 'time')} ({listed(where)})",
            *_nat(story),
        ),
        change="let UDP 4500 pass in both directions, on the hosts and on what lies between",
        frames=(*frames(first.response), *where),
    )


def _nat(story: Story) -> Iterator[str]:
    """Who is translated, where it matters."""
    view = natview.view(story.session)
    for side, end in ((True, view.initiator), (False, view.responder)):
        if end.where not in (Where.DIRECT, Where.UNKNOWN):
            yield f"{story.who(side)} is {end}"


def _port(exchange: Exchange | None) -> int:
    return exchange.request.first.dst[1] if exchange and exchange.request else 0


def _no_auth(story: Story, begun: Exchange) -> Explanation:
    where = frames(begun.request, begun.response)
    if begun.request is not None and sent_again(begun.request):
        sentence = (
            "The answer to IKE_SA_INIT does not reach the initiator: it repeats its request "
            f"{count(sent_again(begun.request), 'time')} although it was answered"
        )
        change = "look for what drops packets from the responder to the initiator"
    else:
        sentence = "The initiator does not go on after IKE_SA_INIT although it was accepted"
        change = "look at the initiator's log: it did not like the answer"
    return Explanation(
        cause="silence",
        sentence=sentence,
        evidence=(f"see {listed(where)}",),
        change=change,
        frames=where,
        certain=False,
    )


def silent_later(story: Story) -> Iterator[Explanation]:
    """Somebody stops answering once the IKE SA is up."""
    if (story.established is None and story.parent is None) or story.one_way:
        return
    for exchange in story.session.exchanges:
        if exchange.response is not None or exchange.type in (Type.IKE_SA_INIT, Type.IKE_AUTH):
            continue
        if not story.unanswered(exchange):
            continue
        request = exchange.request
        assert request is not None
        side = not exchange.by_initiator
        theirs = [m for m in story.session.messages if m.initiator == side]
        last = theirs[-1] if theirs else None
        before = f"its last message is frame {last.frame}" if last else "it never said a word"
        where = frames(request)
        yield Explanation(
            cause="silence",
            sentence=f"{story.who(side).capitalize()} falls silent after the IKE SA was up: "
            f"{called(exchange)} was sent {count(len(request.messages), 'time')} and never "
            "answered",
            evidence=(f"the silence begins with frame {where[0]}", before, *_quiet(request)),
            change="check that its host lives, that its address is still the same, and that no NAT "
            "mapping ran out meanwhile (keepalives, shorter DPD)",
            frames=where,
        )
        return


def _quiet(request: Half) -> Iterator[str]:
    if request.retransmissions:
        first, last = request.first.now, request.messages[-1].now
        yield f"it was repeated for {last - first:.1f} s"
