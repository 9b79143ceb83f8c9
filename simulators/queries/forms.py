"""Forms of a query: canonical, its shape, with other words."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from simulators.queries.language import FORMS, IT, Facts, Language, Query


def canonical(arg: Any) -> str:
  """A query or an argument as JSON; arguments of any order are sorted by it."""
  return json.dumps(_data(arg))


def _data(arg: Any) -> Any:
  if isinstance(arg, Query):
    return {"op": arg.op, "args": [_data(a) for a in arg.args]}
  return list(arg) if isinstance(arg, tuple) else arg


def words_of(query: Query) -> list[str]:
  """The words of things in a query, in order; no group, no actions."""
  out = []
  for i, arg in enumerate(query.args):
    if isinstance(arg, Query):
      out += words_of(arg)
    elif isinstance(arg, str) and not (query.op in FORMS and i == 0):
      out.append(arg)
  return out


def shape(query: Query, language: Language) -> str:
  """The query with its words replaced by their types."""
  args = list[str]()
  for i, arg in enumerate(query.args):
    if isinstance(arg, Query):
      args.append(shape(arg, language))
    elif isinstance(arg, tuple):
      args.append(str(len(arg)))
    elif arg == IT or query.op in FORMS:  # or a group
      args.append(arg)
    else:
      wanted = language.primitive(query.op).takes[i]
      args.append(_narrowest(arg, wanted, language))
  return f"{query.op}({', '.join(args)})"


def _narrowest(word: str, kind: str, language: Language) -> str:
  """The smallest type that a word of a type belongs to."""
  of = [t for t, words in language.types.items() if word in words]
  return min(of or [kind], key=lambda t: len(language.types.get(t, ())))


def renamed(query: Query, names: Mapping[str, str]) -> Query:
  """The query with other words in place of some."""
  args = tuple(
    renamed(arg, names)
    if isinstance(arg, Query)
    else names.get(arg, arg)
    if isinstance(arg, str)
    else arg
    for arg in query.args
  )
  return dataclasses.replace(query, args=args)


def stand_ins(
  query: Query, facts: Facts, language: Language, rng: np.random.Generator
) -> Query:
  """The query with words of another moment, each of the type it replaces."""
  names: dict[str, str] = {}
  for group, member in language.groups.items():
    own = [w for w in dict.fromkeys(words_of(query)) if w in
           language.types[member]]  # fmt: skip
    there = [str(w) for w in rng.permutation(list(facts.members(group)))]
    names.update(zip(own, there, strict=False))
  return renamed(query, names)
