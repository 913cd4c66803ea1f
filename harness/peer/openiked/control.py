"""An OpenIKED in a host: starts iked by chroot, asks it through ikectl, stops it.

iked lives in a sandbox whose root is the unpacked tree; the run's own folder appears in it as
/etc/ikelab and as /etc/iked. It needs PF_KEY in the kernel: where there is none it can do nothing,
and `lacks` says why. iked tells nobody when it is ready, so its log is read as it is written.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

from ikelab.harness.errors import LabError
from ikelab.harness.model import Identity, Spis, Suite, Transform, selectors
from ikelab.harness.peer import cache as store
from ikelab.harness.peer.base import Keys, PeerConfig, PeerView, Unsupported
from ikelab.harness.peer.daemon import FOLDER, OUTPUT, Daemon, abilities
from ikelab.harness.peer.driver import DaemonDriver
from ikelab.harness.peer.openiked import credentials, logs, parse
from ikelab.harness.peer.openiked.render import NO_CHECKS, render
from ikelab.layers.iana import Encr, Integ, Protocol, Sn, TransformType
from ikelab.netns.host import Host

_ETC = "/etc/iked"
_SOCKET = "/run/iked.sock"
# iked drops its rights to this user; without root there is no other number than our own.
_PASSWD = "root:x:0:0:root:/:/bin/false\n_iked:x:0:0:OpenIKED:/var/empty:/bin/false\n"
_GROUP = "root:x:0:\n_iked:x:0:\n"
_READY = re.compile(r"received socket fd(?:.*\n)+?config_getstatic: (?:no )?stickyaddress\n")
# Its PF_KEY code has no word for the one ("unsupported integrity algorithm"), Linux takes the other
# one's empty key for an error; both look fine until the child is to be installed.
_UNLOADED = (
    (TransformType.INTEG, Integ.AUTH_HMAC_SHA2_256_128),
    (TransformType.ENCR, Encr.ENCR_NULL),
)
_NOBODY = Identity.parse("127.0.0.1")
_ANY = selectors("0.0.0.0/0")
_PLAIN = PeerConfig("127.0.0.1", "127.0.0.2", _NOBODY, _NOBODY, b"x", (), (), _ANY, _ANY)


class OpenIked(DaemonDriver):
    """The driver of `openiked@RELEASE` in one host; see `base.Peer`."""

    log_name = OUTPUT

    def __init__(self, entry: store.Entry, host: Host, folder: Path) -> None:
        (folder / "empty").mkdir(parents=True, exist_ok=True)
        _clear(folder)
        (folder / "passwd").write_text(_PASSWD)
        (folder / "group").write_text(_GROUP)
        binds = [
            (folder, _ETC, True),
            (folder / "empty", "/var/empty", False),
            (folder / "passwd", "/etc/passwd", False),
            (folder / "group", "/etc/group", False),
        ]
        daemon = Daemon(entry.manifest.peer, "iked", host, folder, entry.root, binds)
        super().__init__(entry.manifest, host, daemon)
        self._config: PeerConfig | None = None
        self._accepts = cache(self._tried)
        self.lacks = _lacks()
        self.capabilities = self._capabilities()

    def start(self, config: PeerConfig) -> None:
        """Run iked with this configuration and no SA; wait until it listens."""
        files = render(config)
        if any(t.id == Sn.ESN for s in config.esp for t in s.of(TransformType.SN)):
            raise Unsupported("OpenIKED has no ESN over PF_KEY")
        for transform in (t for suite in config.esp for t in suite.transforms):
            if (transform.type, transform.id) in _UNLOADED:
                raise Unsupported(f"OpenIKED cannot hand {transform.name} to Linux over PF_KEY")
        if "responder" in self.lacks:
            raise Unsupported(f"{self.name} cannot run: {self.lacks['responder']}")
        self._daemon.kill()
        self._config = None
        _clear(self._daemon.folder)
        for name, octets in credentials.material(config).items():
            _private(self._daemon.folder / name, octets)
        self._write(files)
        self._check(config)
        self._launch()
        self._config = config

    def initiate(self) -> None:
        """Load the same policy as an active one: iked then begins at once."""
        if self._config is None:
            raise LabError(f"{self.name} has not been started")
        self._write(render(self._config, active=True))
        self._control("load", f"{FOLDER}/iked.conf")

    def view(self) -> PeerView:
        """iked's list of SAs, and what its log tells of them."""
        transport = self._config is not None and self._config.mode == "transport"
        return parse.view(self.listed(), self._daemon.read(OUTPUT), transport=transport)

    def listed(self) -> str:
        """What `ikectl show sa` says, for the record."""
        return self._control("show", "sa")

    def knows(self, transform: Transform, protocol: int) -> bool:
        """Whether iked keeps a proposal with this transform."""
        if transform.type == TransformType.SN:
            return protocol != Protocol.IKE and transform.id == Sn.NO_ESN
        if protocol != Protocol.IKE and (transform.type, transform.id) in _UNLOADED:
            return False
        return self._accepts(transform, protocol)

    def child_keys(self) -> frozenset[Keys]:
        """The keys that iked logs as it derives them."""
        return logs.child_keys(self._daemon.read(OUTPUT))

    def ike_keys(self) -> dict[Spis, dict[str, bytes]]:
        """SK_ei, SK_er, SK_ai, SK_ar ... of its IKE SAs, as its log tells them."""
        told = logs.told(self._daemon.read(OUTPUT))
        return {sa.spis: told[sa.spis.i].keys for sa in self.view().sas if sa.spis.i in told}

    def stop(self) -> None:
        """End the daemon and free what it held; its log stays readable. Idempotent."""
        self._config = None
        self._daemon.close()

    # What this daemon can do

    def _capabilities(self) -> frozenset[str]:
        found = {"responder", "initiator", "initiate", "view", "nat-d-honest", "keys"}
        if any(address.version == 6 for address in self._host.addresses):
            found.add("ipv6")
        if self._daemon_kernel("esp"):
            found |= {"child", "kernel-esp"}
        return frozenset(found - set(self.lacks))

    @staticmethod
    def _daemon_kernel(name: str) -> bool:
        return bool(abilities()[name])

    def _tried(self, transform: Transform, protocol: int) -> bool:
        """Whether `iked -n` keeps one proposal that is plain but for this transform."""
        ike = protocol == Protocol.IKE
        plain = Suite.parse("aes128-sha1-modp2048" if ike else "aes128-sha1", protocol)
        aead = transform.type == TransformType.ENCR and getattr(
            Encr._value2member_map_.get(transform.id), "aead", False
        )
        kept = plain.without(transform.type, *((TransformType.INTEG,) if aead else ()))
        suite = replace(kept, transforms=tuple(sorted((*kept.transforms, transform),
                                                      key=lambda t: t.type)))  # fmt: skip
        config = replace(_PLAIN, ike=(suite,)) if ike else replace(_PLAIN, esp=(suite,))
        try:
            self._check(config, render(config)["iked.conf"])
        except Unsupported:
            return False
        return True

    def _check(self, config: PeerConfig, text: str = "") -> None:
        """Have iked read the configuration; Unsupported where it refuses it or drops a proposal.

        What the kernel's PF_KEY has no number for vanishes from the policy without a word.
        """
        place = "check.conf" if text else "iked.conf"
        if text:
            self._write({place: text}, remember=False)
        status, said = self._daemon.run(["/usr/sbin/iked", "-nvv", "-f", f"{FOLDER}/{place}"])
        if status:
            lines = [line for line in said.splitlines() if ": " in line] or [said]
            why = re.sub(rf"^{FOLDER}/\w+\.conf: (?:\d+: )?", "", lines[0]).strip()
            raise Unsupported(f"OpenIKED {self.version} does not take this: {why}")
        for word, suites in (("ikesa", config.ike), ("childsa", config.esp)):
            if suites and said.count(f" {word} ") < len(suites):
                raise Unsupported(
                    f"OpenIKED {self.version} drops a proposal of {', '.join(map(str, suites))}: "
                    "it has no such algorithm on Linux"
                )

    # The process

    def _write(self, files: dict[str, str], *, remember: bool = True) -> None:
        for name, text in files.items():
            _private(self._daemon.folder / name, text.encode())
        if remember:
            self._files = files

    def _launch(self) -> None:
        """Start iked, with some key of its own, and wait until it has its sockets."""
        if not (self._daemon.folder / credentials.LOCAL_KEY).exists():
            self._make_key()
        argv = ["/usr/sbin/iked", "-dvvv", "-f", f"{FOLDER}/iked.conf", "-s", _SOCKET]
        self._daemon.launch(argv, ready=_READY)

    def _make_key(self) -> None:
        argv = ["/usr/bin/openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out"]
        made = self._daemon.folder / "some.key"
        if not made.exists():
            status, said = self._daemon.run([*argv, f"{_ETC}/{made.name}"])
            if status:
                raise LabError(f"{self.name}: openssl made no key: {said.strip()}")
        _private(self._daemon.folder / credentials.LOCAL_KEY, made.read_bytes())

    def _control(self, *words: str) -> str:
        """Ask iked; LabError when it does not answer (any more)."""
        if self._daemon.process is None:
            raise LabError(f"{self.name} has not been started")
        if not self._daemon.alive():
            raise self._daemon.death("is gone")
        status, said = self._daemon.run(["/usr/sbin/ikectl", "-s", _SOCKET, *words])
        if status:
            raise self._daemon.death(f"does not answer over its socket ({said.strip()})")
        return said


def _clear(folder: Path) -> None:
    """Fresh folders for keys and certificates."""
    for name in credentials.FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir()


def _private(path: Path, octets: bytes) -> None:
    """Write a file that its owner alone can read: iked refuses any other."""
    path.write_bytes(octets)
    path.chmod(0o600)


def _lacks() -> dict[str, str]:
    """What cannot be had here, and why."""
    key, esp = abilities()["af_key"], abilities()["esp"]
    remedy = "'ikelab run --kernel guest' has both"
    found = {
        "dpd": NO_CHECKS,
        "keepalives": "OpenIKED sends one every 20 s, and no word changes that",
    }
    if not key:
        why = f"OpenIKED needs PF_KEY, which this kernel lacks ({key.why}); {remedy}"
        needed = ("responder", "initiator", "initiate", "view", "child", "keys")
        found |= dict.fromkeys(needed, why)
    elif not esp:
        found["child"] = f"the kernel has no ESP ({esp.why}); {remedy}"
    return found
