"""Questions about a moment of AgentWorld: one file for each category of kinds.

A kind of question is a `simulators.asking.Kind` beside its truth, all in the
file of its category. `sampling` collects the kinds of these files in the order
of `Kind.number`; it has no list of them. `reference.answers` finds the second
answer to each kind by its name. So a new kind touches two files: its category's
file here and a file of `reference`.

A truth is (moment, args) -> (code, weight): the answer as an index into
`vocabulary.ANSWERS`, and a sampling weight. The weight is 0 where the question
names something unseen or misread, or has no single answer. What *happens*
follows `Params.opens`, without chance; `which_tool`, `which_element` and
`opens` follow `Params.nominal`.
"""
