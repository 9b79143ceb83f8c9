"""Ways to ask the same model: one class each, listed in `WAYS`.

A way says how a model acts and how it answers questions. A new one is a class
here; `settings.CANDIDATES` follows from the list.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import ClassVar

from glimo_jax.agent import llm, prompts
from glimo_jax.evaluate import answering
from glimo_jax.evaluate.exam import ExamItem
from glimo_jax.play import policies, scoring, writers
from glimo_jax.play.loop import Policy
from simulators.text_world import TextWorldProtocol


@dataclasses.dataclass(frozen=True)
class SolvedCases:
  """Solved cases that a prompt may hold, from verified training rows.

  Attributes:
    shots: (user turn, answer) of a few fixed cases.
    retrieve: finds the nearest cases to each of a list of user turns.
  """

  shots: tuple[scoring.Shot, ...] = ()
  retrieve: scoring.Retrieve | None = None


class Plain:
  """The prompt as in training; the base class of the other ways.

  Attributes:
    name: of the way, in configs and reports.
    form: the words of the prompt.
    answers: whether the way also changes how questions are answered.
    prior: whether each score is divided by the score of the same choice
      without a description.
  """

  name: ClassVar[str] = "plain"
  form: ClassVar[prompts.Form] = prompts.PLAIN
  answers: ClassVar[bool] = True
  prior: ClassVar[bool] = False

  def check(self, cases: SolvedCases) -> None:
    """Raises ValueError where the solved cases that it needs are missing."""

  def shots(self, cases: SolvedCases) -> tuple[scoring.Shot, ...]:
    """Cases before every prompt."""
    return ()

  def retrieve(self, cases: SolvedCases) -> scoring.Retrieve | None:
    """Finds cases for each prompt."""
    return None

  def policy(
    self,
    lm: llm.LanguageModel,
    text_world: TextWorldProtocol,
    cases: SolvedCases,
    memo: scoring.Memo,
    *,
    temperature: float = 1.0,
    seed: int = 0,
  ) -> Policy:
    """The policy that asks `lm` for actions in this way.

    Args:
      lm: the model.
      text_world: where it acts.
      cases: solved cases about actions.
      memo: keeps scores, so that no prompt is scored twice.
      temperature: of sampled actions.
      seed: of sampled actions.
    """
    del temperature, seed
    self.check(cases)
    return policies.LanguagePolicy(
      lm,
      text_world.preamble,
      text_world.actions,
      form=self.form,
      shots=self.shots(cases),
      retrieve=self.retrieve(cases),
      prior=self.prior,
      memo=memo,
    )

  def answer(
    self,
    lm: llm.LanguageModel,
    preamble: str,
    items: Sequence[ExamItem],
    cases: SolvedCases,
    memo: scoring.Memo,
    *,
    seed: int = 0,
  ) -> list[answering.Answer]:
    """What `lm` answers when it is asked in this way.

    Args:
      lm: the model.
      preamble: the world's rules.
      items: the questions.
      cases: solved cases about questions.
      memo: keeps scores, so that no prompt is scored twice.
      seed: decides at random between choices with equal scores.
    """
    self.check(cases)
    return answering.answer(
      lm,
      preamble,
      items,
      form=self.form,
      shots=self.shots(cases),
      retrieve=self.retrieve(cases),
      prior=self.prior,
      memo=memo,
      seed=seed,
    )


class FewShot(Plain):
  """The same few solved cases before every prompt."""

  name = "few_shot"

  def check(self, cases: SolvedCases) -> None:
    if not cases.shots:
      raise ValueError(f"arm {self.name!r} needs shots: give some or drop it")

  def shots(self, cases: SolvedCases) -> tuple[scoring.Shot, ...]:
    return cases.shots


class Retrieval(Plain):
  """The nearest solved cases inside each prompt."""

  name = "retrieval"

  def check(self, cases: SolvedCases) -> None:
    if cases.retrieve is None:
      raise ValueError(f"arm {self.name!r} needs a memory: give one or drop it")

  def retrieve(self, cases: SolvedCases) -> scoring.Retrieve | None:
    return cases.retrieve


class PriorCalibrated(Plain):
  """Scores divided by what the model says without a description."""

  name = "prior_calibrated"
  prior = True


class Sampled(Plain):
  """Samples actions; questions are answered as in `Plain`."""

  name = "sampled"
  answers = False

  def policy(
    self,
    lm: llm.LanguageModel,
    text_world: TextWorldProtocol,
    cases: SolvedCases,
    memo: scoring.Memo,
    *,
    temperature: float = 1.0,
    seed: int = 0,
  ) -> Policy:
    likeliest = super().policy(lm, text_world, cases, memo)
    return policies.SampledPolicy(likeliest, temperature, seed)


class Options(Plain):
  """The possible moves or answers are listed at the end of the prompt."""

  name = "options"
  form = prompts.OPTIONS


class OptionsCalibrated(Options):
  """`Options`, divided by what the model says without a description."""

  name = "options_calibrated"
  prior = True


class Instructed(Plain):
  """`Options`, after an instruction: what the task is, and how to decide."""

  name = "instructed"
  form = prompts.INSTRUCTED


class InstructedCalibrated(Instructed):
  """`Instructed`, divided by what the model says without a description."""

  name = "instructed_calibrated"
  prior = True


class Rationale(Plain):
  """Writes a rationale, in the form of training rows with one, then chooses.

  The choices are scored after what was written; see `RationalePolicy`.
  """

  name = "rationale"

  def policy(
    self,
    lm: llm.LanguageModel,
    text_world: TextWorldProtocol,
    cases: SolvedCases,
    memo: scoring.Memo,
    *,
    temperature: float = 1.0,
    seed: int = 0,
  ) -> Policy:
    del cases, temperature, seed
    return writers.RationalePolicy(
      lm, text_world.preamble, text_world.actions, memo=memo
    )

  def answer(
    self,
    lm: llm.LanguageModel,
    preamble: str,
    items: Sequence[ExamItem],
    cases: SolvedCases,
    memo: scoring.Memo,
    *,
    seed: int = 0,
  ) -> list[answering.Answer]:
    del cases
    return answering.after_rationale(lm, preamble, items, memo=memo, seed=seed)


class Reasoned(Plain):
  """Writes a short reason and then the answer, which is parsed.

  Attributes:
    max_tokens: most tokens of the text.
  """

  name = "reasoned"
  form = prompts.REASONED
  max_tokens: ClassVar[int] = 48

  def policy(
    self,
    lm: llm.LanguageModel,
    text_world: TextWorldProtocol,
    cases: SolvedCases,
    memo: scoring.Memo,
    *,
    temperature: float = 1.0,
    seed: int = 0,
  ) -> Policy:
    del cases, memo, temperature, seed
    return writers.WritePolicy(
      lm,
      text_world.preamble,
      text_world.actions,
      functools.partial(writers.concluded_action, parse=text_world.parse),
      self.max_tokens,
      self.form,
    )

  def answer(
    self,
    lm: llm.LanguageModel,
    preamble: str,
    items: Sequence[ExamItem],
    cases: SolvedCases,
    memo: scoring.Memo,
    *,
    seed: int = 0,
  ) -> list[answering.Answer]:
    del cases, memo, seed
    return answering.write(
      lm, preamble, items, form=self.form, max_tokens=self.max_tokens
    )


WAYS: dict[str, Plain] = {
  way.name: way
  for way in (
    Plain(), FewShot(), Retrieval(), PriorCalibrated(), Sampled(), Options(),
    OptionsCalibrated(), Instructed(), InstructedCalibrated(), Reasoned(),
    Rationale(),
  )
}  # fmt: skip
