"""What a router asks at its console, from power-on to a privileged prompt, and what it is answered.

A table of expect and send. A router that cannot get any further (no image, a wrong password) is an
error in one line, not a wait.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from ikelab.harness.errors import ConfigError, LabError
from ikelab.harness.peer.ios.console import Console

BOOT_TIME = 900.0  # a C8000V takes minutes, the first start longer
# Seconds of silence after which RETURN is pressed, for an idle console shows no prompt. Not at
# once: where a password is asked for, an empty line is a wrong one.
FIRST_NUDGE, NUDGE = 1.0, 5.0
ECHO_TIME = 10.0
TIMES = 6  # how often the same question may come before something is wrong
_NAME = r"[A-Za-z][\w.\-]*"
PROMPT = re.compile(rf"(?:^|[\r\n])({_NAME})#[ \t]*\Z")
_ENABLE = "enable\r"
_SECRET = "{secret}\r"


@dataclass(frozen=True, slots=True)
class Login:
    """Who we are on the router; `enable` is the secret of the privileged mode."""

    username: str = ""
    password: str = field(default="", repr=False)
    enable: str = field(default="", repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not appear in a record."""
        return tuple(word for word in (self.password, self.enable) if word)


@dataclass(frozen=True, slots=True)
class Rule:
    """When the console says `expect`, type `send`; with `stop`, give up and say that."""

    expect: str
    send: str = ""
    stop: str = ""
    echo: bool = False  # what is typed comes back


RULES = (
    Rule(r"rommon \d+ ?>", stop="it stands in ROM monitor: no bootable image was found"),
    Rule(
        r"grub rescue>|No bootable device|Boot failed: not a bootable disk",
        stop="its disk does not boot: is the image whole, and of this platform?",
    ),
    Rule(
        r"% ?(?:Login invalid|Bad (?:passwords|secrets)|Access denied|Authentication failed)",
        stop="it refuses the user name, password or enable secret of the entry",
    ),
    Rule(
        r"% No password set",
        stop="it lets nobody be privileged there: set an enable secret on its console",
    ),
    Rule(r"initial configuration dialog\? \[yes/no\]:?", "no\r"),
    Rule(r"terminate autoinstall\? \[yes\]:?", "yes\r"),
    Rule(r"Enter your selection(?: \[\d\])?:", "0\r"),  # to the prompt, nothing saved
    # IOS XE 17 wants a secret even of who declines the dialog; Ctrl-C leaves it.
    Rule(r"Enter enable secret:|Confirm enable secret:", "\x03"),
    Rule(r"Press RETURN to get started[.!]*", "\r"),
    Rule(r"(?:^|[\r\n])[Uu]sername: *\Z", "{username}\r"),
    Rule(r"(?:^|[\r\n])[Pp]assword: *\Z", _SECRET),
    Rule(r" ?-+ ?More ?-+ ?", "q"),
    Rule(r"\[(?:confirm|yes/no)\]:? *\Z", "\x03"),  # somebody left a question open
    # A console is left as it was: in configuration mode, say.
    Rule(rf"(?:^|[\r\n]){_NAME}\([\w\-]*\)#[ \t]*\Z", "end\r", echo=True),
    Rule(rf"(?:^|[\r\n]){_NAME}>[ \t]*\Z", _ENABLE, echo=True),
)
_PATTERNS = tuple(re.compile(rule.expect) for rule in RULES)


def privileged(console: Console, login: Login, timeout: float = BOOT_TIME) -> str:
    """Talk until the console stands at a privileged prompt; the router's name in it.

    LabError says what the router said last; ConfigError where the entry lacks what it asks for.
    """
    asked: Counter[str] = Counter()
    deadline = console.clock() + timeout
    secret = login.password
    patience = FIRST_NUDGE
    while (left := deadline - console.clock()) > 0:
        found = console.wait((PROMPT, *_PATTERNS), min(patience, left))
        patience = NUDGE
        if found is None:
            console.send("\r")
            continue
        if found.pattern is PROMPT:
            return str(found.match.group(1))
        rule = RULES[_PATTERNS.index(found.pattern)]
        said = " ".join(found.text.split())
        if rule.stop:
            raise LabError(f"{console.name}: {rule.stop} (it said {said!r})")
        asked[rule.expect] += 1
        if asked[rule.expect] > TIMES:
            raise LabError(f"{console.name} asks {said!r} again and again")
        if rule.send == _ENABLE:
            secret = login.enable or login.password
        elif "{username}" in rule.send:
            secret = login.password
        console.send(_answer(console, rule, login, secret))
        if rule.echo:
            # What stands before the echo was said before: a second prompt is no second question.
            console.wait((re.compile(rule.send.strip()),), ECHO_TIME)
    raise LabError(
        f"{console.name} shows no prompt within {timeout:.0f} s; "
        f"it last said: {console.last_words()}"
    )


def _answer(console: Console, rule: Rule, login: Login, secret: str) -> str:
    for word, value, key in (
        ("{username}", login.username, "username"),
        ("{secret}", secret, "password (or enable)"),
    ):
        if word in rule.send and not value:
            raise ConfigError(f"{console.name} asks for a {key}: write it into its entry")
    return rule.send.format(username=login.username, secret=secret)
