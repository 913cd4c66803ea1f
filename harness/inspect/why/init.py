"""IKE_SA_INIT that came to nothing: proposals, groups, cookies (RFC 7296 1.2, 2.6, 2.7)."""

from __future__ import annotations

from collections.abc import Iterator

from ikelab.harness.inspect import facts, offers
from ikelab.harness.inspect.facts import Proposal
from ikelab.harness.inspect.session import Exchange
from ikelab.harness.inspect.why.story import PATIENCE, Explanation, Story, errors, frames, listed
from ikelab.harness.model import Transform
from ikelab.layers.iana import Notify, Payload, TransformType, name


def refused(story: Story) -> Iterator[Explanation]:
    """The responder answered, and not with a suite."""
    if story.begun is not None or not story.inits:
        return
    last = next((e for e in reversed(story.inits) if e.response), None)
    if last is None or last.request is None:
        return
    kinds = [kind for kind, _ in errors(last)]
    if Notify.NO_PROPOSAL_CHOSEN in kinds:
        yield _no_proposal(story, last)
    elif Notify.INVALID_KE_PAYLOAD in kinds:
        yield _group(story, last)
    elif facts.notifies(last.response, Notify.COOKIE):
        yield _cookie(story, last)
    elif facts.notifies(last.response, Notify.REDIRECT):
        yield _redirect(last)
    elif kinds:
        yield _other(story, last, kinds[0])


def _no_proposal(story: Story, exchange: Exchange) -> Explanation:
    offered = facts.offer(exchange.request)
    where = frames(exchange.request, exchange.response)
    said = f"the responder said NO_PROPOSAL_CHOSEN ({listed(frames(exchange.response))})"
    theirs = story.side(False)
    near = offers.nearest(offered, theirs.ike) if theirs else None
    if theirs and near is not None and near.differences:
        only = near.differences[0] if len(near.differences) == 1 else None
        cause = "group" if only and only.kind == TransformType.KE else "proposal"
        change = "; ".join(
            f"offer {_words(d.wanted)} for {d.label}, or let the responder take {_words(d.offered)}"
            for d in near.differences
        )
        return Explanation(
            cause=cause,
            sentence=f"No IKE proposal fits: {offers.describe(near)}",
            evidence=(said, f"what the responder takes is from {theirs.source}"),
            change=change,
            frames=where,
        )
    if theirs and near is not None:
        return Explanation(
            cause="proposal",
            sentence="The responder refuses the IKE proposals although its configuration takes "
            f"proposal {near.number} ({near.offered}): another connection than "
            f"{theirs.source} answered, or none fits the initiator's address",
            evidence=(said,),
            change="look for the connection that the responder picks for this pair of addresses",
            frames=where,
            certain=False,
        )
    rows = " | ".join(f"{p.number}: {p.suite}" for p in offered)
    return Explanation(
        cause="proposal",
        sentence=f"The responder takes none of the IKE proposals that the initiator offers: {rows}",
        evidence=(said, *_hint(offered)),
        change="compare with what the responder is configured with (--config FILE names the "
        "transform that differs)",
        frames=where,
    )


def _hint(offered: tuple[Proposal, ...]) -> Iterator[str]:
    """What is likely to be refused these days."""
    from ikelab.harness.inspect.weak import weak

    found = [w for w in weak([p.suite for p in offered], None) if w.status == "MUST NOT"]
    if found:
        names = ", ".join(w.transform.name for w in found)
        yield f"of what is offered, RFC 8247 forbids {names}"


def _group(story: Story, exchange: Exchange) -> Explanation:
    """INVALID_KE_PAYLOAD is the last word: no retry, a wrong one, or a group never offered."""
    wanted = _asked(exchange)
    sent = facts.first(exchange.request, Payload.KE)
    groups = _offered_groups(exchange)
    asked, used = _group_word(wanted), _group_word(None if sent is None else int(sent.group))
    earlier = [e for e in story.inits if e is not exchange and _asked(e) is not None]
    where = frames(exchange.request, exchange.response)
    evidence = [f"frame {exchange.response.first.frame} asks for it"] if exchange.response else []
    if wanted is not None and groups and wanted not in groups:
        offered = ", ".join(_group_word(g) for g in groups)
        sentence = (
            f"The responder wants key exchange method {asked}, which the initiator does not offer "
            f"(it offers {offered})"
        )
        change = (
            f"add {asked} to the initiator's proposals, or one of its groups to the responder's"
        )
    elif earlier and sent is not None and wanted == int(sent.group):
        sentence = (
            f"The responder asks for key exchange method {asked} again although the initiator "
            "sent it"
        )
        change = "the responder is at fault: look at its log"
    elif earlier:
        sentence = f"The initiator was asked for key exchange method {asked} and sent {used} again"
        change = (
            f"put {asked} first in the initiator's proposals: its retry does not heed the answer"
        )
    else:
        sentence = (
            f"The responder wants key exchange method {asked} and the initiator, which sent "
            f"{used}, does not try again with it{_so_far(story, exchange)}"
        )
        change = f"put {asked} first in the initiator's proposals"
    return Explanation(
        cause="group", sentence=sentence, evidence=tuple(evidence), change=change, frames=where
    )


def _asked(exchange: Exchange) -> int | None:
    """The group that INVALID_KE_PAYLOAD asks for."""
    for notify in facts.notifies(exchange.response, Notify.INVALID_KE_PAYLOAD):
        if len(notify.notify) == 2:
            return int.from_bytes(bytes(notify.notify), "big")
    return None


def _offered_groups(exchange: Exchange) -> list[int]:
    offered = facts.offer(exchange.request)
    return list(dict.fromkeys(t.id for p in offered for t in p.suite.of(TransformType.KE)))


def _group_word(group: int | None) -> str:
    return "?" if group is None else Transform(TransformType.KE, group).word


def _cookie(story: Story, exchange: Exchange) -> Explanation:
    returned = facts.notifies(exchange.request, Notify.COOKIE)
    where = frames(exchange.request, exchange.response)
    if returned:
        sentence = "The responder asks for a cookie again although the initiator returned one"
        change = (
            "cookies that do not verify point to two responders behind one address, or to a NAT "
            "that changes the initiator's address"
        )
    else:
        sentence = "The responder asks for a cookie and the initiator never returns it"
        sentence += _so_far(story, exchange)
        change = "the initiator has to repeat its request with the cookie first (RFC 7296 2.6)"
    evidence = (f"the cookie is in {listed(frames(exchange.response))}",)
    return Explanation(
        cause="cookie", sentence=sentence, evidence=evidence, change=change, frames=where
    )


def _so_far(story: Story, exchange: Exchange) -> str:
    """That the capture ends too soon to be sure; nothing where it goes on."""
    answered = exchange.response.first.now if exchange.response else story.end
    rest = story.end - answered
    return "" if rest >= PATIENCE else f" in the {rest:.1f} s until the capture ends"


def _redirect(exchange: Exchange) -> Explanation:
    """Another gateway is to be asked: no failure of this one (RFC 5685)."""
    return Explanation(
        cause="redirect",
        sentence="The responder sends the initiator to another gateway (REDIRECT)",
        evidence=(f"see {listed(frames(exchange.response))}",),
        frames=frames(exchange.request, exchange.response),
        works=True,
    )


def _other(story: Story, exchange: Exchange, kind: int) -> Explanation:
    label = name(Notify, kind)
    changes: dict[int, str] = {
        Notify.INVALID_MAJOR_VERSION: "the responder speaks another version of IKE only",
        Notify.INVALID_SYNTAX: "the responder could not read the request: see --format tree",
    }
    change = changes.get(kind, "look at the responder's log")
    return Explanation(
        cause=label.lower(),
        sentence=f"The responder refuses IKE_SA_INIT with {label}",
        evidence=(f"see {listed(frames(exchange.response))}",),
        change=str(change),
        frames=frames(exchange.request, exchange.response),
    )


def _words(transforms: tuple[Transform, ...]) -> str:
    return " or ".join(t.word for t in transforms) or "none"
