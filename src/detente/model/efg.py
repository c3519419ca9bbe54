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

from detente.axes import Game
from detente.errors import GameFileError
from detente.model.compile import assemble
from detente.model.efg_tokens import WORD, Reader, shortened
from detente.model.efg_tree import finish, read_tree
from detente.model.efg_write import LABELLED, write_efg
from detente.model.recall import check_perfect_recall

MAX_BYTES = 1 << 30  # a file larger than this is refused unread
_IS_TEXT = re.compile(r"\ufeff?\s*EFG\s+\d")


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
    name = shortened(os.fspath(source), quote=False)
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
    reader = Reader(text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n"), name)
    title, players, separator = _read_header(reader)
    tree = read_tree(reader, players, max_nodes)
    draft = finish(reader, tree, players, separator, max_nodes)
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


def _read_header(reader: Reader) -> tuple[str, tuple[str, ...], str]:
    """The title, the players, and what separates a move from the knowledge in the labels of our own files."""
    for expected, what in (("EFG",), "EFG"), (("2",), "version 2"), (("R", "D"), "R"):
        if reader.kind != WORD or reader.value not in expected:
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
            reader.fail(at, f"the player {shortened(word)} is not in quotation marks. Put them around the name")
        players.append(text or f"Player {len(players) + 1}")
    if not players:
        reader.fail(block[1], "the list of players { } is empty. Name at least one player")
    labelled = LABELLED.match(reader.optional_text() or "")  # in the comment
    return title, tuple(players), labelled[1] if labelled else ""


__all__ = ["check_perfect_recall", "parse_efg", "read_efg", "write_efg"]
