"""Faults of the reference peer that only show on a path that does something to packets.

Rows as `faults` makes them. The cases that they trip need namespaces, so that the matrix in memory
leaves them out; tests/harness/test_networks.py has both.
"""

from __future__ import annotations

from ikelab.harness.peer.fault_rows import Row, conduct

ROWS: list[Row] = [
    conduct(
        "keeps-the-old-mapping",
        "NAT-09",
        "what it sends by itself goes to where the SA began, wherever fresh messages come from",
        "follow_mapping",
    ),
    conduct(
        "follows-behind-a-nat",
        "NAT-09",
        "although behind a NAT it sends everything to where the last message came from",
        "stay_behind_nat",
    ),
    conduct(
        "knows-one-client-an-address",
        "NAT-10",
        "a new IKE SA takes the place of the one that came from the same address",
        "tell_clients_apart",
    ),
]
ON_PATHS = frozenset(row[0] for row in ROWS)
