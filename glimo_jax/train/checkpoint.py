"""Saves and restores a run: its arrays, its position in the data."""

import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp

from glimo_jax import fields
from glimo_jax.files import PathLike
from glimo_jax.types import TrainState

KEEP = 2  # checkpoints kept


class Checkpointer:
  """The last KEEP checkpoints of a run, each whole or absent.

  A checkpoint is the TrainState (adapter, optimizer, step, PRNG key, KL
  multipliers) and a JSON item: the position in phases and data, and the run's
  fingerprint.
  A background thread writes; `close` waits for it.
  """

  def __init__(self, folder: PathLike, fingerprint: dict[str, Any]):
    """Opens or makes `folder`.

    Args:
      folder: of the checkpoints, with one subfolder for each.
      fingerprint: nested JSON-able settings; a checkpoint made with others is
        never restored.
    """
    self._fingerprint = _plain(fingerprint)
    self._folder = pathlib.Path(folder).absolute()
    self._manager = ocp.CheckpointManager(
      self._folder,
      options=ocp.CheckpointManagerOptions(max_to_keep=KEEP, create=True),
      item_names=("state", "run"),
    )

  def save(self, state: TrainState, position: dict[str, Any]) -> None:
    """Writes a checkpoint, named by the state's step; returns at once."""
    # A copy: the caller's next step donates the state's buffers.
    arrays = jax.tree.map(jnp.copy, _arrays(state))
    run = {"position": position, "fingerprint": self._fingerprint}
    self._manager.save(
      int(state.step),
      args=ocp.args.Composite(
        state=ocp.args.StandardSave(arrays), run=ocp.args.JsonSave(_plain(run))
      ),
      force=True,
    )

  def restore(
    self, template: TrainState
  ) -> tuple[TrainState, dict[str, Any]] | None:
    """The newest checkpoint, or None where there is none.

    Args:
      template: a state with the shapes, dtypes and shardings to restore to.

    Returns:
      The state and the position it was saved with.

    Raises:
      ValueError: it was made with other settings; lists them.
    """
    step = self._manager.latest_step()
    if step is None:
      return None
    run = self._manager.restore(
      step, args=ocp.args.Composite(run=ocp.args.JsonRestore())
    )["run"]
    changed = fields.differences(run["fingerprint"], self._fingerprint)
    if changed:
      raise ValueError(
        f"the checkpoint of step {step} in {self._folder} was made with other "
        "settings:\n"
        + "\n".join(f"  {line}" for line in changed)
        + "\nSet them back, use another "
        "--workdir, or delete that folder."
      )
    abstract = jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding),
      _arrays(template),
    )
    arrays = self._manager.restore(
      step,
      args=ocp.args.Composite(state=ocp.args.StandardRestore(abstract)),
    )["state"]
    key = jax.random.wrap_key_data(
      arrays.pop("key"), impl=jax.random.key_impl(template.key)
    )
    return template.replace(**arrays, key=key), run["position"]

  def close(self) -> None:
    """Waits until all checkpoints are on disk."""
    self._manager.wait_until_finished()
    self._manager.close()


def _arrays(state: TrainState) -> dict[str, Any]:
  return {
    "step": state.step,
    "adapter": state.adapter,
    "opt_state": state.opt_state,
    "multipliers": state.multipliers,
    "key": jax.random.key_data(state.key),
  }


def _plain(value: Any) -> Any:
  """A value as JSON returns it: tuples are lists, keys are strings."""
  if isinstance(value, dict):
    return {str(k): _plain(v) for k, v in value.items()}
  if isinstance(value, list | tuple):
    return [_plain(v) for v in value]
  return value
