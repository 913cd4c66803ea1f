"""Options that cannot be, and files that a command is to write: one line on stderr, status 2."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ikelab.harness.cli import main
from tests.harness.command import ikelab, start

Refused = Callable[..., None]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one case, and a capture out of it beside it."""
    place = tmp_path_factory.mktemp("made")
    done = ikelab("run", "-k", "right_key", "--out", "run", cwd=place)
    assert done.status == 0, done.err
    shutil.copy(next(place.glob("run/cases/*/capture.pcapng")), place / "c.pcapng")
    return place


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of its own with that run and that capture; the handler of SIGTERM comes back."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    yield tmp_path
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def refused(here: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Run a command that has to be refused with these words, and to leave everything as it was."""

    def refuse(words: list[str], told: str) -> None:
        before = sorted(here.rglob("*"))
        assert main(words) == 2
        out, err = capsys.readouterr()
        assert out == "" and told in err and len(err.splitlines()) == 1, err
        assert sorted(here.rglob("*")) == before

    return refuse


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["inspect", "c.pcapng", "--live", "lo"], "FILE or --live, not both"),
        (["inspect", "--live", "lo", "--log", "r.log"], "--log or --live, not both"),
        (["inspect", "c.pcapng", "--for", "3"], "--for and --count go with --live"),
        (["inspect", "--live", "lo", "--for", "nan"], "nan is no time to listen"),
        (["inspect", "--live", "lo", "--for", "-1"], "-1 is no time to listen"),
        (["inspect", "--live", "lo", "--for", "inf"], "inf is no time to listen"),
        (["inspect", "--live", "lo", "--count", "0"], "0 is not in the range"),
        (["inspect", "c.pcapng", "--psk", "0xzz"], "--psk '0xzz' is no key"),
        (["inspect", "c.pcapng", "--psk", ""], "--psk '' is no key"),
        (["inspect", "c.pcapng", "--json", "--why"], "one view at a time: json or why"),
        (["inspect", "c.pcapng", "--frame", "2", "--format", "csv"], "csv or tree"),
        (["inspect", "c.pcapng", "--frame", "999"], "the nearest that does is frame "),
        (["diff", "c.pcapng", "missing"], "no such capture: missing"),
        (["diff", "c.pcapng", "run"], "c.pcapng is a file: compare two"),
        (["report", "run", "--site", "run"], "run is part of the run run"),
        (["report", "run", "--json", "run/run.json"], "run/run.json is part of the run"),
        (["report", "run", "--html", "run/cases/page.html"], "is part of the run"),
        (["report", "run", "--html", "c.pcapng/page.html"], "c.pcapng is not a folder"),
        (["report", "run", "--html", "a", "--json", "./a"], "a is given twice"),
        (["report", ""], "an empty path"),
        (["report", "run", "--json", "-"], "standard output is /dev/stdout"),
        (["report", "run", "--site", "c.pcapng"], "c.pcapng is not a folder: --site makes one"),
        (["inspect", "c.pcapng", "--jobs", "0"], "0 is not in the range"),
        (["inspect", "run/run.json", "--jobs", "2"], "a file of a run: give the run's folder"),
        (["inspect", "c.pcapng", "--where", ""], "'--where': it is empty: leave it out"),
        (["inspect", "c.pcapng", "--spi", ""], "'--spi': it is empty"),
        (["inspect", "c.pcapng", "--peer", ""], "'--peer': it is empty"),
        (["inspect", "c.pcapng", "--exchange", ""], "'--exchange': it is empty"),
        (["inspect", "--live", ""], "--live is empty: name an interface"),
        (["inspect", "c.pcapng", "--export", "profile", "c.pcapng/"], "is not a folder"),
        (["craft", ""], "PLAN is empty: leave it out"),
        (["craft", "/nope.txt"], "no such plan: /nope.txt; give a file of edits, or an edit"),
        (["craft", "run"], "cannot read run as a plan: Is a directory"),
        (["craft", "c.pcapng"], "cannot read c.pcapng as a plan: it is not text"),
        (["craft", "/dev/null"], "/dev/null holds no edit"),
        (["craft", "-m", ""], "'' is no exchange whose messages can be made; there are"),
        (["craft", "-m", "IKE_AUTH/reply"], "write IKE_AUTH or IKE_AUTH/response"),
        (["craft", "-m", "IKE_INTERMEDIATE"], "it takes an additional key exchange, such as --ike"),
        (
            ["craft", "IKE_AUTH/request: drop('SK.AUTH')", "-m", "IKE_SA_INIT"],
            "IKE_SA_INIT/request comes before IKE_AUTH/request, which the plan changes",
        ),
        (["craft", "--out", ""], "an empty path"),
        (["scan", "::1:7"], "::1:7 has two meanings: write [::1:7] or [::1]:7"),
        (["scan", "[x]:7"], "between the brackets is no IPv6 address"),
        (["fuzz", "--corpus", "run"], "cannot read run as a corpus: Is a directory"),
        (["fuzz", "--corpus", "c.pcapng"], "cannot read c.pcapng as a corpus: it is not text"),
        (["replay", "c.pcapng"], "cannot read c.pcapng as a plan: it is not text"),
        (["corpus", "merge", "c.pcapng", "--out", "x"], "as a corpus: it is not text"),
        (["requirements", "--out", "c.pcapng/a/page.md"], "is not a folder"),
        (["coverage", "run", "--out", "run"], "cannot write run: Is a directory"),
        (["peers", "--no-probe", "remove", "x"], "'peers remove' has no such option"),
        (["lab", "up", "a-lab-of-nobody", "--capture", "run"], "run is a folder"),
        (
            ["lab", "up", "a-lab-of-nobody", "--capture", "c.pcapng/wires.pcapng"],
            "c.pcapng is not a folder",
        ),
        (["pki", "new", "--key", "dsa"], "unknown kind of key 'dsa'; "),
        (["pki", "new", "--ca", "nope"], "unknown kind of key 'nope'; there are rsa2048"),
        (["matrix", "reference"], "it is of daemons"),
        (["run", "--peer", "branch"], "there is no ikelab.toml in this folder"),
        (["run", "--peer", "ios:branch"], "there is no ikelab.toml in this folder"),
    ],
)
def test_what_cannot_be_is_refused(words: list[str], told: str, refused: Refused) -> None:
    refused(words, told)


def test_another_gateway_than_those_of_the_file_is_told_which_there_are(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "ikelab.toml").write_text(
        '[peers.branch]\naddress = "192.0.2.1"\npsk = "k"\nike = ["aes256-sha256-modp2048"]\n'
        'esp = ["aes256-sha256"]\nlocal_ts = "10.2.0.0/24"\nremote_ts = "10.1.0.0/24"\n'
    )

    assert main(["run", "--peer", "brunch"]) == 2

    assert "your gateways are branch" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "file"),
    [
        (["report", "run", "--html"], "a/b/page.html"),
        (["report", "run", "--junit"], "a/b/junit.xml"),
        (["report", "run", "--json"], "a/b/matrix.json"),
        (["report", "run", "--markdown"], "a/b/notes.md"),
        (["coverage", "run", "--out"], "a/b/coverage.md"),
        (["requirements", "--out"], "a/b/requirements.md"),
        (["inspect", "c.pcapng", "--export", "plain"], "a/b/plain.pcapng"),
    ],
)
def test_a_folder_that_a_file_needs_is_made_and_told_of(
    words: list[str], file: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, file]) == 0

    assert (here / file).stat().st_size
    assert "made the folder a/b" in capsys.readouterr().err


def test_the_list_of_peers_takes_its_option_in_either_place(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IKELAB_CACHE", str(here / "cache"))
    told = []
    for words in (["--no-probe"], ["list", "--no-probe"], ["--no-probe", "list"]):
        assert main(["peers", *words]) == 0
        told.append(capsys.readouterr().out)

    assert told[0].startswith("reference ")
    assert told[0] == told[1] == told[2]


@pytest.mark.parametrize("words", [["inspect", "c.pcapng", "--json"], ["--help"], ["run", "-h"]])
def test_who_stops_reading_is_no_error(words: list[str], here: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)

    with start(*words, cwd=here, stdout=writing) as process:
        os.close(writing)
        _, err = process.communicate()

    assert (process.returncode, err) == (128 + signal.SIGPIPE, "")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("words", [["inspect", "c.pcapng"], ["run", "-k", "right_key"]])
def test_a_stream_that_is_closed_is_no_error(words: list[str], closed: str, here: Path) -> None:
    done = ikelab(*words, cwd=here, under=["sh", "-c", f'"$0" "$@" {closed}'])

    assert (done.status, done.err) == (0, "")
