"""Why an IKE SA did not come up, or will not last: one paragraph, evidence by frame number.

`explain` asks the judges of each stage in the order in which a conversation runs; the first that
knows an answer is believed. Nobody is accused of what the capture does not show: where two causes
fit, the sentence names both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ikelab.harness.inspect.configs.side import Pair, Side, assign
from ikelab.harness.inspect.session import Session
from ikelab.harness.inspect.why import auth, child, init, path
from ikelab.harness.inspect.why.story import Explanation, Story, count

if TYPE_CHECKING:
    from ikelab.harness.inspect.inspection import Inspection

__all__ = ["Explanation", "Story", "explain", "explain_all"]


def explain_all(
    it: Inspection, files: Sequence[Sequence[Side]] = (), psks: Sequence[bytes] = ()
) -> list[tuple[Session, Explanation]]:
    """An explanation for each IKE SA of a capture; `files` are configurations, a list for each."""
    found = []
    for session in it.sessions:
        found.append((session, explain(_story(it, session, files, psks))))
        session.forget()
    return found


def explain_one(it: Inspection, session: Session) -> Explanation:
    """The explanation of one IKE SA, with the configurations and keys that the inspection has."""
    return explain(_story(it, session, it.configs.files, it.psks))


def _story(
    it: Inspection, session: Session, files: Sequence[Sequence[Side]], psks: Sequence[bytes]
) -> Story:
    parent = it.parent(session)
    return Story(
        session,
        pair=assign(session, files) if files else Pair(),
        psks=tuple(psks),
        end=it.end,
        bare=it.bare,
        parent=parent[0] if parent else None,
    )


def explain(story: Story) -> Explanation:
    """Why this IKE SA came to nothing, or that it works."""
    return next(_judges(story), None) or works(story)


def _judges(story: Story) -> Iterator[Explanation]:
    stages: Iterable[Iterator[Explanation]] = (
        init.refused(story),
        path.wrong_port(story),
        path.silent(story),
        auth.refused(story),
        child.refused(story),
        path.silent_later(story),
        child.will_break(story),
    )
    for stage in stages:
        yield from stage


def works(story: Story) -> Explanation:
    """Nothing failed, as far as can be seen."""
    children = story.children
    blind = [m for m in story.session.messages if m.sealed and not m.opened]
    if blind and not children:
        return Explanation(
            cause="unread",
            sentence=f"Nothing that can be read failed: {count(len(blind), 'message')} could not "
            "be opened, so whether IKE_AUTH succeeded is not known",
            evidence=(f"the first of them is frame {blind[0].frame} ({blind[0].refusal})",),
            change="give the keys with --keys to see inside",
            frames=(blind[0].frame,),
            certain=False,
            works=True,
        )
    made = f" with {count(len(children), 'child SA')}" if children else ""
    if story.parent is not None:
        text = f"The rekeyed IKE SA works{made}"
    elif story.established is not None:
        text = f"The IKE SA came up{made} and nothing failed"
    else:
        text = "Nothing failed in what was captured; the IKE SA did not come as far as IKE_AUTH"
    frames = tuple(c.frame for c in children[:4])
    return Explanation(cause="works", sentence=text, frames=frames, works=True)
