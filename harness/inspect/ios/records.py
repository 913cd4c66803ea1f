"""Text into records: `[seq: ][*|.]timestamp: tag[(context):] body`, all but the tag optional.

Takes text as people paste it: several records on one line, lines wrapped by a terminal,
non-breaking spaces, translated labels. It never fails; what belongs to no record is left alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

_MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9,
    "oct": 10, "nov": 11, "dec": 12,
}  # fmt: skip
_DATE = (
    r"(?:(?P<name>[^\W\d_]{3,9})\.?\s+(?P<day>\d{1,2})"
    r"|(?P<month>\d{1,2})\s?[월月]\s?(?P<day2>\d{1,2})\s?[일日])"
)
_CLOCK = r"(?P<clock>\d{1,2}:\d\d:\d\d(?:\.\d{1,6})?)"
_STAMP = (
    rf"(?:(?P<seq>\d+):\s+)?(?P<mark>[*.])?{_DATE},?\s+(?:(?P<year>\d{{4}})\s+)?{_CLOCK}"
    r"(?:\s+(?P<zone>[A-Z]{2,5}))?:"
)
_UPTIME = r"(?:\d+:\s+)?[*.]?(?P<uptime>\d+w\d+d|\d+d\d+h|\d{1,3}:\d\d:\d\d(?:\.\d+)?):"
_TAG = r"(?P<tag>IKEv2(?:-[A-Z]+(?:-\d+)?)?):"
_START = re.compile(
    rf"(?:(?<=\s)|^){_STAMP}\s*(?:{_TAG})?"
    rf"|^{_UPTIME}\s*(?:{_TAG.replace('tag', 'tag2')})?"
    rf"|^[ \t]*{_TAG.replace('tag', 'tag3')}"
    rf"|(?P<tag4>IKEv2-(?:PROTO|PLAT)-\d+):",
    re.MULTILINE,
)
_INSIDE = re.compile(r"\s(IKEv2(?:-[A-Z]+)?):")
_CONTEXT = re.compile(
    r"\s*(?:\((?:SESSION ID\s*=\s*(?P<session>\d+)\s*,\s*)?SA ID\s*=\s*(?P<sa>\d+)\s*\)"
    r"|\((?P<number>\d+)\))\s*:"
)
_ASA_CONTEXT = re.compile(r"\(\d+\):\s*")
_SYSLOG = re.compile(r"%[A-Z0-9_]+-\d-[A-Z0-9_]+")
_CELL = re.compile(r"\|[ \t]*(?:\n|$)")
_PROMPT = re.compile(r"^[\w.\-]+(?:\([\w\-]+\))?[#>][ \t]*", re.MULTILINE)
HEAD = 1 << 20
"""Octets in which the first record of a log is looked for."""


@dataclass(slots=True)
class Record:
    """One record; `tag` is empty for those of other facilities, `line` counts from 1."""

    line: int
    tag: str
    body: str
    time: float | None = None
    stamp: str = ""
    session: int | None = None
    sa: int | None = None
    known: bool = field(default=True)

    @property
    def error(self) -> bool:
        """Whether the router itself calls this an error."""
        return self.tag.startswith("IKEv2-ERROR") or self.tag == "IKEv2-PROTO-1"


def clean(text: str) -> str:
    """The text with plain blanks and line ends, and without what a terminal's width broke."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\ufeff", "")
    text = re.sub("[\u00a0\u2007\u202f\u3000]", " ", text)
    text = re.sub("[\u200b-\u200f\u2060]", "", text)
    return _unwrapped(text.replace("\u2019", "'"))


def _unwrapped(text: str) -> str:
    """Put lines together that a terminal broke at its last column.

    Three lines of the same greatest width, none of them longer, are taken for such a terminal. They
    may be alike by chance: what begins a record is never put to the line before.
    """
    lines = text.split("\n")
    widths = Counter(map(len, lines))
    widest = max(widths, default=0)
    if not 72 <= widest <= 200 or widths[widest] < 3:
        return text
    joined: list[str] = []
    glue = False
    for line in lines:
        if glue and not _START.match(line):
            joined[-1] += line
        else:
            joined.append(line)
        glue = len(line) == widest
    return "\n".join(joined)


def decoded(octets: bytes) -> str:
    """Octets of a log as text: UTF-8, or the UTF-16 that a terminal on Windows may have written.

    What does not belong to either is replaced.
    """
    if octets[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return octets.decode("utf-16", "replace")
    zeros = octets[:HEAD:2].count(0), octets[1:HEAD:2].count(0)
    for side, code in ((1, "utf-16-le"), (0, "utf-16-be")):
        if zeros[side] * 8 > len(octets[:HEAD]) and not zeros[1 - side]:
            return octets.decode(code, "replace")
    return octets.decode("utf-8", "replace")


def looks_like_log(head: bytes) -> bool:
    """Whether the beginning of a file is text with a record of `debug crypto ikev2` in it."""
    text = decoded(head)
    return "\0" not in text and bool(re.search(r"\bIKEv2(?:-[A-Z]+(?:-\d+)?)?:", text))


def records(text: str) -> Iterator[Record]:
    """Every record of a text that went through `clean`, in the order it stands there."""
    starts = list(_START.finditer(text))
    line, at = 1, 0
    for number, start in enumerate(starts):
        line += text.count("\n", at, start.start())
        at = start.start()
        end = starts[number + 1].start() if number + 1 < len(starts) else len(text)
        yield _record(start, text[start.end() : end], line)


def _record(start: re.Match[str], rest: str, line: int) -> Record:
    tag = start["tag"] or start["tag2"] or start["tag3"] or start["tag4"] or ""
    # A bar that ends a line is the border of a table's cell; what follows is somebody's prose.
    body = " ".join(_before_commands(_CELL.split(rest)[0]).split())
    if not tag and not _SYSLOG.match(body) and (match := _INSIDE.search(f" {body}")):
        # A translation moved the tag into the sentence.
        tag = match[1]
        body = (f" {body}"[: match.start()] + " " + f" {body}"[match.end() :]).strip()
    stamp, time = _time(start)
    record = Record(line, tag, body, time, stamp)
    if tag and (context := _CONTEXT.match(body)):
        record.session = int(context["session"]) if context["session"] else None
        record.sa = int(context["sa"] or context["number"])
        record.body = body[context.end() :].strip()
    if tag.startswith(("IKEv2-PROTO", "IKEv2-PLAT")):
        record.body = _ASA_CONTEXT.sub("", record.body)
    record.body = record.body.lstrip(": ").rstrip()
    return record


def _before_commands(text: str) -> str:
    """The text up to a command that somebody typed into the log; bare prompts are dropped."""
    kept, at = [], 0
    for prompt in _PROMPT.finditer(text):
        kept.append(text[at : prompt.start()])
        at = prompt.end()
        if text[at : at + 1] not in ("\n", ""):
            return " ".join(kept)
    return " ".join([*kept, text[at:]])


def _time(start: re.Match[str]) -> tuple[str, float | None]:
    """The timestamp as printed, and seconds: of the year, or since the router started."""
    if start["clock"]:
        month = _MONTHS.get((start["name"] or "")[:3].casefold()) or int(start["month"] or 0)
        day = int(start["day"] or start["day2"] or 0)
        days = sum((31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[: max(month - 1, 0)]) + day - 1
        stamp = start[0].strip().lstrip("*.").partition(" IKEv2")[0].rstrip(":")
        return stamp, max(days, 0) * 86400.0 + _clock(start["clock"])
    if uptime := start["uptime"]:
        if ":" in uptime:
            return uptime, _clock(uptime)
        units = {"w": 604800, "d": 86400, "h": 3600}
        return uptime, float(sum(int(n) * units[u] for n, u in re.findall(r"(\d+)([wdh])", uptime)))
    return "", None


def _clock(text: str) -> float:
    hours, minutes, seconds = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
