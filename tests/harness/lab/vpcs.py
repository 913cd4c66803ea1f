#!/usr/bin/env python3
"""A stand-in for VPCS, as gns3-server starts it: a console, and one frame on the wire when told.

`send` at its console puts an IKE-sized UDP datagram to port 500 on its link, broadcast.
"""

import os
import select
import socket
import struct
import sys

NAME = "r1"


def frame():
    """10.9.0.2:500 to everybody at port 500, from a made-up MAC address."""
    data = b"IKE from the node"
    udp = struct.pack("!HHHH", 500, 500, 8 + len(data), 0) + data
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0,
                       bytes((10, 9, 0, 2)), bytes((255, 255, 255, 255)))  # fmt: skip
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    head = head[:10] + struct.pack("!H", ~total & 0xFFFF) + head[12:]
    return b"\xff" * 6 + b"\x02\x00\x00\x00\x00\x02" + b"\x08\x00" + head + udp


def main(options):
    """Serve one console after another, until killed."""
    port, mine, theirs = (int(options[letter]) for letter in "psc")
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link.bind(("127.0.0.1", mine))
    server = socket.create_server(("127.0.0.1", port))
    clients = []
    while True:
        for ready in select.select([server, link, *clients], [], [])[0]:
            if ready is server:
                clients.append(server.accept()[0])
            elif ready is link:
                link.recv(65535)
            elif not (data := ready.recv(4096)):
                clients.remove(ready)
                ready.close()
            else:
                if b"send" in data:
                    link.sendto(frame(), (options["t"], theirs))
                ready.sendall(data + f"\r\n{NAME}#".encode())


if __name__ == "__main__":
    if sys.argv[1:] == ["-v"]:
        print("Welcome to Virtual PC Simulator, version 0.8.3")
    else:
        words = [word for word in sys.argv[1:] if word not in ("-F", "-R")]
        os.environ.clear()
        main({words[n][1:]: words[n + 1] for n in range(0, len(words) - 1, 2)})
