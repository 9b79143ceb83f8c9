"""AgentWorld: a grid of rooms where tools open the way to the goal."""
