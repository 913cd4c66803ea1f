"""`ikelab inspect` as typed: explanations, views, filters, and what cannot be meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ikelab.harness.cli import cli, main
from ikelab.harness.wireshark import write_profile
from tests.harness.inspect.lab import Lab

SWANCTL = """
connections {
  gw {
    local_addrs = 10.0.0.2
    remote_addrs = 10.0.0.1
    proposals = aes256-sha256-x25519
    local {
      auth = psk
      id = right@example.org
    }
    remote {
      auth = psk
    }
  }
}
"""


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """A refused handshake, its keys and the responder's configuration in one folder."""
    lab = Lab(r={"psk": b"other"}).up()
    (tmp_path / "a.pcap").write_bytes(lab.pcap())
    rows = [row for found in lab.ring().ike.values() for row in found]
    write_profile(tmp_path / "keys", rows, [])
    refused = Lab(r={"ike": ["aes256-sha256-x25519"]}).up()
    (tmp_path / "b.pcap").write_bytes(refused.pcap())
    (tmp_path / "swanctl.conf").write_text(SWANCTL)
    return tmp_path


def run(*words: object) -> Result:
    done = CliRunner().invoke(cli, ["inspect", *map(str, words)], standalone_mode=False)
    assert done.exception is None, done.exception
    return done


def test_why_with_a_shared_key(capture: Path) -> None:
    words = (capture / "a.pcap", "--keys", capture / "keys", "--why")
    assert "The shared keys differ" in run(*words, "--psk", "0x6f74686572").output
    assert "the shared keys differ, or it expects" in " ".join(run(*words).output.split())


def test_why_with_a_configuration(capture: Path) -> None:
    done = run(capture / "b.pcap", "--why", "--config", capture / "swanctl.conf")
    text = " ".join(done.output.split())
    assert "in ENCR only: aes128 offered, aes256 wanted." in text
    assert "swanctl.conf (gw)" in text
    row = json.loads(run(capture / "b.pcap", "--json", "--config", capture / "swanctl.conf").output)
    assert row["ike_sas"][0]["why"]["cause"] == "proposal"


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("tree", "next_payload: SA"),
        ("ladder", "IKE_SA_INIT #0 request"),
        ("svg", "<svg "),
        ("mermaid", "sequenceDiagram"),
        ("jsonl", '"exchange": "IKE_AUTH"'),
        ("csv", "frame,time,src"),
        ("html", "<!doctype html>"),
        ("why", "AUTHENTICATION_FAILED"),
    ],
)
def test_each_view_has_a_format(capture: Path, form: str, words: str) -> None:
    done = run(capture / "a.pcap", "--keys", capture / "keys", "--format", form)
    assert words in done.output


def test_filters_on_the_command_line(capture: Path) -> None:
    words = (capture / "a.pcap", "--keys", capture / "keys", "--format", "jsonl")
    done = run(*words, "--where", "notify == AUTHENTICATION_FAILED")
    assert [json.loads(line)["frame"] for line in done.output.splitlines()] == [4]
    assert "frame 4" in run(capture / "a.pcap", "--frame", "4").output


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--where", "notfy == 1"], "no field 'notfy'"),
        (["--frame", "9"], "frame 9 holds no IKEv2 message"),
        (["--config", "missing.conf"], "cannot read missing.conf"),
        (["--peer", "somewhere"], "an address or a network"),
        (["--peer", "10.0.0.1:65536"], "an address or a network"),
    ],
)
def test_what_cannot_be_meant_is_one_line_and_2(
    capture: Path, capsys: pytest.CaptureFixture[str], words: list[str], line: str
) -> None:
    assert main(["inspect", str(capture / "a.pcap"), *words]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("ikelab: ") and line in said


@pytest.mark.parametrize("form", ["summary", "json", "jsonl", "ladder"])
@pytest.mark.parametrize(
    "words", [["--peer", "9.9.9.9"], ["--spi", "99"], ["--exchange", "IKE_SESSION_RESUME"]]
)
def test_a_filter_that_nothing_fits_is_told_beside_the_view(
    capture: Path, capsys: pytest.CaptureFixture[str], words: list[str], form: str
) -> None:
    assert main(["inspect", str(capture / "b.pcap"), "--format", form, *words]) == 0
    done = capsys.readouterr()
    assert done.err == f"ikelab: nothing in {capture / 'b.pcap'} fits {' '.join(words)}\n"
    assert form != "json" or json.loads(done.out)["ike_sas"] == []
