"""IKE_AUTH that was refused: keys, identities, certificates, methods (RFC 7296 2.15, 2.21.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ikelab.harness.crypto.certs import Certificate, CertRefused, moment, requested
from ikelab.harness.inspect import authcheck, facts
from ikelab.harness.inspect.authcheck import Proof
from ikelab.harness.inspect.session import Exchange, Half
from ikelab.harness.inspect.why.story import Explanation, Story, errors, frames, listed
from ikelab.harness.model import Identity
from ikelab.layers.iana import AuthMethod, Notify, Payload, name
from ikelab.layers.iana import Exchange as Type

SMALL = 160
"""Octets of an IKE_AUTH response that cannot hold IDr, AUTH, SA and selectors."""
SOON = 4
"""So many exchanges after IKE_AUTH the initiator has said what it thinks of the responder."""
_MACS = (AuthMethod.SHARED_KEY_MESSAGE_INTEGRITY_CODE, AuthMethod.NULL_AUTHENTICATION)


@dataclass(frozen=True, slots=True)
class _Case:
    """Who was refused, by whom, where that was said."""

    story: Story
    refused: bool  # True: the initiator was
    frame: int

    @property
    def who(self) -> str:
        return self.story.who(self.refused)

    @property
    def judge(self) -> str:
        return self.story.who(not self.refused)

    @property
    def said(self) -> str:
        return f"{self.judge} said AUTHENTICATION_FAILED (frame {self.frame})"


def refused(story: Story) -> Iterator[Explanation]:
    """One end did not believe the other."""
    case = _case(story)
    if case is None:
        yield from _unread(story)
        return
    for judge in (_method, _identity, _wanted, _key, _certificate, _eap):
        found = judge(case)
        if found is not None:
            yield found
            return
    yield _unexplained(case)


def _case(story: Story) -> _Case | None:
    for exchange in story.auths:
        for kind, frame in errors(exchange):
            if kind == Notify.AUTHENTICATION_FAILED:
                return _Case(story, True, frame)
    begun = len(story.inits) + len(story.auths)
    for exchange in story.session.exchanges[: begun + SOON]:
        if exchange.type != Type.INFORMATIONAL or exchange.request is None:
            continue
        # RFC 7296 2.21.2: the initiator tells in an exchange of its own.
        if facts.notifies(exchange.request, Notify.AUTHENTICATION_FAILED):
            return _Case(story, not exchange.by_initiator, exchange.request.first.frame)
    return None


def _proof(case: _Case) -> Proof | None:
    return next((p for p in case.story.proofs if p.by_initiator == case.refused), None)


def _method(case: _Case) -> Explanation | None:
    """The judge's configuration wants another way of authentication."""
    proof, side = _proof(case), case.story.side(not case.refused)
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


def _identity(case: _Case) -> Explanation | None:
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


def _wanted(case: _Case) -> Explanation | None:
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


def _id_frames(case: _Case) -> tuple[int, ...]:
    kind = Payload.IDI if case.refused else Payload.IDR
    for exchange in case.story.auths:
        half = exchange.request if case.refused else exchange.response
        if facts.first(half, kind) is not None:
            return frames(half)
    return ()


def _key(case: _Case) -> Explanation | None:
    """A shared key that the two ends do not share."""
    proof = _proof(case)
    if proof is None or proof.method not in _MACS:
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


def _certificate(case: _Case) -> Explanation | None:
    """What is wrong with the certificates of who was refused."""
    proof = _proof(case)
    if proof is None or proof.method in _MACS:
        return None
    sent = _carrying(case)
    found = [c for half in sent for c in authcheck.certificates(half)]
    if not found:
        return _unmet(case, proof)
    at = sent[0].first.step.now
    where = (*frames(*sent), case.frame)
    for certificate in found:
        try:
            certificate.check_validity(moment(at))
        except CertRefused as wrong:
            return Explanation(
                cause="certificate-time",
                sentence=f"The certificate of {case.who} has not the right time: {wrong}",
                evidence=(f"it is in {listed(frames(*sent))}", case.said),
                change="renew it, or set the clock of the end that judges it",
                frames=where,
            )
    return _judged(case, proof, found, where)


def _judged(
    case: _Case, proof: Proof, found: list[Certificate], where: tuple[int, ...]
) -> Explanation:
    leaf = found[0]
    said = (f"the certificate is in {listed(where[:-1])}", case.said)
    if proof.verified is False:
        return Explanation(
            cause="signature",
            sentence=f"The signature of {case.who} does not verify: {proof.reason}",
            evidence=said,
            change="give it the private key that belongs to its certificate",
            frames=where,
        )
    stranger = _stranger(case, leaf)
    if stranger:
        return Explanation(
            cause="identity",
            sentence=f"The certificate of {case.who} does not hold its identity: {stranger}",
            evidence=said,
            change="make the ID one of the certificate's names, or the other way round",
            frames=where,
        )
    top = found[-1]
    if _foreign(case, found):
        return Explanation(
            cause="authority",
            sentence=f"{case.judge.capitalize()} asks for certificates of other CAs than "
            f"{top.issuer}, which issued {top.name}",
            evidence=said,
            change=f"let it trust {top.issuer}, or give {case.who} a certificate that it trusts",
            frames=where,
        )
    return Explanation(
        cause="certificate",
        sentence=f"{case.judge.capitalize()} does not accept the certificate {leaf.name} of "
        f"{case.who}, issued by {leaf.issuer}: an unknown CA, a revocation, or another identity "
        "than it expects",
        evidence=said,
        change="look at its log; check its CA certificates, CRLs and the identity it expects",
        frames=where,
        certain=False,
    )


def _carrying(case: _Case) -> list[Half]:
    """The messages in which who was refused sent certificates."""
    halves = [e.request if case.refused else e.response for e in case.story.auths]
    return [h for h in halves if h is not None and facts.first(h, Payload.CERT) is not None]


def _asked(case: _Case) -> list[Half]:
    """The messages in which the judge asked for certificates."""
    both = [*case.story.inits, *case.story.auths]
    halves = [e.response if case.refused else e.request for e in both]
    return [h for h in halves if h is not None and facts.first(h, Payload.CERTREQ) is not None]


def _unmet(case: _Case, proof: Proof) -> Explanation:
    """A signature came without a certificate."""
    asked = _asked(case)
    if asked:
        return Explanation(
            cause="certificate-request",
            sentence=f"{case.judge.capitalize()} asks for a certificate and {case.who} signs "
            "without sending one",
            evidence=(
                f"CERTREQ is in {listed(frames(*asked))}, AUTH without CERT in frame {proof.frame}",
                case.said,
            ),
            change=f"let {case.who} send its certificate (send_cert = always, leftsendcert=always)",
            frames=(*frames(*asked), proof.frame, case.frame),
        )
    return Explanation(
        cause="certificate-request",
        sentence=f"{case.judge.capitalize()} never asks for a certificate (no CERTREQ), so "
        f"{case.who} signs without sending one",
        evidence=(f"AUTH without CERT is in frame {proof.frame}", case.said),
        change=f"let {case.judge} ask (send_certreq = yes, a CA certificate that it has), or "
        f"{case.who} send its certificate always (send_cert = always, leftsendcert=always)",
        frames=(proof.frame, case.frame),
    )


def _stranger(case: _Case, leaf: Certificate) -> str:
    """Why the certificate does not hold the ID that was sent; empty where it does."""
    from ikelab.harness.crypto import identities

    end = facts.ends(case.story.session)[0 if case.refused else 1]
    if end.id is None:
        return ""
    try:
        identities.check(leaf, end.id.type, end.id.data)
    except CertRefused as wrong:
        return str(wrong)
    return ""


def _foreign(case: _Case, found: list[Certificate]) -> bool:
    """Whether CERTREQ names CAs, and a CA that was sent along is none of them."""
    wanted: set[bytes] = set()
    for half in _asked(case):
        for payload in facts.of_kind(half, Payload.CERTREQ):
            try:
                wanted |= set(requested(bytes(payload.cert_authority)))
            except CertRefused:
                return False
    roots = [c for c in found if c.self_issued]
    try:
        return bool(wanted and roots) and not any(c.key_hash in wanted for c in found)
    except CertRefused:
        return False


def _eap(case: _Case) -> Explanation | None:
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


def _unexplained(case: _Case) -> Explanation:
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
    end = exchange.response.first.step.now if exchange.response else 0.0
    return any(
        e.request is not None and e.request.first.step.now > end and e.type != Type.INFORMATIONAL
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
