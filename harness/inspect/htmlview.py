"""An inspection as one self-contained page, in the style of the matrix page; opens from disk.

No script, nothing from a network: sections that open and close, a picture of each conversation.
"""

from __future__ import annotations

from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ikelab.harness.inspect import ladder, summary, tree
from ikelab.harness.inspect.session import Session
from ikelab.harness.inspect.why.story import Explanation

if TYPE_CHECKING:
    from ikelab.harness.inspect.inspection import Inspection

_OWN = """
body { display: block; height: auto; max-width: 1100px; margin: 0 auto; padding: 16px; }
html { height: auto; }
section { border: 1px solid var(--line); border-radius: 6px; padding: 12px 16px; margin: 16px 0; }
details { margin: 8px 0; }
details > summary { font-weight: 600; }
.works { color: var(--pass); } .fails { color: var(--fail); font-weight: 600; }
.why { padding: 8px 12px; border-left: 4px solid var(--fail); background: var(--raised); }
.why.sound { border-color: var(--pass); }
svg { max-width: 100%; height: auto; }
td, th { text-align: left; padding: 2px 10px 2px 0; vertical-align: top; }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
MOST_TREES = 200
"""Messages of an IKE SA that are shown octet by octet; the rest is for `--format tree`."""


def page(it: Inspection) -> str:
    """The whole page."""
    style = (files("ikelab.reports.page") / "style.css").read_text(encoding="utf-8")
    explained = it.explanations
    failed = sum(not e.works for _, e in explained)
    title = f"ikelab: {it.file}"
    sections = "\n".join(_section(it, s, e) for s, e in explained)
    rest = "\n\n".join(summary.below(it))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
<style>
{style}
{_OWN}
</style>
</head>
<body>
<h1>{escape(title)}</h1>
<p>{escape(summary.head(it).partition(": ")[2])}; {_verdict(len(explained), failed)}</p>
{_contents(explained)}
{sections}
{f"<section><pre>{escape(rest)}</pre></section>" if rest else ""}
</body>
</html>"""


def _verdict(total: int, failed: int) -> str:
    if not total:
        return "no IKE SA"
    if not failed:
        return f'<span class="works">{total} IKE SAs, nothing failed</span>'
    return f'<span class="fails">{failed} of {total} IKE SAs failed</span>'


def _contents(explained: list[tuple[Session, Explanation]]) -> str:
    if len(explained) < 2:
        return ""
    rows = "\n".join(
        f'<tr><td><a href="#{_anchor(s)}"><code>{s.spis}</code></a></td>'
        f"<td>{escape(f'{s.initiator[0]} → {s.responder[0]}')}</td>"
        f'<td class="{"works" if e.works else "fails"}">{escape(e.sentence)}</td></tr>'
        for s, e in explained
    )
    return f"<table>{rows}</table>"


def _anchor(session: Session) -> str:
    return f"sa-{session.spis.i.hex()}-{session.spis.r.hex()}"


def _section(it: Inspection, session: Session, why: Explanation) -> str:
    told = "\n".join(summary.lines(session, it))
    picture = ladder.one(session)
    trees = "\n".join(_trees(session))
    session.forget()
    sound = " sound" if why.works else ""
    return f"""<section id="{_anchor(session)}">
<h2>IKE SA <code>{session.spis}</code></h2>
<p class="why{sound}">{escape(str(why))}</p>
<pre>{escape(told)}</pre>
<details open><summary>Conversation</summary>
{picture}
</details>
<details><summary>Messages, octet by octet</summary>
{trees}
</details>
</section>"""


def _trees(session: Session) -> Any:
    shown = 0
    for exchange in session.exchanges:
        for half in exchange.halves():
            for message in half.messages:
                if message.repeated:
                    continue
                shown += 1
                if shown > MOST_TREES:
                    yield f"<p>Further messages: --format tree, up to frame {message.frame}.</p>"
                    return
                words = tree.text(message, half if message is half.first else None)
                yield (
                    f"<details><summary>frame {message.frame}</summary>"
                    f"<pre>{escape(words)}</pre></details>"
                )
