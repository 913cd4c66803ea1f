"""What a probe says is what the kernel then does."""

from __future__ import annotations

import threading
from pathlib import Path

from ikelab.netns import calls, kernel, world


def test_every_ability_is_tried_and_a_refusal_has_words(in_world):
    found = kernel.probe()

    assert {"userns", "ipv6", "tun", "esp", "espintcp", "af_key", "nat", "netem"} == set(found)
    for name, ability in found.items():
        assert ability.name == name
        assert ability.text
        assert bool(ability) != bool(ability.why)


def test_probing_leaves_no_descriptor(in_world):
    def held():
        for thread in threading.enumerate():
            if thread.name == "tun probe":  # takes a device away in its own time
                thread.join()
        return len(list(Path("/proc/self/fd").iterdir()))

    def count():
        kernel.probe()
        before = held()
        kernel.probe()
        return before, held()

    before, after = in_world(count)

    assert before == after


def test_a_kernel_that_allows_no_namespace_says_why_for_everything(in_world, monkeypatch):
    monkeypatch.setattr(world, "available", lambda: "not here")

    found = kernel.probe()

    assert {ability.why for ability in found.values()} == {"not here"}


def test_user_namespaces_are_tried_not_looked_up(in_world):
    def limited():
        calls.unshare(calls.CLONE_NEWUSER)
        Path("/proc/sys/user/max_user_namespaces").write_text("0")
        return kernel.probe()["userns"]

    found = in_world(limited)

    assert not found
    assert found.why == "No space left on device"
