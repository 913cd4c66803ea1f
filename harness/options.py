"""What a test case says instead of the base configuration, in its own short words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ikelab.harness.edits import Plan
from ikelab.harness.exchange.config import IkeConfig
from ikelab.harness.model import Identity, Suite, selectors, suites
from ikelab.layers.iana import Protocol


def overridden(base: IkeConfig, **options: Any) -> IkeConfig:
    """A configuration with what a test case says instead; see `Endpoint.config`."""
    values: dict[str, Any] = {}
    renamed = {"tsi": "local_ts", "tsr": "remote_ts", "edits": "plan"}
    for name, value in options.items():
        name = renamed.get(name, name)
        if name == "ike":
            value = suites(several(value))
        elif name == "esp":
            value = suites(several(value), Protocol.ESP)
        elif name in ("local_ts", "remote_ts"):
            value = selectors(value)
        elif name in ("local_id", "remote_id") and isinstance(value, str):
            value = Identity.parse(value)
        elif name == "psk" and isinstance(value, str):
            value = value.encode()
        elif name == "plan" and isinstance(value, str):
            value = Plan.parse(value)
        values[name] = value
    return replace(base, **values)


def several(value: Any) -> list[Any]:
    """A list of what may be said singly."""
    return [value] if isinstance(value, str | Suite) else list(value)
