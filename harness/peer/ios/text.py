"""What a terminal session with IOS is made of: prompts, echoes, pages, log lines, refusals. Pure.

Log lines (`%FAC-SEV-MNEM`, debug output) come in whenever they like: before, in and after an
answer. They are taken out, and kept by whoever asks.
"""

from __future__ import annotations

import re

_DATE = r"[A-Z][a-z]{2} +\d{1,2} (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d+)?(?: [A-Z]{2,5})?"
_STAMP = rf"(?:\d+: )?(?:\w[\w.\-]*: )?[*.]?(?:{_DATE}|\d+[wdy]\d+[dhw]): "
_BARE = r"(?:\d+: )?%[A-Z][A-Z0-9_]*(?:-[A-Z0-9_]+)*-[0-7]-[A-Z0-9_]+: "
LOG_LINE = re.compile(rf"^(?:{_STAMP}|{_BARE}).*(?:\n|\Z)", re.M)
MORE = re.compile(r" ?<?-+ ?[Mm]ore ?-+>? ?")
_ERASED = re.compile(r"\x08+ *\x08*")
_REFUSED = re.compile(
    r"^%+ ?(?:(?:Invalid|Incomplete|Ambiguous|Unrecognized|Unknown|Error|Cannot|Can't|Bad|Failed"
    r"|Command rejected|Not|Unable|Incorrect)\b.*|.*\b(?:not (?:supported|allowed|permitted|valid)"
    r"|is in use|can(?:'|no)t be|failed|rejected)\b.*)|^ERROR: .*|^Command authorization failed.*",
    re.M | re.I,
)
ECHO_WITHIN = 100_000  # characters: an answer may be megabytes, its echo is at the start
SPARED = re.compile(r"\bsh(?:ow?)? +log", re.I)  # its answer is made of log lines


def prompt(name: str) -> re.Pattern[str]:
    """The prompt of a router called `name`, alone on its line; its mode is group 1."""
    # IOS cuts the name in the prompts of configuration modes.
    start = rf"(?:^|[\r\n]){re.escape(name[:16])}[\w.\-]*"
    return re.compile(rf"{start}(?:\(([^)\r\n]*)\))?[#>][ \t]*(?=[\r\n]|\Z)")


def question() -> re.Pattern[str]:
    """What IOS asks before it does as it is told."""
    return re.compile(r"(?:\[confirm\]|\[yes/no\]:?|\(y/n\)\??:?)[ \t]*\Z", re.I)


def plain(text: str) -> str:
    """Lines end in LF alone; what a pager wrote over is gone."""
    text = _ERASED.sub("", MORE.sub("", text))
    return re.sub(r"\r+\n|\n\r+", "\n", text).replace("\r", "")


def without_log(text: str) -> tuple[str, list[str]]:
    """The text without its log lines, and those lines."""
    found = [match.group().rstrip("\n") for match in LOG_LINE.finditer(text)]
    return LOG_LINE.sub("", text), found


def after_echo(text: str, command: str) -> str | None:
    """What follows the echo of `command`; None where it was not echoed (so far).

    A log line in the middle of an echo has been taken out, and left its line ends.
    """
    wanted = "".join(command.split("\n"))
    start = text[:ECHO_WITHIN]
    places = [place for place, character in enumerate(start) if character != "\n"]
    at = "".join(text[place] for place in places).find(wanted)
    if at < 0:
        return None
    return text[places[at + len(wanted) - 1] + 1 :]


def refusal(text: str) -> str:
    """The line in which IOS refuses a command, "" where it took it."""
    found = _REFUSED.search(text)
    return found.group().strip() if found else ""
