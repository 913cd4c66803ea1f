"""What a user writes of the wire to a router, and what each back-end makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ikelab.harness import routers
from ikelab.harness.errors import ConfigError
from ikelab.harness.lab.base import Impairment


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("loss=5%, delay=50ms", Impairment(loss=5, delay=50)),
        ("delay=1s,jitter=20 ms", Impairment(delay=1000, jitter=20)),
        ("bandwidth=2mbit", Impairment(bandwidth=2000)),
        (
            "duplicate=1%,reorder=2%,corrupt=3%,bandwidth=64kbit",
            Impairment(duplicate=1, reorder=2, corrupt=3, bandwidth=64),
        ),
        ("loss=0%", Impairment()),
    ],
)
def test_a_condition_is_read_with_its_units(text: str, meant: Impairment) -> None:
    assert Impairment.parse(text) == meant


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("los=5%", r"'los=5%': write .*; did you mean 'loss'"),
        ("loss=5", 'write "loss=5%, delay=50ms", with any of loss, delay, jitter'),
        ("delay=5%", "'delay=5%': write"),
        ("loss=101%", "a share is 100 % at most"),
        ("loss=-1%", "'loss=-1%': write"),
        ("loss=5%,", "condition '': write"),
        ("heavy", "'heavy': write"),
    ],
)
def test_what_is_wrong_in_a_condition_is_one_line(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as told:
        Impairment.parse(text)
    assert "\n" not in str(told.value)


def test_a_condition_of_an_entry_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    (tmp_path / "ikelab.toml").write_text(
        '[peers.r1]\nkind = "ios"\naddress = "10.0.0.2"\n[peers.r1.gns3]\nurl = "http://h"\n'
        'condition = "loss=lots"\n'
    )

    with pytest.raises(ConfigError, match="peer 'r1': condition 'loss=lots': write"):
        routers.find(str(tmp_path / "ikelab.toml"))
