"""The tree of a game file: its records, read in one pass without recursion, as a draft of the game."""

from array import array
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NoReturn

from detente.axes import CHANCE, CHOICE, LEAF, NO_PARENT, ChanceMove, Infoset
from detente.errors import GameFileError
from detente.model.compile import Draft
from detente.model.efg_tokens import BLOCK, END, TEXT, WHOLE, WORD, Reader, shortened

MAX_DENOMINATOR_BITS = 4096  # longest denominator of an exact sum; what keeps adversarial files from stalling
PAYOFFS_PER_NODE = 10  # payoffs (leaf × player) allowed for each node that is allowed
DECIMAL_TOLERANCE = Fraction(1, 10**9)  # how far decimals, which are often rounded, may sum from 1


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


def read_tree(reader: Reader, players: tuple[str, ...], max_nodes: int) -> _Tree:
    """Every record, in the order of the file: depth first, without recursion.

    Args:
        reader: The file, at its first record; afterwards at its end.
        players: The players that the header names.
        max_nodes: Refuse a tree larger than this.

    Returns:
        The tree, for :func:`finish`.

    Raises:
        GameFileError: If a record is missing, surplus or wrong, or contradicts one before it.

    Example:
        >>> reader = Reader('p "" 1 1 "market" { "stay out" "enter" } 0 t "" 1 "" { 0 } t "" 2 "" { 1 }', "entry.efg")
        >>> len(read_tree(reader, ("entrant",), max_nodes=100).draft.kind)
        3
    """
    tree = _Tree()
    draft = tree.draft
    waiting: list[list[int]] = []  # [node, option now filled, number of options] from the root
    announced = 1
    while waiting or not draft.kind:
        at = reader.start
        if reader.kind == END:
            _truncated(reader, tree, waiting, players, announced)
        if reader.kind != WORD or reader.value not in ("p", "c", "t"):
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
    if reader.kind != END:
        reader.fail(
            reader.start,
            f"{reader.near()} stands after the tree is complete ({len(draft.kind):,} nodes). Remove what "
            "follows, or add the option that leads here to its move",
        )
    return tree


def _truncated(
    reader: Reader, tree: _Tree, waiting: list[list[int]], players: tuple[str, ...], announced: int
) -> NoReturn:
    if not waiting:
        reader.fail(reader.start, "the file ends before the first record. Add the tree, one record (p, c or t) a node")
    node, option, _ = waiting[-1]
    kind, index = tree.draft.kind[node], tree.draft.point[node]
    point = list((tree.infosets if kind == CHOICE else tree.chances).values())[index]
    reader.fail(
        reader.start,
        f"the file ends and {announced - len(tree.draft.kind):,} nodes are missing: the next would be what "
        f"follows {shortened(point.options[option])} at {_move_name(point, players)!r} "
        f"({reader.place(point.start)}). The file seems cut off: get it again, or add the missing records",
    )


def _move_name(point: _Point, players: tuple[str, ...]) -> str:
    """The label of an infoset or chance move, or a name made from who moves and its number."""
    return point.label or f"{players[point.player - 1] if point.player else 'chance'}:{point.number}"


def _read_point(reader: Reader, tree: _Tree, record: str, players: tuple[str, ...]) -> _Point:
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


def _check_point(reader: Reader, point: _Point, mention: _Point, players: tuple[str, ...]) -> None:
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
    shown = ", ".join(shortened(v) if isinstance(v, str) else shortened(str(v), quote=False) for v in values[:most])
    return f"[{shown}{', …' if len(values) > most else ''}]"


def _read_options(reader: Reader, tree: _Tree, block: str, at: int) -> tuple[str, ...]:
    """The labels in a list such as { "left" "right" }."""
    found = tree.options.get(block)
    if found is None:
        labels = []
        for text, word, start in reader.items(block, at):
            if text is None:
                reader.fail(start, f"the option {shortened(word)} is not in quotation marks. Put them around the label")
            labels.append(text)
        if not labels:
            reader.fail(at, "the list of options { } is empty. Give at least one option, or end the game here with t")
        found = tree.options[block] = tuple(labels)
    return found


def _read_gamble(reader: Reader, tree: _Tree, block: str, at: int) -> tuple[tuple[str, ...], tuple[Fraction, ...]]:
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
                f"{shortened(word or text or '')} stands where {expected} should be. Give one of each in turn",
            )
        if text is not None:
            labels.append(text)
            continue
        value = reader.number(word, start)
        if not 0 <= value <= 1:
            fault = "is negative" if value < 0 else "is larger than 1"
            reader.fail(
                start,
                f"the probability {shortened(word)} of {shortened(labels[-1])} {fault}. Use numbers from 0 to 1",
            )
        probabilities.append(value)
        exact = exact and ("/" in word or WHOLE.fullmatch(word) is not None)
    if len(labels) != len(probabilities):
        reader.fail(items[-1][2], f"the option {shortened(labels[-1])} has no probability. Add it behind the label")
    total = Fraction(0)
    for value in probabilities:
        total = _exact_sum(reader, total, value, at)
    if total != 1 and (exact or abs(total - 1) > DECIMAL_TOLERANCE):
        shown = shortened(str(total), quote=False) if exact else f"{float(total):.12g}"
        reader.fail(
            at,
            f"the probabilities {_listed(tuple(probabilities))} sum to {shown}, not to 1. Correct them; "
            "fractions such as 1/3 are exact",
        )
    found = tree.gambles[block] = tuple(labels), tuple(value / total for value in probabilities)
    return found


def _exact_sum(reader: Reader, total: Fraction, value: Fraction, at: int) -> Fraction:
    """The sum of two fractions, refused where it would need a denominator of more than a thousand digits."""
    result = total + value
    if result.denominator.bit_length() > MAX_DENOMINATOR_BITS:
        reader.fail(at, "the fractions here have too many different denominators to be added. Write them as decimals")
    return result


def _read_outcome(reader: Reader, tree: _Tree, num_players: int) -> int:
    """The number of a record's outcome, 0 for none; its payoffs are noted where they are given."""
    if reader.kind != WORD or reader.value in ("p", "c", "t"):
        if reader.kind in (TEXT, BLOCK):
            reader.fail(
                reader.start,
                f"{reader.near()} stands where the number of an outcome should be. Put it (0: none)",
            )
        if reader.kind == END:  # an outcome may be left out, but here the rest may have been cut off
            reader.fail(reader.start, "the file ends within a record. Add what is missing; the outcome 0 is none")
        return 0
    start = reader.start
    if not WHOLE.fullmatch(reader.value):
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
                f"outcome 0 (none) is given payoffs {shortened(block[0])}. Give the outcome a number from 1",
            )
        if name:
            reader.fail(
                start, f"outcome 0 (none) is given the name {shortened(name)}. Give the outcome a number from 1"
            )
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


def _read_payoffs(reader: Reader, tree: _Tree, num_players: int, block: str, at: int) -> tuple[Fraction, ...]:
    """The numbers in a list such as { 1, -1/2 }."""
    found = tree.payoffs.get(block)
    if found is None:
        values = []
        for text, word, start in reader.items(block, at):
            if text is not None:
                reader.fail(start, f"the text {shortened(text)} stands among the payoffs. Remove it")
            values.append(reader.number(word, start))
        if len(values) != num_players:
            reader.fail(
                at,
                f"{shortened(block)} holds {len(values)} payoffs for {num_players} players. Give one for every player",
            )
        found = tree.payoffs[block] = tuple(values)
    return found


def finish(reader: Reader, tree: _Tree, players: tuple[str, ...], separator: str, max_nodes: int) -> Draft:
    """The draft with its infosets, chance moves and payoffs; outcomes on the way are added up.

    Args:
        reader: The file, for messages.
        tree: Its tree, which :func:`read_tree` has read.
        players: The players that the header names.
        separator: What comes between a move and the player's knowledge in the labels; empty where nothing does.
        max_nodes: Refuse payoffs of more leaves and players than so many nodes may have.

    Returns:
        The draft, complete.

    Raises:
        GameFileError: If an outcome has no payoffs, or if payoffs are too many or too large.

    Example:
        >>> reader = Reader('p "" 1 1 "market" { "stay out" "enter" } 1 "" { 2 } t "" 0 t "" 2 "" { 1 }', "entry.efg")
        >>> tree = read_tree(reader, ("entrant",), max_nodes=100)
        >>> [[str(value) for value in leaf] for leaf in finish(reader, tree, ("entrant",), "", 100).payoffs]
        [['2'], ['3']]
    """
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


def _added(reader: Reader, before: tuple[Fraction, ...], outcome: _Outcome) -> tuple[Fraction, ...]:
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
