"""Text <-> token ids, and chats <-> ids with a loss mask."""

from glimo_jax.models.tokenizer.chat import END, START, Tokenizer

__all__ = ["END", "START", "Tokenizer"]
