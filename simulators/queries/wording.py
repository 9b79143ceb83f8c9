"""Queries in words for a reader, and the language in words for a writer."""

from typing import Any

from simulators.queries.language import (
  DEPTH,
  FORMS,
  IT,
  MOVES,
  NUMBER,
  ORDER,
  ORDERS,
  YES_NO,
  Language,
  Query,
)


def in_words(query: Query, language: Language) -> str:
  """The question, as a reader gets it."""
  text = _phrase(query, language)
  if query.gives == YES_NO:
    return f"Is it true that {text}?"
  if query.gives == NUMBER or query.gives in language.groups.values():
    return f"What is {text}?"
  offered = ORDERS if query.gives == ORDER else language.types[query.gives]
  return f"What is {text}: {', '.join(offered[:-1])} or {offered[-1]}?"


def _phrase(arg: Any, language: Language) -> str:
  if isinstance(arg, str):
    return arg if arg == IT or arg in language.bare else f"the {arg}"
  one, other = arg.args[0], arg.args[-1]
  if arg.op == "after":
    return f"after {', '.join(one)}, {_phrase(other, language)}"
  if arg.op == "count":
    return f"the number of {one} of which {_phrase(other, language)}"
  if arg.op in ("argmin", "argmax"):
    most = "smallest" if arg.op == "argmin" else "largest"
    return f"the one of the {one} with the {most} of {_phrase(other, language)}"
  words = [_phrase(a, language) for a in arg.args]
  if arg.op == "compare":
    return f"{words[0]}, compared with {words[1]}"
  return language.primitive(arg.op).phrase.format(*words)


def manual(language: Language) -> str:
  """The language in words, for those who write queries."""
  lines = [f"{op}: {form}." for op, form in FORMS.items()]
  lines += [
    f"{p.name}({', '.join(p.takes)}) gives {p.gives}: "
    f"{p.phrase.format(*p.takes)}."
    for p in language.primitives
  ]
  groups = ", ".join(language.groups)
  return f"Groups: {groups}. Operators:\n" + "\n".join(lines)


def operators(language: Language) -> tuple[str, ...]:
  """All that a query can begin with."""
  return (*FORMS, *(p.name for p in language.primitives))


def schema(language: Language, depth: int = DEPTH) -> dict[str, Any]:
  """The JSON schema of queries of a depth, without types."""
  ops = list(operators(language))
  words = {"type": "string", "maxLength": 20}
  actions = {
    "type": "array",
    "items": {"enum": list(language.types["action"])},
    "minItems": 1,
    "maxItems": MOVES,
  }
  inner = [words, actions]
  if depth > 1:
    inner.append(schema(language, depth - 1))
  return {
    "type": "object",
    "properties": {
      "op": {"enum": ops},
      "args": {
        "type": "array", "items": {"anyOf": inner}, "minItems": 1,
        "maxItems": 2,
      },
    },
    "required": ["op", "args"],
    "additionalProperties": False,
  }  # fmt: skip
