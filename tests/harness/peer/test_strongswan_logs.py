"""Keys out of recorded logs, proved by computing them again from what else the log says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ikelab.harness.crypto.keys import derive_child
from ikelab.harness.crypto.prf import prf_plus
from ikelab.harness.model import Suite
from ikelab.harness.peer.strongswan import logs, parse
from ikelab.layers.iana import Prf, Protocol

RECORDED = sorted((Path(__file__).parent / "recorded").glob("charon-*.log"))


@pytest.fixture(params=RECORDED, ids=lambda p: p.stem)
def recorded(request):
    """The log of the seed's suite, and the responder's view of the same SA."""
    said = json.loads(
        request.param.with_name(
            request.param.stem.replace("charon", "list-sas") + ".json"
        ).read_text()
    )
    return request.param.read_text(), parse.view(said["seed"]["responder"]).sas[0]


def dump(log, label):
    """The octets of the first dump with a label."""
    rows = log[re.search(rf"{label} => \d+ bytes.*\n", log).end() :].splitlines()
    octets = bytearray()
    for row in rows:
        match = re.search(r"\]\s(?:<\S+> )?\s+\d+: ((?:[0-9A-F]{2} )+)", row)
        if not match:
            break
        octets += bytes.fromhex(match[1])
    return bytes(octets)


def test_the_keys_are_those_that_the_nonces_give(recorded):
    log, view = recorded

    secrets = logs.ike_secrets(log)

    assert list(secrets) == [view.spis]
    keys = secrets[view.spis]
    order = ("SK_d", "SK_ai", "SK_ar", "SK_ei", "SK_er", "SK_pi", "SK_pr")
    assert [len(keys[k]) for k in order] == [20, 20, 20, 24, 24, 20, 20]
    seed = dump(log, "seed") + view.spis.i + view.spis.r
    stream = prf_plus(Prf.PRF_HMAC_SHA1, keys["SKEYSEED"], seed, 148)
    assert b"".join(keys[k] for k in order) == stream


def test_the_childs_keys_are_those_that_sk_d_gives(recorded):
    log, view = recorded
    nonces = dump(log, "seed")

    (child,) = logs.child_secrets(log)

    assert (child.spi_in, child.spi_out) == (view.child.spi_in, view.child.spi_out)
    sk_d = logs.ike_secrets(log)[view.spis]["SK_d"]
    suite = Suite.parse("3des-sha1", Protocol.ESP)
    wanted = derive_child(Prf.PRF_HMAC_SHA1, sk_d, suite, nonces[:32], nonces[32:])
    for name, key in child.keys.items():
        assert getattr(wanted, name) == key
    assert set(child.keys) == {"encr_i", "integ_i", "encr_r", "integ_r"}


def test_a_log_without_keys_or_cut_short_gives_what_it_has(recorded):
    log, _ = recorded

    assert logs.ike_secrets("") == {}
    assert logs.child_secrets("") == []
    plain = "\n".join(line for line in log.splitlines() if "[NET]" in line)
    assert logs.ike_secrets(plain) == {}
    for end in range(0, len(log), 997):
        logs.ike_secrets(log[:end])
        logs.child_secrets(log[:end])


def test_rows_of_two_threads_do_not_mix():
    one = ["10[IKE] <1> Sk_d secret => 20 bytes @ 0x1"]
    one += ["10[IKE] <1>    0: " + "11 " * 16 + " x", "10[IKE] <1>   16: " + "11 " * 4 + " x"]
    two = [line.replace("<1>", "<b|2>").replace("10[", "11[").replace("11 ", "22 ") for line in one]
    spis = [
        "10[MGR] <1> checkin IKEv2 SA (unnamed)[1] with SPIs 0000000000000001_i 0000000000000002_r",
        "11[MGR] <2> checkin IKEv2 SA b[2] with SPIs 0000000000000003_i 0000000000000004_r",
    ]
    mixed = "\n".join(line for pair in zip(one, two, strict=True) for line in pair)

    found = logs.ike_secrets(mixed + "\n" + "\n".join(spis))

    assert [keys["SK_d"] for keys in found.values()] == [b"\x11" * 20, b"\x22" * 20]
