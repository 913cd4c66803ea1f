"""Names of peers: what there is, and what is said of a name that is not."""

from __future__ import annotations

import pytest

from ikelab.harness.errors import ConfigError, LabError
from ikelab.harness.peer import registry


def test_every_release_is_a_name():
    assert {"strongswan@bookworm", "strongswan@trixie", "strongswan@sid"} <= set(registry.names())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("strongswam@trixie", "did you mean 'strongswan@trixie'"),
        ("strongswan@woody", "unknown release 'woody' of strongswan; there are"),
        ("strongswan", "which release of strongswan"),
        ("zzz", "known: strongswan@bullseye"),
    ],
)
def test_an_unknown_name_names_the_nearest(name, said):
    with pytest.raises(ConfigError, match=said):
        registry.driver(name)


def test_a_peer_that_was_not_added_says_how(empty_cache, tmp_path):
    with pytest.raises(LabError, match="run 'ikelab peers add strongswan@trixie'"):
        registry.open_peer("strongswan@trixie", None, tmp_path)


def test_removing_what_is_not_there_says_what_is(empty_cache):
    with pytest.raises(ConfigError, match=r"strongswan@trixie has not been added \(there: none\)"):
        registry.remove("strongswan@trixie")
