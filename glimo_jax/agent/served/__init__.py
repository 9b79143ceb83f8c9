"""A served language model over the OpenAI-compatible HTTP API.

settings     TeacherConfig: address, limits, prices
client       ServedLM: a sliding window of requests
workers      what takes them, in the thread of an event loop
exchange     one request with its retries; totals, budget, patience
wire         a Request as JSON, in the dialect that the server takes
answers      the server's JSON as a Completion
faults       what a reply without an answer means, and what to do about it
connection   address, key, proxies; one connection for each slot
window       how many requests are in flight
"""

from glimo_jax.agent.served.client import ServedLM
from glimo_jax.agent.served.exchange import BudgetExceeded, ServedError
from glimo_jax.agent.served.settings import TeacherConfig

__all__ = ["BudgetExceeded", "ServedError", "ServedLM", "TeacherConfig"]
