"""`show crypto ikev2 stats ...`, `performance`, `proposal`, `diagnose error`, `call admission`."""

from __future__ import annotations

import re

from ikelab.harness.peer.ios.shown import Cursor, Grammar, line, special, value


def _head(cursor: Cursor, match: re.Match[str]) -> None:
    """A line of column names: the first one names the rows below."""
    name, *columns = match["head"].split()
    cursor.context["columns"] = " ".join(columns)
    _title(cursor, name)


def _title(cursor: Cursor, name: str) -> None:
    cursor.begin("", "tables", {"title": name, "rows": {}})


def _payload_types(cursor: Cursor, _: re.Match[str]) -> None:
    cursor.context["columns"] = "TX RX"
    _title(cursor, "CONFIG PAYLOAD TYPE")


def _section(cursor: Cursor, match: re.Match[str]) -> None:
    _title(cursor, match["title"].strip().rstrip(":"))


def _operation(cursor: Cursor, match: re.Match[str]) -> None:
    cursor.context["columns"] = "PASSED FAILED"
    _title(cursor, match["title"].strip())


def _row(cursor: Cursor, match: re.Match[str]) -> None:
    """A name and numbers, under the columns if there are as many; rows of one name are a list."""
    rows = cursor.at("tables").setdefault("rows", {})
    numbers = [int(n) for n in match["numbers"].split()]
    columns = cursor.context.get("columns", "").split()
    name = match["name"].strip().rstrip(":")
    entry = dict(zip(columns, numbers, strict=True)) if len(columns) == len(numbers) else numbers
    rows.setdefault(name, []).append(entry)


_ROW = special(r"(?P<name>-?[A-Za-z][\w\-./\[\]: ]*?) (?P<numbers>\d+(?:\s+\d+)*)", _row)
_RULE = line(r"-{5,}")
_TITLE = special(r"(?P<title>[A-Z][A-Za-z0-9 ]*(?:\([a-z]+\))?:?)", _section)

EXCHANGE = (
    special(r"(?P<head>EXCHANGE/NOTIFY TX\(REQ\) TX\(RES\) RX\(REQ\) RX\(RES\))", _head),
    special(r"(?P<head>CONFIG PAYLOAD TYPE TX RX)", _payload_types),
    _ROW, _TITLE,
)  # fmt: skip
EXTENDED = (
    _RULE,
    special(r"(?P<title>[A-Z][A-Z ]*?) PASSED FAILED", _operation),
    _ROW,
)
TIMEOUT = (_RULE, special(r"(?P<title>IKEV2 TIMER) TIMED OUT", _section), _ROW)
PSH = (
    special(r"-+(?P<title>IKEV2 PSH STATS)-+", _section),
    special(r"(?P<name>[\w ]+): (?P<numbers>\d+)", _row),
)
COUNT = (line(r"(?P<number>\d+) (?P<what>[A-Z][A-Za-z ]+?)", "", "counts"),)


def _admission(cursor: Cursor, match: re.Match[str]) -> None:
    """`Incoming IKE Requests: 0 accepted: 0 rejected: 0`: the first name is the row's."""
    pairs = re.findall(r"([A-Za-z][\w .\-]*?):\s*(\d+)?(?=\s|$)", match[0])
    name = pairs[0][0]
    found = {("total" if i == 0 else key): int(n) for i, (key, n) in enumerate(pairs) if n}
    cursor.root.setdefault("rows", {})[name] = found


ADMISSION = (
    _RULE,
    line(r"Crypto Call Admission Control Statistics"),
    special(r"[A-Za-z][\w .\-]*:(?:\s*\d+|\s+[a-z]+:).*", _admission),
)


def _performance(cursor: Cursor, match: re.Match[str]) -> None:
    cursor.context["columns"] = ""
    _title(cursor, match["title"].strip().rstrip(":"))


def _share(cursor: Cursor, match: re.Match[str]) -> None:
    rows = cursor.at("tables").setdefault("rows", {})
    rows.setdefault(match["name"].strip(), []).append([value(match["time"]), value(match["part"])])


PERFORMANCE = (
    special(r"(?P<title>(?:Crypto|External) [\w ]+ Stats \([a-z]+\):)", _performance),
    special(r"(?P<title>Summary \(microsecs\):)", _performance),
    special(r"(?P<title>Ingress|Egress): SampleSize tps/avg min max cpu/avg min max", _performance),
    line(r"SampleSize avg min max"),
    special(r"(?P<name>[A-Z][\w ]+): (?P<time>\d+) -> (?P<part>\d+)%", _share),
    special(r"(?P<name>[A-Z][\w ]+): (?P<numbers>\d+)", _row),
    _ROW,
)


def _listed(cursor: Cursor, match: re.Match[str]) -> None:
    key = match["key"].strip().lower().replace(" ", "_")
    text = re.sub(r"/Group (\d+)", r"/Group_\1", match["values"])
    cursor.at("proposals")[key] = [word.replace("/Group_", "/Group ") for word in text.split()]


PROPOSAL = (
    line(r"IKEv2 proposal: (?P<name>\S+)", "", "proposals"),
    special(r"(?P<key>Encryption|Integrity|PRF|DH Group|PQC(?: [A-Za-z ]+)?)\s*: (?P<values>.+?)",
            _listed),
)  # fmt: skip


def _trace(cursor: Cursor, match: re.Match[str]) -> None:
    entry = cursor.at("errors")
    entry["traceback"] = entry.get("traceback", "") + match["trace"].strip() + "\n"


DIAGNOSE = (
    line(r"Exit Path Table - status: (?P<status>\w+), current entry (?P<entries>\d+), "
         r"deleted (?P<deleted>\d+), max allow (?P<most>\d+)"),
    line(r"Error\((?P<number>\d+)\): (?P<text>.+?)", "", "errors"),
    special(r"(?P<trace>-Traceback= .+)", _trace),
    special(r"(?P<trace>[0-9A-F]{4} :[0-9A-F]+\+.*)", _trace),
)  # fmt: skip

GRAMMARS = (
    Grammar("stats exchange", re.compile(r"^EXCHANGE/NOTIFY", re.M), EXCHANGE),
    Grammar("stats ext-service", re.compile(r"^AAA OPERATION", re.M), EXTENDED),
    Grammar("stats timeout", re.compile(r"^IKEV2 TIMER", re.M), TIMEOUT),
    Grammar("stats psh", re.compile(r"IKEV2 PSH STATS"), PSH),
    Grammar("count", re.compile(r"^\s*\d+ Negotiating SAs", re.M), COUNT),
    Grammar("call admission", re.compile(r"Crypto Call Admission Control"), ADMISSION),
    Grammar("performance", re.compile(r"Crypto ISAKMP Performance"), PERFORMANCE),
    Grammar("proposal", re.compile(r"^\s*IKEv2 proposal:", re.M), PROPOSAL),
    Grammar("diagnose", re.compile(r"^Exit Path Table", re.M), DIAGNOSE),
)
