"""The data plane of the reference peer: it opens its children's ESP and answers echoes.

Whatever address an echo asks for inside the selectors, it is answered: there are no hosts behind.
Sans-IO like the station that it is part of.
"""

from __future__ import annotations

from ikelab.harness import sk
from ikelab.harness.errors import UnsupportedAlgorithm
from ikelab.harness.esp.child import ChildPath, Opened, Strictness
from ikelab.harness.esp.packet import echo, flow, ip_packet
from ikelab.harness.esp.seal import Kind
from ikelab.harness.esp.tunnel import NATT_PORT, Tunnel, spi_of
from ikelab.harness.exchange.child import Child
from ikelab.harness.exchange.config import Conduct
from ikelab.harness.exchange.listener import Listener
from ikelab.harness.exchange.ports import NON_ESP_MARKER
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.model import Datagram
from ikelab.layers.esp import IpProtocol
from ikelab.layers.iana import Exchange, Notify
from ikelab.layers.message import message
from ikelab.layers.notify import IKEv2_Notify

TFC_OCTETS = 64
_UNREACHABLE = (b"\x01", b"\x03")  # ICMPv6's and ICMP's Destination Unreachable


class Gateway:
    """`receive` says whether a datagram was ESP or AH; `datagrams` are the answers."""

    def __init__(self, listener: Listener, entropy: sk.Entropy) -> None:
        self.listener = listener
        self.entropy = entropy
        self.tunnels: dict[bytes, Tunnel] = {}
        self._out: list[Datagram] = []

    @property
    def _conduct(self) -> Conduct:
        return self.listener.config.conduct

    def receive(self, datagram: Datagram, now: float) -> bool:
        """Take what is ESP or AH: open it, answer an echo."""
        spi = spi_of(datagram)
        if spi is None:
            self._in_clear(datagram, now)
            return datagram.protocol != IpProtocol.UDP
        tunnel = self._tunnel(spi)
        if tunnel is None:
            self._unknown(datagram, spi, now)
            return True
        if datagram.protocol == IpProtocol.UDP and not (tunnel.encap or self._conduct.esp_encap):
            return True
        self._take(tunnel, datagram, now)
        tunnel.opened.clear()  # what a test looks at is here of no use
        tunnel.refused.clear()
        return True

    def streamed(self, datagram: Datagram) -> None:
        """ESP came by TCP: what answers it goes there too (RFC 9329 3)."""
        spi = spi_of(datagram)
        tunnel = self._tunnel(spi) if spi is not None else None
        if tunnel is not None:
            tunnel.encap, tunnel.ports = True, (datagram.dst[1], datagram.src[1])

    def _take(self, tunnel: Tunnel, datagram: Datagram, now: float) -> None:
        found = tunnel.take(datagram)
        if found is None:
            dummy = tunnel.refused[-1].kind is Kind.DUMMY
            if dummy and not self._conduct.esp_dummies:
                self._out.append(tunnel.carry(tunnel.path.dummy(), now))
            return
        if tunnel.encap and datagram.protocol == IpProtocol.UDP:
            # RFC 7296 2.23: what is authentic shows where the peer's mapping is now.
            tunnel.ports = (datagram.dst[1], datagram.src[1])
            tunnel.path.remote = datagram.src[0]
        if self._conduct.esp_tfc or not found.tfc:
            self._answer(tunnel, found, now)

    def datagrams(self, now: float) -> list[Datagram]:
        """What is to be sent by now."""
        del now
        due, self._out = self._out, []
        return due

    def _answer(self, tunnel: Tunnel, found: Opened, now: float) -> None:
        asked = echo(found.inner)
        if asked is None or asked.reply:
            return
        tfc = 0 if self._conduct.esp_tfc_refusal else TFC_OCTETS
        self._out.append(tunnel.send(bytes(asked.answer()), now, tfc=tfc))

    def _tunnel(self, spi: bytes) -> Tunnel | None:
        """The tunnel of the child that listens on this SPI; forgotten with its child."""
        owner = next((sa for sa in self.listener.sas if spi in sa.children), None)
        if owner is None:
            return None if self._conduct.esp_forget else self.tunnels.get(spi)
        if spi not in self.tunnels:
            there = {spi for sa in self.listener.sas for spi in sa.children}
            self.tunnels = {spi: made for spi, made in self.tunnels.items() if spi in there}
            made = self._made(owner, owner.children[spi])
            if made is None:
                return None
            self.tunnels[spi] = made
        translated = bool(owner.nat.initiator or owner.nat.responder)
        self.tunnels[spi].follow(owner.local, owner.remote, owner.mobility.moves, translated)
        return self.tunnels[spi]

    def _made(self, sa: IkeSa, child: Child) -> Tunnel | None:
        conduct = self._conduct
        strictness = Strictness(
            replay=conduct.esp_replay,
            integrity=conduct.esp_icv,
            padding=conduct.esp_padding,
            selectors=conduct.esp_selectors,
            high_bits=conduct.esp_high_bits,
            unspecified=conduct.esp_unspecified,
            compressed=conduct.esp_compressed,
        )
        try:
            path = ChildPath(
                child,
                local=sa.local[0],
                remote=sa.remote[0],
                entropy=self.entropy,
                strictness=strictness,
            )
        except UnsupportedAlgorithm:
            return None
        translated = bool(sa.nat.initiator or sa.nat.responder)
        encap = translated and path.protocol == IpProtocol.ESP and conduct.esp_float
        return Tunnel(path, encap=encap, ports=(sa.local[1], sa.remote[1]))

    def _in_clear(self, datagram: Datagram, now: float) -> None:
        """RFC 4301 5.2: drop it, there are no hosts that bypass; an error says nothing (2.4).

        Planted faults answer echoes, and believe that we are unreachable.
        """
        if datagram.protocol not in (IpProtocol.ICMP, IpProtocol.ICMPV6):
            return
        if datagram.data[:1] in _UNREACHABLE and not self._conduct.require_protection:
            for sa in self.listener.sas:
                sa.end("an ICMP error")
        asked = echo(ip_packet(datagram.src[0], datagram.dst[0], datagram.protocol, datagram.data))
        if asked is not None and not asked.reply and not self._conduct.esp_alone:
            answer = bytes(asked.answer())
            back = (datagram.dst, datagram.src, now, datagram.protocol)
            self._out.append(Datagram(answer[flow(answer).start :], *back))

    def _unknown(self, datagram: Datagram, spi: bytes, now: float) -> None:
        """RFC 4303 3.4.2: drop it. A planted fault tells the world instead, unprotected."""
        if self._conduct.esp_unknown_spi:
            return
        notify = IKEv2_Notify(type=Notify.INVALID_SPI, notify=spi)
        data = bytes(message([notify], exch_type=Exchange.INFORMATIONAL, init_SPI=self.entropy(8)))
        port = datagram.dst[1] or 500
        octets = NON_ESP_MARKER + data if port == NATT_PORT else data
        src, dst = (datagram.dst[0], port), (datagram.src[0], datagram.src[1] or 500)
        self._out.append(Datagram(octets, src, dst, now))
