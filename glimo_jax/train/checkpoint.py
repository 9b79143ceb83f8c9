"""Saves and restores a run: its arrays, its place in the data, its settings."""

import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp

from glimo_jax.types import TrainState

KEEP = 2  # checkpoints kept


class Checkpointer:
  """The last checkpoints of a run in one folder, each whole or absent.

  A checkpoint is the TrainState (adapter, optimizer, step, PRNG key) and a
  JSON item: the position in stages and data, and the run's fingerprint.
  Writing goes on in the background; `close` waits for it.
  """

  def __init__(self, folder, fingerprint: dict[str, Any]):
    """Opens or makes `folder`.

    Args:
      folder: where checkpoints lie, one subfolder a step.
      fingerprint: nested JSON-able settings that shape the run; a checkpoint
        made under others is never restored.
    """
    self._fingerprint = _plain(fingerprint)
    self._folder = pathlib.Path(folder).absolute()
    self._manager = ocp.CheckpointManager(
      self._folder,
      options=ocp.CheckpointManagerOptions(max_to_keep=KEEP, create=True),
      item_names=("state", "run"),
    )

  def save(self, state: TrainState, position: dict[str, Any]) -> None:
    """Writes a checkpoint named by the state's step; returns at once."""
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
      ValueError: it was made under other settings; they are listed.
    """
    step = self._manager.latest_step()
    if step is None:
      return None
    run = self._manager.restore(
      step, args=ocp.args.Composite(run=ocp.args.JsonRestore())
    ).run
    differences = _differences(run["fingerprint"], self._fingerprint)
    if differences:
      raise ValueError(
        f"the checkpoint of step {step} in {self._folder} was made with other "
        "settings:\n" + "\n".join(differences) + "\nSet them back, use another "
        "--workdir, or delete that folder."
      )
    abstract = jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding),
      _arrays(template),
    )
    arrays = self._manager.restore(
      step,
      args=ocp.args.Composite(state=ocp.args.StandardRestore(abstract)),
    ).state
    key = jax.random.wrap_key_data(
      arrays.pop("key"), impl=jax.random.key_impl(template.key)
    )
    return template.replace(**arrays, key=key), run["position"]

  def close(self) -> None:
    """Waits until all that was saved is on disk."""
    self._manager.wait_until_finished()
    self._manager.close()


def _arrays(state: TrainState) -> dict[str, Any]:
  return {
    "step": state.step,
    "adapter": state.adapter,
    "opt_state": state.opt_state,
    "key": jax.random.key_data(state.key),
  }


def _plain(value: Any) -> Any:
  """What JSON makes of a value: tuples are lists, keys are strings."""
  if isinstance(value, dict):
    return {str(k): _plain(v) for k, v in value.items()}
  if isinstance(value, list | tuple):
    return [_plain(v) for v in value]
  return value


def _differences(there: Any, now: Any, path: str = "") -> list[str]:
  """One line for each leaf in which two nested settings differ."""
  if isinstance(there, dict) and isinstance(now, dict):
    return [
      line
      for key in sorted({*there, *now})
      for line in _differences(
        there.get(key), now.get(key), f"{path}.{key}" if path else key
      )
    ]
  return [] if there == now else [f"  {path}: {there!r} there, {now!r} now"]
