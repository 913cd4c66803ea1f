"""Which peers there are: name -> driver, what is provisioned, and the way to open one.

A peer is called `NAME` or `NAME@RELEASE`. Drivers are imported when one is opened.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ikelab.harness.errors import ConfigError, LabError, nearest
from ikelab.harness.peer import cache, debian, installed, probed
from ikelab.harness.peer.base import Peer

if TYPE_CHECKING:
    from ikelab.netns.host import Host

PROBE_TIMEOUT = 60.0
Open = Callable[[cache.Entry, "Host", Path], Peer]


@dataclass(frozen=True, slots=True)
class Driver:
    """A kind of daemon: how it is provisioned and how one is opened in a host."""

    recipe: debian.Recipe
    open: Open

    @property
    def names(self) -> tuple[str, ...]:
        """The peers that can be added."""
        return tuple(f"{self.recipe.name}@{release}" for release in self.recipe.releases)


def _strongswan(entry: cache.Entry, host: Host, folder: Path) -> Peer:
    from ikelab.harness.peer.strongswan.control import StrongSwan

    return StrongSwan(entry, host, folder)


def _libreswan(entry: cache.Entry, host: Host, folder: Path) -> Peer:
    from ikelab.harness.peer.libreswan.control import Libreswan

    return Libreswan(entry, host, folder)


def _openiked(entry: cache.Entry, host: Host, folder: Path) -> Peer:
    from ikelab.harness.peer.openiked.control import OpenIked

    return OpenIked(entry, host, folder)


DRIVERS: dict[str, Driver] = {
    "strongswan": Driver(
        debian.Recipe(
            name="strongswan",
            releases=("bullseye", "bookworm", "trixie", "sid"),
            packages=(
                "charon-systemd",
                "libcharon-extauth-plugins",  # has eap-mschapv2
                "libcharon-extra-plugins",
                "libstrongswan-extra-plugins",
                "libstrongswan-standard-plugins",
            ),
            main="libstrongswan",
            program=("/usr/sbin/charon-systemd",),
            present=("adduser", "debconf", "mount", "passwd", "systemd", "tpm-udev", "udev"),
        ),
        _strongswan,
    ),
    "libreswan": Driver(
        debian.Recipe(
            name="libreswan",
            releases=("bullseye", "bookworm", "trixie"),
            packages=("libreswan", "libnss3-tools"),  # the latter has certutil
            main="libreswan",
            program=("/usr/libexec/ipsec/pluto", "--version"),
            present=(
                "adduser",
                "bind9-host",
                "debconf",
                "dns-root-data",
                "dpkg",
                "iproute2",
                "iptables",
                "libcap2-bin",
                "netbase",
            ),
        ),
        _libreswan,
    ),
    "openiked": Driver(
        debian.Recipe(
            name="openiked",
            releases=("bookworm", "trixie"),
            packages=("openiked",),
            main="openiked",
            program=("/usr/sbin/iked", "-V"),
            present=("adduser", "base-passwd", "debconf", "dpkg", "init-system-helpers", "passwd"),
        ),
        _openiked,
    ),
}


def names() -> tuple[str, ...]:
    """Every peer that can be added."""
    return tuple(name for driver in DRIVERS.values() for name in driver.names)


def daemon(peer: str) -> bool:
    """Whether a name is meant for a daemon, and not for a gateway that a user describes."""
    return "@" in peer or peer in DRIVERS


def driver(peer: str) -> tuple[Driver, str]:
    """The driver and the release of `NAME@RELEASE`; ConfigError names what there is."""
    name, _, release = peer.partition("@")
    found = DRIVERS.get(name)
    if found is None:
        hint = nearest(peer, names()) or nearest(name, DRIVERS)
        raise ConfigError(f"unknown peer {peer!r}{hint or '; known: ' + ', '.join(names())}")
    releases = found.recipe.releases
    if release not in (*releases, installed.RELEASE):
        said = f"unknown release {release!r} of {name}" if release else f"which release of {name}?"
        every = (*found.names, f"{name}@{installed.RELEASE}")
        raise ConfigError(f"{said}; there are {', '.join(every)}")
    return found, release


def find(peer: str) -> cache.Entry | None:
    """The peer where it is there: in the cache, or installed on this machine."""
    found, release = driver(peer)
    return installed.find(found.recipe) if release == installed.RELEASE else cache.find(peer)


def add(
    peer: str, *, progress: debian.Progress = debian.quiet, refresh: bool = False
) -> cache.Entry:
    """Provision `NAME@RELEASE`; returns at once what is there already, unless `refresh`."""
    found, release = driver(peer)
    if release == installed.RELEASE:
        return installed.require(found.recipe)
    return debian.add(found.recipe, release, progress=progress, refresh=refresh)


def there(peer: str) -> cache.Entry | None:
    """The peer as it is in the cache; None where it lacks what this ikelab wants of it."""
    found, _ = driver(peer)
    return debian.whole(found.recipe, cache.find(peer))


def remove(peer: str) -> None:
    """Delete a provisioned peer; ConfigError where there is none."""
    if driver(peer)[1] == installed.RELEASE:
        raise ConfigError(f"{peer} is what this machine has installed: there is nothing to remove")
    if not cache.remove(peer):
        present = ", ".join(entry.manifest.peer for entry in cache.entries()) or "none"
        raise ConfigError(f"{peer} has not been added (there: {present})")


def open_peer(peer: str, host: Host, folder: Path) -> Peer:
    """The driver of a provisioned peer in `host`; what the daemon can do has been tried.

    `folder` is a private folder of the run for the daemon's files. Provision with `add` before
    entering a world: in there no mirror is within reach.
    """
    found, release = driver(peer)
    entry = find(peer)
    if entry is None and release == installed.RELEASE:
        entry = installed.require(found.recipe)
    if entry is None:
        raise LabError(f"{peer} has not been added: run 'ikelab peers add {peer}'")
    made = found.open(entry, host, folder)
    probed.remember(entry, made)
    return made


def probe(peer: str) -> probed.Probed:
    """Open a peer in a host of a world of its own, and keep what it can do there."""
    from ikelab.netns import world
    from ikelab.netns.lab import Lab

    def opened() -> probed.Probed:
        with tempfile.TemporaryDirectory(prefix="ikelab-") as folder, Lab("direct") as lab:
            made = open_peer(peer, lab.host("responder"), Path(folder))
            made.stop()
            return probed.of(made)

    return world.run(opened, timeout=PROBE_TIMEOUT)
