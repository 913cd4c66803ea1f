"""What the drivers of all daemons in a sandbox have in common: see `base.Peer`."""

from __future__ import annotations

from pathlib import Path

from ikelab.harness.peer.cache import Manifest
from ikelab.harness.peer.daemon import OUTPUT, Daemon
from ikelab.netns.host import Host
from ikelab.netns.xfrm import Database


class DaemonDriver:
    """The process, its files, its log and its host's kernel; a subclass starts it and asks it."""

    log_name = "log"
    """The file in the daemon's folder that its log goes to."""

    def __init__(self, manifest: Manifest, host: Host, daemon: Daemon) -> None:
        self.name = manifest.peer
        self.version = manifest.version
        self._host = host
        self._daemon = daemon
        self._files: dict[str, str] = {}
        self._log_start = 0

    def kernel(self) -> Database | None:
        """What its host's kernel holds of IPsec; None without ESP in the kernel."""
        return self._daemon.kernel()

    def addresses(self) -> frozenset[str]:
        """The addresses of its host, as text."""
        return frozenset(map(str, self._host.addresses))

    def alive(self) -> bool:
        """Whether the daemon that `start` started still runs."""
        return self._daemon.alive()

    @property
    def pid(self) -> int | None:
        """The daemon's process."""
        return self._daemon.process.pid if self._daemon.process is not None else None

    @property
    def log_file(self) -> Path:
        """Where the daemon writes its log."""
        return self._daemon.folder / self.log_name

    def log(self) -> str:
        """The daemon's log since `start`, and what it printed when it died."""
        text = self._daemon.read(self.log_name)[self._log_start :]
        if self.alive() or self.log_name == OUTPUT:
            return text
        return text + self._daemon.read(OUTPUT)

    def config_text(self) -> str:
        """The configuration as the daemon read it, file by file."""
        return "\n".join(f"# {name}\n{text}" for name, text in self._files.items())
