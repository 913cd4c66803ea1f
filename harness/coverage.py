"""The coverage page: every registry row beside what run folders and vectors prove of it.

Knows the registries, and why a row has no proof; reading runs and the page's form are
reports.coverage.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ikelab.harness import coverage_reasons
from ikelab.harness.crypto.support import computable
from ikelab.harness.errors import ConfigError, plain
from ikelab.harness.model import Transform
from ikelab.layers import iana
from ikelab.layers.iana import TRANSFORMS, Algorithm, Code, Encr, TransformType
from ikelab.reports.coverage import (
    OUT,
    STATES,
    Point,
    Row,
    Section,
    Seen,
    Sight,
    cell,
    observe,
    render,
)
from ikelab.reports.load import Run
from ikelab.reports.records import objects, parse, word
from ikelab.reports.rfc_titles import TITLES

REFERENCE = "reference"
OTHERS: tuple[type[Code], ...] = (
    *(iana.TransformType, iana.AuthMethod, iana.Exchange, iana.Payload, iana.Notify),
    *(iana.CfgType, iana.CfgAttr, iana.IdType, iana.CertEncoding, iana.Hash),
    *(iana.Protocol, iana.TsType),
)
"""The registries beside those of transforms."""
NOT_BUILT = "not built yet"
SPECIAL = {
    ("Payload", "NONE"): "no payload: it ends a chain",
    ("Integ", "NONE"): "a combined-mode cipher goes without this transform",
    ("Ke", "NONE"): "a CHILD_SA without key exchange goes without this transform",
}
ROOMS = ("exchange/**/*.py", "esp/*.py", "crypto/[!s]*.py", "crypto/s[!u]*.py", "sk.py", "model.py")
"""Where the engine is; crypto.support speaks of what it cannot do."""
PLACEHOLDERS = {("Exchange", "GSA_INBAND_REKEY"), ("Payload", "NONE")}
"""Rows that the source names for something else: an unknown exchange, the end of a chain."""
Vectors = dict[tuple[str, int, int | None], list[str]]
"""(registry, number, key bits) -> the published vectors that pass."""


def coverage(runs: Sequence[Run], vectors: Path | None = None) -> str:
    """The page. `vectors` is what `pytest --vectors FILE` wrote; ConfigError where it is not."""
    table = Table(observe(runs), read_vectors(vectors) if vectors else {}, engine())
    sections = [*table.transforms(), *table.others(), table.documents()]
    return render(table.seen, map(_command, runs), sections)


def _command(run: Run) -> str:
    """The command line of a run in Markdown, without the folder that it wrote to."""
    found: list[str] = []
    rest = iter(run.command or ("ikelab", "run"))
    for part in rest:
        if part == "--out":
            next(rest, "")
        elif not part.startswith("--out="):
            found.append(part if found else Path(part).name)
    return f"`{' '.join(found)}`" + ("" if run.finished else " (stopped before its end)")


def read_vectors(path: Path) -> Vectors:
    """The list that `pytest --vectors FILE` wrote."""
    try:
        rows = objects({"rows": parse(path.read_text(encoding="utf-8"))}, "rows")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} is no list of vectors: {plain(error)}") from None
    found: Vectors = defaultdict(list)
    for row in rows:
        number, bits = row.get("number"), row.get("bits")
        if isinstance(number, int) and isinstance(bits, int | None):
            found[word(row, "registry"), number, bits].append(word(row, "source"))
    return found


# -- what the engine has code for ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Engine:
    """What the engine's source speaks of: rows as (registry, member), and RFCs."""

    rows: frozenset[tuple[str, str]]
    documents: frozenset[int]

    def has(self, row: Code) -> bool:
        """Whether any line of the engine names this row."""
        return (type(row).__name__, row.name) in self.rows


@cache
def engine() -> Engine:
    """Read the engine's source: a row that nobody names there is not built.

    Peers, notation, inspection and fields name rows that the engine cannot do; they prove nothing.
    """
    rows: set[tuple[str, str]] = set()
    documents: set[int] = set()
    registries = {registry.__name__: registry for registry in OTHERS}
    folder = Path(__file__).resolve().parent
    for path in sorted(found for room in ROOMS for found in folder.glob(room)):
        if path.name.startswith("rule"):
            continue  # what it says of a message it neither sends nor acts upon
        text = path.read_text(encoding="utf-8")
        documents |= {int(number) for number in re.findall(r"\bRFC (\d{4,5})\b", text)}
        for registry, member in re.findall(r"\b([A-Z]\w+)\.([A-Z][A-Z0-9_]*)\b", text):
            row = registries[registry].__members__.get(member) if registry in registries else None
            if row is not None:
                rows.add((registry, row.name))  # of an alias, the row that it stands for
    return Engine(frozenset(rows - PLACEHOLDERS), frozenset(documents))


# -- the tables ------------------------------------------------------------------------------------


def sizes(row: Algorithm) -> list[int | None]:
    """The key lengths that get a line of their own; None where no Key Length attribute is sent."""
    if not isinstance(row, Encr) or not row.key_attribute:
        return [None]
    usual = {128, 192, 256, row.default_key_bits}
    return [bits for bits in row.key_bits if len(row.key_bits) <= 3 or bits in usual]


@dataclass(frozen=True)
class Table:
    """All the sections, made of what was seen."""

    seen: Seen
    vectors: Vectors
    engine: Engine

    @property
    def daemons(self) -> list[str]:
        """The peers that are not ourselves."""
        return [peer for peer in self.seen.peers if peer != REFERENCE]

    def transforms(self) -> Iterator[Section]:
        """A section for each registry of transform ids, a row for each id and key length."""
        for registry in dict.fromkeys(TRANSFORMS.values()):
            kind = next(kind for kind, found in TRANSFORMS.items() if found is registry)
            rows = [line for member in registry for line in self._lines(member)]
            yield Section(TransformType(kind).iana, tuple(rows))

    def _lines(self, row: Code) -> list[Row]:
        """The rows of one code point."""
        if not isinstance(row, Algorithm):
            return [self._other(row)]
        kinds = [kind for kind, registry in TRANSFORMS.items() if registry is type(row)]
        return [self._transform(kinds, row, bits) for bits in self._sizes(kinds[0], row)]

    def _sizes(self, kind: int, row: Algorithm) -> list[int | None]:
        """The usual key lengths, and those that were seen or have a vector."""
        found = sizes(row)
        if found != [None]:
            wire = (TransformType(kind).iana, str(int(row)))
            more = {p.bits for p in self.seen.points if (p.registry, p.code) == wire}
            name = (type(row).__name__, int(row))
            more |= {key[2] for key in self.vectors if key[:2] == name}
            found = sorted({*found, *(more & set(row.key_bits))}, key=lambda bits: bits or 0)
        return found

    def _transform(self, kinds: Iterable[int], row: Algorithm, bits: int | None) -> Row:
        points = [Point(TransformType(kind).iana, str(int(row)), bits) for kind in kinds]
        sights = {
            peer: set[Sight]().union(*(self.seen.at(point, peer) for point in points))
            for peer in self.seen.peers
        }
        reason = SPECIAL.get((type(row).__name__, row.name)) or computable(
            Transform(next(iter(kinds)), row, bits)
        )
        state, vector = self._state(row, bits, sights, built=reason is None)
        if reason is None and state != "daemon":
            reason = self._no_daemon(row)
        name = row.iana if bits is None else f"{row.iana}, {bits} bits"
        reason = (
            (reason or "").removeprefix(f"{row.iana}: ").removeprefix(f"{points[0].registry}: ")
        )
        return self._row(row, name, state, vector, sights, reason)

    def _no_daemon(self, row: Algorithm) -> str:
        """Why no daemon had a transform that we can do."""
        said = [
            reason
            for peer in self.daemons
            for reason in self.seen.lacks.get(peer, ())
            if re.search(rf"\b{re.escape(row.iana)}\b", reason)
        ]
        kinds = dict.fromkeys(peer.partition("@")[0] for peer in self.daemons)
        silent = [kind for kind in kinds if not row.words.get(kind)]
        if said:
            return "; ".join(said)
        if silent and len(silent) == len(kinds):
            return f"{', '.join(silent)}: no word for it"
        return "no passing case negotiated it with a daemon"

    def others(self) -> Iterator[Section]:
        """A section for each registry that is not one of transforms."""
        for registry in OTHERS:
            yield Section(_title(registry), tuple(self._other(row) for row in registry))

    def _other(self, row: Code) -> Row:
        sights = {peer: self._sights(row, peer) for peer in self.seen.peers}
        built = self.engine.has(row)
        # A notify that a peer sends and nobody here reads is no feature.
        proofs = {
            peer: {s for s in found if built or s.way == OUT} for peer, found in sights.items()
        }
        state, vector = self._state(row, None, proofs, built=built)
        reason = SPECIAL.get((type(row).__name__, row.name), "")
        if not reason and state == "built":
            reason = "no passing case has it on the wire"
        if not reason and state == "none":
            reason = coverage_reasons.of_row(row) or NOT_BUILT
            reason += "; shown by its name" if any(sights.values()) else ""
        return self._row(row, row.iana, state, vector, sights, reason)

    def _sights(self, row: Code, peer: str) -> set[Sight]:
        """A transcript names a row by its number or by its name."""
        registry = type(row).__name__
        if isinstance(row, TransformType):
            found = [p for p in self.seen.points if p.registry == row.iana]
        else:
            found = [Point(registry, code) for code in {str(int(row)), row.name, row.iana}]
        return set[Sight]().union(*(self.seen.at(point, peer) for point in found))

    def documents(self) -> Section:
        """A row for each document that a registry, a case or the engine refers to."""
        rows: dict[str, list[Code]] = defaultdict(list)
        for registry in (*dict.fromkeys(TRANSFORMS.values()), *OTHERS):
            for row in registry:
                if re.match(r"RFC \d|3GPP|draft-", row.reference):
                    rows[row.reference].append(row)
        for number in {*self.seen.cases, *self.engine.documents} & set(TITLES):
            rows.setdefault(f"RFC {number}", [])
        order = sorted(rows, key=lambda text: (not text.startswith("RFC"), text))
        return Section("Documents", tuple(self._document(text, rows[text]) for text in order))

    def _document(self, text: str, rows: Sequence[Code]) -> Row:
        number = int(text.removeprefix("RFC ")) if text.startswith("RFC ") else 0
        lines = [line for row in rows for line in self._lines(row)]
        cases = self.seen.cases.get(number, {})
        cells, states = [], set()
        for index, peer in enumerate(self.seen.peers):
            done = sum(OUT in line.cells[index] for line in lines)
            count = cases.get(peer, 0)
            parts = [f"{done} of {len(lines)} rows"] if done else []
            parts += [f"{count} case{'s' if count > 1 else ''}"] if count else []
            cells.append(", ".join(parts))
            if parts:
                states.add("reference" if peer == REFERENCE else "daemon")
        vectors = dict.fromkeys(v for line in lines for v in line.vector.split("; ") if v)
        if vectors:
            states.add("vector")
        if number in self.engine.documents or any(line.state != "none" for line in lines):
            states.add("built")
        best = next((state for state in STATES if state in states), "none")
        reasons = {line.why for line in lines}
        left_out = coverage_reasons.of_document(text) or NOT_BUILT
        why = {"none": left_out, "built": "no passing case is about it"}.get(best, "")
        if best == "none" and left_out == NOT_BUILT and len(reasons) == 1:
            why = reasons.pop()
        return Row(text, TITLES.get(number, ""), "", best, "; ".join(vectors), tuple(cells), why)

    def _state(
        self, row: Code, bits: int | None, sights: dict[str, set[Sight]], *, built: bool
    ) -> tuple[str, str]:
        """The best proof, and the vectors."""
        vectors = self.vectors.get((type(row).__name__, int(row), bits), [])
        text = "; ".join(sorted(dict.fromkeys(vectors)))
        if any(sights.get(peer) for peer in self.daemons):
            return "daemon", text
        if any(sights.values()):
            return "reference", text
        if text:
            return "vector", text
        return ("built" if built else "none"), text

    def _row(
        self, row: Code, name: str, state: str, vector: str,
        sights: dict[str, set[Sight]], why: str,
    ) -> Row:  # fmt: skip
        cells = tuple(cell(found) for found in sights.values())
        return Row(str(int(row)), name, row.reference, state, vector, cells, why)


def _title(registry: type[Code]) -> str:
    """What a registry's own docstring calls it, without what stands in brackets."""
    line = (registry.__doc__ or registry.__name__).strip().partition("\n")[0]
    line = re.sub(r" \([^)]*\)", "", line).removeprefix("IKEv2 ")
    return re.split(r"[;,]|\.$", line)[0]
