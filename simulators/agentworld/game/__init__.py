"""The game: levels and their pools, dynamics, goals, oracle, moments."""
