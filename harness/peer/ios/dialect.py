"""What one release understands and says: the pure half of the driver, behind one face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ikelab.harness.model import Suite, Transform
from ikelab.harness.peer.base import PeerConfig, PeerView
from ikelab.harness.peer.ios import names, parse
from ikelab.harness.peer.ios.driver import Script
from ikelab.harness.peer.ios.releases import ASA, Release
from ikelab.harness.peer.ios.render import render
from ikelab.layers.iana import TransformType

_NO_COOKIES = "a router asks for cookies only beyond a number of half-open SAs"


class Cisco:
    """The dialect of a release."""

    def __init__(self, release: Release) -> None:
        self.release = release
        self.version = str(release)
        asa = release.family == ASA
        self.interface = "outside" if asa else "GigabitEthernet1"
        self.questions = parse.ASA_QUESTIONS if asa else parse.QUESTIONS
        # Both end every IPsec SA too, and neither touches the configuration.
        self.clear = ("clear crypto ikev2 sa", "clear crypto ipsec sa") if asa else (
            "clear crypto session", "clear crypto ikev2 sa")  # fmt: skip
        self.debug = ("debug crypto ikev2 protocol 127", "debug crypto ikev2 platform 64") if asa \
            else ("debug crypto ikev2", "debug crypto ikev2 packet", "debug crypto ikev2 error",
                  "debug crypto ikev2 internal")  # fmt: skip
        self.lacks: Mapping[str, str] = {} if asa else {"cookies": _NO_COOKIES}

    def render(self, config: PeerConfig, interface: str) -> Script:
        """Configuration and what undoes it; Unsupported where the release cannot say it."""
        options = {"interface": interface, **config.options}
        found = render(replace(config, options=options), self.release)
        return Script(found.config, found.undo)

    def knows(self, transform: Transform, protocol: int) -> bool:
        """Whether the release takes the algorithm."""
        return not self.release.refusal(transform, protocol)

    def view(self, answers: Mapping[str, str], config: PeerConfig) -> PeerView:
        """What the answers to `questions` tell.

        The ASA shows no PRF: where it may be another hash than the integrity's, no suite is told.
        """
        found = parse.view(answers, transport=config.mode == "transport")
        if self.release.family != ASA or all(map(_one_hash, config.ike)):
            return found
        return PeerView(tuple(replace(sa, suite=None) for sa in found.sas))


def _one_hash(suite: Suite) -> bool:
    """Whether its PRF is of the same hash as its integrity algorithm."""
    prfs = [names.asa_hash(t) for t in suite.of(TransformType.PRF)]
    hashes = [names.asa_hash(t) for t in suite.of(TransformType.INTEG)]
    return prfs == hashes and len(prfs) == 1


def of(show_version: str, release: str = "") -> Cisco | None:
    """The dialect of the release that was named, or that `show version` tells; None for neither."""
    found = Release.parse(release) if release else Release.of_show_version(show_version)
    return Cisco(found) if found else None
