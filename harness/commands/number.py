"""Numbers on the command line."""

from __future__ import annotations

from typing import Any, cast

import click


class Number(click.FloatRange):
    """A number within bounds; neither nan nor an infinity is one."""

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        found = float(click.FLOAT.convert(value, param, ctx))
        low, high = f"{self.min:g}", f"{self.max:.0f}"
        if not cast("float", self.min) <= found <= cast("float", self.max):
            self.fail(f"{found:g}: give a number from {low} to {high}", param, ctx)
        return found
