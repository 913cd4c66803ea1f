"""Post-quantum preshared keys in the daemons' words, and the cases with real daemons."""

from __future__ import annotations

from pathlib import Path

import pytest

from ikelab.harness.exchange.features import Features, Ppk
from ikelab.harness.model import Identity
from ikelab.harness.peer.base import PeerConfig, Unsupported
from ikelab.harness.peer.libreswan import render as libreswan
from ikelab.harness.peer.strongswan import credentials
from ikelab.harness.peer.strongswan import render as strongswan
from ikelab.layers.iana import PpkIdType
from tests.conftest import provisioned
from tests.harness.command import ikelab

CASES = Path(__file__).resolve().parents[3] / "testcases/conformance/rfc8784"
NAME = Identity.parse("10.0.0.2")
KEY = Ppk(b"ikelab-ppk", b"\x01\x02")


def wanted(**features):
    told = Features(**features)
    return PeerConfig("10.0.0.2", "10.0.0.1", NAME, NAME, b"x", (), (), (), (), features=told)


@pytest.mark.parametrize(
    ("must", "initiates", "named"),
    [(False, False, None), (False, True, "ikelab-ppk"), (True, False, "ikelab-ppk")],
)
def test_strongswan_names_the_key_that_it_needs(must, initiates, named):
    """As responder it refuses any other key than the named one, so that it names none."""
    config = wanted(ppks=(KEY,), ppk_required=must)

    found = strongswan.connections(config, initiates=initiates)["ikelab"]

    assert (found.get("ppk_id"), found.get("ppk_required")) == (named, "yes" if must else None)
    secret = {"type": "PPK", "data": b"\x01\x02", "owners": ["ikelab-ppk"]}
    assert ("load_shared", secret) in credentials.loaded(config)


@pytest.mark.parametrize(("must", "word"), [(False, "yes"), (True, "insist")])
def test_libreswan_has_a_line_for_each_key(must, word):
    files = libreswan.render(wanted(ppks=(KEY,), ppk_required=must), libreswan.Build())

    assert f"\tppk={word}\n" in files["ipsec.conf"]
    assert ': PPKS "ikelab-ppk" 0x0102\n' in files["ipsec.secrets"]


@pytest.mark.parametrize("key", [
    Ppk(b"\xff", b"x"), Ppk(b"", b"x"), Ppk(b"a", b"x", PpkIdType.PPK_ID_OPAQUE)])  # fmt: skip
def test_a_name_that_is_no_text_cannot_be_said(key):
    for render in (
        lambda c: strongswan.connections(c, initiates=True),
        lambda c: libreswan.render(c, libreswan.Build()),
    ):
        with pytest.raises(Unsupported, match="PPK identity"):
            render(wanted(ppks=(key,)))


@pytest.mark.long
@pytest.mark.parametrize(
    ("peer", "passes"),
    [("strongswan@trixie", 17), ("libreswan@trixie", 12)],  # which has no EAP
)
def test_every_case_is_true_of_a_daemon(peer, passes, tmp_path):
    provisioned(peer)

    done = ikelab("run", "--peer", peer, "--out", tmp_path / "run", CASES, cwd=tmp_path)

    lines = [line for line in done.out.splitlines() if " PQ-15 " in line]
    assert done.status == 0, done.out + done.err
    assert sum(line.startswith("PASS ") for line in lines) == passes, done.out
