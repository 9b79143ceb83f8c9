"""The agent: a language model with tools, memory, skills and a verifier."""
