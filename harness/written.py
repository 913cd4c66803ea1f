"""What users write into the tables of ikelab.toml: keys, kinds of values, URLs; one line for each.

It knows no table. Who reads one says which keys it has and of which kind their values are.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from ikelab.harness.errors import ConfigError, nearest

Kinds = type | tuple[type, ...]
_WORDS = {str: "a text in quotes", int: "a whole number", bool: "true or false", list: "a list",
          dict: "a table"}  # fmt: skip
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+(?:%\w+)?")


def check(table: Mapping[str, Any], keys: Mapping[str, Kinds], *, where: str = "",
          lines: Collection[str] = ()) -> None:  # fmt: skip
    """ConfigError for a key that there is not, and for a value that is of another kind or empty.

    `where` completes "unknown key 'x'"; `lines` are keys whose texts may have more than one line.
    """
    for key, value in table.items():
        if key not in keys:
            raise ConfigError(f"unknown key {key!r}{where}{nearest(key, keys)}")
        if not isinstance(value, keys[key]) or (isinstance(value, bool) and keys[key] is int):
            raise ConfigError(f"{key} is of the wrong type, not {_kind(keys[key])}{where}")
        if isinstance(value, str) and not value.strip():
            raise ConfigError(f"{key} is empty{where}: leave it out, or say what it is")
        if isinstance(value, str) and not value.isprintable() and key not in lines:
            raise ConfigError(f"{key} has a character in it that nobody can type{where}")


def between(key: str, value: Any, least: int, most: int) -> None:
    """ConfigError for a number out of its range; one that is not there is in it."""
    if value is not None and not least <= value <= most:
        raise ConfigError(f"{key} = {value}: write a number from {least} to {most}")


def url(text: Any, kind: str) -> None:
    """ConfigError for what is no address of a server on the web."""
    how = f'table {kind} needs url = "http://HOST:PORT"'
    if not isinstance(text, str):
        raise ConfigError(how)
    try:
        parts = urlsplit(text)
        whole = (parts.scheme in ("http", "https") and parts.port != 0 and "@" not in parts.netloc
                 and not parts.netloc.endswith(":")
                 and not (parts.query or parts.fragment))  # fmt: skip
    except ValueError:
        whole = False
    if not whole or not is_host(parts.hostname or "") or set(text) & set(" \t\n"):
        raise ConfigError(f"{how}, not {text!r}")


def is_host(text: str) -> bool:
    """Whether it could be a host's name or address."""
    return bool(_HOST.fullmatch(text))


def _kind(kinds: Kinds) -> str:
    return " or ".join(_WORDS[kind] for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))
