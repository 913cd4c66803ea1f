"""Real daemons against each other on this machine's kernel, as a bystander sees them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from ikelab.harness import pairing
from ikelab.harness.cli import cli
from ikelab.harness.errors import LabError
from ikelab.harness.model import Verdict
from ikelab.harness.peer import kernel as guest_kernel
from ikelab.harness.peer import registry
from ikelab.harness.record import RunFolder
from ikelab.netns import kernel, world
from tests.conftest import missing, provisioned


@pytest.fixture
def daemon():
    """A provisioned strongSwan, in a kernel where it can have a child."""
    entry = provisioned("strongswan@trixie")
    found = kernel.probe()
    if not found["esp"] and not found["tun"]:
        missing(f"no ESP in the kernel and no TUN device: {found['tun'].why}")
    return entry.manifest.peer


def test_two_charons_the_wire_and_an_echo_agree(daemon, tmp_path):
    def meet():
        folder = RunFolder(tmp_path / "run", {})
        found = pairing.run([daemon], pairing.PROOFS, folder, lambda *_: None)
        folder.finish()
        return found

    assert world.run(meet, timeout=60) == [Verdict.PASS, Verdict.PASS]
    rows = [json.loads(line) for line in (tmp_path / "run/results.jsonl").read_text().splitlines()]
    for row, proof in zip(rows, pairing.PROOFS, strict=True):
        assert (row["peer"], row["id"]) == (daemon, f"matrix::{daemon}[{proof}]")
        cell = tmp_path / "run" / row["folder"]
        told = json.loads((cell / "witnesses.json").read_text())
        assert told["echo"]
        # More than two where a busy machine made the initiator repeat its request (RFC 7296 2.1).
        assert told["wire"]["decrypted"] == told["wire"]["protected"] >= 2
        assert told["wire"]["spi_r"] == told["initiator"]["spi_r"] == told["responder"]["spi_r"]
        [[spi_i, spi_r]] = told["wire"]["children"]
        assert (spi_i, spi_r) == (told["initiator"]["child_in"], told["responder"]["child_in"])
        assert {"capture.pcapng", "initiator.log", "responder.conf"} <= {
            path.name for path in cell.iterdir()
        }


def test_an_unknown_peer_is_said():
    result = CliRunner().invoke(cli, ["matrix", "strongswan@nowhere"])

    assert "unknown release 'nowhere' of strongswan" in str(result.exception)


@pytest.mark.long
def test_in_the_guest_both_kernels_agree_as_well(tmp_path):
    """Libreswan and OpenIKED, which can have no child without one: by certificates, both ways."""
    names = ["libreswan@trixie", "openiked@trixie"]
    try:
        guest_kernel.add()
        for name in names:
            registry.add(name)
    except LabError as error:
        missing(str(error))
    words = ["matrix", *names, "--proof", "certificates", "--kernel", "guest", "--out", "run"]
    program = "import sys; from ikelab.harness.cli import main; sys.exit(main())"

    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    rows = [json.loads(line) for line in (tmp_path / "run/results.jsonl").read_text().splitlines()]
    assert [row["verdict"] for row in rows] == ["PASS"] * 4
    for row in rows:
        told = json.loads((tmp_path / "run" / row["folder"] / "witnesses.json").read_text())
        for side in ("initiator", "responder"):
            kernel_says = told[side]["kernel"]
            assert {told[side]["child_in"], told[side]["child_out"]} == set(kernel_says)
            assert all(kernel_says.values()), "a kernel counts no packet"
