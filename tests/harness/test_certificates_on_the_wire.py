"""IKE_AUTH with certificates as tshark sees it, decrypted with the keys of the record."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ikelab.harness.crypto.certs import Certificate
from ikelab.harness.crypto.schemes import SCHEMES
from ikelab.harness.pki import Certificates, Pki
from ikelab.harness.record import CaseFolder, RunFolder
from ikelab.harness.rig import MemoryRig, Settings

SUITE = "aes128-sha256-modp2048"  # a cipher that every tshark decrypts
ENCODING, CERTREQ, SERIAL = "isakmp.cert.encoding", "isakmp.certreq.type", "x509af.serialNumber"
METHOD, SCHEME = "isakmp.auth.method", "isakmp.auth.data.sig.asn1.data"
HASHES, URL = "isakmp.notify.data.signature_hash_algorithms", "isakmp.cert.x509.url"
FIELDS = (ENCODING, CERTREQ, SERIAL, METHOD, SCHEME, HASHES, URL, "_ws.malformed")


def seen(tshark: str, folder: Path) -> list[dict[str, str]]:
    """Each message in tshark's words."""
    command = [tshark, "-r", str(folder / "capture.pcapng"), "-T", "fields", "-E", "separator=;"]
    for name in FIELDS:
        command += ["-e", name]
    env = {**os.environ, "WIRESHARK_CONFIG_DIR": str(folder / "keys")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return [dict(zip(FIELDS, line.split(";"), strict=True)) for line in done.stdout.splitlines()]


def recorded(tmp_path: Path, pki: Pki, key: str, **own: str) -> Path:
    """The folder of a talk in which both sides have a certificate."""
    folder = CaseFolder(RunFolder(tmp_path / "run", {}), "certificates")
    rig = MemoryRig(Settings())
    rig.begin("certificates", folder.path)
    sides = Certificates(pki, "initiator")
    theirs = sides.theirs(key)
    if own:
        leaf = pki.member("initiator", key).chain[0]
        theirs["trust"] = pki.trust(fetch=lambda url: leaf)
    rig.peer.start(**theirs, ike=[SUITE])
    session = rig.initiator().establish(**sides.ours(key, **own), ike=[SUITE])
    assert session.violations == []
    folder.write([s.sa for s in rig.sessions()])
    rig.end()
    return folder.path


@pytest.mark.parametrize(
    ("key", "scheme"),
    [("rsa2048", "rsa-pss-sha256"), ("p384", "ecdsa-sha384"), ("ed25519", "ed25519")],
)
def test_tshark_sees_certificates_requests_and_signatures(
    tshark: str, tmp_path: Path, key: str, scheme: str
) -> None:
    pki = Pki()

    asked, offered, request, response = seen(tshark, recorded(tmp_path, pki, key))

    assert asked[HASHES] == offered[HASHES] == "2,3,4,5"
    assert (asked[CERTREQ], offered[CERTREQ], request[CERTREQ]) == ("", "4", "4")
    for message, side in ((request, "initiator"), (response, "responder")):
        chain = [Certificate.load(c) for c in pki.member(side, key).chain]
        assert message[ENCODING] == "4,4"
        assert [int(n, 16) for n in message[SERIAL].split(",")] == [c.serial for c in chain]
        assert message[METHOD] == "14"
        assert message[SCHEME].replace(":", "") == SCHEMES[scheme].identifier.hex()
    assert not any(m["_ws.malformed"] for m in (asked, offered, request, response))


def test_tshark_sees_a_hash_and_url(tshark: str, tmp_path: Path) -> None:
    place = "http://ca.ikelab.test/initiator.der"

    request = seen(tshark, recorded(tmp_path, Pki(), "p256", url=place))[2]

    assert request[ENCODING] == "12,4" and request[URL] == place
    assert not request["_ws.malformed"]
