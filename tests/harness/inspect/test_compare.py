"""Two captures side by side, as values and from the command line."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from ikelab.harness.cli import cli
from ikelab.harness.inspect.compare import compare
from ikelab.harness.wireshark import write_profile
from tests.harness.inspect.lab import Lab


def test_the_same_set_up_twice_is_alike() -> None:
    assert compare(Lab().up().inspect(), Lab(seed=2).up().inspect()).alike


def test_what_changed_is_said() -> None:
    gcm = {"ike": ["aes128gcm16-prfsha256-x25519"]}
    text = str(compare(Lab().up().inspect(), Lab(both=gcm, r={"psk": b"other"}).up().inspect()))
    assert "chosen: aes128-sha256-x25519 -> aes128gcm16-prfsha256-x25519" in text
    assert "+ <-- IKE_AUTH #1 SK{N(AUTHENTICATION_FAILED)}" in text
    assert "- The IKE SA came up with 1 child SA and nothing failed" in text
    assert "+ The responder (10.0.0.2) does not believe left@example.org" in text


def test_the_command_takes_captures_or_runs_but_not_both(tmp_path: Path) -> None:
    paths = [tmp_path / "a.pcap", tmp_path / "b.pcap"]
    for seed, path in enumerate(paths, 1):
        lab = Lab(seed=seed).up()
        path.write_bytes(lab.pcap())
        write_profile(
            tmp_path / "keys" / path.stem, [r for v in lab.ring().ike.values() for r in v], []
        )
    words = ["diff", *map(str, paths), "--keys", str(tmp_path / "keys")]
    done = CliRunner().invoke(cli, words, standalone_mode=False)
    assert done.return_value == 0 and "alike" in done.output
    paths[1].write_bytes(Lab(i={"ike": ["aes256-sha256-x25519"]}).up().pcap())
    done = CliRunner().invoke(cli, words, standalone_mode=False)
    assert done.return_value == 1 and "NO_PROPOSAL_CHOSEN" in done.output
    done = CliRunner().invoke(cli, ["diff", str(paths[0]), str(tmp_path)], standalone_mode=False)
    assert "compare two captures, or two run folders" in str(done.exception)
