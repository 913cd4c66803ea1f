"""Certificates: chains, constraints, CRLs, identities, CERTREQ hashes, hash and URL."""

from __future__ import annotations

import hashlib
import ipaddress
import random
from dataclasses import replace
from itertools import permutations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from ikelab.harness.crypto import chains, identities, issue
from ikelab.harness.crypto.certs import (
    Certificate,
    CertRefused,
    Crl,
    HashAndUrl,
    Reason,
    bundle,
    request,
    requested,
)
from ikelab.harness.crypto.sign import load_private_key
from ikelab.harness.entropy import entropy
from ikelab.layers.iana import IdType

BEGIN, NOW, END = 1.6e9, 1.7e9, 1.8e9
CA = ("keyCertSign", "cRLSign")


class Authority:
    """A CA of these tests, and what it issues."""

    def __init__(self, name: str, issuer: Authority | None = None, **options) -> None:
        self.key = issue.new_key("p256", entropy(1, name))
        wanted = issue.Wanted(
            name, **{"begin": BEGIN, "end": END, "ca": True, "usage": CA, **options}
        )
        above = (issuer.certificate, issuer.key) if issuer else ()
        self.certificate = issue.issue(wanted, self.key, *above)

    def issue(self, name: str = "gw", kind: str = "p256", **options) -> Certificate:
        key = issue.new_key(kind, entropy(2, name, kind))
        wanted = issue.Wanted(name, **{"begin": BEGIN, "end": END, **options})
        return issue.issue(wanted, key, self.certificate, self.key)

    def crl(self, *revoked: Certificate, begin: float = BEGIN, end: float = END) -> Crl:
        return Crl.load(issue.revoke(self.certificate, self.key, revoked, begin, end))


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("root")


def refusal(*args, **options) -> Reason:
    with pytest.raises(CertRefused) as caught:
        chains.check(*args, **options)
    return caught.value.reason


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


IKE, ANY, SERVER = "1.3.6.1.5.5.7.3.17", "2.5.29.37.0", "1.3.6.1.5.5.7.3.1"
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


# -- identities ----------------------------------------------------------------------------------


NAMES = ("dns:gw.example.org", "email:Admin@example.org", "ip:10.0.0.1", "ip:2001:db8::1")
V4, V6 = IdType.ID_IPV4_ADDR, IdType.ID_IPV6_ADDR
FQDN, MAIL = IdType.ID_FQDN, IdType.ID_RFC822_ADDR


def packed(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


@pytest.mark.parametrize(
    ("kind", "data", "holds"),
    [
        (V4, packed("10.0.0.1"), True),
        (V4, packed("10.0.0.2"), False),
        (V4, b"", False),
        (V4, packed("2001:db8::1"), True),  # sixteen octets: whatever the type says, it is there
        (V6, packed("2001:db8::1"), True),
        (V6, packed("2001:db8::2"), False),
        (FQDN, b"gw.example.org", True),
        (FQDN, b"GW.Example.ORG", True),
        (FQDN, b"gw.example.org.", False),
        (FQDN, b"gw.example.org\0.evil.org", False),
        (FQDN, b"xgw.example.org", False),
        (FQDN, b"the common name", False),
        (FQDN, b"10.0.0.1", False),
        (MAIL, b"Admin@EXAMPLE.org", True),
        (MAIL, b"admin@example.org", False),
        (MAIL, b"@example.org", False),
        (MAIL, b"gw.example.org", False),
        (IdType.ID_KEY_ID, b"gw.example.org", False),
        (IdType.ID_NULL, b"", False),
        (200, b"gw.example.org", False),
    ],
)
def test_identities(root, kind, data, holds):
    """RFC 4945 3.1: the alternative names answer, the common name does not."""
    leaf = root.issue("the common name", names=NAMES)
    if holds:
        identities.check(leaf, kind, data)
        return
    with pytest.raises(CertRefused) as caught:
        identities.check(leaf, kind, data)
    assert caught.value.reason is Reason.IDENTITY


def test_a_wildcard_is_no_hosts_name(root):
    leaf = root.issue(names=("dns:*.example.org",))
    with pytest.raises(CertRefused):
        identities.check(leaf, FQDN, b"gw.example.org")


def test_the_subject_answers_for_a_distinguished_name(root):
    leaf = root.issue(names=NAMES)
    subject = leaf.subject
    identities.check(leaf, IdType.ID_DER_ASN1_DN, subject)
    for position in range(len(subject)):
        wrong = bytearray(subject)
        wrong[position] ^= 1
        with pytest.raises(CertRefused):
            identities.check(leaf, IdType.ID_DER_ASN1_DN, bytes(wrong))


def test_general_names(root):
    leaf = root.issue(names=NAMES)
    for name in (b"\x82\x0egw.example.org", b"\x81\x11Admin@example.org", b"\x87\x04\x0a\0\0\1"):
        identities.check(leaf, IdType.ID_DER_ASN1_GN, name)
    with pytest.raises(CertRefused):
        identities.check(leaf, IdType.ID_DER_ASN1_GN, b"\x82\x0egw.example.com")


def test_opaque_octets_are_the_key_identifier(root):
    leaf = root.issue()
    key_id = leaf.extension(x509.SubjectKeyIdentifier).digest
    identities.check(leaf, IdType.ID_KEY_ID, key_id)
    with pytest.raises(CertRefused):
        identities.check(leaf, IdType.ID_KEY_ID, key_id[:-1])


def test_a_certificate_without_alternative_names_has_only_its_subject(root):
    leaf = root.issue("gw.example.org")
    with pytest.raises(CertRefused, match=r"which has CN=gw\.example\.org"):
        identities.check(leaf, FQDN, b"gw.example.org")


# -- CERTREQ, hash and URL, bundles ----------------------------------------------------------------


def test_the_hash_of_a_ca_is_sha1_of_its_public_key_info(root):
    """RFC 7296 3.7."""
    info = root.certificate.x509.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    other = Authority("other").certificate
    data = request([root.certificate, other, root.certificate])
    assert requested(data) == (hashlib.sha1(info).digest(), other.key_hash)
    assert requested(data + b"rest") == requested(data)
    assert requested(b"") == ()


def test_hash_and_url(root):
    """RFC 7296 3.6."""
    der = root.certificate.der
    sent = bytes(HashAndUrl.of(der, "http://ca.example.org/gw.der"))
    assert sent[:20] == hashlib.sha1(der).digest()
    read = HashAndUrl.parse(sent)
    assert read.url == "http://ca.example.org/gw.der"
    assert read.matches(der) and not read.matches(der + b"x")
    for data in (b"", bytes(19), bytes(20)):
        with pytest.raises(CertRefused, match="no URL"):
            HashAndUrl.parse(data)


def tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    return bytes([tag, 0x82]) + size.to_bytes(2, "big") + content


def test_bundles(root):
    """RFC 7296 3.6: SEQUENCE OF a choice, explicitly tagged."""
    leaf = root.issue()
    crl = root.crl(leaf)
    data = tlv(0x30, tlv(0xA0, leaf.der) + tlv(0xA1, crl.der) + tlv(0xA0, root.certificate.der))
    assert bundle(data) == ([leaf.der, root.certificate.der], [crl.der])
    assert bundle(b"\x30\0") == ([], [])
    for wrong in (b"", b"\x30", b"\x31\0", data[:-1], data + b"\0", b"\x30\x02\x05\0"):
        with pytest.raises(CertRefused):
            bundle(wrong)


# -- what is no certificate ------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"garbage", b"-----BEGIN CERTIFICATE-----", b"\x30\x80"])
def test_octets_that_are_no_certificate(data):
    for load in (Certificate.load, Crl.load):
        with pytest.raises(CertRefused) as caught:
            load(data)
        assert caught.value.reason is Reason.MALFORMED


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_any_octets_are_refused_and_nothing_else_happens(root):
    """Whatever a peer sends as a certificate: accepted for what it is, or CertRefused."""
    dice = random.Random(1)
    middle = Authority("middle", root)
    good = middle.issue(names=NAMES, purposes=(IKE,)).der
    held = 0
    for _ in range(3000):
        wrong = bytearray(good)
        for _ in range(dice.randrange(1, 4)):
            wrong[dice.randrange(len(wrong))] = dice.randrange(256)
        try:
            leaf = Certificate.load(bytes(wrong))
            chains.check(leaf, [middle.certificate], [root.certificate], NOW)
            identities.check(leaf, FQDN, b"gw.example.org")
            held += 1
        except CertRefused:
            continue
        assert bytes(wrong) == good
    assert held < 20


def test_pem_and_der_are_the_same(root):
    pem = root.certificate.x509.public_bytes(serialization.Encoding.PEM)
    assert Certificate.load(pem) == Certificate.load(root.certificate.der) == root.certificate
    crl = root.crl()
    assert Crl.load(crl.x509.public_bytes(serialization.Encoding.PEM)) == crl


def test_entropy_makes_the_same_keys_again():
    for kind in issue.KINDS[:1] + issue.KINDS[3:]:
        first = issue.new_key(kind, entropy(7, kind))
        assert first == issue.new_key(kind, entropy(7, kind))
        assert first != issue.new_key(kind, entropy(8, kind))
        assert issue.new_key(kind) != issue.new_key(kind)
