"""The HTML that every part of the page is made of."""

import html
import re
from collections.abc import Sequence
from typing import Any

from glimo_jax.evaluate.report.page.style import CSS

_NARROW = 3  # columns that fit a phone


def document(title: str, body: str) -> str:
  """A whole page that loads nothing."""
  return (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width">'
    '<meta name="color-scheme" content="light dark">'
    f"<title>glimo_jax report</title><style>{CSS}</style></head>"
    f"<body>\n<h1>{escape(title)}</h1>\n{body}\n</body></html>\n"
  )


def section(title: str, body: str) -> str:
  """A heading, which can be linked to, and what follows it."""
  name = re.sub(r"\W+", "-", title.lower())
  return f'<h2 id="{name}">{escape(title)}</h2>\n{body}'


def contents(sections: Sequence[str]) -> str:
  """Links to the headings of the sections."""
  found = [re.match(r'<h2 id="(.*?)">(.*?)</h2>', part) for part in sections]
  links = [f'<a href="#{m[1]}">{m[2]}</a>' for m in found if m]
  return f"<nav>{''.join(links)}</nav>" if links else ""


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
  """A table of plain text cells.

  The interval of a cell is set small. On a narrow screen each row of many
  cells becomes a block.
  """
  wide = len(header) > _NARROW
  head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
  body = "".join(
    "<tr>"
    + "".join(
      f'<td data-label="{escape(label)}">{_cell(cell)}</td>'
      for label, cell in zip(header, row, strict=True)
    )
    + "</tr>"
    for row in rows
  )
  return (
    f'<table class="{"wide" if wide else "short"}">'
    f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
  )


def _cell(value: Any) -> str:
  mean, bracket, rest = str(value).partition(" [")
  if not bracket or " [" in rest:
    return escape(value)
  return f"{escape(mean)} <small>[{escape(rest)}</small>"


def folded(title: str, body: str) -> str:
  """What a reader may open."""
  return f"<details><summary>{escape(title)}</summary>{body}</details>"


def turns(
  texts: Sequence[str], actions: Sequence[str], notes: Sequence[str] = ()
) -> str:
  """An episode as a list: each text with the action taken on it.

  Args:
    texts: what was read.
    actions: what was done next; may be one fewer.
    notes: HTML below each text; may be fewer.
  """
  lines = []
  for i, text in enumerate(texts):
    action = f" <b>{escape(actions[i])}</b>" if i < len(actions) else ""
    note = notes[i] if i < len(notes) else ""
    lines.append(f"<li>{escape(text)}{action}{note}</li>")
  return f"<ol>{''.join(lines)}</ol>"


def duration(seconds: float) -> str:
  """A time as a person says it: `1 h 32 min`."""
  minutes = round(seconds / 60)
  if minutes < 2:
    return f"{seconds:.0f} s"
  hours, minutes = divmod(minutes, 60)
  return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def escape(value: Any) -> str:
  """A value as text that HTML shows as it is."""
  return html.escape(str(value))
