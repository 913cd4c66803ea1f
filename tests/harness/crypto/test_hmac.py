"""HMAC as PRF and as MAC: RFC 2202, RFC 4231, RFC 4868."""

from __future__ import annotations

import pytest

from ikelab.harness.crypto.integ import icv_length, key_length, mac
from ikelab.harness.crypto.prf import prf
from ikelab.layers.iana import Integ, Prf

JEFE = b"what do ya want for nothing?"
LONG_KEY = b"Test Using Larger Than Block-Size Key - Hash Key First"


@pytest.mark.parametrize(
    ("function", "key", "data", "expected"),
    [
        pytest.param(*row[1:], id=row[0])
        for row in [
            # RFC 2202 2
            (
                "md5-1",
                Prf.PRF_HMAC_MD5,
                b"\x0b" * 16,
                b"Hi There",
                "9294727a3638bb1c13f48ef8158bfc9d",
            ),
            ("md5-2", Prf.PRF_HMAC_MD5, b"Jefe", JEFE, "750c783e6ab0b503eaa86e310a5db738"),
            (
                "md5-3",
                Prf.PRF_HMAC_MD5,
                b"\xaa" * 16,
                b"\xdd" * 50,
                "56be34521d144c88dbb8c733f0e8b3f6",
            ),
            (
                "md5-6",
                Prf.PRF_HMAC_MD5,
                b"\xaa" * 80,
                LONG_KEY,
                "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd",
            ),
            # RFC 2202 3
            (
                "sha1-1",
                Prf.PRF_HMAC_SHA1,
                b"\x0b" * 20,
                b"Hi There",
                "b617318655057264e28bc0b6fb378c8ef146be00",
            ),
            (
                "sha1-2",
                Prf.PRF_HMAC_SHA1,
                b"Jefe",
                JEFE,
                "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
            ),
            (
                "sha1-3",
                Prf.PRF_HMAC_SHA1,
                b"\xaa" * 20,
                b"\xdd" * 50,
                "125d7342b9ac11cd91a39af48aa17b4f63f175d3",
            ),
            (
                "sha1-6",
                Prf.PRF_HMAC_SHA1,
                b"\xaa" * 80,
                LONG_KEY,
                "aa4ae5e15272d00e95705637ce8a3b55ed402112",
            ),
            # RFC 4231 4.2 and 4.3
            (
                "sha256-1",
                Prf.PRF_HMAC_SHA2_256,
                b"\x0b" * 20,
                b"Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                "sha384-1",
                Prf.PRF_HMAC_SHA2_384,
                b"\x0b" * 20,
                b"Hi There",
                "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c"
                "faea9ea9076ede7f4af152e8b2fa9cb6",
            ),
            (
                "sha512-1",
                Prf.PRF_HMAC_SHA2_512,
                b"\x0b" * 20,
                b"Hi There",
                "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
                "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
            ),
            (
                "sha256-2",
                Prf.PRF_HMAC_SHA2_256,
                b"Jefe",
                JEFE,
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                "sha384-2",
                Prf.PRF_HMAC_SHA2_384,
                b"Jefe",
                JEFE,
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
                "8e2240ca5e69e2c78b3239ecfab21649",
            ),
            (
                "sha512-2",
                Prf.PRF_HMAC_SHA2_512,
                b"Jefe",
                JEFE,
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
                "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
            # RFC 4868 2.7.1
            (
                "rfc4868-sha256",
                Prf.PRF_HMAC_SHA2_256,
                b"\x0b" * 32,
                b"Hi There",
                "198a607eb44bfbc69903a0f1cf2bbdc5ba0aa3f3d9ae3c1c7a3b1696a0b68cf7",
            ),
        ]
    ],
)
def test_prf(function, key, data, expected, proves, request):
    name = request.node.callspec.id
    short = "RFC 2202" if name.startswith(("md5", "sha1-")) else "RFC 4231 4"
    proves("RFC 4868 2.7.1" if name.startswith("rfc4868") else short, function)
    assert prf(function, key, data).hex() == expected
    assert prf(function, key, data[:3], data[3:]).hex() == expected


@pytest.mark.parametrize(
    ("transform", "key", "data", "expected"),
    [
        # RFC 2202 2 and 3, case 5, with the truncation that they print
        (
            Integ.AUTH_HMAC_MD5_96,
            b"\x0c" * 16,
            b"Test With Truncation",
            "56461ef2342edc00f9bab995",
        ),
        (
            Integ.AUTH_HMAC_SHA1_96,
            b"\x0c" * 20,
            b"Test With Truncation",
            "4c1a03424b55e07fe7f27be1",
        ),
        # RFC 4595: the whole output for Fibre Channel
        (
            Integ.AUTH_HMAC_MD5_128,
            b"\x0c" * 16,
            b"Test With Truncation",
            "56461ef2342edc00f9bab995690efd4c",
        ),
        (
            Integ.AUTH_HMAC_SHA1_160,
            b"\x0c" * 20,
            b"Test With Truncation",
            "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04",
        ),
        # RFC 4868 2.7.2
        (
            Integ.AUTH_HMAC_SHA2_256_128,
            b"JefeJefeJefeJefeJefeJefeJefeJefe",
            JEFE,
            "167f928588c5cc2eef8e3093caa0e87c",
        ),
        (
            Integ.AUTH_HMAC_SHA2_384_192,
            b"Jefe" * 12,
            JEFE,
            "2c7353974f1842fd66d53c452ca42122b28c0b594cfb184d",
        ),
        (
            Integ.AUTH_HMAC_SHA2_512_256,
            b"Jefe" * 16,
            JEFE,
            "cb370917ae8a7ce28cfd1d8f4705d6141c173b2a9362c15df235dfb251b15454",
        ),
    ],
)
def test_mac(transform, key, data, expected, proves):
    proves("RFC 4868 2.7.2" if "SHA2" in transform.name else "RFC 2202", transform)
    assert mac(transform, key, data).hex() == expected


@pytest.mark.parametrize(
    ("transform", "key", "icv"),
    [
        (Integ.AUTH_HMAC_MD5_96, 16, 12),
        (Integ.AUTH_HMAC_SHA1_96, 20, 12),
        (Integ.AUTH_HMAC_SHA2_256_128, 32, 16),
        (Integ.AUTH_HMAC_SHA2_384_192, 48, 24),
        (Integ.AUTH_HMAC_SHA2_512_256, 64, 32),
        (Integ.AUTH_AES_XCBC_96, 16, 12),
        (Integ.AUTH_AES_CMAC_96, 16, 12),
    ],
)
def test_lengths(transform, key, icv):
    """RFC 2403, 2404, 3566, 4494, 4868: key and ICV sizes; the ICV is as long as it says."""
    assert (key_length(transform), icv_length(transform)) == (key, icv)
    assert len(mac(transform, bytes(key), b"data")) == icv
