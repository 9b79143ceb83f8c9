"""The OpenAI-compatible chat format: a Request out, a Completion in."""

import json
from typing import Any

from glimo_jax.agent.llm import Completion, Request

_SCHEMA_TOKENS = 32  # braces, quotes and spaces around an answer


def payload(request: Request, model: str, as_schema: bool) -> dict[str, Any]:
  """The JSON body of a request; every sampling parameter is sent.

  Args:
    request: what is asked.
    model: the server's name for the model.
    as_schema: constrain the answer by a JSON schema: the request's own, or
      for choices an object whose `answer` is one of them. No stop string then:
      it might cut the JSON.
  """
  body = {
    "model": model,
    "messages": list(request.messages),
    "max_tokens": request.max_tokens,
    "temperature": request.temperature,
    "top_p": request.top_p,
    "seed": request.seed,
  }
  if as_schema:
    schema = request.schema or {
      "type": "object",
      "properties": {
        "answer": {"type": "string", "enum": list(request.choices)}
      },
      "required": ["answer"],
      "additionalProperties": False,
    }
    body["max_tokens"] += _SCHEMA_TOKENS
    body["response_format"] = {
      "type": "json_schema",
      "json_schema": {"name": "answer", "strict": True, "schema": schema},
    }
  elif request.stop:
    body["stop"] = list(request.stop)
  return body


def read(
  text: str, request: Request, model: str, as_schema: bool
) -> Completion:
  """The completion that a 200's body holds.

  An answer that is cut, no JSON, or none of the choices is of class resample.
  """
  try:
    body = json.loads(text)
    choice = body["choices"][0]
    answer = choice["message"]["content"] or ""
    reason = choice["finish_reason"] or "stop"
    usage = body.get("usage") or {}
    read = int(usage.get("prompt_tokens") or 0)
    written = int(usage.get("completion_tokens") or 0)
  except (ValueError, LookupError, TypeError, AttributeError):
    error = f"a 200 without a completion: {text[:200]!r}"
    return Completion(
      "", "error", 0, 0, model, error=error, error_class="resample"
    )
  error = None
  if reason == "length":
    error = f"truncated after {written} tokens: raise max_tokens"
  elif request.choices:
    word = _enumerated(answer) if as_schema else _plain(answer)
    folded = {c.casefold(): c for c in request.choices}
    if word.casefold() in folded:
      answer = folded[word.casefold()]
    else:
      error = f"{answer[:80]!r} is none of {request.choices}"
  elif request.schema is not None and as_schema and _loads(answer) is None:
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


def _loads(text: str) -> dict | None:
  """The JSON object that a schema answer is; some servers fence it."""
  text = text.strip()
  if text.startswith("```") and text.endswith("```"):
    text = text.removeprefix("```").removesuffix("```").removeprefix("json")
  try:
    value = json.loads(text)
  except ValueError:
    return None
  return value if isinstance(value, dict) else None


def _enumerated(text: str) -> str:
  answer = (_loads(text) or {}).get("answer")
  return answer if isinstance(answer, str) else ""


def _plain(text: str) -> str:
  """A free answer without the marks around a single word."""
  return text.strip(" \n\t.,!?\"'`*")
