"""Stand-ins that obey the same contracts as what they stand for."""
