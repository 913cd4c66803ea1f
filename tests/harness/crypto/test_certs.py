"""Certificates: identities, CERTREQ hashes, hash and URL, hostile octets."""

from __future__ import annotations

import hashlib
import ipaddress
import random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

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
from ikelab.harness.entropy import entropy
from ikelab.layers.iana import IdType
from tests.harness.crypto.authority import IKE, NOW, Authority


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("root")


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
