"""The page as a file: everything in it, nothing from the network, hostile text harmless."""

from __future__ import annotations

import base64
import json
import re
import stat
import zlib
from pathlib import Path

import pytest

from ikelab.harness.errors import ConfigError
from ikelab.reports.load import load_run
from ikelab.reports.page import write_page

HOSTILE = "</script><img src=x onerror=alert(1)>\u2028\u2029<!--<script>{{ 7*7 }}"


def read(page):
    """The index and the details of a written page."""
    text = page.read_text()
    scripts = dict(re.findall(r'<script type="[^"]+" id="([^"]+)">(.*?)</script>', text, re.DOTALL))
    index = json.loads(scripts.pop("index"))
    details = [unpack(scripts[f"detail-{n}"]) for n in range(len(scripts))]
    return text, index, details


def unpack(text):
    return json.loads(zlib.decompress(base64.b64decode(text), -15))


@pytest.fixture
def page(tmp_path):
    def write(*builders, **limits):
        out = tmp_path / "out" / "report.html"
        write_page([load_run(b.path) for b in builders], out, **limits)
        return read(out)

    return write


def test_index_and_details_hold_the_run(build_run, page, tmp_path):
    made = build_run("r", "reference", "strongswan@trixie")
    made.test("a", "FAIL", case="INIT-01")
    made.test("a", case="INIT-01", peer="strongswan@trixie", role="initiator")

    _, index, details = page(made)

    assert stat.S_IMODE((tmp_path / "out" / "report.html").stat().st_mode) == 0o600
    assert [c["slug"] for c in index["columns"]] == [
        "reference.responder",
        "strongswan@trixie.initiator",
    ]
    [row] = index["rows"]
    assert [(c["column"], c["verdict"], c["results"]) for c in row["cells"]] == [
        (0, "FAIL", [0]),
        (1, "PASS", [1]),
    ]
    assert details[0]["reason"] == "INIT-01: the answer has two proposals"
    assert [s["exchange"] for s in details[1]["steps"]][2:] == ["IKE_AUTH", "IKE_AUTH"]
    assert details[0]["rfc"][0]["sections"][0]["url"] == (
        "https://www.rfc-editor.org/rfc/rfc7296#section-2.7"
    )


def test_files_are_in_the_page_and_large_ones_are_links_beside_it(build_run, page, tmp_path):
    made = build_run()
    folder = made.test("a")
    (folder / "peer.log").write_text("line\n" * 100_000)
    original = (folder / "capture.pcapng").read_bytes()

    _, _, [detail] = page(made, file_limit=10_000)
    files = {f["name"]: f for f in detail["files"]}

    assert base64.b64decode(files["capture.pcapng"]["base64"]) == original
    assert files["keys/ikev2_decryption_table"]["text"].startswith("f074d8bbd5a59f0b,")
    log = files["peer.log"]
    assert len(log["text"]) == 1 << 16
    assert log["cut"] == 500_000 - (1 << 16)
    assert (tmp_path / "out" / log["href"]).resolve() == folder / "peer.log"


def test_the_page_does_not_grow_past_its_limit(build_run, page):
    made = build_run()
    for name in "abc":
        (made.test(name) / "capture.pcapng").write_bytes(b"\xff" * 1000)
    _, _, details = page(made, total_limit=1500)
    embedded = ["base64" in f for d in details for f in d["files"] if f["name"] == "capture.pcapng"]
    assert embedded == [True, False, False]


def test_commands_can_be_pasted(build_run, page):
    made = build_run("r", "strongswan@trixie", fault="accepts-any-key")
    made.test("a[128]")
    made.test("b[not (so) plain]")
    _, _, [plain, odd] = page(made)
    again, inspect = (c["command"] for c in plain["commands"])
    assert again == (
        "ikelab run --peer strongswan@trixie --role responder --topology direct --seed 7 "
        "--fault accepts-any-key -k 'test_a[128]'"
    )
    assert inspect.startswith("ikelab inspect ")
    assert inspect.endswith("/keys")
    assert odd["commands"][0]["command"].endswith(" -k test_b")


def test_nothing_is_fetched_and_hostile_text_stays_text(build_run, page, steps):
    made = build_run("r", HOSTILE.replace("/", "|"))
    conversation = steps()
    conversation[0]["text"] = HOSTILE
    folder = made.test("a", "FAIL", reason=HOSTILE, doc=HOSTILE, folder=False, id=HOSTILE)
    made.evidence(folder, conversation)

    text, index, _ = page(made)

    assert text.count("<script") == text.count("</script>") == 3
    assert "onerror" not in re.sub(r"<script[ >].*?</script>", "", text, flags=re.DOTALL)
    assert index["results"][0]["reason"] == HOSTILE
    assert "\u2028" not in text
    assert not re.search(r"""(src|href)\s*=\s*["']?https?:""", text)
    assert not re.search(r"@import|url\(", text)
    assert "default-src 'none'" in text


def test_an_odd_transcript_is_made_even(build_run, page):
    made = build_run()
    odd = {"payloads": "none", "inner": 3, "violations": {}, "raw": "zz", "text": None, "time": "x"}
    made.test("a", steps=[odd, {"inner": [1, {"name": "N"}]}])
    _, _, [detail] = page(made)
    first, second = detail["steps"]
    assert (first["payloads"], first["inner"], first["violations"]) == ([], None, [])
    assert (first["raw"], first["text"]) == (None, "")
    assert second["inner"] == [{"name": "N"}]


def test_a_long_conversation_is_cut_and_says_so(build_run, page, steps):
    made = build_run()
    made.test("a", steps=steps() * 600)
    _, _, [detail] = page(made)
    assert (len(detail["steps"]), detail["more"]) == (2000, 400)


def test_what_is_damaged_is_in_the_page(build_run, page):
    made = build_run(finished=None)
    made.test("a")
    with (made.path / "results.jsonl").open("a") as file:
        file.write('{"id": "b", "pe')
    _, index, details = page(made)
    assert any("line 2 is cut off" in p for p in index["runs"][0]["problems"])
    assert [d["id"] for d in details] == ["testcases/conformance/rfc7296/test_init.py::test_a", "b"]


def test_a_place_that_cannot_be_written_is_one_line(build_run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot write"):
        write_page([load_run(build_run().path)], tmp_path / "file" / "report.html")


def test_steps_have_the_fields_of_the_transcript_room(steps):
    """The builder's steps and the harness's are one contract."""
    from ikelab.harness.transcript import Step

    step = steps()[0]
    real = Step(1.0, "-->", ("10.0.0.1", 500), ("10.0.0.2", 500), bytes.fromhex(step["raw"]))
    assert set(real.to_json(0)) == set(step)


def test_what_is_no_file_keeps_its_mode(build_run, tmp_path):
    """A page is private; a folder or a device that somebody names for it is none of ours."""
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o755)
    mode = folder.stat().st_mode, Path("/dev/null").stat().st_mode
    run = load_run(build_run().path)

    with pytest.raises(ConfigError, match="Is a directory"):
        write_page([run], folder)
    write_page([run], Path("/dev/null"))
    write_page([run], tmp_path / "page.html")

    assert (folder.stat().st_mode, Path("/dev/null").stat().st_mode) == mode
    assert (tmp_path / "page.html").stat().st_mode & 0o777 == 0o600
