"""A real gns3-server on the loopback, in a virtual environment of its own under build/.

Its dependencies are pinned to versions that are not ours, so it never goes into our environment.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import missing

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "build/gns3-server"
START = 60.0


def program() -> Path:
    """The gns3server to run: IKELAB_GNS3SERVER, the PATH's, or one that is installed now."""
    given = os.environ.get("IKELAB_GNS3SERVER") or shutil.which("gns3server")
    if given:
        return Path(given)
    found = PLACE / "bin/gns3server"
    PLACE.parent.mkdir(exist_ok=True)
    with (PLACE.parent / "gns3-server.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the tests of several workers want it at once
        if not found.exists():
            _install()
    return found


def _install() -> None:
    pip = [str(PLACE / "bin/python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    for words in ([sys.executable, "-m", "venv", str(PLACE)], [*pip, "gns3-server>=3,<4"]):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()[-1:]
            missing(f"gns3-server could not be installed: {said}")


@contextlib.contextmanager
def server(folder: Path, found: Path, path: str = "") -> Iterator[str]:
    """A server with nothing in it; its URL. `path` goes before PATH, for ubridge and the like."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    env = os.environ | {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config")}
    if path:
        env["PATH"] = f"{path}:{env['PATH']}"
    # Its own log on a pipe says when it listens.
    with (folder / "errors").open("w") as errors:
        process = subprocess.Popen(
            [str(found), "--local", "--host", "127.0.0.1", "--port", str(port)],
            stdout=subprocess.PIPE, stderr=errors, text=True, env=env, cwd=folder,
        )  # fmt: skip
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "Uvicorn running" in line:
                break
        else:
            raise AssertionError("gns3-server ended:\n" + "".join(said[-20:]))
        _drain(process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _drain(process: subprocess.Popen[str]) -> None:
    """Let nobody wait for room in the pipe."""
    import threading

    assert process.stdout is not None
    threading.Thread(target=process.stdout.read, daemon=True).start()
