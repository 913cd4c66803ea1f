"""Deviations as data: an Edit is a value with a text form, a Plan binds edits to exchanges.

`IKE_AUTH/request: SK.TSi[0].start_port += 1` is a test id, a report line, a replay file and a
corpus entry. The text is Python's own syntax for assignments and calls with literal arguments,
read through `ast` and never evaluated. Edits act at four stages: message (the packet tree), plain
(the inner chain and its padding), sealed (IV, ciphertext, ICV), wire (datagrams).
An edit that matches nothing is a ConfigError, never a pass.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any

from ikelab.harness.errors import ConfigError, nearest
from ikelab.layers.iana import Exchange

Value = int | bytes | str | bool | float | tuple[int, bytes] | None


class Stage(StrEnum):
    """Where an edit acts."""

    MESSAGE = "message"
    PLAIN = "plain"
    SEALED = "sealed"
    WIRE = "wire"


# The operators of each stage, with the names of their positional arguments. `assign` and the
# augmented assignments are the message stage's statements; all the rest are calls.
OPERATORS: dict[Stage, dict[str, tuple[str, ...]]] = {
    Stage.MESSAGE: {
        "set": ("path", "value"),
        "add": ("path", "value"),
        "xor": ("path", "value"),
        "or": ("path", "value"),
        "drop": ("path",),
        "duplicate": ("path",),
        "swap": ("path", "other"),
        "move": ("path",),
        "insert": ("path",),
        "append": ("path", "value"),
        "truncate": ("path", "value"),
    },
    Stage.PLAIN: {
        "pad": ("length",),
        "pad_length": ("value",),
        "padding": ("value",),
        "flip": ("offset", "bit"),
        "truncate": ("length",),
        "append": ("value",),
        "replace": ("value",),
    },
    Stage.SEALED: {
        "flip": ("part", "bit"),
        "set": ("part", "value"),
        "truncate": ("part", "length"),
        "append": ("part", "value"),
        "drop": ("part",),
    },
    Stage.WIRE: {
        "flip": ("offset", "bit"),
        "set": ("offset", "value"),
        "truncate": ("length",),
        "append": ("value",),
        "drop": (),
        "duplicate": ("count",),
        "delay": ("seconds",),
        "from_port": ("port",),
        "to_port": ("port",),
        "marker": ("value",),
        "replay": (),
        "reverse": (),
    },
}
OPTIONS = {
    ("message", "move"): {"after", "before"},
    ("message", "insert"): {"after", "before", "payload"},
    ("wire", "duplicate"): {"gap"},
}


@dataclass(frozen=True, slots=True)
class PayloadSpec:
    """A payload to insert, as text can say it: a notation and its fields."""

    kind: str
    fields: tuple[tuple[str, Value], ...] = ()
    args: tuple[Value, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind}({_arguments(self.args, self.fields)})"


@dataclass(frozen=True, slots=True)
class Edit:
    """One deviation. `str(edit)` parses back to an equal edit."""

    stage: Stage
    op: str
    args: tuple[Any, ...] = ()
    options: tuple[tuple[str, Any], ...] = field(default=())

    def option(self, name: str, default: Any = None) -> Any:
        """The value of a keyword option."""
        return dict(self.options).get(name, default)

    def __str__(self) -> str:
        if self.stage is Stage.MESSAGE and self.op in _SIGNS and not self.args[0].endswith(")"):
            path, value = self.args
            return f"{path} {_SIGNS[self.op]} {_literal(value)}"
        # What ends with a notify's name, `N(COOKIE)`, cannot stand before a sign of assignment.
        prefix = "" if self.stage is Stage.MESSAGE else f"{self.stage}."
        return f"{prefix}{self.op}({_arguments(self.args, self.options)})"

    @classmethod
    def parse(cls, text: str) -> Edit:
        """Read one edit; ConfigError says what is not understood."""
        try:
            body = ast.parse(text.strip()).body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            reason = error.args[0] if error.args else "too deep"
            raise ConfigError(f"not an edit: {text!r} ({reason})") from None
        if len(body) != 1:
            raise ConfigError(f"not one edit: {text!r}")
        return _statement(body[0], text)


_SIGNS = {"set": "=", "add": "+=", "xor": "^=", "or": "|="}
_AUGMENTED = {ast.Add: "add", ast.BitXor: "xor", ast.BitOr: "or"}


def _literal(value: Any) -> str:
    if isinstance(value, PayloadSpec):
        return str(value)
    if isinstance(value, tuple):
        inner = ", ".join(map(_literal, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    # A member of a registry is written as its number: text holds no names of Python's.
    return repr(int(value)) if isinstance(value, int) and type(value) is not bool else repr(value)


def _arguments(args: Iterable[Any], options: Iterable[tuple[str, Any]]) -> str:
    words = [_literal(a) for a in args] + [f"{k}={_literal(v)}" for k, v in options]
    return ", ".join(words)


def _statement(node: ast.stmt, text: str) -> Edit:
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        return Edit(Stage.MESSAGE, "set", (ast.unparse(node.targets[0]), _value(node.value, text)))
    if isinstance(node, ast.AugAssign):
        path, value = ast.unparse(node.target), _value(node.value, text)
        if isinstance(node.op, ast.Sub) and isinstance(value, int):
            return Edit(Stage.MESSAGE, "add", (path, -value))
        op = _AUGMENTED.get(type(node.op))
        if op:
            return Edit(Stage.MESSAGE, op, (path, value))
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return _call(node.value, text)
    raise ConfigError(f"not an edit: {text!r}; write PATH = VALUE, PATH += N or operator(...)")


def _call(node: ast.Call, text: str) -> Edit:
    name, stage = node.func, Stage.MESSAGE
    if isinstance(name, ast.Attribute) and isinstance(name.value, ast.Name):
        if name.value.id not in list(Stage):
            known = ", ".join(Stage)
            raise ConfigError(f"unknown stage {name.value.id!r} in {text!r}; there are {known}")
        stage, op = Stage(name.value.id), name.attr
    elif isinstance(name, ast.Attribute) and _is_at(name.value):
        # at("SA.proposal[1].trans_nb").add(1) says the same as PATH += 1
        at, op = name.value, name.attr
        assert isinstance(at, ast.Call)
        args = (*(_value(a, text) for a in at.args), *(_value(a, text) for a in node.args))
        return _checked(Edit(Stage.MESSAGE, op, args, _keywords(node, text)), text)
    elif isinstance(name, ast.Name):
        op = name.id
    else:
        raise ConfigError(f"not an edit: {text!r}")
    args = tuple(_value(a, text) for a in node.args)
    return _checked(Edit(stage, op, args, _keywords(node, text)), text)


def _keywords(node: ast.Call, text: str) -> tuple[tuple[str, Any], ...]:
    if any(k.arg is None for k in node.keywords):
        raise ConfigError(f"not an edit: {text!r} (** has no names)")
    return tuple((str(k.arg), _value(k.value, text)) for k in node.keywords)


def _is_at(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "at"


# Arguments that may be left out: the chain in clear, the lowest bit.
_OPTIONAL = {"insert": {"path"}, "flip": {"bit"}}


def _checked(edit: Edit, text: str) -> Edit:
    """The edit in its one form: every argument there, named ones in their places."""
    known = OPERATORS[edit.stage]
    if edit.op not in known:
        close = nearest(edit.op, known)
        raise ConfigError(f"unknown operator {edit.op!r} at stage {edit.stage} in {text!r}{close}")
    names, args, options = known[edit.op], list(edit.args), dict(edit.options)
    while len(args) < len(names) and names[len(args)] in options:
        args.append(options.pop(names[len(args)]))
    wrong = set(options) - OPTIONS.get((edit.stage.value, edit.op), set())
    if wrong:
        raise ConfigError(f"{edit.op} knows no {', '.join(sorted(wrong))}: {text!r}")
    missing = set(names[len(args) :]) - _OPTIONAL.get(edit.op, set())
    if missing or len(args) > len(names):
        raise ConfigError(f"{edit.op} takes {', '.join(names) or 'nothing'}: {text!r}")
    for place, name in enumerate(names[: len(args)]):
        if name in ("path", "other"):
            args[place] = _path(args[place], text) if args[place] != "" else ""
    return Edit(edit.stage, edit.op, tuple(args), tuple(options.items()))


def _path(value: Any, text: str) -> str:
    """A path in the form that Python writes, so that equal paths are equal texts."""
    try:
        return _written(value.strip())
    except (AttributeError, SyntaxError, ValueError):
        raise ConfigError(f"not a path: {value!r} in {text!r}") from None


@lru_cache(maxsize=1024)
def _written(path: str) -> str:
    return ast.unparse(ast.parse(path, mode="eval"))


def _value(node: ast.expr, text: str) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        args = tuple(_value(a, text) for a in node.args)
        return PayloadSpec(node.func.id, _keywords(node, text), args)
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError):
        raise ConfigError(f"not a literal value in {text!r}: {ast.unparse(node)}") from None


def at(path: str) -> _At:
    """The start of an edit of one field: `at("SA.proposal[1].trans_nb").add(1)`."""
    return _At(path)


class _At:
    """A path waiting for its operator."""

    def __init__(self, path: str) -> None:
        self.path = _path(path, f"at({path!r})")

    def _edit(self, op: str, *args: Any) -> Edit:
        return Edit(Stage.MESSAGE, op, (self.path, *args))

    def set(self, value: Value) -> Edit:
        """Make the field literal."""
        return self._edit("set", value)

    def add(self, value: int) -> Edit:
        """Add to the number that would have been sent, computed ones included."""
        return self._edit("add", value)

    def xor(self, value: int | bytes) -> Edit:
        """Flip the bits that are set in `value`."""
        return self._edit("xor", value)

    def truncate(self, length: int) -> Edit:
        """Cut octets to `length`; a negative one cuts that many from the end."""
        return self._edit("truncate", length)

    def append(self, value: bytes) -> Edit:
        """Append octets to the field."""
        return self._edit("append", value)


def drop(path: str) -> Edit:
    """Remove a payload, or an element of a list."""
    return _checked(Edit(Stage.MESSAGE, "drop", (path,)), "drop")


def duplicate(path: str) -> Edit:
    """Repeat a payload or an element right behind itself."""
    return _checked(Edit(Stage.MESSAGE, "duplicate", (path,)), "duplicate")


def swap(path: str, other: str) -> Edit:
    """Exchange the places of two payloads or elements."""
    return _checked(Edit(Stage.MESSAGE, "swap", (path, other)), "swap")


def move(path: str, *, after: str | None = None, before: str | None = None) -> Edit:
    """Put a payload somewhere else in its chain."""
    options = _options(after=after, before=before)
    return _checked(Edit(Stage.MESSAGE, "move", (path,), options), "move")


def insert(
    path: str = "", *, payload: PayloadSpec, after: str | None = None, before: str | None = None
) -> Edit:
    """Insert a payload into the clear chain (`path` empty) or into `SK`; at the end by default."""
    options = _options(after=after, before=before, payload=payload)
    return _checked(Edit(Stage.MESSAGE, "insert", (path,), options), "insert")


def unknown(kind: int, data: bytes = b"", *, critical: bool = False) -> PayloadSpec:
    """A payload of any type number with any content."""
    return PayloadSpec("unknown", _options(data=data or None, critical=critical or None), (kind,))


def notify(kind: str | int, data: bytes = b"", **fields: Value) -> PayloadSpec:
    """A notify by IANA name or number, with its data; `proto` and `spi` are optional."""
    return PayloadSpec("notify", _options(data=data or None, **fields), (kind,))


def vendor(data: bytes) -> PayloadSpec:
    """A Vendor ID payload."""
    return PayloadSpec("vendor", (), (data,))


def certreq(encoding: int, data: bytes) -> PayloadSpec:
    """A CERTREQ payload."""
    return PayloadSpec("certreq", (), (encoding, data))


def cp(kind: int, *attributes: int | tuple[int, bytes]) -> PayloadSpec:
    """A Configuration payload: its type, then attributes as a type or (type, value)."""
    return PayloadSpec("cp", (), (kind, *attributes))


def _options(**values: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((k, v) for k, v in values.items() if v is not None)


class _StageOperators:
    """Makes `wire.duplicate(2, gap=0.1)` the Edit that its text says."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def __getattr__(self, op: str) -> Callable[..., Edit]:
        if op not in OPERATORS[self._stage]:
            raise AttributeError(op)

        def build(*args: Any, **options: Any) -> Edit:
            return _checked(Edit(self._stage, op, args, tuple(options.items())), op)

        return build


plain = _StageOperators(Stage.PLAIN)
sealed = _StageOperators(Stage.SEALED)
wire = _StageOperators(Stage.WIRE)


@dataclass(frozen=True, slots=True)
class Binding:
    """An edit and the messages it applies to: the exchange, the direction, which one of them.

    `exchange` None is any; `number` counts such messages of ours from 0, None is each of them.
    """

    exchange: str | None
    response: bool
    edit: Edit
    number: int | None = None

    @property
    def target(self) -> str:
        """`IKE_AUTH/request`, `*/response`, `IKE_SA_INIT/request#1`."""
        half = "response" if self.response else "request"
        which = "" if self.number is None else f"#{self.number}"
        return f"{self.exchange or '*'}/{half}{which}"

    def __str__(self) -> str:
        return f"{self.target}: {self.edit}"

    @classmethod
    def parse(cls, line: str) -> Binding:
        """Read `EXCHANGE/request[#n]: EDIT`."""
        target, colon, text = line.partition(":")
        exchange, slash, half = target.strip().partition("/")
        half, _, number = half.partition("#")
        if not colon or not slash or half not in ("request", "response"):
            raise ConfigError(f"not a plan line: {line!r}; write IKE_AUTH/request: EDIT")
        if exchange != "*" and exchange not in Exchange.__members__:
            close = nearest(exchange, Exchange.__members__)
            raise ConfigError(f"unknown exchange {exchange!r}{close}")
        if number and not number.isdecimal():
            raise ConfigError(f"not a number after '#': {line!r}")
        return cls(
            None if exchange == "*" else exchange,
            half == "response",
            Edit.parse(text),
            int(number) if number else None,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """Edits bound to exchanges; its text is one binding a line, `#` lines are comments."""

    bindings: tuple[Binding, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Plan:
        """Read a plan file; ConfigError names the line."""
        found = []
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip() and not line.lstrip().startswith("#"):
                try:
                    found.append(Binding.parse(line))
                except ConfigError as error:
                    raise ConfigError(f"line {number}: {error}") from None
        return cls(tuple(found))

    @classmethod
    def of(cls, exchange: str | None, response: bool, edits: Sequence[Edit]) -> Plan:
        """The same edits for one kind of message."""
        return cls(tuple(Binding(exchange, response, e) for e in edits))

    def edits(self, exchange: int, response: bool, number: int) -> tuple[Edit, ...]:
        """What applies to the `number`th such message that we send."""
        return tuple(
            b.edit
            for b in self.bindings
            if b.response == response
            and (b.exchange is None or Exchange[b.exchange] == exchange)
            and (b.number is None or b.number == number)
        )

    def __add__(self, other: Plan) -> Plan:
        return Plan(self.bindings + other.bindings)

    def __bool__(self) -> bool:
        return bool(self.bindings)

    def __str__(self) -> str:
        return "\n".join(str(b) for b in self.bindings)
