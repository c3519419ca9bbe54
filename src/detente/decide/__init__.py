"""Policies compared over an ensemble of possible worlds."""
