"""A capture file of datagrams that never saw a wire: IP and UDP headers around them, in pcapng."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable
from pathlib import Path

from ikelab.harness.esp.packet import checksum, ip_packet
from ikelab.harness.model import Datagram
from ikelab.layers.esp import IpProtocol

_RAW_IP = 101  # LINKTYPE_RAW: the packet starts with its IP header


def write(path: Path, datagrams: Iterable[Datagram], start: float) -> None:
    """Write a pcapng file; `start` is the time of day (seconds) of the datagrams' clock zero."""
    from pcapng import FileWriter
    from pcapng.blocks import EnhancedPacket, InterfaceDescription, SectionHeader

    section = SectionHeader(options={"shb_userappl": "ikelab"}, endianness="<")
    options = {"if_name": "memory", "if_description": "a network in memory"}
    section.new_member(InterfaceDescription, link_type=_RAW_IP, options=options)
    with path.open("wb") as stream:
        writer = FileWriter(stream, section)
        for datagram in datagrams:
            micros = round((start + datagram.now) * 1e6)
            block = section.new_member(
                EnhancedPacket,
                timestamp_high=micros >> 32,
                timestamp_low=micros & 0xFFFFFFFF,
                packet_data=packet(datagram),
            )
            writer.write_block(block)


def packet(datagram: Datagram) -> bytes:
    """The datagram as an IP packet with valid checksums."""
    if datagram.protocol == IpProtocol.AH:
        return datagram.data
    if datagram.protocol != IpProtocol.UDP:
        return ip_packet(datagram.src[0], datagram.dst[0], datagram.protocol, datagram.data)
    src = ipaddress.ip_address(datagram.src[0])
    dst = ipaddress.ip_address(datagram.dst[0])
    length = 8 + len(datagram.data)
    udp = struct.pack("!HHHH", datagram.src[1], datagram.dst[1], length, 0)
    pseudo = src.packed + dst.packed + struct.pack("!IHBB", length, 0, 0, IpProtocol.UDP)
    check = checksum(pseudo + udp + datagram.data) or 0xFFFF
    udp = udp[:6] + check.to_bytes(2, "big")
    return ip_packet(datagram.src[0], datagram.dst[0], IpProtocol.UDP, udp + datagram.data)
