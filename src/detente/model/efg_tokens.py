"""The text of a game file as tokens, its numbers exactly as written; and faults, with the place where they are."""

import re
from fractions import Fraction
from typing import NoReturn

from detente.errors import GameFileError

MAX_DIGITS = 1000  # longest number that is read
MAX_EXPONENT = 400  # beyond it no double holds the number, and building it exactly could take for ever

TEXT, BLOCK, WORD, END = 1, 2, 3, 0  # kinds of token
_QUOTED = r'"(?>[^"\\]+|\\.)*+"'
_TOKEN = re.compile(
    rf'\s*+(?:"((?>[^"\\]+|\\.)*+)"|(\{{[^{{}}"]*+(?:{_QUOTED}[^{{}}"]*+)*+\}})|([^\s,{{}}"]++))', re.DOTALL
)
_ITEM = re.compile(r'"((?>[^"\\]+|\\.)*+)"|([^\s,{}"]++)', re.DOTALL)
_BLANK = re.compile(r"\s*+")
_NUMBER = re.compile(r"[+-]?(?:\d+/\d+|(?:\d+\.?\d*|\.\d+)(?:[eE]([+-]?\d+))?)", re.ASCII)
WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_ESCAPED = re.compile(r'\\(["\\])')


class Reader:
    r"""The text as tokens, one at a time: the current one is ``kind``, ``value`` and ``start``.

    Args:
        text: What the file holds, with ``\n`` at the end of a line.
        name: What messages call the file.

    Raises:
        GameFileError: Here and in every method, if something else stands in the file than is wanted there.

    Example:
        >>> reader = Reader('p "" 1 { "left" "right" }', "entry.efg")
        >>> reader.kind == WORD, reader.value
        (True, 'p')
        >>> reader.whole("the number of the player")
        Traceback (most recent call last):
            ...
        detente.errors.GameFileError: entry.efg, line 1, column 1: 'p "" 1 { "left" "right" }' stands where the
        number of the player should be. Put a whole number here.
    """

    def __init__(self, text: str, name: str):
        self.text, self.name = text, name
        self.kind, self.value, self.start, self.end = END, "", 0, 0
        self.numbers: dict[str, Fraction] = {}
        self.advance()

    def advance(self) -> None:
        """Go to the next token."""
        found = _TOKEN.match(self.text, self.end)
        if found is None:
            self._end_or_fail()
            return
        kind = found.lastindex or END
        self.kind, self.value = kind, found[kind]
        self.start, self.end = found.start(kind) - (kind == TEXT), found.end()  # from the quotation mark on

    def _end_or_fail(self) -> None:
        blank = _BLANK.match(self.text, self.end)
        self.start = self.end = blank.end() if blank else self.end
        self.kind, self.value = END, ""
        if self.start == len(self.text):
            return
        mark = self.text[self.start]
        if mark == '"':
            self.fail(self.start, f"the text {self.near()} is not closed. Add the closing quotation mark")
        if mark == "{":
            self.fail(
                self.start,
                f"the list {self.near()} is not closed, or another list stands in it. Add the closing brace",
            )
        self.fail(self.start, f"{mark!r} stands where no list is open. Remove it, or open the list before it")

    def near(self, length: int = 30) -> str:
        """The text at the current token, shortened, for messages."""
        rest = self.text[self.start : self.start + length + 1]
        return shortened(rest, length) if rest else "the end of the file"

    def fail(self, at: int, what: str) -> NoReturn:
        """Refuse the file at a position."""
        raise GameFileError(f"{self.name}, {self.place(at)}: {what}.")

    def place(self, at: int) -> str:
        """A position as line and column."""
        line = self.text.count("\n", 0, at) + 1
        return f"line {line}, column {at - self.text.rfind(chr(10), 0, at)}"

    def optional_text(self) -> str | None:
        """The current token where it is quoted text, which is then passed; or None."""
        if self.kind != TEXT:
            return None
        value = self.value
        self.advance()
        return _ESCAPED.sub(r"\1", value) if "\\" in value else value

    def optional_block(self) -> tuple[str, int] | None:
        """The current token where it is a list in braces, which is then passed, and its position; or None."""
        if self.kind != BLOCK:
            return None
        found = (self.value, self.start)
        self.advance()
        return found

    def whole(self, what: str) -> int:
        """The current token, which must be a whole number."""
        if self.kind != WORD or not WHOLE.fullmatch(self.value) or len(self.value) > 18:
            self.fail(self.start, f"{self.near()} stands where {what} should be. Put a whole number here")
        value = int(self.value)
        self.advance()
        return value

    def number(self, text: str, at: int) -> Fraction:
        """A number, exactly as written."""
        found = self.numbers.get(text)
        if found is not None:
            return found
        match = _NUMBER.fullmatch(text) if len(text) <= MAX_DIGITS else None
        if not match:
            self.fail(at, f"{shortened(text)} is not a number. Write it whole, as a decimal or as a fraction (1/3)")
        exponent = match[1] or "0"
        if len(exponent) > 6 or abs(int(exponent)) > MAX_EXPONENT:
            self.fail(at, f"the exponent of {shortened(text)} is out of range. Choose other units")
        try:
            value = Fraction(text)
            as_float = float(value)
        except ZeroDivisionError:
            self.fail(at, f"the fraction {shortened(text)} divides by zero. Correct the denominator")
        except OverflowError:
            self.fail(at, f"the number {shortened(text)} is larger than a computer's number. Choose larger units")
        if value != 0 and as_float == 0:
            self.fail(at, f"the number {shortened(text)} is smaller than a computer's number. Choose smaller units")
        self.numbers[text] = value
        return value

    def items(self, block: str, at: int) -> list[tuple[str | None, str, int]]:
        """What stands in a list: (text, or None where it is not quoted; word, or empty; position)."""
        found = []
        for item in _ITEM.finditer(block, 1, len(block) - 1):
            kind = item.lastindex or 1
            text = _ESCAPED.sub(r"\1", item[1]) if kind == 1 else None
            found.append((text, item[2] or "", at + item.start()))
        return found


def shortened(text: str, length: int = 40, quote: bool = True) -> str:
    """A value for a message: cut short, on one line.

    Args:
        text: The value.
        length: How many letters of it are shown; 300 of one without quotation marks.
        quote: Whether to put it in quotation marks.

    Returns:
        The value or its beginning.

    Example:
        >>> print(shortened("stay out", length=4), shortened("stay out", quote=False))
        'stay…' stay out
    """
    short = text if len(text) <= length or not quote and len(text) <= 300 else text[:length] + "…"
    return repr(short) if quote else short
