"""A strongSwan in a host: starts charon by chroot, speaks vici with it, stops it.

The daemon lives in a sandbox whose root is the unpacked tree; the run's own folder appears in it
as /etc/ikelab and holds configuration, log and sockets. Readiness is charon's own READY message.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import vici
from vici.exception import CommandException, SessionException

from ikelab.harness.errors import LabError
from ikelab.harness.model import TS, Identity, Spis, Suite, Transform
from ikelab.harness.peer import cache, ciphers, leftovers
from ikelab.harness.peer.base import Keys, PeerConfig, PeerView, Unsupported
from ikelab.harness.peer.daemon import ANSWER_TIMEOUT, FOLDER, Daemon, abilities
from ikelab.harness.peer.driver import DaemonDriver
from ikelab.harness.peer.strongswan import (
    credentials,
    eap,
    further,
    logs,
    names,
    parse,
    primer,
    told,
)
from ikelab.harness.peer.strongswan.render import (
    CHILD,
    CONNECTION,
    FIRST_TABLE,
    LAST_TABLE,
    LOOPBACK,
    PLUGINS,
    Build,
    connections,
    pool,
    render,
    shared,
)
from ikelab.layers.iana import Encr, Integ, Protocol, Sn, TransformType
from ikelab.netns.host import Host

Result = TypeVar("Result")

_CHARON = "/usr/sbin/charon-systemd"
_PLUGINS = "usr/lib/ipsec/plugins"
_NOBODY = Identity.parse(LOOPBACK)
_NOTHING = PeerConfig(LOOPBACK, LOOPBACK, _NOBODY, _NOBODY, b"", (), (), (), ())
_SN = TransformType.SN
_ADDITIONAL = TransformType.ADDKE1  # and what follows it: each slot may have NONE in it
_ALGORITHMS: dict[int, tuple[str, ...]] = {
    TransformType.ENCR: ("encryption", "aead"),
    TransformType.INTEG: ("integrity",),
    TransformType.PRF: ("prf",),
}


class StrongSwan(DaemonDriver):
    """The driver of `strongswan@RELEASE` in one host; see `base.Peer`.

    `folder` is this peer's alone. What the daemon can do is found by starting it once.
    """

    speaks = frozenset({"eap"}) | further.SPEAKS

    def __init__(self, entry: cache.Entry, host: Host, folder: Path) -> None:
        daemon = Daemon(entry.manifest.peer, "charon", host, folder, entry.root, tidy=_tidy)
        super().__init__(entry.manifest, host, daemon)
        self._vici: vici.Session | None = None
        self._config: PeerConfig | None = None
        self._kernel = abilities()
        libipsec = bool(self._kernel["tun"] and not self._kernel["esp"])
        self._build = _build(entry.root, libipsec=libipsec)
        conf = render(_NOTHING, self._build)["strongswan.conf"]
        found = told.recall(entry, conf)
        if found is None:
            found = self._probe(conf)
            told.keep(entry, conf, found)
        self._algorithms, self.version = found.algorithms, found.version
        self.capabilities = self._capabilities()

    def start(self, config: PeerConfig) -> None:
        """Run charon with this configuration and no SA; wait until it is ready.

        A fresh daemon takes 20 ms, so one is started unless the running one has this very
        configuration and has not seen an SA.
        """
        files = render(config, self._build)
        self._refuse(config)
        if self._config == config and self._pristine():
            self._log_start = len(self._daemon.read("log"))
            return
        self._kill()
        self._files = files
        self._launch(files["strongswan.conf"])
        self._load(config)
        if config.cookies:
            self._prime(config.port)
            self._log_start = len(self._daemon.read("log"))
        self._config = config

    def initiate(self) -> None:
        """Have charon start IKE_SA_INIT to the configured remote; returns at once."""
        config = self._config
        if config is not None and connections(config) != connections(config, initiates=True):
            self._files = render(config, self._build, initiates=True)
            self._load_connections(config, initiates=True)
        message = {"ike": CONNECTION, "child": CHILD, "timeout": "-1"}
        self._ask(lambda session: list(session.initiate(message)))

    def expect(self, address: str) -> None:
        """Know the other end by another address from now on; SAs that are up stay."""
        if self._config is not None:
            self._config = replace(self._config, remote_address=address)
            self._files = render(self._config, self._build)
            self._load_connections(self._config)

    def redirect(self, where: str) -> None:
        """Have charon send its initiators to another gateway (RFC 5685 7)."""
        self._ask(lambda session: session.redirect({"ike": CONNECTION, "gateway": where}))

    def rekey_child(self) -> None:
        """Have charon begin a rekey of the child; returns at once."""
        self._rekey({"child": CHILD})

    def rekey_ike(self) -> None:
        """Have charon begin a rekey of the IKE SA; returns at once."""
        self._rekey({"ike": CONNECTION})

    def _rekey(self, which: dict[str, str]) -> None:
        try:
            self._ask(lambda session: session.rekey(which))
        except CommandException as error:
            raise LabError(f"{self.name}: charon begins no rekey: {error}") from None

    def view(self) -> PeerView:
        """charon's list of SAs."""
        return parse.view(self.listed(), hidden=LOOPBACK)

    def listed(self) -> list[dict[str, Any]]:
        """What list-sas says, as text, for the record."""
        return [parse.plain(item) for item in self._ask(lambda s: list(s.list_sas()))]

    def knows(self, transform: Transform, protocol: int) -> bool:
        """Whether charon has the algorithm; without ESP in the kernel it does ESP by itself."""
        bare = transform.type == TransformType.ENCR and transform.id == Encr.ENCR_NULL
        if protocol == Protocol.IKE or "kernel-esp" not in self.capabilities:
            return self._has(transform) and not bare
        return names.printed(transform) is not None and ciphers.kernel_takes(transform)

    def child_keys(self) -> frozenset[Keys]:
        """The keys that charon logs as it derives them."""
        found = (c.keys for c in logs.child_secrets(self.log()))
        return frozenset(
            (
                keys.get("encr_i", b""),
                keys.get("integ_i", b""),
                keys.get("encr_r", b""),
                keys.get("integ_r", b""),
            )
            for keys in found
        )

    def ike_keys(self) -> dict[Spis, dict[str, bytes]]:
        """SK_ei, SK_er, SK_ai, SK_ar ... of its IKE SAs, as its log tells them."""
        return logs.ike_secrets(self.log())

    def stop(self) -> None:
        """End the daemon and free what it held; its log stays readable. Idempotent."""
        self._kill()
        self._daemon.close()

    # What this daemon can do

    def _probe(self, conf: str) -> told.Told:
        """Start charon once for its version and its algorithms, by kind."""
        self._launch(conf)
        try:
            version = self._ask(lambda s: s.version())["version"].decode()
            said = self._ask(lambda s: s.get_algorithms())
        finally:
            self._kill()
        return told.Told(version, {kind: frozenset(found) for kind, found in said.items()})

    def _capabilities(self) -> frozenset[str]:
        found = {"responder", "initiator", "initiate", "view", "cookies", "keys", "dpd"}
        found |= {"fragment-size", "keepalives", "auth-lifetime"}
        if any(address.version == 6 for address in self._host.addresses):
            found.add("ipv6")
        if self._kernel["esp"]:
            found |= {"kernel-esp", "esn"}
        if self._kernel["esp"] or self._kernel["tun"]:
            found.add("child")
        if not self._build.libipsec or self._build.raw_esp:
            found.add("nat-d-honest")
        return frozenset(found)

    def _refuse(self, config: PeerConfig) -> None:
        """Unsupported for what charon would accept now and fail at later."""
        for suite in config.ike:
            self._require(suite)
        for plugin in eap.plugins(config):
            if plugin not in self._build.plugins:
                raise Unsupported(f"strongSwan {self.version} here lacks the plugin {plugin}")
        if not config.esp or "kernel-esp" in self.capabilities:
            return
        if "child" not in self.capabilities:
            raise Unsupported(
                "strongSwan cannot install a CHILD_SA here: the kernel has no ESP, and no TUN "
                f"device can be made ({self._kernel['tun'].why})"
            )
        if config.options.get("mode", config.options.get("child.mode", config.mode)) != "tunnel":
            raise Unsupported("without ESP in the kernel strongSwan has tunnel mode only")
        if not self._build.raw_esp and not all(map(self._at_home, config.local_ts)):
            raise Unsupported(
                f"without ESP in the kernel strongSwan {self.version} takes only selectors in "
                "which the host has an address"
            )
        for suite in config.esp:
            if suite.protocol != Protocol.ESP or Sn.ESN in {t.id for t in suite.of(_SN)}:
                raise Unsupported("without ESP in the kernel strongSwan has no AH and no ESN")
            self._require(suite.without(_SN))

    def _at_home(self, ts: TS) -> bool:
        """Whether the host has an address in a selector (or the selector holds all of them)."""
        own = [a for a in (*self._host.addresses, *self._host.inner) if a.version == ts.version]
        return int(ts.start) == 0 or any(int(ts.start) <= int(a) <= int(ts.end) for a in own)

    def _require(self, suite: Suite) -> None:
        """Unsupported unless this charon has every algorithm of the suite."""
        none = Transform(TransformType.INTEG, Integ.NONE)
        wanted = (t for t in suite.transforms if t != none and (t.id or t.type < _ADDITIONAL))
        for transform in wanted:
            if not self._has(transform):
                raise Unsupported(f"strongSwan {self.version} here lacks {transform.name}")

    def _has(self, transform: Transform) -> bool:
        kinds = _ALGORITHMS.get(transform.type, ("ke", "dh"))
        have = {name for kind in kinds for name in self._algorithms.get(kind, ())}
        return names.printed(transform) in have

    # The process

    def _launch(self, conf: str) -> None:
        """Write strongswan.conf, start charon, wait for its READY, connect to vici."""
        folder = self._daemon.folder
        for name in ("vici", "log", "output"):
            (folder / name).unlink(missing_ok=True)
        (folder / "strongswan.conf").write_text(conf)
        self._log_start = 0
        env = {"STRONGSWAN_CONF": f"{FOLDER}/strongswan.conf"}
        self._daemon.launch([_CHARON], env)
        if "unable to bind socket" in self._daemon.read("log"):
            raise self._daemon.death("found its ports in use", about="bind")
        try:
            self._vici = vici.Session(self._daemon.connect("vici"))
        except OSError as error:
            why = f"did not open its vici socket ({error.strerror})"
            raise self._daemon.death(why) from None

    def _kill(self) -> None:
        """Kill the daemon, without a word on the wire; what the kernel holds for it goes too."""
        if self._vici is not None:
            self._vici.transport.socket.close()
            self._vici = None
        self._daemon.kill()
        self._config = None

    def _death(self, what: str) -> LabError:
        """What happened, how the daemon ended, its last log lines; it is ended."""
        error = self._daemon.death(what)
        self._kill()
        return error

    # vici

    def _ask(self, question: Callable[[vici.Session], Result]) -> Result:
        """Ask charon over vici; LabError when it does not answer (any more)."""
        if self._vici is None:
            raise LabError(f"{self.name} has not been started")
        try:
            return question(self._vici)
        except (OSError, SessionException) as error:
            if isinstance(error, CommandException):
                raise
            raise self._death(f"does not answer over vici ({error})") from None

    def _load(self, config: PeerConfig) -> None:
        """Hand over secret, pools and connections; what charon refuses is Unsupported."""
        try:
            self._ask(lambda s: s.load_shared(shared(config)))
            self._ask(lambda s: credentials.load(s, config))
            for name, tree in pool(config).items():
                self._ask(partial(vici.Session.load_pool, pool={name: tree}))
            self._load_connections(config)
        except CommandException as error:
            self._kill()
            raise Unsupported(f"strongSwan {self.version} does not take this: {error}") from None

    def _load_connections(self, config: PeerConfig, *, initiates: bool = False) -> None:
        for name, tree in connections(config, initiates=initiates).items():
            self._ask(partial(vici.Session.load_conn, connection={name: tree}))

    def _prime(self, port: int) -> None:
        """Leave one SA half open on the host's loopback, and see that charon counts it."""
        with self._host.socket() as udp:
            udp.settimeout(ANSWER_TIMEOUT)
            udp.connect((LOOPBACK, port))
            udp.send(primer.request(os.urandom))
            try:
                udp.recv(65535)
            except OSError:
                raise self._death("did not answer on its own loopback") from None
        if self._ask(lambda s: s.stats())["ikesas"]["half-open"] != b"1":
            raise LabError(f"{self.name}: charon holds no half-open SA, so it asks for no cookies")

    def _pristine(self) -> bool:
        """Whether the running daemon has had no SA at all yet."""
        if not self.alive() or self._config is None or self._config.options.get("log") == "quiet":
            return False
        return "[NET]" not in self._daemon.read("log")[self._log_start :] and not self.view().sas


def _build(root: Path, *, libipsec: bool) -> Build:
    """What an unpacked tree holds."""
    plugins = root / _PLUGINS
    present = tuple(p for p in PLUGINS if (plugins / f"libstrongswan-{p}.so").is_file())
    with contextlib.suppress(OSError):
        code = (plugins / "libstrongswan-kernel-libipsec.so").read_bytes()
        return Build(present, libipsec, raw_esp=b"raw_esp" in code)
    return Build(present, libipsec=False, raw_esp=False)


def _tidy() -> None:
    """In the host: what a killed charon leaves in the kernel."""
    leftovers.flush_ipsec()
    for table, priority in (FIRST_TABLE, LAST_TABLE):
        leftovers.drop_rule(table, priority)
