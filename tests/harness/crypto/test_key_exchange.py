"""Key exchange groups, against the vectors of their documents."""

from __future__ import annotations

import pytest

from ikelab.harness.crypto import ke
from ikelab.harness.crypto.groups import CURVES, modp
from ikelab.harness.errors import ConfigError, UnsupportedAlgorithm
from ikelab.layers.iana import Ke

SAFE = [
    Ke.MODP_768,
    Ke.MODP_1024,
    Ke.MODP_1536,
    Ke.MODP_2048,
    Ke.MODP_3072,
    Ke.MODP_4096,
    Ke.MODP_6144,
    Ke.MODP_8192,
]
POSSIBLE = [row for row in Ke if ke.why_not(row) is None]

# Private keys, x of the first public value (its last 16 octets for MODP), shared secret (likewise).
DIFFIE_HELLMAN = {
    # RFC 5114 A.1 to A.3
    Ke.MODP_1024_160: (
        "b9a3b3ae8fefc1a2930496507086f8455d48943e",
        "9392c9f9eb6a7a6a9022f7d83e7223c6835bbdda",
        "d1df3701165fc9e50c4279ceb07f989540ae96d5d88ed776",
        "e6a3109a3da1be41bdceaa186f5ce06716a2b6a07b3c33fe",
        "bf8fa4d09e345525167ecd9155416f46f408ed31b63c6e6d",
    ),
    Ke.MODP_2048_224: (
        "22e62601dbffd06708a680f747f361f76d8f4f721a0548e483294b0c",
        "4ff3bc96c7fc6a6d71d3b363800a7cdfef6fc41b4417ea15353b7590",
        "920aa16d85e52bcbab8d786a68178fa8ff7c2f5c71648d6f",
        "27734c184138e915d9c3002ebce53120546a7e2002142b6c",
        "2995fb03c69d3cc47fcb510b6998ffd3aa6de73cf9f63869",
    ),
    Ke.MODP_2048_256: (
        "0881382cdb87660c6dc13e614938d5b9c8b2f248581cc5e31b35454397fce50e",
        "7d62a7e3ef36de617b13d1afb82c780d83a23bd4ee6705645121f371f546a53d",
        "341dc0711426685f4ef37e868a8126ff3f2279b57ca67e29",
        "f71b0ab697823d7deb1aff5b0e8e4a45d49f7f53757e1913",
        "b2ceb8789bb8a3b0ea87febe63b6c8f846ec6db0c26c5d7c",
    ),
}
# Private keys, x of the first public value, x of the shared point.
CURVE = {
    # RFC 5903 8.1 to 8.3
    "rfc5903-256": (
        Ke.ECP_256,
        "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
        "c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53",
        "dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180",
        "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de",
    ),
    "rfc5903-384": (
        Ke.ECP_384,
        "099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655"
        "e35b538041e649ee3faef896783ab194",
        "41cb0779b4bdb85d47846725fbec3c9430fab46cc8dc5060855cc9bda0aa2942"
        "e0308312916b8ed2960e4bd55a7448fc",
        "667842d7d180ac2cde6f74f37551f55755c7645c20ef73e31634fe72b4c55ee6"
        "de3ac808acb4bdb4c88732aee95f41aa",
        "11187331c279962d93d604243fd592cb9d0a926f422e47187521287e7156c5c4"
        "d603135569b9e9d09cf5d4a270f59746",
    ),
    "rfc5903-521": (
        Ke.ECP_521,
        "0037ade9319a89f4dabdb3ef411aaccca5123c61acab57b5393dce47608172a0"
        "95aa85a30fe1c2952c6771d937ba9777f5957b2639bab072462f68c27a57382d4a52",
        "0145ba99a847af43793fdd0e872e7cdfa16be30fdc780f97bccc3f078380201e"
        "9c677d600b343757a3bdbf2a3163e4c2f869cca7458aa4a4effc311f5cb151685eb9",
        "",
        "01144c7d79ae6956bc8edb8e7c787c4521cb086fa64407f97894e5e6b2d79b04"
        "d1427e73ca4baa240a34786859810c06b3c715a3a8cc3151f2bee417996d19f3ddea",
    ),
    # RFC 5114 A.4 to A.8
    "rfc5114-192": (
        Ke.ECP_192,
        "323fa3169d8e9c6593f59476bc142000ab5be0e249c43426",
        "631f95bb4a67632c9c476eee9ab695ab240a0499307fcf62",
        "cd46489ecfd6c105e7b3d32566e2b122e249abaadd870612",
        "ad420182633f8526bfe954acda376f05e5ff4f837f54febe",
    ),
    "rfc5114-224": (
        Ke.ECP_224,
        "b558eb6c288da707bbb4f8fbae2ab9e9cb62e3bc5c7573e22e26d37f",
        "ac3b1add3d9770e6f6a708ee9f3b8e0ab3b480e9f27f85c88b5e6d18",
        "49dfef309f81488c304cff5ab3ee5a2154367dc7833150e0a51f3eeb",
        "52272f50f46f4edc9151569092f46df2d96ecc3b6dc1714a4ea949fa",
    ),
    "rfc5114-256": (
        Ke.ECP_256,
        "814264145f2f56f2e96a8e337a1284993faf432a5abce59e867b7291d507a3af",
        "2ce1788ec197e096db95a200cc0ab26a19ce6bccad562b8eee1b593761cf7f41",
        "2af502f3be8952f2c9b5a8d4160d09e97165be50bc42ae4a5e8d3b4ba83aeb15",
        "dd0f5396219d1ea393310412d19a08f1f5811e9dc8ec8eea7f80d21c820c2788",
    ),
    "rfc5114-384": (
        Ke.ECP_384,
        "d27335ea71664af244dd14e9fd1260715dfd8a7965571c48"
        "d709ee7a7962a156d706a90cbcb5df2986f05feadb9376f1",
        "52d1791fdb4b70f89c0f00d456c2f7023b6125262c36a7df"
        "1f80231121cce3d39be52e00c194a4132c4a6c768bcd94d2",
        "793148f1787634d5da4c6d9074417d05e057ab62f82054d1"
        "0ee6b0403d6279547e6a8ea9d1fd77427d016fe27a8b8c66",
        "5ea1fc4af7256d2055981b110575e0a8cae53160137d904c"
        "59d926eb1b8456e427aa8a4540884c37de159a58028abc0e",
    ),
    # RFC 7027 A.1 to A.3
    "rfc7027-256": (
        Ke.BRAINPOOL_P256R1,
        "81db1ee100150ff2ea338d708271be38300cb54241d79950f77b063039804f1d",
        "55e40bc41e37e3e2ad25c3c6654511ffa8474a91a0032087593852d3e7d76bd3",
        "44106e913f92bc02a1705d9953a8414db95e1aaa49e81d9e85f929a8e3100be5",
        "89afc39d41d3b327814b80940b042590f96556ec91e6ae7939bce31f3a18bf2b",
    ),
    "rfc7027-384": (
        Ke.BRAINPOOL_P384R1,
        "1e20f5e048a5886f1f157c74e91bde2b98c8b52d58e5003d"
        "57053fc4b0bd65d6f15eb5d1ee1610df870795143627d042",
        "032640bc6003c59260f7250c3db58ce647f98e1260acce4a"
        "cda3dd869f74e01f8ba5e0324309db6a9831497abac96670",
        "",
        "0bd9d3a7ea0b3d519d09d8e48d0785fb744a6b355e6304bc"
        "51c229fbbce239bbadf6403715c35d4fb2a5444f575d4f42",
    ),
    "rfc7027-512": (
        Ke.BRAINPOOL_P512R1,
        "16302ff0dbbb5a8d733dab7141c1b45acbc8715939677f6a56850a38bd87bd59"
        "b09e80279609ff333eb9d4c061231fb26f92eeb04982a5f1d1764cad57665422",
        "230e18e1bcc88a362fa54e4ea3902009292f7f8033624fd471b5d8ace49d12cf"
        "abbc19963dab8e2f1eba00bffb29e4d72d13f2224562f405cb80503666b25429",
        "",
        "a7927098655f1f9976fa50a9d566865dc530331846381c87256baf3226244b76"
        "d36403c024d7bbf0aa0803eaff405d3d24f11a9b5c0bef679fe1454b21c4cd1f",
    ),
    # RFC 6932 A.1
    "rfc6932-224": (
        Ke.BRAINPOOL_P224R1,
        "39f155483cee191fbecfe9c81d8ab1a03cda6790e7184ace44bca161",
        "6060552303899e2140715816c45b57d9b42204fb6a5bf5beac10db00",
        "a9c21a569759da95e0387041184261440327afe33141ca04b82dc92e",
        "1a4bfe705445120c8e3e026699054104510d119757b74d5fe2462c66",
    ),
}


@pytest.mark.parametrize("group", DIFFIE_HELLMAN)
def test_diffie_hellman_vectors(group, proves):
    """The last 24 octets of each printed number are compared."""
    proves("RFC 5114 A", group)
    xa, xb, ya, yb, z = map(bytes.fromhex, DIFFIE_HELLMAN[group])
    a, b = ke.from_private(group, xa), ke.from_private(group, xb)
    assert a.public.endswith(ya)
    assert b.public.endswith(yb)
    assert a.shared(b.public) == b.shared(a.public)
    assert a.shared(b.public).endswith(z)


@pytest.mark.parametrize("name", CURVE)
def test_curve_vectors(name, proves):
    group = CURVE[name][0]
    number = name.removeprefix("rfc").partition("-")[0]
    proves(f"RFC {number} {'8' if number == '5903' else 'A'}", group)
    da, db, public, z = map(bytes.fromhex, CURVE[name][1:])
    a, b = ke.from_private(group, da), ke.from_private(group, db)
    assert a.public.startswith(public)
    assert a.shared(b.public) == b.shared(a.public) == z


MONTGOMERY = {
    # RFC 7748 6.1 and 6.2: private and public keys of both, shared secret
    Ke.CURVE25519: (
        "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
        "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
    ),
    Ke.CURVE448: (
        "9a8f4925d1519f5775cf46b04b5800d4ee9ee8bae8bc5565d498c28d"
        "d9c9baf574a9419744897391006382a6f127ab1d9ac2d8c0a598726b",
        "9b08f7cc31b7e3e67d22d5aea121074a273bd2b83de09c63faa73d2c"
        "22c5d9bbc836647241d953d40c5b12da88120d53177f80e532c41fa0",
        "1c306a7ac2a0e2e0990b294470cba339e6453772b075811d8fad0d1d"
        "6927c120bb5ee8972b0d3e21374c9c921b09d1b0366f10b65173992d",
        "3eb7a829b0cd20f5bcfc0b599b6feccf6da4627107bdb0d4f345b430"
        "27d8b972fc3e34fb4232a13ca706dcb57aec3dae07bdc1c67bf33609",
        "07fff4181ac6cc95ec1c16a94a0f74d12da232ce40a77552281d282b"
        "b60c0b56fd2464c335543936521c24403085d59a449a5037514a879d",
    ),
}


@pytest.mark.parametrize("group", MONTGOMERY)
def test_montgomery_vectors(group, proves):
    proves("RFC 7748 6", group)
    private_a, public_a, private_b, public_b, secret = map(bytes.fromhex, MONTGOMERY[group])
    a, b = ke.from_private(group, private_a), ke.from_private(group, private_b)
    assert (a.public, b.public) == (public_a, public_b)
    assert a.shared(b.public) == b.shared(a.public) == secret


def test_x25519_function(proves):
    """RFC 7748 5.2, first vector: a u coordinate that is nobody's public key."""
    proves("RFC 7748 5.2", Ke.CURVE25519)
    scalar = "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"
    u = "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"
    shared = ke.from_private(Ke.CURVE25519, bytes.fromhex(scalar)).shared(bytes.fromhex(u))
    assert shared.hex() == "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"


def test_modp_2048_is_the_printed_prime(proves):
    """RFC 3526 3: the first and the last octets as printed; the formula gives those between."""
    proves("RFC 3526 3 (prime)", Ke.MODP_2048)
    text = f"{modp(Ke.MODP_2048).p:x}"
    assert text.startswith("ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74")
    assert text.endswith("15728e5a8aacaa68ffffffffffffffff")


def probably_prime(number: int) -> bool:
    return all(pow(base, number - 1, number) == 1 for base in (2, 3))


@pytest.mark.parametrize("group", SAFE[:5], ids=lambda row: row.name)
def test_primes_are_safe(group):
    """RFC 2409 6, RFC 3526: p and (p - 1) / 2 are prime; so no constant has a misprint."""
    parameters = modp(group)
    assert parameters.safe
    assert parameters.p.bit_length() == group.bits
    assert probably_prime(parameters.q)
    assert pow(2, parameters.q, parameters.p) == 1


@pytest.mark.parametrize("group", SAFE[5:], ids=lambda row: row.name)
def test_large_primes(group):
    """2 generates the subgroup of order (p - 1) / 2, which no wrong number would do."""
    parameters = modp(group)
    assert parameters.p.bit_length() == group.bits
    assert pow(2, parameters.q, parameters.p) == 1


@pytest.mark.parametrize("group", DIFFIE_HELLMAN)
def test_rfc5114_orders(group):
    parameters = modp(group)
    assert not parameters.safe
    assert probably_prime(parameters.p)
    assert probably_prime(parameters.q)
    assert pow(parameters.g, parameters.q, parameters.p) == 1


@pytest.mark.parametrize("group", CURVES, ids=lambda row: row.name)
def test_curve_orders(group):
    """The public values lie on the curve whose constants are written here; n - 1 mirrors 1."""
    curve = CURVES[group]
    first = ke.from_private(group, b"\1")
    last = ke.from_private(group, (curve.n - 1).to_bytes(curve.octets + 1, "big"))
    x, y = first.public[: curve.octets], first.public[curve.octets :]
    assert curve.holds(int.from_bytes(x, "big"), int.from_bytes(y, "big"))
    assert last.public[: curve.octets] == x
    assert int.from_bytes(last.public[curve.octets :], "big") == curve.p - int.from_bytes(y, "big")


def counting(step: int):
    """Entropy that is the same in every run."""
    return lambda count: bytes((step * n + 1) % 256 for n in range(count))


@pytest.mark.parametrize("group", POSSIBLE, ids=lambda row: row.name)
def test_both_sides_agree_and_runs_repeat(group):
    a = ke.generate(group, counting(7))
    b = ke.respond(group, counting(11), a.public)
    secret = a.shared(b.public)
    assert secret == b.shared(a.public)
    assert len(a.public) == ke.public_length(group) == group.public
    assert len(b.public) == (group.ciphertext or group.public)
    assert a == ke.generate(group, counting(7)) == ke.from_private(group, a.private)
    half = group.primitive in ("ecp", "brainpool")
    kem = group.primitive == "ml-kem"
    assert len(secret) == (32 if kem else group.public // 2 if half else group.public)


@pytest.mark.parametrize("group", POSSIBLE, ids=lambda row: row.name)
def test_entropy_of_zeros_gives_a_usable_key(group):
    """A fuzzer may fix entropy to anything: the value sent is still a valid one."""
    for ours, theirs in ((bytes, counting(3)), (counting(3), bytes)):
        asks = ke.generate(group, ours)
        answers = ke.respond(group, theirs, asks.public)
        assert asks.shared(answers.public) == answers.shared(asks.public)


def test_private_keys_stay_out_of_texts():
    pair = ke.generate(Ke.CURVE25519, counting(7))
    assert pair.private.hex() not in repr(pair)
    assert repr(pair.private) not in repr(pair)


@pytest.mark.parametrize(
    ("group", "reason"),
    [
        (Ke.NONE, "no key exchange"),
        (Ke.GOST3410_2012_256, "cryptography has no such group"),
        (999, "no number that IANA assigned"),
    ],
)
def test_impossible_groups_say_why(group, reason):
    for call in (
        lambda: ke.generate(group, bytes),
        lambda: ke.from_private(group, b"\1"),
        lambda: ke.public_length(group),
    ):
        with pytest.raises(UnsupportedAlgorithm, match=reason):
            call()


@pytest.mark.parametrize("group", [Ke.ECP_256, Ke.BRAINPOOL_P224R1])
def test_private_keys_out_of_range_are_the_callers_mistake(group):
    for number in (0, CURVES[group].n):
        with pytest.raises(ConfigError, match="private key"):
            ke.from_private(group, number.to_bytes(40, "big"))
