"""One capture inspected by several processes: each reads the file, and keeps what is in its lane.

Reading costs a tenth of what opening, judging and showing costs, so nobody hands out packets. IKE
SAs between the same two addresses stay in one lane, with what they are rekeyed to, and an SA that
moves takes its new addresses along. What a lane has to show goes through a file, so that a big
capture is never in memory as text.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO

from ikelab.harness.errors import LabError
from ikelab.harness.inspect import report, summary
from ikelab.harness.inspect.collector import leave_alone
from ikelab.harness.inspect.configs.side import Configs
from ikelab.harness.inspect.flow import Packet
from ikelab.harness.inspect.inspection import Inspection, Totals, inspect_capture
from ikelab.harness.inspect.keys import KeyRing
from ikelab.harness.inspect.pcap import Capture

WORTH_IT = 4 << 20
"""Octets of a file below which one process is as fast as several."""
Prepare = Callable[[Inspection], None]
_Place = tuple[int, int, int]  # first frame of an IKE SA; where its text begins; how long it is


def processes(path: Path, wanted: int) -> int:
    """How many to use: as many as were asked for; 0 stands for what the file is worth."""
    if wanted:
        return wanted
    try:
        size = path.stat().st_size if path.is_file() else 0
    except OSError:
        size = 0
    return len(os.sched_getaffinity(0)) if size >= WORTH_IT else 1


class Joined(Exception):
    """The capture has ESP or AH, whose packets belong to children in any lane: one has to do it."""


class Lane:
    """Tells which packets are ours; every process finds the same, for all see the same packets."""

    def __init__(self, number: int, count: int) -> None:
        self.number, self._count = number, count
        self.others: set[bytes] = set()  # SPIs of initiators whose messages are not ours
        self._ours: set[bytes] = set()
        self._by_ends: dict[frozenset[str], int] = {}

    def __call__(self, packet: Packet) -> bool:
        """Whether a packet belongs here. All but IKEv2 is the business of lane 0."""
        data = packet.data
        if packet.kind != "ike" or len(data) < 28 or data[17] >> 4 == 1:
            return self.number == 0
        spi = data[:8]
        if spi in self._ours:
            return True
        if spi in self.others:
            return False
        ends = frozenset((packet.src[0], packet.dst[0]))
        mine = self._by_ends.setdefault(ends, len(self._by_ends) % self._count) == self.number
        (self._ours if mine else self.others).add(spi)
        return mine


@dataclass(slots=True)
class _Share:
    """What a lane found: an inspection without its SAs, and where the text of each SA lies."""

    it: Inspection
    totals: Totals
    places: list[_Place]


def shown(
    path: Path, ring: KeyRing, count: int, form: str, prepare: Prepare
) -> tuple[Inspection, Iterator[str]]:
    """The inspection (its counts, not its SAs) and the text of a view, `json` or `summary`.

    `prepare` sees each lane's inspection before it is shown. LabError where a process is lost,
    Joined where the capture is none to be shared.
    """
    context = multiprocessing.get_context("fork")
    workers: list[tuple[BaseProcess, Connection]] = []
    with ExitStack() as stack:
        files: list[IO[bytes]] = [
            stack.enter_context(tempfile.TemporaryFile()) for _ in range(count)
        ]
        for number in range(1, count):
            ours, theirs = context.Pipe(duplex=False)
            work = partial(_work, path, ring, Lane(number, count), form, prepare, files[number])
            process = context.Process(target=_report, args=(theirs, work), daemon=True)
            process.start()
            theirs.close()
            workers.append((process, ours))
        try:
            shares = [_work(path, ring, Lane(0, count), form, prepare, files[0])]
        except Joined:
            for worker, _ in workers:
                worker.kill()
                worker.join()
            raise
        for worker, pipe in workers:
            try:
                shares.append(pipe.recv())
            except EOFError:
                raise LabError("a process of the inspection was lost: try --jobs 1") from None
            worker.join()
        whole = _merged(shares)
        texts = _texts(shares, files, stack.pop_all())
    if form == "json":
        return whole, report.json_around(whole, texts)
    return whole, summary.summary_around(whole, texts)


def _report(pipe: Connection, work: Callable[[], _Share]) -> None:
    pipe.send(work())
    pipe.close()


def _work(
    path: Path, ring: KeyRing, lane: Lane, form: str, prepare: Prepare, file: IO[bytes]
) -> _Share:
    it = inspect_capture(Capture(path), ring, lane, others=lane.others)
    if it.esp:
        raise Joined
    leave_alone()
    prepare(it)
    places: list[_Place] = []
    firsts = [session.messages[0].frame for session in it.sessions]
    rows = report.rows_text(it) if form == "json" else summary.blocks(it)
    at = 0
    for first, row in zip(firsts, rows, strict=True):
        text = row.encode()
        file.write(text)
        places.append((first, at, len(text)))
        at += len(text)
    file.flush()
    return _Share(replace(it, sessions=[], ring=KeyRing(), configs=Configs()), it.totals, places)


def _merged(shares: list[_Share]) -> Inspection:
    """The counts of all lanes together."""
    whole, totals = shares[0].it, shares[0].totals
    for share in shares[1:]:
        whole.kinds += share.it.kinds
        totals += share.totals
    vars(whole)["totals"] = totals
    return whole


def _texts(shares: list[_Share], files: list[IO[bytes]], stack: ExitStack) -> Iterator[str]:
    """The text of each IKE SA, in the order of their first messages."""
    places = sorted(
        (first, number, at, size)
        for number, share in enumerate(shares)
        for first, at, size in share.places
    )
    with stack:
        for _, number, at, size in places:
            yield os.pread(files[number].fileno(), size, at).decode()
