"""The record of a crisis: sources, claims, events and estimates, with what supports and contradicts them."""

from detente.record.evidence import (
    Correction,
    EvidenceRow,
    SourceRow,
    chain,
    corrections,
    figures_in_words,
    independent_sources,
    supporters,
)
from detente.record.ledger import Ledger, as_of, find, load_ledger
from detente.record.models import Check, Claim, Dispute, Estimate, Event, Figure, Quantity, Source, When

__all__ = [
    "Check",
    "Claim",
    "Correction",
    "Dispute",
    "Estimate",
    "Event",
    "EvidenceRow",
    "Figure",
    "Ledger",
    "Quantity",
    "Source",
    "SourceRow",
    "When",
    "as_of",
    "chain",
    "corrections",
    "figures_in_words",
    "find",
    "independent_sources",
    "load_ledger",
    "supporters",
]
