"""The packages of other authors, imported where they are needed."""

import importlib
from typing import Any


def make(environment: str, module: str) -> Any:
  """A Gymnasium environment without wrappers.

  Args:
    environment: Gymnasium's id.
    module: adds the environment to Gymnasium's when it is imported.

  Raises:
    ModuleNotFoundError: the package is not installed.
  """
  try:
    importlib.import_module(module)
    import gymnasium
  except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
      f"{error.name} is not installed: pip install 'glimo-jax[worlds]'"
    ) from error
  return gymnasium.make(environment, disable_env_checker=True).unwrapped
