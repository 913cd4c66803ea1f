"""Keys out of charon's own log: what it prints at level 4 of its groups ike and chd. Pure.

Each line names its IKE SA by number (`ike_name`); group mgr at level 2 tells the SPIs of a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ikelab.harness.model import Spis

_LINE = re.compile(
    r"^(?:\S+ )?\d\d\[[A-Z0-9]{3}\] (?:<(?:[^|>]*\|)?(?P<sa>\d+)> )?(?P<text>.*)$", re.MULTILINE
)
_SPIS = re.compile(r"IKEv2 SA .*\[(\d+)\] with SPIs ([0-9a-f]{16})_i ([0-9a-f]{16})_r")
_DUMP = re.compile(r"(?P<label>\S.*) => (?P<size>\d+) bytes @ ")
_ROW = re.compile(r" *\d+: (?P<hex>(?:[0-9A-F]{2} )+)")
_CHILD_SPI = re.compile(r"  SPI 0x([0-9a-f]+), src")
_IKE = {"SKEYSEED": "SKEYSEED"}
_IKE |= {f"Sk_{key} secret": f"SK_{key}" for key in ("d", "ai", "ar", "ei", "er", "pi", "pr")}
_CHILD = {
    f"{what} {who} key": f"{short}_{who[0]}"
    for what, short in (("encryption", "encr"), ("integrity", "integ"))
    for who in ("initiator", "responder")
}


@dataclass(slots=True)
class ChildSecrets:
    """The keys of one CHILD_SA: encr_i, integ_i, encr_r, integ_r (salt behind the cipher key)."""

    spi_in: bytes = b""
    spi_out: bytes = b""
    keys: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Line:
    sa: int | None
    text: str
    dump: bytes | None = None


def ike_secrets(log: str) -> dict[Spis, dict[str, bytes]]:
    """SKEYSEED, SK_d, SK_ai ... of every IKE SA in a log, by its SPIs; {} from a log without."""
    spis: dict[int, Spis] = {}
    found: dict[int, dict[str, bytes]] = {}
    for line in _lines(log):
        if match := _SPIS.search(line.text):
            pair = Spis(bytes.fromhex(match[2]), bytes.fromhex(match[3]))
            spis[int(match[1])] = pair
        elif line.dump is not None and line.sa is not None and line.text in _IKE:
            found.setdefault(line.sa, {})[_IKE[line.text]] = line.dump
    return {spis[number]: keys for number, keys in found.items() if number in spis}


def child_secrets(log: str) -> list[ChildSecrets]:
    """The keys of every CHILD_SA in a log, in the order of their making."""
    found: list[ChildSecrets] = []
    making: dict[int | None, ChildSecrets] = {}
    way = ""
    for line in _lines(log):
        if line.dump is not None and line.text in _CHILD:
            key = _CHILD[line.text]
            if line.sa not in making or key in making[line.sa].keys:
                making[line.sa] = ChildSecrets()
                found.append(making[line.sa])
            making[line.sa].keys[key] = line.dump
        elif line.text.startswith("adding ") and line.text.endswith(" SA"):
            way = line.text.split()[1]
        elif (match := _CHILD_SPI.match(line.text)) and line.sa in making:
            spi = bytes.fromhex(match[1].rjust(8, "0"))
            if way == "inbound":
                making[line.sa].spi_in = spi
            else:
                making[line.sa].spi_out = spi
    return found


def _lines(log: str) -> Iterator[_Line]:
    """The log line by line; a hexadecimal dump becomes one line with its octets.

    Lines of other threads may stand between the rows of a dump: rows belong to their SA's dump.
    """
    pending: dict[int | None, tuple[str, int, bytes]] = {}
    for match in _LINE.finditer(log):
        sa = int(match["sa"]) if match["sa"] else None
        text = match["text"]
        if sa in pending and (row := _ROW.match(text)):
            label, size, data = pending.pop(sa)
            data += bytes.fromhex(row["hex"])
            if len(data) < size:
                pending[sa] = (label, size, data)
            else:
                yield _Line(sa, label, data[:size])
        elif dump := _DUMP.match(text):
            pending[sa] = (dump["label"], int(dump["size"]), b"")
        else:
            yield _Line(sa, text)
