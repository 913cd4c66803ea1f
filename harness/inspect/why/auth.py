"""IKE_AUTH that was refused: keys, identities, certificates, methods (RFC 7296 2.15, 2.21.2)."""

from __future__ import annotations

from collections.abc import Iterator

from ikelab.harness.inspect import facts
from ikelab.harness.inspect.session import Exchange
from ikelab.harness.inspect.why.case import MACS, Case, proof_of
from ikelab.harness.inspect.why.story import Explanation, Story, errors, frames, listed
from ikelab.harness.model import Identity
from ikelab.layers.iana import AuthMethod, Notify, Payload, name
from ikelab.layers.iana import Exchange as Type

SMALL = 160
"""Octets of an IKE_AUTH response that cannot hold IDr, AUTH, SA and selectors."""
SOON = 4
"""So many exchanges after IKE_AUTH the initiator has said what it thinks of the responder."""


def refused(story: Story) -> Iterator[Explanation]:
    """One end did not believe the other."""
    case = _case(story)
    if case is None:
        yield from _unread(story)
        return
    from ikelab.harness.inspect.why.certificates import certificate

    for judge in (_method, _identity, _wanted, _key, certificate, _eap):
        found = judge(case)
        if found is not None:
            yield found
            return
    yield _unexplained(case)


def _case(story: Story) -> Case | None:
    for exchange in story.auths:
        for kind, frame in errors(exchange):
            if kind == Notify.AUTHENTICATION_FAILED:
                return Case(story, True, frame)
    begun = len(story.inits) + len(story.auths)
    for exchange in story.session.exchanges[: begun + SOON]:
        if exchange.type != Type.INFORMATIONAL or exchange.request is None:
            continue
        # RFC 7296 2.21.2: the initiator tells in an exchange of its own.
        if facts.notifies(exchange.request, Notify.AUTHENTICATION_FAILED):
            return Case(story, not exchange.by_initiator, exchange.request.first.frame)
    return None


def _method(case: Case) -> Explanation | None:
    """The judge's configuration wants another way of authentication."""
    proof, side = proof_of(case), case.story.side(not case.refused)
    if proof is None or side is None or not side.remote_auth:
        return None
    used = _way(proof.method)
    if used == side.remote_auth:
        return None
    return Explanation(
        cause="method",
        sentence=f"{case.who.capitalize()} authenticates with {name(AuthMethod, proof.method)}, "
        f"but {case.judge} wants {side.remote_auth}",
        evidence=(f"AUTH is in frame {proof.frame}", case.said, f"from {side.source}"),
        change="give both ends the same authentication for this direction",
        frames=(proof.frame, case.frame),
    )


def _way(method: int) -> str:
    if method == AuthMethod.SHARED_KEY_MESSAGE_INTEGRITY_CODE:
        return "psk"
    return "null" if method == AuthMethod.NULL_AUTHENTICATION else "pubkey"


def _identity(case: Case) -> Explanation | None:
    """The judge's configuration names somebody else."""
    story = case.story
    side = story.side(not case.refused)
    end = facts.ends(story.session)[0 if case.refused else 1]
    if side is None or not side.remote_id or end.id is None:
        return None
    if same_identity(end.id, side.remote_id):
        return None
    return Explanation(
        cause="identity",
        sentence=f"{case.who.capitalize()} calls itself {end.id} ({name_of(end.id)}), but "
        f"{case.judge} expects {side.remote_id}",
        evidence=(f"the ID is in {listed(_id_frames(case))}", case.said, f"from {side.source}"),
        change=f"set one of the two: its own identity to {side.remote_id}, or what the other end "
        f"expects to {end.id}",
        frames=(*_id_frames(case), case.frame),
    )


def _wanted(case: Case) -> Explanation | None:
    """The initiator asks for a responder that is not called so."""
    story = case.story
    side = story.side(False)
    opening = next((e for e in story.auths if e.request), None)
    if not case.refused or opening is None:
        return None
    asked = facts.first(opening.request, Payload.IDR)
    if asked is None or side is None or not side.local_id:
        return None
    wanted = Identity(asked.IDtype, bytes(asked.ID))
    if same_identity(wanted, side.local_id):
        return None
    return Explanation(
        cause="identity",
        sentence=f"The initiator asks for a responder called {wanted} (IDr), but the responder is "
        f"called {side.local_id}",
        evidence=(f"IDr is in {listed(frames(opening.request))}", case.said, f"from {side.source}"),
        change=f"let the initiator expect {side.local_id}, or rename the responder",
        frames=(*frames(opening.request), case.frame),
    )


def _id_frames(case: Case) -> tuple[int, ...]:
    kind = Payload.IDI if case.refused else Payload.IDR
    for exchange in case.story.auths:
        half = exchange.request if case.refused else exchange.response
        if facts.first(half, kind) is not None:
            return frames(half)
    return ()


def _key(case: Case) -> Explanation | None:
    """A shared key that the two ends do not share."""
    proof = proof_of(case)
    if proof is None or proof.method not in MACS:
        return None
    end = facts.ends(case.story.session)[0 if case.refused else 1]
    where = (proof.frame, case.frame)
    if proof.verified is False:
        return Explanation(
            cause="psk",
            sentence=f"The shared keys differ: the AUTH of {case.who} was not made with the key "
            "that was given",
            evidence=(f"AUTH is in frame {proof.frame}", case.said),
            change=f"give both ends the same pre-shared key for {end.id}",
            frames=where,
        )
    ours, theirs = (case.story.side(s) for s in (case.refused, not case.refused))
    keys = [set(s.psks) for s in (ours, theirs) if s and s.psks]
    if len(keys) == 2 and not keys[0] & keys[1]:
        return Explanation(
            cause="psk",
            sentence=f"The shared keys differ: {case.who} and {case.judge} are configured with "
            "different ones",
            evidence=(f"AUTH is in frame {proof.frame}", case.said),
            change=f"give both ends the same pre-shared key for {end.id}",
            frames=where,
        )
    if proof.verified:
        return Explanation(
            cause="identity",
            sentence=f"{case.judge.capitalize()} does not accept {end.id} although its AUTH was "
            "made with the key that was given: it has another key for that identity, or does not "
            "expect it",
            evidence=(f"AUTH is in frame {proof.frame}", case.said),
            change=f"let {case.judge} expect {end.id}, with this key",
            frames=where,
        )
    return Explanation(
        cause="psk",
        sentence=f"{case.judge.capitalize()} does not believe {end.id}: the shared keys differ, or "
        "it expects another identity",
        evidence=(f"AUTH with a shared key is in frame {proof.frame}", case.said),
        change="compare the keys and the identities (--psk or --config tells which of them)",
        frames=where,
        certain=False,
    )


def _eap(case: Case) -> Explanation | None:
    for exchange in case.story.auths:
        for half in exchange.halves():
            payload = facts.first(half, Payload.EAP)
            if payload is not None and int(payload.code) == 4:
                return Explanation(
                    cause="eap",
                    sentence=f"EAP ended in Failure: {case.judge} does not take the password or "
                    f"the method of {case.who}",
                    evidence=(f"EAP Failure is in {listed(frames(half))}", case.said),
                    change="check user name, password and the EAP methods that both ends have",
                    frames=(*frames(half), case.frame),
                )
    return None


def _unexplained(case: Case) -> Explanation:
    end = facts.ends(case.story.session)[0 if case.refused else 1]
    blind = not any(h.inner() for e in case.story.auths for h in e.halves() if h.first.sealed)
    return Explanation(
        cause="authentication",
        sentence=f"{case.judge.capitalize()} does not accept {end.id or case.who}",
        evidence=(case.said,),
        change="give the keys with --keys to see inside IKE_AUTH" if blind else "look at its log",
        frames=(case.frame,),
        certain=False,
    )


def _unread(story: Story) -> Iterator[Explanation]:
    """An answer to IKE_AUTH that nobody can open, and that is too short to be a yes."""
    answered = [e for e in story.auths if e.response is not None]
    if not answered or story.established is not None or len(story.auths) > 1:
        return
    exchange: Exchange = answered[-1]
    response = exchange.response
    if response is None or response.fragmented or response.plain is not None:
        return
    message = response.first
    if message.sealed is None or len(message.data) >= SMALL or _later(story, exchange):
        return
    where = frames(exchange.request, response)
    yield Explanation(
        cause="unread-refusal",
        sentence=f"IKE_AUTH is refused with an encrypted message of {len(message.data)} octets, "
        "too short to be a yes; which error it is cannot be read without keys",
        evidence=(f"see {listed(where)}", f"not opened: {message.refusal}"),
        change="give the keys (--keys), or look into the log of the responder",
        frames=where,
        certain=False,
    )


def _later(story: Story, exchange: Exchange) -> bool:
    """Whether the conversation goes on, as it does not after a refusal."""
    end = exchange.response.first.now if exchange.response else 0.0
    return any(
        e.request is not None and e.request.first.now > end and e.type != Type.INFORMATIONAL
        for e in story.session.exchanges
    )


def same_identity(identity: Identity, text: str) -> bool:
    """Whether a configuration's words for an identity mean this one."""
    words = text.strip().strip('"')
    for prefix in ("fqdn:", "rfc822:", "email:", "userfqdn:", "keyid:", "ipv4:", "ipv6:", "@"):
        if words.lower().startswith(prefix):
            words = words[len(prefix) :]
            break
    if words.startswith("#"):
        return identity.data.hex() == words[1:].lower()
    if words.lower() == str(identity).lower():
        return True
    if "=" in words and identity.type in (9, 10):  # a distinguished name: compared by its values
        return _same_name(identity.data, words)
    if "*" in words:
        from fnmatch import fnmatchcase

        return fnmatchcase(str(identity).lower(), words.lower())
    return words.encode() == identity.data


def _same_name(der: bytes, words: str) -> bool:
    """Whether the values of a distinguished name as text all stand in the DER."""
    values = [part.partition("=")[2].strip() for part in words.replace("/", ",").split(",") if part]
    return all(v.encode() in der for v in values if v)


def name_of(identity: Identity) -> str:
    """The type of an identity."""
    from ikelab.layers.iana import IdType

    return name(IdType, identity.type)
