"""AUTH by signature: RFC 4754, RFC 7427, RFC 8420, RFC 7619."""

from __future__ import annotations

import datetime
import random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

from ikelab.harness.crypto import sign
from ikelab.harness.crypto.auth import null_auth, psk_auth
from ikelab.harness.crypto.errors import BadSignature
from ikelab.harness.crypto.schemes import SCHEMES, parse_identifier
from ikelab.harness.errors import ConfigError, UnsupportedAlgorithm
from ikelab.layers.iana import AuthMethod, Hash, Prf

OCTETS = b"the signed octets of an initiator"
DIGITAL = AuthMethod.DIGITAL_SIGNATURE
ALL_HASHES = [Hash.SHA1, Hash.SHA2_256, Hash.SHA2_384, Hash.SHA2_512, Hash.IDENTITY]


@pytest.fixture(scope="module")
def keys():
    return {
        "rsa": rsa.generate_private_key(65537, 2048),
        "p256": ec.derive_private_key(7, ec.SECP256R1()),
        "p384": ec.derive_private_key(7, ec.SECP384R1()),
        "p521": ec.derive_private_key(7, ec.SECP521R1()),
        "brainpool": ec.derive_private_key(7, ec.BrainpoolP256R1()),
        "ed25519": ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)),
        "ed448": ed448.Ed448PrivateKey.from_private_bytes(bytes(57)),
    }


IDENTIFIERS = {
    # RFC 7427 A.1 to A.3
    "rsa-pkcs1-sha1": "300d06092a864886f70d0101050500",
    "rsa-pkcs1-sha256": "300d06092a864886f70d01010b0500",
    "rsa-pkcs1-sha384": "300d06092a864886f70d01010c0500",
    "rsa-pkcs1-sha512": "300d06092a864886f70d01010d0500",
    "ecdsa-sha1": "300906072a8648ce3d0401",
    "ecdsa-sha256": "300a06082a8648ce3d040302",
    "ecdsa-sha384": "300a06082a8648ce3d040303",
    "ecdsa-sha512": "300a06082a8648ce3d040304",
    # RFC 7427 A.4.1: empty parameters are SHA-1 and a salt of 20 octets
    "rsa-pss-sha1": "300d06092a864886f70d01010a3000",
    # RFC 8420 appendix A
    "ed25519": "300506032b6570",
    "ed448": "300506032b6571",
}
# RFC 7427 A.4.3, which writes the trailer field out though it is the default
PSS_WITH_TRAILER = (
    "304606092a864886f70d01010a3039a00f300d06096086480165030402010500a11c301a06092a864886f70d010108"
    "300d06096086480165030402010500a203020120a303020101"
)


@pytest.mark.parametrize("name", IDENTIFIERS)
def test_identifiers(name, proves):
    proves("RFC 8420 A (identifiers)" if name in ("ed25519", "ed448") else "RFC 7427 A", DIGITAL)
    assert SCHEMES[name].identifier.hex() == IDENTIFIERS[name]


@pytest.mark.parametrize("name", SCHEMES)
def test_identifiers_are_read_back(name):
    assert parse_identifier(SCHEMES[name].identifier) == SCHEMES[name]
    assert SCHEMES[name].name == name


def test_defaults_that_are_written_out_are_read():
    assert parse_identifier(bytes.fromhex(PSS_WITH_TRAILER)) == SCHEMES["rsa-pss-sha256"]


def test_a_missing_null_is_read():
    assert parse_identifier(bytes.fromhex("300b06092a864886f70d01010b")).name == "rsa-pkcs1-sha256"


# RFC 4754 8.1 to 8.3: private key, r, s of "abc".
RFC4754 = {
    AuthMethod.ECDSA_WITH_SHA_256_ON_THE_P_256_CURVE: (
        ec.SECP256R1(),
        "dc51d3866a15bacde33d96f992fca99da7e6ef0934e7097559c27f1614c88a7f",
        "cb28e0999b9c7715fd0a80d8e47a77079716cbbf917dd72e97566ea1c066957c",
        "86fa3bb4e26cad5bf90b7f81899256ce7594bb1ea0c89212748bff3b3d5b0315",
    ),
    AuthMethod.ECDSA_WITH_SHA_384_ON_THE_P_384_CURVE: (
        ec.SECP384R1(),
        "0beb646634ba87735d77ae4809a0ebea865535de4c1e1dcb692e84708e81a5af"
        "62e528c38b2a81b35309668d73524d9f",
        "fb017b914e29149432d8bac29a514640b46f53ddab2c69948084e2930f1c8f7e"
        "08e07c9c63f2d21a07dcb56a6af56eb3",
        "b263a1305e057f984d38726a1b46874109f417bca112674c528262a40a629af1"
        "cbb9f516ce0fa7d2ff630863a00e8b9f",
    ),
    AuthMethod.ECDSA_WITH_SHA_512_ON_THE_P_521_CURVE: (
        ec.SECP521R1(),
        "0065fda3409451dcab0a0ead45495112a3d813c17bfd34bdf8c1209d7df58491"
        "20597779060a7ff9d704adf78b570ffad6f062e95c7e0c5d5481c5b153b48b375fa1",
        "0154fd3836af92d0dca57dd5341d3053988534fde8318fc6aaaab68e2e6f4339"
        "b19f2f281a7e0b22c269d93cf8794a9278880ed7dbb8d9362caeacee544320552251",
        "017705a7030290d1ceb605a9a1bb03ff9cdd521e87a696ec926c8c10c8362df4"
        "975367101f67d1cf9bccbf2f3d239534fa509e70aac851ae01aac68d62f866472660",
    ),
}


@pytest.mark.parametrize("method", RFC4754)
def test_ecdsa_vectors_verify(method, proves):
    proves("RFC 4754 8", method)
    curve, private, r, s = RFC4754[method]
    key = ec.derive_private_key(int(private, 16), curve).public_key()
    sign.verify(method, key, bytes.fromhex(r + s), b"abc")
    with pytest.raises(BadSignature):
        sign.verify(method, key, bytes.fromhex(r + s), b"abd")


def test_ecdsa_is_deterministic(proves):
    """RFC 6979 A.2.5: P-256, SHA-256, "sample"."""
    proves("RFC 6979 A.2.5", AuthMethod.ECDSA_WITH_SHA_256_ON_THE_P_256_CURVE)
    private = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
    key = ec.derive_private_key(private, ec.SECP256R1())
    data = sign.sign(AuthMethod.ECDSA_WITH_SHA_256_ON_THE_P_256_CURVE, key, b"sample")
    assert data.hex() == (
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
        "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
    )


def test_ed25519_vector(proves):
    """RFC 8032 7.1, test 2, behind RFC 8420's AlgorithmIdentifier."""
    proves("RFC 8032 7.1 (Ed25519)", DIGITAL)
    proves("RFC 8032 7.1", Hash.IDENTITY)
    seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))
    data = sign.sign(DIGITAL, key, b"\x72", scheme=SCHEMES["ed25519"])
    assert data.hex() == (
        "07300506032b6570"
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )


CASES = [
    *(("rsa", name) for name in SCHEMES if name.startswith("rsa")),
    *(
        (key, name)
        for key in ("p256", "p384", "p521", "brainpool")
        for name in SCHEMES
        if "ecdsa" in name
    ),
    ("ed25519", "ed25519"),
    ("ed448", "ed448"),
]


@pytest.mark.parametrize(("key", "name"), CASES)
def test_digital_signature(keys, key, name):
    scheme = SCHEMES[name]
    data = sign.sign(DIGITAL, keys[key], OCTETS, scheme=scheme)
    assert data[: data[0] + 1] == bytes([len(scheme.identifier)]) + scheme.identifier
    public = keys[key].public_key()
    assert sign.verify(DIGITAL, public, data, OCTETS) == scheme
    for wrong, octets in ((data[:-1] + bytes([data[-1] ^ 1]), OCTETS), (data, OCTETS[:-1])):
        with pytest.raises(BadSignature):
            sign.verify(DIGITAL, public, wrong, octets)


@pytest.mark.parametrize("name", [name for name in SCHEMES if "pss" in name])
def test_pss_with_given_salt_is_what_openssl_takes(keys, name):
    scheme, key = SCHEMES[name], keys["rsa"]

    def salt(count: int) -> bytes:
        assert count == scheme.salt
        return bytes(range(count))

    first = sign.sign(DIGITAL, key, OCTETS, scheme=scheme, entropy=salt)
    assert first == sign.sign(DIGITAL, key, OCTETS, scheme=scheme, entropy=salt)
    assert sign.verify(DIGITAL, key.public_key(), first, OCTETS) == scheme


@pytest.mark.parametrize("bits", [1024, 1025, 1031, 2050])
def test_pss_with_odd_key_sizes(bits):
    """RFC 8017 9.1.1: emBits is one less than the modulus; sizes that are no multiple of eight."""
    key = rsa.generate_private_key(65537, bits)
    scheme = SCHEMES["rsa-pss-sha256"]
    data = sign.sign(DIGITAL, key, OCTETS, scheme=scheme, entropy=bytes)
    assert sign.verify(DIGITAL, key.public_key(), data, OCTETS) == scheme


@pytest.mark.parametrize("name", ["sha1", "sha256", "sha384", "sha512"])
def test_rsa_method_says_which_hash_it_was(keys, name):
    """RFC 7296 3.8: SHA-1 unless told otherwise; nothing in the message names the hash."""
    method, scheme = AuthMethod.RSA_DIGITAL_SIGNATURE, SCHEMES[f"rsa-pkcs1-{name}"]
    data = sign.sign(method, keys["rsa"], OCTETS, scheme=scheme)
    assert sign.verify(method, keys["rsa"].public_key(), data, OCTETS) == scheme
    if name == "sha1":
        assert sign.sign(method, keys["rsa"], OCTETS) == data
        keys["rsa"].public_key().verify(data, OCTETS, padding.PKCS1v15(), hashes.SHA1())


def test_null_authentication_takes_sk_p_for_the_secret():
    """RFC 7619 2.1."""
    expected = psk_auth(Prf.PRF_HMAC_SHA2_256, b"sk_pi", OCTETS)
    assert null_auth(Prf.PRF_HMAC_SHA2_256, b"sk_pi", OCTETS) == expected


@pytest.mark.parametrize(
    ("key", "offered", "best"),
    [
        ("rsa", [Hash.SHA2_256, Hash.SHA2_512], "rsa-pss-sha256"),
        ("rsa", [Hash.SHA1], "rsa-pss-sha1"),
        ("rsa", [Hash.SHA1, Hash.SHA2_384], "rsa-pss-sha384"),
        ("p256", ALL_HASHES, "ecdsa-sha256"),
        ("p384", ALL_HASHES, "ecdsa-sha384"),
        ("p521", ALL_HASHES, "ecdsa-sha512"),
        ("ed25519", ALL_HASHES, "ed25519"),
        ("ed448", ALL_HASHES, "ed448"),
        ("ed25519", [Hash.SHA2_256], None),
    ],
)
def test_usable_schemes(keys, key, offered, best):
    found = [scheme.name for scheme in sign.usable(keys[key], offered)]
    assert (found[0] if found else None) == best


def test_keys_and_methods_that_do_not_fit(keys):
    with pytest.raises(ConfigError, match="does not fit"):
        sign.sign(DIGITAL, keys["rsa"], OCTETS, scheme=SCHEMES["ed25519"])
    with pytest.raises(ConfigError, match="needs a scheme"):
        sign.sign(DIGITAL, keys["rsa"], OCTETS)
    with pytest.raises(ConfigError, match="key on secp256r1"):
        sign.sign(AuthMethod.ECDSA_WITH_SHA_256_ON_THE_P_256_CURVE, keys["p384"], OCTETS)
    with pytest.raises(UnsupportedAlgorithm, match="DSS"):
        sign.sign(AuthMethod.DSS_DIGITAL_SIGNATURE, keys["rsa"], OCTETS)


def test_a_peers_signature_that_does_not_fit_its_key(keys):
    data = sign.sign(DIGITAL, keys["rsa"], OCTETS, scheme=SCHEMES["rsa-pss-sha256"])
    with pytest.raises(BadSignature, match="does not fit"):
        sign.verify(DIGITAL, keys["p256"].public_key(), data, OCTETS)
    method = AuthMethod.ECDSA_WITH_SHA_256_ON_THE_P_256_CURVE
    with pytest.raises(BadSignature, match="not on secp256r1"):
        sign.verify(method, keys["p384"].public_key(), bytes(64), OCTETS)
    with pytest.raises(BadSignature, match="64 octets"):
        sign.verify(method, keys["p256"].public_key(), bytes(63), OCTETS)


@pytest.mark.parametrize(
    ("identifier", "reason"),
    [
        ("", "not DER"),
        ("3000", "no object identifier"),
        ("30020500", "no object identifier"),
        ("300a06082a864886f70d0309", "unknown signature algorithm"),
        ("3080", "not DER"),
        (PSS_WITH_TRAILER[:-2] + "02", "trailer field 2"),
        (PSS_WITH_TRAILER.replace("a203020120", "a203020114"), None),
        (
            PSS_WITH_TRAILER.replace("0201050 0a2".replace(" ", ""), "02020500a2"),
            "two different hash",
        ),
        (PSS_WITH_TRAILER.replace("010108", "010109"), "another mask generation"),
    ],
)
def test_odd_identifiers(identifier, reason):
    if reason is None:
        assert parse_identifier(bytes.fromhex(identifier)).salt == 20
        return
    with pytest.raises(BadSignature, match=reason):
        parse_identifier(bytes.fromhex(identifier))


def test_any_octets_are_a_bad_signature_and_nothing_else(keys):
    """Whatever a peer sends, verifying says BadSignature."""
    dice = random.Random(1)
    good = [
        (key, sign.sign(DIGITAL, keys[key], OCTETS, scheme=SCHEMES[name])) for key, name in CASES
    ]
    methods = [DIGITAL, AuthMethod.RSA_DIGITAL_SIGNATURE, *RFC4754]
    for _ in range(2000):
        key, data = dice.choice(good)
        wrong = bytearray(data)
        for _ in range(dice.randrange(1, 4)):
            wrong[dice.randrange(min(len(wrong), 80))] = dice.randrange(256)
        if dice.random() < 0.2:
            wrong = wrong[: dice.randrange(len(wrong))]
        if bytes(wrong) == data:
            continue
        with pytest.raises(BadSignature):
            sign.verify(dice.choice(methods), keys[key].public_key(), bytes(wrong), OCTETS + b"x")


def test_keys_are_read_as_pem_and_der(keys):
    formats = [
        (encoding, form)
        for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER)
        for form in (serialization.PrivateFormat.PKCS8,)
    ]
    for key in keys.values():
        for encoding, form in formats:
            octets = key.private_bytes(encoding, form, serialization.NoEncryption())
            again = sign.load_private_key(octets)
            public = key.public_key().public_bytes(
                encoding, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            assert again.public_key() == sign.load_public_key(public) == key.public_key()
    pkcs1 = keys["rsa"].public_key()
    raw = pkcs1.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    assert sign.load_public_key(raw) == pkcs1


def test_what_is_no_key_says_so():
    for octets in (
        b"",
        b"garbage",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
    ):
        with pytest.raises(ConfigError, match="not a private key"):
            sign.load_private_key(octets)
        with pytest.raises(BadSignature, match="neither a certificate"):
            sign.load_public_key(octets)


def test_the_key_of_a_certificate_is_read(keys):
    """CERT payloads carry DER (RFC 7296 3.6, encoding 4); files are PEM as a rule."""
    subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "gw.example.org")])
    begin = datetime.datetime(2026, 1, 1)
    certificate = (
        x509.CertificateBuilder(subject, subject, keys["p256"].public_key(), 1, begin)
        .not_valid_after(begin + datetime.timedelta(days=1))
        .sign(keys["p256"], hashes.SHA256())
    )
    for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER):
        octets = certificate.public_bytes(encoding)
        assert sign.load_public_key(octets) == keys["p256"].public_key()
