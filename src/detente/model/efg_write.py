"""Write a game down as the text of an .efg file, with numbers that are read again as the same floats."""

import re
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from detente.axes import CHOICE, LEAF, NO_CHANCE, Game
from detente.errors import UsageError, nearest
from detente.model.efg_tokens import MAX_DIGITS, shortened
from detente.model.recall import history_text

PROBABILITY_TOLERANCE = 1e-9  # how far the floats of one draw may leave [0, 1] or sum from 1
SIMPLE_DENOMINATOR = 10**6  # a float that is the nearest to such a fraction may be written as the fraction

# Gambit wants the labels of a player to differ, so a move that is made at several infosets is followed by
# what the player knows; the comment says so, and reading gives the move's name again.
LABELS = "Infosets are labelled move{}knowledge."
LABELLED = re.compile(re.escape(LABELS).replace(r"\{\}", r"( \|+ )"))


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
        >>> from detente.model.efg import parse_efg
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
        [LABELS.format(separator)] * bool(separator) + [f"Numbers are for the draw {draw}."] * bool(draw)
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
                f"write_efg: the parameter {name!r} is {shortened(repr(draws[name]), quote=False)}. Give one "
                "finite number: an .efg file holds one draw."
            )
        values[name] = value.item()
    return values


def _check_finite(game: Game, payoff: np.ndarray, draw: str) -> None:
    bad = np.argwhere(~np.isfinite(payoff))
    if len(bad):
        leaf, player = bad[0]
        history = history_text(game.history(int(game.leaf_nodes[leaf])))
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
