"""What is wrong with the certificates of an end that was refused (RFC 7296 3.6, 3.7)."""

from __future__ import annotations

from ikelab.harness.crypto.certs import Certificate, CertRefused, moment, requested
from ikelab.harness.inspect import authcheck, facts
from ikelab.harness.inspect.authcheck import Proof
from ikelab.harness.inspect.session import Half
from ikelab.harness.inspect.why.case import MACS, Case, proof_of
from ikelab.harness.inspect.why.story import Explanation, frames, listed
from ikelab.layers.iana import Payload


def certificate(case: Case) -> Explanation | None:
    """What is wrong with the certificates of who was refused."""
    proof = proof_of(case)
    if proof is None or proof.method in MACS:
        return None
    sent = _carrying(case)
    found = [c for half in sent for c in authcheck.certificates(half)]
    if not found:
        return _unmet(case, proof)
    at = sent[0].first.now
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
    case: Case, proof: Proof, found: list[Certificate], where: tuple[int, ...]
) -> Explanation:
    leaf = found[0]
    said = (f"the certificate is in {listed(where[:-1])}", case.said)
    if proof.verified is False:
        return Explanation(
            cause="signature",
            sentence=f"The signature of {case.who} does not verify {proof.reason}",
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


def _carrying(case: Case) -> list[Half]:
    """The messages in which who was refused sent certificates."""
    halves = [e.request if case.refused else e.response for e in case.story.auths]
    return [h for h in halves if h is not None and facts.first(h, Payload.CERT) is not None]


def _asked(case: Case) -> list[Half]:
    """The messages in which the judge asked for certificates."""
    both = [*case.story.inits, *case.story.auths]
    halves = [e.response if case.refused else e.request for e in both]
    return [h for h in halves if h is not None and facts.first(h, Payload.CERTREQ) is not None]


def _unmet(case: Case, proof: Proof) -> Explanation:
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


def _stranger(case: Case, leaf: Certificate) -> str:
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


def _foreign(case: Case, found: list[Certificate]) -> bool:
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
