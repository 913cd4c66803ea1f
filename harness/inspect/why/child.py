"""CHILD_SAs that were refused, and those whose first rekey will be (RFC 7296 1.3, 2.9, 2.17)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ikelab.harness.exchange.negotiate import match, narrow
from ikelab.harness.inspect import facts, offers
from ikelab.harness.inspect.configs.side import Side
from ikelab.harness.inspect.facts import Proposal
from ikelab.harness.inspect.session import Exchange, Half
from ikelab.harness.inspect.why.story import (
    Explanation,
    Story,
    called,
    errors,
    frames,
    listed,
)
from ikelab.harness.model import TS, Suite
from ikelab.layers.iana import Exchange as Type
from ikelab.layers.iana import Notify, Payload, Protocol, TransformType, name

_HARMLESS = {
    Notify.TEMPORARY_FAILURE,
    Notify.CHILD_SA_NOT_FOUND,
    Notify.NO_ADDITIONAL_SAS,
}
"""What collisions and limits are answered with: asked again later, it works."""
_CHANGES: dict[int, str] = {
    Notify.FAILED_CP_REQUIRED: "the responder gives children only to who asks for an address: let "
    "the initiator request one",
    Notify.INTERNAL_ADDRESS_FAILURE: "the responder has no address to give: look at its pool",
    Notify.SINGLE_PAIR_REQUIRED: "the responder takes one pair of addresses only: narrow the "
    "selectors",
    Notify.NO_ADDITIONAL_SAS: "the responder takes no further child in this IKE SA",
    Notify.INVALID_SYNTAX: "the responder could not read the request: see --format tree",
}


def refused(story: Story) -> Iterator[Explanation]:
    """The peer proved itself, and refused a child."""
    for exchange in story.session.of_type(Type.IKE_AUTH, Type.CREATE_CHILD_SA):
        if facts.offer(exchange.response):
            continue  # it was accepted, whatever else was said
        found = [(k, f) for k, f in errors(exchange) if k != Notify.AUTHENTICATION_FAILED]
        for kind, frame in found:
            if (made := _one(story, exchange, kind, frame)) is not None:
                yield made
                return


def _one(story: Story, exchange: Exchange, kind: int, frame: int) -> Explanation | None:
    first = exchange.type == Type.IKE_AUTH
    if kind == Notify.TS_UNACCEPTABLE:
        return _selectors(story, exchange)
    if kind == Notify.NO_PROPOSAL_CHOSEN:
        return _child_proposal(story, exchange) if first else _create(story, exchange)
    if kind == Notify.INVALID_KE_PAYLOAD:
        return None if _retried(story, exchange) else _pfs(story, exchange, frame)
    if kind in _HARMLESS and not first:
        return None
    label = name(Notify, kind)
    where = frames(exchange.request, exchange.response)
    return Explanation(
        cause=label.lower(),
        sentence=f"{called(exchange)} is refused with {label}",
        evidence=(f"see {listed(where)}",),
        change=_CHANGES.get(kind, "look at the log of the end that refuses"),
        frames=where,
    )


def _retried(story: Story, exchange: Exchange) -> bool:
    """Whether the same was asked again with success."""
    later = story.session.exchanges[story.session.exchanges.index(exchange) + 1 :]
    return any(e.type == Type.CREATE_CHILD_SA and facts.offer(e.response) for e in later)


def _opening(story: Story, exchange: Exchange) -> Half | None:
    """The request that holds SA and selectors: with EAP it is rounds before the answer."""
    if facts.first(exchange.request, Payload.SA) is not None:
        return exchange.request
    halves = [e.request for e in story.auths]
    return next((h for h in halves if facts.first(h, Payload.SA) is not None), exchange.request)


def _child_proposal(story: Story, exchange: Exchange) -> Explanation:
    request = _opening(story, exchange)
    offered = facts.offer(request)
    where = frames(request, exchange.response)
    theirs = story.side(not exchange.by_initiator)
    # IKE_AUTH has no place for a group, so a group can be no reason there (RFC 7296 1.2).
    wanted = [s.without(TransformType.KE) for s in theirs.esp] if theirs else []
    near = offers.nearest(offered, wanted)
    said = f"the answer is NO_PROPOSAL_CHOSEN ({listed(frames(exchange.response))})"
    if theirs and near is not None and near.differences:
        change = "; ".join(
            f"offer {_words(d.wanted)} for {d.label} of ESP, or accept {_words(d.offered)}"
            for d in near.differences
        )
        return Explanation(
            cause="child-proposal",
            sentence=f"The IKE SA is up, but no child proposal fits: {offers.describe(near)}",
            evidence=(said, f"what would be taken is from {theirs.source}"),
            change=change,
            frames=where,
        )
    rows = " | ".join(f"{p.number}: {p.suite}" for p in offered)
    return Explanation(
        cause="child-proposal",
        sentence=f"The IKE SA is up, but {story.who(not exchange.by_initiator)} takes none of the "
        f"child proposals offered: {rows}",
        evidence=(said,),
        change="compare the ESP proposals of both ends (--config FILE names the transform that "
        "differs)",
        frames=where,
    )


def _create(story: Story, exchange: Exchange) -> Explanation | None:
    """NO_PROPOSAL_CHOSEN in CREATE_CHILD_SA: by experience a matter of PFS."""
    offered = facts.offer(exchange.request)
    if not offered:
        return None
    if offered[0].suite.protocol == Protocol.IKE:
        return _ike_rekey(story, exchange, offered)
    earlier = [c.chosen.without(TransformType.KE).keyed() for c in story.children]
    accepted = [
        p for p in offered
        if any(match(p.suite.without(TransformType.KE), c) is not None for c in earlier)
    ]  # fmt: skip
    if accepted and _kinds_differ(story, accepted):
        return _pfs(story, exchange, frames(exchange.response)[0])
    return _child_proposal(story, exchange)


def _kinds_differ(story: Story, offered: Sequence[Proposal]) -> bool:
    """Whether the group is what is new since the suite was accepted in IKE_AUTH."""
    before = {c.chosen.keyed() for c in story.children}
    return not any(p.suite.keyed() in before and p.suite.ke is not None for p in offered)


def _pfs(story: Story, exchange: Exchange, frame: int) -> Explanation:
    """The groups of the two ends for children differ: seen for the first time at a rekey."""
    offered = facts.offer(exchange.request)
    groups = list(dict.fromkeys(t.word for p in offered for t in p.suite.of(TransformType.KE)))
    where = frames(exchange.request, exchange.response)
    what = "The rekey of the child" if _rekeys(exchange) else "A further child"
    refuser = story.who(not exchange.by_initiator)
    asked = facts.notifies(exchange.response, Notify.INVALID_KE_PAYLOAD)
    if asked and len(asked[0].notify) == 2:
        wanted = _group(int.from_bytes(bytes(asked[0].notify), "big"))
        detail = f"it comes with {' or '.join(groups) or 'no group'} and {refuser} wants {wanted}"
    elif groups:
        detail = f"it comes with {' or '.join(groups)}, which {refuser} does not take for children"
    else:
        detail = f"it comes without a group and {refuser} insists on one"
    theirs = story.side(not exchange.by_initiator)
    evidence = [f"the refusal is in frame {frame}", _first_child(story)]
    if theirs and theirs.esp:
        evidence.append(f"{theirs.source} has {_pfs_words(theirs.esp)} for children")
    return Explanation(
        cause="pfs",
        sentence=f"{what} breaks on PFS: {detail}",
        evidence=tuple(e for e in evidence if e),
        change="give both ends the same group in their ESP proposals, or none at both",
        frames=where,
    )


def _first_child(story: Story) -> str:
    if not story.children:
        return ""
    frame = story.children[0].frame
    return f"the first child (frame {frame}) was made in IKE_AUTH, where groups play no part"


def _rekeys(exchange: Exchange) -> bool:
    return bool(facts.notifies(exchange.request, Notify.REKEY_SA))


def _group(number: int) -> str:
    from ikelab.harness.model import Transform

    return Transform(TransformType.KE, number).word


def _ike_rekey(story: Story, exchange: Exchange, offered: tuple[Proposal, ...]) -> Explanation:
    where = frames(exchange.request, exchange.response)
    theirs = story.side(not exchange.by_initiator)
    near = offers.nearest(offered, theirs.ike) if theirs else None
    detail = f": {offers.describe(near)}" if near and near.differences else ""
    return Explanation(
        cause="ike-rekey",
        sentence=f"The rekey of the IKE SA is refused{detail}",
        evidence=(f"see {listed(where)}",),
        change="offer the suite that the IKE SA was made with again",
        frames=where,
    )


def _selectors(story: Story, exchange: Exchange) -> Explanation:
    request = _opening(story, exchange)
    side = exchange.by_initiator
    tsi, tsr = (_ranges(request, kind) for kind in (Payload.TSI, Payload.TSR))
    where = frames(request, exchange.response)
    said = f"the answer is TS_UNACCEPTABLE ({listed(frames(exchange.response))})"
    theirs = story.side(not side)
    parts = _disjoint(tsi, tsr, theirs) if theirs else []
    if theirs and parts:
        return Explanation(
            cause="selectors",
            sentence="The traffic selectors have nothing in common: "
            + "; ".join(p for p, _ in parts),
            evidence=(said, f"what would be taken is from {theirs.source}"),
            change="; ".join(c for _, c in parts),
            frames=where,
        )
    return Explanation(
        cause="selectors",
        sentence=f"{story.who(not side).capitalize()} takes none of the traffic selectors offered: "
        f"TSi {_shown(tsi)}, TSr {_shown(tsr)}",
        evidence=(said,),
        change="compare local and remote networks of both ends: each has to be the other's mirror "
        "image (--config FILE shows what they have in common)",
        frames=where,
    )


def _disjoint(tsi: Sequence[TS], tsr: Sequence[TS], theirs: Side) -> list[tuple[str, str]]:
    """(what does not meet, what to change) for each direction without intersection."""
    found = []
    for label, offered, policy, what in (
        ("TSi", tsi, theirs.remote_ts, "remote"),
        ("TSr", tsr, theirs.local_ts, "local"),
    ):
        if policy and offered and not narrow(offered, policy):
            found.append(
                (
                    f"{label} offers {_shown(offered)}, the other end has {_shown(policy)} as its "
                    f"{what} network",
                    f"make {what} networks of the one and {_other(what)} networks of the other "
                    f"overlap: {_shown(offered)} against {_shown(policy)}",
                )
            )
    return found


def _other(what: str) -> str:
    return "local" if what == "remote" else "remote"


def _ranges(half: Half | None, kind: int) -> list[TS]:
    return [ts for ts in facts.selectors(half, kind) if not isinstance(ts, str)]


def _shown(found: Sequence[TS]) -> str:
    return ", ".join(_network(ts) for ts in found) or "nothing"


def _network(ts: TS) -> str:
    """A selector as people write it: a network where it is one."""
    size = int(ts.end) - int(ts.start) + 1
    text = f"{ts.start}-{ts.end}"
    if size > 0 and size & (size - 1) == 0 and int(ts.start) % size == 0:
        text = f"{ts.start}/{ts.start.max_prefixlen - size.bit_length() + 1}"
    ports = "" if (ts.start_port, ts.end_port) == (0, 65535) else f"/{ts.start_port}-{ts.end_port}"
    return f"{text}[{ts.protocol}{ports}]" if ts.protocol or ports else text


def will_break(story: Story) -> Iterator[Explanation]:
    """Both configurations are known, the child is up, and its rekey is bound to fail."""
    ours, theirs = story.side(True), story.side(False)
    if not ours or not theirs or not ours.esp or not theirs.esp or not story.children:
        return
    done = any(c.replaces for c in story.children)
    if done or _meet(ours.esp, theirs.esp):
        return
    bare = ([s.without(TransformType.KE) for s in side.esp] for side in (ours, theirs))
    if not _meet(*bare):
        return
    frame = story.children[0].frame
    yield Explanation(
        cause="pfs",
        sentence="It works now and will break on PFS at the first rekey of the child: the "
        f"initiator has {_pfs_words(ours.esp)} for children and the responder "
        f"{_pfs_words(theirs.esp)}",
        evidence=(
            f"the child (frame {frame}) was made in IKE_AUTH, where groups play no part",
            f"from {ours.source} and {theirs.source}",
        ),
        change="give both ends the same group in their ESP proposals, or none at both",
        frames=(frame,),
    )


def _meet(ours: Sequence[Suite], theirs: Sequence[Suite]) -> bool:
    """Whether any pair would be agreed on in CREATE_CHILD_SA."""
    return any(match(a, b) is not None for a in ours for b in theirs)


def _pfs_words(suites: Sequence[Suite]) -> str:
    words = list(dict.fromkeys(t.word for s in suites for t in s.of(TransformType.KE)))
    free = any(s.ke is None for s in suites)
    if not words:
        return "no group"
    return " or ".join([*words, *(["no group"] if free else [])])


def _words(transforms: Sequence[object]) -> str:
    return " or ".join(map(str, transforms)) or "none"
