"""Urban Driving in words: observations to text, and text back to data."""
