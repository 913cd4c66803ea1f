"""Lanes of one capture: each packet is in one of them, and what is read in a hurry is the same."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from ikelab.harness.inspect import parallel, views
from ikelab.harness.inspect.flow import Flow, Packet
from ikelab.harness.inspect.inspection import inspect_capture
from ikelab.harness.inspect.keys import load
from ikelab.harness.inspect.parallel import Lane
from ikelab.harness.inspect.pcap import Capture, Record

LANES = 3


@pytest.fixture(scope="module")
def records(shared: Path) -> list[Record]:
    """The frames of the shared captures, and the same with an octet changed."""
    noise, found = random.Random(1), list[Record]()
    for path in sorted(p for p in shared.rglob("*.pcap*") if p.is_file()):
        for record in Capture(path):
            found.append(record)
            changed = bytearray(record.data)
            if changed:
                changed[noise.randrange(min(len(changed), 70))] = noise.randrange(256)
            found.append(record._replace(data=bytes(changed)))
    return found


def lane(records: list[Record], number: int, *, hurry: bool) -> Iterator[Packet]:
    """What a lane takes, with or without leaving out early what is for the others."""
    mine = Lane(number, LANES)
    flow = Flow(records, others=mine.others) if hurry else Flow(records)
    yield from filter(mine, flow)


def test_what_is_left_out_early_is_for_other_lanes(records: list[Record]) -> None:
    sizes = []
    for number in range(LANES):
        quick = list(lane(records, number, hurry=True))
        assert quick == list(lane(records, number, hurry=False))
        sizes.append(len(quick))
    assert min(sizes) > 20, sizes


def test_each_packet_is_in_one_lane(records: list[Record]) -> None:
    shares = [list(lane(records, number, hurry=True)) for number in range(LANES)]
    key = Packet.__hash__
    assert sorted((p for share in shares for p in share), key=key) == sorted(Flow(records), key=key)


@pytest.mark.parametrize("form", ["summary", "json"])
def test_lanes_show_what_one_process_shows(shared: Path, form: str) -> None:
    keys, compared = shared / "captures/wireshark/ikev2_decryption_table", 0
    for path in sorted(p for p in shared.rglob("*.pcap*") if p.is_file()):
        alone = inspect_capture(Capture(path), load([keys]))
        if alone.esp or len(alone.sessions) < 2:
            continue
        _, pieces = parallel.shown(path, load([keys]), 2, form, lambda it: None)
        together, wanted = "".join(pieces), views.text(alone, form)
        if form == "json":
            assert json.loads(together) == json.loads(wanted)
        else:
            assert together.rstrip("\n") == wanted
        compared += 1
    assert compared
