"""A language model as one more proposer: whatever it proposes is looked up in the text, or dropped with the reason."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from detente.errors import UsageError
from detente.record.reading.actors import Lexicon, find_mentions
from detente.record.reading.documents import Document
from detente.record.reading.drafts import Draft, Word
from detente.record.reading.quantities import find_amounts

TIMEOUT = 60.0
MAX_REPLY = 2_000_000
KEYS = ("quote", "statement", "actor", "act")
MAX_CHARS = 24_000
PROMPT = """\
List the checkable claims of the report. Reply with one JSON object {"claims": [...]} and nothing else. Each claim has:
"quote": the words of the report that make the claim, copied exactly; "statement": the claim in your own words; "actor":
who says or does it, as named in the report; "act": what is said or done, in two to five words; "target": to whom, or
"".
Use no numbers and no names that are not in the quoted words."""
_FENCE = re.compile(r"^\s*```(?:json)?\s*|\s*```\s*$")
_SAME = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "\u00a0": " ", "\n": " ", "\t": " "})


@dataclass(frozen=True)
class Endpoint:
    """Where a model answers: any server that speaks the protocol of OpenAI's chat completions."""

    url: str
    model: str = "default"
    key: str = ""
    timeout: float = TIMEOUT

    @property
    def address(self) -> str:
        """The address that is posted to."""
        base = self.url.rstrip("/")
        return base if base.endswith("/chat/completions") else f"{base}/chat/completions"


@dataclass(frozen=True)
class Proposal:
    """What came of asking a model: the drafts that stand in the text, and why others were dropped."""

    drafts: tuple[Draft, ...]
    dropped: tuple[str, ...]


def propose_with_model(document: Document, endpoint: Endpoint, known: Lexicon) -> Proposal:
    """Ask a language model for claims, and keep those whose words stand in the report.

    A draft is dropped, with the reason, if its quotation is not in the text, if it uses a number that is not in the
    quotation, or if its actor is not named in the report.

    Args:
        document: The report.
        endpoint: Where the model answers.
        known: The names of actors.

    Returns:
        The drafts, marked as the model's, and the reasons for what was dropped.

    Raises:
        UsageError: If the endpoint does not answer, or its answer is not what the protocol says.
    """
    return check_claims(document, _ask(document, endpoint), known)


def _ask(document: Document, endpoint: Endpoint) -> list[Any]:
    if not re.match(r"https?://[^\s/]+", endpoint.url):
        raise UsageError(
            f"DETENTE_LLM_URL: {endpoint.url!r} is not an address. Write for example http://localhost:8000/v1."
        )
    body = {
        "model": endpoint.model,
        "temperature": 0,
        "messages": [{"role": "system", "content": PROMPT}, {"role": "user", "content": document.body[:MAX_CHARS]}],
    }
    headers = {"Content-Type": "application/json"}
    if endpoint.key:
        headers["Authorization"] = f"Bearer {endpoint.key}"
    request = urllib.request.Request(endpoint.address, json.dumps(body).encode(), headers)  # noqa: S310
    where = f"{document.name}: the model at {endpoint.address}"
    try:
        with urllib.request.urlopen(request, timeout=endpoint.timeout) as reply:
            raw = reply.read(MAX_REPLY + 1)
    except urllib.error.HTTPError as error:
        error.close()
        raise UsageError(f"{where} answered {error.code} ({error.reason}). {_REMEDY}") from None
    except (urllib.error.URLError, TimeoutError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise UsageError(f"{where} does not answer ({reason}). {_REMEDY}") from None
    if len(raw) > MAX_REPLY:
        raise UsageError(f"{where} sent more than {MAX_REPLY} bytes. {_REMEDY}")
    return _claims(where, raw)


_REMEDY = "Check the server and DETENTE_LLM_URL, or unset it to read without a model."


def _claims(where: str, raw: bytes) -> list[Any]:
    try:
        content = json.loads(raw)["choices"][0]["message"]["content"]
        data = json.loads(_FENCE.sub("", content))
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise UsageError(f"{where} sent no claims in JSON ({error}). {_REMEDY}") from None
    claims = data.get("claims") if isinstance(data, dict) else data
    if not isinstance(claims, list):
        raise UsageError(f"{where} sent {type(claims).__name__} in place of a list of claims. {_REMEDY}")
    return claims


def check_claims(document: Document, claims: Sequence[Any], known: Lexicon) -> Proposal:
    """Keep the proposed claims whose words stand in the report.

    Args:
        document: The report.
        claims: What was proposed: objects with ``quote``, ``statement``, ``actor``, ``act`` and perhaps ``target``.
        known: The names of actors.

    Returns:
        The drafts that hold, and why the others do not.

    Example:
        >>> from detente.record.reading.actors import lexicon
        >>> from detente.record.reading.documents import read_document
        >>> doc = read_document("a.txt", b"Havana said on October 24 that 14 ships had turned back at the line.")
        >>> claim = {"quote": "12 ships had turned", "statement": "Ships left.", "actor": "Cuba", "act": "report"}
        >>> check_claims(doc, [claim], lexicon()).dropped
        ("a.txt: the model's claim 1 is dropped: its quotation '12 ships had turned' is not in the text.",)
    """
    drafts, dropped = [], []
    named = {m.actor.casefold() for m in find_mentions(document.text, known)}
    for n, claim in enumerate(claims, start=1):
        made = _checked(document, claim, named)
        if isinstance(made, Draft):
            drafts.append(made)
        else:
            dropped.append(f"{document.name}: the model's claim {n} is dropped: {made}.")
    return Proposal(tuple(drafts), tuple(dropped))


def _checked(document: Document, claim: Any, named: set[str]) -> Draft | str:
    """The draft, or what is wrong with it."""
    if not isinstance(claim, dict):
        return f"it is {str(claim)[:60]!r}, not an object"
    for key in KEYS:
        if not isinstance(claim.get(key), str) or not claim[key].strip():
            return f"its {key} is {claim.get(key)!r}"
    span = _find(claim["quote"].strip(), document)
    if span is None:
        return f"its quotation {claim['quote'][:80]!r} is not in the text"
    start, end = span
    quote = document.text[start:end]
    numbers = set(re.findall(r"\d[\d,.]*\d|\d", claim["statement"])) - set(re.findall(r"\d[\d,.]*\d|\d", quote))
    if numbers:
        return f"its number {sorted(numbers)[0]} is not in the words that it quotes"
    for key in ("actor", "target"):
        name = claim.get(key) or ""
        if not isinstance(name, str):
            return f"its {key} is {name!r}"
        if name and name.casefold() not in named and name.casefold() not in document.text.casefold():
            return f"its {key} {name!r} is not named in the report"
    return Draft(
        "",
        document.name,
        start,
        end,
        " ".join(claim["statement"].split()),
        "proposed by a model",
        claim["actor"].strip(),
        " ".join(claim["act"].split()),
        (claim.get("target") or "").strip(),
        amounts=tuple(find_amounts(document.text, start, end)),
        attribution=(document.about.outlet or document.name.rsplit("/")[-1],),
        words=(Word("quoted", " ".join(quote.split()), start, end),),
        made_by="model",
    )


def _find(quote: str, document: Document) -> tuple[int, int] | None:
    """Where the quotation stands in a paragraph; the shape of quotation marks and spaces does not count."""
    wanted = re.sub(r"\s+", " ", quote.translate(_SAME))
    form = re.compile(r"\s+".join(re.escape(word) for word in wanted.split(" ")))
    plain = document.text.translate(_SAME)  # one character for one, so that places stay the same
    for start, end in document.paragraphs:
        m = form.search(plain, start, end)
        if m:
            return m.start(), m.end()
    return None
