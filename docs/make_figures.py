"""Draws the two pictures of the README from a finished AgentWorld run.

  python docs/make_figures.py --run=runs/quickstart

`before_after.gif` replays one test level as base and tuned model played it.
It is the first level of `--depth` that the base fails and the tuned model
solves. `success.png` shows the success of five arms on all test levels.
"""

import argparse
import dataclasses
import functools
import json
import pathlib

import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

import simulators
from simulators.agentworld.vocabulary import ELEMENTS, TOOLS
from simulators.text_world import TextWorld

SCALE = 3  # drawn this much larger, then reduced: smooth edges
CELL, GAP, MARGIN = 48, 28, 16  # pixels
MILLISECONDS = 420  # of a frame
HOLD = 3000  # of the last frame
CARD, EDGE, INK, FAINT = "#ffffff", "#d0d7de", "#1f2328", "#656d76"
FLOOR, WALL, GOAL = "#f3f1ec", "#59606b", "#1f2328"
BLUE, GREY, GOOD, BAD = "#1f5fbf", "#8c959f", "#1a7f37", "#b35900"
PAIRS = ("#0b7a75", "#b3541e", "#7b3fa0", "#8a6d00", "#a02846")
ARMS = {
  "random": ("random actions", "#c4cbd3"),
  "base": ("base model", GREY),
  "tuned": ("tuned model", BLUE),
  "script": ("script", "#c4cbd3"),
  "oracle": ("oracle", "#c4cbd3"),
}
TITLES = ("Base model", "Tuned model")
ENDINGS = {
  "success": ("goal reached in {} moves", GOOD),
  "exhausted": ("stuck after {} moves", BAD),
  "truncated": ("goal not reached in {} moves", BAD),
}


@functools.cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
  """A font that every installation has: it comes with matplotlib."""
  name = "DejaVu Sans:bold" if bold else "DejaVu Sans"
  return ImageFont.truetype(font_manager.findfont(name), size * SCALE)


class Canvas:
  """A transparent picture that takes its sizes in final pixels."""

  def __init__(self, width: int, height: int):
    self.size = (width, height)
    self._image = Image.new("RGBA", (width * SCALE, height * SCALE))
    self._draw = ImageDraw.Draw(self._image)

  def box(self, x, y, width, height, fill=None, outline=None, radius=0, line=1):
    corners = [v * SCALE for v in (x, y, x + width, y + height)]
    self._draw.rounded_rectangle(
      [corners[0], corners[1], corners[2] - 1, corners[3] - 1],
      radius * SCALE, fill, outline, line * SCALE,
    )  # fmt: skip

  def disc(self, x, y, radius, fill):
    self._draw.circle((x * SCALE, y * SCALE), radius * SCALE, fill)

  def shape(self, points, fill):
    self._draw.polygon([(x * SCALE, y * SCALE) for x, y in points], fill)

  def line(self, points, fill, width):
    scaled = [(x * SCALE, y * SCALE) for x, y in points]
    self._draw.line(scaled, fill, width * SCALE, joint="curve")

  def text(self, x, y, words, fill=INK, size=13, bold=False, anchor="lm"):
    place = (x * SCALE, y * SCALE)
    self._draw.text(place, words, fill, font(size, bold), anchor)

  def image(self) -> Image.Image:
    return self._image.resize(self.size, Image.Resampling.LANCZOS)


# --- The same level, before and after ---------------------------------------


@dataclasses.dataclass(frozen=True)
class Replay:
  """An episode that is played again."""

  title: str  # who plays
  actions: list[str]  # their words
  ended: str  # a key of ENDINGS
  moments: list  # observations, one more than actions; numpy leaves


def replays(run: pathlib.Path, depth: int) -> tuple[int, list[Replay]]:
  """The level's index and both models' episodes on it.

  Raises:
    ValueError: no level of this depth fits, or the replay ends otherwise.
  """
  evaluated = run / "evaluate"
  acted = json.loads((evaluated / "agentworld-test.json").read_text())["acted"]
  settings = json.loads((evaluated / "settings.json").read_text())
  config = settings["evaluate"]
  world = simulators.make("agentworld", **settings["world"]["options"])
  pool = world.pool("test", config["episodes"], tuple(config["depths"]))
  pairs = [
    (base, tuned)
    for base, tuned in zip(acted["base"], acted["tuned"], strict=True)
    if base["depth"] == depth and tuned["success"] and not base["success"]
  ]
  if not pairs:
    raise ValueError(
      f"no level of depth {depth} in {run} is failed by the base and solved "
      "by the tuned model: give another --depth"
    )
  out = []
  for title, episode in zip(TITLES, pairs[0], strict=True):
    text_world = TextWorld(world, world.params("real"), pool)
    text_world.reset([episode["index"]], seed=config["seed"])
    moments = [text_world.obs]
    for action in episode["actions"]:
      text_world.step([world.actions.index(action)])
      moments.append(text_world.obs)
    if text_world.texts[0] != episode["texts"][-1]:
      raise ValueError(f"the replay of level {episode['index']} differs")
    out.append(Replay(title, episode["actions"], episode["ended"], moments))
  return pairs[0][0]["index"], out


def before_after(episodes: list[Replay], path: pathlib.Path) -> None:
  """Writes the two episodes side by side as an endless GIF."""
  steps = max(len(episode.actions) for episode in episodes)
  frames = [_frame(episodes, step) for step in range(steps + 1)]
  sheet = Image.new("RGB", (frames[0].width, 3 * frames[0].height))
  for i, frame in enumerate((frames[0], frames[steps // 2], frames[-1])):
    sheet.paste(frame, (0, i * frame.height))
  palette = sheet.quantize(255)  # one palette: nothing flickers
  first, *others = [
    frame.quantize(palette=palette, dither=Image.Dither.NONE)
    for frame in frames
  ]
  first.save(
    path, save_all=True, append_images=others, loop=0, optimize=True,
    duration=[2 * MILLISECONDS, *[MILLISECONDS] * (steps - 1), HOLD],
  )  # fmt: skip


def _frame(episodes: list[Replay], step: int) -> Image.Image:
  side = int(episodes[0].moments[0].side[0]) * CELL
  canvas = Canvas(2 * (MARGIN + side) + GAP, side + 118)
  canvas.box(0, 0, *canvas.size, CARD, EDGE)
  for i, episode in enumerate(episodes):
    left = MARGIN + i * (side + GAP)
    now = min(step, len(episode.actions))
    canvas.text(left, 24, episode.title, (GREY, BLUE)[i], 16, bold=True)
    _board(canvas, left, 42, episode.moments[: now + 1], (FAINT, BLUE)[i])
    _hand(canvas, left, side + 60, episode.moments[now])
    _caption(canvas, left, side + 92, episode, now)
  return canvas.image().convert("RGB")


def _caption(canvas: Canvas, left, y, episode: Replay, now: int) -> None:
  if now < len(episode.actions) or not now:
    action = episode.actions[now - 1] if now else "start"
    canvas.text(left, y, f"{now:2}" if now else "", FAINT, 14)
    canvas.text(left + 26 * bool(now), y, action, INK, 14, bold=True)
  else:
    words, colour = ENDINGS[episode.ended]
    canvas.text(left, y, words.format(now), colour, 14, bold=True)


def _colours(obs) -> dict[int, str]:
  """Tool word -> colour: an element has that of the tool it needs."""
  words = dict.fromkeys([*obs.tool[0].tolist(), *obs.needs[0].tolist()])
  return dict(zip(sorted(words), PAIRS * 2, strict=False))


def _board(canvas: Canvas, left, top, moments: list, colour: str) -> None:
  obs = moments[-1]
  colours = _colours(moments[0])
  side = int(obs.side[0])

  def corner(cell):
    return left + int(cell[1]) * CELL, top + int(cell[0]) * CELL

  def centre(cell):
    x, y = corner(cell)
    return x + CELL / 2, y + CELL / 2

  for cell in np.ndindex(side, side):
    fill = WALL if obs.wall[0][cell] else FLOOR
    x, y = corner(cell)
    canvas.box(x + 1, y + 1, CELL - 2, CELL - 2, fill, radius=5)
  _flag(canvas, *corner(obs.goal[0]))
  trail = [centre(moment.agent[0]) for moment in moments]
  if len(trail) > 1:
    canvas.line(trail, "#9fb4d4" if colour == BLUE else "#bcc2c9", 3)
  things = zip(
    obs.element[0], obs.element_at[0], obs.opened[0], obs.needs[0], strict=True
  )
  for word, cell, opened, needs in things:
    if word < 0:
      continue
    x, y = corner(cell)
    pair = colours[int(needs)]
    fill, ink = (None, pair) if opened else (pair, "#ffffff")
    canvas.box(x + 3, y + 3, CELL - 6, CELL - 6, fill, pair, 5, 2)
    down = 12 if opened else CELL / 2  # an open one is walked through
    canvas.text(x + CELL / 2, y + down, ELEMENTS[word], ink, 12, True, "mm")
  for word, cell, held in zip(
    obs.tool[0], obs.tool_at[0], obs.held[0], strict=True
  ):
    if word >= 0 and not held:
      x, y = centre(cell)
      _diamond(canvas, x, y - 7, 9, colours[int(word)])
      canvas.text(x, y + 13, TOOLS[word], colours[int(word)], 11, True, "mm")
  x, y = centre(obs.agent[0])
  canvas.disc(x, y, 14, "#ffffff")
  canvas.disc(x, y, 12, colour)
  for eye in (-4, 4):
    canvas.disc(x + eye, y - 2, 2.4, "#ffffff")


def _diamond(canvas: Canvas, x, y, radius, fill) -> None:
  points = [(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)]
  canvas.shape(points, fill)


def _flag(canvas: Canvas, x, y) -> None:
  canvas.line([(x + 14, y + 9), (x + 14, y + 40)], GOAL, 3)
  for row, column in np.ndindex(3, 4):
    fill = GOAL if (row + column) % 2 == 0 else "#ffffff"
    canvas.box(x + 16 + 5 * column, y + 9 + 5 * row, 5, 5, fill)


def _hand(canvas: Canvas, left, y, obs) -> None:
  """The tools that the agent holds."""
  canvas.text(left, y, "holds", FAINT, 12)
  colours, x = _colours(obs), left + 48
  for word, held in zip(obs.tool[0], obs.held[0], strict=True):
    if held and word >= 0:
      _diamond(canvas, x, y, 6, colours[int(word)])
      canvas.text(x + 11, y, TOOLS[word], colours[int(word)], 12, True)
      x += 26 + 8 * len(TOOLS[word])
  if x == left + 48:
    canvas.text(x - 6, y, "nothing", FAINT, 12)


# --- Success of the arms ----------------------------------------------------


def success(report: pathlib.Path, path: pathlib.Path) -> None:
  """Draws success on the test levels: a bar an arm, with its interval."""
  arms = json.loads(report.read_text())["benchmarks"]["agentworld/test"]
  rows = [(*ARMS[arm], arms[arm]["success"]) for arm in ARMS]
  left, length, row = 148, 340, 38
  canvas = Canvas(560, 68 + row * len(rows))
  canvas.box(0, 0, *canvas.size, CARD, EDGE, radius=8)
  canvas.text(MARGIN, 26, "Test levels solved", INK, 15, True)
  levels = f"AgentWorld, n = {rows[0][2]['n']}"
  canvas.text(canvas.size[0] - MARGIN, 26, levels, FAINT, anchor="rm")
  for i, (title, colour, value) in enumerate(rows):
    y = 66 + i * row
    bold = title.startswith("tuned")
    canvas.text(left - 12, y, title, INK, 13, bold, "rm")
    canvas.box(left, y - 11, length, 22, "#f0f2f5", radius=3)
    width = max(length * value["mean"], 6)
    canvas.box(left, y - 11, width, 22, colour, radius=3)
    ends = [left + length * value[end] for end in ("lo", "hi")]
    canvas.line([(end, y) for end in ends], INK, 1)
    for end in ends:
      canvas.line([(end, y - 4), (end, y + 4)], INK, 1)
    canvas.text(left + length + 12, y, f"{value['mean']:.0%}", INK, 14, bold)
  canvas.image().save(path, optimize=True)


def main() -> None:
  """Writes both pictures and says which level the first one shows."""
  flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  flags.add_argument("--run", type=pathlib.Path, required=True)
  flags.add_argument("--report", type=pathlib.Path, help="RUN/report.json")
  flags.add_argument("--out", type=pathlib.Path, default="docs/images")
  flags.add_argument("--depth", type=int, default=1)
  args = flags.parse_args()
  args.out.mkdir(parents=True, exist_ok=True)
  success(args.report or args.run / "report.json", args.out / "success.png")
  index, episodes = replays(args.run, args.depth)
  film = args.out / "before_after.gif"
  before_after(episodes, film)
  moves = " and ".join(str(len(episode.actions)) for episode in episodes)
  print(f"{film}: test level {index}, {moves} moves, {film.stat().st_size} B")


if __name__ == "__main__":
  main()
