"""The studio: explore a scenario with sliders, see who knows what, and read the record behind every number."""
