"""The page of a fuzzing run over time: what it wrote until it died, and nothing from elsewhere."""

from __future__ import annotations

import json
import re
import stat
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from ikelab.harness.errors import ConfigError
from ikelab.reports import curves
from ikelab.reports.load import load_run
from ikelab.reports.page import write_curves
from tests.harness.command import ikelab

HOSTILE = "</title></svg><script>alert(1)</script>"


def row(second: int, **fields: Any) -> dict[str, Any]:
    """A line as a run writes it, after so many seconds."""
    known = {
        "seconds": second, "cases": 100 * second, "classes": second, "corpus": second,
        "findings": 0, "memory": 50 << 20, "own_memory": 80 << 20, "campaign": "init",
        "answers": {"takes it": 75 * second, "silence": 25 * second},
    }  # fmt: skip
    return {**known, **fields}


def folder(place: Path, *rows: dict[str, Any], cut: str = "", **facts: Any) -> Path:
    """The folder of a run; `cut` is what it was writing when it was killed."""
    place.mkdir(parents=True)
    run = {"schema": 1, "ikelab": "1", "peers": [{"name": "strongswan@trixie"}], **facts}
    (place / "run.json").write_text(json.dumps(run))
    (place / "results.jsonl").write_text("")
    lines = "".join(json.dumps(one) + "\n" for one in rows)
    (place / "progress.jsonl").write_text(lines + cut)
    return place


def page(tmp_path: Path, *runs: Path) -> str:
    out = tmp_path / "out" / "curves.html"
    write_curves([load_run(run) for run in runs], out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    return out.read_text()


def drawn(text: str) -> list[ET.Element]:
    """The figures of a page, which have to be XML."""
    return [ET.fromstring(svg) for svg in re.findall(r"<svg viewBox=\"0 0 7.*?</svg>", text, re.S)]


def points(figure: ET.Element, name: str) -> list[tuple[float, float]]:
    """The corners of what has this name in a figure."""
    [shape] = [s for s in figure if s.findtext("title") == name]
    pairs = (pair.split(",") for pair in shape.attrib["points"].split())
    return [(float(x), float(y)) for x, y in pairs]


def test_a_run_is_drawn_with_all_its_curves(tmp_path: Path) -> None:
    rows = [row(n, findings=int(n >= 4)) for n in range(1, 9)]
    text = page(tmp_path, folder(tmp_path / "r", *rows, finished="2026-01-01T00:00:00Z"))

    titles = ["Cases a second", "Answers, %", "Classes of answers seen", "Memory, MB"]
    assert [figure.attrib["aria-label"] for figure in drawn(text)] == titles
    speed, _, classes, memory = drawn(text)
    assert {y for _, y in points(speed, "cases a second")} == {curves.TOP}  # 100 each, axis to 100
    rising = [y for _, y in points(classes, "classes of answers")]
    assert rising == sorted(rising, reverse=True) and len(set(rising)) == 8
    assert points(memory, "the peer")[0][1] > points(memory, "ikelab")[0][1]
    assert all(len(figure.findall("path[@class='found']")) == 1 for figure in drawn(text))
    assert "not finished" not in text


def test_shares_of_answers_fill_the_whole(tmp_path: Path) -> None:
    """Each band begins where the one below it ends; three in four cases are taken here."""
    text = page(tmp_path, folder(tmp_path / "r", *(row(n) for n in (1, 2, 5))))
    _, answers, *_ = drawn(text)

    low, high = curves.HEIGHT - curves.BOTTOM, curves.TOP
    between = low - 0.75 * (low - high)
    assert {y for _, y in points(answers, "takes it")} == {low, between}
    assert {y for _, y in points(answers, "silence")} == {between, high}


def test_who_needs_no_script_and_no_network(tmp_path: Path) -> None:
    text = page(tmp_path, folder(tmp_path / "r", row(1), row(2)))

    assert "default-src 'none'" in text and "<script" not in text
    assert not re.search(r"https?:|//|url\(|@import", text.replace("data:,", ""))
    assert "color-scheme: light dark" in text
    colours = set(re.findall(r"--[\w]+: ([^;]+);", text))
    assert len(colours) > 10 and all(one.startswith("light-dark(") for one in colours)


@pytest.mark.parametrize("length", range(0, 120, 7))
def test_a_run_that_died_half_way_has_what_it_wrote(tmp_path: Path, length: int) -> None:
    cut = json.dumps(row(3))[:length]
    text = page(tmp_path, folder(tmp_path / "r", row(1), row(2), cut=cut))

    assert len(drawn(text)) == 4
    assert "200 in 2 s" in text
    assert "the run did not finish" in text
    assert ("progress.jsonl line 3 is cut off" in text) is bool(length)


def test_a_run_that_wrote_nothing_yet_says_so(tmp_path: Path) -> None:
    text = page(tmp_path, folder(tmp_path / "r"))

    assert drawn(text) == []
    assert "Nothing was written yet" in text


def test_lines_of_an_older_version_are_drawn_as_far_as_they_go(tmp_path: Path) -> None:
    rows = [{"seconds": n, "cases": n, "classes": 1, "memory": 0} for n in (1.5, 2.5)]
    text = page(tmp_path, folder(tmp_path / "r", *rows))

    titles = [figure.attrib["aria-label"] for figure in drawn(text)]
    assert titles == ["Cases a second", "Classes of answers seen"]


def test_what_is_no_number_and_what_goes_back_is_passed_over(tmp_path: Path) -> None:
    odd = [row(1), row(2, memory="much", answers=[1]), row(2), row(1), {"cases": 7}, row(4)]
    place = folder(tmp_path / "r", *odd, cut='{"seconds": 6, "cases": 1e999}\n')
    one = curves.course(place)

    assert one is not None
    assert [m.seconds for m in one.moments] == [1, 2, 4, 6]
    assert one.moments[1].memory == 0 and one.moments[-1].cases == 0
    assert len(drawn(page(tmp_path, place))) == 4


def test_hostile_words_stay_words(tmp_path: Path) -> None:
    place = folder(tmp_path / "r", row(1, answers={HOSTILE: 1}), fault=HOSTILE)
    told = {"campaign": HOSTILE, "peer": HOSTILE, "reference": HOSTILE, "plan": HOSTILE}
    (place / "differences.jsonl").write_text(json.dumps(told) + "\n")
    text = page(tmp_path, place)

    assert "<script" not in text and text.count("&lt;script&gt;") >= 6
    assert len(drawn(text)) == 4


def test_a_long_run_is_thinned_and_keeps_its_end(tmp_path: Path) -> None:
    place = folder(tmp_path / "r", *(row(n) for n in range(1, 5000)))
    one = curves.course(place)

    assert one is not None
    assert len(one.moments) <= curves.MOST_POINTS + 2
    assert (one.moments[0].seconds, one.moments[-1].seconds) == (1, 4999)
    assert len(page(tmp_path, place)) < 100_000


def test_many_kinds_of_answers_share_the_last_colour(tmp_path: Path) -> None:
    kinds = {f"kind {n}": 100 - n for n in range(12)}
    one = curves.course(folder(tmp_path / "r", row(1, answers=kinds)))

    assert one is not None
    assert one.kinds == [*(f"kind {n}" for n in range(curves.MOST_KINDS)), curves.REST]
    [_, answers, *_] = curves.pictures(one)
    top = points(ET.fromstring(answers.svg), curves.REST)
    assert min(y for _, y in top) == curves.TOP


def test_what_is_no_run_of_the_fuzzer_is_refused(tmp_path: Path) -> None:
    place = folder(tmp_path / "r")
    (place / "progress.jsonl").unlink()

    with pytest.raises(ConfigError, match=r"no curves: .*r has no progress\.jsonl"):
        page(tmp_path, place)


def test_the_command_writes_the_curves_of_a_run(tmp_path: Path) -> None:
    assert ikelab("fuzz", "--cases", "20", "--out", "run", cwd=tmp_path).status == 0

    done = ikelab("report", "run", "--curves", "curves.html", cwd=tmp_path)

    assert (done.status, done.err) == (0, "")
    text = (tmp_path / "curves.html").read_text()
    assert "20 in" in text and len(drawn(text)) >= 3
    last = json.loads((tmp_path / "run/progress.jsonl").read_text().splitlines()[-1])
    assert sum(last["answers"].values()) == last["cases"] == 20
