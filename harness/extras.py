"""Libraries that only some users need: `ikelab[NAME]` brings them, a clear line asks for them."""

from __future__ import annotations

import importlib
from typing import Any

from ikelab.harness.errors import ConfigError


def load(module: str, extra: str, what: str) -> Any:
    """Import `module`; ConfigError names the extra that brings it. `what` needs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        missing = (error.name or module).partition(".")[0]
        raise ConfigError(f"{what} needs {missing}: pip install 'ikelab[{extra}]'") from None
