"""Urban Driving: traffic that behaves, on roads that are formulas."""
