"""Finding the handler that ``module:name`` means."""

import importlib
import os
import sys
import traceback
from collections.abc import Mapping
from functools import reduce
from typing import Any

from ectojob_py.errors import BadUsage
from ectojob_py.handler import check_callable, is_async


def load(target: str, batch: bool = False) -> Any:
    """Import a handler, or a mapping of handlers by ``params["type"]``; the current folder comes first.

    ``batch``: a handler of batches, of which there is no mapping.
    """
    module, colon, name = target.partition(":")
    if not module or not colon or not name or module.startswith(".") or "/" in module:
        raise BadUsage(f"{target!r} does not name a handler", "Write module:function, such as shop.receipts:perform.")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    perform = _named(_imported(module), module, name)
    if batch and isinstance(perform, Mapping):
        raise BadUsage(f"{target} is a mapping, not a handler of batches", "Write a function (conn, jobs).")
    try:
        check_callable(perform)
    except ValueError as error:
        hint = "A handler is a function (conn, job), or a mapping of them by params['type']."
        raise BadUsage(f"{target}: {error}", hint) from None
    try:
        is_async(perform)
    except ValueError as error:
        raise BadUsage(f"{target}: {error}", "Two queues could have one each.") from None
    return perform


def _imported(module: str) -> object:
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name and f"{module}.".startswith(f"{error.name}.")
        hint = f"Is it in {os.getcwd()}, or installed?" if missing else f"See {_place(error)}."
        raise BadUsage(f"cannot import {module}: {type(error).__name__}: {error}", hint) from error


def _named(module: object, where: str, name: str) -> Any:
    try:
        return reduce(getattr, name.split("."), module)
    except AttributeError:
        names = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        hint = f"It has {', '.join(sorted(names)[:10])}." if names else "It has no functions at all."
        raise BadUsage(f"module {where} has no {name}", hint) from None


def _place(error: BaseException) -> str:
    """Return the file and line that failed: of a syntax error, or the last frame."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.filename}, line {frame.lineno}"
