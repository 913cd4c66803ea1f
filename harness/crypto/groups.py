"""The constants of the finite-field and elliptic-curve groups, as their RFCs give them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from ikelab.layers.iana import Ke


@dataclass(frozen=True, slots=True)
class Modp:
    """Prime, generator, order of the generator's subgroup, and bits of a private exponent."""

    p: int
    g: int
    q: int
    exponent_bits: int

    @property
    def safe(self) -> bool:
        """Whether (p - 1) / 2 is prime, so that {1, p - 1} is the only small subgroup."""
        return self.q == (self.p - 1) // 2


@dataclass(frozen=True, slots=True)
class Curve:
    """y^2 = x^3 + ax + b over GF(p), of prime order n (cofactor 1), with base point (x, y).

    The base point is (0, 0) where a library knows it and this project does not need it.
    """

    p: int
    a: int
    b: int
    n: int
    x: int = 0
    y: int = 0

    @property
    def octets(self) -> int:
        """Octets of one coordinate."""
        return (self.p.bit_length() + 7) // 8

    def holds(self, x: int, y: int) -> bool:
        """Whether (x, y) satisfies the equation."""
        return (y * y - (x * x + self.a) * x - self.b) % self.p == 0


# A prime of RFC 2409 6 or RFC 3526 is 2^n - 2^(n-64) - 1 + 2^64 ([2^(n-130) pi] + c). Beside c
# stand the bits of a private exponent: twice the lower estimate of the group's strength in
# RFC 3526 8 (which does not rate the first two), in whole octets. More would cost time (all 2048
# bits, ten times as much) and add nothing, since the logarithm in the field is no harder.
_PI_PRIMES = {
    Ke.MODP_768: (149686, 128),
    Ke.MODP_1024: (129093, 160),
    Ke.MODP_1536: (741804, 184),
    Ke.MODP_2048: (124476, 224),
    Ke.MODP_3072: (1690314, 264),
    Ke.MODP_4096: (240904, 304),
    Ke.MODP_6144: (929484, 344),
    Ke.MODP_8192: (4743158, 384),
}


@cache
def modp(group: int) -> Modp:
    """The parameters of a MODP group; KeyError where the number is another kind of group."""
    if group in _RFC5114:
        p, g, q = map(_int, _RFC5114[group])
        return Modp(p, g, q, q.bit_length())
    c, exponent_bits = _PI_PRIMES[Ke(group)]
    n = Ke(group).bits
    p = (1 << n) - (1 << n - 64) - 1 + ((_pi(n - 130) + c) << 64)
    return Modp(p, 2, (p - 1) // 2, exponent_bits)


def _pi(bits: int) -> int:
    """[2^bits pi], by Machin's formula with 32 guard bits."""

    def arctan_of_inverse(x: int) -> int:
        power = total = (1 << bits + 32) // x
        divisor, sign = 1, 1
        while power:
            power //= x * x
            divisor += 2
            sign = -sign
            total += sign * (power // divisor)
        return total

    return 4 * (4 * arctan_of_inverse(5) - arctan_of_inverse(239)) >> 32


def _int(text: str) -> int:
    return int("".join(text.split()), 16)


def _nist(p: str, b: str, n: str) -> Curve:
    """A curve of FIPS 186 has a = -3."""
    return Curve(_int(p), _int(p) - 3, _int(b), _int(n))


def _curve(*numbers: str) -> Curve:
    return Curve(*map(_int, numbers))


# RFC 5114 2.1 to 2.3: prime, generator, order.
_RFC5114: dict[int, tuple[str, str, str]] = {
    Ke.MODP_1024_160: (
        """
        b10b8f96a080e01dde92de5eae5d54ec52c99fbcfb06a3c69a6a9dca52d23b616073e28675a23d18
        9838ef1e2ee652c013ecb4aea906112324975c3cd49b83bfaccbdd7d90c4bd7098488e9c219a7372
        4effd6fae5644738faa31a4ff55bccc0a151af5f0dc8b4bd45bf37df365c1a65e68cfda76d4da708
        df1fb2bc2e4a4371
        """,
        """
        a4d1cbd5c3fd34126765a442efb99905f8104dd258ac507fd6406cff14266d31266fea1e5c41564b
        777e690f5504f213160217b4b01b886a5e91547f9e2749f4d7fbd7d3b9a92ee1909d0d2263f80a76
        a6a24c087a091f531dbf0a0169b6a28ad662a4d18e73afa32d779d5918d08bc8858f4dcef97c2a24
        855e6eeb22b3b2e5
        """,
        """
        f518aa8781a8df278aba4e7d64b7cb9d49462353
        """,
    ),
    Ke.MODP_2048_224: (
        """
        ad107e1e9123a9d0d660faa79559c51fa20d64e5683b9fd1b54b1597b61d0a75e6fa141df95a56db
        af9a3c407ba1df15eb3d688a309c180e1de6b85a1274a0a66d3f8152ad6ac2129037c9edefda4df8
        d91e8fef55b7394b7ad5b7d0b6c12207c9f98d11ed34dbf6c6ba0b2c8bbc27be6a00e0a0b9c49708
        b3bf8a317091883681286130bc8985db1602e714415d9330278273c7de31efdc7310f7121fd5a074
        15987d9adc0a486dcdf93acc44328387315d75e198c641a480cd86a1b9e587e8be60e69cc928b2b9
        c52172e413042e9b23f10b0e16e79763c9b53dcf4ba80a29e3fb73c16b8e75b97ef363e2ffa31f71
        cf9de5384e71b81c0ac4dffe0c10e64f
        """,
        """
        ac4032ef4f2d9ae39df30b5c8ffdac506cdebe7b89998caf74866a08cfe4ffe3a6824a4e10b9a6f0
        dd921f01a70c4afaab739d7700c29f52c57db17c620a8652be5e9001a8d66ad7c17669101999024a
        f4d027275ac1348bb8a762d0521bc98ae247150422ea1ed409939d54da7460cdb5f6c6b250717cbe
        f180eb34118e98d119529a45d6f834566e3025e316a330efbb77a86f0c1ab15b051ae3d428c8f8ac
        b70a8137150b8eeb10e183edd19963ddd9e263e4770589ef6aa21e7f5f2ff381b539cce3409d13cd
        566afbb48d6c019181e1bcfe94b30269edfe72fe9b6aa4bd7b5a0f1c71cfff4c19c418e1f6ec0179
        81bc087f2a7065b384b890d3191f2bfa
        """,
        """
        801c0d34c58d93fe997177101f80535a4738cebcbf389a99b36371eb
        """,
    ),
    Ke.MODP_2048_256: (
        """
        87a8e61db4b6663cffbbd19c651959998ceef608660dd0f25d2ceed4435e3b00e00df8f1d61957d4
        faf7df4561b2aa3016c3d91134096faa3bf4296d830e9a7c209e0c6497517abd5a8a9d306bcf67ed
        91f9e6725b4758c022e0b1ef4275bf7b6c5bfc11d45f9088b941f54eb1e59bb8bc39a0bf12307f5c
        4fdb70c581b23f76b63acae1caa6b7902d52526735488a0ef13c6d9a51bfa4ab3ad8347796524d8e
        f6a167b5a41825d967e144e5140564251ccacb83e6b486f6b3ca3f7971506026c0b857f689962856
        ded4010abd0be621c3a3960a54e710c375f26375d7014103a4b54330c198af126116d2276e11715f
        693877fad7ef09cadb094ae91e1a1597
        """,
        """
        3fb32c9b73134d0b2e77506660edbd484ca7b18f21ef205407f4793a1a0ba12510dbc15077be463f
        ff4fed4aac0bb555be3a6c1b0c6b47b1bc3773bf7e8c6f62901228f8c28cbb18a55ae31341000a65
        0196f931c77a57f2ddf463e5e9ec144b777de62aaab8a8628ac376d282d6ed3864e67982428ebc83
        1d14348f6f2f9193b5045af2767164e1dfc967c1fb3f2e55a4bd1bffe83b9c80d052b985d182ea0a
        db2a3b7313d3fe14c8484b1e052588b9b7d2bbd2df016199ecd06e1557cd0915b3353bbb64e0ec37
        7fd028370df92b52c7891428cdc67eb6184b523d1db246c32f63078490f00ef8d647d148d4795451
        5e2327cfef98c582664b4c0f6cc41659
        """,
        """
        8cf83642a709a097b447997640129da299b1a47d1eb3750ba308b0fe64f5fbd3
        """,
    ),
}

# RFC 5903 3, RFC 5114 2.4 and 2.5: prime, b, order. RFC 5639 3: prime, a, b, order.
CURVES: dict[int, Curve] = {
    Ke.ECP_256: _nist(
        "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
        "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
        "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
    ),
    Ke.ECP_384: _nist(
        """
        fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff00000000
        00000000ffffffff
        """,
        """
        b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d
        2a85c8edd3ec2aef
        """,
        """
        ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77a
        ecec196accc52973
        """,
    ),
    Ke.ECP_521: _nist(
        """
        01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff
        ffffffffffffffffffffffffffffffffffffffffffffffffffff
        """,
        """
        0051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e
        937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00
        """,
        """
        01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f
        966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409
        """,
    ),
    Ke.ECP_192: _nist(
        "fffffffffffffffffffffffffffffffeffffffffffffffff",
        "64210519e59c80e70fa7e9ab72243049feb8deecc146b9b1",
        "ffffffffffffffffffffffff99def836146bc9b1b4d22831",
    ),
    Ke.ECP_224: _nist(
        "ffffffffffffffffffffffffffffffff000000000000000000000001",
        "b4050a850c04b3abf54132565044b0b7d7bfd8ba270b39432355ffb4",
        "ffffffffffffffffffffffffffff16a2e0b8f03e13dd29455c5c2a3d",
    ),
    Ke.BRAINPOOL_P224R1: _curve(
        "d7c134aa264366862a18302575d1d787b09f075797da89f57ec8c0ff",
        "68a5e62ca9ce6c1c299803a6c1530b514e182ad8b0042a59cad29f43",
        "2580f63ccfe44138870713b1a92369e33e2135d266dbb372386c400b",
        "d7c134aa264366862a18302575d0fb98d116bc4b6ddebca3a5a7939f",
        "0d9029ad2c7e5cf4340823b2a87dc68c9e4ce3174c1e6efdee12c07d",
        "58aa56f772c0726f24c6b89e4ecdac24354b9e99caa3f6d3761402cd",
    ),
    Ke.BRAINPOOL_P256R1: _curve(
        "a9fb57dba1eea9bc3e660a909d838d726e3bf623d52620282013481d1f6e5377",
        "7d5a0975fc2c3057eef67530417affe7fb8055c126dc5c6ce94a4b44f330b5d9",
        "26dc5c6ce94a4b44f330b5d9bbd77cbf958416295cf7e1ce6bccdc18ff8c07b6",
        "a9fb57dba1eea9bc3e660a909d838d718c397aa3b561a6f7901e0e82974856a7",
    ),
    Ke.BRAINPOOL_P384R1: _curve(
        """
        8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b412b1da197fb71123acd3a729901d1a71
        874700133107ec53
        """,
        """
        7bc382c63d8c150c3c72080ace05afa0c2bea28e4fb22787139165efba91f90f8aa5814a503ad4eb
        04a8c7dd22ce2826
        """,
        """
        04a8c7dd22ce28268b39b55416f0447c2fb77de107dcd2a62e880ea53eeb62d57cb4390295dbc994
        3ab78696fa504c11
        """,
        """
        8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b31f166e6cac0425a7cf3ab6af6b7fc310
        3b883202e9046565
        """,
    ),
    Ke.BRAINPOOL_P512R1: _curve(
        """
        aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca703308717d4d9b009bc66842
        aecda12ae6a380e62881ff2f2d82c68528aa6056583a48f3
        """,
        """
        7830a3318b603b89e2327145ac234cc594cbdd8d3df91610a83441caea9863bc2ded5d5aa8253aa1
        0a2ef1c98b9ac8b57f1117a72bf2c7b9e7c1ac4d77fc94ca
        """,
        """
        3df91610a83441caea9863bc2ded5d5aa8253aa10a2ef1c98b9ac8b57f1117a72bf2c7b9e7c1ac4d
        77fc94cadc083e67984050b75ebae5dd2809bd638016f723
        """,
        """
        aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca70330870553e5c414ca92619
        418661197fac10471db1d381085ddaddb58796829ca90069
        """,
    ),
}
