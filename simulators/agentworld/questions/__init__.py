"""Questions about a moment of AgentWorld: one `Kind` each, by category.

A kind stands right below the function that computes its true answer. Its
functions take:

    arguments(moment) -> i32[N, ARGS]     questions that are considered
    choices(moment, args) -> i32[n]       codes of the answers offered
    truth(moment, args) -> (code, weight)
    gaps(args, names) -> {gap: word}      see `parts.Names`
    needs(missing, args, code) -> bool    see `text.needs`

The weight is 0 where the question names something unseen or misread, or has no
single answer. What *happens* follows `Params.opens`, without chance;
`which_tool`, `which_element` and `opens` follow `Params.nominal`.

A new kind needs this spec, with the next free number, and an answer of the same
name in `reference/`. `sampling` finds the kinds of all categories.
"""
