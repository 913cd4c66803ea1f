"""The peer under test as a case sees it: defaults filled in, and its own view as a witness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ikelab.harness.exchange.child import Child
from ikelab.harness.exchange.eap.credentials import EapCredential
from ikelab.harness.exchange.features import PPK_NUMBERS
from ikelab.harness.model import Identity, Suite, selectors, suites
from ikelab.harness.options import several
from ikelab.harness.peer.addresses import Side
from ikelab.harness.peer.base import ChildView, IkeView, Peer, PeerConfig, PeerView, Unsupported
from ikelab.harness.peer.driver import DaemonDriver
from ikelab.harness.peer.witness import Expected, differences
from ikelab.harness.session import Session
from ikelab.layers.iana import Ke, TransformType
from ikelab.layers.iana import Protocol as ProtocolId
from ikelab.netns.xfrm import Database

# What both sides have when a case says nothing: suites of RFC 8247's MUST and SHOULD+ lists.
IKE = suites(["aes256gcm16-prfsha256-x25519-ecp256", "aes128-sha256-modp2048"])
ESP = suites(["aes128gcm16"], ProtocolId.ESP)
ESP_WITHOUT_AEAD = suites(["aes128-sha512"], ProtocolId.ESP)
PSK = b"ikelab"
# How often, and after how many seconds each, a peer's view is read again before it counts.
SETTLING, MOMENT = 80, 0.05


class Tested:
    """The peer under test as a case sees it: defaults filled in, its own view as a witness."""

    def __init__(self, driver: Peer, us: Side, them: Side) -> None:
        self.driver = driver
        self.us, self.them = us, them
        self.name = driver.name
        self.capabilities = driver.capabilities
        self._config: PeerConfig | None = None
        self.esp = ESP if _knows(driver, ESP) else ESP_WITHOUT_AEAD
        self.observed: list[str] = []
        self.mover: Callable[[], None] | None = None  # of the lab that the peer is in
        self.fixed: PeerConfig | None = None  # of a gateway that somebody else configures

    def observe(self, text: str) -> None:
        """Record what the peer did where no rule judges it."""
        self.observed.append(text)

    def defaults(self) -> PeerConfig:
        """What the peer is told when a case says nothing."""
        if self.fixed is not None:
            return self.fixed
        return PeerConfig(
            local_address=self.them.address,
            remote_address=self.us.address,
            local_id=self.them.identity,
            remote_id=self.us.identity,
            psk=PSK,
            ike=IKE,
            esp=self.esp,
            local_ts=self.them.subnet,
            remote_ts=self.us.subnet,
        )

    def start(self, **options: Any) -> PeerConfig:
        """Bring the peer up; words as in `Endpoint.config`, from the peer's point of view."""
        values: dict[str, Any] = {}
        for name, value in options.items():
            match name:
                case "ike":
                    value = suites(several(value))
                case "esp":
                    value = suites(several(value), ProtocolId.ESP)
                case "local_ts" | "remote_ts":
                    value = selectors(value)
                case "psk":
                    value = value.encode() if isinstance(value, str) else value
                case "local_id" | "remote_id":
                    value = Identity.parse(value) if isinstance(value, str) else value
            values[name] = value
        self._config = replace(self.defaults(), **values)
        self._understood(self._config)
        self.driver.start(self._config)
        return self._config

    def _understood(self, config: PeerConfig) -> None:
        """Unsupported where the driver has no words for an extension or for EAP."""
        wanted = config.features.wanted()
        eap = config.trust is not None and config.trust.eap is not None
        if eap or isinstance(config.own, EapCredential):
            wanted.append("eap")
        unsaid = sorted(set(wanted) - getattr(self.driver, "speaks", frozenset()))
        if unsaid:
            raise Unsupported(f"{self.name}'s driver has no words for {', '.join(unsaid)}")

    def roam(self) -> None:
        """Give the peer's host another address, as a mobile one gets it."""
        if self.mover is None:
            raise Unsupported(f"nobody can give {self.name} another address")
        self.mover()

    def expect(self, address: str) -> bool:
        """Have the peer know us by another address; False where it was started anew for that."""
        tell = getattr(self.driver, "expect", None)
        if tell is None:
            self.start(remote_address=address)
            return False
        tell(address)
        return True

    def redirect(self, where: str) -> None:
        """Have the peer send its initiators to another gateway (RFC 5685 7)."""
        tell = getattr(self.driver, "redirect", None)
        if tell is None:
            raise Unsupported(f"{self.name}'s driver cannot have it redirect an IKE SA")
        tell(where)

    def rekey_child(self) -> None:
        """Have the peer begin a rekey of its child; it does so by itself, in a moment."""
        self._told_to("rekey_child")

    def rekey_ike(self) -> None:
        """Have the peer begin a rekey of its IKE SA; it does so by itself, in a moment."""
        self._told_to("rekey_ike")

    def _told_to(self, what: str) -> None:
        tell = getattr(self.driver, what, None)
        if tell is None:
            raise Unsupported(f"{self.name}'s driver cannot have it begin a rekey")
        tell()

    @property
    def ppk_numbers(self) -> tuple[int, int]:
        """The notifies that it has for PPKs before IKE_AUTH: IANA's, unless it is older."""
        found: tuple[int, int] = getattr(self.driver, "ppk_numbers", PPK_NUMBERS)
        if found != PPK_NUMBERS:
            self.observe("with the numbers {} and {} of before IANA's".format(*found))
        return found

    def needs(self, *capabilities: str) -> None:
        """Unsupported where the peer lacks one of these."""
        for capability in capabilities:
            if capability not in self.capabilities:
                reasons: dict[str, str] = getattr(self.driver, "lacks", {})
                reason = f": {reasons[capability]}" if capability in reasons else ""
                raise Unsupported(f"{self.name} lacks {capability!r}{reason}")

    def initiate(self) -> None:
        """Make the peer start an IKE SA with us."""
        self.needs("initiator")
        self.driver.initiate()

    def view(self) -> PeerView:
        """What the peer says of its SAs; Unsupported where it says nothing."""
        if not self.tells:
            raise Unsupported(f"{self.name} does not tell its own view, and the case asks for it")
        return self.driver.view()

    def sa(self, session: Session) -> IkeView | None:
        """The peer's own view of a session's IKE SA; None where it has none."""
        return self.view().sa(session.spis)

    def child(self, session: Session) -> ChildView:
        """The peer's own view of a session's first child; Unsupported where it can have none."""
        view = self.sa(session)
        if view is not None and view.child is not None:
            return view.child
        self.needs("child")
        raise AssertionError(f"the peer has no CHILD_SA in {view}\n{session}")

    @property
    def tells(self) -> bool:
        """Whether the peer says anything of its own SAs; a gateway outside does not."""
        return "view" in self.capabilities

    def alive(self) -> bool:
        """Whether the peer still runs."""
        return self.driver.alive()

    def disagreements(self, session: Session) -> list[str]:
        """Where the peer's own view differs from the wire: SPIs, suite, selectors, children.

        A peer that is still at work on our last message gets a moment to end it.
        """
        if "view" not in self.capabilities:
            return []
        found: list[str] = []
        for _ in range(SETTLING):
            found = self._differences(session)
            if not found:
                break
            session.wait(lambda: False, MOMENT)
        return found

    def _differences(self, session: Session) -> list[str]:
        view = self.sa(session)
        if view is None:
            return [f"the peer has no IKE SA {session.spis}"]
        found = []
        chosen = session.chosen
        if view.suite is not None and chosen is not None and view.suite.keyed() != chosen.keyed():
            found.append(f"IKE suite: peer {view.suite}, wire {chosen}")
        if "child" not in self.capabilities:
            return found
        ours = {(c.spi_out, c.spi_in) for c in session.children}
        # A daemon may show for a while what it has deleted, to explain packets that come late.
        there = [c for c in view.children if not c.state.startswith("DELET")]
        theirs = {(c.spi_in, c.spi_out) for c in there}
        if ours != theirs:
            found.append(f"child SPIs: peer {_hex(theirs)}, wire {_hex(ours)}")
            return found
        return found + self._of_children(session, there)

    def _of_children(self, session: Session, there: list[ChildView]) -> list[str]:
        """Children that both sides have: the daemon's word and the kernel's."""
        kernel = self._kernel()
        found = []
        for child in session.children:
            seen = next(c for c in there if c.spi_in == child.spi_out)
            local, remote = (child.tsr, child.tsi) if child.made_by_us else (child.tsi, child.tsr)
            if set(seen.local_ts) != set(local) or set(seen.remote_ts) != set(remote):
                found.append(
                    f"selectors: peer {_words(seen.local_ts)} === {_words(seen.remote_ts)}, "
                    f"wire {_words(local)} === {_words(remote)}"
                )
            if _said(seen.suite) != _said(child.suite):
                found.append(f"child suite: peer {seen.suite}, wire {child.suite}")
            if kernel is not None:
                held, addresses = kernel
                found += differences(held, _expected(child, seen), addresses)
        return found

    def _kernel(self) -> tuple[Database, frozenset[str]] | None:
        """What the peer's kernel holds, and its addresses; None where no kernel tells."""
        if not isinstance(self.driver, DaemonDriver):
            return None
        held = self.driver.kernel()
        return None if held is None else (held, self.driver.addresses())


def _knows(driver: Peer, wanted: tuple[Suite, ...]) -> bool:
    """Whether the peer has the ciphers of these suites; a gateway outside is not asked."""
    return "view" not in driver.capabilities or all(
        driver.knows(suite.encr, suite.protocol) for suite in wanted if suite.encr
    )


def _said(suite: Suite) -> Suite:
    """A child's suite as compared: group NONE says no more than no group (RFC 7296 3.3.2)."""
    if suite.ke is not None and suite.ke.id == Ke.NONE:
        suite = suite.without(TransformType.KE)
    return suite.keyed()


def _expected(child: Child, seen: ChildView) -> Expected:
    """A child of ours as the peer's kernel should have it."""
    keys = child.keys
    ours = theirs = None
    if keys is not None:
        pairs = (keys.encr_i, keys.integ_i), (keys.encr_r, keys.integ_r)
        ours, theirs = pairs if child.made_by_us else pairs[::-1]
    return Expected(
        spi_in=child.spi_out,
        spi_out=child.spi_in,
        suite=child.suite,
        mode=child.mode,
        local_ts=child.remote_ts,
        remote_ts=child.local_ts,
        key_in=ours,
        key_out=theirs,
        encap=seen.encap,
        compressed=child.compression is not None,
    )


def _hex(pairs: set[tuple[bytes, bytes]]) -> str:
    return ", ".join(sorted(f"{a.hex()}/{b.hex()}" for a, b in pairs)) or "none"


def _words(selectors_: tuple[Any, ...]) -> str:
    return ", ".join(map(str, selectors_))
