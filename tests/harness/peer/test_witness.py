"""What a kernel holds against what was negotiated: agreement, and each way to differ."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ikelab.harness.model import TS, Suite, Transform, selectors
from ikelab.harness.peer.ciphers import kernel_takes
from ikelab.harness.peer.witness import Expected, differences
from ikelab.layers.iana import Encr, Integ, Protocol, TransformType
from ikelab.netns.xfrm import Database, Policy, Sa

HERE, THERE = "10.0.0.2", "10.0.0.1"
LOCAL, REMOTE = TS.parse("10.2.0.0/24"), TS.parse("10.1.0.0/24")
IN = Sa("ESP", b"in12", THERE, HERE, "tunnel", "cbc(aes)", "hmac(sha1)", b"k" * 16, b"m" * 20)
OUT = Sa("ESP", b"out1", HERE, THERE, "tunnel", "cbc(aes)", "hmac(sha1)", b"K" * 16, b"M" * 20)
POLICIES = (
    Policy("out", LOCAL, REMOTE, "ESP", "tunnel", (HERE, THERE)),
    Policy("in", REMOTE, LOCAL, "ESP", "tunnel", (THERE, HERE)),
)
KERNEL = Database((OUT, IN), POLICIES)
WANTED = Expected(
    spi_in=b"in12",
    spi_out=b"out1",
    suite=Suite.parse("aes128-sha1", Protocol.ESP),
    mode="tunnel",
    local_ts=(LOCAL,),
    remote_ts=(REMOTE,),
    key_in=(b"k" * 16, b"m" * 20),
    key_out=(b"K" * 16, b"M" * 20),
    encap=False,
)


def test_what_agrees_says_nothing():
    assert differences(KERNEL, WANTED, {HERE}) == []


@pytest.mark.parametrize(
    ("sas", "said"),
    [
        ((OUT,), "the kernel has no SA in 696e3132"),
        ((IN, replace(OUT, src="10.9.9.9")), "the kernel has no SA out 6f757431"),
        ((OUT, replace(IN, mode="transport")), "transport mode, negotiated tunnel"),
        ((OUT, replace(IN, protocol="AH")), "AH, negotiated ESP"),
        ((OUT, replace(IN, esn=True)), "ESN, negotiated none"),
        ((OUT, replace(IN, encap=(4500, 4500))), "UDP encapsulation, the daemon says otherwise"),
        ((OUT, replace(IN, encr_key=b"x" * 16)), "another key of the cipher"),
        ((IN, replace(OUT, integ_key=b"x" * 20)), "another key of the MAC"),
    ],
)
def test_each_way_to_differ(sas, said):
    [line] = differences(replace(KERNEL, sas=sas), WANTED, {HERE})

    assert said in line


def test_compression_makes_the_tunnel():
    """IPComp is applied before ESP, so that ESP is in transport mode."""
    wanted = replace(WANTED, compressed=True)
    esp = tuple(replace(sa, mode="transport") for sa in KERNEL.sas)
    assert differences(replace(KERNEL, sas=esp), wanted, {HERE}) == []
    assert len(differences(KERNEL, wanted, {HERE})) == 2


def test_a_policy_that_is_missing():
    [line] = differences(replace(KERNEL, policies=POLICIES[:1]), WANTED, {HERE})

    assert line.startswith("the kernel has no policy in from 10.1.0.0-10.1.0.255")


@pytest.mark.parametrize("text", ["10.2.0.1-10.2.0.9", "10.2.0.0/24[17/500-600]", "10.2.0.0/24[1]"])
def test_what_no_policy_can_hold_is_not_asked_for(text):
    wanted = replace(WANTED, local_ts=selectors(text))

    assert differences(replace(KERNEL, policies=()), wanted, {HERE}) == []


def test_keys_that_nobody_tells_are_not_compared():
    redacted = tuple(replace(sa, encr_key=bytes(16), integ_key=bytes(20)) for sa in KERNEL.sas)

    assert differences(replace(KERNEL, sas=redacted), WANTED, {HERE}) == []
    assert differences(KERNEL, replace(WANTED, key_in=None, key_out=None), {HERE}) == []


def test_linux_has_no_counter_mode_of_camellia_and_takes_no_offence_at_a_mac():
    assert not kernel_takes(Transform(TransformType.ENCR, Encr.ENCR_CAMELLIA_CTR, 128))
    assert not kernel_takes(Transform(TransformType.ENCR, 1234))
    assert kernel_takes(Transform(TransformType.INTEG, Integ.AUTH_HMAC_SHA1_96))
