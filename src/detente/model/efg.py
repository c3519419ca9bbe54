r"""Game files: read and write the .efg format of Gambit, exactly.

The format is a header, ``EFG 2 R "title" { "player" … } "comment"``, and one record a node, parent before
child and sibling after sibling::

    c "name" infoset "label" { "option" probability … } outcome "outcome name" { payoffs }
    p "name" player infoset "label" { "option" … } outcome "outcome name" { payoffs }
    t "name" outcome "outcome name" { payoffs }

Reading is one pass without recursion: time and memory grow with the size of the file, however deep the tree
is and whatever the file holds. Numbers stay exact (fractions) until the game is laid out as arrays.
"""

import os
import re
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any, NoReturn

import numpy as np

from detente.axes import CHANCE, CHOICE, LEAF, NO_CHANCE, NO_PARENT, ChanceMove, Game, Infoset
from detente.errors import GameFileError, UsageError, nearest
from detente.model.compile import Draft, assemble

MAX_BYTES = 1 << 30  # a file larger than this is refused unread
MAX_DIGITS = 1000  # longest number that is read
MAX_EXPONENT = 400  # beyond it no double holds the number, and building it exactly could take for ever
MAX_DENOMINATOR_BITS = 4096  # longest denominator of an exact sum; what keeps adversarial files from stalling
PAYOFFS_PER_NODE = 10  # payoffs (leaf × player) allowed for each node that is allowed
DECIMAL_TOLERANCE = Fraction(1, 10**9)  # how far decimals, which are often rounded, may sum from 1
PROBABILITY_TOLERANCE = 1e-9  # how far the floats of one draw may leave [0, 1] or sum from 1
SIMPLE_DENOMINATOR = 10**6  # a float that is the nearest to such a fraction may be written as the fraction

_TEXT, _BLOCK, _WORD, _END = 1, 2, 3, 0  # kinds of token
_QUOTED = r'"(?>[^"\\]+|\\.)*+"'
_TOKEN = re.compile(
    rf'\s*+(?:"((?>[^"\\]+|\\.)*+)"|(\{{[^{{}}"]*+(?:{_QUOTED}[^{{}}"]*+)*+\}})|([^\s,{{}}"]++))', re.DOTALL
)
_ITEM = re.compile(r'"((?>[^"\\]+|\\.)*+)"|([^\s,{}"]++)', re.DOTALL)
_BLANK = re.compile(r"\s*+")
_NUMBER = re.compile(r"[+-]?(?:\d+/\d+|(?:\d+\.?\d*|\.\d+)(?:[eE]([+-]?\d+))?)", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_ESCAPED = re.compile(r'\\(["\\])')
# Gambit wants the labels of a player to differ, so a move that is made at several infosets is followed by
# what the player knows; the comment says so, and reading gives the move's name again.
_LABELS = "Infosets are labelled move{}knowledge."
_LABELLED = re.compile(re.escape(_LABELS).replace(r"\{\}", r"( \|+ )"))
_IS_TEXT = re.compile(r"\ufeff?\s*EFG\s+\d")


# -- reading -------------------------------------------------------------------------------------------------
def read_efg(source: str | os.PathLike[str], *, check: bool = True, max_nodes: int = 2_000_000) -> Game:
    r"""Read a game that somebody else wrote down, as a file of Gambit's .efg format.

    Args:
        source: Path of the file, or its text (recognised by its ``EFG`` header or by a line break).
        check: Whether to refuse a game in which a player forgets what it knew or did.
        max_nodes: Refuse a tree larger than this.

    Returns:
        The game. It has no parameters and no outcomes: payoffs and probabilities are numbers. An infoset
        without a label is named after its player and its number, as in ``Player 1:3``; an unnamed player
        ``Player 1``. What the players know is in the infosets' membership only: ``knows`` is empty.

    Raises:
        GameFileError: If the file cannot be read, is not a well-formed game, or lacks perfect recall. The
            message says at which line and column, what stands there and what to do.

    Example:
        >>> game = read_efg('''EFG 2 R "Matching pennies" { "row" "col" }
        ... p "" 1 1 "row moves" { "heads" "tails" } 0
        ... p "" 2 1 "col moves" { "heads" "tails" } 0
        ... t "" 1 "same" { 1, -1 }
        ... t "" 2 "different" { -1, 1 }
        ... p "" 2 1 0
        ... t "" 2
        ... t "" 1
        ... ''')
        >>> game
        Game('Matching pennies', 2 players, 7 nodes, 2 infosets, 4 leaves, 0 parameters)
    """
    if isinstance(source, str) and ("\n" in source or _IS_TEXT.match(source)):
        return parse_efg(source, check=check, max_nodes=max_nodes)
    name = _shown(os.fspath(source), quote=False)
    return parse_efg(_file_text(source, name), name, check=check, max_nodes=max_nodes)


def parse_efg(text: str, name: str = "<text>", *, check: bool = True, max_nodes: int = 2_000_000) -> Game:
    r"""Read a game from the text of an .efg file.

    Outcomes at nodes on the way are added to the payoffs at the end. Probabilities written as whole numbers
    and fractions must sum to exactly 1; where decimals are among them, which are often rounded, within 1e-9,
    and they are then divided by their sum.

    Args:
        text: What the file holds.
        name: What messages call the file.
        check: Whether to refuse a game in which a player forgets what it knew or did.
        max_nodes: Refuse a tree larger than this.

    Returns:
        The game, as :func:`read_efg` describes it.

    Raises:
        GameFileError: If the text is not a well-formed game, or lacks perfect recall.

    Example:
        >>> game = parse_efg('''EFG 2 R "Coin" { "me" }
        ... c "" 1 "coin" { "heads" 1/2 "tails" .5 } 0
        ... t "" 1 "" { 1 }
        ... t "" 0''')
        >>> game.options_at(0)
        ('heads', 'tails')
    """
    reader = _Reader(text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n"), name)
    title, players, separator = _read_header(reader)
    tree = _read_tree(reader, players, max_nodes)
    draft = _finish(reader, tree, players, separator, max_nodes)
    game = assemble(draft, title=title, players=players)
    if check:
        check_perfect_recall(game, name=name)
    return game


def _file_text(path: str | os.PathLike[str], name: str) -> str:
    """What a file holds: UTF-8, or else Latin-1, in which every byte is a letter."""
    try:
        with open(path, "rb") as file:
            start = file.read(4096)
            if not start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"EFG"):
                raise GameFileError(
                    f"{name}: this is not a game file: it starts with {start[:20]!r}, not with EFG 2 R. "
                    "Give a file in Gambit's .efg format, saved as plain text (UTF-8)."
                )
            data = start + file.read(MAX_BYTES - len(start) + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise GameFileError(f"{name}: cannot read this file: {reason}. Give the path of an .efg file.") from None
    if len(data) > MAX_BYTES:
        raise GameFileError(
            f"{name}: the file has more than {MAX_BYTES:,} bytes. Build the game in the language of detente "
            "instead, or leave out the names of the nodes."
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


class _Reader:
    """The text as tokens, one at a time: the current one is ``kind``, ``value`` and ``start``."""

    def __init__(self, text: str, name: str):
        self.text, self.name = text, name
        self.kind, self.value, self.start, self.end = _END, "", 0, 0
        self.numbers: dict[str, Fraction] = {}
        self.advance()

    def advance(self) -> None:
        """Go to the next token."""
        found = _TOKEN.match(self.text, self.end)
        if found is None:
            self._end_or_fail()
            return
        kind = found.lastindex or _END
        self.kind, self.value = kind, found[kind]
        self.start, self.end = found.start(kind) - (kind == _TEXT), found.end()  # from the quotation mark on

    def _end_or_fail(self) -> None:
        blank = _BLANK.match(self.text, self.end)
        self.start = self.end = blank.end() if blank else self.end
        self.kind, self.value = _END, ""
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
        return _shown(rest, length) if rest else "the end of the file"

    def fail(self, at: int, what: str) -> NoReturn:
        """Refuse the file at a position."""
        raise GameFileError(f"{self.name}, {self.place(at)}: {what}.")

    def place(self, at: int) -> str:
        """A position as line and column."""
        line = self.text.count("\n", 0, at) + 1
        return f"line {line}, column {at - self.text.rfind(chr(10), 0, at)}"

    def optional_text(self) -> str | None:
        """The current token where it is quoted text, which is then passed; or None."""
        if self.kind != _TEXT:
            return None
        value = self.value
        self.advance()
        return _ESCAPED.sub(r"\1", value) if "\\" in value else value

    def optional_block(self) -> tuple[str, int] | None:
        """The current token where it is a list in braces, which is then passed, and its position; or None."""
        if self.kind != _BLOCK:
            return None
        found = (self.value, self.start)
        self.advance()
        return found

    def whole(self, what: str) -> int:
        """The current token, which must be a whole number."""
        if self.kind != _WORD or not _WHOLE.fullmatch(self.value) or len(self.value) > 18:
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
            self.fail(at, f"{_shown(text)} is not a number. Write it whole, as a decimal or as a fraction (1/3)")
        exponent = match[1] or "0"
        if len(exponent) > 6 or abs(int(exponent)) > MAX_EXPONENT:
            self.fail(at, f"the exponent of {_shown(text)} is out of range. Choose other units")
        try:
            value = Fraction(text)
            as_float = float(value)
        except ZeroDivisionError:
            self.fail(at, f"the fraction {_shown(text)} divides by zero. Correct the denominator")
        except OverflowError:
            self.fail(at, f"the number {_shown(text)} is larger than a computer's number. Choose larger units")
        if value != 0 and as_float == 0:
            self.fail(at, f"the number {_shown(text)} is smaller than a computer's number. Choose smaller units")
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


def _shown(text: str, length: int = 40, quote: bool = True) -> str:
    """A value for a message: cut short, on one line."""
    short = text if len(text) <= length or not quote and len(text) <= 300 else text[:length] + "…"
    return repr(short) if quote else short


def _read_header(reader: _Reader) -> tuple[str, tuple[str, ...], str]:
    """The title, the players, and what separates a move from the knowledge in the labels of our own files."""
    for expected, what in (("EFG",), "EFG"), (("2",), "version 2"), (("R", "D"), "R"):
        if reader.kind != _WORD or reader.value not in expected:
            reader.fail(
                reader.start,
                f"{reader.near()} stands where {what} should be. A game file starts with "
                'EFG 2 R "title" { "player" … }; give a file in that format',
            )
        reader.advance()
    title = reader.optional_text()
    if title is None:
        reader.fail(reader.start, f"{reader.near()} stands where the title should be. Put a title in quotation marks")
    block = reader.optional_block()
    if block is None:
        reader.fail(reader.start, f'{reader.near()} stands where the players should be. List them: {{ "A" "B" }}')
    players = []
    for text, word, at in reader.items(*block):
        if text is None:
            reader.fail(at, f"the player {_shown(word)} is not in quotation marks. Put them around the name")
        players.append(text or f"Player {len(players) + 1}")
    if not players:
        reader.fail(block[1], "the list of players { } is empty. Name at least one player")
    labelled = _LABELLED.match(reader.optional_text() or "")  # in the comment
    return title, tuple(players), labelled[1] if labelled else ""


@dataclass
class _Point:
    """An infoset or chance move as the file describes it."""

    player: int  # from 1; 0 is chance
    number: int
    label: str
    options: tuple[str, ...]
    probabilities: tuple[Fraction, ...]
    index: int
    start: int  # where it is mentioned first


@dataclass
class _Outcome:
    """Payoffs that the file gives a number to; None until they are given."""

    payoffs: tuple[Fraction, ...] | None
    start: int


@dataclass
class _Tree:
    """What has been read of the tree so far."""

    draft: Draft = field(default_factory=Draft)
    outcome: array = field(default_factory=lambda: array("q"))  # of each node; 0 is none
    infosets: dict[tuple[int, int], _Point] = field(default_factory=dict)
    chances: dict[tuple[int, int], _Point] = field(default_factory=dict)
    outcomes: dict[int, _Outcome] = field(default_factory=dict)
    # By the text of the list, so that a list which comes again is not read again.
    options: dict[str, tuple[str, ...]] = field(default_factory=dict)
    gambles: dict[str, tuple[tuple[str, ...], tuple[Fraction, ...]]] = field(default_factory=dict)
    payoffs: dict[str, tuple[Fraction, ...]] = field(default_factory=dict)


def _read_tree(reader: _Reader, players: tuple[str, ...], max_nodes: int) -> _Tree:
    """Every record, in the order of the file: depth first, without recursion."""
    tree = _Tree()
    draft = tree.draft
    waiting: list[list[int]] = []  # [node, option now filled, number of options] from the root
    announced = 1
    while waiting or not draft.kind:
        at = reader.start
        if reader.kind == _END:
            _truncated(reader, tree, waiting, players, announced)
        if reader.kind != _WORD or reader.value not in ("p", "c", "t"):
            reader.fail(
                at,
                f"{reader.near()} is not a record. A record starts with p (a player chooses), c (chance) or "
                "t (the game ends); check that the record before it is complete",
            )
        record = reader.value
        reader.advance()
        reader.optional_text()  # the node's name
        parent, option = (waiting[-1][0], waiting[-1][1]) if waiting else (NO_PARENT, 0)
        point = None
        if record == "t":
            node = draft.add(LEAF, parent, option, 0)
        else:
            point = _read_point(reader, tree, record, players)
            node = draft.add(CHOICE if record == "p" else CHANCE, parent, option, point.index)
            announced += len(point.options)
            if announced > max_nodes:
                reader.fail(
                    at,
                    f"the tree has more than {max_nodes:,} nodes ({len(draft.kind):,} so far, and "
                    f"{announced:,} with the options that still lead somewhere). Read a smaller game, or "
                    "raise max_nodes",
                )
        tree.outcome.append(_read_outcome(reader, tree, len(players)))
        if point is not None:
            waiting.append([node, 0, len(point.options)])
            continue
        while waiting and waiting[-1][1] + 1 == waiting[-1][2]:
            waiting.pop()
        if waiting:
            waiting[-1][1] += 1
    if reader.kind != _END:
        reader.fail(
            reader.start,
            f"{reader.near()} stands after the tree is complete ({len(draft.kind):,} nodes). Remove what "
            "follows, or add the option that leads here to its move",
        )
    return tree


def _truncated(
    reader: _Reader, tree: _Tree, waiting: list[list[int]], players: tuple[str, ...], announced: int
) -> NoReturn:
    if not waiting:
        reader.fail(reader.start, "the file ends before the first record. Add the tree, one record (p, c or t) a node")
    node, option, _ = waiting[-1]
    kind, index = tree.draft.kind[node], tree.draft.point[node]
    point = list((tree.infosets if kind == CHOICE else tree.chances).values())[index]
    reader.fail(
        reader.start,
        f"the file ends and {announced - len(tree.draft.kind):,} nodes are missing: the next would be what "
        f"follows {_shown(point.options[option])} at {_move_name(point, players)!r} "
        f"({reader.place(point.start)}). The file seems cut off: get it again, or add the missing records",
    )


def _move_name(point: _Point, players: tuple[str, ...]) -> str:
    """The label of an infoset or chance move, or a name made from who moves and its number."""
    return point.label or f"{players[point.player - 1] if point.player else 'chance'}:{point.number}"


def _read_point(reader: _Reader, tree: _Tree, record: str, players: tuple[str, ...]) -> _Point:
    """The infoset or chance move of a record; checked against where it was mentioned before."""
    start, player = reader.start, 0
    if record == "p":
        player = reader.whole("the number of the player")
        if not 1 <= player <= len(players):
            reader.fail(
                start,
                f"there is no player {player}: the header names {len(players)}. Use 1 to {len(players)}",
            )
    at = reader.start
    number = reader.whole("the number of the infoset")
    if number < 0:
        reader.fail(at, f"the number of the infoset is {number}. Use a whole number from 1")
    label = reader.optional_text() or ""
    block = reader.optional_block()
    options, probabilities = (), ()
    if block is not None and record == "p":
        options = _read_options(reader, tree, *block)
    elif block is not None:
        options, probabilities = _read_gamble(reader, tree, *block)
    known = tree.infosets if player else tree.chances
    mention = _Point(player, number, label, options, probabilities, len(known), block[1] if block else at)
    point = known.setdefault((player, number), mention)
    if point is not mention:
        _check_point(reader, point, mention, players)
    elif not options:
        who = players[player - 1] if player else "chance"
        reader.fail(at, f"infoset {number} of {who} has no options at its first mention. List them in braces here")
    return point


def _check_point(reader: _Reader, point: _Point, mention: _Point, players: tuple[str, ...]) -> None:
    """A later mention of an infoset may leave things out, but must not say something else than the first."""
    remedy = "Players who see different things know where they are: give this node another number, or correct it"
    aspects = (
        ("option", mention.options, point.options),
        ("probability", mention.probabilities, point.probabilities),
        ("label", (mention.label,) * bool(mention.label), (point.label,) * bool(point.label)),
    )
    for what, here, first in aspects:
        if here and first and here != first:
            who = players[point.player - 1] if point.player else "chance"
            reader.fail(
                mention.start,
                f"infoset {point.number} of {who} has {_difference(what, here, first)} at its first mention "
                f"({reader.place(point.start)}). {remedy}",
            )
    point.label = point.label or mention.label


def _difference(what: str, here: tuple[Any, ...], before: tuple[Any, ...]) -> str:
    """Where two lists differ first, in words."""
    if len(here) != len(before):
        plural = "s" * (len(here) > 1)
        return f"{len(here)} {what}{plural} {_listed(here)} here and {len(before)} {_listed(before)}"
    index = next(i for i, (a, b) in enumerate(zip(here, before, strict=True)) if a != b)
    here, before = here[index : index + 1], before[index : index + 1]
    which = "its label" if what == "label" else f"{what} {index + 1}"
    return f"{_listed(here)} as {which} here and {_listed(before)}"


def _listed(values: tuple[Any, ...], most: int = 6) -> str:
    shown = ", ".join(_shown(v) if isinstance(v, str) else _shown(str(v), quote=False) for v in values[:most])
    return f"[{shown}{', …' if len(values) > most else ''}]"


def _read_options(reader: _Reader, tree: _Tree, block: str, at: int) -> tuple[str, ...]:
    """The labels in a list such as { "left" "right" }."""
    found = tree.options.get(block)
    if found is None:
        labels = []
        for text, word, start in reader.items(block, at):
            if text is None:
                reader.fail(start, f"the option {_shown(word)} is not in quotation marks. Put them around the label")
            labels.append(text)
        if not labels:
            reader.fail(at, "the list of options { } is empty. Give at least one option, or end the game here with t")
        found = tree.options[block] = tuple(labels)
    return found


def _read_gamble(reader: _Reader, tree: _Tree, block: str, at: int) -> tuple[tuple[str, ...], tuple[Fraction, ...]]:
    """The labels and probabilities in a list such as { "hit" 1/3 "miss" 2/3 }."""
    found = tree.gambles.get(block)
    if found is not None:
        return found
    items = reader.items(block, at)
    if not items:
        reader.fail(at, "the list of what can happen { } is empty. Give at least one option with its probability")
    labels, probabilities, exact = [], [], True
    for index, (text, word, start) in enumerate(items):
        if (text is None) == (index % 2 == 0):
            expected = "an option in quotation marks" if index % 2 == 0 else "the probability of the option before it"
            reader.fail(
                start,
                f"{_shown(word or text or '')} stands where {expected} should be. Give one of each in turn",
            )
        if text is not None:
            labels.append(text)
            continue
        value = reader.number(word, start)
        if not 0 <= value <= 1:
            fault = "is negative" if value < 0 else "is larger than 1"
            reader.fail(
                start,
                f"the probability {_shown(word)} of {_shown(labels[-1])} {fault}. Use numbers from 0 to 1",
            )
        probabilities.append(value)
        exact = exact and ("/" in word or _WHOLE.fullmatch(word) is not None)
    if len(labels) != len(probabilities):
        reader.fail(items[-1][2], f"the option {_shown(labels[-1])} has no probability. Add it behind the label")
    total = Fraction(0)
    for value in probabilities:
        total = _exact_sum(reader, total, value, at)
    if total != 1 and (exact or abs(total - 1) > DECIMAL_TOLERANCE):
        shown = _shown(str(total), quote=False) if exact else f"{float(total):.12g}"
        reader.fail(
            at,
            f"the probabilities {_listed(tuple(probabilities))} sum to {shown}, not to 1. Correct them; "
            "fractions such as 1/3 are exact",
        )
    found = tree.gambles[block] = tuple(labels), tuple(value / total for value in probabilities)
    return found


def _exact_sum(reader: _Reader, total: Fraction, value: Fraction, at: int) -> Fraction:
    """The sum of two fractions, refused where it would need a denominator of more than a thousand digits."""
    result = total + value
    if result.denominator.bit_length() > MAX_DENOMINATOR_BITS:
        reader.fail(at, "the fractions here have too many different denominators to be added. Write them as decimals")
    return result


def _read_outcome(reader: _Reader, tree: _Tree, num_players: int) -> int:
    """The number of a record's outcome, 0 for none; its payoffs are noted where they are given."""
    if reader.kind != _WORD or reader.value in ("p", "c", "t"):
        if reader.kind in (_TEXT, _BLOCK):
            reader.fail(
                reader.start,
                f"{reader.near()} stands where the number of an outcome should be. Put it (0: none)",
            )
        if reader.kind == _END:  # an outcome may be left out, but here the rest may have been cut off
            reader.fail(reader.start, "the file ends within a record. Add what is missing; the outcome 0 is none")
        return 0
    start = reader.start
    if not _WHOLE.fullmatch(reader.value):
        reader.fail(
            start,
            f"{reader.near()} stands where the number of an outcome, or a record (p, c or t), should be. "
            "Check that the record before it is complete",
        )
    number = reader.whole("the number of an outcome")
    if number < 0:
        reader.fail(start, f"the number of the outcome is {number}. Use a whole number from 1, or 0 for none")
    name = reader.optional_text()
    block = reader.optional_block()
    if number == 0:
        if block is not None:
            reader.fail(
                start,
                f"outcome 0 (none) is given payoffs {_shown(block[0])}. Give the outcome a number from 1",
            )
        if name:
            reader.fail(start, f"outcome 0 (none) is given the name {_shown(name)}. Give the outcome a number from 1")
        return 0
    known = tree.outcomes.get(number)
    if known is None:
        known = tree.outcomes[number] = _Outcome(None, start)
    if block is not None:
        payoffs = _read_payoffs(reader, tree, num_players, *block)
        if known.payoffs is not None and payoffs != known.payoffs:
            reader.fail(
                block[1],
                f"outcome {number} has {_difference('payoff', payoffs, known.payoffs)} before "
                f"({reader.place(known.start)}). Give this outcome another number, or correct one of them",
            )
        if known.payoffs is None:
            known.payoffs, known.start = payoffs, block[1]
    return number


def _read_payoffs(reader: _Reader, tree: _Tree, num_players: int, block: str, at: int) -> tuple[Fraction, ...]:
    """The numbers in a list such as { 1, -1/2 }."""
    found = tree.payoffs.get(block)
    if found is None:
        values = []
        for text, word, start in reader.items(block, at):
            if text is not None:
                reader.fail(start, f"the text {_shown(text)} stands among the payoffs. Remove it")
            values.append(reader.number(word, start))
        if len(values) != num_players:
            reader.fail(
                at,
                f"{_shown(block)} holds {len(values)} payoffs for {num_players} players. Give one for every player",
            )
        found = tree.payoffs[block] = tuple(values)
    return found


def _finish(reader: _Reader, tree: _Tree, players: tuple[str, ...], separator: str, max_nodes: int) -> Draft:
    """The draft with its infosets, chance moves and payoffs; outcomes on the way are added up."""
    draft = tree.draft
    draft.infosets = [
        Infoset(p.player - 1, _before(_move_name(p, players), separator), p.options) for p in tree.infosets.values()
    ]
    chance_index = _add_chances(draft, list(tree.chances.values()), separator)
    for number, outcome in tree.outcomes.items():
        if outcome.payoffs is None:
            reader.fail(
                outcome.start,
                f"outcome {number} is used here and has payoffs nowhere. Give them once, in braces, or use 0",
            )
    most = PAYOFFS_PER_NODE * max_nodes // len(players)
    num_leaves = draft.kind.count(LEAF)
    sums: list[tuple[Fraction, ...]] = [(Fraction(0),) * len(players)]
    sum_index: dict[tuple[int, int], int] = {}
    sum_of = array("q", bytes(8 * len(draft.kind)))
    for node, (kind, parent, number) in enumerate(zip(draft.kind, draft.parent, tree.outcome, strict=True)):
        before = sum_of[parent] if parent != NO_PARENT else 0
        index = before if number == 0 else sum_index.get((before, number), -1)
        if index < 0:
            index = sum_index[before, number] = len(sums)
            sums.append(_added(reader, sums[before], tree.outcomes[number]))
        sum_of[node] = index
        if num_leaves + len(sums) > most + 1:
            raise GameFileError(
                f"{reader.name}: {num_leaves:,} leaves have payoffs for {len(players):,} players, more than "
                f"{PAYOFFS_PER_NODE * max_nodes:,} numbers. Read a smaller game, or raise max_nodes."
            )
        if kind == CHANCE:
            draft.point[node] = chance_index[draft.point[node]]
        if kind == LEAF:
            draft.point[node] = len(draft.payoffs)
            draft.payoffs.append(sums[index])
            draft.outcomes.append(_NO_OUTCOMES)
    return draft


_NO_OUTCOMES: dict[str, Any] = {}


def _add_chances(draft: Draft, points: list[_Point], separator: str) -> list[int]:
    """Add the chance moves, as one those that :func:`write_efg` took apart; the index for each point."""
    index_of: dict[Any, int] = {}
    indices = []
    for point in points:
        ours = separator and separator in point.label
        same = point.label.rpartition(":")[0] if ours else point.index
        index = index_of.setdefault((same, point.options, point.probabilities), len(draft.chances))
        indices.append(index)
        if index == len(draft.chances):
            formulas = tuple(str(q) for q in point.probabilities)
            move = _before(_move_name(point, ()), separator)
            draft.chances.append(ChanceMove(move, point.options, formulas))
            draft.chance_probabilities.append(point.probabilities)
    return indices


def _before(label: str, separator: str) -> str:
    """The part of a label that names the move."""
    return label.split(separator, 1)[0] if separator else label


def _added(reader: _Reader, before: tuple[Fraction, ...], outcome: _Outcome) -> tuple[Fraction, ...]:
    """Payoffs so far plus those of one more outcome."""
    assert outcome.payoffs is not None
    if not any(before):
        return outcome.payoffs
    total = tuple(_exact_sum(reader, a, b, outcome.start) for a, b in zip(before, outcome.payoffs, strict=True))
    try:
        [float(value) for value in total]
    except OverflowError:
        reader.fail(
            outcome.start,
            "the payoffs on the way to here add up to more than a computer's number. Choose larger units",
        )
    return total


# -- perfect recall ------------------------------------------------------------------------------------------
def check_perfect_recall(game: Game, *, name: str | None = None) -> None:
    """Refuse a game in which a player forgets something that it knew or did.

    Every node of an infoset must come after the same own moves and options of the player. It is enough to
    compare the last of them: if they agree at every infoset, so do the ones before. Histories behind a chance
    option of probability zero count. The cost is linear in the number of nodes.

    Args:
        game: The game.
        name: What messages call it. Default: its title.

    Raises:
        GameFileError: If a history passes twice through one infoset, or if two histories of one infoset
            differ in what the player did or knew before. Both histories are shown.

    Example:
        >>> check_perfect_recall(parse_efg('''EFG 2 R "Two exits" { "driver" }
        ... p "" 1 1 "exit" { "leave" "go on" } 0
        ... t "" 1 "" { 0 }
        ... p "" 1 1 "exit" { "leave" "go on" } 0
        ... t "" 2 "" { 4 }
        ... t "" 3 "" { 1 }''', check=False))
        Traceback (most recent call last):
            ...
        detente.errors.GameFileError: Two exits: one history passes twice through the infoset 'exit' of
        'driver': after [] and again after [exit = go on]. ...
    """
    where = game.title if name is None else name
    forgetful = _forgetful(game)
    if forgetful is None:
        return
    twice, first, second = forgetful
    infoset = game.infosets[game.infoset[second]]
    which = f"the infoset {_shown(infoset.move)} of {_shown(game.players[infoset.player])}"
    before, after = (_history_text(game.history(node)) for node in (first, second))
    if twice:
        raise GameFileError(
            f"{where}: one history passes twice through {which}: after {before} and again after {after}. The "
            "player would not know whether it has moved already, which the solver does not handle. Give the "
            "second node an infoset of its own."
        )
    raise GameFileError(
        f"{where}: the players do not remember everything: at {which} the player cannot tell {before} from "
        f"{after}, although what it did or knew before was not the same. The solver needs perfect recall. "
        "Give the second node an infoset of its own."
    )


def _forgetful(game: Game) -> tuple[bool, int, int] | None:
    """Two nodes of one infoset that its player should tell apart, and whether they are on one history."""
    kind, first_child, num_options = game.kind.tolist(), game.first_child.tolist(), game.num_options.tolist()
    parent, option, infoset = game.parent.tolist(), game.option.tolist(), game.infoset.tolist()
    start, player_of = game.infoset_start.tolist(), [i.player for i in game.infosets]
    first = [-1] * len(player_of)  # the first node of each infoset, and the last own slot there
    first_slot = [-1] * len(player_of)
    on_path = [-1] * len(player_of)  # the node of each infoset on the history being walked
    last_slot = [-1] * len(game.players)  # of each player on that history
    saved: list[int] = []
    differing = None
    stack = [0]
    while stack:
        node = stack.pop()
        if node < 0:  # every child has been walked
            at = infoset[~node]
            on_path[at] = -1
            last_slot[player_of[at]] = saved.pop()
            continue
        up = parent[node]
        if up >= 0 and kind[up] == CHOICE:
            last_slot[player_of[infoset[up]]] = start[infoset[up]] + option[node]
        if kind[node] == LEAF:
            continue
        if kind[node] == CHOICE:
            at = infoset[node]
            if on_path[at] >= 0:
                return True, on_path[at], node
            slot = last_slot[player_of[at]]
            if first[at] < 0:
                first[at], first_slot[at] = node, slot
            elif slot != first_slot[at] and differing is None:
                differing = (False, first[at], node)
            on_path[at] = node
            saved.append(slot)
            stack.append(~node)
        child = first_child[node]
        stack.extend(range(child + num_options[node] - 1, child - 1, -1))
    return differing


def _history_text(steps: tuple[tuple[str, str], ...], most: int = 12) -> str:
    """A history for a message, cut in the middle where it is long."""
    shown = [f"{move} = {option}" for move, option in steps]
    if len(shown) > most:
        half = most // 2
        shown = [*shown[:half], f"… ({len(shown) - most:,} more) …", *shown[-half:]]
    return f"[{', '.join(shown)}]"


# -- writing -------------------------------------------------------------------------------------------------
def write_efg(game: Game, draws: Mapping[str, Any] | None = None) -> str:
    r"""Write a game down for Gambit and other programs, as the text of an .efg file.

    Numbers are written so that reading them gives the same floats: whole numbers, fractions with small
    denominators, or decimals. The probabilities of a chance move sum to exactly 1; where decimals need it,
    the largest is 1 minus the others. The format has no place for parameters, outcomes and what players know,
    so these are not written; the draw is noted in the comment.

    Gambit wants the labels of a player to differ, and those of chance too. Where a move comes at several
    infosets, their labels therefore go on with what the player knows (at several chance nodes, with numbers);
    the comment says so, and reading the file gives the name of the move again. Labels are written as they
    are, with quotation marks and backslashes escaped; Gambit 16.7 accepts labels in printable ASCII only,
    without backslashes.

    Args:
        game: The game.
        draws: One value of every parameter, by name. Needed where the game has parameters; other names are
            ignored.

    Returns:
        The text of the file.

    Raises:
        UsageError: If a parameter has no value, or if a payoff or probability is impossible for this draw.

    Example:
        >>> game = parse_efg('''EFG 2 R "Coin" { "me" }
        ... c "" 1 "coin" { "heads" 1/3 "tails" 2/3 } 0
        ... t "" 1 "" { 1 }
        ... t "" 0''')
        >>> print(write_efg(game), end="")
        EFG 2 R "Coin" { "me" }
        ""
        <BLANKLINE>
        c "" 1 "coin" { "heads" 1/3 "tails" 2/3 } 0
        t "" 1 "" { 1 }
        t "" 2 "" { 0 }
    """
    values = _draw_values(game, draws or {})
    with np.errstate(all="ignore"):  # what is not finite is refused below, with the history where it is
        monomials = game.basis.evaluate(values, 1)
        payoff = game.payoff.evaluate(monomials)[:, 0].reshape(game.num_leaves, len(game.players))
        probability = game.probability.evaluate(monomials)[:, 0]
    draw = ", ".join(f"{name} = {value!r}" for name, value in values.items())
    _check_finite(game, payoff, draw)
    separator = _separator(game)
    infoset_text = _infoset_texts(game, separator)
    chance_list = [_chance_list(game, index, probability, draw) for index in range(len(game.chances))]
    names = " ".join(_quoted(player) for player in game.players)
    comment = "\n".join(
        [_LABELS.format(separator)] * bool(separator) + [f"Numbers are for the draw {draw}."] * bool(draw)
    )
    lines = [f"EFG 2 R {_quoted(game.title)} {{ {names} }}", _quoted(comment), ""]
    kind, first_child, num_options = game.kind.tolist(), game.first_child.tolist(), game.num_options.tolist()
    infoset, chance, leaf = game.infoset.tolist(), game.chance.tolist(), game.leaf.tolist()
    times = Counter(game.chances[index].move for index in chance if index != NO_CHANCE)
    num_chances, num_nodes = 0, [0] * len(game.chances)
    outcome_text: dict[bytes, str] = {}
    stack = [0]
    while stack:
        node = stack.pop()
        if kind[node] == LEAF:
            row = payoff[leaf[node]] + 0.0  # −0 becomes 0, so that equal payoffs are one outcome
            text = outcome_text.get(row.tobytes())
            if text is None:
                numbers = ", ".join(_number_text(value) for value in row.tolist())
                text = outcome_text[row.tobytes()] = f't "" {len(outcome_text) + 1} "" {{ {numbers} }}'
            lines.append(text)
            continue
        if kind[node] == CHOICE:
            lines.append(infoset_text[infoset[node]])
        else:
            # Every node gets a number of its own: Gambit demands perfect recall of chance too.
            index = chance[node]
            num_chances, num_nodes[index] = num_chances + 1, num_nodes[index] + 1
            move = game.chances[index].move
            label = move if times[move] == 1 else f"{move}{separator}{index + 1}:{num_nodes[index]}"
            lines.append(f'c "" {num_chances} {_quoted(label)} {{ {chance_list[index]} }} 0')
        child = first_child[node]
        stack.extend(range(child + num_options[node] - 1, child - 1, -1))
    return "\n".join(lines) + "\n"


def _draw_values(game: Game, draws: Mapping[str, Any]) -> dict[str, float]:
    """One finite number for every parameter of the game."""
    missing = [name for name in game.parameters if name not in draws]
    if missing:
        hint = nearest(missing[0], draws) if draws else ""
        raise UsageError(
            f"write_efg: {game.title!r} has the parameters {list(game.parameters)} and no value for "
            f"{missing}.{hint} An .efg file holds numbers only: give one draw, as {{'name': number, …}}."
        )
    values = {}
    for name in game.parameters:
        try:
            value = np.asarray(draws[name], dtype=float)
        except (TypeError, ValueError):
            value = np.full(1, np.nan)
        if value.size != 1 or not np.isfinite(value).all():
            raise UsageError(
                f"write_efg: the parameter {name!r} is {_shown(repr(draws[name]), quote=False)}. Give one "
                "finite number: an .efg file holds one draw."
            )
        values[name] = value.item()
    return values


def _check_finite(game: Game, payoff: np.ndarray, draw: str) -> None:
    bad = np.argwhere(~np.isfinite(payoff))
    if len(bad):
        leaf, player = bad[0]
        history = _history_text(game.history(int(game.leaf_nodes[leaf])))
        raise UsageError(
            f"write_efg: the payoff of {game.players[player]!r} after {history} is {payoff[leaf, player]} "
            f"for the draw ({draw}). Give a draw for which it is a number."
        )


def _chance_list(game: Game, index: int, probability: np.ndarray, draw: str) -> str:
    """The options of a chance move and their probabilities."""
    move = game.chances[index]
    chances = probability[int(game.chance_start[index]) : int(game.chance_start[index + 1])]
    tolerance = PROBABILITY_TOLERANCE
    possible = np.isfinite(chances) & (chances >= -tolerance) & (chances <= 1 + tolerance)
    if not possible.all() or abs(chances.sum() - 1) > tolerance:
        shown = ", ".join(f"{o} {q:.12g}" for o, q in zip(move.options, chances, strict=True))
        raise UsageError(
            f"write_efg: the chance move {move.move!r} has the probabilities [{shown}] for the draw "
            f"({draw}). They must lie in [0, 1] and sum to 1: give another draw."
        )
    texts = _probability_texts([max(float(q), 0.0) for q in chances])
    return " ".join(f"{_quoted(o)} {q}" for o, q in zip(move.options, texts, strict=True))


def _probability_texts(chances: list[float]) -> list[str]:
    """Probabilities that sum to exactly 1 as written."""
    written = [_written(q) for q in chances]
    if sum(written) != 1:
        written = [Fraction(repr(q)) for q in chances]
        largest = max(range(len(chances)), key=chances.__getitem__)  # the rest cannot make it negative
        written[largest] += 1 - sum(written)
    return [_text_of(q) for q in written]


def _infoset_texts(game: Game, separator: str) -> list[str]:
    """The record of a choice at each infoset; infosets are numbered within their player."""
    texts = []
    for index in range(len(game.players)):
        mine = [i for i in game.infosets if i.player == index]
        known = [", ".join(f"{name} = {label}" for name, label in i.knows) for i in mine]
        labels = _labels([(i.move, k) for i, k in zip(mine, known, strict=True)], separator)
        for number, (infoset, label) in enumerate(zip(mine, labels, strict=True), start=1):
            options = " ".join(_quoted(option) for option in infoset.options)
            texts.append(f'p "" {index + 1} {number} {_quoted(label)} {{ {options} }} 0')
    return texts


def _separator(game: Game) -> str:
    """What separates a move from the knowledge in labels, found in no move; empty where no label needs it."""
    named = [(i.player, i.move) for i in game.infosets]
    named += [(-1, game.chances[index].move) for index in game.chance.tolist() if index != NO_CHANCE]
    if len(set(named)) == len(named):
        return ""
    bars = 1 + max((len(run) for _, move in named for run in re.findall(r"\|+", move)), default=0)
    return f" {'|' * bars} "


def _labels(moves: list[tuple[str, str]], separator: str) -> list[str]:
    """Labels that differ, each starting with its move; given as (move, what the player knows)."""
    times, times_known = Counter(move for move, _ in moves), Counter(moves)
    labels = []
    for number, (move, known) in enumerate(moves, start=1):
        more = known if known and times_known[move, known] == 1 else f"{known} {number}".strip()
        labels.append(move if times[move] == 1 else f"{move}{separator}{more}")
    return labels


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _written(value: float) -> Fraction:
    """The number that stands for a float in a file: reading it gives the same float."""
    simple = Fraction(value).limit_denominator(SIMPLE_DENOMINATOR)
    return simple if float(simple) == value else Fraction(repr(value))


@lru_cache(maxsize=1 << 16)
def _number_text(value: float) -> str:
    return _text_of(_written(value))


def _text_of(value: Fraction) -> str:
    """A fraction as text; as a decimal without an exponent where it is one and that is shorter."""
    digits, power = 0, 1
    while power % value.denominator:
        digits, power = digits + 1, power * 10
        if digits > MAX_DIGITS:
            return str(value)
    scaled = str(abs(value.numerator) * power // value.denominator).rjust(digits + 1, "0")
    sign, cut = "-" if value < 0 else "", len(scaled) - digits
    decimal = f"{sign}{scaled[:cut]}.{scaled[cut:]}" if digits else f"{sign}{scaled}"
    return min(decimal, str(value), key=len)


__all__ = ["check_perfect_recall", "parse_efg", "read_efg", "write_efg"]
