"""What is said to be removed is gone, and removing nothing is fine."""

from __future__ import annotations

import subprocess

from ikelab.harness.peer import leftovers


def rules():
    return [
        (version, rule)
        for version in ("-4", "-6")
        for rule in subprocess.check_output(["ip", version, "rule"], text=True).splitlines()
    ]


def test_rules_go_and_the_others_stay(in_world):
    def tried():
        before = rules()
        for version in ("-4", "-6"):
            command = f"ip {version} rule add priority 220 table 220"
            subprocess.run(command.split(), check=True)
        between = rules()
        leftovers.drop_rule(220, 220)
        after = rules()
        leftovers.drop_rule(220, 220)
        return before, between, after

    before, between, after = in_world(tried)

    assert len(between) == len(before) + 2
    assert after == before


def test_policies_go(in_world):
    def tried():
        add = "ip xfrm policy add src 10.1.0.0/16 dst 10.2.0.0/16 dir out"
        subprocess.run(add.split(), check=True)
        between = subprocess.check_output(["ip", "xfrm", "policy"], text=True)
        leftovers.flush_ipsec()
        leftovers.flush_ipsec()
        return between, subprocess.check_output(["ip", "xfrm", "policy"], text=True)

    between, after = in_world(tried)

    assert "10.1.0.0/16" in between
    assert after == ""
