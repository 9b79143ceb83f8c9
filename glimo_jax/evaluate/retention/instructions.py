"""Requests whose fulfilment a few lines of code can verify.

In the spirit of "Instruction-Following Evaluation for Large Language Models",
https://arxiv.org/abs/2311.07911; the requests are our own.
"""

import dataclasses
import json
import re
from collections.abc import Callable

Check = Callable[[str], bool]
TOKENS = 48  # enough for every request


@dataclasses.dataclass(frozen=True)
class Instruction:
  """A request, and whether an answer does what it asks for."""

  prompt: str
  holds: Check


def words(text: str) -> list[str]:
  """The words of a text."""
  return re.findall(r"[^\W_]+(?:['-][^\W_]+)*", text)


def _sentences(text: str) -> int:
  return len(re.findall(r"[.!?]+(?=[\s\"')]|$)", text.strip()))


def _lines(text: str) -> list[str]:
  return [line.strip() for line in text.splitlines() if line.strip()]


def _word_count(least: int, most: int) -> Check:
  return lambda text: least <= len(words(text)) <= most


def _sentence_count(n: int) -> Check:
  return lambda text: _sentences(text) == n


def _line_count(n: int) -> Check:
  return lambda text: len(_lines(text)) == n


def _listed(n: int, mark: str) -> Check:
  """Whether exactly n lines begin with a mark, a regular expression."""
  return lambda text: sum(bool(re.match(mark, x)) for x in _lines(text)) == n


def _commas(n: int) -> Check:
  """Whether the answer is n items in one line, with commas between them."""

  def holds(text: str) -> bool:
    items = [item.strip(" .") for item in text.strip().split(",")]
    short = all(0 < len(words(item)) <= 3 for item in items)
    return len(_lines(text)) == 1 and len(items) == n and short

  return holds


def _starts(start: str) -> Check:
  return lambda text: text.strip().lower().startswith(start.lower())


def _ends(end: str) -> Check:
  return lambda text: text.strip().rstrip(".!\"'").lower().endswith(end.lower())


def _contains(word: str, times: int = 1) -> Check:
  return lambda text: (
    [w.lower() for w in words(text)].count(word.lower()) >= times
  )


def _without(letter: str) -> Check:
  return lambda text: bool(words(text)) and letter not in text.lower()


def _upper(text: str) -> bool:
  return bool(words(text)) and text == text.upper()


def _lower(text: str) -> bool:
  return bool(words(text)) and text == text.lower()


def _quoted(text: str) -> bool:
  text = text.strip()
  return len(text) > 2 and text[0] == text[-1] == '"'


def _json(*keys: str) -> Check:
  """Whether the answer is a JSON object with these keys."""

  def holds(text: str) -> bool:
    try:
      value = json.loads(re.sub(r"^```(?:json)?|```$", "", text.strip()))
    except ValueError:
      return False
    return isinstance(value, dict) and set(value) == set(keys)

  return holds


def _number(n: int) -> Check:
  return lambda text: text.strip().rstrip(".") == str(n)


INSTRUCTIONS = (
  Instruction("Describe the desert in exactly one sentence.",
              _sentence_count(1)),
  Instruction("Say something nice about pianos in exactly two sentences.",
              _sentence_count(2)),
  Instruction("What is a harbour? Use at most ten words.", _word_count(1, 10)),
  Instruction("What is a comet? Use at most fifteen words.",
              _word_count(1, 15)),
  Instruction("Describe a tiger in at least fifteen words.",
              _word_count(15, 999)),
  Instruction("Answer with one word: what colour is coal?", _word_count(1, 1)),
  Instruction("Answer only yes or no: is a whale a fish?",
              lambda text: text.strip(" .!\n").lower() in ("yes", "no")),
  Instruction("Name a fruit that is yellow. Write in capital letters only.",
              _upper),
  Instruction("Tell me where cows live. WRITE ONLY IN CAPITAL LETTERS.",
              _upper),
  Instruction("name a metal. write in lower case letters only.", _lower),
  Instruction("List three rivers with a dash before each one.",
              _listed(3, r"[-*] ?\w")),
  Instruction("Give me a numbered list of three breakfast drinks.",
              _listed(3, r"\d[.)]")),
  Instruction("Give me a numbered list of four winter sports.",
              _listed(4, r"\d[.)]")),
  Instruction("Name four vegetables in one line, separated by commas.",
              _commas(4)),
  Instruction("Name three tools of a carpenter, separated by commas, and "
              "nothing else.", _commas(3)),
  Instruction("Write two lines about the wind, and nothing else.",
              _line_count(2)),
  Instruction("Describe a mountain hut. Begin your answer with the word "
              "Imagine.", _starts("imagine")),
  Instruction('Why is honey sweet? Start with "The short answer is".',
              _starts("the short answer is")),
  Instruction("Write a sentence about clocks that ends with the word time.",
              _ends("time")),
  Instruction("Write a short sentence about owls that contains the word "
              "silent.", _contains("silent")),
  Instruction("Use the word bridge at least two times in your answer: what do "
              "engineers do?", _contains("bridge", 2)),
  Instruction("Put your whole answer in double quotation marks: greet a king.",
              _quoted),
  Instruction('Describe a ball as a JSON object with the keys "colour" and '
              '"size" and nothing else.', _json("colour", "size")),
  Instruction("How many days does a week have? Answer with a number only.",
              _number(7)),
)  # fmt: skip
