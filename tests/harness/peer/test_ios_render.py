"""Cisco configurations: golden files for each release, and what a release cannot do.

IKELAB_GOLDEN=write writes the golden files anew; look at the difference before committing it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from daemon_pair import config

from ikelab.harness.errors import ConfigError
from ikelab.harness.exchange.credentials import NullCredential, PskCredential, Trust
from ikelab.harness.exchange.features import Features
from ikelab.harness.model import Identity, Suite, Transform, suites
from ikelab.harness.peer.addresses import V4, V6
from ikelab.harness.peer.base import PeerConfig, Unsupported
from ikelab.harness.peer.ios import driver
from ikelab.harness.peer.ios.dialect import Cisco
from ikelab.harness.peer.ios.releases import Release
from ikelab.harness.peer.ios.render import Rendering, render
from ikelab.harness.pki import of_run
from ikelab.layers.iana import Encr, Ke, Protocol, TransformType

GOLDEN = Path(__file__).parent / "golden"
ESP, AH = Protocol.ESP, Protocol.AH
ALL = ("0.0.0.0/0", "0.0.0.0/0")
CBC = {"ike": suites(["aes256-sha256-modp2048"]), "esp": suites(["aes256-sha256"], ESP)}
PQC = {
    "ike": (Suite((*Suite.parse("aes256gcm16-prfsha384-ecp384").transforms,
                   Transform(TransformType.ADDKE1, Ke.ML_KEM_768))),),
    "esp": (Suite((*Suite.parse("aes256gcm16-ecp521", ESP).transforms,
                   Transform(TransformType.ADDKE1, Ke.ML_KEM_1024)), ESP),),
}  # fmt: skip


def wanted(**differs) -> PeerConfig:
    """A router in the middle of the lab; CBC, as every release has it."""
    return config(V4[1], V4[0], **{**CBC, **differs})


SEED = wanted(
    ike=suites(["3des-aes128-sha1-modp1024"]),
    esp=suites(["3des-sha1"], ESP),
    ts=ALL,
)
EVERYTHING = {
    "fragment": 1400,
    "dpd_delay": 30.0,
    "keepalive": 20.0,
    "window": 5,
    "ts": ("10.2.0.0/24[17/500]", "10.1.0.0/24[17]"),
    "ike": suites(["aes256-aes128-sha256-sha1-ecp256-modp2048", "aes256gcm16-prfsha512-ecp384"]),
    "esp": suites(["aes256-aes128-sha256-modp2048", "aes128gcm16-modp2048"], ESP),
    "local_id": Identity.parse("gw@left.example"),
    "remote_id": Identity.parse("right.example"),
    "own": PskCredential(b"ours"),
    "trust": Trust(psk=b"theirs"),
}
MAP = {"interface": "GigabitEthernet1", "cookie_challenge": "20", "max_half_open": "60",
       "max_sa": "100"}  # fmt: skip


CASES = {
    "15-seed": ("15", SEED),
    "15-map": ("15.2(4)M6", wanted(**EVERYTHING, options=MAP)),
    "16-seed": ("16", SEED),
    "16-six": ("16.9", config(V6[1], V6[0], **CBC, ts=("::/0", "::/0"))),
    "17-seed": ("17.3", SEED),
    "17-map": ("17.11.1", wanted(**EVERYTHING, options=MAP)),
    "17-ppk": ("17.12.1a", wanted(ts=ALL, options={"ppk_id": "k1", "ppk": "0a0b0c0d",
                                                   "ppk_required": "yes"})),
    "26-mlkem": ("26.1", wanted(ts=ALL, fragment=1400, **PQC, options={"pqc": "optional"})),
    "asa-plain": ("asa 9.12", wanted(ike=suites(["3des-aes128-sha1-modp1024"]),
                                     esp=suites(["aes256-sha1-md5"], ESP))),
    "asa-map": ("asa 9.16", wanted(
        fragment=1300, cookies=True, dpd_delay=10.0, ts=("10.2.0.0/24[17/500]", "10.1.0.0/24[17]"),
        ike=suites(["aes256gcm16-prfsha384-ecp384"]), esp=suites(["aes256gcm16-modp2048"], ESP),
        options={"interface": "dmz", "max_half_open": "60"})),
}  # fmt: skip


def text_of(found: Rendering) -> str:
    return "\n".join([*found.config, "!", "! to undo it:", *found.undo, ""])


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    release, asked = CASES[name]
    text = text_of(render(asked, Release.parse(release)))
    path = GOLDEN / f"ios-{name}.cfg"
    if os.environ.get("IKELAB_GOLDEN") == "write":
        path.write_text(text)

    assert text == path.read_text()


@pytest.mark.parametrize(("name", "release"), [("16-rsa-sig", "16"), ("asa-rsa-sig", "asa")])
def test_golden_with_certificates(name: str, release: str) -> None:
    member = of_run(1).member("responder", "rsa2048")
    text = text_of(
        render(
            wanted(ts=ALL, own=member.credential(), trust=of_run(1).trust(),
                   options={"trustpoint": "LAB-CA"}),
            Release.parse(release),
        )
    )  # fmt: skip
    path = GOLDEN / f"ios-{name}.cfg"
    if os.environ.get("IKELAB_GOLDEN") == "write":
        path.write_text(text)

    assert text == path.read_text()
    assert "pre-share" not in text


def test_a_certificate_on_one_side_only() -> None:
    options = {"trustpoint": "LAB-CA"}
    [ours] = [wanted(ts=ALL, own=of_run(1).member("responder").credential(), options=options)]
    lines = [line.strip() for line in render(ours, Release.parse("16")).config]
    assert "authentication local ecdsa-sig" in lines
    assert "authentication remote pre-share" in lines and "keyring local IKELAB" in lines
    theirs = wanted(ts=ALL, trust=of_run(1).trust(), options=options)
    lines = [line.strip() for line in render(theirs, Release.parse("16")).config]
    assert "authentication local pre-share" in lines and "authentication remote rsa-sig" in lines


def test_the_seed_s_own_lines_are_in_it() -> None:
    """What the document configures, under our names."""
    lines = [line.strip() for line in render(SEED, Release.parse("15")).config]
    for line in ("encryption 3des aes-cbc-128", "integrity sha1", "group 2",
                 "pre-shared-key local cisco", "pre-shared-key remote cisco",
                 "crypto ipsec transform-set IKELAB-1 esp-3des esp-sha-hmac"):  # fmt: skip
        assert line in lines


@pytest.mark.parametrize("name", CASES)
def test_undo_takes_out_every_section_and_in_the_other_order(name: str) -> None:
    release, asked = CASES[name]
    found = render(asked, Release.parse(release))
    heads = [line for line in found.config if not line.startswith(" ")]
    own = [h for h in heads if not h.startswith("interface Gigabit") and "ipsec-attr" not in h]
    gone = [line.removeprefix("no ").removeprefix("clear configure ") for line in found.undo
            if line.startswith(("no ", "clear "))]  # fmt: skip
    places = [next((i for i, g in enumerate(gone) if head.startswith(g)), None) for head in own]
    assert None not in places, own[places.index(None)]
    assert len(gone) == len(own)
    assert places[0] == len(gone) - 1 and sorted(places, reverse=True) == places


@pytest.mark.parametrize("name", ["15-seed", "17-ppk", "asa-plain"])
def test_no_key_is_recorded(name: str) -> None:
    """What the driver keeps of the configuration, for the run folder."""
    release, asked = CASES[name]
    text = "\n".join(render(asked, Release.parse(release)).config)
    kept = driver._SECRET_LINE.sub(r"\g<1><not shown>", text)
    assert "cisco" in text and "cisco" not in kept and "0a0b0c0d" not in kept
    assert kept.count("<not shown>") == (3 if "ppk" in name else 2)


WEAK = ("3des-sha1-modp2048", "des-sha1-modp2048", "aes128-md5-modp2048", "aes128-sha1-modp768",
        "aes128-sha1-modp1024", "aes128-sha1-modp1536")  # fmt: skip


@pytest.mark.parametrize("word", WEAK)
@pytest.mark.parametrize(
    ("release", "refused"),
    [("15.2", False), ("16.12", False), ("17.10", False), ("17.11.1", True), ("26.1", True)],
)
def test_weak_algorithms_by_release(word: str, release: str, refused: bool) -> None:
    asked = wanted(ike=suites([word]), ts=ALL)
    if not refused:
        render(asked, Release.parse(release))
        return
    with pytest.raises(Unsupported, match="crypto engine compliance shield disable"):
        render(asked, Release.parse(release))
    render(asked, Release.parse(f"{release} shield=off"))


@pytest.mark.parametrize(
    ("release", "differs", "told"),
    [
        ("15", {"ike": suites(["aes128-sha1-ecp521"])}, "521-bit random ECP group"),
        ("16", {"ike": suites(["aes128-sha1-x25519"])}, "Curve25519"),
        ("16", {"ike": suites(["chacha20poly1305-prfsha256-ecp256"])}, "CHACHA20"),
        ("17.15", PQC, "IOS XE 26.1 is the first release that has it"),
        ("17.10", {"options": {"ppk_id": "a", "ppk": "00"}}, "IOS XE 17.11 is the first"),
        ("17.11", {"options": {"ppk_id": "a"}}, "both ppk_id and ppk"),
        ("16", {"trust": of_run(1).trust()}, "certificates by hand"),
        ("16", {"own": of_run(1).member("responder").credential()}, "certificates by hand"),
        (
            "16",
            {
                "own": of_run(1).member("responder", "ed25519").credential(),
                "options": {"trustpoint": "X"},
            },
            "not with ed25519",
        ),
        ("16", {"cookies": True}, "beyond a number of half-open SAs"),
        ("16", {"dpd_delay": 1.0}, "every 10 s at the fastest"),
        ("16", {"own": NullCredential()}, "no NULL authentication"),
        ("16", {"features": Features(mobike=True)}, "cannot ask for mobike"),
        ("16", {"pool": ("10.3.0.0/24",)}, "gives and asks for no addresses"),
        ("16", {"port": 4711}, "no other port than 500"),
        ("16", {"psk": b"two words"}, "a key that can be typed"),
        ("16", {"options": {"colour": "red"}}, "no option colour"),
        ("16", {"esp": suites(["aes128-sha1-esn"], ESP)}, "no extended sequence numbers"),
        ("16", {"ike": suites(["aes128-aes128gcm16-prfsha256-ecp256"])}, "both combined-mode"),
        ("16", {"ts": ("10.2.0.0/24", "10.1.0.0/24")}, "need a crypto map"),
        ("16", {"ts": ("10.2.0.1-10.2.0.4", "10.1.0.0/24"), "options": MAP}, "takes networks"),
        ("16", {"mode": "transport"}, "tunnel mode"),
        ("16", {"esp": suites(["aes128-sha1-modp2048", "aes128-sha1-ecp256"], ESP)}, "one group"),
        ("asa 9.16", {"ike": suites(["3des-sha1-modp2048"])}, "removed in ASA 9.15"),
        ("asa", {"window": 4}, "a window of one request"),
        ("asa", {"esp": suites(["sha1"], AH)}, "has no AH"),
        ("asa", {"local_id": Identity.parse("gw.example")}, "presents its address"),
    ],
)
def test_unsupported_says_why(release: str, differs: dict, told: str) -> None:
    with pytest.raises(Unsupported, match=told):
        render(wanted(**{"ts": ALL, **differs}), Release.parse(release))


@pytest.mark.parametrize(
    ("text", "family", "version"),
    [
        ("Cisco IOS Software, C2900 Software (C2900-UNIVERSALK9-M), Version 15.2(4)M6, RELEASE",
         "IOS", (15, 2, 4)),
        ("Cisco IOS Software [Fuji], Virtual XE Software, Version 16.7.1, RELEASE SOFTWARE (fc6)",
         "IOS XE", (16, 7, 1)),
        ("Cisco IOS XE Software, Version 17.12.01a", "IOS XE", (17, 12, 1)),
        ("Cisco Adaptive Security Appliance Software Version 9.16(3)", "ASA", (9, 16, 3)),
    ],
)  # fmt: skip
def test_release_of_show_version(text: str, family: str, version: tuple[int, ...]) -> None:
    found = Release.of_show_version(text)
    assert found is not None and (found.family, found.version) == (family, version)


def test_no_release_at_all() -> None:
    assert Release.of_show_version("Junos: 21.4R1") is None
    with pytest.raises(ConfigError, match="write 15, 16, 17"):
        Release.parse("junos")


def test_the_dialect_that_the_driver_speaks() -> None:
    """What a session types for a router whose interface has our address."""
    cisco = Cisco(Release.parse("17.11.1"))
    script = cisco.render(wanted(), "GigabitEthernet2")
    assert "interface GigabitEthernet2" in script.apply and " crypto map IKELAB" in script.apply
    assert script.undo[0] == "interface GigabitEthernet2"
    assert cisco.knows(Transform(TransformType.ENCR, Encr.ENCR_AES_CBC, 128), Protocol.IKE)
    assert not cisco.knows(Transform(TransformType.ENCR, Encr.ENCR_3DES), Protocol.IKE)
    assert "cookies" in cisco.lacks and "cookies" not in Cisco(Release.parse("asa")).lacks
