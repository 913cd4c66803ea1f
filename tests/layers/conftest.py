"""What the tests of the layers share: the packet classes, a sample of each, the fuzzer."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ikelab.layers import esp as _esp
from ikelab.layers import message as _message  # these two bring in every class
from ikelab.layers.wire import Wire

SAMPLES: dict[str, dict[str, Any]] = {
    "IKEv2_Delete": {"proto": 3, "SPI": [b"abcd", b"efgh"]},
    "IKEv2_Notify": {"SPI": b"abcd", "type": 16393, "notify": b"data"},
    "IKEv2_EAP": {"type": 1, "load": b"me"},
    "IKEv2_TransformAttribute": {"type": 14, "value": b"\x01\x00\x00"},
    "ConfigurationAttribute": {"type": 7, "value": b"version"},
    "RawTrafficSelector": {"load": b"label"},
    "IKEv2_Decrypted": {"iv": b"", "padding": b"pad", "icv": b""},
    "ESP": {"data": b"sealed"},
    "ESP_Decrypted": {"data": b"inner", "padding": b"pad"},
    "AH": {"icv": bytes(12)},
}
"""Fields that a sample of a class has beside its defaults."""


def concrete(cls: type[Wire] = Wire) -> Iterator[type[Wire]]:
    """Every packet class that stands for something on the wire."""
    for sub in cls.__subclasses__():
        if sub.__dict__.get("fields_desc") and not sub.__name__.startswith("_"):
            yield sub
        yield from concrete(sub)


CLASSES = {
    cls.__name__: cls
    for cls in concrete()
    if cls.__name__ not in ("IKEv2_Payload", "TrafficSelector")
}


def sample(cls: type[Wire], **fields: Any) -> Wire:
    """A fresh packet of a class that has something in every field that can."""
    lists: dict[str, Any] = {}
    for field in cls.fields_desc:
        if field.holds_packets and field.islist:
            inner = CLASSES.get(field.cls.__name__, CLASSES["IPv4TrafficSelector"])
            inner = CLASSES["IKEv2_Nonce"] if field.name == "inner" else inner
            lists[field.name] = [sample(inner), sample(inner)]
        elif field.name in ("load", "ke", "nonce", "vendorID", "ID", "cert_data"):
            lists[field.name] = b"octets"
    return cls(**{**lists, **SAMPLES.get(cls.__name__, {}), **fields})


@pytest.fixture(scope="session")
def make() -> Any:
    """`make(cls, **fields)`: a sample packet."""
    return sample


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`packet_class` runs over all classes, `numbered` over all their number fields."""
    from ikelab.layers.fields import Number, Remark

    if "packet_class" in metafunc.fixturenames:
        metafunc.parametrize("packet_class", CLASSES.values(), ids=CLASSES)
    if "numbered" in metafunc.fixturenames:
        rows = {
            f"{name}.{field.name}": (cls, field.name, field.sz)
            for name, cls in CLASSES.items()
            for field in cls.fields_desc
            if isinstance(getattr(field, "fld", field), Number)
        }
        metafunc.parametrize("numbered", rows.values(), ids=rows)
    if "listed" in metafunc.fixturenames:
        rows = {
            f"{name}.{field.name}": (cls, field.name)
            for name, cls in CLASSES.items()
            for field in cls.fields_desc
            if not isinstance(getattr(field, "fld", field), Number | Remark)
        }
        metafunc.parametrize("listed", rows.values(), ids=rows)


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"ikelab_tests_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def decoder() -> ModuleType:
    """The script tests/fuzz_decoder.py as a module."""
    return _load(Path(__file__).parent.parent / "fuzz_decoder.py")


assert _message.PAYLOADS and _esp.ESP
