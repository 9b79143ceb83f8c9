"""Checks types and array shapes of every call in models and train."""

from collections.abc import Callable
from typing import Any

import beartype
import jaxtyping

# An int is a float, as in PEP 484.
_beartype = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))


def check(function: Callable[..., Any]) -> Callable[..., Any]:
  """A function that checks its annotations.

  Constructors that `dataclasses` writes are not checked: jax builds pytrees
  with placeholders in place of arrays.
  """
  generated = function.__code__.co_filename == "<string>"
  return function if generated else _beartype(function)


def install() -> None:
  """Checks the modules that are imported from now on."""
  jaxtyping.install_import_hook(
    ["glimo_jax.models", "glimo_jax.train"], f"{__name__}.check"
  )
