"""Paths on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


class Place(click.Path):
    """A path; an empty word, such as a variable that was not set, does not stand for `.`."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if value == "":
            self.fail("an empty path: name a file or a folder", param, ctx)
        return super().convert(value, param, ctx)


PLACE = Place()
