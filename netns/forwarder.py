"""ikelab's own forwarder: a router in user space, for kernels that cannot do what it does.

A thread moves IP packets between the devices of a router's namespace, whose kernel has neither
addresses nor forwarding there: through a NAT (`nat.Translator`), along bad lines (`impair.Line`).
Neighbours find the router by permanent entries. It translates IPv4 alone, and fragments no IPv6.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_address

from ikelab.netns import calls
from ikelab.netns.impair import Line
from ikelab.netns.nat import Plan, Translator
from ikelab.netns.packets import Packet, fragments, hopped, parse
from ikelab.netns.topology import Node

_ETHERTYPES = {4: 0x0800, 6: 0x86DD}
_ETH_P_ALL = 0x0003
_TO_US = 0  # PACKET_HOST: neither a broadcast nor what we sent ourselves
_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Hop:
    """Where packets to a network leave: the device, the neighbour's MAC, what fits."""

    network: IPv4Network | IPv6Network
    device: str
    mac: bytes
    mtu: int = 1500


class Forwarder:
    """Runs from its making to `close()`."""

    def __init__(self, node: Node, net: int, hops: Sequence[Hop], seed: int = 0) -> None:
        self._hops = sorted(hops, key=lambda hop: -hop.network.prefixlen)
        self._devices = sorted({hop.device for hop in hops})
        self._nat = Translator(node.nat) if node.nat else None
        self._lines: dict[str, Line] = {}
        if node.impairment:
            lines = enumerate(self._devices)
            self._lines = {device: Line(node.impairment, seed + n) for n, device in lines}
        self._lock = threading.Lock()
        self._sockets = {d: calls.elsewhere(partial(_bound, d), net=net) for d in self._devices}
        self._woken, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._run, name=f"forwarder {node.name}")
        self._thread.daemon = True
        self._thread.start()

    def change(self, plan: Plan) -> None:
        """Forget the NAT's flows and go on by this plan."""
        with self._lock:
            if self._nat is not None:
                self._nat.change(plan)

    def close(self) -> None:
        """Stop. Twice is fine."""
        if self._wake < 0:
            return
        os.write(self._wake, b"x")
        self._thread.join()
        for sock in self._sockets.values():
            sock.close()
        os.close(self._wake)
        os.close(self._woken)
        self._wake = -1

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        devices = {sock.fileno(): device for device, sock in self._sockets.items()}
        for fd in devices:
            poll.register(fd, select.POLLIN)
        while True:
            for fd, _ in poll.poll(self._patience()):
                if fd == self._woken:
                    return
                self._read(devices[fd])
            self._flush()

    def _patience(self) -> float | None:
        """Milliseconds until a line has something to give."""
        times = [due for line in self._lines.values() if (due := line.next) is not None]
        return max(0.0, min(times) - time.monotonic()) * 1000 if times else None

    def _read(self, device: str) -> None:
        sock = self._sockets[device]
        with contextlib.suppress(OSError):  # nothing more, or the link went down
            for _ in range(_AT_ONCE):
                data, sender = sock.recvfrom(65535)
                ip = sender[1] in _ETHERTYPES.values() and sender[2] == _TO_US
                packet = parse(data) if ip else None
                if packet is not None:
                    self._pass_on(device, packet)

    def _pass_on(self, device: str, packet: Packet) -> None:
        with self._lock:
            if self._nat is not None and device == self._nat.nat.device:
                found = self._nat.inward(packet)
                hop = self._hop(found)
            else:
                found, hop = packet, self._hop(packet)
                if self._nat is not None and hop and hop.device == self._nat.nat.device:
                    found = self._nat.outward(packet)
        data = hopped(found) if found is not None else None
        if data is None or hop is None or hop.device == device:
            return
        if hop.device in self._lines:
            self._lines[hop.device].take(data, time.monotonic())
        else:
            self._send(hop, data)

    def _flush(self) -> None:
        now = time.monotonic()
        for line in self._lines.values():
            for data in line.due(now):
                hop = self._hop(parse(data))
                if hop is not None:
                    self._send(hop, data)

    def _hop(self, packet: Packet | None) -> Hop | None:
        if packet is None:
            return None
        address = ip_address(packet.dst[0])
        return next((hop for hop in self._hops if address in hop.network), None)

    def _send(self, hop: Hop, data: bytes) -> None:
        sock, kind = self._sockets[hop.device], _ETHERTYPES[data[0] >> 4]
        for piece in fragments(data, hop.mtu):
            with contextlib.suppress(OSError):  # a full queue, a link that is down: it is lost
                sock.sendto(piece, (hop.device, kind, 0, 0, hop.mac))


def _bound(device: str) -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    sock.setblocking(False)
    sock.bind((device, _ETH_P_ALL))
    return sock
