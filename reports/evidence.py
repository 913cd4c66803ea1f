"""What one test left behind: conversation, plan, the peer's configuration and log, capture, keys.

Any of it may be missing; reading never raises, and what is damaged is named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ikelab.reports.records import Json, read_lines, word


@dataclass(frozen=True, slots=True)
class Conversation:
    """The steps of transcript.jsonl, and a sentence for each line that could not be read."""

    steps: tuple[Json, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Text:
    """A text file, its last `limit` characters where it is long; `cut` counts what is not shown."""

    content: str = ""
    cut: int = 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """A test's folder; None where the test had none."""

    folder: Path | None

    def conversation(self) -> Conversation:
        """The transcript, with the complete fields of a line that was cut off."""
        file = self._file("transcript.jsonl")
        if file is None:
            return Conversation()
        try:
            records = list(read_lines(file))
        except OSError as error:
            return Conversation((), (f"transcript.jsonl cannot be read: {error}",))
        return Conversation(
            tuple(r.fields for r in records if r.fields),
            tuple(r.damage for r in records if r.damage),
        )

    def text(self, name: str, limit: int = 1 << 18) -> Text:
        """A text file of the folder, or an empty text; the end of a log is what matters."""
        file = self._file(name)
        if file is None:
            return Text()
        try:
            content = file.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            return Text(f"{name} cannot be read: {error}")
        return Text(content[-limit:], max(0, len(content) - limit))

    def downloads(self) -> list[Path]:
        """The files worth taking away: capture first, then keys, then the rest, by name."""
        if self.folder is None:
            return []
        try:
            files = [p for p in self.folder.rglob("*") if p.is_file() and not p.is_symlink()]
        except OSError:
            return []
        rank = {"capture.pcapng": 0, "ikev2_decryption_table": 1, "esp_sa": 2}
        return sorted(files, key=lambda p: (rank.get(p.name, 3), str(p)))

    def _file(self, name: str) -> Path | None:
        file = self.folder / name if self.folder else None
        return file if file is not None and file.is_file() else None


def absent(folder: Path) -> Iterator[tuple[str, str]]:
    """Each file that a test's folder must have and has not, and what is wrong with it.

    A transcript may be empty by right, where nobody said anything; not where there are keys.
    """
    if not _octets(folder / "capture.pcapng"):
        yield "capture.pcapng", _wrong(folder / "capture.pcapng")
    transcript = folder / "transcript.jsonl"
    if not _octets(transcript):
        keyed = _octets(folder / "keys" / "ikev2_decryption_table")
        if keyed or not transcript.is_file():
            yield "transcript.jsonl", _wrong(transcript)


def _octets(file: Path) -> int:
    """How long a file is; 0 where there is none."""
    try:
        return file.stat().st_size if file.is_file() else 0
    except OSError:
        return 0


def _wrong(file: Path) -> str:
    return "is empty" if file.is_file() else "is missing"


def notation(step: Json) -> str:
    """A step as one line in the RFCs' notation."""
    message = word(step, "message_id", "?")
    return f"#{message} {word(step, 'direction', '---')} {word(step, 'text', '(no text)')}"
