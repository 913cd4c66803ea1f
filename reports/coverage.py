"""What run folders prove of each code point, and the page that says so.

Only a PASS proves anything. This room knows no registry: whoever calls brings the rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ikelab.harness.errors import ConfigError
from ikelab.harness.model import Verdict
from ikelab.reports.load import Result, Run
from ikelab.reports.records import Json, integer, objects, word, words

OUT, IN = "→", "←"
STATES = ("daemon", "reference", "vector", "built", "none")
COLUMNS = ("number", "name", "document", "state", "vector")
HEADLINE = "# What ikelab covers"

# -- what was seen ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Point:
    """A code point as transcripts name it: registry, number or IANA's name, key length in bits."""

    registry: str
    code: str
    bits: int | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """One way in which a point was on the wire: for which protocol, in which direction."""

    way: str
    protocol: str = ""


@dataclass(slots=True)
class Seen:
    """What passing tests showed, peer by peer."""

    peers: dict[str, str] = field(default_factory=dict)
    """Name -> version, in the order of the runs."""
    points: dict[Point, dict[str, set[Sight]]] = field(default_factory=dict)
    cases: dict[int, dict[str, int]] = field(default_factory=dict)
    """RFC -> peer -> passing tests that are about it."""
    lacks: dict[str, list[str]] = field(default_factory=dict)
    """Peer -> why its tests ended UNSUPPORTED."""

    def at(self, point: Point, peer: str) -> set[Sight]:
        """How a point was seen with a peer; empty where it was not."""
        return self.points.get(point, {}).get(peer, set())


def observe(runs: Iterable[Run]) -> Seen:
    """Read the results and transcripts of runs; ConfigError for a run with a planted fault."""
    seen = Seen()
    for run in runs:
        if run.fault:
            raise ConfigError(f"{run.path}: made with the fault {run.fault!r}; it proves nothing")
        for result in run.results:
            seen.peers.setdefault(result.peer, run.version(result.peer))
            if result.verdict is Verdict.UNSUPPORTED:
                reasons = seen.lacks.setdefault(result.peer, [])
                if result.reason not in reasons:
                    reasons.append(result.reason)
            if result.verdict is Verdict.PASS:
                _take(seen, result)
    return seen


def _take(seen: Seen, result: Result) -> None:
    for reference in {r.rfc for r in result.rfc}:
        row = seen.cases.setdefault(reference, {})
        row[result.peer] = row.get(result.peer, 0) + 1
    steps = result.evidence().conversation().steps
    # What we send where a case deviates is no feature of ours; what the peer sends is its own.
    honest = not result.plan
    for step in steps:
        ours = word(step, "direction") == "-->"
        if honest or not ours:
            for point in _points(step):
                _add(seen, point, result.peer, Sight(OUT if ours else IN))
    for point, sight in _negotiated(steps):
        _add(seen, point, result.peer, sight)


def _add(seen: Seen, point: Point, peer: str, sight: Sight) -> None:
    seen.points.setdefault(point, {}).setdefault(peer, set()).add(sight)


def _chain(step: Json) -> list[Json]:
    return [*objects(step, "payloads"), *objects(step, "inner")]


def _points(step: Json) -> Iterator[Point]:
    """The code points of one message, its proposals aside."""
    yield Point("Exchange", word(step, "exchange"))
    for payload in _chain(step):
        yield Point("Payload", word(payload, "type"))
        for registry, key in _FIELDS:
            if key in payload:
                yield Point(registry, word(payload, key))
        for attribute in objects(payload, "attributes"):
            yield Point("CfgAttr", word(attribute, "type"))
        for selector in words(payload, "selectors"):
            yield Point("TsType", _kind_of(selector))
        if word(payload, "notify_name") == "SIGNATURE_HASH_ALGORITHMS":
            data = word(payload, "data")  # RFC 7427 4: a list of 16-bit numbers
            for position in range(0, len(data) - 3, 4):
                yield Point("Hash", str(int(data[position : position + 4], 16)))


def _kind_of(selector: str) -> str:
    """The type of a selector as transcripts print it: `type 10` where it is no address range."""
    if selector.startswith("type "):
        return selector.removeprefix("type ")
    return "TS_IPV6_ADDR_RANGE" if ":" in selector else "TS_IPV4_ADDR_RANGE"


_FIELDS = (
    ("Notify", "notify"),
    ("AuthMethod", "method"),
    ("IdType", "id_type"),
    ("CertEncoding", "encoding"),
    ("CfgType", "cfg"),
)


def _negotiated(steps: Sequence[Json]) -> Iterator[tuple[Point, Sight]]:
    """The transforms that a responder chose, of IKE SAs only where the peer's messages opened."""
    opened: set[str] = set()
    for step in steps:
        if step.get("decrypted") and word(step, "direction") == "<--":
            opened |= {word(step, "spi_i"), word(step, "spi_r")}
    for step in steps:
        if not step.get("response"):
            continue
        way = IN if word(step, "direction") == "-->" else OUT  # who asked
        for proposal in (p for payload in _chain(step) for p in objects(payload, "proposals")):
            protocol = word(proposal, "protocol")
            spi = word(proposal, "spi") or word(step, "spi_r")
            if protocol == "IKE" and spi not in opened:
                continue
            yield Point("Protocol", protocol), Sight(way)
            for transform in objects(proposal, "transforms"):
                bits = integer(transform.get("key_bits"))
                point = Point(word(transform, "type"), word(transform, "id"), bits)
                yield point, Sight(way, protocol)


# -- the page --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table; `cells` has a text for each peer."""

    number: str
    name: str
    document: str
    state: str
    vector: str
    cells: tuple[str, ...]
    why: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One registry."""

    title: str
    rows: tuple[Row, ...]


def cell(sights: Iterable[Sight]) -> str:
    """`IKE →←, ESP →`: protocols, each with the directions in which it was seen."""
    ways: dict[str, set[str]] = defaultdict(set)
    for sight in sights:
        ways[sight.protocol].add(sight.way)
    order = sorted(ways, key=lambda name: (name != "IKE", name))
    arrows = [f"{name} " + "".join(w for w in (OUT, IN) if w in ways[name]) for name in order]
    return ", ".join(arrows).strip()


LEGEND = f"""\
A row's state is the best proof there is of it:

| state | means |
| --- | --- |
| daemon | a passing test had it on the wire with a daemon |
| reference | the same with the built-in peer alone, which is ikelab at both ends |
| vector | a published vector passes; nothing had it on the wire |
| built | the engine has code for it, and nothing of the above |
| none | the last column says why not |

An arrow is who began: {OUT} ikelab, {IN} the peer. Of a transform it is the exchange that
negotiated it, counted for IKE where the peer's messages opened with the keys; of everything else it
is the message that carried it. Of a case that distorts messages, only what the peer sent counts.
"""


def render(seen: Seen, commands: Iterable[str], sections: Sequence[Section]) -> str:
    """The page in Markdown: no times and no machine's paths, so that two pages can be compared."""
    peers = [f"{name} {version}".strip() for name, version in seen.peers.items()]
    lines = [
        HEADLINE,
        "",
        "Generated by `make coverage-table`, which calls `ikelab coverage`; do not edit.",
        f"Peers: {', '.join(peers)}. Their runs:",
        "",
        *(f"- {command}" for command in dict.fromkeys(commands)),
        "",
        *LEGEND.splitlines(),
        "",
        *_table(("registry", *STATES), [_counts(section) for section in sections]),
    ]
    for section in sections:
        table = [
            (r.number, r.name, r.document, r.state, r.vector, *r.cells, r.why) for r in section.rows
        ]
        lines += ["", f"## {section.title}", "", *_table((*COLUMNS, *peers, "why not"), table)]
    return "\n".join(lines) + "\n"


def _counts(section: Section) -> tuple[str, ...]:
    states = [row.state for row in section.rows]
    return (section.title, *(str(states.count(state) or "") for state in STATES))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield _line(head)
    yield _line(["---"] * len(head))
    yield from map(_line, rows)


def _line(cells: Iterable[str]) -> str:
    texts = (text.replace("|", r"\|").replace("\n", " ") for text in cells)
    return "|" + "|".join(f" {text} " if text else " " for text in texts) + "|"
