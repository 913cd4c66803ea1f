"""A configuration file, whatever daemon it is of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ikelab.harness.errors import ConfigError
from ikelab.harness.inspect.configs.side import Configs, Side

__all__ = ["Configs", "load", "sides_of"]


def load(paths: Iterable[Path]) -> Configs:
    """Read files; ConfigError for one that cannot be read or is of no daemon known here."""
    found = Configs()
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"cannot read {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ConfigError(f"{path} is no configuration: it is not text") from None
        sides = sides_of(text, path.name)
        if sides:
            found.files.append(sides)
            continue
        from ikelab.harness.inspect.configs import ipsec

        keys = ipsec.parse(text)[1]
        if not keys:
            raise ConfigError(
                f"{path}: no connection found; swanctl.conf, ipsec.conf, ipsec.secrets, iked.conf "
                "and IOS configurations are read"
            )
        found.psks += keys
    if found.psks:
        found.files = [
            [replace(s, psks=s.psks or tuple(found.psks)) for s in sides] for sides in found.files
        ]
    return found


def sides_of(text: str, source: str) -> list[Side]:
    """The connections of a file, its format told by its first lines of substance."""
    from ikelab.harness.inspect.configs import iked, ios, ipsec, swanctl

    if re.search(r"^\s*connections\s*\{", text, re.MULTILINE):
        return swanctl.read(text, source)
    if re.search(r"^conn\s+\S", text, re.MULTILINE):
        return ipsec.read(text, source)
    if ios.recognised(text):
        return ios.read(text, source)
    if re.search(r"^\s*ikev2\s", text, re.MULTILINE):
        return iked.read(text, source)
    return []
