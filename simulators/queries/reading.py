"""Queries are read from JSON: typed, bounded, and never evaluated as code."""

import json
from typing import Any

from simulators import fields
from simulators.queries.forms import canonical, words_of
from simulators.queries.language import (
  DEPTH,
  FORMS,
  IT,
  MOVES,
  NUMBER,
  ORDER,
  YES_NO,
  Language,
  Query,
  QueryError,
)

LONGEST = 2000  # characters of a query


def parse(text: str, language: Language) -> Query:
  """The query in a JSON text, in its canonical form.

  Raises:
    QueryError: it is no JSON, not typed right, too deep or too long.
  """
  if len(text) > LONGEST:
    raise QueryError(
      f"a query of {len(text)} characters is too long: use at most {LONGEST}"
    )
  try:
    data = json.loads(text)
  except (ValueError, RecursionError):
    raise QueryError(
      'the text is no JSON: write one object {"op": ..., "args": [...]}'
    ) from None
  return _query(data, language, "", 1)


def _query(data: Any, language: Language, it: str, depth: int) -> Query:
  """Reads one object; `it` is the type of the member gone through, or ""."""
  if depth > DEPTH:
    raise QueryError(
      f"operators are {depth} deep: at most {DEPTH} may be, leave one out"
    )
  if not isinstance(data, dict) or set(data) != {"op", "args"}:
    raise QueryError(
      f'{_shown(data)} is no query: write {{"op": ..., "args": [...]}}'
    )
  op, args = data["op"], data["args"]
  known = (*FORMS, *(p.name for p in language.primitives))
  if not isinstance(op, str) or op not in known:
    near = fields.nearest(str(op)[:40], known)
    raise QueryError(f"op {_shown(op)} is unknown: did you mean {near!r}?")
  count = 2 if op in FORMS else len(language.primitive(op).takes)
  if not isinstance(args, list) or len(args) != count:
    raise QueryError(f"args {_shown(args)} of {op}: give a list of {count}")

  def typed(arg: Any, wanted: str, it: str = it) -> "str | Query":
    return _argument(arg, wanted, language, it, depth)

  if op == "after":
    actions = _actions(args[0], language)
    query = _query(args[1], language, it, depth + 1)
    first, inner = query.args[0], query.args[-1]
    if query.op == "after" and isinstance(inner, Query):
      actions = _actions([*actions, *first], language)  # pyright: ignore[reportGeneralTypeIssues]
      query = inner
    return Query(op, (actions, query), query.gives)
  if op == "compare":
    one, other = (_query(arg, language, it, depth + 1) for arg in args)
    for query in (one, other):
      _check_type(query, NUMBER, language)
    one, other = sorted((one, other), key=canonical)
    return Query(op, (one, other), ORDER)
  if op in FORMS:
    return _through(op, args, language, it, depth)
  primitive = language.primitive(op)
  read = [typed(a, t) for a, t in zip(args, primitive.takes, strict=True)]
  if primitive.symmetric:
    read.sort(key=canonical)
  return Query(op, tuple(read), primitive.gives)


def _through(
  op: str, args: list, language: Language, it: str, depth: int
) -> Query:
  """A count, argmin or argmax."""
  if it:
    raise QueryError(f"{op} goes through a group within another: use one")
  group = args[0]
  if not isinstance(group, str) or group not in language.groups:
    raise QueryError(
      f"group {_shown(group)} of {op}: use one of {', '.join(language.groups)}"
    )
  member = language.groups[group]
  about = _query(args[1], language, member, depth + 1)
  _check_type(about, YES_NO if op == "count" else NUMBER, language)
  if IT not in words_of(about):
    raise QueryError(f"the query in {op} does not name {IT!r}: let it")
  return Query(op, (group, about), NUMBER if op == "count" else member)


def _argument(
  arg: Any, wanted: str, language: Language, it: str, depth: int
) -> "str | Query":
  if isinstance(arg, dict):
    query = _query(arg, language, it, depth + 1)
    _check_type(query, wanted, language)
    return query
  if arg == IT and it and language.fits(it, wanted):
    return IT
  if not isinstance(arg, str) or arg not in language.types[wanted]:
    few = ", ".join(language.types[wanted][:4])
    raise QueryError(
      f"{_shown(arg)} is no {wanted}: use a word such as {few}"
      + (f", or {IT}" if it else "")
    )
  return arg


def _actions(arg: Any, language: Language) -> tuple[str, ...]:
  known = language.types["action"]
  if not isinstance(arg, list) or not 1 <= len(arg) <= MOVES:
    raise QueryError(
      f"actions {_shown(arg)} of after: give a list of 1 to {MOVES}"
    )
  for action in arg:
    if not isinstance(action, str) or action not in known:
      raise QueryError(f"{_shown(action)} is no action: use {', '.join(known)}")
  return tuple(arg)


def _check_type(query: Query, wanted: str, language: Language) -> None:
  if not language.fits(query.gives, wanted):
    raise QueryError(
      f"{query.op} gives {query.gives}, where {wanted} is wanted: use another"
    )


def _shown(value: Any) -> str:
  text = json.dumps(value)
  return text if len(text) <= 60 else f"{text[:60]} ..."
