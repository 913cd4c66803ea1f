"""Every rule: a message that breaks it is named, and what RFC 7296 allows is never accused."""

from __future__ import annotations

from typing import Any

import pytest

from ikelab.harness.edits import Edit, at, duplicate, insert, notify, plain, unknown, wire
from ikelab.harness.exchange import rules_of_messages
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.negotiate import covered, sa_payload
from ikelab.harness.exchange.rules import RULES, Seen, judge
from ikelab.harness.exchange.table import State
from ikelab.harness.model import TS, Datagram, Level, Nat, selectors, suites
from ikelab.layers.iana import Exchange, Ke, Notify, Payload
from ikelab.layers.message import PAYLOADS, IKEv2, message
from tests.harness.talk import Talk, plan

INIT, AUTH = "IKE_SA_INIT/response: ", "IKE_AUTH/response: "
INFO, CREATE = "INFORMATIONAL/response: ", "CREATE_CHILD_SA/response: "
PFS = "aes128-sha256-x25519"


def asked(talk: Talk) -> None:
    """One of each exchange, as far as it goes."""
    talk.init()
    if talk.i.state is State.INIT_DONE:
        talk.auth()
    if talk.i.state is State.ESTABLISHED:
        talk.i.inform([], talk.now)
        talk.carry()
    if talk.i.state is State.ESTABLISHED:
        talk.i.create_child(talk.now, esp=suites([PFS], 3))
        talk.carry()
    if talk.i.state is State.ESTABLISHED:
        talk.i.rekey(talk.now)
        talk.carry()


def broken(talk: Talk) -> set[str]:
    return {v.rule for v in talk.i.violations}


# Rule -> (what the responder does to its answers, the other rules that go with it).
BREAKS: dict[str, tuple[str, str]] = {
    "version-is-2-0": (INFO + "header.version = 0x21", ""),
    "unused-flags-are-cleared": (INIT + "header.flags |= 0x04", ""),
    "critical-bit-is-clear-on-known-payloads": (
        AUTH + "SK.IDr.flags = 0x80", "critical-bit-is-clear-in-responses"),
    "critical-bit-is-clear-in-responses": (
        INFO + "insert('SK', payload=unknown(200, critical=True))", ""),
    "reserved-bits-of-payloads-are-zero": (INIT + "KE.flags = 1", ""),
    "payload-chain-is-well-formed": (INFO + "plain.append(b'abc')", ""),
    "response-repeats-what-it-answers": (INFO + "header.exch_type = 36", ""),
    "responder-chooses-an-spi": (INIT + "header.resp_SPI = b'\\0\\0\\0\\0\\0\\0\\0\\0'", ""),
    "init-answer-is-one-offered-proposal": (INIT + "duplicate('SA.proposal[0]')", ""),
    "init-answer-picks-one-transform-of-each-type": (
        INIT + "duplicate('SA.proposal[0].transform[0]')", ""),
    "init-answer-keeps-combined-mode-free-of-integrity": (
        INIT + "SA.proposal[0].transform[0].transform_id = 20",
        "init-answer-picks-one-transform-of-each-type"),
    "ke-is-of-the-chosen-group": (INIT + "KE.group = 32", "ke-has-the-length-of-its-group"),
    "ke-has-the-length-of-its-group": (
        CREATE + "truncate('SK.KE.ke', 31)", ""),
    "nonce-is-long-enough": (INIT + "truncate('Nonce.nonce', 15)", ""),
    "invalid-ke-names-an-offered-group": ("", ""),
    "cookie-is-1-to-64-octets": (INIT + "insert(payload=notify('COOKIE'))", ""),
    "auth-answer-is-protected": ("", ""),
    "child-answer-is-one-offered-proposal": (AUTH + "SK.SA.proposal[0].number = 2", ""),
    "child-answer-picks-one-transform-of-each-type": (
        AUTH + "drop('SK.SA.proposal[0].transform[2]')", ""),
    "child-spi-has-four-octets": (AUTH + "SK.SA.proposal[0].SPI = b'\\0\\0\\0\\0'", ""),
    "new-ike-spi-has-eight-octets": (
        "CREATE_CHILD_SA/response#1: truncate('SK.SA[0].SPI', 7)", ""),
    "ke-answers-ke": (CREATE + "drop('SK.KE')", ""),
    "selectors-are-a-subset-of-the-offer": (
        AUTH + "SK.TSr[0].ending_address = '10.3.0.0'", ""),
}  # fmt: skip
ELSEWHERE = {
    "initiator-flag-names-the-original-initiator",  # such a message is dropped, and judged below
    "invalid-ke-names-an-offered-group",
    "auth-answer-is-protected",
}


@pytest.mark.parametrize("rule", [r for r in BREAKS if r not in ELSEWHERE])
def test_a_broken_rule_is_named_and_no_other(rule: str) -> None:
    edits, companions = BREAKS[rule]
    talk = Talk(r={"plan": plan(edits), "esp": [PFS]}, i={"esp": ["aes128-sha256"]})
    asked(talk)

    assert broken(talk) == {rule, *companions.split()}
    [found] = {v for v in talk.i.violations if v.rule == rule}
    assert (found.section, found.level) == (RULES[rule].section, RULES[rule].level)
    assert found.frame is not None and found.message
    shown = talk.i.transcript.steps[found.frame]
    assert shown.direction == "<--" and found in shown.violations


def test_every_rule_has_a_message_that_breaks_it() -> None:
    here = rules_of_messages.__name__
    own = {name for name, entry in RULES.items() if entry.check.__module__ == here}
    assert own == set(BREAKS) | ELSEWHERE


def test_every_rule_says_what_it_asks_and_where_that_stands() -> None:
    for rule in RULES.values():
        assert rule.text.endswith(".") and len(rule.text) > 30, rule.id
        assert rule.section[0].isdigit() and rule.level in (Level.MUST, Level.SHOULD), rule.id


@pytest.mark.parametrize("data", [b"\0\1", b"\0", b"\0\x1f\0"])
def test_invalid_ke_payload_names_an_offered_group_in_two_octets(data: bytes) -> None:
    picky = {"ike": ["aes128-sha256-ecp256"],
             "plan": plan(f"{INIT}N(INVALID_KE_PAYLOAD).notify = {data!r}")}  # fmt: skip
    talk = Talk(i={"ike": ["aes128-sha256-x25519-ecp256"]}, r=picky).init()

    assert broken(talk) == {"invalid-ke-names-an-offered-group"}


def test_an_error_of_ike_auth_in_clear_is_named() -> None:
    conduct = Talk().listener.config.conduct.but("protect_errors")
    talk = Talk(i={"psk": "wrong"}, r={"conduct": conduct}).up()

    assert broken(talk) == {"auth-answer-is-protected"}


def test_the_initiator_flag_is_judged_where_the_role_is_known() -> None:
    wrong = Inbound(message([], exch_type=37, flags=0x28))

    def verdict(initiator: bool | None) -> list[str]:
        return [v.rule for v in judge(Seen(wrong, None, initiator))]

    assert verdict(False) == ["initiator-flag-names-the-original-initiator"]
    assert verdict(True) == verdict(None) == []


# -- what must not be accused ----------------------------------------------------------------

HONEST: dict[str, dict[str, Any]] = {
    "usual": {},
    "other suite": {"ike": ["3des-sha1-modp1024", "aes256-sha512-ecp521"]},
    "aead": {"ike": ["aes256gcm16-prfsha512-x25519"], "esp": ["aes256gcm16"]},
    "long nonce": {"nonce_length": 256},
    "short nonce": {"nonce_length": 16, "ike": ["aes128-sha1-x25519"]},
    "cookie and group": {
        "i": {"ike": ["aes128-sha256-x25519-ecp256"]},
        "r": {"ike": ["aes128-sha256-ecp256"], "cookies": True},
    },
    "narrowed": {"r": {"remote_ts": ["10.1.1.0/24", "10.1.5.0/24[6/80-90]"]}},
    "v6": {
        "local_ts": "2001:db8:1::/48",
        "remote_ts": ["2001:db8:2::/48", "2001:db8:3::/48"],
        "local": ("2001:db8::1", 500),
        "remote": ("2001:db8::2", 500),
    },
    "no child": {"r": {"local_ts": "10.9.0.0/16"}},
    "wrong key": {"i": {"psk": "wrong"}},
    "nothing acceptable": {"r": {"ike": ["3des-sha1-modp2048"]}},
    "transport": {"mode": "transport"},
    "fragments": {"fragment": 576, "local_id": "x" * 700 + "@example.org"},
    "esn": {"esp": ["aes128-sha1-esn-noesn"]},
    "no NAT detection": {"nat_detection": False},
}


@pytest.mark.parametrize("options", HONEST.values(), ids=HONEST)
def test_an_honest_peer_is_never_accused(options: dict[str, Any]) -> None:
    talk = Talk(**options)
    asked(talk)

    assert talk.violations == []


SECOND_NUMBER = at("SA.proposal[1].number").set(1)
ODD_REQUESTS: dict[str, tuple[list[Edit], list[Edit]]] = {
    "reserved bits": ([at("header.flags").set(0x6F ^ 0x20), at("KE.flags").set(0x7F)], []),
    "critical known": ([at("SA.flags").set(0x80)], [at("SK.IDi.flags").set(0x80)]),
    "a number twice": ([SECOND_NUMBER], []),
    "a group in IKE_AUTH": ([], [
        duplicate("SK.SA[0].transform[2]"),
        at("SK.SA[0].transform[3].transform_type").set(4),
        at("SK.SA[0].transform[3].transform_id").set(14),
    ]),
    "a payload bent on the way": ([wire.set(17, b"\x25")], []),
    "unknown payloads": ([insert(payload=unknown(200))], [insert("SK", payload=unknown(201))]),
    "refused as critical": ([], [insert("SK", payload=unknown(201, critical=True))]),
    "malformed": ([], [plain.truncate(40)]),
    "reversed selectors": ([], [at("SK.TSi[0].ending_address").set("10.0.0.0")]),
    "unknown notifies": ([insert(payload=notify(40000))], [insert("SK", payload=notify(50000))]),
}  # fmt: skip


@pytest.mark.parametrize(("first", "second"), ODD_REQUESTS.values(), ids=ODD_REQUESTS)
def test_an_honest_answer_to_an_odd_request_is_never_accused(
    first: list[Edit], second: list[Edit]
) -> None:
    esp = ["aes128-sha256-noesn"]
    ike = ["3des-sha1-x25519", "aes128-sha256-x25519"]
    talk = Talk(ike=ike, r={"ike": ike[1:]}, esp=esp).init(*first)
    if talk.i.state is State.INIT_DONE:
        talk.auth(*second)

    assert talk.i.violations == []


def test_an_offer_that_was_replaced_at_the_plain_stage_is_the_offer() -> None:
    """The rules hold an answer against what left, not against what was first written down."""
    talk = Talk(esp=["aes128-sha256", "3des-sha1"], r={"esp": ["3des-sha1"]}).init()
    talk.i.start_auth(talk.now)
    chain = talk.i.transcript.steps[-1].plain or b""
    swapped = chain.replace(b"\x02\0\0\x28\1\3\4\3", b"\x02\0\0\x28\5\3\4\3")
    swapped = swapped.replace(b"\0\0\0\x28\2\3\4\3", b"\0\0\0\x28\6\3\4\3")
    again = Talk(esp=["aes128-sha256", "3des-sha1"], r={"esp": ["3des-sha1"]}).init()
    again.auth(plain.replace(swapped))

    assert again.i.violations == []


def unprotected(talk: Talk, *kinds: Notify, flags: int = 0x20) -> None:
    """Answer the initiator's last request in clear."""
    notifies = [PAYLOADS[Payload.N](type=kind) for kind in kinds]
    last = IKEv2(talk.sent()[-1].data)
    answer = message(
        notifies,
        init_SPI=last.init_SPI,
        resp_SPI=last.resp_SPI,
        exch_type=last.exch_type,
        flags=flags,
        id=last.id,
    )
    talk.to_initiator([Datagram(bytes(answer), talk.i.remote, talk.i.local)])


@pytest.mark.parametrize("kind", [Notify.INVALID_IKE_SPI, Notify.INVALID_MAJOR_VERSION])
def test_who_does_not_know_the_sa_may_say_so_in_clear(kind: Notify) -> None:
    """1.5, 2.4: an endpoint may forget at any time, and its answer is outside of the IKE SA."""
    talk = Talk().init()
    talk.i.start_auth(talk.now)

    unprotected(talk, kind)

    assert talk.i.violations == []
    assert talk.i.state is State.AUTH_SENT  # 2.21.4: such a message changes nothing


def test_transport_mode_behind_a_nat_answers_with_other_addresses() -> None:
    """2.23.1: the responder sends back the addresses that it sees."""
    edits = (f"{AUTH}SK.TSi[0].starting_address = '192.0.2.1'\n"
             f"{AUTH}SK.TSi[0].ending_address = '192.0.2.1'")  # fmt: skip
    talk = Talk(mode="transport", r={"plan": plan(edits)},
                local_ts="10.0.0.1", remote_ts="10.0.0.2").up()  # fmt: skip

    assert talk.i.violations == []


def test_a_kem_answers_with_a_ciphertext() -> None:
    key = PAYLOADS[Payload.KE](group=Ke.ML_KEM_768, ke=bytes(1088))
    offer = sa_payload(suites(["aes128-sha256-mlkem768"]))
    answer = Inbound(message([offer, key], resp_SPI=b"r" * 8, flags=0x20))

    assert "ke-has-the-length-of-its-group" not in [v.rule for v in judge(Seen(answer))]


def test_a_transform_that_nobody_can_read_is_not_judged() -> None:
    """A private attribute that both ends understand leaves us unable to tell what was chosen."""
    attribute = "SA.proposal[0].transform[0].attribute[0].type = 0xC000"
    request = Talk(plan=plan(f"IKE_SA_INIT/request: {attribute}"))
    request.i.start_init(0.0)
    offered = Inbound(IKEv2(request.sent()[0].data))
    talk = Talk(r={"plan": plan(INIT + attribute)}).init()
    answer = Inbound(IKEv2(talk.i.transcript.steps[1].data))

    assert list(judge(Seen(answer, offered, False))) == []


@pytest.mark.parametrize(("first", "second", "inside"), [
    ("10.0.0.0/25", "10.0.0.128/25", "10.0.0.0/24"),
    ("10.0.0.0/24[6/0-99]", "10.0.0.0/24[6/100-65535]", "10.0.0.7-10.0.0.9[6/90-110]"),
    ("10.0.0.0/24[0/0-99]", "10.0.0.0/24[6/100-200]", "10.0.0.0/24[6/0-200]"),
    ("10.0.0.0/24", "2001:db8::/32", "2001:db8:7::/48[17/500-500]"),
    ("10.0.0.0/24[6/65535-0]", "10.0.1.0/24", "10.0.0.0/23[6/65535-0]"),
    ("10.0.0.9-10.0.0.1", "10.0.1.0/24", "10.0.0.9-10.0.0.1"),
])  # fmt: skip
def test_a_subset_of_several_selectors_together_is_a_subset(
    first: str, second: str, inside: str
) -> None:
    assert covered(TS.parse(inside), selectors([first, second]))


@pytest.mark.parametrize(("offered", "wider"), [
    ("10.0.0.0/25", "10.0.0.0/24"), ("10.0.0.0/24[6/0-65535]", "10.0.0.0/24"),
    ("10.0.0.0/24[6/80-80]", "10.0.0.0/24[6/80-81]"), ("10.0.0.0/24", "::/0"),
    ("10.0.0.0/24[6/80-80]", "10.0.0.0/24[6/65535-0]"),
    ("10.0.0.0/24[6/65535-0]", "10.0.0.0/24[6/80-80]"),
])  # fmt: skip
def test_more_than_was_offered_is_more(offered: str, wider: str) -> None:
    assert not covered(TS.parse(wider), selectors(offered))


def test_a_nat_on_the_way_accuses_nobody() -> None:
    def out(d: Datagram) -> Datagram:
        return Datagram(d.data, ("198.51.100.1", 31337), d.dst, d.now)

    def back(d: Datagram) -> Datagram:
        return Datagram(d.data, d.src, talk.i.local, d.now)

    talk = Talk(out=out, back=back)
    asked(talk)

    assert talk.i.nat == Nat(initiator=True, responder=False)
    assert talk.i.violations == []


def test_scopes_name_exchanges() -> None:
    known = {f"{e.name}/{half}" for e in Exchange for half in ("request", "response")} | {"any"}

    assert {scope for rule in RULES.values() for scope in rule.scope} <= known
