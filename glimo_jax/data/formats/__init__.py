"""Forms that the instruction dataset is written in, for other programs."""
