"""The driver with a session that only listens: what it types, in which order, for which family."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from ikelab.harness.errors import LabError
from ikelab.harness.model import Identity, selectors, suites
from ikelab.harness.peer.base import PeerConfig, Unsupported
from ikelab.harness.peer.ios import dialect
from ikelab.harness.peer.ios.dialogue import Login
from ikelab.harness.peer.ios.driver import IosPeer
from ikelab.harness.peer.ios.entry import RouterEntry
from ikelab.layers.iana import Protocol

CONFIG = PeerConfig(
    local_address="10.0.0.2",
    remote_address="10.0.0.1",
    local_id=Identity.parse("10.0.0.2"),
    remote_id=Identity.parse("10.0.0.1"),
    psk=b"a-shared-key",
    ike=suites(["aes256-sha256-modp2048"]),
    esp=suites(["aes256-sha256"], Protocol.ESP),
    local_ts=selectors("10.2.0.0/24"),
    remote_ts=selectors("10.1.0.0/24"),
)
EVERYTHING = selectors("0.0.0.0/0")


class Listener:
    """Stands for `Session`: keeps what was typed, says what it was told to say."""

    def __init__(self, **answers: str) -> None:
        self.typed: list[str] = []
        self.answers = answers
        self.broken = False
        self.closed = 0

    def show(self, command: str, timeout: float = 60.0) -> str:
        if self.broken:
            raise LabError("the connection is gone")
        self.typed.append(command)
        if command == "show running-config":
            return "\n".join(self.typed)
        return next((text for start, text in self.answers.items()
                     if command.replace(" ", "_").startswith(start)), "")  # fmt: skip

    def configure(self, lines: Iterable[str], *, refusals: list[str] | None = None) -> None:
        if self.broken:
            raise LabError("the connection is gone")
        self.typed += lines

    def close(self) -> None:
        self.closed += 1


def made(release: str, session: Listener, ended: list[str], prefix: int = 0) -> IosPeer:
    spoken = dialect.of("", release)
    assert spoken is not None
    entry = RouterEntry("r1", None, Login(), prefix=prefix)
    return IosPeer(entry, session, spoken, lambda: ended.append("lab"))  # type: ignore[arg-type]


def test_a_router_gets_what_a_packet_needs_and_loses_all_of_it_again() -> None:
    session, ended = Listener(), list[str]()
    peer = made("17.9", session, ended, prefix=24)

    peer.start(CONFIG)
    peer.initiate()
    given = len(session.typed)
    peer.stop()
    peer.stop()

    typed, undone = session.typed[:given], session.typed[given:]
    start = typed.index("interface GigabitEthernet1")
    assert typed[start : start + 6] == [
        "interface GigabitEthernet1", " ip address 10.0.0.2 255.255.255.0", " no shutdown",
        "interface Loopback900", " ip address 10.2.0.1 255.255.255.255",
        "ip route 10.1.0.0 255.255.255.0 10.0.0.1",
    ]  # fmt: skip
    assert typed[-1] == "ping 10.1.0.1 source 10.2.0.1 repeat 1 timeout 1"
    assert "no ip route 10.1.0.0 255.255.255.0 10.0.0.1" in undone
    assert "no interface Loopback900" in undone and "default logging buffered" in undone
    assert undone.count("undebug all") == 1 and "lab" in ended


def test_the_same_configuration_is_not_given_twice() -> None:
    session = Listener()
    peer = made("17.9", session, [])
    peer.start(CONFIG)
    given = len(session.typed)

    peer.start(CONFIG)

    again = session.typed[given:]
    assert "clear logging" in again and not [line for line in again if line.startswith("crypto")]


def test_a_tunnel_interface_is_made_to_come_up() -> None:
    from dataclasses import replace

    session = Listener()
    peer = made("17.9", session, [])
    peer.start(replace(CONFIG, local_ts=EVERYTHING, remote_ts=EVERYTHING))

    peer.initiate()

    assert session.typed[-4:] == ["interface Tunnel900", " shutdown", "interface Tunnel900",
                                  " no shutdown"]  # fmt: skip
    assert not [line for line in session.typed if "Loopback" in line or line.startswith("ip route")]


def test_an_asa_is_asked_in_its_own_words() -> None:
    session = Listener()
    peer = made("asa 9.16", session, [])

    peer.start(CONFIG)
    peer.initiate()
    peer.stop()

    assert "logging debug-trace" in session.typed and "no logging debug-trace" in session.typed
    assert "clear logging buffer" in session.typed
    assert "packet-tracer input inside icmp 10.2.0.1 8 0 10.1.0.1" in session.typed
    assert "crypto map IKELAB interface outside" in session.typed  # the entry names none
    assert not [line for line in session.typed if "Loopback" in line or "timestamps" in line]


def test_a_block_that_the_router_does_not_show_ends_the_case() -> None:
    class Forgetful(Listener):
        def show(self, command: str, timeout: float = 60.0) -> str:
            return "" if command == "show running-config" else super().show(command)

    with pytest.raises(LabError, match=r"r1 took .crypto ikev2 proposal .* and does not show it"):
        made("17.9", Forgetful(), []).start(CONFIG)


def test_a_child_that_cannot_be_read_is_no_accusation() -> None:
    sa = """\
Tunnel-id Local                 Remote                fvrf/ivrf            Status
1         10.0.0.2/500          10.0.0.1/500          none/none            READY
      Encr: AES-CBC, keysize: 256, PRF: SHA256, Hash: SHA256, DH Grp:14, Auth sign: PSK
      Local spi: 000D3669857A0F82       Remote spi: E0419B1DB02DE6AE
"""
    child = """\
interface: GigabitEthernet1
    Crypto map tag: IKELAB, local addr 10.0.0.2
   local  ident (addr/mask/prot/port): (something new)
   remote ident (addr/mask/prot/port): (something new)
   current_peer 10.0.0.1 port 500
     inbound esp sas:
      spi: 0x658F7C11(1703902225)
        transform: esp-256-aes esp-sha256-hmac ,
        in use settings ={Tunnel, }
     outbound esp sas:
      spi: 0x658F7C12(1703902226)
        transform: esp-256-aes esp-sha256-hmac ,
        in use settings ={Tunnel, }
"""
    session = Listener(show_crypto_ikev2_sa=sa, show_crypto_ipsec=child)
    peer = made("17.9", session, [])
    peer.start(CONFIG)

    with pytest.raises(LabError, match="shows the child 658f7c11 in words that"):
        peer.view()


def test_what_the_release_cannot_say_types_nothing() -> None:
    from dataclasses import replace

    session = Listener()
    x25519 = suites(["aes256-sha256-x25519"])
    with pytest.raises(Unsupported):
        made("17.9", session, []).start(replace(CONFIG, ike=x25519))
    assert session.typed == []


def test_what_was_made_of_the_wire_stands_beside_every_verdict() -> None:
    spoken = dialect.of("", "17.9")
    assert spoken is not None
    entry = RouterEntry("r1", None, Login(), lab={"condition": "loss=5%"}, lab_kind="gns3")
    peer = IosPeer(entry, Listener(), spoken)  # type: ignore[arg-type]

    peer.start(CONFIG)

    assert peer.version == "IOS XE 17.9 over loss=5%"
    first, *lines = peer.config_text().splitlines()
    assert first == "! the wire, by ikelab: loss=5%"
    assert [line for line in lines if line.startswith("crypto ikev2 proposal IKELAB")]


def test_the_lab_is_ended_even_where_the_router_is_gone() -> None:
    session, ended = Listener(), list[str]()
    peer = made("17.9", session, ended)
    peer.start(CONFIG)
    session.broken = True

    assert not peer.alive()
    peer.stop()

    assert ended == ["lab"] and session.closed == 1
    assert "a-shared-key" not in peer.config_text()
