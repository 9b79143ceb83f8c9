"""Questions about a moment in traffic: one `Kind` each, by category.

A kind stands right below the function that computes its true answer. Its
functions take:

    arguments(key) -> i32[N, ARGS]       questions that are considered
    choices(args) -> i32[n]              codes of the answers offered
    truth(moment, args) -> (code, weight)
    gaps(obs, row, args) -> {gap: word}  obs: numpy leaves [B, ...]
    needs(args) -> slots                 that the text must tell, if taken

The weight is 0 where the question must not be asked: the thing is unseen, or
so near to the border between two answers that rounded words cannot decide.
A new kind needs this spec, with the next free number, and an answer of the
same name in `reference/`.
"""
