"""What stands around an IKE message on its port: nothing on 500, a marker beside ESP on 4500."""

from __future__ import annotations

from ikelab.harness.model import IKE_PORT, NATT_PORT, Datagram, encapsulated
from ikelab.layers.message import demux

NON_ESP_MARKER = bytes(4)  # RFC 3948 2.2


def arrived(datagram: Datagram) -> tuple[str, bytes]:
    """What a datagram is to who receives it; see `demux`."""
    natt = encapsulated(datagram.dst, datagram.src)
    return demux(datagram.data, NATT_PORT if natt else IKE_PORT)


def departed(datagram: Datagram) -> tuple[str, bytes]:
    """What a datagram is to who sent it."""
    natt = encapsulated(datagram.src, datagram.dst)
    return demux(datagram.data, NATT_PORT if natt else IKE_PORT)
