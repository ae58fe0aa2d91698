"""Deliberate mistakes in a module, found by its syntax tree.

Each mutant replaces one stretch of the text: a comparison turned round, a condition left
out, a number off by one, a statement dropped. What is no code (docstrings, annotations,
imports, assertions) stays as it is.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

_COMPARED: dict[type[ast.cmpop], str] = {
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.In: "not in",
    ast.NotIn: "in",
    ast.Is: "is not",
    ast.IsNot: "is",
}
_COMPUTED: dict[type[ast.operator], str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "//",
    ast.FloorDiv: "*",
    ast.Div: "*",
    ast.Mod: "//",
    ast.BitOr: "&",
    ast.BitAnd: "|",
    ast.LShift: ">>",
    ast.RShift: "<<",
}
_SKIPPED = (ast.Import, ast.ImportFrom, ast.Assert, ast.arg, ast.Global)


class Mutant(NamedTuple):
    """One mistake; start and end are places in the module's bytes."""

    path: Path
    kind: str
    line: int
    start: int
    end: int
    new: str

    def text(self) -> bytes:
        """Return the module with the mistake."""
        raw = self.path.read_bytes()
        return raw[: self.start] + self.new.encode() + raw[self.end :]

    def __str__(self) -> str:
        """Return where it is, and what has become of what."""
        old = self.path.read_bytes()[self.start : self.end].decode()
        before, after = (" ".join(t.split())[:70] for t in (old, self.new))
        return (
            f"{self.path}:{self.line}: {self.kind}: {before or '-'} -> {after or '-'}"
        )


def find_mutants(path: Path) -> list[Mutant]:
    """Return every mutant of a module that can still be compiled."""
    raw = path.read_bytes()
    finder = _Finder(raw)
    found: dict[tuple[int, int, str], Mutant] = {}
    for kind, line, start, end, new in finder.statements(ast.parse(raw).body):
        mutant = Mutant(path, kind, line, start, end, new)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                compile(mutant.text(), str(path), "exec")
        except (SyntaxError, ValueError):
            continue
        if raw[start:end] != new.encode():
            found.setdefault((start, end, new), mutant)
    return list(found.values())


Change = tuple[str, int, int, int, str]  # kind, line, start, end, new text


class _Finder:
    """Finds changes in one module's text."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._starts = [0]
        for line in raw.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def _span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return (
            self._starts[node.lineno - 1] + node.col_offset,
            self._starts[node.end_lineno - 1] + node.end_col_offset,
        )

    def _text(self, node: ast.expr) -> str:
        start, end = self._span(node)
        return self._raw[start:end].decode()

    def _replaced(self, kind: str, node: ast.expr | ast.stmt, new: str) -> Change:
        return (kind, node.lineno, *self._span(node), new)

    def statements(self, body: list[ast.stmt]) -> Iterator[Change]:
        """Yield the changes in some statements, whose docstring is left alone."""
        for place, statement in enumerate(body):
            is_text = isinstance(statement, ast.Expr) and isinstance(
                statement.value, ast.Constant
            )
            if not (place == 0 and is_text):
                yield from self._in(statement)

    def _in(self, node: ast.AST) -> Iterator[Change]:  # noqa: C901
        if isinstance(node, _SKIPPED):
            return
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            for decorator in node.decorator_list:
                yield from self._in(decorator)
            yield from self.statements(node.body)
            return
        yield from self._of(node)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "targets", "target", "func", "ctx"):
                continue
            if name in ("body", "orelse", "finalbody") and isinstance(value, list):
                yield from self.statements(value)
            elif isinstance(value, list):
                for each in value:
                    if isinstance(each, ast.AST):
                        yield from self._in(each)
            elif isinstance(value, ast.AST) and not isinstance(node, ast.JoinedStr):
                yield from self._in(value)

    def _of(self, node: ast.AST) -> Iterator[Change]:  # noqa: C901  (a table)
        """Yield the changes of one node itself."""
        match node:
            case ast.Expr() | ast.AugAssign():
                yield self._replaced("drop-statement", node, "pass")
            case ast.Return(value=value) if value is not None:
                yield self._replaced("return-none", node, "return None")
            case ast.Raise():
                yield self._replaced("drop-raise", node, "pass")
            case ast.Continue():
                yield self._replaced("continue-break", node, "break")
            case ast.Break():
                yield self._replaced("break-continue", node, "continue")
            case ast.If(test=test) if "TYPE_CHECKING" not in self._text(test):
                yield self._replaced("negate-if", test, f"not ({self._text(test)})")
                yield self._replaced("if-false", test, "False")
            case ast.IfExp():
                parts = map(self._text, (node.orelse, node.test, node.body))
                yield self._replaced(
                    "swap-if", node, "({} if {} else {})".format(*parts)
                )
            case ast.Compare():
                yield from self._compare(node)
            case ast.BoolOp():
                yield from self._boolean(node)
            case ast.UnaryOp(op=ast.Not()):
                new = f"bool({self._text(node.operand)})"
                yield self._replaced("drop-not", node, new)
            case ast.BinOp():
                yield from self._between(
                    "operator", node.left, node.right, _COMPUTED.get(type(node.op))
                )
            case ast.Constant():
                yield from self._constant(node)
            case ast.JoinedStr():
                yield self._replaced("text", node, f"('XX' + {self._text(node)})")
            case ast.comprehension():
                for test in node.ifs:
                    yield self._replaced("any-item", test, "True")
            case ast.Call():
                yield from self._call(node)
            case ast.List() | ast.Set() | ast.Tuple() if len(node.elts) > 2:
                yield from self._elements(node.elts)

    def _compare(self, node: ast.Compare) -> Iterator[Change]:
        left = node.left
        for operator, right in zip(node.ops, node.comparators, strict=True):
            yield from self._between(
                "compare", left, right, _COMPARED.get(type(operator))
            )
            left = right

    def _between(
        self, kind: str, left: ast.expr, right: ast.expr, new: str | None
    ) -> Iterator[Change]:
        start, end = self._span(left)[1], self._span(right)[0]
        if new is not None and not set(b"()\n") & set(self._raw[start:end]):
            yield kind, left.lineno, start, end, f" {new} "

    def _boolean(self, node: ast.BoolOp) -> Iterator[Change]:
        word, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        texts = [f"({self._text(value)})" for value in node.values]
        yield self._replaced("and-or", node, f"({f' {other} '.join(texts)})")
        for left in (texts[1:], texts[:-1]):
            yield self._replaced("drop-operand", node, f"({f' {word} '.join(left)})")

    def _constant(self, node: ast.Constant) -> Iterator[Change]:
        match node.value:
            case bool():
                yield self._replaced("bool", node, str(not node.value))
            case int():
                yield self._replaced("number", node, str(node.value + 1))
                yield self._replaced("number", node, f"({node.value - 1})")
            case float():
                yield self._replaced("number", node, repr(node.value * 2))
            case str() | bytes():
                more = "XX" if isinstance(node.value, str) else b"XX"
                yield self._replaced("text", node, repr(more + node.value))  # type: ignore[operator]
            case _:
                pass  # None, an ellipsis or a complex number

    def _call(self, node: ast.Call) -> Iterator[Change]:
        # `strict` guards against mistakes of ours that no input can bring about.
        if node.keywords and node.keywords[-1].arg not in (None, "strict"):
            start = self._span(node.keywords[-1].value)[0]
            before = [*node.args, *(keyword.value for keyword in node.keywords[:-1])]
            if before:
                start = max(self._span(value)[1] for value in before)
                end = self._span(node.keywords[-1].value)[1]
                yield "drop-keyword", node.lineno, start, end, ""

    def _elements(self, elements: list[ast.expr]) -> Iterator[Change]:
        for one, following in pairwise(elements):
            yield (
                "drop-element",
                one.lineno,
                self._span(one)[0],
                self._span(following)[0],
                "",
            )
