"""Every named bad public value is refused by our own key exchange, with a reason."""

from __future__ import annotations

import pytest

from ikelab.harness.crypto import ke
from ikelab.harness.crypto.bad_public import bad_public, bad_publics
from ikelab.harness.crypto.errors import BadPublicValue
from ikelab.harness.errors import ConfigError
from ikelab.layers.iana import Ke

POSSIBLE = [row for row in Ke if ke.why_not(row) is None]


@pytest.mark.parametrize("group", POSSIBLE, ids=lambda row: row.name)
def test_is_refused(group):
    for bad in bad_publics(group):
        with pytest.raises(BadPublicValue) as refused:
            ke.respond(group, lambda count: b"\x05" * count, bad.value).shared(bad.value)
        assert group.iana in str(refused.value), bad.name


@pytest.mark.parametrize("group", list(Ke), ids=lambda row: row.name)
def test_names_differ_and_so_do_values(group):
    values = bad_publics(group)
    assert len({bad.name for bad in values}) == len({bad.value for bad in values}) == len(values)
    assert {bad.name for bad in values} >= {"long"}


def test_lengths_are_one_octet_off():
    for group in POSSIBLE:
        assert len(bad_public(group, "short")) == group.public - 1
        assert len(bad_public(group, "long")) == group.public + 1


def test_subgroup_elements_have_the_order_they_say():
    """RFC 6989 2.2: groups 22 to 24 have small subgroups."""
    from ikelab.harness.crypto.groups import modp

    for group in (Ke.MODP_1024_160, Ke.MODP_2048_224, Ke.MODP_2048_256):
        orders = [bad for bad in bad_publics(group) if bad.name.startswith("order-")]
        assert orders
        for bad in orders:
            order = int(bad.name.removeprefix("order-"))
            assert pow(int.from_bytes(bad.value, "big"), order, modp(group).p) == 1


def test_unreduced_points_are_on_the_curve_but_for_the_range():
    """A peer that reduces before it checks takes `x-plus-p` for a good point."""
    from ikelab.harness.crypto.groups import CURVES

    for group, curve in CURVES.items():
        value = bad_public(group, "x-plus-p")
        x, y = (int.from_bytes(value[n : n + curve.octets], "big") for n in (0, curve.octets))
        assert x >= curve.p
        assert curve.holds(x % curve.p, y)


def test_unknown_name_says_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'zero'"):
        bad_public(Ke.ECP_256, "zeros")
