"""The text of an edit, of a binding and of a plan is the thing itself: it parses back to equal."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ikelab.harness import edits
from ikelab.harness.edits import OPERATORS, Binding, Edit, PayloadSpec, Plan, Stage, at
from ikelab.harness.errors import ConfigError
from ikelab.layers.iana import Exchange, Notify

numbers = st.integers(-(2**70), 2**70)
scalars = st.one_of(
    numbers,
    st.binary(max_size=40),
    st.text(max_size=20),
    st.booleans(),
    st.none(),
    st.floats(allow_nan=False, allow_infinity=False),
)
words = st.sampled_from(["SA", "SK", "TSi", "header", "proposal", "flags", "load", "P200", "x_1"])


@st.composite
def paths(draw: st.DrawFn) -> str:
    """A path in the form in which Python itself writes it."""
    text = draw(words)
    if draw(st.booleans()):
        argument = draw(st.one_of(st.sampled_from(["COOKIE", "REKEY_SA"]), st.integers(0, 65535)))
        text += f"({argument})"
    for part in draw(st.lists(st.one_of(words, st.integers(0, 300)), max_size=4)):
        text += f".{part}" if isinstance(part, str) else f"[{part}]"
    return text


specs = st.one_of(
    st.builds(edits.unknown, st.integers(0, 255), st.binary(max_size=9), critical=st.booleans()),
    st.builds(edits.notify, st.sampled_from(["COOKIE", 16390, Notify.REKEY_SA]), st.binary()),
    st.builds(lambda s: edits.notify("REKEY_SA", proto=3, spi=s), st.binary()),
    st.builds(edits.vendor, st.binary()),
    st.builds(edits.certreq, st.integers(0, 255), st.binary()),
    st.builds(edits.cp, st.integers(1, 4), st.integers(0, 9), st.tuples(numbers, st.binary())),
)
places = st.sampled_from([{}, {"after": "IDi"}, {"before": "SA[1]"}])
message_edits = st.one_of(
    st.builds(lambda p, v: at(p).set(v), paths(), scalars),
    st.builds(lambda p, v: at(p).add(v), paths(), numbers),
    st.builds(lambda p, v: at(p).xor(v), paths(), st.one_of(numbers, st.binary())),
    st.builds(lambda p, v: at(p).truncate(v), paths(), numbers),
    st.builds(lambda p, v: at(p).append(v), paths(), st.binary()),
    st.builds(edits.drop, paths()),
    st.builds(edits.duplicate, paths()),
    st.builds(edits.swap, paths(), paths()),
    st.builds(lambda p, w: edits.move(p, **w), paths(), places),
    st.builds(lambda p, s, w: edits.insert(p, payload=s, **w), st.just("SK"), specs, places),
    st.builds(lambda p, s: at(p).set(s), paths(), specs),
)


@st.composite
def stage_edits(draw: st.DrawFn) -> Edit:
    """Any operator of the plain, sealed or wire stage, with all of its arguments."""
    stage = draw(st.sampled_from([Stage.PLAIN, Stage.SEALED, Stage.WIRE]))
    op = draw(st.sampled_from(sorted(OPERATORS[stage])))
    args = [draw(scalars) for _ in OPERATORS[stage][op]]
    options = {"gap": 0.25} if (stage, op) == (Stage.WIRE, "duplicate") else {}
    return getattr(getattr(edits, stage.value), op)(*args, **options)


anything = st.one_of(message_edits, stage_edits())
bindings = st.builds(
    Binding,
    st.sampled_from([None, "IKE_SA_INIT", "IKE_AUTH", "CREATE_CHILD_SA", "INFORMATIONAL"]),
    st.booleans(),
    anything,
    st.one_of(st.none(), st.integers(0, 99)),
)


@given(anything)
def test_an_edit_is_its_text(edit: Edit) -> None:
    assert Edit.parse(str(edit)) == edit


@given(bindings)
def test_a_binding_is_its_text(binding: Binding) -> None:
    assert Binding.parse(str(binding)) == binding


@given(st.lists(bindings, max_size=5))
def test_a_plan_is_its_text(found: list[Binding]) -> None:
    plan = Plan(tuple(found))

    assert Plan.parse(str(plan)) == plan
    assert bool(plan) is bool(found)


@given(st.text(max_size=30))
def test_any_text_is_an_edit_or_a_config_error(text: str) -> None:
    for read in (Edit.parse, Binding.parse, Plan.parse):
        try:
            read(text)
        except ConfigError as error:
            assert "\n" not in str(error).replace(text, "")


@given(st.recursive(st.sampled_from(["x", "f(1)", "b'a'", "3"]), lambda inner: st.one_of(
    st.builds("{}({})".format, words, inner), st.builds("{}.{}".format, inner, words),
    st.builds("{} += {}".format, inner, inner), st.builds("wire.{}({})".format, words, inner),
    st.builds("set({}, {})".format, inner, inner), st.builds("at({}).add({})".format, inner, inner),
), max_leaves=6))  # fmt: skip
def test_any_expression_is_an_edit_or_a_config_error(text: str) -> None:
    try:
        edit = Edit.parse(text)
    except ConfigError:
        return
    assert Edit.parse(str(edit)) == edit


SAME = [
    ('at("SA.proposal[1].trans_nb").add(1)', "SA.proposal[1].trans_nb += 1"),
    ("SK.TSi[0].start_port -= 1", "SK.TSi[0].start_port += -1"),
    ("  header.flags |= 0x10 ", "header.flags |= 16"),
    ('sealed.flip("icv", bit=0)', "sealed.flip('icv', 0)"),
    ("wire.flip(offset=3, bit=7)", "wire.flip(3, 7)"),
    ("plain.pad(length=255)", "plain.pad(255)"),
    ("wire.duplicate(2, gap=0.1)", "wire.duplicate(2, gap=0.1)"),
    (
        'insert("SK", after="IDi", payload=unknown(200, critical=True))',
        "insert('SK', after='IDi', payload=unknown(200, critical=True))",
    ),
]


@pytest.mark.parametrize(("text", "written"), SAME)
def test_writes_one_form_of_what_says_the_same(text: str, written: str) -> None:
    assert str(Edit.parse(text)) == written
    assert Edit.parse(written) == Edit.parse(text)


def test_python_and_text_make_the_same_edit() -> None:
    assert edits.sealed.flip("icv", bit=0) == Edit.parse('sealed.flip("icv", bit=0)')
    assert edits.wire.duplicate(2, gap=0.1) == Edit.parse("wire.duplicate(2, gap=0.1)")
    assert at("SK . AUTH.load").xor(b"\1") == Edit.parse(r"SK.AUTH.load ^= b'\x01'")
    assert edits.drop("SK . AUTH") == Edit.parse("drop('SK.AUTH')")


def test_registry_members_are_written_as_numbers() -> None:
    edit = at("N(COOKIE).type").set(Notify.INVALID_KE_PAYLOAD)

    assert str(edit) == "N(COOKIE).type = 17"
    assert Edit.parse(str(edit)) == edit


WRONG = [
    ("dorp('SA')", "did you mean 'drop'"),
    ("wire.duplicat(2)", "did you mean 'duplicate'"),
    ("tls.drop()", "there are message, plain, sealed, wire"),
    ("wire.duplicate(2, pause=1)", "knows no pause"),
    ("wire.drop(1)", "takes nothing"),
    ("drop()", "drop takes path"),
    ("swap('SA')", "swap takes path, other"),
    ("wire.flip()", "flip takes offset, bit"),
    ("SA.proposal", "not an edit"),
    ("SA.number = x", "not a literal value"),
    ("a = 1; b = 2", "not one edit"),
    ("a = b = 1", "not an edit"),
    ("drop('SA'", "not an edit"),
    ("", "not one edit"),
]


@pytest.mark.parametrize(("text", "says"), WRONG)
def test_says_what_is_wrong_with_an_edit(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says.replace("(", r"\(")):
        Edit.parse(text)


WRONG_LINES = [
    ("IKE_ATH/request: drop('SA')", "did you mean 'IKE_AUTH'"),
    ("IKE_AUTH: drop('SA')", "write IKE_AUTH/request: EDIT"),
    ("IKE_AUTH/answer: drop('SA')", "write IKE_AUTH/request: EDIT"),
    ("IKE_AUTH/request#x: drop('SA')", "not a number"),
    ("IKE_AUTH/request#²: drop('SA')", "not a number"),
]


@pytest.mark.parametrize(("text", "says"), WRONG_LINES)
def test_says_what_is_wrong_with_a_line_and_which(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=f"line 3: .*{says}"):
        Plan.parse(f"# a comment\n\n{text}\n")


def test_a_plan_names_the_messages_it_is_for() -> None:
    plan = Plan.parse(
        "*/request: header.flags |= 1\n"
        "IKE_AUTH/response: drop('SK.AUTH')\n"
        "IKE_SA_INIT/request#1: drop('KE')"
    )
    flags, auth, again = (b.edit for b in plan.bindings)

    assert plan.edits(Exchange.IKE_SA_INIT, False, 0) == (flags,)
    assert plan.edits(Exchange.IKE_SA_INIT, False, 1) == (flags, again)
    assert plan.edits(Exchange.IKE_AUTH, True, 7) == (auth,)
    assert plan.edits(250, False, 0) == (flags,)
    assert plan + Plan() == plan


def test_stage_operators_that_do_not_exist_are_no_attributes() -> None:
    with pytest.raises(AttributeError):
        edits.wire.pad  # noqa: B018


def test_a_payload_spec_is_written_as_python_reads_it() -> None:
    spec = PayloadSpec("notify", (("data", b"\0'"), ("proto", 3)), ("COOKIE",))

    assert ast.unparse(ast.parse(str(spec))) == str(spec)


def test_every_operator_says_what_its_arguments_are() -> None:
    """The round trip above covers the whole table: no operator is left out of it."""
    built: dict[str, Any] = {
        "set": at("a").set(1), "add": at("a").add(1), "xor": at("a").xor(1), "or": None,
        "drop": edits.drop("a"), "duplicate": edits.duplicate("a"), "swap": edits.swap("a", "b"),
        "move": edits.move("a"), "insert": edits.insert(payload=edits.vendor(b"")),
        "append": at("a").append(b""), "truncate": at("a").truncate(1),
    }  # fmt: skip

    assert set(built) == set(OPERATORS[Stage.MESSAGE])
    assert Edit.parse("a |= 1").op == "or"
