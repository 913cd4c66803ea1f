"""`ikelab pki`: what it writes, who may read it, and what OpenSSL says of it."""

from __future__ import annotations

import json
import resource
import shutil
import stat
import subprocess
from functools import partial
from pathlib import Path

import pytest

from ikelab.harness import pki
from ikelab.harness.cli import main
from ikelab.harness.crypto import chains, identities
from ikelab.harness.crypto.certs import Certificate, CertRefused, Crl
from ikelab.harness.crypto.sign import load_private_key
from ikelab.harness.errors import ConfigError
from ikelab.harness.exchange.credentials import CertCredential
from ikelab.layers.iana import IdType
from tests.conftest import missing
from tests.harness.command import ikelab

QUICK = ("p256", "ed25519")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pki") / "new" / "pki"
    words = ["pki", str(place), "--depth", "2", "--seed", "9"]
    for key in QUICK:
        words += ["--key", key]
    assert main(words) == 0
    return place


def index(folder: Path) -> dict[str, dict[str, str]]:
    return json.loads((folder / "index.json").read_text())


def test_files_and_who_may_read_them(folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    names = {path.name for path in folder.iterdir()}
    members = index(folder)
    assert len(members) == 2 * (len(QUICK) + len(pki.FLAWS))
    assert names == {"root.pem", "intermediates.pem", "crls.pem", "index.json"} | {
        f"{member}.{kind}" for member in members for kind in ("pem", "key")
    }
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_the_index_says_why_each_is_refused(folder: Path) -> None:
    for name, row in index(folder).items():
        flaw = name.partition("-")[2]
        assert row["identity"] == name.partition("-")[0] + ".ikelab.test"
        assert bool(row["refused"]) is (flaw in pki.FLAWS)


def test_members_are_what_the_index_says(folder: Path) -> None:
    anchors = pki.read_trust(folder / "root.pem", pki.DAY, crls=folder / "crls.pem")
    roots = [Certificate.load(a) for a in anchors.anchors]
    lists = [Crl.load(c) for c in anchors.crls]
    for name, row in index(folder).items():
        own = pki.read_credential(folder / f"{name}.pem", folder / f"{name}.key")
        leaf, *others = (Certificate.load(c) for c in own.chain)
        reason = ""
        try:
            chains.check(leaf, others, roots, anchors.at, crls=lists)
            identities.check(leaf, IdType.ID_FQDN, row["identity"].encode())
        except CertRefused as refused:
            reason = str(refused.reason)
        belongs = load_private_key(own.key).public_key() == leaf.key
        assert reason or belongs or row["refused"] == "bad signature of AUTH"
        assert reason == ("" if row["refused"] == "bad signature of AUTH" else row["refused"])


def test_openssl_agrees(folder: Path) -> None:
    """A witness that nobody here wrote: only IKE's own rules are beyond it."""
    openssl = shutil.which("openssl")
    if openssl is None:
        missing("openssl not found: install the package openssl")
    unseen = {"wrong-san", "wrong-key", "wrong-usage", "wrong-eku"}
    for name, row in index(folder).items():
        flaw = name.partition("-")[2]
        command = [str(openssl), "verify", "-CAfile", str(folder / "root.pem")]
        command += ["-untrusted", str(folder / f"{name}.pem"), "-attime", str(int(pki.DAY))]
        if flaw == "revoked" or flaw in QUICK:
            command += ["-CRLfile", str(folder / "crls.pem"), "-crl_check"]
        command.append(str(folder / f"{name}.pem"))
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        expected = bool(row["refused"]) and flaw not in unseen
        assert (said.returncode != 0) is expected, f"{name}: {said.stdout}{said.stderr}"


def test_the_same_seed_gives_the_same_octets(folder: Path, tmp_path: Path) -> None:
    again = pki.Pki(depth=2, seed=9)
    pki.write(again, tmp_path / "again", QUICK)
    for path in folder.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name
    other = pki.Pki(depth=2, seed=10)
    assert other.root != again.root


def test_without_a_seed_names_stay_and_keys_do_not() -> None:
    one, two = pki.Pki(), pki.Pki()
    assert one.root != two.root
    assert Certificate.load(one.root).name == Certificate.load(two.root).name
    assert one.member("initiator").identity == two.member("initiator").identity


def test_serial_numbers_are_of_one_certificate_each() -> None:
    made = pki.Pki(seed=1)
    serials = [
        Certificate.load(made.member(side, key, flaw).chain[0]).serial
        for side in pki.SIDES
        for key, flaw in [("p256", ""), ("p384", ""), *(("p256", f) for f in pki.FLAWS)]
        if flaw != "wrong-key"  # has the certificate of the right one, and another key
    ]
    assert len(set(serials)) == len(serials)


@pytest.mark.parametrize("ca", [k for k in pki.KEYS if not k.startswith("rsa")] + ["rsa2048"])
def test_cas_of_every_kind_of_key(ca: str) -> None:
    made = pki.Pki(ca=ca)
    chain = [Certificate.load(c) for c in made.member("responder").chain]
    path = chains.check(chain[0], chain[1:], [Certificate.load(made.root)], pki.DAY)
    assert len(path) == 3


@pytest.mark.parametrize(("depth", "bulk", "octets"), [(0, 0, 400), (2, 2400, 8192), (8, 0, 4000)])
def test_depth_and_size(depth: int, bulk: int, octets: int) -> None:
    made = pki.Pki(depth=depth, bulk=bulk)
    chain = made.member("initiator").chain
    assert len(chain) == depth + 1 and octets < sum(map(len, chain)) < octets * 1.5
    certificates = [Certificate.load(c) for c in chain]
    chains.check(certificates[0], certificates[1:], [Certificate.load(made.root)], pki.DAY)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--key", "p255"], "did you mean 'p256'"),
        (["--ca", "rsa1024"], "unknown kind of key"),
        (["--depth", "17"], "0 to 16 intermediates"),
        (["--bulk", "-1"], "octets of comment"),
    ],
)
def test_wrong_words(words: list[str], said: str, tmp_path: Path, capsys) -> None:
    assert main(["pki", str(tmp_path / "pki"), *words]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "pki").exists()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path, capsys) -> None:
    (tmp_path / "mine").write_text("mine")
    assert main(["pki", str(tmp_path)]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("words", [("sibling", ""), ("initiator", "broken")])
def test_members_that_there_are_not(words: tuple[str, str]) -> None:
    with pytest.raises(ConfigError, match="unknown"):
        pki.Pki(seed=1).member(words[0], flaw=words[1])


def test_files_that_hold_nothing(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    for read in (
        lambda: pki.read_trust(empty, pki.DAY),
        lambda: pki.read_credential(empty, empty),
        lambda: pki.read_trust(tmp_path / "none", pki.DAY),
    ):
        with pytest.raises(ConfigError):
            read()


def test_keys_do_not_show_in_a_repr(folder: Path) -> None:
    own = pki.read_credential(folder / "initiator-p256.pem", folder / "initiator-p256.key")
    member = pki.Pki(seed=9).member("initiator")
    for text in (repr(own), str(own), repr(member)):
        assert "PRIVATE" not in text and member.key.hex() not in text
        assert repr(member.key) not in text
    assert isinstance(own, CertCredential) and "CN=initiator.ikelab.test" in str(own)


@pytest.mark.parametrize("there", [True, False])
def test_nothing_is_left_where_the_disk_is_full(there: bool, tmp_path: Path) -> None:
    if there:
        (tmp_path / "new").mkdir(mode=0o755)
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (1500, 1500))

    done = ikelab("pki", "new", "--key", "p256", "--depth", "3", cwd=tmp_path, preexec_fn=limit)

    done.refused(2, "cannot write new: File too large")
    assert (tmp_path / "new").exists() is there
    assert [*tmp_path.rglob("*")] == ([tmp_path / "new"] if there else [])
    assert not there or stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o755


def test_a_file_is_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("mine")
    assert main(["pki", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err == f"ikelab: cannot write {tmp_path}/file: Not a directory\n"
