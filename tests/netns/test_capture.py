"""What was on the wire is in the file, as tshark reads it."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from ikelab.harness.errors import LabError
from ikelab.netns import calls
from ikelab.netns.capture import Capture, Tap
from ikelab.netns.lab import Lab


def exchange(path, datagrams):
    """Send these from the initiator to the responder; count what the capture wrote."""
    with Lab() as lab:
        receiver = lab.host("responder").socket()
        receiver.bind(("10.0.0.2", 4000))
        with lab.capture(path) as capture:
            sender = lab.host("initiator").socket()
            sender.bind(("10.0.0.1", 4000))
            for data in datagrams:
                sender.sendto(data, ("10.0.0.2", 4000))
        return capture.packets, capture.dropped


def fields(tshark, path, *names, where="udp"):
    options = [part for name in names for part in ("-e", name)]
    command = [tshark, "-r", str(path), "-Y", where, "-T", "fields", *options]
    command += ["-o", "udp.check_checksum:TRUE"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_every_datagram_is_there_whole_and_in_order(in_world, tshark, tmp_path):
    sent = [os.urandom(size) for size in (1, 2, 3, 4, 100, 1472)]

    packets, dropped = in_world(exchange, tmp_path, sent)

    rows = fields(tshark, tmp_path / "capture.pcapng", "udp.payload", "udp.checksum.status")
    assert [bytes.fromhex(data) for data, _ in rows] == sent
    assert {status for _, status in rows} == {"1"}  # good: no offload left them unfinished
    assert packets >= len(sent)
    assert dropped == 0


def test_fragments_are_on_the_wire_as_fragments(in_world, tshark, tmp_path):
    in_world(exchange, tmp_path / "f.pcapng", [bytes(4000)])

    sizes = fields(tshark, tmp_path / "f.pcapng", "frame.len", "ip.flags.mf", where="ip")

    assert [int(size) for size, _ in sizes] == [1514, 1514, 1082]


def test_a_burst_larger_than_a_socket_buffer_is_kept(in_world, tshark, tmp_path):
    numbers = [n.to_bytes(4, "big") + bytes(600) for n in range(900)]

    _, dropped = in_world(exchange, tmp_path / "b.pcapng", numbers)

    rows = fields(tshark, tmp_path / "b.pcapng", "udp.payload")
    assert dropped == 0
    assert [bytes.fromhex(data) for (data,) in rows] == numbers


def test_the_file_names_the_link_and_keeps_nanoseconds(in_world, tshark, tmp_path):
    path = tmp_path / "n.pcapng"
    in_world(exchange, path, [b"x", b"y"])

    names = ("frame.interface_name", "frame.interface_description", "frame.time_epoch")
    rows = fields(tshark, path, *names)

    assert {(name, text) for name, text, _ in rows} == {
        ("initiator:eth0", "wire: initiator - responder")
    }
    assert len({time for _, _, time in rows}) == 2
    assert any(not time.endswith("000") for _, _, time in rows)


KILLED = """
import signal, sys
from ikelab.netns import world
world.enter()
from ikelab.netns.lab import Lab
lab = Lab()
capture = lab.capture(sys.argv[0] + ".pcapng")
here, there = lab.host("initiator").socket(), lab.host("responder").socket()
there.bind(("10.0.0.2", 4000))
while capture.packets < 100:
    here.sendto(b"x" * 100, ("10.0.0.2", 4000))
    there.recv(100)
print("ready", flush=True)
while True:
    here.sendto(b"x" * 100, ("10.0.0.2", 4000))
    there.recv(100)
"""


def test_a_killed_run_leaves_a_readable_file(script, tshark, tmp_path):
    run = script(KILLED)
    assert run.line() == "ready"

    run.process.send_signal(signal.SIGKILL)
    run.process.wait()

    done = subprocess.run(
        [tshark, "-r", str(tmp_path / "script0.py.pcapng")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert len(done.stdout.splitlines()) >= 100
    assert "damaged" not in done.stderr


def test_a_place_that_cannot_be_written_is_one_line(in_world, tmp_path):
    def capture(path):
        with Lab() as lab:
            lab.capture(path)

    with pytest.raises(LabError, match=r"cannot capture into .*No such file"):
        in_world(capture, tmp_path / "no such folder" / "x.pcapng")
    with pytest.raises(LabError, match=r"cannot capture into /dev/full: No space left"):
        in_world(capture, "/dev/full")


def test_a_disk_that_fills_up_is_told_at_the_end(in_world, tmp_path):
    def capture():
        calls.mount("none", str(tmp_path), "tmpfs", data="size=16k")
        exchange(tmp_path, [bytes(1400)] * 20)

    with pytest.raises(LabError, match=r"capture .* is incomplete: No space left"):
        in_world(capture)


def test_a_link_that_goes_down_and_up_is_followed(in_world, tshark, tmp_path):
    """The capture goes on, and does not spin while the link is down."""

    def interrupt():
        with Lab() as lab, lab.capture(tmp_path):
            a, b = lab.host("initiator"), lab.host("responder")
            there = b.socket()
            there.bind(("10.0.0.2", 4000))
            there.settimeout(10)
            for word in (b"before", b"after"):
                a.socket().sendto(word, ("10.0.0.2", 4000))
                there.recv(100)
                for state in ("down", "up"):
                    a.popen(["ip", "link", "set", "eth0", state]).wait(30)
            return time.process_time()

    spent = in_world(interrupt)

    rows = fields(tshark, tmp_path / "capture.pcapng", "udp.payload")
    assert [bytes.fromhex(data) for (data,) in rows] == [b"before", b"after"]
    assert spent < 2


def test_a_device_that_does_not_exist_is_one_line(in_world, tmp_path):
    def capture():
        with Lab() as lab:
            Capture(tmp_path / "x", [Tap("a", "b", lab.host("initiator").fd, "eth9")])

    with pytest.raises(LabError, match="No such device"):
        in_world(capture)
