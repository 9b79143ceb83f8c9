"""A Request as JSON, in the dialect that the server takes."""

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

from glimo_jax.agent.llm import Request

SCHEMA_TOKENS = 32  # braces, quotes and spaces around an answer
_LIMITS = ("max_tokens", "max_completion_tokens")
_OPTIONAL = ("temperature", "top_p", "seed", "stop")
# What chat templates write: <|im_end|>, </s>, <start_of_turn>, [/INST], ...
_CONTROL = re.compile(r"<(?=\||[^\s<>]+>)|\[(?=/?\w*[A-Z]{3}\w*\])")


@dataclasses.dataclass(frozen=True)
class Dialect:
  """Which fields of the API a server takes; learnt from its refusals.

  Attributes:
    limit: the field that bounds an answer.
    left_out: sampling fields that it refuses.
    schemas: whether it takes a JSON schema.
  """

  limit: str = "max_tokens"
  left_out: frozenset[str] = frozenset()
  schemas: bool = True

  def without(self, message: str) -> "Dialect":
    """This dialect without what a refusal names.

    Args:
      message: the server's words, such as "Unsupported parameter: 'seed'".
    """
    if "max_completion_tokens" in message and self.limit == "max_tokens":
      return dataclasses.replace(self, limit="max_completion_tokens")
    named = {name for name in _OPTIONAL if _names(message, name)}
    if named - self.left_out:
      return dataclasses.replace(self, left_out=self.left_out | named)
    if _names(message, "response_format") or _names(message, "json_schema"):
      return dataclasses.replace(self, schemas=False)
    return self

  def as_schema(self, request: Request) -> bool:
    """Whether the answer to a request is constrained by a JSON schema."""
    return self.schemas and bool(request.choices or request.schema)


def _names(message: str, field: str) -> bool:
  """Whether a message names a field: in quotes where it is a common word."""
  word = rf"\b{field}\b"
  quoted = rf"[\"'`]{field}[\"'`]"
  return bool(re.search(quoted if field == "stop" else word, message))


def payload(
  request: Request, model: str, dialect: Dialect, extra: Mapping[str, Any]
) -> bytes:
  """The JSON body of a request; every sampling parameter is sent.

  With a schema there is no stop string: it might cut the JSON.

  Args:
    request: what is asked. Choices are sent as the schema of an object whose
      `answer` is one of them.
    model: the server's name for the model.
    dialect: what the server takes.
    extra: further fields; they replace ours of the same name.
  """
  body: dict[str, Any] = {
    "model": model,
    "messages": [
      {"role": turn["role"], "content": plain(turn["content"])}
      for turn in request.messages
    ],
    dialect.limit: request.max_tokens,
    "temperature": request.temperature,
    "top_p": request.top_p,
    "seed": request.seed,
  }
  if dialect.as_schema(request):
    body[dialect.limit] += SCHEMA_TOKENS
    body["response_format"] = {
      "type": "json_schema",
      "json_schema": {
        "name": "answer",
        "strict": True,
        "schema": request.schema or _enumeration(request.choices),
      },
    }
  elif request.stop:
    body["stop"] = list(request.stop)
  sent = {k: v for k, v in body.items() if k not in dialect.left_out}
  if not extra.keys().isdisjoint(_LIMITS):
    del sent[dialect.limit]
  return json.dumps({**sent, **extra}).encode()


def plain(content: str) -> str:
  """A text that forges no turn and that UTF-8 can hold.

  A server reads chat control tokens in a content as such. A space breaks them:
  `<|im_end|>` is sent as `< |im_end|>`. Lone surrogates become question marks.
  """
  content = _CONTROL.sub(r"\g<0> ", content)
  return content.encode("utf-8", "replace").decode()


def _enumeration(choices: tuple[str, ...]) -> dict[str, Any]:
  return {
    "type": "object",
    "properties": {"answer": {"type": "string", "enum": list(choices)}},
    "required": ["answer"],
    "additionalProperties": False,
  }
