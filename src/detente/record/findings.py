"""What a check of a record finds, and whether the record says so itself."""

from dataclasses import dataclass

from detente.record.ledger import AGAINST, Ledger
from detente.record.models import NEEDS_CORRECTION, Claim

KINDS = (
    "file",
    "line",
    "same id twice",
    "id that leads nowhere",
    "source that retells itself",
    "formula",
    "document",
    "quotation",
    "number",
    "superseded",
    "independence",
    "one unreliable source",
    "dates",
    "figure",
)


@dataclass(frozen=True)
class Finding:
    """Something that a check found.

    Attributes:
        kind: One of ``KINDS``.
        id: The entry it is about, or empty where a line cannot be read.
        what: What is wrong, with the values.
        remedy: What to do.
        known: Whether the record itself says so already, by status, grade or a correction; then it is no problem.
    """

    kind: str
    id: str
    what: str
    remedy: str
    known: bool = False


def is_known(claim: Claim, ledger: Ledger) -> bool:
    """Whether the record says that a claim is not to be taken as printed.

    Args:
        claim: The claim.
        ledger: The record that it is in.
    """
    against = any(check.relation in AGAINST for check in claim.checks)
    return claim.status in NEEDS_CORRECTION and (against or claim.id in ledger.corrected_by)
