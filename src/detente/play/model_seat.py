"""A language model in a seat: it is given the seat's view and nothing else, and answers with one of its options."""

import json
import re
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from detente.errors import UsageError
from detente.play.bots import AskFn
from detente.play.views import View, view_json

if TYPE_CHECKING:
    from detente.record.reading.llm import Endpoint

MAX_REPLY = 200_000
PROMPT = """\
You sit in one seat of a crisis exercise. You are given, as JSON, all that your seat knows: the situation, what you were
told, did, wrote and read, and the choice that is open to you. Choose one of the options. Reply with one JSON object and
nothing else: {"option": "LABEL"}, the label copied exactly."""
_FENCE = re.compile(r"^\s*```(?:json)?\s*|\s*```\s*$")


def ask_with(endpoint: "Endpoint") -> AskFn:
    """A function that asks a model what it chooses.

    Args:
        endpoint: Any server that speaks the protocol of OpenAI's chat completions; its ``timeout`` holds.

    Returns:
        Called with a seat's view; returns the label that the model gives, which may be none of the options, and raises
        :class:`detente.errors.UsageError` if the model does not answer or the answer cannot be read.

    Raises:
        UsageError: If the endpoint's address is not one.
    """
    if not re.match(r"https?://[^\s/]+", endpoint.url):
        raise UsageError(
            f"DETENTE_LLM_URL: {endpoint.url!r} is not an address. Write for example http://localhost:8000/v1."
        )
    return lambda shown: _label(_post(endpoint, shown))


def request_body(model: str, shown: View) -> dict[str, Any]:
    """What is sent to the model: the instruction and the seat's view, nothing more."""
    messages = [
        {"role": "system", "content": PROMPT},
        {"role": "user", "content": json.dumps(view_json(shown), ensure_ascii=False)},
    ]
    return {"model": model, "temperature": 0, "messages": messages}


def _post(endpoint: "Endpoint", shown: View) -> bytes:
    headers = {"Content-Type": "application/json"}
    if endpoint.key:
        headers["Authorization"] = f"Bearer {endpoint.key}"
    body = json.dumps(request_body(endpoint.model, shown)).encode()
    request = urllib.request.Request(endpoint.address, body, headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=endpoint.timeout) as reply:
            raw = reply.read(MAX_REPLY + 1)
    except urllib.error.HTTPError as error:
        error.close()
        raise UsageError(f"it answered {error.code} ({error.reason})") from None
    except (urllib.error.URLError, TimeoutError, OSError) as error:
        raise UsageError(f"it does not answer ({getattr(error, 'reason', error)})") from None
    if len(raw) > MAX_REPLY:
        raise UsageError(f"it sent more than {MAX_REPLY} bytes")
    return raw


def _label(raw: bytes) -> str:
    """The label in a reply."""
    try:
        content = json.loads(raw)["choices"][0]["message"]["content"]
        option = json.loads(_FENCE.sub("", content))["option"]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise UsageError(f"its answer cannot be read ({type(error).__name__})") from None
    if not isinstance(option, str):
        raise UsageError(f"its option is {option!r}, not a label")
    return option
