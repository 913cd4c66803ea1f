"""Witnesses that agree, and each of them alone against the others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ikelab.harness import bystander, pairing
from ikelab.harness.bystander import Evidence, Side
from ikelab.harness.inspect.inspection import EspFlow, Inspection
from ikelab.harness.model import TS, Nat, Spis, Suite, Verdict, Violation
from ikelab.harness.peer.base import ChildView, IkeView
from ikelab.layers.iana import Protocol
from ikelab.netns.xfrm import Database, Policy, Sa

SPIS = Spis(b"i" * 8, b"r" * 8)
NEAR, FAR = "10.0.0.1", "10.0.0.2"
LEFT, RIGHT = TS.parse("10.1.0.0/24"), TS.parse("10.2.0.0/24")
AT_NEAR, AT_FAR = b"near", b"farr"
KEYS = (b"a" * 20, b"", b"b" * 20, b"")


def side(name, *, first):
    spis = (AT_NEAR, AT_FAR) if first else (AT_FAR, AT_NEAR)
    local, remote = (LEFT, RIGHT) if first else (RIGHT, LEFT)
    own, other = (NEAR, FAR) if first else (FAR, NEAR)
    child = ChildView("ESP", *spis, Suite.parse("aes128gcm16", Protocol.ESP), (local,), (remote,))
    view = IkeView(
        SPIS, "ESTABLISHED", first, Suite.parse("aes256-sha256-x25519"), "", "",
        Nat(False, False), (child,),
    )  # fmt: skip
    key_in, key_out = (KEYS[2], KEYS[0]) if first else (KEYS[0], KEYS[2])
    plain = {"protocol": "ESP", "mode": "tunnel", "encr": "rfc4106(gcm(aes))", "packets": 1}
    kernel = Database(
        (
            Sa(spi=spis[0], src=other, dst=own, encr_key=key_in, **plain),
            Sa(spi=spis[1], src=own, dst=other, encr_key=key_out, **plain),
        ),
        (
            Policy("out", local, remote, "ESP", "tunnel", (own, other)),
            Policy("in", remote, local, "ESP", "tunnel", (other, own)),
        ),
    )
    return Side(name, view, kernel, frozenset({KEYS}), frozenset({own}))


class Seen:
    """An IKE SA as the judge asks for one: nothing of it was opened."""

    spis = SPIS
    messages = ()


@pytest.fixture
def evidence():
    wire = Inspection("capture", sessions=[Seen()])
    wire.violations = []
    wire.esp.update([EspFlow("esp", NEAR, FAR, AT_FAR), EspFlow("esp", FAR, NEAR, AT_NEAR)])
    return Evidence(side("a", first=True), side("b", first=False), wire, echoed=True)


def test_witnesses_that_agree(evidence):
    assert bystander.judge(evidence) == []


def changed(evidence, **view):
    return replace(evidence, responder=replace(
        evidence.responder, view=replace(evidence.responder.view, **view)))  # fmt: skip


def with_child(evidence, **child):
    told = replace(evidence.responder.child, **child)
    return changed(evidence, children=(told,))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda e: changed(e, spis=Spis(b"i" * 8, b"x" * 8)), "SPIs: a says"),
        (lambda e: changed(e, suite=Suite.parse("aes128-sha256-x25519")), "IKE suite: a says"),
        (lambda e: changed(e, initiator=True), "do not agree on who began"),
        (lambda e: changed(e, nat=Nat(True, False)), "NAT: a says"),
        (lambda e: with_child(e, spi_in=b"xxxx"), "child SPIs: a says"),
        (lambda e: with_child(e, local_ts=(LEFT,)), "selectors: a says"),
        (lambda e: replace(e, echoed=False), "no echo came back"),
        (lambda e: replace(e, clear=("frame 9",)), "in clear on the wire: frame 9"),
        (lambda e: replace(e, responder=replace(e.responder, keys=frozenset({KEYS[::-1]}))),
         "different keys"),
        (lambda e: replace(e, responder=replace(e.responder, kernel=Database())),
         "b: the kernel has no SA in"),
    ],
)  # fmt: skip
def test_one_against_the_others(evidence, change, said):
    assert any(said in line for line in bystander.judge(change(evidence)))


def test_a_kernel_that_counts_nothing(evidence):
    kernel = evidence.initiator.kernel
    idle = replace(kernel, sas=tuple(replace(sa, packets=0) for sa in kernel.sas))
    doubtful = replace(evidence, initiator=replace(evidence.initiator, kernel=idle))

    assert "its kernel counts no packet" in bystander.judge(doubtful)[0]


def test_a_wire_without_the_sa_or_its_esp(evidence):
    evidence.wire.esp.clear()
    assert len([line for line in bystander.judge(evidence) if line.startswith("no ESP")]) == 2
    evidence.wire.sessions.clear()
    assert any(line.startswith("no IKE SA") for line in bystander.judge(evidence))


def test_a_rule_that_an_exchange_breaks(evidence):
    broken = Violation("nonce-size", 7296, "2.10", "MUST", "the nonce is short", frame=3)
    evidence.wire.violations = [broken, replace(broken, level="SHOULD")]

    [line] = bystander.judge(evidence)
    assert line.startswith("frame 3: ")


def test_a_daemon_that_fakes_nat_detection_is_not_asked(evidence):
    doubtful = changed(evidence, nat=Nat(True, False))
    doubtful = replace(doubtful, responder=replace(doubtful.responder, honest=False))

    assert bystander.judge(doubtful) == []


def test_every_pair_in_both_directions():
    found = pairing.pairs(["a", "b"], ["psk"])

    assert [str(pair) for pair in found] == [
        "a > a (psk)", "a > b (psk)", "b > a (psk)", "b > b (psk)",
    ]  # fmt: skip
    lines = list(pairing.table(["a", "b"], ["psk"], [Verdict.PASS] * 3 + [Verdict.FAIL]))
    assert [line.split() for line in lines] == [
        ["psk", "a", "b"], ["a", "PASS", "PASS"], ["b", "PASS", "FAIL"],
    ]  # fmt: skip
