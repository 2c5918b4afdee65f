#!/usr/bin/env python3
"""Makes src/confreg/_methods.py: the methods of Client and AsyncClient, of class Calls in _calls.py.
What a method of Calls returns says what is made of it:

    Call[T]     one call                     -> T                awaited: T
    Steps[T]    several calls                -> T                awaited: T
    Listing[T]  a list, page by page         -> Pages[T]         AsyncPages[T]
    Watching    a watch                      -> Watch            AsyncWatch

**options: Annotated[Any, Write] stands for the members of the dataclass Write in models.py, except
those that the method names itself, and those that are the content of a write.

    generate_methods.py [--check]

--check: changes nothing; exit code 1: the file is not what would be made."""

import ast
import pathlib
import sys

SOURCES = pathlib.Path(__file__).resolve().parent / "src" / "confreg"
MADE = SOURCES / "_methods.py"
WIDTH = 100

HEAD = '''"""The methods of Client and AsyncClient. Made by generate_methods.py: edit _calls.py."""

from __future__ import annotations

import abc
import datetime
from collections.abc import Sequence
from typing import Callable, TypeVar

from . import errors
from ._calls import Call, Calls, Listing, Steps, Watching
from ._follow import Selector
from ._pages import AsyncPages, Pages
from ._watch import AsyncWatch, Watch
from .models import (
    Access,
    Batch,
    Breach,
    Commit,
    CommitResult,
    Config,
    Diff,
    Json,
    Position,
    Status,
    Suspect,
    WatchProgress,
    Write,
    WriteOutcome,
    WriteResult,
)

T = TypeVar("T")
'''

CLASS = '''

class {name}(abc.ABC):
    """Whoever inherits it makes the calls."""

    _calls: Calls

    @abc.abstractmethod
    {way}def _run(self, call: Call[T]) -> T: ...

    @abc.abstractmethod
    {way}def _run_all(self, steps: Steps[T]) -> T: ...

    @abc.abstractmethod
    def _list(self, listing: Listing[T]) -> {pages}[T]: ...

    @abc.abstractmethod
    def _watch(self, watching: Watching) -> {watch}: ...
'''


def source(node):
    return ast.unparse(node).replace("'", '"')


def class_of(tree, name):
    return next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)


def members_of(models, name):
    """The members of a dataclass that are options of a write: name to type and default."""
    node = class_of(models, name)
    members = {}
    for base in node.bases:
        members.update(members_of(models, base.id))
    members.update({
        field.target.id: (source(field.annotation), source(field.value)) for field in node.body
        if isinstance(field, ast.AnnAssign) and field.value is not None
        and "_CONTENT" not in source(field.value)})
    return members


class Method:
    def __init__(self, node, models):
        self.name, self.doc = node.name, ast.get_docstring(node, clean=False)
        returns = source(node.returns)
        self.kind, _, self.item = returns.rstrip("]").partition("[")
        if returns.count("[") > 1:
            self.item = returns[len(self.kind) + 1:-1]
        self.parameters, self.arguments = ["self"], []
        plain = node.args.args[1:]
        self._add(plain, [None] * (len(plain) - len(node.args.defaults)) + node.args.defaults, "")
        if node.args.vararg is not None:
            self.parameters.append(f"*{source(node.args.vararg)}")
            self.arguments.append(f"*{node.args.vararg.arg}")
        elif node.args.kwonlyargs or node.args.kwarg is not None:
            self.parameters.append("*")
        self._add(node.args.kwonlyargs, node.args.kw_defaults, "=")
        if node.args.kwarg is not None:
            write = node.args.kwarg.annotation.slice.elts[1].id
            named = {arg.arg for arg in plain} | {"service_name", "environment"}
            for name, (annotation, default) in members_of(models, write).items():
                if name not in named:
                    self.parameters.append(f"{name}: {annotation} = {default}")
                    self.arguments.append(f"{name}={name}")

    def _add(self, args, defaults, by_name):
        for arg, default in zip(args, defaults):
            text = f"{arg.arg}: {source(arg.annotation)}"
            self.parameters.append(text if default is None else f"{text} = {source(default)}")
            self.arguments.append(f"{arg.arg}={arg.arg}" if by_name else arg.arg)

    def made(self, is_async):
        awaited = self.kind in ("Call", "Steps") and is_async
        result = {"Call": self.item, "Steps": self.item,
                  "Listing": f"{'Async' * is_async}Pages[{self.item}]",
                  "Watching": f"{'Async' * is_async}Watch"}[self.kind]
        run = {"Call": "_run", "Steps": "_run_all", "Listing": "_list", "Watching": "_watch"}[self.kind]
        head = filled(f"    {'async ' * awaited}def {self.name}(", self.parameters, f") -> {result}:")
        body = filled(f"        return {'await ' * awaited}self.{run}(self._calls.{self.name}(",
                      self.arguments, "))")
        return f'{head}\n        """{self.doc}"""\n{body}\n'


def filled(start, items, end):
    """The text with items behind start, as many on a line as fit."""
    indent = " " * (len(start) if len(start) < 60 else 12)
    lines = [start]
    if len(start) >= 60 and items:
        lines.append(indent)
    for i, item in enumerate(items):
        text = item + ("," if i < len(items) - 1 else end)
        if len(lines[-1]) + len(text) > WIDTH and lines[-1].strip() and lines[-1] != start:
            lines[-1] = lines[-1].rstrip()
            lines.append(indent)
        lines[-1] += text + (" " if i < len(items) - 1 else "")
    if not items:
        lines[-1] += end
    return "\n".join(lines)


def made():
    models = ast.parse((SOURCES / "models.py").read_text())
    calls = class_of(ast.parse((SOURCES / "_calls.py").read_text()), "Calls")
    methods = [Method(node, models) for node in calls.body
               if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    text = HEAD
    for is_async in (False, True):
        text += CLASS.format(name="AsyncMethods" if is_async else "Methods",
                             way="async " * is_async, pages="Async" * is_async + "Pages",
                             watch="Async" * is_async + "Watch")
        text += "".join(f"\n{method.made(is_async)}" for method in methods)
    return text


def main():
    text = made()
    if "--check" in sys.argv[1:]:
        return 0 if MADE.exists() and MADE.read_text() == text else 1
    MADE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
