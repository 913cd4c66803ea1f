"""Ladders, trees, tables, the page and filters, of conversations made in memory."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from ikelab.harness.errors import ConfigError
from ikelab.harness.inspect import tree, views
from ikelab.harness.inspect.filters import FIELDS, Filter, apply
from ikelab.harness.inspect.inspection import Inspection
from tests.harness.inspect.lab import Lab, drop


@pytest.fixture
def it() -> Inspection:
    lab = Lab().up()
    lab.sa.rekey_child(next(iter(lab.sa.children.values())), lab.now)
    return lab.run().inspect(b"a secret")


def chosen(it: Inspection, form: str, **options: str) -> str:
    """A view of what a filter leaves."""
    apply(it, Filter.of(**options), messages=form in views.OF_MESSAGES)
    return views.text(it, form)


@pytest.mark.parametrize("frame", [1, 2, 3, 4, 5, 6])
def test_a_tree_holds_each_octet_once_and_in_order(it: Inspection, frame: int) -> None:
    message = tree.find(it, frame)
    assert message is not None
    nodes = list(tree.outer(message))
    assert b"".join(n.data for n in nodes) == message.data
    at = 0
    for node in nodes:
        assert node.at == at, node
        at += len(node.data)
    for exchange in it.sessions[0].exchanges:
        for half in exchange.halves():
            if half.plain is not None:
                assert b"".join(n.data for n in tree.inner(half)) == half.plain


def test_a_tree_names_fields_and_values(it: Inspection) -> None:
    text = views.text(it, "tree", 3)
    assert "exch_type: IKE_AUTH" in text
    assert re.search(r"0008  6c 65 66 74 40 .* ID: 'left@example.org'", text)
    assert "transform_id: ENCR_AES_CBC" in text and "value: 128" in text
    with pytest.raises(ConfigError, match="frame 99 holds no IKEv2"):
        views.text(it, "tree", 99)


def test_a_ladder_of_characters(it: Inspection) -> None:
    text = views.text(it, "ladder")
    arrows = re.findall(r"^ +\d+\.\d+ \|(-+>|<-+)\| (\d+)$", text, re.MULTILINE)
    assert [n for _, n in arrows] == [str(n) for n in range(1, 9)]
    assert [a[-1] == ">" for a, _ in arrows] == [True, False] * 4
    assert "N(REKEY_SA)" in text
    assert all(len(line) <= 95 for line in text.splitlines())


def test_a_ladder_as_a_picture(it: Inspection) -> None:
    root = ET.fromstring(views.text(it, "svg"))
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{space}polygon")) == 8
    words = [t.text or "" for t in root.findall(f"{space}text")]
    assert "IKE_AUTH #1 request" in words


def test_a_ladder_for_mermaid(it: Inspection) -> None:
    lines = views.text(it, "mermaid").splitlines()
    assert lines[0] == "sequenceDiagram"
    arrows = [line for line in lines if re.match(r"    [IR]->>[IR]: ", line)]
    assert len(arrows) == 8
    assert not any(set(";{}") & set(re.sub(r"#\w+;", "", line)) for line in arrows)


def test_rows_for_programs(it: Inspection) -> None:
    rows = [json.loads(line) for line in views.text(it, "jsonl").splitlines()]
    table = list(csv.DictReader(io.StringIO(views.text(it, "csv"))))
    assert len(rows) == len(table) == 8
    assert [r["exchange"] for r in rows] == [t["exchange"] for t in table]
    assert rows[2]["inner"] == ["IDi", "IDr", "AUTH", "SA", "TSi", "TSr"]
    assert table[2]["inner"] == "IDi IDr AUTH SA TSi TSr"
    assert table[2]["opened"] == "1"


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.outside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link", "line", "polygon", "rect", "br"):
            self.open.append(tag)
        self.outside += [v for k, v in attrs if k in ("src", "href") and v and "//" in v]

    def handle_endtag(self, tag: str) -> None:
        if self.open and tag == self.open[-1]:
            self.open.pop()


def test_the_page_stands_alone() -> None:
    lab = Lab(r={"psk": b"<b>other</b>"}).up()
    text = views.text(lab.inspect(b"<b>other</b>"), "html")
    page = _Page(text)
    assert page.open == [] and page.outside == []
    assert "The shared keys differ" in text and "1 of 1 IKE SAs failed" in text
    assert "<script" not in text and "--fail:" in text
    assert text.count("<summary>frame ") == 4


@pytest.mark.parametrize(
    ("options", "frames"),
    [
        ({"exchange": "ike_auth"}, [3, 4]),
        ({"where": "notify == NAT_DETECTION_SOURCE_IP"}, [1, 2]),
        ({"where": "payload == 44 and half == response"}, [4, 6]),
        ({"where": "not encrypted or identity ~ '^right'"}, [1, 2, 3, 4]),
        ({"where": "(id >= 2 and length > 100) and by != responder"}, [5]),
        ({"where": "transform == x25519"}, [1, 2]),
        ({"peer": "10.0.0.0/30", "where": "frame == 7"}, [7]),
        ({"peer": "192.0.2.1"}, []),
        ({"peer": "10.0.0.1:4500"}, []),
    ],
)
def test_filters(it: Inspection, options: dict[str, str], frames: list[int]) -> None:
    rows = chosen(it, "jsonl", **options).splitlines()
    assert [json.loads(row)["frame"] for row in rows] == frames


def test_an_sa_is_found_by_the_spi_of_its_child(it: Inspection) -> None:
    spi = it.to_json()["ike_sas"][0]["children"][1]["spi_r"]
    apply(it, Filter.of(spi="0x" + spi[:6].upper()), messages=False)
    assert len(it.sessions) == 1
    apply(it, Filter.of(spi="00000000"), messages=False)
    assert it.sessions == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"where": "notfy == X"}, "no field 'notfy'; did you mean 'notify'"),
        ({"where": "notify =="}, "stops too early"),
        ({"where": "(id == 1"}, "not closed"),
        ({"where": "id == 1 id"}, "not expected"),
        ({"where": "length > long"}, "wants a number"),
        ({"where": "src ~ '('"}, "no regular expression"),
        ({"exchange": "IKE_AUT"}, "did you mean 'IKE_AUTH'"),
        ({"peer": "host"}, "an address or a network"),
        ({"spi": "xyz"}, "in hexadecimal"),
    ],
)
def test_a_filter_that_cannot_be_meant(options: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        Filter.of(**options)


def test_every_field_can_be_asked_for(it: Inspection) -> None:
    for field in FIELDS:
        Filter.of(where=f"{field} == 1")
        apply(it, Filter.of(where=f"{field} == x or id >= 0"), messages=True)
    assert it.sessions


def test_the_session_view(it: Inspection) -> None:
    (row,) = it.to_json()["ike_sas"]
    assert row["rows"] == [{"number": 1, "won": True, "why": None, "differs_in": []}]
    assert row["auth"]["initiator"]["verified"] is row["auth"]["responder"]["verified"] is True
    assert row["nat_ends"]["initiator"]["verdict"] == "direct"
    assert [len(line) for line in row["succession"]] == [2]
    assert len(row["deleted"]) == 2, "the old child, in both directions"
    assert row["course"]["handshake"] == pytest.approx(0.03)
    assert row["why"]["works"] is True
    text = it.summary()
    assert "AUTH         of the responder verifies: made with the shared key (frame 4)" in text
    assert "succession" in text


def test_offers_that_could_not_win() -> None:
    lab = Lab(
        i={
            "ike": [
                "aes256gcm16-prfsha256-x25519",
                "aes256-sha256-modp2048",
                "aes128-sha256-x25519",
            ]
        },
        r={"ike": ["aes128-sha256-x25519"]},
    ).up()
    it = lab.inspect()
    rows = it.to_json()["ike_sas"][0]["rows"]
    assert [r["won"] for r in rows] == [False, False, True]
    assert rows[0]["differs_in"] == ["ENCR"]
    assert rows[1]["differs_in"] == ["ENCR", "KE"]
    assert (
        "row 2: ENCR: aes256 offered, aes128 wanted; KE: modp2048 offered, x25519" in it.summary()
    )


def test_repetitions_and_their_curve() -> None:
    lab = Lab().up()
    lab.out = drop(lambda d: True)
    lab.sa.inform([], lab.now)
    (row,) = lab.run().inspect().to_json()["ike_sas"]
    (repeated,) = row["course"]["repeated"]
    assert repeated["gaps"] == pytest.approx([1.0, 2.0], abs=0.1)
    assert repeated["growth"] == pytest.approx(2.0, abs=0.1)
    assert row["course"]["liveness"] == {"by_initiator": 1, "by_responder": 0, "unanswered": 1}


def test_weak_algorithms_are_named() -> None:
    ike = ["3des-md5-modp1024", "aes128-sha256-x25519"]
    it = Lab(i={"ike": ike, "esp": ["3des-md5"]}, r={"esp": ["3des-md5"]}).up().inspect()
    weak = it.to_json()["ike_sas"][0]["weak"]
    assert {(w["name"], w["chosen"], w["status"]) for w in weak} == {
        ("PRF_HMAC_MD5", False, "MUST NOT"),
        ("AUTH_HMAC_MD5_96", False, "MUST NOT"),
        ("1024-bit MODP Group", False, "SHOULD NOT"),
        ("ENCR_3DES", True, "SHOULD NOT"),
        ("AUTH_HMAC_MD5_96", True, "MUST NOT"),
    }
