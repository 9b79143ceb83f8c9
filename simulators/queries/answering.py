"""The interpreter: the value of a query in a moment, by either path."""

from typing import Any

from simulators.queries.language import (
  IT,
  NUMBER,
  ORDER,
  ORDERS,
  YES_NO,
  Facts,
  Language,
  Query,
  Undefined,
)


def answer(query: Query, facts: Facts, language: Language) -> str:
  """The word of the answer in a moment.

  Raises:
    Undefined: it has no single answer there.
  """
  value = evaluate(query, facts)
  if isinstance(value, bool):
    return "yes" if value else "no"
  if isinstance(value, int):
    if value >= len(language.numbers):
      raise Undefined(f"{value} is more than numbers are named")
    return language.numbers[value]
  return value


def evaluate(query: Query, facts: Facts, it: str = "") -> "str | int | bool":
  """The value of a query in a moment; `it` stands for a word."""
  args: Any = query.args
  if query.op == "after":
    return evaluate(args[1], facts.after(args[0]), it)
  if query.op == "compare":
    one, other = (evaluate(arg, facts, it) for arg in args)
    return ORDERS[0 if one > other else 1 if one < other else 2]  # pyright: ignore[reportOperatorIssue]
  if query.op == "count":
    return sum(
      bool(evaluate(args[1], facts, word)) for word in facts.members(args[0])
    )
  if query.op in ("argmin", "argmax"):
    return _extreme(query, facts)
  words = tuple(
    it
    if arg == IT
    else str(evaluate(arg, facts, it))
    if isinstance(arg, Query)
    else arg
    for arg in args
  )
  return facts.value(query.op, words)


def _extreme(query: Query, facts: Facts) -> str:
  group, about = query.args
  members = facts.members(str(group))
  if len(members) < 2:
    raise Undefined(f"there are no two {group}")
  values = [evaluate(about, facts, word) for word in members]  # pyright: ignore[reportArgumentType]
  best = min(values) if query.op == "argmin" else max(values)  # pyright: ignore[reportArgumentType, reportCallIssue]
  if values.count(best) > 1:
    raise Undefined(f"several {group} have the same value")
  return members[values.index(best)]


def choices(query: Query, facts: Facts, language: Language) -> tuple[str, ...]:
  """All answers that a moment allows, in an order that tells nothing."""
  if query.gives == YES_NO:
    return ("yes", "no")
  if query.gives == NUMBER:
    return language.numbers
  if query.gives == ORDER:
    return ORDERS
  for group, member in language.groups.items():
    if member == query.gives:
      return tuple(sorted(facts.members(group)))
  return language.types[query.gives]
