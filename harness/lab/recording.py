"""Where the capture of a record comes from: a file, the router's wire in its lab, or our interface.

What is captured goes into a folder that is gone afterwards: `record` keeps IKE and ESP of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ikelab.harness.errors import ConfigError, IkelabError, LabError, Terminated
from ikelab.harness.lab.base import Router

Captured = Callable[[], bytes]
_SIOCGIFMTU = 0x8921
_LARGEST = 9000  # octets; a loopback's packets are larger, those of IKE and ESP are not


@dataclass(frozen=True, slots=True)
class Source:
    """One of three, or none; `wait` is how long the last two go on before the router is asked."""

    file: str = ""
    interface: str = ""
    wire: bool = False
    wait: float = 0.0  # seconds

    def check(self, in_lab: bool) -> None:
        """ConfigError for what cannot be, before a router is started."""
        if bool(self.file) + bool(self.interface) + self.wire > 1:
            raise ConfigError("a record has one capture: give one of the three options")
        if self.file and not Path(self.file).is_file():
            raise ConfigError(f"no such capture: {self.file}")
        if self.wire and not in_lab:
            raise ConfigError(
                "--capture-wire is for routers that GNS3 or CML runs: --capture-interface DEVICE "
                "captures at our end of the wire"
            )
        if self.wait and not (self.wire or self.interface):
            raise ConfigError("--wait needs --capture-wire or --capture-interface DEVICE")
        names = [name for _, name in socket.if_nameindex()]
        # In a lab our end may be made when the router is started.
        if self.interface and not in_lab and self.interface not in names:
            raise ConfigError(f"no interface {self.interface!r} here: there are {', '.join(names)}")

    @contextlib.contextmanager
    def captured(
        self, lab: Router | None, ready: Callable[[], None], tell: Callable[[str], None]
    ) -> Iterator[Captured | None]:
        """What ends the capture and gives its octets; None where none was asked for.

        A capture that nobody ends is ended here. `ready` is called before the wait, because a
        router that boots has no SA, and `tell` with a line for the user.
        """
        if not (self.wire or self.interface):
            yield Path(self.file).read_bytes if self.file else None
            return
        with tempfile.TemporaryDirectory(prefix="ikelab-") as folder:
            file = Path(folder, "wire.pcap")
            end = _on_wire(lab, file) if self.wire and lab else _on_interface(self.interface, file)
            with contextlib.ExitStack() as open_still:
                open_still.callback(_quietly, end)
                if self.wait:
                    ready()
                    _rest(self.wait, tell)

                def finish() -> bytes:
                    open_still.pop_all()
                    end()
                    return file.read_bytes()

                yield finish


def _rest(seconds: float, tell: Callable[[str], None]) -> None:
    """Let time pass; Ctrl-C is enough of it, and SIGTERM the end of all."""
    try:
        tell(f"capturing for {seconds:g} s: bring a tunnel up now; Ctrl-C ends the wait")
        threading.Event().wait(seconds)
    except Terminated:
        raise
    except KeyboardInterrupt:
        return


def _quietly(end: Callable[[], None]) -> None:
    with contextlib.suppress(IkelabError):  # what went wrong first is what counts
        end()


def _on_wire(lab: Router, file: Path) -> Callable[[], None]:
    lab.begin_capture()
    return lambda: lab.end_capture(file)


def _on_interface(device: str, file: Path) -> Callable[[], None]:
    from ikelab.netns.capture import Capture, Tap

    net = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        return Capture(file, [Tap(device, device, net, device, _size(device))]).stop
    except LabError as error:
        if not isinstance(error.__cause__, PermissionError):
            raise
        raise ConfigError(
            f"no right to capture on {device}: run ikelab as root, or give the file of a capture "
            "with --capture"
        ) from None
    finally:
        os.close(net)


def _size(device: str) -> int:
    """Octets that a packet there may have."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            row = fcntl.ioctl(asked, _SIOCGIFMTU, struct.pack("16s24x", device.encode()))
        except OSError as error:
            raise ConfigError(f"no interface {device!r} here: {error.strerror}") from None
    return min(int(struct.unpack_from("16xi", row)[0]), _LARGEST)
