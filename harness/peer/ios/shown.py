"""A show output into its fields: which output it is, line by line what it says, what is not known.

An output is read by rules: a pattern, the level its fields belong to, and the list in which the
line begins something new. A line that no rule knows is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """One sort of line. `opens` names the list of `level` in which it begins a new entry."""

    pattern: re.Pattern[str]
    level: str = ""
    opens: str = ""
    take: Callable[[Cursor, re.Match[str]], None] | None = None


@dataclass(frozen=True, slots=True)
class Grammar:
    """One output: how it is known, and its rules in the order in which they are tried."""

    kind: str
    sign: re.Pattern[str]
    rules: tuple[Rule, ...]


@dataclass(slots=True)
class Output:
    """What an output says; `unknown` has the lines (number, text) that nobody understood."""

    kind: str
    fields: Fields = field(default_factory=dict)
    unknown: list[tuple[int, str]] = field(default_factory=list)


@dataclass(slots=True)
class Cursor:
    """Where in an output the reader stands: the entry that is open on each level."""

    root: Fields
    open: dict[str, Fields] = field(default_factory=dict)
    context: dict[str, str] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)

    def at(self, level: str) -> Fields:
        """The open entry of a level; one is made where the output began in the middle."""
        if not level:
            return self.root
        if level not in self.open:
            self.begin("", level, {})
        return self.open[level]

    def begin(self, level: str, name: str, values: Fields) -> Fields:
        """A new entry in a list of a level; what was open below is closed."""
        if name in self.order:
            for below in self.order[self.order.index(name) :]:
                self.open.pop(below, None)
            del self.order[self.order.index(name) :]
        parent = self.at(level)
        entry = dict(values)
        parent.setdefault(name, []).append(entry)
        self.open[name] = entry
        self.order.append(name)
        return entry


def line(pattern: str, level: str = "", opens: str = "") -> Rule:
    """A rule by its pattern; blanks in it stand for any number of them."""
    return Rule(_loose(pattern), level, opens)


def special(pattern: str, take: Callable[[Cursor, re.Match[str]], None]) -> Rule:
    """A rule whose line is more than fields."""
    return Rule(_loose(pattern), take=take)


def _loose(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace(" ", r"\s+") + r"\s*$")


def value(text: str) -> Any:
    """A number where it is one, a text otherwise."""
    text = text.strip()
    return int(text) if text.isdecimal() else text


def fields(match: re.Match[str]) -> Fields:
    """The named parts that are there."""
    return {name: value(text) for name, text in match.groupdict().items() if text is not None}


def parse(grammar: Grammar, text: str) -> Output:
    """Read an output by its grammar."""
    found = Output(grammar.kind)
    cursor = Cursor(found.fields)
    for number, raw in enumerate(text.replace("\r", "").split("\n"), 1):
        words = raw.strip()
        if words and not _taken(grammar.rules, cursor, words):
            found.unknown.append((number, words))
    return found


def _taken(rules: Iterable[Rule], cursor: Cursor, words: str) -> bool:
    for rule in rules:
        match = rule.pattern.match(words)
        if match is None:
            continue
        if rule.take is not None:
            rule.take(cursor, match)
        elif rule.opens:
            cursor.begin(rule.level, rule.opens, fields(match))
        else:
            cursor.at(rule.level).update(fields(match))
        return True
    return False


def read(text: str) -> Output:
    """Read an output of any of the known commands; kind "" and every line unknown for others."""
    from ikelab.harness.peer.ios import shown_ike, shown_ipsec, shown_stats

    for grammar in (*shown_ipsec.GRAMMARS, *shown_stats.GRAMMARS, *shown_ike.GRAMMARS):
        if grammar.sign.search(text):
            return parse(grammar, text)
    lines = [(n, t.strip()) for n, t in enumerate(text.splitlines(), 1) if t.strip()]
    return Output("", unknown=lines)
