"""Reading a report: from its file to draft claims that show the words that made them."""

from detente.record.reading.actors import Lexicon, find_mentions, lexicon
from detente.record.reading.batch import Batch, Failure, Reading, Settings, read_batch
from detente.record.reading.dates import DateMention, find_dates
from detente.record.reading.documents import Document, Metadata, read_document
from detente.record.reading.drafts import Draft, claim_form
from detente.record.reading.propose import propose
from detente.record.reading.quantities import Amount, find_amounts

__all__ = [
    "Amount",
    "Batch",
    "DateMention",
    "Document",
    "Draft",
    "Failure",
    "Lexicon",
    "Metadata",
    "Reading",
    "Settings",
    "claim_form",
    "find_amounts",
    "find_dates",
    "find_mentions",
    "lexicon",
    "propose",
    "read_batch",
    "read_document",
]
