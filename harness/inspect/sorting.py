"""Which IKE SA a message belongs to, told by its header and addresses alone (RFC 7296 2.6, 3.1)."""

from __future__ import annotations

from ikelab.harness.inspect.flow import Packet
from ikelab.harness.inspect.session import Message, Session
from ikelab.harness.model import Spis
from ikelab.layers.iana import Exchange as Type
from ikelab.layers.message import INITIATOR, NO_SPI, RESPONSE

_INIT = int(Type.IKE_SA_INIT)


class Sessions:
    """All IKE SAs of a capture; messages go in one by one, in the order they were captured."""

    def __init__(self) -> None:
        self.all: list[Session] = []
        self._pairs: dict[bytes, Session] = {}  # by both SPIs
        self._starts: dict[bytes, list[Session]] = {}
        self._inits: dict[bytes, Session] = {}  # by the octets of IKE_SA_INIT messages

    def add(self, packet: Packet) -> Message:
        """Sort one IKEv2 message in, whose header has to be whole."""
        session, message = self._of(packet), Message.of(packet)
        session.add(message)
        return message

    def wait(self, packet: Packet) -> None:
        """The same for a message that nobody looks at before `settle`."""
        self._of(packet).wait(packet)

    def settle(self) -> None:
        """Read what waits, one IKE SA after the other."""
        for session in self.all:
            session.settle()

    def _of(self, packet: Packet) -> Session:
        data = packet.data
        if data[18] == _INIT:
            session = self._find(packet)
            self._inits[data] = session
            return session
        session = self._pairs.get(data[:16]) or self._find(packet)
        session.beyond_init = True
        return session

    def _find(self, packet: Packet) -> Session:
        data = packet.data
        spi_i, spi_r = data[:8], data[8:16]
        if data[18] == _INIT:
            session = self._starting(packet, spi_i)
            if session is not None:
                if spi_r != NO_SPI and not session.beyond_init:
                    session.spis = Spis(spi_i, spi_r)
                    self._pairs[spi_i + spi_r] = session
                return session
        elif spi_r != NO_SPI and (session := self._unanswered(spi_i)):
            session.spis = Spis(spi_i, spi_r)
            self._pairs[spi_i + spi_r] = session
            return session
        return self._new(packet, Spis(spi_i, spi_r))

    def _starting(self, packet: Packet, spi_i: bytes) -> Session | None:
        """The SA that an IKE_SA_INIT message belongs to: same SPIi, same ends or same octets."""
        if (same := self._inits.get(packet.data)) is not None:
            return same
        ends = {packet.src[0], packet.dst[0]}
        for session in reversed(self._starts.get(spi_i, [])):
            here = {session.initiator[0], session.responder[0]} == ends
            settled = session.beyond_init and not packet.data[19] & RESPONSE
            if here and not settled:
                return session
        return None

    def _unanswered(self, spi_i: bytes) -> Session | None:
        """An SA whose IKE_SA_INIT response was not captured."""
        found = [s for s in self._starts.get(spi_i, []) if s.spis.r == NO_SPI]
        return found[-1] if found else None

    def _new(self, packet: Packet, spis: Spis) -> Session:
        first = packet.data[19] & INITIATOR
        ends = (packet.src, packet.dst) if first else (packet.dst, packet.src)
        session = Session(spis, *ends)
        self.all.append(session)
        self._pairs.setdefault(spis.i + spis.r, session)
        self._starts.setdefault(spis.i, []).append(session)
        return session
