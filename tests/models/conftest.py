"""A tiny random Llama, a tiny ChatML tokenizer, and reference models."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from glimo_jax.models import decoder, lora, parameters
from glimo_jax.models.tokenizer import Tokenizer

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


hidden_states = jax.jit(
  decoder.hidden_states, static_argnums=0, static_argnames="remat"
)


def byte_tokenizer() -> tokenizers.Tokenizer:
  """Every byte is a token, "up" and "down" too; 256 + 6 ids."""
  alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
  words = [*SPECIAL, *alphabet, "up", "ow", "own", "down"]
  merges = [("u", "p"), ("o", "w"), ("ow", "n"), ("d", "own")]
  backend = tokenizers.Tokenizer(
    models.BPE(vocab={w: i for i, w in enumerate(words)}, merges=merges)
  )
  backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
  backend.decoder = decoders.ByteLevel()
  backend.add_special_tokens(SPECIAL)
  return backend


@dataclasses.dataclass(frozen=True)
class Tiny:
  """A model that is small enough to run in many ways."""

  config: decoder.DecoderConfig
  params: dict
  adapter: lora.Adapter  # with B that is not zero
  tokenizer: Tokenizer

  def hidden(self, tokens, positions=None, segments=None, **options):
    """Hidden states of i32[B, T]; positions 0..T-1 and one segment by default.

    `params` may be given among the options.
    """
    tokens = np.asarray(tokens, np.int32)
    if positions is None:
      positions = np.broadcast_to(np.arange(tokens.shape[1]), tokens.shape)
    if segments is None:
      segments = np.ones_like(tokens)
    return hidden_states(
      self.config,
      options.pop("params", self.params),
      jnp.asarray(tokens),
      jnp.asarray(positions, jnp.int32),
      jnp.asarray(segments, jnp.int32),
      **options,
    )

  def log_probs(self, ids, **options):
    """f32[T, V]: log p of what follows each token of one text."""
    padded = np.zeros((1, -(-len(ids) // 128) * 128), np.int32)
    padded[0, : len(ids)] = ids
    hidden = self.hidden(padded, **options)[0]
    logits = decoder.logits(self.params, hidden)
    return np.asarray(jax.nn.log_softmax(logits))[: len(ids)]


@pytest.fixture(scope="session")
def tiny() -> Tiny:
  tokenizer = Tokenizer(byte_tokenizer())
  config = decoder.DecoderConfig(
    vocab_size=264,
    dim=32,
    layers=3,
    heads=4,
    kv_heads=2,
    head_dim=8,
    mlp_dim=64,
    context=2048,
  )
  params = jax.jit(parameters.init, static_argnums=1)(jax.random.key(0), config)
  # Larger than usual, so that attention is far from uniform.
  for name in config.linear_shapes:
    params["layers"][name] *= 4
  adapter = lora.init(
    jax.random.key(1), lora.LoraConfig(rank=4, first_layer=1), config
  )
  leaves, tree = jax.tree.flatten(adapter)
  keys = jax.random.split(jax.random.key(2), len(leaves))
  moved = [
    leaf + 0.1 * jax.random.normal(key, leaf.shape)
    for key, leaf in zip(keys, leaves, strict=True)
  ]
  return Tiny(config, params, jax.tree.unflatten(tree, moved), tokenizer)


@pytest.fixture(scope="session")
def to_transformers():
  """(config, params) -> the same model in transformers, on torch."""
  torch = pytest.importorskip("torch")
  transformers = pytest.importorskip("transformers")

  def build(config, params):
    model = transformers.LlamaForCausalLM(
      transformers.LlamaConfig(
        vocab_size=config.vocab_size,
        hidden_size=config.dim,
        intermediate_size=config.mlp_dim,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.kv_heads,
        rms_norm_eps=config.norm_eps,
        rope_parameters={
          "rope_type": "default",
          "rope_theta": config.rope_theta,
        },
        tie_word_embeddings=True,
      )
    )
    state = model.state_dict()
    layers = params["layers"]
    attention = {n: f"self_attn.{n}_proj" for n in "qkvo"}
    names = attention | {n: f"mlp.{n}_proj" for n in ("gate", "up", "down")}
    with torch.no_grad():
      for name, x in (("embed_tokens", "embed"), ("norm", "norm")):
        theirs = state[f"model.{name}.weight"]
        theirs.copy_(torch.from_numpy(np.array(params[x])))
      for i in range(config.layers):
        for ours, theirs in names.items():
          x = torch.from_numpy(np.array(layers[ours][i]).T)
          state[f"model.layers.{i}.{theirs}.weight"].copy_(x)
        norms = ("attn_norm", "input"), ("mlp_norm", "post_attention")
        for ours, theirs in norms:
          x = torch.from_numpy(np.array(layers[ours][i]))
          state[f"model.layers.{i}.{theirs}_layernorm.weight"].copy_(x)
    return model.eval()

  return build
