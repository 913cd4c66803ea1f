"""Explanations as text: a paragraph for each IKE SA, those that failed first."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from ikelab.harness.inspect.session import Session
from ikelab.harness.inspect.why.story import Explanation, at

if TYPE_CHECKING:
    from ikelab.harness.inspect.inspection import Inspection

MOST_SOUND = 10
"""So many IKE SAs that did not fail have a paragraph of their own."""


def text(it: Inspection) -> str:
    """What failed and why; then what did not."""
    failed = [_block(s, e) for s, e in it.explanations if not e.works]
    sound = [_block(s, e) for s, e in it.explanations if e.works]
    if len(sound) > MOST_SOUND:
        sound = [f"{len(sound)} {'other ' if failed else ''}IKE SAs: nothing failed"]
    if not it.sessions:
        sound = [f"{it.file}: there is no IKEv2 in it, so nothing to explain"]
    lost = [f"LOST: {it.lost}"] if it.lost else []
    return "\n\n".join([*failed, *sound, *lost])


def _block(session: Session, found: Explanation) -> str:
    title = f"IKE SA {session.spis}  {at(session.initiator)} --> {at(session.responder)}"
    return f"{title}\n{_wrapped(str(found))}"


def _wrapped(words: str) -> str:
    return textwrap.fill(
        words,
        98,
        initial_indent="  ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
