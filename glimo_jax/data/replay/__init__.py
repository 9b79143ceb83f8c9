"""Replay text: what the KL penalty is computed on, from weighted sources.

sources       where it comes from: files, datasets
self_written  the base model's own answers and prose
preparing     all sources of a run, each once, as files of the run's folder
prompts/      what the base model answers and continues, one prompt a line
"""

from glimo_jax.data.replay.preparing import file_of, prepare
from glimo_jax.data.replay.sources import SELF, Document, ReplaySource, check

__all__ = ["SELF", "Document", "ReplaySource", "check", "file_of", "prepare"]
