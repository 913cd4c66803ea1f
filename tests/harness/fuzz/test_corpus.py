"""Corpora: merged, made smaller, gone on with. Captures and coverage as further sources."""

from __future__ import annotations

import json
import mmap
from pathlib import Path

import pytest

from ikelab.harness.errors import ConfigError
from ikelab.harness.fuzz import case, command
from ikelab.harness.fuzz.edgemap import EdgeMap
from ikelab.harness.fuzz.places import rig
from ikelab.harness.fuzz.values import Pool
from ikelab.harness.rig import Settings
from ikelab.layers.iana import Payload
from tests.harness.command import ikelab

ONE = "# campaign init\nIKE_SA_INIT/request#0: Nonce.nonce = b'x'"
SAME_ANSWER = "# campaign init\nIKE_SA_INIT/request#0: Nonce.nonce = b'xyz'"
OTHER = "# campaign auth\nIKE_AUTH/request#0: drop('SK.AUTH')"


def test_merging_keeps_each_case_once(tmp_path: Path) -> None:
    first, second, out = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    first.write_text(f"{ONE}\n\n# a remark of somebody\n\n{OTHER}\n")
    second.write_text(f"{OTHER}\n\n\n{SAME_ANSWER}\n")

    done = ikelab("corpus", "merge", first, second, "--out", out, cwd=tmp_path)

    assert done.status == 0 and done.out.startswith("3 cases"), done.err
    assert [str(one) for one in case.read(out)] == [ONE, OTHER, SAME_ANSWER]


def test_minimising_keeps_the_shortest_of_each_class(tmp_path: Path) -> None:
    corpus, out = tmp_path / "a", tmp_path / "b"
    corpus.write_text(f"{SAME_ANSWER}\n\n{OTHER}\n\n{ONE}\n")

    with rig("reference", Settings(seed=1)) as made:
        assert command.minimise(corpus, out, made) == (3, 2)

    assert {str(one) for one in case.read(out)} == {ONE, OTHER}


def test_a_wrong_entry_is_named(tmp_path: Path) -> None:
    corpus = tmp_path / "a"
    corpus.write_text(f"{ONE}\n\nIKE_AUTH/request: flop('SK.AUTH')\n")

    with pytest.raises(ConfigError, match="entry 2: line 1: unknown operator 'flop'"):
        case.read(corpus)


def test_a_run_is_gone_on_with(tmp_path: Path) -> None:
    words = ("fuzz", "--fault", "accepts-any-key", "--campaign", "auth", "--cases", "60")
    first = ikelab(*words, "--seed", "7", "--out", "run", cwd=tmp_path)
    assert first.status == 1, first.out + first.err
    before = json.loads((tmp_path / "run/fuzz.json").read_text())
    known = len(case.read(tmp_path / "run/corpus.txt"))

    second = ikelab(*words, "--resume", "run", cwd=tmp_path)

    assert second.status == 1, second.out + second.err
    after = json.loads((tmp_path / "run/fuzz.json").read_text())
    assert after["cases"] >= before["cases"] + 60 and after["seed"] == before["seed"] + 1
    # What was found before is counted and not reported again.
    assert set(before["findings"]) <= set(after["findings"])
    assert len(list((tmp_path / "run/cases").iterdir())) == len(after["findings"])
    assert len(case.read(tmp_path / "run/corpus.txt")) >= known


def test_payloads_come_out_of_captures(shared: Path) -> None:
    pool = Pool()
    pool.add_capture(shared / "captures/wireshark/ikev2-decrypt-aes256cbc.pcapng")

    assert Payload.SA in pool.bodies and Payload.NONCE in pool.bodies


def test_an_edge_map_tells_what_is_new(tmp_path: Path) -> None:
    place = tmp_path / "map"
    place.write_bytes(bytes(4096))
    edges = EdgeMap.open(str(place))
    with place.open("r+b") as file, mmap.mmap(file.fileno(), 0) as area:
        assert edges.new() == 0
        area[7] = area[9] = 3
        assert edges.new() == 2
        assert area[7] == 0
        area[9], area[11] = 1, 255
        assert edges.new() == 1
    assert edges.edges == 3


@pytest.mark.parametrize("name", ["/dev/shm/ikelab-not-there", "999999999"])
def test_a_map_that_is_not_there_is_one_line(tmp_path: Path, name: str) -> None:
    done = ikelab("fuzz", "--coverage", name, "--out", tmp_path / "run", cwd=tmp_path)

    done.refused(2, "no edge map" if name.startswith("/") else "no shared memory segment")


def test_a_gateway_outside_is_fuzzed_only_with_authority(tmp_path: Path) -> None:
    (tmp_path / "ikelab.toml").write_text(
        '[peers.gate]\naddress = "127.0.0.1"\npsk = "x"\nike = ["aes128-sha256-modp2048"]\n'
        'esp = ["aes128gcm16"]\nlocal_ts = "10.2.0.0/24"\nremote_ts = "10.1.0.0/24"\n'
    )

    ikelab("fuzz", "--peer", "gate", cwd=tmp_path).refused(2, "say --authorised")
