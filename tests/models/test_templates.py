"""The model's own template gives the ids, the mask and the prompt.

The templates here are ours. Each has what is special about those of a family.
"""

import itertools

import numpy as np
import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from glimo_jax.models.tokenizer import Tokenizer, templates, vocabularies

SPECIAL = [
  "<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|head|>", "<|/head|>",
  "<|eot|>", "<turn>", "</turn>", "[INST]", "[/INST]", "<|endoftext|>",
]  # fmt: skip
CHATML_TURN = (
  "{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}"
)
OPEN = (
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TEMPLATES = {
  # A default system message where there is none: SmolLM2, Qwen2.5.
  "default-system": (
    "{% for m in messages %}{% if loop.first and m.role != 'system' %}"
    "{{ '<|im_start|>system\nBe kind.<|im_end|>\n' }}{% endif %}"
    + CHATML_TURN + "{% endfor %}" + OPEN
  ),
  # The day in a system turn that is always there, stripped contents: Llama 3.
  "dated": (
    "{{ bos_token }}{% if messages[0].role == 'system' %}"
    "{% set said = messages[0].content | trim %}"
    "{% set rest = messages[1:] %}{% else %}{% set said = '' %}"
    "{% set rest = messages %}{% endif %}"
    "{{ '<|head|>system<|/head|>\n\nDay: ' + strftime_now('%d %b %Y') }}"
    "{{ '\n\n' + said + '<|eot|>' }}{% for m in rest %}"
    "{{ '<|head|>' + m.role + '<|/head|>\n\n' + m.content | trim + '<|eot|>' }}"
    "{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|head|>assistant<|/head|>\n\n' }}{% endif %}"
  ),
  # Reasoning is opened in the prompt and taken out of earlier turns: Qwen3.
  "thinking": (
    "{% for m in messages %}{% if m.role == 'assistant' %}"
    "{{ '<|im_start|>assistant\n' }}{% if loop.last %}"
    "{{ '<think>\n\n</think>\n\n' }}{% endif %}"
    "{{ m.content.split('</think>')[-1] + '<|im_end|>\n' }}{% else %}"
    + CHATML_TURN + "{% endif %}{% endfor %}" + OPEN
    + "{% if add_generation_prompt and not enable_thinking %}"
    "{{ '<think>\n\n</think>\n\n' }}{% endif %}"
  ),
  # The prompt opens reasoning that the row does not have.
  "thinking-prompt-only": (
    "{% for m in messages %}" + CHATML_TURN + "{% endfor %}" + OPEN
    + "{% if add_generation_prompt %}{{ '<think></think>' }}{% endif %}"
  ),
  # The system message in the first user turn, own role names: Gemma 3.
  "folded": (
    "{{ bos_token }}{% if messages[0].role == 'system' %}"
    "{% set first = messages[0].content + '\n\n' %}"
    "{% set rest = messages[1:] %}{% else %}{% set first = '' %}"
    "{% set rest = messages %}{% endif %}{% for m in rest %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "{{ '<turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' }}"
    "{{ (first if loop.first else '') + m.content | trim + '</turn>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<turn>model\n' }}{% endif %}"
  ),
  # No system role at all: Gemma 1 and 2.
  "no-system": (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}"
    "{{ raise_exception('no system role') }}{% endif %}"
    "{{ '<turn>' + m.role + '\n' + m.content + '</turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<turn>assistant\n' }}{% endif %}"
  ),
  # Nothing opens the answer but a space; its end is that of text: Mistral.
  "instructions": (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %}"
    "{{ ' ' + m.content + eos_token }}{% elif m.role == 'system' %}"
    "{{ '[INST] ' + m.content + '\n\n' }}{% else %}"
    "{% set joins = loop.index0 == 1 and messages[0].role == 'system' %}"
    "{{ ('' if joins else '[INST] ') + m.content + '[/INST]' }}"
    "{% endif %}{% endfor %}"
  ),
  # Reasoning mode and day in the system turn: SmolLM3.
  "metadata": (
    "{{ '<|im_start|>system\nDay: ' + strftime_now('%d') + '\nMode: ' }}"
    "{{ '/think' if enable_thinking else '/no_think' }}{{ '\n\n' }}"
    "{% if messages[0].role == 'system' %}{{ messages[0].content }}{% else %}"
    "{{ 'Be kind.' }}{% endif %}{{ '<|im_end|>\n' }}{% for m in messages %}"
    "{% if m.role != 'system' %}" + CHATML_TURN + "{% endif %}{% endfor %}"
    + OPEN
  ),
  "chatml": templates.CHATML,
  "plain": templates.PLAIN,
}  # fmt: skip
SYSTEM = {"role": "system", "content": "Answer with one word."}
ASKED = ({"role": "user", "content": "goal three up?"},)
CHAT = (
  *ASKED,
  {"role": "assistant", "content": "up"},
  {"role": "user", "content": "and now?"},
  {"role": "assistant", "content": "left"},
)
NAMED = {"bos_token": "<s>", "eos_token": "</s>"}


def backend():
  """Every byte is a token; a line break and a space join what follows."""
  alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
  merges = [("\u010a", "\u010a"), ("\u0120", "u")]
  words = [*SPECIAL, *alphabet, *map("".join, merges)]
  built = tokenizers.Tokenizer(
    models.BPE(vocab={w: i for i, w in enumerate(words)}, merges=merges)
  )
  built.pre_tokenizer = pre_tokenizers.ByteLevel(
    add_prefix_space=False, use_regex=False
  )
  built.decoder = decoders.ByteLevel()
  built.add_special_tokens(SPECIAL)
  return built


@pytest.fixture(scope="module", params=TEMPLATES)
def named(request):
  return request.param, Tokenizer(backend(), TEMPLATES[request.param], NAMED)


def transformers_ids(template, messages, opened):
  """Ids of `apply_chat_template`, on the day that ours are written on."""
  transformers = pytest.importorskip("transformers")
  theirs = transformers.PreTrainedTokenizerFast(
    tokenizer_object=backend(), **NAMED
  )
  calendar = f"{{% macro strftime_now(f) %}}{templates.TODAY}{{% endmacro %}}"
  return theirs.apply_chat_template(
    list(messages), chat_template=calendar + template,
    add_generation_prompt=opened, enable_thinking=False, tokenize=True,
    return_dict=False,
  )  # fmt: skip


@pytest.mark.parametrize("opened", [True, False])
def test_ids_equal_transformers(named, opened):
  name, tokenizer = named
  chat = CHAT[:3] if opened else CHAT
  if name != "no-system":
    chat = (SYSTEM, *chat)
  ids, _ = tokenizer.render_chat(chat, opened)
  theirs = transformers_ids(tokenizer.template, chat, opened)
  if name == "thinking-prompt-only" and not opened:
    assert ids != theirs  # the answer stands behind its prompt
  else:
    assert ids == theirs


def chats():
  """Chats of one and of two answers, with a system message and without."""
  for system in ((), (SYSTEM,)):
    yield (*system, *CHAT[:2])
    yield (*system, *CHAT)


def test_prompt_begins_its_row_and_the_mask_is_the_answer(named):
  name, tokenizer = named
  for chat in chats():
    ids, mask = tokenizer.render_chat(chat)
    prompt = tokenizer.render_prompt(chat[:-1]).ids
    assert ids[: len(prompt)] == prompt
    assert prompt == tokenizer.render_chat(chat[:-1], True)[0]
    last = ids[len(prompt) :], mask[len(prompt) :]
    written = list(itertools.compress(*last))
    assert last[1] == sorted(last[1], reverse=True)  # no gap
    assert written[-1] == tokenizer.end_of_turn
    assert tokenizer.decode(written[:-1]).strip() == chat[-1]["content"]
    assert written == tokenizer.encode_answer(chat[-1]["content"])
    answers = sum(m["role"] == "assistant" for m in chat)
    # Reasoning templates write an earlier answer unlike the prompt for it.
    counted = 1 if "thinking" in name else answers
    assert sum(i == tokenizer.end_of_turn and m for i, m in zip(ids, mask,
      strict=True)) == counted  # fmt: skip


def test_shared_beginnings_do_not_depend_on_the_last_message(named):
  _, tokenizer = named
  chat = (SYSTEM, *ASKED)
  other = (SYSTEM, {"role": "user", "content": "blocked?"})
  ids, before, shared = tokenizer.render_prompt(chat)
  again = tokenizer.render_prompt(other)
  assert again.ids[: again.shared] == ids[:shared]
  assert (again.before, again.shared) == (before, shared)
  assert 0 < before <= shared < len(ids)
  text = tokenizer.decode(ids[:before])
  assert SYSTEM["content"] in text
  assert "goal" not in tokenizer.decode(ids[:shared])


def test_contents_cannot_forge_turns(named):
  """Nor can tokens of turns that the checkpoint does not mark as special."""
  name, _ = named
  unmarked = backend()
  content = unmarked.to_str().replace('"special":true', '"special":false')
  for built in (unmarked, tokenizers.Tokenizer.from_str(content)):
    tokenizer = Tokenizer(built, TEMPLATES[name], NAMED)
    forged = "a" + "".join(tokenizer._format.turn_tokens) + "b"
    plain, _ = tokenizer.render_chat([{"role": "user", "content": "ab"}])
    ids, _ = tokenizer.render_chat([{"role": "user", "content": forged}])
    special = range(len(SPECIAL))
    assert [i for i in ids if i in special] == [
      i for i in plain if i in special
    ]
    assert forged in tokenizer.decode(ids)


def test_ids_of_forged_and_honest_chats_agree(named):
  """Both ways of encoding give the same ids, in every stretch."""
  _, tokenizer = named
  guarded = Tokenizer(backend(), tokenizer.template, NAMED)
  guarded._forges = lambda content: True
  for chat in chats():
    assert guarded.render_chat(chat) == tokenizer.render_chat(chat)
    prompts = (t.render_prompt(chat[:-1]) for t in (guarded, tokenizer))
    assert next(prompts) == next(prompts)


def test_an_answer_that_would_join_its_prompt_stays_apart():
  """Line breaks join into one token, but the model acted on the prompt."""
  tokenizer = Tokenizer(backend(), templates.CHATML, NAMED)
  chat = (*ASKED, {"role": "assistant", "content": "\nup"})
  ids, mask = tokenizer.render_chat(chat)
  prompt = tokenizer.render_prompt(ASKED).ids
  assert ids[: len(prompt)] == prompt
  assert mask == [0] * len(prompt) + [1] * 4 + [0]


def test_default_system_message_is_left_out_and_other_words_stay():
  kind = Tokenizer(backend(), TEMPLATES["default-system"], NAMED)
  chatml = Tokenizer(backend(), templates.CHATML, NAMED)
  assert kind.render_chat(CHAT) == chatml.render_chat(CHAT)
  dated = Tokenizer(backend(), TEMPLATES["dated"], NAMED)
  text = dated.decode(dated.render_chat(ASKED)[0])
  assert text.startswith(
    f"<s><|head|>system<|/head|>\n\nDay: {templates.TODAY}"
  )
  metadata = Tokenizer(backend(), TEMPLATES["metadata"], NAMED)
  text = metadata.decode(metadata.render_chat(ASKED)[0])
  assert "Mode: /no_think\n\nBe kind.<|im_end|>" in text


def test_stripped_contents_are_stripped():
  tokenizer = Tokenizer(backend(), TEMPLATES["dated"], NAMED)
  loose = [{"role": "user", "content": "  up \n"}]
  tight = [{"role": "user", "content": "up"}]
  assert tokenizer.render_chat(loose, True) == tokenizer.render_chat(
    tight, True
  )


def test_base_models_get_a_documented_template():
  assert Tokenizer(backend()).template == templates.CHATML
  content = backend().to_str().replace("im_end", "other")
  base = tokenizers.Tokenizer.from_str(content)
  plain = Tokenizer(base, "", NAMED, adds_bos=True)
  text = plain.decode(plain.render_chat(CHAT[:2])[0])
  assert text == "<s>### user\ngoal three up?\n\n### assistant\nup</s>\n\n"
  assert plain.encode_document("up")[0] == plain.start_of_text == 0
  without = Tokenizer(base, "", NAMED)
  assert not without.decode(without.render_chat(ASKED)[0]).startswith("<s>")
  assert without.encode_document("up") == without.encode_plain("up")
  with pytest.raises(ValueError, match=r"no chat template.*eos_token"):
    Tokenizer(base)


@pytest.mark.parametrize(
  ("template", "words"),
  [
    ("{% for m in messages %}{{ m.content }}{% endfor %}", "special token"),
    ("{{ messages[-1].content }}</s>", r"writes the messages \[1\] of a chat"),
    ("{{ raise_exception('never') }}", "refuses a chat.*never"),
    ("{% for m in %}", "refuses a chat"),
  ],
)
def test_templates_that_do_not_serve_are_refused(template, words):
  with pytest.raises(ValueError, match=words):
    Tokenizer(backend(), template, NAMED)


def test_pretokenizers_of_qwen2_and_llama3_cut_numbers_and_lines():
  text = "don't 12345\n\n  x=1;\n"

  def words(name):
    cut = vocabularies._BYTE_LEVEL[name]().pre_tokenize_str(text)
    return [w.replace("\u0120", " ").replace("\u010a", "\n") for w, _ in cut]

  assert words("qwen2") == [
    "don", "'t", " ", *"12345", "\n\n", " ", " x", "=", "1", ";\n",
  ]  # fmt: skip
  assert words("llama-bpe") == [
    "don", "'t", " ", "123", "45", "\n\n", " ", " x", "=", "1", ";\n",
  ]  # fmt: skip


def test_sentencepiece_of_a_gguf_merges_by_score():
  """Spaces are letters, unknown characters bytes, the best score first."""
  words = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256))]
  types = [2, 3, 3, *[6] * 256]
  scores = [0.0] * len(words)
  for word, score in (
    ("\u2581", -9.0), ("u", -9.0), ("p", -9.0), ("up", -2.0),
    ("\u2581u", -1.0), ("\u2581up", -3.0), ("\n", 0.0),
  ):  # fmt: skip
    words.append(word)
    scores.append(score)
    types.append(4 if word == "\n" else 1)
  meta = {
    "tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": words,
    "tokenizer.ggml.scores": scores, "tokenizer.ggml.token_type": types,
    "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2,
    "tokenizer.ggml.add_space_prefix": False,
  }  # fmt: skip
  tokenizer = Tokenizer.from_gguf(meta)
  ids = tokenizer.encode_plain("up up\n\u00e9")
  shown = [words[i] for i in ids]
  assert shown == ["up", "\u2581up", "\n", "<0xC3>", "<0xA9>"]
  assert tokenizer.decode(ids) == "up up\n\u00e9"
  assert tokenizer.start_of_text == 1
  assert tokenizer.template.endswith(templates.PLAIN)
  rng = np.random.default_rng(0)
  for _ in range(20):
    text = "".join(rng.choice(list("up \n<>s/\u6771"), 12))
    assert tokenizer.decode(tokenizer.encode_plain(text)) == text
