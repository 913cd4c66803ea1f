"""A thousand rekeys in a row, child and IKE SA by turns: nothing repeats and nothing piles up."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import pytest
from crossing import Crossing, assert_agreed

from ikelab.harness.exchange import listener
from ikelab.harness.exchange.sa import IkeSa

REKEYS = 1000
WARM = 400  # after which caches are full and every pool is as large as it gets


class Endurance(Crossing):
    """Two ends that remember nothing for the test but the newest SA of each."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.newest = {"a": self.a, "b": self.b}
        for name, end in self.ends.items():
            end.on_new = lambda sa, name=name: self.newest.__setitem__(name, sa)
        self.sas = {"a": [], "b": []}
        self.a = self.b = self.newest["a"]  # no reference to the first ones

    def rekeys(self, count: int) -> Iterator[tuple[IkeSa, IkeSa]]:
        """Rekey the child, the IKE SA, the child from the other end, the IKE SA from there ..."""
        for n in range(count):
            sa = self.newest["a" if n % 4 < 2 else "b"]
            if n % 2:
                self.settle(self.begin(sa.rekey))
            else:
                self.settle(self.begin(sa.rekey_child, sa.child))
            self.a, self.b = self.newest["a"], self.newest["b"]
            yield self.a, self.b


def numbers(*values: bytes) -> set[int]:
    """Octets as numbers, which are the test's own memory."""
    return {int.from_bytes(value, "big") for value in values}


@pytest.mark.long
def test_a_thousand_rekeys() -> None:
    """Every SPI and key is new, both ends follow, and both are as small as before."""
    x = Endurance(esp=["aes128-sha256-x25519"], ike=["aes128gcm16-prfsha256-x25519"])
    spis: set[int] = set()
    keys: set[int] = set()
    blocks: list[int] = []
    for n, (a, b) in enumerate(x.rekeys(REKEYS), 1):
        assert_agreed(a, b)
        assert len(a.children) == 1 and a.child and a.child.keys and a.keys
        if n % 2:
            new = numbers(*a.children, *b.children)
            fresh = numbers(a.child.keys.encr_i, a.child.keys.encr_r)
        else:
            new = numbers(a.spi_i, a.spi_r)
            fresh = numbers(a.keys.sk_d, a.keys.sk_ei, a.keys.sk_er)
        assert len(new) == 2 and spis.isdisjoint(new) and keys.isdisjoint(fresh)
        spis |= new
        keys |= fresh
        if n in (WARM, REKEYS):
            gc.collect()
            blocks.append(sys.getallocatedblocks() - len(spis) - len(keys))

    assert len(spis) == 2 * REKEYS
    assert blocks[1] - blocks[0] < REKEYS - WARM, blocks  # less than one a rekey
    for end in x.ends.values():
        assert len(end.sas) <= listener.MOST_OVER + listener.SWEEP
    for sa in (x.a, x.b):
        assert len(sa.transcript) < 20 and len(sa.every_child) < 3
        assert len(sa.window.answers) <= 1 and not sa.window.waiting


def test_what_is_kept_of_one_long_lived_ike_sa_is_its_record_only() -> None:
    """Without rekeys of the IKE SA its transcript and its list of children grow, nothing else."""
    x = Crossing()
    for n in range(100):
        sa = x.a if n % 2 else x.b
        x.settle(x.begin(sa.rekey_child, sa.child))
    for sa in (x.a, x.b):
        assert len(sa.children) == 1 and len(sa.every_child) == 101
        assert len(sa.window.answers) <= 1 and not sa.window.waiting
        assert not sa.collisions.theirs and not sa.reassembly.sets
    assert_agreed(x.a, x.b)
