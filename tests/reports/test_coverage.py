"""What passing tests of run folders prove, and the form of the page."""

from __future__ import annotations

import pytest

from ikelab.harness.errors import ConfigError
from ikelab.reports.coverage import (
    COLUMNS,
    IN,
    OUT,
    Point,
    Row,
    Section,
    Sight,
    cell,
    observe,
    render,
)
from ikelab.reports.load import load_run

NAMES = {
    "ENCR": "Encryption Algorithm (ENCR)",
    "PRF": "Pseudo-random Function (PRF)",
    "INTEG": "Integrity Algorithm (INTEG)",
    "KE": "Key Exchange Method (KE)",
}
AES = Point(NAMES["ENCR"], "12", 128)
PSK = Point("AuthMethod", "2")


@pytest.fixture
def talk(steps):
    """A conversation whose transforms have the names that transcripts give them."""

    def make(role="responder"):
        made = steps(role)
        for proposal in made[0]["payloads"][0]["proposals"]:
            for transform in proposal["transforms"]:
                transform["type"] = NAMES.get(transform["type"], transform["type"])
        return made

    return make


def seen_in(made):
    return observe([load_run(made.path)])


def test_a_negotiated_suite_counts_with_the_side_that_asked(build_run, talk):
    made = build_run("r", "strongswan@trixie")
    made.test("a", role="responder", steps=talk())
    made.test("b", role="initiator", steps=talk("initiator"))
    seen = seen_in(made)

    assert seen.peers == {"strongswan@trixie": "6.0"}
    # As initiator the peer's own messages are the requests: they opened as well.
    assert seen.at(AES, "strongswan@trixie") == {Sight(OUT, "IKE"), Sight(IN, "IKE")}
    assert seen.at(Point("Protocol", "IKE"), "strongswan@trixie") == {Sight(OUT), Sight(IN)}
    assert seen.at(Point(NAMES["ENCR"], "20", 128), "strongswan@trixie") == set()


def test_a_suite_counts_only_where_the_peers_messages_opened(build_run, talk):
    made = build_run()
    made.test("a", steps=talk()[:2])
    assert seen_in(made).at(AES, "reference") == set()
    assert seen_in(made).at(Point("Notify", "16388"), "reference") == {Sight(OUT), Sight(IN)}


@pytest.mark.parametrize("verdict", ["FAIL", "ERROR", "UNSUPPORTED", "XFAIL", "XPASS"])
def test_only_a_pass_proves_anything(build_run, talk, verdict):
    made = build_run()
    made.test("a", verdict, steps=talk(), reason="has no AES")
    seen = seen_in(made)
    assert (seen.points, seen.cases) == ({}, {})
    assert seen.lacks == ({"reference": ["has no AES"]} if verdict == "UNSUPPORTED" else {})


def test_what_we_send_in_a_distorted_case_is_no_proof(build_run, talk):
    made = build_run()
    made.test("a", steps=talk(), plan="IKE_AUTH/request: SK.AUTH.auth_type = 2")
    seen = seen_in(made)
    assert seen.at(PSK, "reference") == {Sight(IN)}
    assert seen.at(AES, "reference") == {Sight(OUT, "IKE")}


def test_other_code_points_are_read_from_where_they_stand(build_run, talk):
    made = build_run()
    steps = talk()
    steps[3]["inner"] += [
        {"type": 47, "cfg": "CFG_REPLY", "attributes": [{"type": 1, "name": "x", "value": ""}]},
        {"type": 41, "notify": 16431, "notify_name": "SIGNATURE_HASH_ALGORITHMS",
         "data": "00020005"},
        {"type": 44, "selectors": ["2001:db8::-2001:db8::ffff[0/0-65535]"]},
    ]  # fmt: skip
    made.test("a", steps=steps)
    got = {p for p, peers in seen_in(made).points.items() if Sight(IN) in peers["reference"]}
    assert got >= {
        Point("CfgType", "CFG_REPLY"),
        Point("CfgAttr", "1"),
        Point("Hash", "2"),
        Point("Hash", "5"),
        Point("TsType", "TS_IPV6_ADDR_RANGE"),
        Point("TsType", "TS_IPV4_ADDR_RANGE"),
        Point("Exchange", "IKE_AUTH"),
        Point("Payload", "47"),
        Point("IdType", "1"),
    }


def test_passing_cases_are_counted_for_their_documents(build_run, talk):
    made = build_run("r", "a", "b")
    both = [{"rfc": 7296, "sections": ["2.7"]}, {"rfc": 7383, "sections": []}]
    made.test("x", steps=talk(), peer="a", rfc=both)
    made.test("y", steps=talk(), peer="a", rfc=both[:1] * 2)
    made.test("z", steps=talk(), peer="b", rfc=both[1:])
    assert seen_in(made).cases == {7296: {"a": 2}, 7383: {"a": 1, "b": 1}}


def test_a_run_with_a_fault_is_refused(build_run):
    made = build_run(fault="repeats-nonce")
    with pytest.raises(ConfigError, match=r"repeats-nonce.*proves nothing"):
        seen_in(made)


def test_cells_name_protocols_and_directions():
    assert cell([]) == ""
    assert cell([Sight(IN), Sight(OUT)]) == f"{OUT}{IN}"
    assert cell([Sight(OUT, "ESP"), Sight(IN, "IKE"), Sight(OUT, "AH")]) == (
        f"IKE {IN}, AH {OUT}, ESP {OUT}"
    )


def test_the_page_has_counts_tables_and_no_times(build_run, talk):
    made = build_run("r", "strongswan@trixie")
    made.test("a", steps=talk())
    row = Row("12", "AES | CBC", "RFC 3602", "daemon", "", (f"IKE {OUT}",), "")
    page = render(seen_in(made), ["`ikelab run`", "`ikelab run`"], [Section("Ciphers", (row,))])
    lines = page.splitlines()
    assert lines.count("- `ikelab run`") == 1
    assert "Peers: strongswan@trixie 6.0. Their runs:" in lines
    assert "| Ciphers | 1 | | | | |" in lines
    assert f"| {' | '.join((*COLUMNS, 'strongswan@trixie 6.0', 'why not'))} |" in lines
    assert f"| 12 | AES \\| CBC | RFC 3602 | daemon | | IKE {OUT} | |" in lines
    assert "2026" not in page
