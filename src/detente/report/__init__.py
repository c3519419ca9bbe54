"""Results for people: probability words, charts, the brief."""
