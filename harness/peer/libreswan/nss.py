"""What goes into pluto's NSS database: files, and the commands of NSS's own tools. Pure.

The tools come out of the same unpacked tree as pluto. A database is named after what it holds, so
that a daemon that is started again with the same certificates takes the one that is there.
"""

from __future__ import annotations

import hashlib

from ikelab.harness.crypto import files
from ikelab.harness.exchange.credentials import CertCredential
from ikelab.harness.peer.base import PeerConfig
from ikelab.harness.peer.daemon import FOLDER

OWN = "own"
"""The nickname of the certificate that pluto shows."""
_PASSWORD = "ikelab"

Material = dict[str, bytes]
"""Files by name: `ca-0`, `above-0`, `crl-0`, `own.p12`."""


def material(config: PeerConfig) -> Material:
    """Everything that a configuration needs in the database; empty for shared keys."""
    found: Material = {}
    if isinstance(config.own, CertCredential):  # first: a CRL wants its issuer to be there
        found["own.p12"] = files.bundle(
            config.own.key, config.own.chain, name=OWN, password=_PASSWORD
        )
    trust = config.trust
    if trust is not None:
        for number, anchor in enumerate(trust.anchors):
            found[f"ca-{number}"] = files.der_certificate(anchor)
        for number, above in enumerate(trust.intermediates):
            found[f"above-{number}"] = files.der_certificate(above)
        for number, listed in enumerate(trust.crls):
            found[f"crl-{number}"] = files.crl(listed)
    return found


def folder(config: PeerConfig) -> str:
    """The name of the database's folder: the same for the same certificates and keys."""
    parts: list[bytes] = []
    if config.trust is not None:
        parts += [*config.trust.anchors, b"", *config.trust.intermediates, b"", *config.trust.crls]
    if isinstance(config.own, CertCredential):
        parts += [b"own", *config.own.chain, config.own.key]
    if not any(parts):
        return "nss"
    return "nss-" + hashlib.sha256(b"".join(map(_framed, parts))).hexdigest()[:16]


def _framed(part: bytes) -> bytes:
    return len(part).to_bytes(4, "big") + part


def commands(found: Material, place: str) -> list[list[str]]:
    """The tools to run, in order, for a new database at `place` (a folder's name)."""
    database = ["-d", f"sql:{FOLDER}/{place}"]
    every = [["/usr/bin/certutil", "-N", *database, "--empty-password"]]
    for name in found:
        file = ["-i", f"{FOLDER}/{place}/{name}"]
        match name.partition("-")[0]:
            case "ca":
                add = ["/usr/bin/certutil", "-A", *database, "-n", name, "-t", "CT,,"]
            case "above":
                add = ["/usr/bin/certutil", "-A", *database, "-n", name, "-t", ",,"]
            case "crl":
                add = ["/usr/bin/crlutil", "-I", *database, "-t", "1", "-B"]
            case _:
                add = ["/usr/bin/pk12util", *database, "-W", _PASSWORD]
        every.append([*add, *file])
    return every
