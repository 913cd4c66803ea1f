"""The page by requirement: the gravest verdict of the covering cases, and why there are none."""

from __future__ import annotations

import pytest

from ikelab.harness.requirements import Requirement, requirements, shipped
from tests.reports.test_browser import CONTRASTS, NARROW, OPENED, WIDE

OVERHANG = "return document.documentElement.scrollWidth - innerWidth"


def ask(number: int, level: str, text: str, *cases: str, why: str = "", who: str = "both"):
    name = f"7296-2.7-0{number}"
    return Requirement(name, 7296, "2.7", level, who, text, "wire", cases, why)


ASKED = (
    ask(1, "MUST", "answers with one proposal", "INIT-01", "VER-06", who="responder"),
    ask(2, "MUST NOT", "widens selectors", "TS-02"),
    ask(3, "SHOULD", "says what it prefers", why="what a peer prefers is configuration"),
    ask(4, "MUST", "does what no run has tried", "CHD-01"),
)


@pytest.fixture
def small(build_run):
    """Two peers, both roles; one variant of a case fails, one peer lacks something."""
    made = build_run("r", "reference", "strongswan@trixie")
    for peer in made.peers:
        for role in ("responder", "initiator"):
            made.test("init_01", case="INIT-01", peer=peer, role=role)
            verdict = "UNSUPPORTED" if peer != "reference" and role == "initiator" else "PASS"
            made.test("ts_02", verdict, case="TS-02", peer=peer, role=role)
    made.test("ver_06[128]", case="VER-06")
    made.test("ver_06[200]", "FAIL", case="VER-06")
    return made


def labels(view) -> list[str]:
    return view.js(
        "return [...document.querySelectorAll('td[role=gridcell]')]"
        ".filter((td) => !td.parentNode.hidden).map((td) => td.getAttribute('aria-label'))"
    )


@pytest.mark.parametrize("form", ["page", "site"])
def test_a_requirement_has_the_gravest_verdict_of_its_cases(small, form, request):
    view = request.getfixturevalue(form)(small, asked=ASKED).open()
    assert view.status == "3 rules, 9 cells"

    view.keys("r")

    assert view.status == "4 requirements, 8 cells"
    assert labels(view)[0] == "7296-2.7-01, reference as responder: FAIL 1/3"
    assert labels(view)[1:4] == [
        "7296-2.7-01, reference as initiator: PASS",
        "7296-2.7-01, strongswan@trixie as responder: PASS",
        "7296-2.7-01, strongswan@trixie as initiator: PASS",
    ]
    assert labels(view)[7] == "7296-2.7-02, strongswan@trixie as initiator: UNSUPPORTED"
    assert labels(view)[8] == "7296-2.7-03, reference as responder: not run"
    notes = [note.text for note in view.all("th.rule .note")]
    assert notes == [
        "responder: INIT-01, VER-06",
        "both: TS-02",
        "No case (wire): what a peer prefers is configuration.",
        "both: CHD-01",
    ]
    view.keys("r")
    assert view.status == "3 rules, 9 cells"


def test_its_cells_open_at_the_result_that_decides(small, page):
    view = page(small, asked=ASKED).open("#requirements")
    view.keys("n", "\ue007")  # Enter
    assert view.title() == "7296-2.7-01 answers with one proposal"
    assert view.one("#panel .badge").text == "FAIL"
    chips = [chip.text for chip in view.all("#panel header .chip")]
    assert chips == ["pass INIT-01 #1", "pass VER-06 128", "FAIL VER-06 200"]
    view.keys("\ue00c")  # Escape
    assert view.js("return location.hash") == "#requirements"
    assert view.status == "4 requirements, 8 cells"


def test_chips_and_search_work_on_requirements(small, page):
    view = page(small, asked=ASKED).open().click("#view")
    counts = {c.get_attribute("data-verdict"): c.text for c in view.all("#verdicts [data-verdict]")}
    assert counts["FAIL"] == "FAIL 1" and counts["PASS"] == "PASS 6"
    view.click("#untested")
    assert view.status == "1 of 4 requirements, 0 of 8 cells"
    view.click("#clear").click("[data-verdict=UNSUPPORTED]")
    assert view.status == "1 of 4 requirements, 4 of 8 cells"
    view.click("#clear")
    next(c for c in view.all("[data-filter=level]") if c.text == "MUST NOT").click()
    assert view.status == "1 of 4 requirements, 4 of 8 cells"
    view.click("#clear").keys("/", "prefers configuration")
    assert view.status == "1 of 4 requirements, 0 of 8 cells"
    view.click("#view")
    assert view.status == "3 rules, 9 cells"


def test_links_find_the_view_that_has_what_they_name(small, page):
    view = page(small, asked=ASKED).open("#7296-2.7-02/strongswan@trixie.initiator")
    assert view.title() == "7296-2.7-02 widens selectors"
    view.js("location.hash = '#VER-06'")
    view.wait("return document.querySelector('#panel h2')?.textContent.includes('VER-06')")
    assert view.one("#view").text == "Requirements"


def test_a_page_without_requirements_offers_none(small, page):
    view = page(small).open()
    assert not view.one("#view").is_displayed()
    view.keys("r")
    assert view.status == "3 rules, 9 cells"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["1280", "390"])
def test_all_of_it_is_legible(small, page, tmp_path, size, scheme):
    view = page(small, asked=ASKED).open("#requirements", size=size, scheme=scheme)
    assert view.js(CONTRASTS) == []
    assert view.js(OVERHANG) <= 0
    view.driver.save_screenshot(str(tmp_path / "requirements.png"))


TOGGLED = """
const before = performance.now();
document.getElementById("view").click();
document.getElementById("matrix").getBoundingClientRect();
return performance.now() - before;
"""


@pytest.mark.long
def test_seven_peers_and_every_case_open_within_a_second(build_run, page):
    """7 peers x 2 roles x all shipped cases, by rule and by requirement."""
    made = build_run("big", *(f"peer{n}@release" for n in range(7)))
    cases = sorted({case.id for case in shipped()})
    for name in cases:
        for peer in made.peers:
            for role in ("responder", "initiator"):
                made.test(name.lower(), case=name, peer=peer, role=role, folder=False)
    view = page(made, asked=requirements())
    opened, toggled = [], []
    for _ in range(3):
        view.open()
        opened.append(view.js(OPENED))
        toggled.append(view.js(TOGGLED))
    assert view.status.startswith(f"{len(requirements())} requirements, ")
    assert min(opened) < 1000, opened
    assert min(toggled) < 2000, toggled  # thrice the rows
    assert not view.js("return document.getElementById('matrix').textContent.includes('undefined')")
