"""The walk-through's four messages as tshark sees them: lengths, payload chains, plaintext."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ikelab.harness.cli import main

INIT_REQUEST = [33, 34, 40, 43, 43, 41, 41]
INIT_RESPONSE = [33, 34, 40, 43, 43, 41, 41, 38, 41]
AUTH_REQUEST = [46, 43, 35, 39, 47, 33, 44, 45, 41, 41, 41, 41]
AUTH_RESPONSE = [46, 43, 36, 39, 33, 44, 45, 41, 41, 41]
LENGTHS = {
    "request 0": [56, 136, 24, 23, 21, 28, 28],
    "response 0": [48, 136, 24, 23, 21, 28, 28, 105, 8],
    "request 1": [528, 20, 12, 28, 309, 40, 24, 24, 8, 12, 8, 8],
    "response 1": [224, 20, 12, 28, 40, 24, 24, 12, 8, 8],
}
PROPOSAL, TRANSFORM = 2, 3  # tshark lists the structures inside SA as payloads too


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The test folders of a run of the seed's cases against the reference peer."""
    out = tmp_path_factory.mktemp("seed") / "run"
    command = [sys.executable, "-c", "import sys; from ikelab.harness.cli import main; "
               "sys.exit(main())", "run", "-q", "-k", "seed", "--out", str(out)]  # fmt: skip
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    done = subprocess.run(command, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return sorted((out / "cases").iterdir())


def seen_by(tshark: str, folder: Path) -> list[dict[str, list[str]]]:
    """Each IKE message of a case's capture in tshark's fields, decrypted with its own keys."""
    names = ["isakmp.length", "isakmp.typepayload", "isakmp.payloadlength",
             "_ws.malformed"]  # fmt: skip
    command = [tshark, "-r", str(folder / "capture.pcapng"), "-T", "fields", "-E", "separator=;"]
    for name in names:
        command += ["-e", name]
    env = {**os.environ, "WIRESHARK_CONFIG_DIR": str(folder / "keys")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    rows = [line.split(";") for line in done.stdout.splitlines()]
    return [
        {name: [v for v in cell.split(",") if v] for name, cell in zip(names, row, strict=True)}
        for row in rows
    ]


def test_tshark_sees_the_walk_through(tshark: str, cases: list[Path]) -> None:
    assert len(cases) == 2, "both roles of the peer"
    for folder in cases:
        messages = seen_by(tshark, folder)
        assert [m["isakmp.length"][0] for m in messages] == ["344", "449", "556", "252"]
        chains = [INIT_REQUEST, INIT_RESPONSE, AUTH_REQUEST, AUTH_RESPONSE]
        for message, chain, expected in zip(messages, chains, LENGTHS.values(), strict=True):
            kinds = [int(k) for k in message["isakmp.typepayload"]]
            lengths = [int(n) for n in message["isakmp.payloadlength"]]
            outer = [
                (kind, length)
                for kind, length in zip(kinds, lengths, strict=True)
                if kind not in (PROPOSAL, TRANSFORM)
            ]
            assert outer == list(zip(chain, expected, strict=True)), folder.name
            assert not message["_ws.malformed"]


def test_our_own_reader_opens_them_to_the_last_octet(cases: list[Path], capsys) -> None:
    for folder in cases:
        status = main(["inspect", str(folder / "capture.pcapng"), "--keys", str(folder / "keys"),
                       "--json"])  # fmt: skip
        shown = capsys.readouterr().out
        assert status == 0
        assert '"undecrypted": 0' in shown and '"decrypted": 2' in shown
        assert '"malformed": 0' in shown
