"""How Urban Driving works: roads, traffic, ego car, meters and planner."""
