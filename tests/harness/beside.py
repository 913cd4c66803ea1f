"""The cases that a planted fault turns to FAIL beside its own: beside.toml, read and written.

Written by tests/whole_fault_matrix.py. Faults that trip the same cases share a row; `why` says
what they have in common where it is not plain.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from textwrap import wrap

PLACE = Path(__file__).with_name("beside.toml")
HEAD = """\
# The cases that a planted fault turns to FAIL beside those that its row names: where they see it
# they have to say so, whatever they are about. Written by tests/whole_fault_matrix.py --write;
# `why` is kept.
"""

Listed = Mapping[str, frozenset[str]]


def rows() -> list[dict[str, str]]:
    """The rows as the file has them: names of faults, why, cases, each a text of words."""
    return tomllib.loads(PLACE.read_text()).get("beside", []) if PLACE.exists() else []


def listed() -> dict[str, frozenset[str]]:
    """The cases beside each fault that has any."""
    return {f: frozenset(row["cases"].split()) for row in rows() for f in row["faults"].split()}


def write(found: Listed) -> None:
    """The file anew; a row keeps the reason that one of its faults had."""
    whys = {fault: row.get("why", "") for row in rows() for fault in row["faults"].split()}
    together: dict[frozenset[str], list[str]] = {}
    for fault in sorted(found):
        if found[fault]:
            together.setdefault(found[fault], []).append(fault)
    parts = [HEAD]
    for cases, faults in together.items():
        why = next((whys[f] for f in faults if whys.get(f)), "")
        said = f'why = "{why}"\n' if why else ""
        parts.append(f"\n[[beside]]\nfaults = {_words(faults)}\n{said}cases = {_words(cases)}\n")
    PLACE.write_text("".join(parts))


def _words(words: frozenset[str] | list[str]) -> str:
    text = " ".join(sorted(words))
    if len(text) < 80:
        return f'"{text}"'
    return '"""\n' + "\n".join(wrap(text, 98, break_on_hyphens=False)) + '\n"""'
