"""A small typed language of questions, in JSON, that an interpreter answers.

  {"op": "count", "args": ["tools", {"op": "reachable", "args": ["it"]}]}

A world that has `Queries` publishes its words and its primitives. Here are the
operators that every world has, and how a query is read, put in words, and
answered. Nothing is evaluated but these operators: no text of a query becomes
code.
"""
