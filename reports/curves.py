"""How a fuzzing run went over time: progress.jsonl as numbers, and pictures of them as SVG.

A run that was killed has what it wrote until then; a line that was cut off ends it. The pictures
have their colours from the page's style, so that they are legible in light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path

from ikelab.reports.records import Json, read_lines, word

PROGRESS, DIFFERENCES = "progress.jsonl", "differences.jsonl"
MOST_POINTS = 240  # of a curve
MOST_KINDS = 7  # manners of answer that have a colour of their own; the others share one
REST = "others"
WIDTH, HEIGHT = 720, 190
LEFT, RIGHT, TOP, BOTTOM = 58, 8, 8, 22
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Moment:
    """A line of progress.jsonl: the state of a run after so many seconds."""

    seconds: float
    cases: float
    classes: float
    findings: float
    memory: float
    own_memory: float
    answers: dict[str, float]


@dataclass(frozen=True, slots=True)
class Course:
    """A run over time, and a sentence for each line that could not be read."""

    moments: tuple[Moment, ...]
    differences: tuple[Json, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def answers(self) -> list[tuple[str, float]]:
        """Cases by the manner of their answer in the end, the most frequent first."""
        last = next((m.answers for m in reversed(self.moments) if m.answers), {})
        return sorted(last.items(), key=lambda row: -row[1])

    @property
    def kinds(self) -> list[str]:
        """The manners of answer that have a colour, the most frequent first; maybe `REST`."""
        named = [kind for kind, _ in self.answers]
        return [*named[:MOST_KINDS], REST] if len(named) > MOST_KINDS else named

    @property
    def found(self) -> list[float]:
        """The seconds at which there was a finding more."""
        return [b.seconds for a, b in pairwise((NOTHING, *self.moments)) if b.findings > a.findings]


NOTHING = Moment(0.0, 0, 0, 0, 0, 0, {})


def course(run: Path) -> Course | None:
    """How the run of a folder went; None where it was no fuzzing run, or wrote nothing yet."""
    rows, problems = _rows(run / PROGRESS)
    if rows is None:
        return None
    moments: list[Moment] = []
    for fields in rows:
        one = _moment(fields)
        if one is not None and (not moments or one.seconds > moments[-1].seconds):
            moments.append(one)
    told, more = _rows(run / DIFFERENCES)
    return Course(tuple(_thinned(moments)), tuple(told or ()), (*problems, *more))


def _rows(file: Path) -> tuple[list[Json] | None, list[str]]:
    if not file.is_file():
        return None, []
    try:
        records = list(read_lines(file))
    except OSError as error:
        return [], [f"{file.name} cannot be read: {error}"]
    damage = [record.damage for record in records if record.damage]
    return [record.fields for record in records if not record.damage], damage


def _moment(fields: Json) -> Moment | None:
    """None for a line without a time or a number of cases."""
    numbers = {name: _number(fields.get(name)) for name in Moment.__slots__ if name != "answers"}
    answers = fields.get("answers")
    known = answers.items() if isinstance(answers, dict) else ()
    if not {"seconds", "cases"} <= fields.keys():
        return None
    return Moment(**numbers, answers={str(kind): _number(count) for kind, count in known})


def _number(value: object) -> float:
    """What is no number that can be drawn is none at all."""
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    return max(float(value), 0.0) if usable and math.isfinite(value) else 0.0  # type: ignore[arg-type]


def _thinned(moments: list[Moment]) -> list[Moment]:
    """As many as a picture can show; the last one is always there."""
    if len(moments) <= MOST_POINTS:
        return moments
    every = moments[-1].seconds / MOST_POINTS
    found = [moments[0]]
    for moment in moments[1:-1]:
        if moment.seconds - found[-1].seconds >= every:
            found.append(moment)
    return [*found, moments[-1]]


# -- what is drawn -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure of the page: what it shows, the drawing, what its colours mean."""

    title: str
    svg: str
    legend: tuple[tuple[int, str], ...] = ()


def pictures(one: Course) -> list[Picture]:
    """The figures of a run: speed, answers, news, memory."""
    found = [_speed(one), _answers(one), _news(one), _memory(one)]
    return [picture for picture in found if picture is not None]


def _between(one: Course, value: Callable[[Moment], float]) -> list[tuple[float, float]]:
    """By how much a number grew each second, at the end of each interval."""
    return [
        (b.seconds, max(value(b) - value(a), 0.0) / (b.seconds - a.seconds))
        for a, b in pairwise((NOTHING, *one.moments))
        if b.seconds > a.seconds
    ]


def _speed(one: Course) -> Picture | None:
    points = _between(one, lambda moment: moment.cases)
    return _lines("Cases a second", {"cases a second": points}, one)


def _news(one: Course) -> Picture | None:
    points = [(m.seconds, m.classes) for m in one.moments]
    return _lines("Classes of answers seen", {"classes of answers": points}, one)


def _memory(one: Course) -> Picture | None:
    """Megabytes; the peer's are looked at every few seconds, and not known at the beginning."""
    peer = [(m.seconds, m.memory / (1 << 20)) for m in one.moments if m.memory]
    ours = [(m.seconds, m.own_memory / (1 << 20)) for m in one.moments if m.own_memory]
    return _lines("Memory, MB", {"the peer": peer, "ikelab": ours}, one)


def _answers(one: Course) -> Picture | None:
    """The share of each manner of answer, from below in the order of the legend."""
    kinds = one.kinds
    moments = [NOTHING, *one.moments]
    if not kinds:
        return None
    lower = [0.0] * (len(moments) - 1)
    drawn: list[str] = []
    scale = Scale(moments[-1].seconds, 100.0)
    shares = [_shares(a, b, kinds) for a, b in pairwise(moments)]
    times = [moment.seconds for moment in one.moments]
    for number, kind in enumerate(kinds):
        upper = [low + 100.0 * share[kind] for low, share in zip(lower, shares, strict=True)]
        drawn.append(_area(scale, times, lower, upper, number, kind))
        lower = upper
    legend = tuple(enumerate(kinds))
    title = "Answers, %"
    return Picture(title, _framed(title, scale, drawn, one.found), legend)


def _shares(before: Moment, after: Moment, kinds: Sequence[str]) -> dict[str, float]:
    grown = {
        kind: max(count - before.answers.get(kind, 0.0), 0.0)
        for kind, count in after.answers.items()
    }
    total = sum(grown.values())
    found = {kind: grown.pop(kind, 0.0) / total if total else 0.0 for kind in kinds}
    if REST in found and total:
        found[REST] = sum(grown.values()) / total
    return found


@dataclass(frozen=True, slots=True)
class Scale:
    """Where values stand in a picture."""

    seconds: float
    top: float

    def x(self, seconds: float) -> str:
        """Octets of a path are dear: a tenth of a pixel is enough."""
        return f"{LEFT + (WIDTH - LEFT - RIGHT) * seconds / max(self.seconds, 1e-6):.1f}"

    def y(self, value: float) -> str:
        return f"{TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / max(self.top, 1e-6)):.1f}"


def _lines(title: str, series: dict[str, Points], one: Course) -> Picture | None:
    known = {name: points for name, points in series.items() if points}
    if not known:
        return None
    top = _round_up(max(value for points in known.values() for _, value in points))
    scale = Scale(one.moments[-1].seconds, top)
    drawn = []
    for number, (name, points) in enumerate(known.items()):
        path = " ".join(f"{scale.x(x)},{scale.y(y)}" for x, y in points)
        last = points[-1]
        dot = f'<circle class="f{number}" cx="{scale.x(last[0])}" cy="{scale.y(last[1])}" r="2.5"/>'
        line = (
            f'<polyline class="l{number}" points="{path}"><title>{escape(name)}</title></polyline>'
        )
        drawn.append(line + dot)
    legend = tuple(enumerate(known)) if len(series) > 1 else ()
    return Picture(title, _framed(title, scale, drawn, one.found), legend)


def _area(
    scale: Scale, times: Sequence[float], lower: Sequence[float], upper: Sequence[float],
    number: int, name: str,
) -> str:  # fmt: skip
    """A band of steps: each share holds for the whole interval that it was counted in."""
    edges = [0.0, *times]
    there = [(edges[n + side], upper[n]) for n in range(len(times)) for side in (0, 1)]
    back = [(edges[n + side], lower[n]) for n in range(len(times)) for side in (0, 1)][::-1]
    path = " ".join(f"{scale.x(x)},{scale.y(y)}" for x, y in [*there, *back])
    return f'<polygon class="f{number}" points="{path}"><title>{escape(name)}</title></polygon>'


def _framed(title: str, scale: Scale, drawn: Iterable[str], found: Sequence[float]) -> str:
    """A drawing with its axes, and a mark for each finding."""
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
        *_axes(scale),
        *drawn,
    ]
    low = HEIGHT - BOTTOM
    parts += [
        f'<path class="found" d="M{scale.x(at)} {TOP}V{low}"><title>a finding, after '
        f"{clock(at)}</title></path>"
        for at in found
    ]
    return "".join(parts) + "</svg>"


def _axes(scale: Scale) -> Iterable[str]:
    for part in (0.0, 0.5, 1.0):
        y = scale.y(scale.top * part)
        yield f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>'
        text = f"{scale.top * part:g}" if scale.top * part < 1e6 else f"{scale.top * part:.1e}"
        yield f'<text x="{LEFT - 6}" y="{y}" dy=".35em" text-anchor="end">{text}</text>'
    step = next((s for s in _STEPS if scale.seconds / s <= 8), scale.seconds / 8)
    count = int(scale.seconds / step) if step else 0
    for number in range(count + 1):
        at = number * step
        end = ' text-anchor="end"' if at > 0.97 * scale.seconds else ' text-anchor="middle"'
        yield f'<text x="{scale.x(at)}" y="{HEIGHT - 6}"{end}>{clock(at)}</text>'


def _round_up(value: float) -> float:
    """The next number with one digit that a person would put at the end of an axis."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(unit * step for step in (1, 2, 4, 5, 6, 8, 10) if unit * step >= value * 0.999)


def clock(seconds: float) -> str:
    """Seconds as a person reads them."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02}"
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def shown_difference(fields: Json) -> tuple[str, str, str, str, str]:
    """Campaign, what the peer does, what the reference does, how often, and the plan."""
    named = ("campaign", "peer", "reference")
    count = fields.get("count")
    return (
        word(fields, named[0]), word(fields, named[1]), word(fields, named[2]),
        f"{_number(count):.0f}", word(fields, "plan"),
    )  # fmt: skip
