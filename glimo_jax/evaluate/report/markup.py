"""The HTML that every part of the page is made of."""

import html
from collections.abc import Sequence
from typing import Any

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff;
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
table { border-collapse: collapse; margin: .5rem 0; display: block;
  overflow-x: auto; }
th, td { padding: .25rem .8rem .25rem 0; text-align: left;
  border-bottom: 1px solid #ddd; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
small, .faint { color: #666; } small { white-space: nowrap; }
.headline { font-size: 2.4rem; font-weight: 600; margin: .5rem 0 0; }
.bars rect { fill: #b8c4d6; } .bars .tuned { fill: #1f5fbf; }
svg text { font: 12px system-ui, sans-serif; fill: #444; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1.5rem; }
ol { padding-left: 1.6rem; } li b { color: #1f5fbf; }
"""


def document(title: str, body: str) -> str:
  """A whole page that loads nothing."""
  return (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width">'
    f"<title>glimo_jax report</title><style>{STYLE}</style></head>"
    f"<body>\n<h1>{escape(title)}</h1>\n{body}\n</body></html>\n"
  )


def section(title: str, body: str) -> str:
  """A heading and what follows it."""
  return f"<h2>{escape(title)}</h2>\n{body}"


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
  """A table of plain text cells."""
  head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
  body = "".join(
    "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
    for row in rows
  )
  return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def turns(texts: Sequence[str], actions: Sequence[str]) -> str:
  """An episode as a list: each text with the action taken on it."""
  lines = "".join(
    f"<li>{escape(text)} <b>{escape(action)}</b></li>"
    for text, action in zip(texts, actions, strict=False)
  )
  return f"<ol>{lines}</ol>"


def escape(value: Any) -> str:
  """A value as text that HTML shows as it is."""
  return html.escape(str(value))
