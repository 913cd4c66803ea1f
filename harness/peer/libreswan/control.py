"""A Libreswan in a host: starts pluto by chroot, tells it its connection, asks it, stops it.

pluto lives in a sandbox whose root is the unpacked tree; the run's own folder appears in it as
/etc/ikelab and holds configuration, log, sockets and the NSS database. Readiness is pluto's own
READY message; `addconn` and `whack` answer when pluto has done what they ask.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from ikelab.harness.errors import LabError
from ikelab.harness.model import Identity, Spis, Suite, Transform
from ikelab.harness.peer import cache
from ikelab.harness.peer.base import Keys, PeerConfig, PeerView, Unsupported
from ikelab.harness.peer.daemon import FOLDER, Daemon, abilities
from ikelab.harness.peer.driver import DaemonDriver
from ikelab.harness.peer.libreswan import algorithms, further, logs, names, nss, parse
from ikelab.harness.peer.libreswan.render import CONNECTION, LOG, RUN, Build, render
from ikelab.layers.iana import Integ, TransformType
from ikelab.netns.host import Host

_LIBEXEC = "/usr/libexec/ipsec"
_CONTROL = f"{RUN}/pluto.ctl"
_LOOPBACK = "127.0.0.1"
_NOBODY = Identity.parse(_LOOPBACK)
_NOTHING = PeerConfig(_LOOPBACK, _LOOPBACK, _NOBODY, _NOBODY, b"x", (), (), (), ())
_NOISE = ("error reading hosts", "/etc/resolv.conf", "has been replaced by", "weak secret")
_TAKEN = re.compile(r"bind\(.*Address already in use")
_TRAFFIC = re.compile(r"received \d+ bytes from|initiating IKEv2")


def _reason(said: str) -> str:
    """The last line that is not about something else, less its time."""
    lines = [line for line in said.splitlines() if not any(n in line for n in _NOISE)]
    return re.sub(r"^[A-Z][a-z]{2} +\d+ [\d:.]+: ", "", lines[-1]).strip() if lines else ""


def _lacks(build: Build) -> dict[str, str]:
    """What cannot be had without ESP in the kernel, and why."""
    why = f"the kernel has no ESP ({abilities()['esp'].why}) and Libreswan has none of its own"
    remedy = "; 'ikelab run --kernel guest' has one"
    found = dict.fromkeys(("child", "keys", "dpd"), why + remedy)
    if build.version < (4, 10):
        found["responder"] = f"{why}: with the child it drops the IKE SA{remedy}"
    return found


class Libreswan(DaemonDriver):
    """The driver of `libreswan@RELEASE` in one host; see `base.Peer`.

    `folder` is this peer's alone. What the daemon can do is found by starting it once.
    """

    speaks = further.SPEAKS
    ppk_numbers = (50209, 50208)  # of RFC 9867, as its draft was before IANA had given any

    def __init__(self, entry: cache.Entry, host: Host, folder: Path) -> None:
        daemon = Daemon(entry.manifest.peer, "pluto", host, folder, entry.root)
        super().__init__(entry.manifest, host, daemon)
        self._config: PeerConfig | None = None
        self._kernel = abilities()
        major, minor = (int(n) for n in re.findall(r"\d+", self.version)[:2])
        tcp = bool(self._kernel["espintcp"]) and (major, minor) >= (4, 0)
        self._build = Build((major, minor), tcp=tcp)
        self._algorithms = self._probe()
        self.lacks = {} if self._kernel["esp"] else _lacks(self._build)
        if not self._build.tcp:
            self.lacks["tcp"] = f"the kernel has no espintcp ({self._kernel['espintcp'].why})"
        self.capabilities = self._capabilities()

    def start(self, config: PeerConfig) -> None:
        """Run pluto with this configuration and no SA; wait until it listens.

        A fresh daemon is started unless the running one has this very configuration and has not
        seen a message.
        """
        files = render(config, self._build)
        self._refuse(config)
        if self._config == config and self._pristine():
            self._log_start = len(self._daemon.read("log"))
            return
        self._kill()
        self._write(files)
        if config.options:
            self._readable()
        self._launch(self._database(config))
        self._add()
        self._config = config

    def initiate(self) -> None:
        """Have pluto start IKE_SA_INIT to the configured remote; returns at once."""
        self._whack("--name", CONNECTION, "--initiate", "--asynchronous")

    def rekey_child(self) -> None:
        """Have pluto begin a rekey of the child; returns at once."""
        word = "--rekey-child" if self._build.modern else "--rekey-ipsec"
        self._whack("--name", CONNECTION, word, "--asynchronous")

    def rekey_ike(self) -> None:
        """Have pluto begin a rekey of the IKE SA; returns at once."""
        self._whack("--name", CONNECTION, "--rekey-ike", "--asynchronous")

    def view(self) -> PeerView:
        """pluto's list of states, and what its log tells of them."""
        listed = self.listed()
        local = str(self._config.local_id) if self._config else ""
        return parse.view(listed, self._daemon.read("log"), local)

    def listed(self) -> str:
        """What `whack --showstates` says, for the record."""
        return self._whack("--showstates")

    def knows(self, transform: Transform, protocol: int) -> bool:
        """Whether pluto lists the algorithm and its configuration has a word for it."""
        try:
            names.word(transform)
        except Unsupported:
            return False
        return self._algorithms.has(transform, protocol)

    def child_keys(self) -> frozenset[Keys]:
        """The keys that pluto logs as it gives them to the kernel."""
        return logs.child_keys(self._daemon.read("log"))

    def ike_keys(self) -> dict[Spis, dict[str, bytes]]:
        """SK_ei, SK_er, SK_ai, SK_ar ... of its IKE SAs, as its log tells them."""
        return logs.ike_secrets(self._daemon.read("log"))

    def stop(self) -> None:
        """End the daemon and free what it held; its log stays readable. Idempotent."""
        self._config = None
        self._daemon.close()

    # What this daemon can do

    def _probe(self) -> algorithms.Algorithms:
        """Start pluto once for its version and its algorithms."""
        self._write(render(_NOTHING, self._build))
        self._launch(self._database(_NOTHING))
        try:
            said = self._whack("--status")
        finally:
            self._kill()
        if match := re.search(r"pluto_version=([\w.]+)", said):
            self.version = match[1]
        return algorithms.read(said)

    def _capabilities(self) -> frozenset[str]:
        found = {"responder", "initiator", "initiate", "view", "cookies", "dpd", "nat-d-honest"}
        if any(address.version == 6 for address in self._host.addresses):
            found.add("ipv6")
        if self._kernel["esp"]:
            found |= {"child", "kernel-esp", "esn", "keys", "keepalives"}
        if self._build.tcp:
            found.add("tcp")
        return frozenset(found - set(self.lacks))

    def _refuse(self, config: PeerConfig) -> None:
        """Unsupported for what hangs on a child where there is none, and for unknown algorithms."""
        wanted = {"gives addresses": config.pool, "asks for addresses": config.request,
                  "checks liveness": config.dpd_delay}  # fmt: skip
        for what, value in wanted.items():
            if value and "child" in self.lacks:
                raise Unsupported(f"Libreswan {what} with a child only: {self.lacks['child']}")
        none = Transform(TransformType.INTEG, Integ.NONE)
        suites: list[Suite] = [*config.ike, *config.esp]
        for suite in suites:
            for transform in (t for t in suite.transforms if t != none):
                if not self._algorithms.has(transform, suite.protocol):
                    raise Unsupported(f"Libreswan {self.version} here lacks {transform.name}")

    # The process

    def _write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            (self._daemon.folder / name).write_text(text)
        self._files = files

    def _database(self, config: PeerConfig) -> str:
        """The folder of the NSS database with these certificates, made where it is not there."""
        place = nss.folder(config)
        folder = self._daemon.folder / place
        if folder.exists():
            return place
        folder.mkdir()
        found = nss.material(config)
        for name, octets in found.items():
            (folder / name).write_bytes(octets)
        for argv in nss.commands(found, place):
            status, said = self._daemon.run(argv)
            if status:
                shutil.rmtree(folder)
                tool = Path(argv[0]).name
                raise LabError(f"{self.name}: {tool} made no NSS database: {_reason(said)}")
        return place

    def _launch(self, database: str) -> None:
        """Start pluto on an NSS database and wait until it listens."""
        folder = self._daemon.folder
        shutil.rmtree(folder / "run", ignore_errors=True)
        (folder / "run").mkdir()
        for name in ("log", "output"):
            (folder / name).unlink(missing_ok=True)
        self._log_start = 0
        argv = [
            f"{_LIBEXEC}/pluto",
            *("--config", f"{FOLDER}/ipsec.conf"),
            *("--secretsfile", f"{FOLDER}/ipsec.secrets"),
            *("--nssdir", f"{FOLDER}/{database}"),
            *("--rundir", RUN),
            *("--logfile", LOG),
            "--nofork",
        ]
        try:
            self._daemon.launch(argv)
        except LabError:
            if taken := _TAKEN.search(self._daemon.read("log")):
                said = f"{self.name}: pluto found its ports in use ({taken[0]})"
                raise LabError(said) from None
            raise

    def _readable(self) -> None:
        """Unsupported where the configuration has words that pluto does not know."""
        argv = [f"{_LIBEXEC}/addconn", "--config", f"{FOLDER}/ipsec.conf", "--checkconfig"]
        status, said = self._daemon.run(argv)
        if status:
            raise Unsupported(f"Libreswan {self.version} does not take this: {_reason(said)}")

    def _add(self) -> None:
        """Load the connection; what pluto refuses is Unsupported."""
        status, said = self._daemon.run(
            [
                f"{_LIBEXEC}/addconn",
                *("--config", f"{FOLDER}/ipsec.conf"),
                *("--ctlsocket", _CONTROL),
                CONNECTION,
            ]
        )
        log = self._daemon.read("log")
        if status == 0 and f'"{CONNECTION}": added ' in log:
            return
        failed = [line for line in log.splitlines() if f'"{CONNECTION}": fail' in line]
        why = _reason("\n".join([said, *failed])) or f"addconn ended with status {status}"
        self._kill()
        raise Unsupported(f"Libreswan {self.version} does not take this: {why}")

    def _kill(self) -> None:
        self._config = None
        self._daemon.kill()

    def _whack(self, *words: str) -> str:
        """Ask pluto; LabError when it does not answer (any more)."""
        if self._daemon.process is None:
            raise LabError(f"{self.name} has not been started")
        if not self._daemon.alive():
            raise self._daemon.death("is gone")
        argv = [f"{_LIBEXEC}/whack", "--rundir", RUN, "--ctlsocket", _CONTROL, *words]
        said = self._daemon.run(argv)[1]
        if "Pluto is not running" in said or "whack: is Pluto running" in said:
            raise self._daemon.death("does not answer over whack")
        return said

    def _pristine(self) -> bool:
        """Whether the running daemon has had no message at all yet."""
        if not self.alive() or self._config is None or self._config.options.get("log") == "plain":
            return False
        return not _TRAFFIC.search(self._daemon.read("log")[self._log_start :])
