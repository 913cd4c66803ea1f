"""Broken set-ups made in memory: each explained in its first sentence; sound ones not accused."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from ikelab.harness.exchange.config import IkeConfig
from ikelab.harness.exchange.credentials import Send
from ikelab.harness.inspect.configs.side import Side
from ikelab.harness.inspect.why import Explanation, explain_all
from ikelab.harness.model import Datagram, Identity
from ikelab.harness.pki import Pki
from tests.harness.inspect.lab import START, Lab, drop


@cache
def pki() -> Pki:
    return Pki(seed=None)


NAT = ("203.0.113.7", 40000)


def side(config: IkeConfig, source: str = "its configuration") -> Side:
    """What a configuration file of that end would say."""
    psk = config.own is None
    return Side(
        source=source,
        ike=config.ike,
        esp=config.esp,
        local=(config.local[0],),
        remote=(config.remote[0],),
        local_id=str(config.local_id),
        remote_id=str(config.remote_id or ""),
        local_auth="psk" if psk else "pubkey",
        remote_auth="psk" if psk else "pubkey",
        local_ts=config.local_ts,
        remote_ts=config.remote_ts,
        psks=(config.psk,) if psk else (),
    )


def why(lab: Lab, *psks: bytes, configs: bool = False, keys: bool = True) -> Explanation:
    """The explanation of the first IKE SA."""
    files = [[side(lab.left, "left.conf")], [side(lab.right, "right.conf")]] if configs else []
    return explain_all(lab.inspect(*psks, keys=keys), files, psks)[0][1]


def certified(**options: object) -> Lab:
    """Both ends with certificates of the lab's PKI."""
    left, right = (pki().member(s, "p256") for s in ("initiator", "responder"))
    trust = pki().trust(START)
    both = {"local_id": left.identity, "remote_id": right.identity}
    i = {"own": left.credential(), "trust": trust}
    r = {"own": right.credential(), "trust": trust}
    for name, side_options in (("i", i), ("r", r)):
        side_options.update(options.pop(name, {}))  # type: ignore[call-overload]
    return Lab(both=both, i=i, r=r, **options)  # type: ignore[arg-type]


def test_a_sound_set_up_is_not_accused() -> None:
    lab = Lab().up()
    for found in (why(lab), why(lab, b"a secret"), why(lab, configs=True)):
        assert (found.works, found.cause) == (True, "works")
        assert str(found) == "The IKE SA came up with 1 child SA and nothing failed."
    blind = why(lab, keys=False)
    assert blind.works and not blind.certain
    sealed = why(certified().up())
    assert (sealed.works, sealed.cause) == (True, "works")


def test_a_wrong_shared_key() -> None:
    lab = Lab(r={"psk": b"another secret"}).up()
    told = why(lab, b"another secret")
    assert told.cause == "psk"
    assert told.sentence == (
        "The shared keys differ: the AUTH of the initiator (10.0.0.1) was not made with the key "
        "that was given"
    )
    assert told.frames == (3, 4)
    assert "frame 4" in str(told) and "same pre-shared key" in told.change
    assert why(lab, configs=True).sentence.startswith("The shared keys differ")
    untold = why(lab)
    assert untold.sentence == (
        "The responder (10.0.0.2) does not believe left@example.org: the shared keys differ, or it "
        "expects another identity"
    )
    assert not untold.certain
    unread = why(lab, keys=False)
    assert unread.cause == "unread-refusal" and "cannot be read without keys" in unread.sentence


def test_a_wrong_identity() -> None:
    lab = Lab(r={"remote_id": "someone@example.org"}).up()
    found = why(lab, configs=True)
    assert found.cause == "identity"
    assert found.sentence == (
        "The initiator (10.0.0.1) calls itself left@example.org (ID_RFC822_ADDR), but the "
        "responder (10.0.0.2) expects someone@example.org"
    )
    told = why(lab, b"a secret")
    assert told.cause == "identity"
    assert told.sentence.startswith("The responder (10.0.0.2) does not accept left@example.org al")


def test_a_responder_with_another_name() -> None:
    lab = Lab(i={"remote_id": "boss@example.org", "send_idr": False}).up()
    found = why(lab, configs=True)
    assert found.cause == "identity"
    assert "calls itself right@example.org" in found.sentence
    assert "expects boss@example.org" in found.sentence


def test_a_wrong_proposal() -> None:
    lab = Lab(i={"ike": ["aes128-sha256-x25519"]}, r={"ike": ["aes256-sha256-x25519"]}).up()
    found = why(lab, configs=True)
    assert found.cause == "proposal"
    assert found.sentence == (
        "No IKE proposal fits: proposal 1 (aes128-sha256-x25519) differs from aes256-sha256-x25519 "
        "in ENCR only: aes128 offered, aes256 wanted"
    )
    alone = why(lab)
    assert alone.sentence == (
        "The responder takes none of the IKE proposals that the initiator offers: "
        "1: aes128-sha256-x25519"
    )
    assert why(lab, keys=False).cause == "proposal"


def test_a_wrong_group() -> None:
    lab = Lab(i={"ike": ["aes128-sha256-modp2048"]}, r={"ike": ["aes128-sha256-x25519"]}).up()
    found = why(lab, configs=True)
    assert found.cause == "group"
    assert found.sentence.endswith("in KE only: modp2048 offered, x25519 wanted")


@pytest.mark.parametrize("conduct", ["retry_invalid_ke"])
def test_a_group_that_was_asked_for_in_vain(conduct: str) -> None:
    ike = ["aes128-sha256-modp2048-x25519"]
    lab = Lab(i={"ike": ike, "conduct": _but(conduct)}, r={"ike": ["aes128-sha256-x25519"]}).up()
    found = why(lab)
    assert found.cause == "group"
    assert "wants key exchange method x25519" in found.sentence, found
    assert found.sentence.endswith("in the 0.0 s until the capture ends")
    lab.later(60).wire.append(replace(lab.wire[0], now=lab.now))
    assert why(lab).sentence.endswith("does not try again with it")
    sound = Lab(i={"ike": ike}, r={"ike": ["aes128-sha256-x25519"]}).up()
    assert why(sound).cause == "works"


def test_a_wrong_child_transform() -> None:
    lab = Lab(i={"esp": ["aes128-sha256"]}, r={"esp": ["aes128gcm16"]}).up()
    found = why(lab, configs=True)
    assert found.cause == "child-proposal"
    assert found.sentence == (
        "The IKE SA is up, but no child proposal fits: proposal 1 (aes128-sha256-noesn) differs "
        "from aes128gcm16-noesn in ENCR only: aes128 offered, aes128gcm16 wanted"
    )
    assert why(lab).sentence.startswith(
        "The IKE SA is up, but the responder (10.0.0.2) takes none of the child proposals offered"
    )


def test_disjoint_selectors() -> None:
    lab = Lab(r={"tsi": "10.9.0.0/16"}).up()
    found = why(lab, configs=True)
    assert found.cause == "selectors"
    assert found.sentence == (
        "The traffic selectors have nothing in common: TSr offers 10.2.0.0/16, the other end has "
        "10.9.0.0/16 as its local network"
    )
    assert why(lab).sentence == (
        "The responder (10.0.0.2) takes none of the traffic selectors offered: TSi 10.1.0.0/16, "
        "TSr 10.2.0.0/16"
    )


def test_pfs_that_breaks_at_the_first_rekey() -> None:
    i, r = {"esp": ["aes128-sha256-modp2048"]}, {"esp": ["aes128-sha256"]}
    lab = Lab(i=i, r=r).up()
    foreseen = why(lab, configs=True)
    assert foreseen.cause == "pfs" and not foreseen.works
    assert foreseen.sentence == (
        "It works now and will break on PFS at the first rekey of the child: the initiator has "
        "modp2048 for children and the responder no group"
    )
    assert why(lab).works, "one capture before the rekey shows nothing"
    child = next(iter(lab.sa.children.values()))
    lab.sa.rekey_child(child, lab.now)
    lab.run()
    found = why(lab)
    assert found.cause == "pfs"
    assert found.sentence == (
        "The rekey of the child breaks on PFS: it comes with modp2048, which the responder "
        "(10.0.0.2) does not take for children"
    )


def test_port_4500_blocked() -> None:
    lab = Lab(out=_translated(drop_4500=True), back=_restored).up()
    found = why(lab)
    assert found.cause == "blocked-4500", found
    assert found.sentence == (
        "UDP port 4500 is blocked between 10.0.0.1 and 10.0.0.2: IKE_SA_INIT passes on port 500, "
        "and IKE_AUTH on port 4500 is never answered"
    )
    assert "sent 3 times" in str(found)


@pytest.mark.parametrize("tap", ["initiator", "responder"])
def test_lost_fragments(tap: str) -> None:
    def lossy(datagram: Datagram) -> Datagram | None:
        return None if len(datagram.data) > 500 and datagram.data[16] == 53 else datagram

    lab = certified(i={"fragment": 576}, r={"fragment": 576}, out=lossy, tap=tap).up()
    found = why(lab)
    assert found.cause == "fragments"
    if tap == "responder":
        assert found.sentence.startswith("Fragment 1, 2 of 3 of the IKE_AUTH request never arrives")
    else:
        assert found.sentence.startswith(
            "IKE_AUTH leaves in 3 fragments of up to 548 octets and is"
        )


def test_an_expired_certificate() -> None:
    expired = pki().member("initiator", "p256", "expired")
    lab = certified(i={"own": expired.credential()}).up()
    found = why(lab)
    assert found.cause == "certificate-time"
    assert found.sentence.startswith(
        "The certificate of the initiator (10.0.0.1) has not the right time: CN="
    )
    assert "expired on" in found.sentence


def test_a_missing_certificate_request() -> None:
    member = pki().member("initiator", "p256")
    lab = certified(
        i={"own": member.credential(send=Send.ASKED)},
        r={"trust": replace(pki().trust(START), certreq=False)},
    ).up()
    found = why(lab)
    assert found.cause == "certificate-request"
    assert found.sentence == (
        "The responder (10.0.0.2) never asks for a certificate (no CERTREQ), so the initiator "
        "(10.0.0.1) signs without sending one"
    )
    never = certified(i={"own": member.credential(send=Send.NEVER)}).up()
    unmet = why(never)
    assert unmet.sentence == (
        "The responder (10.0.0.2) asks for a certificate and the initiator (10.0.0.1) signs "
        "without sending one"
    )


def test_answers_to_the_wrong_port_after_a_nat() -> None:
    def fixed(datagram: Datagram) -> Datagram:
        return replace(datagram, dst=(datagram.dst[0], 4500 if datagram.src[1] == 4500 else 40000))

    nat = {"out": _translated(), "back": _restored, "tap": "responder"}
    assert why(Lab(**nat).up()).works
    lab = Lab(fault=fixed, **nat).up()
    found = why(lab)
    assert found.cause == "port", found
    assert found.sentence == (
        "The responder (10.0.0.2) answers IKE_AUTH to port 4500, but the request came from port "
        "40001: the answer is lost in the NAT"
    )


@pytest.mark.parametrize("answered", [False, True])
def test_a_capture_on_both_sides_of_a_nat_is_no_repetition(answered: bool) -> None:
    """Each packet is there twice, with the inside address and with the outside one."""
    lab = Lab(out=_translated(), back=_restored, tap="responder").up()
    seen = []
    for outside in lab.wire if answered else lab.wire[:3]:
        there = outside.dst[0] == "10.0.0.2"
        inside = ("10.0.0.1", {40000: 500, 40001: 4500}[(outside.src if there else outside.dst)[1]])
        copy = replace(outside, **{"src" if there else "dst": inside})
        seen += [copy, outside] if there else [outside, copy]
    lab.wire = seen
    assert why(lab).works


def test_silence_from_the_start() -> None:
    lab = Lab(out=drop(lambda d: True)).up()
    found = why(lab, keys=False)
    assert found.cause == "silence"
    assert found.sentence.startswith(
        "The responder (10.0.0.2) never answers: IKE_SA_INIT was sent 3 times within 3.0 s"
    )


def test_silence_later() -> None:
    lab = Lab().up()
    lab.out = drop(lambda d: True)
    lab.sa.inform([], lab.now)
    lab.run()
    found = why(lab)
    assert found.cause == "silence"
    assert (
        "falls silent after the IKE SA was up: INFORMATIONAL #2 was sent 3 times" in found.sentence
    )
    assert "Its last message is frame 4" in str(found)


def test_a_capture_that_just_ends_accuses_nobody() -> None:
    lab = Lab().up()
    del lab.wire[3:]
    assert why(lab).works


def test_a_capture_of_one_direction_accuses_nobody() -> None:
    lab = Lab().up()
    lab.sa.inform([], lab.now)
    lab.run().later(60)
    lab.wire = [d for d in lab.wire if d.src[0] == "10.0.0.1"]
    lab.wire += [replace(lab.wire[0], now=lab.now)]
    found = explain_all(lab.inspect())
    assert [e.works for _, e in found] == [True]


def test_a_rekeyed_ike_sa_works_too() -> None:
    lab = Lab().up()
    lab.sa.rekey(lab.now)
    lab.run()
    lab.sas[-1].inform([], lab.now)
    lab.run()
    found = explain_all(lab.inspect())
    assert [e.works for _, e in found] == [True, True]
    assert found[1][1].sentence == "The rekeyed IKE SA works"


def test_a_signature_of_another_key() -> None:
    left = pki().member("initiator", "p256")
    own = replace(left.credential(), key=pki().member("responder", "p256").credential().key)
    found = why(certified(i={"own": own}).up())
    assert found.cause == "signature"
    assert found.sentence.startswith("The signature of the initiator (10.0.0.1) does not verify")


def test_identities_in_configurations() -> None:
    from ikelab.harness.inspect.why.auth import same_identity

    fqdn = Identity.parse("gw.example.org")
    assert same_identity(fqdn, "fqdn:gw.example.org")
    assert same_identity(fqdn, "@gw.example.org")
    assert same_identity(fqdn, "*.example.org")
    assert not same_identity(fqdn, "gx.example.org")
    assert same_identity(Identity.parse("10.0.0.1"), "10.0.0.1")


def _but(*names: str):
    from ikelab.harness.exchange.config import Conduct

    return Conduct().but(*names)


def _translated(*, drop_4500: bool = False):
    """A NAT in front of the initiator: 500 becomes 40000, 4500 becomes 40001."""

    def way(datagram: Datagram) -> Datagram | None:
        port = datagram.src[1]
        if drop_4500 and port == 4500:
            return None
        return replace(datagram, src=(NAT[0], NAT[1] + (port == 4500)))

    return way


def _restored(datagram: Datagram) -> Datagram | None:
    """The same NAT on the way back: it lets in what comes from the port that was sent to."""
    inside = {(40000, 500): 500, (40001, 4500): 4500}.get((datagram.dst[1], datagram.src[1]))
    return None if inside is None else replace(datagram, dst=("10.0.0.1", inside))
