"""Findings and campaigns as lines of results.jsonl, so that every report reads a fuzzing run."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ikelab.harness.fuzz.campaigns import Campaign
from ikelab.harness.model import Verdict
from ikelab.harness.record import RESULTS, RunFolder, slug


def of_finding(
    campaign: Campaign, seen: str, about: str, plan: str, folder: str, where: tuple[str, str]
) -> dict[str, Any]:
    """A finding as a result; `where` is the peer's name and the topology."""
    return _row(
        f"fuzz::{campaign.name}::{slug(seen)}", campaign, Verdict.FAIL, where,
        reason=seen, details=about, folder=folder, plan=plan,
    )  # fmt: skip


def of_campaigns(
    run: RunFolder, done: Iterable[Campaign], skipped: dict[str, str], where: tuple[str, str]
) -> None:
    """A result for each campaign done that found nothing; what one found has lines of its own."""
    rows = (run.path / RESULTS).read_text(encoding="utf-8").splitlines()
    told = {str(json.loads(row)["id"]).split("::")[1] for row in rows}
    for campaign in done:
        if campaign.name not in told:
            reason = skipped.get(campaign.name, "")
            verdict = Verdict.UNSUPPORTED if reason else Verdict.PASS
            run.result(_row(f"fuzz::{campaign.name}", campaign, verdict, where, reason=reason))


def _row(
    name: str, campaign: Campaign, verdict: Verdict, where: tuple[str, str], **more: str
) -> dict[str, Any]:
    peer, topology = where
    return {
        "id": name,
        "case": None,
        "title": f"fuzzing {campaign.text}",
        "verdict": str(verdict),
        "peer": peer,
        "role": "initiator" if campaign.response else "responder",
        "topology": topology,
        "rfc": [],
        "level": "",
        "duration": 0.0,
        "violations": [],
        **more,
    }
