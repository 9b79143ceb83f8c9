"""Experience and instructions: collected, annotated, counted, stored, fed."""
