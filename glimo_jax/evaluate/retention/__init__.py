"""What the tuned model has kept of the base model's ability to chat.

chats         distance to the base on ordinary chats, and collapsed answers
budgets       what a run allows, and whether a report exceeds it
instructions  requests whose fulfilment can be verified

Bits per byte of ordinary text are in `evaluate.language`.
"""
