"""The guest kernel: boots, has what the host may lack, and gives back what its command gives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ikelab.harness.errors import ConfigError, LabError
from ikelab.harness.peer import cache, kernel
from ikelab.netns import guest
from tests.conftest import missing

SCRIPT = """
import json, os, sys
from pathlib import Path
from ikelab.netns import kernel
print(json.dumps({name: bool(found) for name, found in kernel.probe().items()}))
print(Path.cwd(), os.environ["WORD"], sys.stdout.isatty())
print("to stderr", file=sys.stderr)
sys.exit(7)
"""

STOPPED = """
import os, sys
reader, writer = os.pipe()
os.fork()
print(os.getpid(), flush=True)
while True:
    os.read(reader, 1)  # in the host's kernel there is no such pipe: a traceback
"""


@pytest.fixture(scope="module")
def root() -> Path:
    """The unpacked kernel."""
    try:
        entry: cache.Entry = kernel.add()
    except LabError as error:
        missing(f"no guest kernel: {error}")
    return entry.root


def test_a_command_runs_in_the_guest_as_on_the_host(root: Path, tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from ikelab.netns import guest; "
        f"sys.exit(guest.run(Path({str(root)!r}), [sys.executable, '-c', {SCRIPT!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"WORD": "here", "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 7, done.stdout + done.stderr
    probed, told = done.stdout.splitlines()
    for ability in ("esp", "af_key", "netem", "tun", "userns"):
        assert f'"{ability}": true' in probed
    assert told == f"{tmp_path} here False"
    assert done.stderr.splitlines()[-1] == "to stderr"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_guest_leaves_no_process_and_prints_nothing(
    root: Path, how: signal.Signals
) -> None:
    program = f"""
import signal, sys
from pathlib import Path
from ikelab.netns import guest
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    guest.run(Path({str(root)!r}), [sys.executable, "-c", {STOPPED!r}])
except KeyboardInterrupt:
    sys.exit(130)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as stopped:
        assert stopped.stdout is not None
        up = [stopped.stdout.readline(), stopped.stdout.readline()]
        os.kill(stopped.pid, how)
        # Both pipes end when the last process that holds them has ended.
        printed, errors = stopped.communicate(timeout=60)

    assert all(line.strip().isdigit() for line in up), (up, errors)
    assert (printed, errors) == ("", "")
    assert stopped.returncode == (130 if how == signal.SIGINT else -how)


def test_a_kernel_that_does_not_come_up_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/lib/uml/modules/6.0").mkdir(parents=True)
    broken = tmp_path / "usr/bin/linux.uml"
    broken.write_text("#!/bin/sh\necho no memory\nexit 1\n")
    broken.chmod(0o755)

    with pytest.raises(LabError, match="the guest kernel ended"):
        guest.run(tmp_path, ["true"])


def test_a_kernel_of_ones_own_is_booted_in_place_of_the_provisioned_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(kernel.OWN, str(tmp_path))
    with pytest.raises(ConfigError, match=f"there is no {kernel.PROGRAM} in that folder"):
        kernel.root()

    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / kernel.PROGRAM).touch()

    assert kernel.root() == tmp_path
