"""`make demo`: the suite against the built-in peer and a real strongSwan, and one page of both.

Runs the commands that a person would type, prints them, and knows nothing but their exit status
and the run folders that they leave.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

DAEMON = "strongswan@trixie"
AT_ONCE = "4"
"""Cases at once: most of their time is waiting for what the daemon might still say."""
AS_EXPECTED, UNEXPECTED, LAB_FAILED = 0, 1, 3


def main() -> int:
    """Run the demo below runs/ and return its exit status.

    A rule that the daemon breaks is a result. A daemon that cannot be had here (no way to Debian's
    packages, no right to make namespaces) is left out, and said to be.
    """
    place = Path("runs") / f"demo-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    try:
        status = ikelab("run", "--peer", "reference", "--out", str(place / "reference"))
        if status != AS_EXPECTED:
            say(f"the run against the built-in peer ended with {status}, which it never should")
        else:
            status = with_daemon(place / DAEMON)
        return show(place) or status
    except KeyboardInterrupt:
        say(f"stopped; what was recorded is in {place}")
        return 130


def with_daemon(out: Path) -> int:
    """Provision the daemon and run against it; 0 also where it had to be left out."""
    if ikelab("peers", "add", DAEMON) != AS_EXPECTED:
        say(f"left out: the run against {DAEMON}, because its packages cannot be had (see above)")
        return AS_EXPECTED
    status = ikelab("run", "--peer", DAEMON, "--jobs", AT_ONCE, "--out", str(out))
    if status == AS_EXPECTED and verdicts(out) <= {"UNSUPPORTED"}:
        say(f"left out: the run against {DAEMON}, because it cannot work here (see above)")
    if status == UNEXPECTED:
        say(f"some verdicts on {DAEMON} are not as expected: the page shows them")
        return AS_EXPECTED
    if status == LAB_FAILED and not verdicts(out):
        say(f"left out: the run against {DAEMON}, because no lab can be made here (see above)")
        return AS_EXPECTED
    return status


def show(place: Path) -> int:
    """Make the page of every run below `place` and print where it is."""
    runs = sorted(str(found.parent) for found in place.rglob("run.json"))
    page = place / "index.html"
    status = ikelab("report", *runs, "--html", str(page)) if runs else LAB_FAILED
    if status == AS_EXPECTED:
        say(f"the page is {page.resolve()}")
    return status


def verdicts(out: Path) -> set[str]:
    """Every verdict of the runs below `out`."""
    files = out.rglob("results.jsonl")
    return {json.loads(line)["verdict"] for file in files for line in file.open()}


def ikelab(*words: str) -> int:
    """Print and run one command, its output untouched; return its exit status."""
    say("$ ikelab " + " ".join(words))
    # This interpreter, so that the demo shows the ikelab it belongs to and no other on the PATH.
    program = "import sys; from ikelab.harness.cli import main; sys.exit(main())"
    return subprocess.run([sys.executable, "-c", program, *words], check=False).returncode


def say(line: str) -> None:
    """One line on stdout, at once, so that it stands in order with the commands' own."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
