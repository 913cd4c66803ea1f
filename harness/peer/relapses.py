"""Faults of the reference peer that the regression cases and the combinations look for.

Rows as `manners` has them.
"""

from __future__ import annotations

from ikelab.harness.peer.fault_rows import Row, conduct

ALSO: dict[str, str] = {
    "makes-children-for-strangers": "REG-02",
    "accepts-any-key": "AUT-14 REG-05 REG-06 REG-07",
    "dies-of-who-it-refuses": "CHD-09 REG-05 REG-06 REG-07",
    "lets-anybody-in-by-eap": "REG-08",
    "chokes-on-oddities": "INF-11 REG-03 REG-04 VER-07",
    "answers-with-two-proposals": "OPS-02",
    "proves-no-key": "OPS-02",
}

ROWS: list[Row] = [
    conduct(
        "fills-in-what-an-offer-lacks",
        "INIT-04 INIT-09",
        "a transform that is missing from an offer, or is none, is taken for a usual one",
        "insist_on_protection",
    ),
    conduct(
        "chokes-before-authentication",
        "REG-01",
        "after a message in place of IKE_AUTH nothing is answered any more",
        "survive_strangers",
    ),
    conduct(
        "chokes-on-short-eap",
        "REG-09",
        "after an EAP-MSCHAPv2 message that is cut short nothing is sent any more",
        "survive_short_eap",
    ),
]
