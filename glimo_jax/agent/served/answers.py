"""The server's JSON as a Completion."""

import json
import re
from typing import Any

from glimo_jax.agent.llm import Completion, Request

_THOUGHT = re.compile(r"^\s*(<think>)?.*</think>", re.DOTALL)
_OPENED = re.compile(r"^\s*<think>")
CHARACTERS = 4  # of a token, where the server counts none
THINKS = (
  "the model was still thinking at max_tokens: switch thinking off with "
  "--config.teacher.extra_body="
  "\"{'chat_template_kwargs': {'enable_thinking': False}}\", or allow more "
  "tokens with --config.teacher.extra_body=\"{'max_tokens': 2048}\""
)


def tokens_of(text: str) -> int:
  """About how many tokens a text has."""
  return -(-len(text) // CHARACTERS)


def read(
  body: dict[str, Any], request: Request, model: str, as_schema: bool
) -> Completion:
  """The completion that the JSON of a 200 holds.

  Thoughts before the answer are left out. An answer that is cut, no JSON, or
  none of the choices is of class resample; so is an empty one.

  Args:
    body: with `choices[0].message`.
    request: what was asked.
    model: name of the model in the completion.
    as_schema: whether a JSON schema was sent.
  """
  choice = body["choices"][0]
  message = choice["message"]
  reason = choice.get("finish_reason") or "stop"
  content = _text(message.get("content"))
  thoughts = _text(message.get("reasoning_content") or message.get("reasoning"))
  error = None
  if not content.strip() and thoughts and reason != "length":
    content = thoughts  # a server that takes the answer for a thought
  answer = _THOUGHT.sub("", content, count=1)
  if _OPENED.match(answer):
    answer = ""
  answer = answer.strip() if answer != content else answer
  read, written = _usage(body.get("usage"), request, content + thoughts)
  if reason == "length" and not answer.strip():
    error = THINKS if content.strip() or thoughts else "an empty answer"
  elif reason == "length":
    error = f"truncated after {written} tokens: raise max_tokens"
  elif not answer.strip():
    error = "an empty answer"
  elif request.choices:
    found = _choice(answer, request.choices)
    answer, error = found or answer, None
    if found is None:
      error = f"{answer[:80]!r} is none of {request.choices}"
  elif request.schema is not None and as_schema and _object(answer) is None:
    error = f"{answer[:80]!r} is not a JSON object"
  return Completion(
    answer,
    reason,
    read,
    written,
    model,
    error=error,
    error_class=None if error is None else "resample",
  )


def _text(content: Any) -> str:
  """The text of a content: a string, or the text chunks of a list.

  Lone surrogates, which no file can hold, become question marks.
  """
  if isinstance(content, list):
    chunks = [chunk for chunk in content if isinstance(chunk, dict)]
    texts = [c.get("text") for c in chunks if c.get("type", "text") == "text"]
    content = "".join(text for text in texts if isinstance(text, str))
  if not isinstance(content, str):
    return ""
  return content.encode("utf-8", "replace").decode()


def _usage(usage: Any, request: Request, answer: str) -> tuple[int, int]:
  """(prompt tokens, completion tokens); estimates where none are counted."""
  usage = usage if isinstance(usage, dict) else {}
  prompt = "".join(turn["content"] for turn in request.messages)
  return (
    _count(usage.get("prompt_tokens"), prompt),
    _count(usage.get("completion_tokens"), answer),
  )


def _count(counted: Any, text: str) -> int:
  known = isinstance(counted, int) and counted >= 0
  return counted if known else tokens_of(text)


def _choice(answer: str, choices: tuple[str, ...]) -> str | None:
  """The choice that an answer names: as JSON, or as a plain word."""
  value = _loads(answer)
  word = value.get("answer") if isinstance(value, dict) else value
  word = word if isinstance(word, str) else answer
  folded = {choice.casefold(): choice for choice in choices}
  bare = word.strip(" \n\t.,!?\"'`*")
  return folded.get(word.casefold()) or folded.get(bare.casefold())


def _object(text: str) -> dict | None:
  value = _loads(text)
  return value if isinstance(value, dict) else None


def _loads(text: str) -> Any:
  """The JSON that an answer is, None for no JSON; some servers fence it."""
  text = text.strip()
  if text.startswith("```") and text.endswith("```"):
    text = text.removeprefix("```").removesuffix("```").removeprefix("json")
  try:
    return json.loads(text)
  except (ValueError, RecursionError):
    return None
