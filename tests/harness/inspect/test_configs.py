"""Configurations of daemons read back: what our drivers write, and what people write."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ikelab.harness.errors import ConfigError
from ikelab.harness.inspect.configs.read import load, sides_of
from ikelab.harness.inspect.configs.side import assign
from ikelab.harness.inspect.why import explain_all
from ikelab.harness.model import selectors
from tests.harness.inspect.lab import Lab

GOLDEN = Path(__file__).parents[1] / "peer/golden"

SWANCTL = """
connections {
  branch {            # the one that fails
    remote_addrs = 10.0.0.2
    local_addrs=10.0.0.1
    proposals = aes128-sha256-x25519, aes256-sha256-modp2048
    local { auth = psk
      id = "left@example.org"
    }
    remote-1 { auth = psk
 id = right@example.org }
    children { net { local_ts = 10.1.0.0/16[tcp/22], 10.3.0.1
        remote_ts = 10.2.0.0/16
        esp_proposals = aes128-sha256 } }
  }
}
secrets { ike-1 { id = right@example.org
 secret = "a secret" }
 eap-2 { secret = other } }
"""
LIBRESWAN = """
config setup
\tuniqueids=no
conn %default
\tikev2=insist
\tauthby=secret
conn branch
\talso=nets
\tleft=10.0.0.1
\tright=10.0.0.2   # the gateway
\tleftid=@left.example
\trightid=%fromcert
\tike=aes_gcm256-sha2_256-dh19,aes256+aes128-sha2_256-dh14
\tesp=aes256-sha2_256
conn nets
\tleftsubnets={10.1.0.0/24 10.3.0.0/24}
\trightsubnet=10.2.0.0/24
"""
STARTER = """
conn branch
    keyexchange=ikev2
    left=%defaultroute
    right=10.0.0.2
    ike=aes256-sha256-modp2048!
    esp=aes256-sha256!
    leftauth=psk
    rightauth=pubkey
"""
IKED = """
peer_net = "10.2.0.0/24"
ikev2 "branch" active esp \\
    from 10.1.0.0/24 to $peer_net \\
    local any peer 10.0.0.2 \\
    ikesa enc aes-256 prf hmac-sha2-256 auth hmac-sha2-256 group curve25519 \\
    childsa enc aes-128-gcm \\
    srcid left.example dstid right.example psk "a secret"
"""


def test_swanctl() -> None:
    (side,) = sides_of(SWANCTL, "swanctl.conf")
    assert [str(s) for s in side.ike] == ["aes128-sha256-x25519", "aes256-sha256-modp2048"]
    assert [str(s) for s in side.esp] == ["aes128-sha256-noesn"]
    assert (side.local, side.remote) == (("10.0.0.1",), ("10.0.0.2",))
    assert (side.local_id, side.local_auth) == ("left@example.org", "psk")
    assert side.local_ts == selectors(["10.1.0.0/16[6/22]", "10.3.0.1"])
    assert side.psks == (b"a secret",)


def test_libreswan() -> None:
    side, turned, *_ = sides_of(LIBRESWAN, "ipsec.conf")
    assert [str(s) for s in side.ike] == [
        "aes256gcm16-prfsha256-ecp256",
        "aes256-aes128-sha256-modp2048",
    ]
    # PFS is on by itself, with the groups of the IKE SA.
    assert [str(s) for s in side.esp] == ["aes256-sha256-ecp256-modp2048-noesn-esn"]
    assert (side.local_id, side.remote_id) == ("@left.example", "")
    assert (side.local_auth, turned.local) == ("psk", ("10.0.0.2",))
    assert side.local_ts == selectors(["10.1.0.0/24", "10.3.0.0/24"])


def test_strongswans_old_format() -> None:
    side = sides_of(STARTER, "ipsec.conf")[0]
    assert [str(s) for s in side.ike] == ["aes256-sha256-modp2048"]
    assert [str(s) for s in side.esp] == ["aes256-sha256-noesn"]
    assert (side.local, side.local_auth, side.remote_auth) == ((), "psk", "pubkey")


def test_iked() -> None:
    (side,) = sides_of(IKED, "iked.conf")
    assert [str(s) for s in side.ike] == ["aes256-sha256-x25519"]
    assert [str(s) for s in side.esp] == ["aes128gcm16-noesn-esn"]
    assert (side.local, side.remote) == ((), ("10.0.0.2",))
    assert side.remote_ts == selectors("10.2.0.0/24")
    assert side.psks == (b"a secret",)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.conf")), ids=lambda p: p.stem)
def test_what_our_drivers_write_is_read_back(path: Path) -> None:
    side = load([path]).files[0][0]
    assert side.ike and side.esp, side.notes
    assert side.local and side.remote


@pytest.mark.parametrize("name", ["ios-15-seed", "ios-16-seed", "ios-17-map", "ios-15-map"])
def test_what_our_driver_tells_a_router_is_read_back(name: str) -> None:
    (side,) = load([GOLDEN / f"{name}.cfg"]).files[0]
    assert side.ike and side.esp and side.remote == ("10.0.0.1",) and side.psks
    assert (side.local_auth, side.remote_auth) == ("psk", "psk")


def test_a_router_with_a_crypto_map() -> None:
    (side,) = load([GOLDEN / "ios-17-map.cfg"]).files[0]
    assert [str(s) for s in side.ike] == [
        "aes256-aes128-sha256-sha1-ecp256-modp2048",
        "aes256gcm16-prfsha512-ecp384",
    ]
    assert [str(s) for s in side.esp] == [
        "aes256-sha256-modp2048-noesn",
        "aes128-sha256-modp2048-noesn",
        "aes128gcm16-modp2048-noesn",
    ]
    assert (side.local_id, side.remote_id) == ("gw@left.example", "right.example")
    assert side.local_ts == selectors("10.2.0.0/24[17/500]")
    assert side.remote_ts == selectors("10.1.0.0/24[17]")
    assert side.psks == (b"ours", b"theirs")


def test_secrets_in_a_file_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "ipsec.conf").write_text(LIBRESWAN)
    (tmp_path / "ipsec.secrets").write_text('10.0.0.1 @gw.example : PSK "a secret"\n')
    found = load([tmp_path / "ipsec.conf", tmp_path / "ipsec.secrets"])
    assert found.files[0][0].psks == (b"a secret",)


def test_what_is_no_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*missing"):
        load([tmp_path / "missing"])
    (tmp_path / "notes.txt").write_text("hello\n")
    with pytest.raises(ConfigError, match="no connection found"):
        load([tmp_path / "notes.txt"])
    (tmp_path / "open.conf").write_text("connections {\n a {\n")
    with pytest.raises(ConfigError, match="2 sections are not closed"):
        load([tmp_path / "open.conf"])


def test_each_configuration_finds_its_end() -> None:
    lab = Lab().up()
    session = lab.inspect().sessions[0]
    (left,) = sides_of(SWANCTL, "left")
    right = dataclasses.replace(left.mirrored(), source="right", ike=())
    for files in ([[left], [right]], [[right], [left]]):
        pair = assign(session, files)
        assert (pair.initiator, pair.responder) == (left, right)
    assert assign(session, [[right]]).responder == right
    libreswan = sides_of(LIBRESWAN, "ipsec.conf")
    assert assign(session, [libreswan]).initiator in (libreswan[0], None)


def test_a_proposal_is_held_against_the_file_that_refuses_it() -> None:
    lab = Lab(i={"ike": ["aes256-sha256-modp2048"]}, r={"ike": ["aes128-sha256-x25519"]}).up()
    text = (
        SWANCTL.replace("10.0.0.1", "x")
        .replace("10.0.0.2", "10.0.0.1")
        .replace("x\n", "10.0.0.2\n")
    )
    text = text.replace(", aes256-sha256-modp2048", "").replace("-x\n", "-x25519\n")
    files = [sides_of(text, "swanctl.conf")]
    found = explain_all(lab.inspect(), files)[0][1]
    assert found.sentence.startswith("No IKE proposal fits: proposal 1"), found
    assert "swanctl.conf (branch)" in str(found)
