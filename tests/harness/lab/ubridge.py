#!/usr/bin/env python3
"""A stand-in for ubridge, for machines that have none: as much of it as gns3-server asks for.

gns3-server starts it as `ubridge -H HOST:PORT` and gives it commands, a line each; a bridge carries
frames between a UDP tunnel and another, a tap or an interface, and writes them to a capture. It
shows that our client's calls lead to a wire that carries packets. It is no proof of ubridge.
"""

import contextlib
import fcntl
import os
import re
import select
import shlex
import socket
import struct
import sys
import time
from pathlib import Path

TUNSETIFF, TAP = 0x400454CA, 0x1002  # IFF_TAP | IFF_NO_PI
EVERYTHING = 3  # ETH_P_ALL
OUTGOING = 4  # PACKET_OUTGOING


class Bridge:
    """Two ends, and what is done with each frame between them."""

    def __init__(self):
        self.ends = []  # (what to wait on, read, write)
        self.capture = None

    def udp(self, port, host, remote):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", int(port)))
        there = (host, int(remote))
        self.ends.append((sock, lambda: sock.recv(65535), lambda data: sock.sendto(data, there)))

    def raw(self, interface):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EVERYTHING))
        sock.bind((interface, EVERYTHING))

        def read():
            data, address = sock.recvfrom(65535)
            return b"" if address[2] == OUTGOING else data

        self.ends.append((sock, read, sock.send))

    def tap(self, interface):
        device = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", interface.encode(), TAP))
        self.ends.append((device, lambda: os.read(device, 65535), lambda d: os.write(device, d)))

    def carry(self, ready):
        for number, (waited, read, _) in enumerate(self.ends):
            if waited not in ready or len(self.ends) != 2:
                continue
            frame = read()
            if not frame:
                continue
            if self.capture:
                now = time.time()
                head = struct.pack("<IIII", int(now), int(now % 1 * 1e6), len(frame), len(frame))
                self.capture.write(head + frame)
                self.capture.flush()
            with contextlib.suppress(OSError):  # nobody listens there yet
                self.ends[1 - number][2](frame)

    def close(self):
        for waited, _, _ in self.ends:
            os.close(waited) if isinstance(waited, int) else waited.close()


def order(bridges, words):
    """Do one command; its answer, or ValueError."""
    room, verb, *rest = words
    if room == "hypervisor":
        return "0.9.19" if verb == "version" else "OK"
    if room != "bridge":
        raise ValueError(f"unknown room {room}")
    name, *rest = rest
    if verb == "create":
        bridges[name] = Bridge()
        return "OK"
    if name not in bridges:
        raise ValueError(f"no bridge {name}")
    bridge = bridges[name]
    if verb == "delete":
        bridges.pop(name).close()
    elif verb == "add_nio_udp":
        bridge.udp(*rest)
    elif verb == "add_nio_linux_raw":
        bridge.raw(*rest)
    elif verb == "add_nio_tap":
        bridge.tap(*rest)
    elif verb == "start_capture":
        bridge.capture = Path(rest[0]).open("wb")  # noqa: SIM115 (closed by stop_capture)
        bridge.capture.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        bridge.capture.flush()
    elif verb == "stop_capture":
        bridge.capture = bridge.capture and bridge.capture.close()
    elif verb not in (
        "start",
        "stop",
        "reset_packet_filters",
        "add_packet_filter",
        "set_pcap_filter",
    ):
        raise ValueError(f"unknown command {verb}")
    return "OK"


def main(host, port):
    bridges = {}
    with socket.create_server((host, int(port))) as server:
        client, _ = server.accept()
    said = b""
    while True:
        waited = [end[0] for bridge in bridges.values() for end in bridge.ends]
        ready = select.select([client, *waited], [], [])[0]
        for bridge in list(bridges.values()):
            bridge.carry(ready)
        if client not in ready:
            continue
        data = client.recv(65536)
        if not data:
            return
        *lines, said = (said + data).split(b"\n")
        for line in lines:
            words = shlex.split(line.decode())
            try:
                answer = f"100-{order(bridges, words)}"
            except (ValueError, OSError, TypeError) as error:
                answer = f"209-{error}"
            client.sendall(answer.encode() + b"\r\n")
            if words[:2] in (["hypervisor", "stop"], ["hypervisor", "close"]):
                return


if __name__ == "__main__":
    if sys.argv[1:] == ["-v"]:
        print("ubridge version 0.9.19")
    else:
        main(*re.fullmatch(r"(.*):(\d+)", sys.argv[2]).groups())
