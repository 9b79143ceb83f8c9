"""Training data: rows and text as packed, endless, resumable batches.

encoding     rows -> tokens, answers, scored positions
packing      tokens -> rows of a batch, prompts shared as prefixes
epochs       endless epochs whose position can be saved
tasks        batches of instruction rows, with replay text beside them
replay_text  batches of chats and plain text for the KL penalty
"""

from glimo_jax.data.batching.tasks import (
  TARGETS,
  TaskBatches,
  hardened,
  pack,
  show,
  shuffled,
  task_and_replay,
)

__all__ = [
  "TARGETS",
  "TaskBatches",
  "hardened",
  "pack",
  "show",
  "shuffled",
  "task_and_replay",
]
