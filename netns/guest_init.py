"""The first process of the guest kernel: mounts, modules, then one command. See `guest`."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import shlex
import signal
import sys
import termios
import traceback
from pathlib import Path
from typing import Any, NoReturn

from ikelab.netns import calls, world
from ikelab.netns.modules import Modules

_POWER_OFF = 0x4321FEDC  # LINUX_REBOOT_CMD_POWER_OFF
_MOUNTS = (
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("devpts", "/dev/pts"),
    ("tmpfs", "/dev/shm"),
    ("tmpfs", "/run"),
)
# What the kernel does not ask for by itself, or asks for where nobody answers.
_MODULES = """veth tun af_packet af_key xfrm_user xfrm_algo esp4 esp6 ah4 ah6 ipcomp ipcomp6
xfrm4_tunnel xfrm6_tunnel sch_netem sch_tbf iptable_nat ip6table_nat xt_MASQUERADE xt_nat nf_tables
authenc echainiv seqiv gcm ccm ctr cbc hmac sha1_generic sha256_generic sha512_generic md5
des_generic aes_generic camellia_generic blowfish_generic cast5_generic chacha20poly1305
chacha_generic poly1305_generic xcbc cmac ghash_generic crypto_null deflate
rmd160 serpent_generic twofish_generic"""


def main(spec_file: str) -> NoReturn:
    """Set the guest up, run the command, tell its status, switch off."""
    spec: dict[str, Any] = json.loads(Path(spec_file).read_text())
    status = 3
    try:
        _set_up(Path(spec["modules"]))
        status = _run(spec)
    except BaseException:
        traceback.print_exc()
    Path(spec["status"]).write_text(str(status))
    os.sync()
    ctypes.CDLL(None).reboot(_POWER_OFF)
    os._exit(0)


def _set_up(folder: Path) -> None:
    for kind, target in _MOUNTS:
        with contextlib.suppress(OSError):
            Path(target).mkdir(exist_ok=True)
            calls.mount(kind, target, kind, data="mode=755" if kind == "tmpfs" else "")
    Path("/run/tmp").mkdir()
    modules = Modules(folder)
    for name in _MODULES.split():
        modules.load(name)
    _answer_the_kernel(modules)
    world.raise_loopback()


def _answer_the_kernel(modules: Modules) -> None:
    """Let the kernel's own requests for modules come here, because no modprobe knows the place.

    Most requests are for what there is not (a PF_KEY socket asks for every algorithm that it has
    heard of), and Python takes a second to start: a list answers those.
    """
    helper, names = Path("/run/modprobe"), set(modules.names())
    names |= {name.replace("_", "-") for name in names}
    known = "|".join(sorted(shlex.quote(name) for name in names))
    code = (
        "import sys; from pathlib import Path; from ikelab.netns.modules import Modules; "
        f"Modules(Path({str(modules.folder)!r})).load(sys.argv[1])"
    )
    (Path("/run") / "modprobe.py").write_text(code + "\n")
    helper.write_text(
        "#!/bin/sh\nfor name; do :; done\n"
        f"case $name in {known}) ;; *) exit 1 ;; esac\n"
        f'exec "{sys.executable}" /run/modprobe.py "$name"\n'
    )
    helper.chmod(0o755)
    with contextlib.suppress(OSError):
        Path("/proc/sys/kernel/modprobe").write_text(str(helper))


def _run(spec: dict[str, Any]) -> int:
    """The command as a child on tty1; orphans are collected until it ends."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _become(spec, writer)
    os.close(writer)
    if not spec["terminal"]:
        _copy(reader)
    while True:
        ended, code = os.wait()
        if ended == child:
            return os.waitstatus_to_exitcode(code) & 0xFF


def _become(spec: dict[str, Any], writer: int) -> NoReturn:
    os.setsid()
    output = os.open("/dev/tty1", os.O_RDWR)
    errors = os.open("/dev/tty2", os.O_WRONLY)
    fcntl.ioctl(output, termios.TIOCSCTTY, 0)
    for descriptor, target in ((output, 0), (output, 1), (errors, 2)):
        os.dup2(descriptor, target)
    if not spec["terminal"]:
        # Nobody looks at a terminal outside, so there is none inside either.
        os.dup2(writer, 1)
    os.chdir(spec["cwd"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    env = {**spec["env"], "TMPDIR": "/run/tmp"}
    os.execvpe(spec["argv"][0], spec["argv"], env)


def _copy(reader: int) -> None:
    """What the command prints into its pipe goes to tty1, as it is."""
    terminal = os.open("/dev/tty1", os.O_WRONLY)
    for descriptor in (terminal, os.open("/dev/tty2", os.O_WRONLY)):
        with contextlib.suppress(termios.error):
            settings = termios.tcgetattr(descriptor)
            settings[1] &= ~termios.OPOST
            termios.tcsetattr(descriptor, termios.TCSANOW, settings)
    while data := os.read(reader, 65536):
        os.write(terminal, data)


if __name__ == "__main__":
    main(sys.argv[1])
