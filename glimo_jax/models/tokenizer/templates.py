"""Chat templates: what a model writes around the contents of a chat.

A template is a program in Jinja that comes with the model. transformers runs
it once for each sequence of roles, on marks in place of the contents. What it
writes around the marks is the format. The contents stand in it as they are,
but for the white space that the template strips.

Where a template does not fit a chat whose prompt must be the beginning of its
training row:

- It has no system role: the system message goes before the first user turn,
  with an empty line between them.
- It adds a default system message, and nothing else, to a chat without one:
  this is left out.
- It writes the day: the day is always TODAY, so that a row does not change.
- It opens the last answer otherwise than the prompt for it (a reasoning model):
  reasoning is switched off, and the answer follows the prompt as it is.
- It changes earlier answers: they are not trained on.
"""

import dataclasses
import itertools
import re
from collections.abc import Mapping, Sequence

from glimo_jax.types import Message

ROLES = ("system", "user", "assistant")
TODAY = "26 Jul 2024"
CHATML = (
  "{% for message in messages %}"
  "{{ '<|im_start|>' + message.role + '\n' + message.content }}"
  "{{ '<|im_end|>' + '\n' }}"
  "{% endfor %}"
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# Of base models without ChatML's tokens: the end of text ends an answer.
PLAIN = (
  "{{ bos_token }}"
  "{% for message in messages %}"
  "{{ '### ' + message.role + '\n' + message.content }}"
  "{{ eos_token if message.role == 'assistant' else '' }}{{ '\n\n' }}"
  "{% endfor %}"
  "{% if add_generation_prompt %}{{ '### assistant\n' }}{% endif %}"
)
_CALENDAR = f"{{% macro strftime_now(format) %}}{TODAY}{{% endmacro %}}"
_OPTIONS = {"enable_thinking": False, "thinking": False, "date_string": TODAY}
# Private characters around the number of a message; tabs, which no template
# writes itself, show whether it strips its contents.
_MARK = re.compile(r"(\t?)\ue000(\d+)\ue001(\t?)")


def _mark(number: int) -> str:
  return f"\t\ue000{number}\ue001\t"


@dataclasses.dataclass(frozen=True)
class ChatPart:
  """A piece of a rendered chat.

  Attributes:
    text: what the template writes, "" where a content stands.
    message: number of the message whose content stands here; -1: none.
    left, right: whether white space is stripped from the content's ends.
    answer: whether the assistant writes it.
  """

  text: str = ""
  message: int = -1
  left: bool = False
  right: bool = False
  answer: bool = False

  def fill(self, messages: Sequence[Message]) -> str:
    """The text of this part of a chat."""
    if self.message < 0:
      return self.text
    content = messages[self.message]["content"]
    content = content.lstrip() if self.left else content
    return content.rstrip() if self.right else content


@dataclasses.dataclass(frozen=True)
class Layout:
  """How a template writes the chats of one sequence of roles.

  Attributes:
    parts: from left to right.
    before: how many parts the messages before the last one make when they
      stand alone; 0 where they would not be written alike.
    upto: how many parts stand before the content of the last message.
  """

  parts: tuple[ChatPart, ...]
  before: int
  upto: int


class Format:
  """A chat template, read.

  Args:
    template: in Jinja.
    tokens: `bos_token`, `eos_token` and others that the template names.
    special: texts of the tokens of which one must end an answer.

  Attributes:
    template: as given.
    turn_tokens: special tokens that the template writes itself.

  Raises:
    ValueError: the template cannot write a chat of a user and an assistant.
  """

  def __init__(
    self, template: str, tokens: Mapping[str, str], special: Sequence[str]
  ):
    self.template, self._tokens = template, dict(tokens)
    found = sorted(filter(str.strip, special), key=len, reverse=True)
    self._special = re.compile("|".join(map(re.escape, found)) or r"(?!)")
    self._layouts: dict[tuple[tuple[str, ...], bool], Layout] = {}
    self._texts: dict[tuple[tuple[str, ...], bool], str] = {}
    texts = [self._marked(("user", "assistant")), self._marked(("user",), True)]
    texts += [self._tried(("system", "user")) or ""]
    self.turn_tokens = frozenset(self._special.findall("".join(texts)))
    self.layout(("user", "assistant"))

  def layout(
    self, roles: Sequence[str], generation_prompt: bool = False
  ) -> Layout:
    """How a chat of these roles is written.

    An answer is what follows the prompt for it, up to the token that ends the
    turn. An earlier answer whose prompt is not the beginning of the chat is
    none: no model acted on that prompt.

    Args:
      roles: of the messages.
      generation_prompt: open a turn of the assistant at the end.

    Raises:
      ValueError: an unknown role, or a chat that the template refuses.
    """
    key = tuple(roles), generation_prompt
    if key not in self._layouts:
      self._layouts[key] = self._read(*key)
    return self._layouts[key]

  def _read(self, roles: tuple[str, ...], opened: bool) -> Layout:
    text = self._marked(roles, opened)
    answers = self._answers(roles, text)
    before = (self._tried(roles[:-1]) or "") if len(roles) > 1 else ""
    before = before if text.startswith(before) else ""
    edges = {0, len(text), len(before), *(x for span in answers for x in span)}
    cuts = sorted(edges)
    parts: list[ChatPart] = []
    count, upto = 0, 0
    for begin, end in itertools.pairwise(cuts):
      answer = any(start <= begin < stop for start, stop in answers)
      if begin == len(before):
        count = len(parts)
      done = begin
      for mark in [*_MARK.finditer(text, begin, end), None]:
        stop = mark.start() if mark else end
        if stop > done:
          parts.append(ChatPart(text[done:stop], answer=answer))
        if mark:
          number, done = int(mark[2]), mark.end()
          upto = len(parts) if number == len(roles) - 1 else upto
          parts.append(ChatPart("", number, not mark[1], not mark[3], answer))
    return Layout(tuple(parts), count, upto)

  def _answers(
    self, roles: tuple[str, ...], text: str
  ) -> list[tuple[int, int]]:
    """(start, end) of each answer in the marked text of a chat."""
    spans = []
    marks = {int(m[2]): m for m in _MARK.finditer(text)}
    starts = sorted(m.start() for m in marks.values())
    for i in (i for i, role in enumerate(roles) if role == "assistant"):
      place = marks[i]
      limit = min((x for x in starts if x > place.start()), default=len(text))
      end = self._special.search(text, place.end(), limit)
      if end is None:
        raise ValueError(
          "the model's chat template ends an answer without a special token, "
          "so that a model could not stop: use a model whose template has one"
        )
      prompt = self._tried(roles[:i], True)
      if prompt is not None and text.startswith(prompt):
        spans.append((len(prompt), end.end()))
    return spans

  def _tried(self, roles: tuple[str, ...], opened: bool = False) -> str | None:
    """`_marked`, or None where the template refuses the chat."""
    try:
      return self._marked(roles, opened)
    except ValueError:
      return None

  def _marked(self, roles: tuple[str, ...], opened: bool = False) -> str:
    """The chat with marks in place of the contents, as we write it.

    Raises:
      ValueError: as `layout`.
    """
    if (roles, opened) in self._texts:
      return self._texts[roles, opened]
    for role in roles:
      if role not in ROLES:
        raise ValueError(f"role {role!r} is unknown: use one of {list(ROLES)}")
    text = self._rendered(roles, opened) if roles or opened else ""
    if roles and roles[0] != "system":
      text = self._without_default(roles, opened, text)
    if not opened and roles and roles[-1] == "assistant":
      prompt = self._marked(roles[:-1], True)
      if not text.startswith(prompt):
        text = prompt + text[list(_MARK.finditer(text))[-1].start() :]
    self._texts[roles, opened] = text
    return text

  def _without_default(
    self, roles: tuple[str, ...], opened: bool, text: str
  ) -> str:
    """The text without a default system message that the template adds."""
    try:
      alone = self._rendered(("system",), False)
      given = self._rendered(("system", *roles), opened)
    except ValueError:
      return text
    header, tail = _MARK.sub("\ue000", alone).split("\ue000")
    if self._special.sub("", header + tail).strip() != "system":
      return text  # it writes more than the message
    if not given.startswith(alone):
      return text
    rest = _MARK.sub(
      lambda m: f"{m[1]}\ue000{int(m[2]) - 1}\ue001{m[3]}", given[len(alone) :]
    )
    if not (text.startswith(header) and text.endswith(rest)):
      return text  # it adds none
    begin = self._tokens.get("bos_token") or ""
    opens = alone.startswith(begin) and not rest.startswith(begin)
    return begin + rest if opens else rest

  def _rendered(self, roles: tuple[str, ...], opened: bool) -> str:
    """What the template renders for marks.

    Where it refuses a system message, this is put before the first user turn.
    """
    marks = [_mark(i) for i in range(len(roles))]
    messages = [
      {"role": role, "content": mark}
      for role, mark in zip(roles, marks, strict=True)
    ]
    try:
      return self._run(messages, opened, len(marks))
    except ValueError:
      if roles[:2] != ("system", "user"):
        raise
    both = {"role": "user", "content": f"{marks[0]}\n\n{marks[1]}"}
    return self._run([both, *messages[2:]], opened, len(marks))

  def _run(
    self, messages: Sequence[Message], opened: bool, contents: int
  ) -> str:
    """What transformers renders; checks that it writes all contents."""
    import jinja2
    from transformers.utils import chat_template_utils  # takes seconds

    roles = [message["role"] for message in messages]
    try:
      [text], _ = chat_template_utils.render_jinja_template(
        [list(messages)],
        chat_template=_CALENDAR + self.template,
        add_generation_prompt=opened,
        **self._tokens,
        **_OPTIONS,
      )
    except (jinja2.TemplateError, TypeError) as error:
      raise ValueError(
        f"the model's chat template refuses a chat of {roles} "
        f"({type(error).__name__}: {error}): use a model whose template takes "
        "it, or correct its template"
      ) from error
    found = sorted(int(m[2]) for m in _MARK.finditer(text))
    if found != list(range(contents)):
      raise ValueError(
        f"the model's chat template writes the messages {found} of a chat of "
        f"{contents}, {roles}: use a model whose template writes each once"
      )
    return text
