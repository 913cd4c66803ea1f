"""A small PKI for tests: a root, intermediates, end entities for both sides, right and wrong ones.

Names and times are always the same; with a seed keys and serial numbers are too. Members are made
when they are asked for. Nothing here touches the network.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from ikelab.harness.crypto import issue
from ikelab.harness.crypto.certs import Certificate, Reason
from ikelab.harness.entropy import Entropy, entropy
from ikelab.harness.errors import ConfigError, nearest
from ikelab.harness.exchange.credentials import CertCredential, Trust
from ikelab.harness.model import Identity
from ikelab.harness.peer.addresses import V4, V6
from ikelab.layers.iana import IdType

SIDES = ("initiator", "responder")
KEYS = issue.KINDS
BEGIN = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
END = datetime(2049, 12, 31, tzinfo=UTC).timestamp()
DAY = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
PAST = datetime(2021, 1, 1, tzinfo=UTC).timestamp()
FUTURE = datetime(2049, 1, 1, tzinfo=UTC).timestamp()
_CA = ("keyCertSign", "cRLSign")
_SERVER_AUTH = "1.3.6.1.5.5.7.3.1"

FLAWS: dict[str, Reason | None] = {
    "expired": Reason.EXPIRED,
    "not-yet-valid": Reason.NOT_YET_VALID,
    "revoked": Reason.REVOKED,
    "wrong-eku": Reason.EXTENDED_KEY_USAGE,
    "wrong-usage": Reason.KEY_USAGE,
    "wrong-san": Reason.IDENTITY,
    "wrong-key": None,
    "unknown-ca": Reason.UNKNOWN_CA,
    "pathlen": Reason.PATH_LENGTH,
    "not-a-ca": Reason.NOT_A_CA,
}
"""What can be wrong with an end entity, and how its certificate is refused for it.

`wrong-key` has a right certificate and the key of another: its signature is what fails.
"""


@dataclass(frozen=True, slots=True)
class Member:
    """One end entity: its chain, end entity first and without the root, and its private key."""

    name: str
    chain: tuple[bytes, ...]
    key: bytes = field(repr=False)
    identity: Identity

    @property
    def subject(self) -> Identity:
        """The subject as an ID payload of type ID_DER_ASN1_DN."""
        return Identity(IdType.ID_DER_ASN1_DN, Certificate.load(self.chain[0]).subject)

    def credential(self, **options: Any) -> CertCredential:
        """What an endpoint authenticates with; options as of `CertCredential`."""
        return CertCredential(self.chain, self.key, **options)


@dataclass(frozen=True, slots=True)
class _Authority:
    certificate: Certificate
    key: bytes = field(repr=False)


class Pki:
    """The PKI. `ca` is the kind of the CAs' keys, `depth` how many intermediates there are.

    `bulk` octets of comment in every certificate make a chain large: two intermediates and 2,400
    octets give 8 KiB on the wire.
    """

    def __init__(
        self, *, ca: str = "p256", depth: int = 1, bulk: int = 0, seed: int | None = None
    ) -> None:
        if not 0 <= depth <= 16 or not 0 <= bulk <= 16000:
            raise ConfigError("a PKI has 0 to 16 intermediates and 0 to 16000 octets of comment")
        if ca not in KEYS:
            near = nearest(ca, KEYS) or f"; there are {', '.join(KEYS)}"
            raise ConfigError(f"unknown kind of key {ca!r}{near}")
        self._ca, self._bulk, self._seed = ca, bulk, seed
        self._keys: dict[str, bytes] = {}
        self._made: dict[str, Member] = {}
        self.authorities = [self._authority("ikelab root", None)]
        for number in range(1, depth + 1):
            below = depth - number
            self.authorities.append(
                self._authority(f"ikelab intermediate {number}", self.issuer, below)
            )

    @property
    def root(self) -> bytes:
        """The trust anchor, DER."""
        return self.authorities[0].certificate.der

    @property
    def issuer(self) -> _Authority:
        """The CA that issues the end entities."""
        return self.authorities[-1]

    @property
    def intermediates(self) -> tuple[bytes, ...]:
        """From the issuing CA upwards, without the root."""
        return tuple(a.certificate.der for a in reversed(self.authorities[1:]))

    @property
    def crls(self) -> tuple[bytes, ...]:
        """A CRL of every CA, DER; the issuing one's lists what is revoked."""
        gone = [
            self._certificate(self._wanted(side, "revoked"), self._key(f"{side}-p256"), self.issuer)
            for side in SIDES
        ]
        return tuple(
            issue.revoke(a.certificate, a.key, gone if a is self.issuer else [], BEGIN, END)
            for a in self.authorities
        )

    def trust(self, at: float = DAY, **options: Any) -> Trust:
        """Trust in the root, with every CRL; `at` is the Unix time that certificates meet."""
        return replace(Trust(anchors=(self.root,), crls=self.crls, at=at), **options)

    def member(self, side: str, key: str = "p256", flaw: str = "") -> Member:
        """An end entity of one side; `flaw` is one of FLAWS, its keys are P-256."""
        if side not in SIDES:
            raise ConfigError(f"unknown side {side!r}{nearest(side, SIDES)}")
        if flaw and flaw not in FLAWS:
            raise ConfigError(f"unknown flaw {flaw!r}{nearest(flaw, FLAWS)}")
        name = f"{side}-{flaw or key}"
        if name not in self._made:
            self._made[name] = self._flawed(name, side, flaw) if flaw else self._plain(side, key)
        return self._made[name]

    # -- making --------------------------------------------------------------------------------

    def _plain(self, side: str, kind: str) -> Member:
        key = self._key(f"{side}-{kind}", kind)
        leaf = self._certificate(self._wanted(side), key, self.issuer)
        return self._member(f"{side}-{kind}", leaf, key)

    def _flawed(self, name: str, side: str, flaw: str) -> Member:
        key = self._key(f"{side}-p256")
        wanted, issuer, above = self._wanted(side, flaw), self.issuer, self.intermediates
        if flaw == "unknown-ca":
            issuer, above = self._authority("stranger root", None), ()
        elif flaw == "pathlen":
            strict = self._authority("ikelab last", self.authorities[0], 0)
            issuer = self._authority("ikelab too deep", strict)
            above = (issuer.certificate.der, strict.certificate.der)
        elif flaw == "not-a-ca":
            plain = self._key("stranger-p256")
            between = self._certificate(self._wanted(side, "wrong-san"), plain, self.issuer)
            issuer = _Authority(between, plain)
            above = (between.der, *above)
        leaf = self._certificate(wanted, key, issuer)
        held = self._key("stranger-p256") if flaw == "wrong-key" else key
        return self._member(name, leaf, held, above)

    def _member(
        self, name: str, leaf: Certificate, key: bytes, above: tuple[bytes, ...] | None = None
    ) -> Member:
        chain = (leaf.der, *(self.intermediates if above is None else above))
        return Member(name, chain, key, Identity.parse(_fqdn(name.partition("-")[0])))

    def _wanted(self, side: str, flaw: str = "") -> issue.Wanted:
        number = SIDES.index(side)
        host = "stranger" if flaw == "wrong-san" else side
        names: tuple[str, ...] = (f"dns:{_fqdn(host)}", f"email:{host}@ikelab.test")
        if flaw != "wrong-san":
            names += (f"ip:{V4[number].address}", f"ip:{V6[number].address}")
        plain = issue.Wanted(
            _fqdn(side), BEGIN, END, names=names, bulk=self._bulk, organisation="ikelab"
        )
        match flaw:
            case "expired":
                return replace(plain, end=PAST)
            case "not-yet-valid":
                return replace(plain, begin=FUTURE)
            case "wrong-eku":
                return replace(plain, purposes=(_SERVER_AUTH,))
            case "wrong-usage":
                return replace(plain, usage=("keyEncipherment",))
            case "revoked":
                return replace(plain, organisation="ikelab revoked")
        return plain

    def _authority(
        self, name: str, issuer: _Authority | None, path_length: int | None = None
    ) -> _Authority:
        key = self._key(name, self._ca)
        wanted = issue.Wanted(
            name, BEGIN, END, ca=True, path_length=path_length, usage=_CA, bulk=self._bulk
        )
        return _Authority(self._certificate(wanted, key, issuer), key)

    @staticmethod
    def _certificate(wanted: issue.Wanted, key: bytes, issuer: _Authority | None) -> Certificate:
        if issuer is None:
            return issue.issue(wanted, key)
        return issue.issue(wanted, key, issuer.certificate, issuer.key)

    def _key(self, label: str, kind: str = "p256") -> bytes:
        if label not in self._keys:
            self._keys[label] = issue.new_key(kind, self._drawn(f"{label} {kind}"))
        return self._keys[label]

    def _drawn(self, label: str) -> Entropy | None:
        return None if self._seed is None else entropy(self._seed, "pki", label)


class Certificates:
    """The options of both sides of a case that authenticate with certificates of one PKI."""

    def __init__(self, pki: Pki, ours: str) -> None:
        self.pki = pki
        self._ours, self._theirs = SIDES if ours == SIDES[0] else SIDES[::-1]

    def ours(self, key: str = "p256", *, flaw: str = "", **own: Any) -> dict[str, Any]:
        """For our endpoint; `own` are options of its `CertCredential`."""
        return self._options(self._ours, self._theirs, key, flaw, own)

    def theirs(self, key: str = "p256", *, flaw: str = "", **own: Any) -> dict[str, Any]:
        """For the peer under test."""
        return self._options(self._theirs, self._ours, key, flaw, own)

    def _options(
        self, side: str, other: str, key: str, flaw: str, own: dict[str, Any]
    ) -> dict[str, Any]:
        member = self.pki.member(side, key, flaw)
        return {
            "own": member.credential(**own),
            "trust": self.pki.trust(),
            "local_id": member.identity,
            "remote_id": Identity.parse(_fqdn(other)),
        }


@cache
def of_run(seed: int | None) -> Pki:
    """The PKI of a run's cases: the same one for all that have the seed."""
    return Pki(seed=seed)


def _fqdn(host: str) -> str:
    return f"{host}.ikelab.test"


# -- on disk -----------------------------------------------------------------------------------


def write(pki: Pki, folder: Path, keys: tuple[str, ...] = KEYS) -> list[str]:
    """Write the whole PKI as PEM files; the names of the members.

    The folder has mode 0700 and keys 0600. ConfigError where the folder holds something already,
    or cannot be written: then nothing is left of what was.
    """
    try:
        if folder.exists() and any(folder.iterdir()):
            raise ConfigError(f"{folder} is not empty: give a new folder")
        with _whole(folder) as files:
            return _write(pki, files, keys)
    except OSError as error:
        raise ConfigError(f"cannot write {folder}: {error.strerror}") from None


class _Files:
    """The files of a folder that is being filled; only their owner reads them, keys or not."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.made = folder, list[Path]()

    def put(self, name: str, text: str) -> None:
        path = self.folder / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self.made.append(path)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)


@contextlib.contextmanager
def _whole(folder: Path) -> Iterator[_Files]:
    """An empty folder to be filled: as it was, or absent, where that fails."""
    fresh = not folder.exists()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode, files = folder.stat().st_mode, _Files(folder)
    try:
        folder.chmod(0o700)
        yield files
    except BaseException:
        for path in files.made:
            path.unlink()
        with contextlib.suppress(OSError):  # somebody else may have put something there
            folder.rmdir() if fresh else folder.chmod(stat.S_IMODE(mode))
        raise


def _write(pki: Pki, files: _Files, keys: tuple[str, ...]) -> list[str]:
    members = [pki.member(side, key) for side in SIDES for key in keys]
    members += [pki.member(side, flaw=flaw) for side in SIDES for flaw in FLAWS]
    authorities = [a.certificate.der for a in pki.authorities]
    files.put("root.pem", _pem("CERTIFICATE", authorities[:1]))
    files.put("intermediates.pem", _pem("CERTIFICATE", authorities[1:]))
    files.put("crls.pem", _pem("X509 CRL", pki.crls))
    index = {}
    for member in members:
        files.put(f"{member.name}.pem", _pem("CERTIFICATE", member.chain))
        files.put(f"{member.name}.key", issue.pem_key(member.key).decode())
        flaw = member.name.partition("-")[2]
        refused = FLAWS.get(flaw, "")
        index[member.name] = {
            "identity": str(member.identity),
            "chain_octets": sum(map(len, member.chain)),
            "refused": "bad signature of AUTH" if refused is None else str(refused),
        }
    files.put("index.json", json.dumps(index, indent=1) + "\n")
    return [member.name for member in members]


def read_credential(chain: Path, key: Path, **options: Any) -> CertCredential:
    """A credential out of a PEM file of certificates (end entity first) and a file with its key."""
    found = pem_blocks(_get(chain), "CERTIFICATE")
    if not found:
        raise ConfigError(f"{chain} holds no certificate")
    return CertCredential(found, _get(key), **options)


def read_trust(anchors: Path, at: float, *, crls: Path | None = None, **options: Any) -> Trust:
    """Trust in the certificates of a PEM file, with the CRLs of another."""
    found = pem_blocks(_get(anchors), "CERTIFICATE")
    if not found:
        raise ConfigError(f"{anchors} holds no certificate")
    lists = pem_blocks(_get(crls), "X509 CRL") if crls else ()
    return Trust(anchors=found, crls=lists, at=at, **options)


def pem_blocks(data: bytes, label: str) -> tuple[bytes, ...]:
    """The DER content of every PEM block with this label."""
    begin, end = f"-----BEGIN {label}-----".encode(), f"-----END {label}-----".encode()
    found = []
    for part in data.split(begin)[1:]:
        body, closed, _ = part.partition(end)
        try:
            found.append(base64.b64decode(body if closed else b"*", validate=False))
        except ValueError:
            raise ConfigError(f"a PEM block {label} that is not base64") from None
    return tuple(found)


def _pem(label: str, octets: Any) -> str:
    blocks = []
    for der in octets:
        text = base64.b64encode(der).decode()
        lines = "\n".join(text[i : i + 64] for i in range(0, len(text), 64))
        blocks.append(f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
    return "".join(blocks)


def _get(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
