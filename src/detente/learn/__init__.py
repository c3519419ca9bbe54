"""Learning: the likelihood of what was observed, estimates and forecasts from it, and how they are scored."""
