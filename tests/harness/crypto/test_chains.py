"""Chains of certificates: validity, constraints, usages, CRLs."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from ikelab.harness.crypto import chains, issue
from ikelab.harness.crypto.certs import (
    Certificate,
    CertRefused,
    Crl,
    Reason,
)
from ikelab.harness.crypto.sign import load_private_key
from ikelab.harness.entropy import entropy
from tests.harness.crypto.authority import BEGIN, CA, END, IKE, NOW, Authority, refusal


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("root")


# -- chains ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", issue.KINDS[:1] + issue.KINDS[3:])
def test_an_end_entity_of_every_kind_of_key(root, kind):
    leaf = root.issue(kind=kind)
    assert chains.check(leaf, [], [root.certificate], NOW) == (leaf, root.certificate)


@pytest.mark.parametrize("kind", ["rsa2048", "p384", "p521", "ed25519", "ed448"])
def test_a_ca_of_every_kind_of_key(kind):
    key = issue.new_key(kind, entropy(3, kind))
    wanted = issue.Wanted("root", BEGIN, END, ca=True, usage=CA)
    ca = issue.issue(wanted, key)
    leaf = issue.issue(issue.Wanted("gw", BEGIN, END), issue.new_key("p256"), ca, key)
    assert chains.check(leaf, [], [ca], NOW)[-1] == ca
    revoked = Crl.load(issue.revoke(ca, key, [leaf], BEGIN, END))
    assert refusal(leaf, [], [ca], NOW, crls=[revoked]) is Reason.REVOKED


def test_intermediates_in_any_order_among_strangers(root):
    first = Authority("one", root)
    second = Authority("two", first)
    third = Authority("three", second)
    leaf = third.issue()
    stranger = Authority("stranger")
    heap = [a.certificate for a in (first, second, third, stranger)]
    for order in permutations(heap):
        path = chains.check(leaf, order, [root.certificate], NOW)
        assert [c.name.split(",")[0] for c in path] == [
            "CN=gw", "CN=three", "CN=two", "CN=one", "CN=root"
        ]  # fmt: skip


def test_an_anchor_need_not_be_a_root(root):
    middle = Authority("middle", root)
    leaf = middle.issue()
    assert chains.check(leaf, [], [middle.certificate], NOW) == (leaf, middle.certificate)
    assert chains.check(leaf, [], [leaf], NOW) == (leaf,)


def test_a_root_that_the_peer_sent_is_no_anchor(root):
    leaf = root.issue()
    stranger = Authority("other").certificate
    assert refusal(leaf, [root.certificate], [stranger], NOW) is Reason.UNKNOWN_CA
    assert refusal(leaf, [root.certificate], [], NOW) is Reason.UNKNOWN_CA


def test_a_name_without_the_key_is_a_bad_signature(root):
    """Somebody else's CA of the same name did not sign it."""
    twin = Authority("root", usage=CA, bulk=3)
    leaf = Authority("root").issue()
    forged = issue.issue(
        issue.Wanted("gw", BEGIN, END),
        issue.new_key("p256"),
        twin.certificate,
        issue.new_key("p256"),
    )
    assert chains.check(leaf, [], [root.certificate], NOW)
    assert refusal(forged, [], [root.certificate], NOW) is Reason.BAD_SIGNATURE


def test_another_path_is_taken_where_the_first_does_not_hold(root):
    """Two CA certificates of one name and key: the expired one does not spoil the other."""
    good = Authority("middle", root)
    old = issue.issue(
        issue.Wanted("middle", BEGIN, BEGIN + 1, ca=True, usage=CA),
        good.key,
        root.certificate,
        root.key,
    )
    leaf = good.issue()
    for heap in ([old, good.certificate], [good.certificate, old]):
        assert good.certificate in chains.check(leaf, heap, [root.certificate], NOW)
    assert refusal(leaf, [old], [root.certificate], NOW) is Reason.EXPIRED


def test_cas_that_sign_each_other_end(root):
    """A loop of cross-certificates is no way to an anchor and no endless one."""
    a, b = Authority("a"), Authority("b")
    wanted = issue.Wanted("a", BEGIN, END, ca=True, usage=CA)
    a_by_b = issue.issue(wanted, a.key, b.certificate, b.key)
    b_by_a = issue.issue(replace(wanted, common_name="b"), b.key, a.certificate, a.key)
    leaf = a.issue()
    assert refusal(leaf, [a_by_b, b_by_a], [root.certificate], NOW) is Reason.UNKNOWN_CA


def test_a_hostile_heap_costs_a_bounded_number_of_signatures(root, monkeypatch):
    """Many certificates of one name: each could be the issuer of each."""
    key = issue.new_key("p256", entropy(4))
    heap = [
        issue.issue(issue.Wanted("same", BEGIN, END, ca=True, usage=CA, bulk=n), key)
        for n in range(1, 60)
    ]
    leaf = issue.issue(issue.Wanted("gw", BEGIN, END), key, heap[0], key)
    counted = []
    checked = Certificate.signed_by

    def signed_by(self, issuer):
        counted.append(issuer)
        return checked(self, issuer)

    monkeypatch.setattr(Certificate, "signed_by", signed_by)
    assert refusal(leaf, heap, [root.certificate], NOW) is Reason.UNKNOWN_CA
    assert len(counted) < 3000


# -- what a path has to hold ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "reason"),
    [(BEGIN - 1, Reason.NOT_YET_VALID), (BEGIN, None), (END, None), (END + 1, Reason.EXPIRED)],
)
def test_validity_at_its_ends(root, at, reason):
    leaf = root.issue()
    if reason is None:
        assert chains.check(leaf, [], [root.certificate], at)
    else:
        assert refusal(leaf, [], [root.certificate], at) is reason


def test_validity_of_a_ca_counts_too(root):
    old = Authority("old", root, end=NOW - 1)
    assert refusal(old.issue(), [old.certificate], [root.certificate], NOW) is Reason.EXPIRED


@pytest.mark.parametrize("at", [float("inf"), 1e30, float("nan")])
def test_a_time_that_is_none(root, at):
    with pytest.raises(CertRefused):
        chains.check(root.issue(), [], [root.certificate], at)


@pytest.mark.parametrize(("limit", "below", "holds"), [(0, 0, True), (0, 1, False), (1, 1, True),
                                                       (1, 2, False), (None, 5, True)])  # fmt: skip
def test_path_length_counts_the_cas_below(root, limit, below, holds):
    """RFC 5280 4.2.1.9."""
    made = [Authority("limited", root, path_length=limit)]
    for number in range(below):
        made.append(Authority(f"ca {number}", made[-1]))
    leaf, heap = made[-1].issue(), [a.certificate for a in made]
    if holds:
        assert chains.check(leaf, heap, [root.certificate], NOW)
    else:
        assert refusal(leaf, heap, [root.certificate], NOW) is Reason.PATH_LENGTH


def test_self_issued_cas_do_not_count(root):
    """RFC 5280 6.1.4 (l): a CA that renews its own key keeps its depth."""
    old = Authority("limited", root, path_length=0)
    fresh = Authority("fresh key")
    renewed = issue.issue(
        issue.Wanted("limited", BEGIN, END, ca=True, usage=CA), fresh.key, old.certificate, old.key
    )
    leaf = issue.issue(issue.Wanted("gw", BEGIN, END), issue.new_key("p256"), renewed, fresh.key)
    assert chains.check(leaf, [renewed, old.certificate], [root.certificate], NOW)


@pytest.mark.parametrize("options", [{"ca": False}, {"usage": ("cRLSign",)}])
def test_who_is_no_ca_issues_nothing(root, options):
    """RFC 5280 6.1.4 (k), (n)."""
    between = Authority("between", root, **options)
    leaf = between.issue()
    assert refusal(leaf, [between.certificate], [root.certificate], NOW) is Reason.NOT_A_CA


@pytest.mark.parametrize(
    ("usage", "holds"),
    [
        ((), True),
        (("digitalSignature",), True),
        (("nonRepudiation", "keyEncipherment"), True),
        (("keyEncipherment",), False),
        (CA, False),
    ],
)
def test_key_usage(root, usage, holds):
    """RFC 4945 5.1.3.2."""
    leaf = root.issue(usage=usage)
    if holds:
        assert chains.check(leaf, [], [root.certificate], NOW)
    else:
        assert refusal(leaf, [], [root.certificate], NOW) is Reason.KEY_USAGE
        lax = chains.Policy(key_usage=False)
        assert chains.check(leaf, [], [root.certificate], NOW, policy=lax)


ANY, SERVER = "2.5.29.37.0", "1.3.6.1.5.5.7.3.1"
OLD_TUNNEL = "1.3.6.1.5.5.7.3.6"


@pytest.mark.parametrize(
    ("purposes", "holds"),
    [((), True), ((IKE,), True), ((ANY,), True), ((SERVER, IKE), True), ((SERVER,), False),
     ((OLD_TUNNEL,), False)],
)  # fmt: skip
def test_extended_key_usage(root, purposes, holds):
    """RFC 4945 5.1.3.12."""
    leaf = root.issue(purposes=purposes)
    if holds:
        assert chains.check(leaf, [], [root.certificate], NOW)
    else:
        assert refusal(leaf, [], [root.certificate], NOW) is Reason.EXTENDED_KEY_USAGE
        lax = chains.Policy(extended_key_usage=False)
        assert chains.check(leaf, [], [root.certificate], NOW, policy=lax)


def test_an_unknown_critical_extension_refuses(root):
    """RFC 5280 4.2."""
    key = load_private_key(issue.new_key("p256"))
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")

    def made(critical: bool) -> Certificate:
        builder = x509.CertificateBuilder(
            root.certificate.x509.subject,
            x509.Name([]),
            key.public_key(),
            5,
            root.certificate.x509.not_valid_before_utc,
            root.certificate.x509.not_valid_after_utc,
        ).add_extension(odd, critical)
        signed = builder.sign(load_private_key(root.key), hashes.SHA256())
        return Certificate.load(signed.public_bytes(serialization.Encoding.DER))

    assert chains.check(made(False), [], [root.certificate], NOW)
    assert refusal(made(True), [], [root.certificate], NOW) is Reason.CRITICAL_EXTENSION


# -- revocation ----------------------------------------------------------------------------------


def test_what_a_crl_lists_is_refused(root):
    gone, here = root.issue("gone"), root.issue("here")
    crl = root.crl(gone)
    assert refusal(gone, [], [root.certificate], NOW, crls=[crl]) is Reason.REVOKED
    assert chains.check(here, [], [root.certificate], NOW, crls=[crl])
    lax = chains.Policy(revocation=False)
    assert chains.check(gone, [], [root.certificate], NOW, crls=[crl], policy=lax)


def test_a_revoked_ca_takes_all_below_it_along(root):
    middle = Authority("middle", root)
    leaf = middle.issue()
    crl = root.crl(middle.certificate)
    given = (leaf, [middle.certificate], [root.certificate], NOW)
    assert refusal(*given, crls=[crl]) is Reason.REVOKED


def test_a_crl_that_does_not_speak_for_the_issuer_says_nothing(root):
    """Another issuer, another key, out of time, or a CA that may not sign CRLs."""
    leaf = root.issue()
    silent = Authority("silent", usage=("keyCertSign",))
    forged = Crl.load(issue.revoke(root.certificate, issue.new_key("p256"), [leaf], BEGIN, END))
    for crl in (
        Authority("other").crl(leaf),
        forged,
        root.crl(leaf, end=NOW - 1),
        root.crl(leaf, begin=NOW + 1),
    ):
        assert chains.check(leaf, [], [root.certificate], NOW, crls=[crl])
        strict = chains.Policy(crl_required=True)
        given = (leaf, [], [root.certificate], NOW)
        assert refusal(*given, crls=[crl], policy=strict) is Reason.NO_CRL
    quiet = silent.issue()
    assert chains.check(quiet, [], [silent.certificate], NOW, crls=[silent.crl(quiet)])


def test_a_required_crl_is_required_of_every_ca(root):
    middle = Authority("middle", root)
    strict = chains.Policy(crl_required=True)
    given = (middle.issue(), [middle.certificate], [root.certificate], NOW)
    assert refusal(*given, crls=[root.crl()], policy=strict) is Reason.NO_CRL
    assert chains.check(*given, crls=[root.crl(), middle.crl()], policy=strict)
