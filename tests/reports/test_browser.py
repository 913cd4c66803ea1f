"""The page in a real browser, headless, from disk: it opens, it is quick, keys drive it."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

WIDE, NARROW = (1280, 800), (390, 844)
HOSTILE = "</script><img src=x onerror=document.title='broken'>"


@pytest.fixture
def small(build_run, steps):
    """Three rules, two peers, both roles; one rule broken, one peer that lacks something."""
    made = build_run("r", "reference", "strongswan@trixie")
    rule = {"rule": "one-proposal", "rfc": 7296, "section": "2.7", "level": "MUST"}
    rule |= {"message": "two proposals came back"}
    broken = steps()
    broken[1]["violations"] = [rule]
    for peer in made.peers:
        for role in ("responder", "initiator"):
            made.test("init_01", case="INIT-01", peer=peer, role=role)
            verdict = "UNSUPPORTED" if peer != "reference" and role == "initiator" else "PASS"
            made.test("ts_02", verdict, case="TS-02", peer=peer, role=role, level="SHOULD")
    made.test("ver_06[128]", case="VER-06")
    made.test("ver_06[200]", "FAIL", case="VER-06", violations=[rule], steps=broken)
    return made


SHOWN = """
const { cell } = arguments[0];
return cell.results.includes(Number(document.getElementById("panel").dataset.ready))
  && document.querySelector("#panel .badge").textContent === cell.verdict;
"""


@pytest.mark.parametrize("form", ["page", "site"])
def test_every_cell_opens_by_keyboard_and_nothing_complains(small, form, request):
    view = request.getfixturevalue(form)(small).open()
    assert view.status == "3 rules, 9 cells"
    cells = view.all("td[role=gridcell]:not(.none)")
    assert len(cells) == 9
    for cell in cells:
        view.js("arguments[0].focus()", cell)
        view.keys("\ue007")  # Enter
        view.wait(SHOWN, cell)
        assert view.one("#panel .callout").text
        assert len(view.all("#panel .ladder .step")) == 4
        assert len(view.all("#panel .message")) == 4
        assert len(view.all("#panel .files li")) == 7
        view.keys("\ue00c")  # Escape
        assert not view.one("#panel").is_displayed()
        assert view.js("return document.activeElement === arguments[0]", cell)


def test_arrows_move_between_cells_and_stop_at_the_edge(small, page):
    from selenium.webdriver.common.keys import Keys

    view = page(small).open()
    view.js("document.querySelector('td[tabindex=\"0\"]').focus()")
    assert view.focus == "INIT-01, reference as responder: PASS"
    view.keys(Keys.ARROW_LEFT, Keys.ARROW_UP)
    assert view.focus == "INIT-01, reference as responder: PASS"
    view.keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    assert view.focus == "TS-02, strongswan@trixie as responder: PASS"
    view.keys(Keys.END)
    assert view.focus == "TS-02, strongswan@trixie as initiator: UNSUPPORTED"
    view.keys(Keys.ARROW_DOWN)
    assert view.focus == "VER-06, strongswan@trixie as initiator: not run"
    view.keys(Keys.HOME)
    assert view.focus == "VER-06, reference as responder: FAIL 1/2"
    assert len(view.all("td[tabindex='0']")) == 1


def test_letters_search_look_at_problems_and_walk_the_rows(small, page):
    from selenium.webdriver.common.keys import Keys

    view = page(small).open()
    view.keys("n")
    assert view.focus == "VER-06, reference as responder: FAIL 1/2"
    view.keys(Keys.ENTER)
    assert view.title() == "VER-06 The peer keeps the rule of VER-06"
    view.keys("k")
    view.wait("return document.querySelector('#panel h2').textContent.includes('TS-02')")
    view.keys("j")
    view.wait("return document.querySelector('#panel h2').textContent.includes('VER-06')")
    view.keys(Keys.ESCAPE, "/", "ts-02 rfc7296")
    assert view.status == "1 of 3 rules, 4 of 9 cells"
    view.keys(Keys.ENTER)
    assert view.focus.startswith("TS-02, ")
    view.keys("/", Keys.ESCAPE)
    assert view.status == "3 rules, 9 cells"
    view.keys(Keys.ESCAPE, "?")
    assert view.one("#help").is_displayed()
    view.keys(Keys.ESCAPE)
    assert not view.one("#help").is_displayed()


def test_chips_filter_by_verdict_peer_role_and_level(small, page):
    view = page(small).open()
    counts = {c.get_attribute("data-verdict"): c.text for c in view.all("#verdicts [data-verdict]")}
    assert counts["FAIL"] == "FAIL 1"
    assert counts["PASS"] == "PASS 8"
    view.click("[data-verdict=UNSUPPORTED]")
    assert view.status == "1 of 3 rules, 4 of 9 cells"
    assert len(view.all("td.dim")) == 3
    view.click("#clear")
    for filtered in view.all("[data-filter]"):
        if filtered.text in ("reference", "initiator"):
            filtered.click()
    assert view.status == "2 of 3 rules, 2 of 9 cells"
    assert len(view.all("thead .roles th")) == 1
    view.click("#clear").click("#differs")
    assert view.status == "1 of 3 rules, 4 of 9 cells"


def test_a_message_opens_from_the_ladder_with_its_tree_and_octets(small, page):
    view = page(small).open("#VER-06/reference.responder/1")
    assert view.title() == "VER-06 The peer keeps the rule of VER-06"
    assert "two proposals came back" in view.one("#panel .violations").text
    assert len(view.all(".ladder .step.broken")) == 1
    assert len(view.all(".message.broken")) == 1

    view.js("document.querySelector('.step[data-step=\"1\"]').focus()")
    view.keys("\ue007")
    message = view.wait("return document.querySelector('.message[data-message=\"1\"][open]')")
    assert "f94020dd8cb4b9c4" in message.text
    payloads = message.find_elements("css selector", ".payload > summary")
    assert [p.text.split()[0] for p in payloads] == ["SA", "KE", "Nonce", "N", "N"]
    payloads[0].click()
    records = message.find_element("css selector", ".records").text
    assert "ENCR 12 ENCR_AES_CBC 128" in records
    message.find_element("css selector", ".octets > summary").click()
    octets = view.wait("return arguments[0].querySelector('.hex')?.textContent", message)
    assert octets.startswith("0000  f0 74 d8 bb d5 a5 9f 0b f9 40")
    payloads[1].click()
    lit = "return [...new Set([...document.querySelectorAll('.hex .lit')].map((e) => e.title))]"
    view.wait(f"{lit}.join() === 'SA,KE'")


def test_each_ike_sa_of_a_conversation_is_told_apart(build_run, page, steps):
    made = build_run("r")
    probe = [{**step, "spi_i": "00ff" * 4} for step in steps()]
    made.test("a", steps=[*steps(), *probe, *steps()])
    view = page(made).open("#A")
    view.title()
    labels = [t.text for t in view.all(".ladder .sa")]
    assert labels == [f"IKE SA with SPIi {s}" for s in ("f074d8bb", "00ff00ff", "f074d8bb")]


def test_what_was_encrypted_is_shown_inside_its_payload(small, page):
    view = page(small).open("#INIT-01/reference.responder")
    view.title()
    view.js("document.querySelector('.message[data-message=\"2\"] > summary').click()")
    view.wait("return document.querySelector('.message[data-message=\"2\"] .message-body')")
    inner = view.all(".message[data-message='2'] .tree .tree > li > details > summary b")
    assert [b.text for b in inner] == ["IDi", "AUTH", "SA", "TSi", "TSr"]
    octets = view.all(".message[data-message='2'] .octets > summary")
    assert [o.text.rpartition(": ")[2] for o in octets] == ["128", "204"]


def test_links_open_their_cell_and_the_address_follows(small, page):
    view = page(small).open("#VER-06")
    assert view.title().startswith("VER-06")
    assert view.js("return decodeURIComponent(location.hash)") == "#VER-06/reference.responder/1"
    view.js("location.hash = '#TS-02/strongswan@trixie.initiator'")
    view.wait("return document.querySelector('#panel h2').textContent.includes('TS-02')")
    assert "peer is initiator" in view.one("#panel header").text
    view.open("#nothing-like-that")
    assert not view.one("#panel").is_displayed()


def test_capture_and_keys_are_downloaded_as_they_were(small, page, tmp_path):
    view = page(small).open("#INIT-01/reference.responder")
    view.title()
    folder = tmp_path / "downloads"
    behaviour = {"behavior": "allow", "downloadPath": str(folder)}
    view.driver.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)
    origin = small.path / "cases" / "init_01-reference-responder"
    wanted = {"capture.pcapng": "capture.pcapng", "keys_esp_sa": "keys/esp_sa"}
    for link in view.all("#panel .files a"):
        if link.get_attribute("download") in wanted:
            link.click()
    view.wait("return true")
    from selenium.webdriver.support.ui import WebDriverWait

    for name, source in wanted.items():
        WebDriverWait(view.driver, 20, 0.05).until(lambda _, name=name: (folder / name).is_file())
        assert (folder / name).read_bytes() == (origin / source).read_bytes()


def test_hostile_text_is_only_text(build_run, page, steps):
    made = build_run("r")
    conversation = steps()
    conversation[0] |= {"text": HOSTILE, "note": HOSTILE}
    conversation[0]["payloads"][0] |= {"text": HOSTILE, "vendor": HOSTILE, "name": HOSTILE}
    folder = made.test("a", "FAIL", title=HOSTILE, reason=HOSTILE, doc=HOSTILE, steps=conversation)
    (folder / "peer.log").write_text(HOSTILE)
    view = page(made).open("#A")
    view.title()
    view.js("for (const d of document.querySelectorAll('details')) d.open = true")
    view.wait("return document.querySelector('.message .payload')")
    assert view.all("img") == []
    assert "broken" not in view.driver.title
    assert HOSTILE in view.one("#panel").text


def test_light_and_dark_follow_the_system_and_the_button(small, page):
    view = page(small).open(scheme="dark")
    background = "return getComputedStyle(document.body).backgroundColor"
    dark = view.js(background)
    view.click("#theme")
    light = view.js(background)
    assert (dark, light) == ("rgb(21, 24, 28)", "rgb(255, 255, 255)")
    view.js("localStorage.clear()")


CONTRASTS = """
const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
  .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (e) => {
  for (; e; e = e.parentElement) {
    const c = rgb(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c;
  }
  return [255, 255, 255];
};
const poor = [];
for (const e of document.querySelectorAll("body *")) {
  const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  if (!own || !e.checkVisibility() || e.closest(":disabled, .zero, svg, script")) continue;
  const style = getComputedStyle(e);
  const [a, b] = [light(rgb(style.color)), light(behind(e))].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < 4.5 || parseFloat(style.fontSize) < 10) {
    poor.push(`${e.className} ${e.textContent} ${ratio}`);
  }
}
return poor;
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["1280", "390"])
def test_all_text_is_legible_and_nothing_hangs_over_the_edge(
    build_run, page, tmp_path, size, scheme
):
    made = build_run(finished=None)
    for verdict in ("PASS", "FAIL", "ERROR", "UNSUPPORTED", "XFAIL", "XPASS"):
        made.test(verdict.lower(), verdict)
    view = page(made).open(size=size, scheme=scheme)
    overhang = "return document.documentElement.scrollWidth - innerWidth"
    panel = "const { scrollWidth, clientWidth } = arguments[0]; return scrollWidth - clientWidth"
    assert view.js(CONTRASTS) == []
    assert view.js(overhang) <= 0
    view.driver.save_screenshot(str(tmp_path / "matrix.png"))
    for verdict in ("PASS", "FAIL", "ERROR", "UNSUPPORTED", "XFAIL", "XPASS"):
        view.js("location.hash = `#${arguments[0]}`", verdict)
        view.wait(
            "return document.querySelector('#panel .badge')?.textContent == arguments[0]", verdict
        )
        view.js("document.querySelectorAll('#panel details').forEach((d) => { d.open = true; })")
        view.wait("return document.querySelector('.message .payload')")
        assert view.js(CONTRASTS) == []
        assert view.js(overhang) <= 0
        assert view.js(panel, view.one("#panel")) <= 0
    view.driver.save_screenshot(str(tmp_path / "panel.png"))


OPENED = """
const { domContentLoadedEventEnd, navigationStart } = performance.timing;
return domContentLoadedEventEnd - navigationStart;
"""


def test_thousands_of_cells_open_within_a_second(build_run, page):
    """7 peers x 2 roles x 235 rules."""
    made = build_run("big", *(f"peer{n}@release" for n in range(7)))
    for rule in range(235):
        for peer in made.peers:
            for role in ("responder", "initiator"):
                made.test(f"rule_{rule}", peer=peer, role=role, folder=False)
    view = page(made)
    times = []
    for _ in range(3):
        view.open()
        times.append(view.js(OPENED))
    assert view.status == "235 rules, 3290 cells"
    assert min(times) < 1000, times


def test_a_run_without_results_is_a_page_that_says_what_is_missing(build_run, page):
    made = build_run(finished=None)
    (made.path / "results.jsonl").unlink()
    view = page(made).open()
    assert view.status == "0 rules, 0 cells"
    assert "results.jsonl is missing" in view.one("#problems").text


def test_a_folder_offers_its_files_after_the_run_is_gone(small, site):
    view = site(small)
    shutil.rmtree(small.path)
    view.open("#VER-06/reference.responder/1")
    links = [a.get_attribute("href") for a in view.all("#panel .files a")]
    assert len(links) == 7
    copies = [link for link in links if not link.startswith("blob:")]  # logs are in the detail
    assert len(copies) >= 4 and all("/site/files/" in link for link in copies)
    for link in copies:
        assert stat.S_IMODE(Path(unquote(urlsplit(link).path)).stat().st_mode) == 0o600


def test_a_detail_that_is_missing_is_named(small, site, driver):
    view = site(small)
    (view.path.parent / "details/0.js").unlink()
    view.open("#INIT-01/reference.responder")
    assert "details/0.js is missing" in view.one("#panel .callout").text
    driver.get_log("browser")  # what the browser says of it is right
