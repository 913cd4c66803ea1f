"""`ikelab craft`: one message, honest or changed by a plan, as octets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ikelab.harness import crafting
from ikelab.harness.edits import Plan
from ikelab.harness.errors import ConfigError
from ikelab.layers.iana import Exchange, Payload
from ikelab.layers.message import IKEv2
from tests.harness.command import ikelab

NAMES = [row.name for row in crafting.MADE if row != Exchange.IKE_INTERMEDIATE]


@pytest.mark.parametrize("half", ["request", "response"])
@pytest.mark.parametrize("name", NAMES)
def test_every_message_of_the_conversation_can_be_had(name: str, half: str) -> None:
    wanted = crafting.Wanted.parse(f"{name}/{half}")

    [step] = crafting.craft(Plan(), wanted, seed=1)

    message = IKEv2(step.data)
    assert (message.exch_type, bool(int(message.flags) & 0x20)) == (Exchange[name], wanted.response)
    assert (step.plain is None) == (name == "IKE_SA_INIT")
    assert crafting.craft(Plan(), wanted, seed=1)[0].data == step.data


@pytest.mark.parametrize(
    "line",
    [
        "IKE_SA_INIT/request: KE.group = 5",
        "IKE_AUTH/request: drop('SK.AUTH')",
        "IKE_AUTH/response: drop('SK.AUTH')",
    ],
)
def test_the_plan_says_which_message_is_meant(line: str) -> None:
    plan = Plan.parse(line)
    wanted = crafting.Wanted.of(plan)
    assert str(wanted) == line.partition(":")[0]

    [honest], [edited] = (crafting.craft(p, wanted, seed=1) for p in (Plan(), plan))

    assert edited.data != honest.data
    if "AUTH" in line.partition(":")[2]:
        kinds = [p.kind for p in edited.inner() or ()]
        assert Payload.AUTH not in kinds and len(kinds) == len(honest.inner() or ()) - 1
    else:
        [ke] = [p for p in edited.message.payloads if p.kind == Payload.KE]
        assert ke.group == 5


def test_a_message_that_is_no_longer_what_it_was_is_found_all_the_same() -> None:
    plan = Plan.parse("IKE_SA_INIT/request: header.exch_type = 99")

    [step] = crafting.craft(plan, crafting.Wanted.of(plan), seed=1)

    assert step.message.exch_type == 99


@pytest.mark.parametrize("half", ["request", "response"])
@pytest.mark.parametrize(
    ("edit", "change"),
    [
        ("wire.truncate(40)", lambda data: data[:40]),
        ("wire.append(b'more')", lambda data: data + b"more"),
        ("wire.set(20, b'abcd')", lambda data: data[:20] + b"abcd" + data[24:]),
    ],
)
def test_an_edit_of_the_wire_is_in_the_octets(
    half: str, edit: str, change: Callable[[bytes], bytes]
) -> None:
    plan = Plan.parse(f"IKE_AUTH/{half}: {edit}")
    wanted = crafting.Wanted.of(plan)

    [honest], [edited] = (crafting.craft(p, wanted, seed=1) for p in (Plan(), plan))

    assert edited.data == change(honest.data) != honest.data


def test_a_request_may_be_cut_inside_its_header() -> None:
    plan = Plan.parse("IKE_SA_INIT/request: wire.truncate(16)")

    [step] = crafting.craft(plan, crafting.Wanted.of(plan), seed=1)

    assert len(step.data) == 16 and "malformed" in step.text()


@pytest.mark.parametrize("edit", ["drop()", "duplicate(2)", "delay(1)", "reverse()"])
@pytest.mark.parametrize("half", ["request", "response"])
def test_an_edit_of_the_wire_that_octets_do_not_show_is_refused(half: str, edit: str) -> None:
    plan = Plan.parse(f"IKE_AUTH/{half}: wire.{edit}")
    with pytest.raises(ConfigError, match="says when, where or how often IKE_AUTH/"):
        crafting.craft(plan, crafting.Wanted.of(plan))


@pytest.mark.parametrize(
    "line",
    [
        "INFORMATIONAL/request#5: header.id = 9",
        "CREATE_CHILD_SA/request#3: drop('SK.Nonce')",
        "IKE_AUTH/response#1: drop('SK.AUTH')",
        "IKE_SA_INIT/request#1: header.id = 9\nIKE_AUTH/request: header.id = 9",
    ],
)
def test_an_index_that_does_not_occur_is_no_honest_message(line: str) -> None:
    plan = Plan.parse(line)
    with pytest.raises(ConfigError, match=r"the plan changes nothing here: there is no \S+#\d,"):
        crafting.craft(plan, crafting.Wanted.of(plan))


def test_an_index_is_the_message_that_is_made() -> None:
    plan = Plan.parse("IKE_INTERMEDIATE/request#1: header.id = 9")
    ike = ["aes128-sha256-x25519-ke1_mlkem768-ke2_x448"]

    [step] = crafting.craft(plan, crafting.Wanted.of(plan), seed=1, ike=ike)

    assert (step.message.exch_type, step.message.id) == (Exchange.IKE_INTERMEDIATE, 9)


def test_what_is_long_comes_in_its_fragments() -> None:
    wanted = crafting.Wanted.parse("IKE_INTERMEDIATE")
    ike = ["aes128-sha256-x25519-ke1_mlkem768"]

    steps = crafting.craft(Plan(), wanted, seed=1, ike=ike, fragment=600)

    assert len(steps) > 1
    assert all(s.message.payloads[-1].kind == Payload.SKF for s in steps)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [("FROB", "there are IKE_SA_INIT"), ("IKE_AUTH/both", "write IKE_AUTH or")],
)
def test_what_is_no_message_is_said(wanted: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        crafting.Wanted.parse(wanted)


def test_what_does_not_come_to_be_is_said() -> None:
    with pytest.raises(ConfigError, match="there is no IKE_INTERMEDIATE/request"):
        crafting.craft(Plan(), crafting.Wanted.parse("IKE_INTERMEDIATE"))


def test_the_command_prints_keeps_and_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "plan.txt").write_text("# the group only\nIKE_AUTH/request: drop('SK.TSr')\n")

    done = ikelab("craft", "plan.txt", "--seed", "3", "--out", "kept", cwd=tmp_path)

    assert (done.status, done.err) == (0, "")
    octets = bytes.fromhex(done.out)
    shown = ikelab("inspect", "kept", "--json", cwd=tmp_path)
    told = json.loads(shown.out)
    assert (told["ike_messages"], told["undecrypted"]) == (4, 0)
    [auth] = [e for e in told["ike_sas"][0]["exchanges"] if e["type"] == "IKE_AUTH"]
    assert auth["request"]["length"] == len(octets)
    assert "TSr" not in [p["name"] for p in auth["request"]["inner"]]


def test_a_plan_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    done = ikelab("craft", "IKE_AUTH: nothing", cwd=tmp_path)

    assert done.status == 2 and done.err.count("\n") == 1 and "IKE_AUTH/request: EDIT" in done.err
