"""What stands written in a drawn tree: names, probabilities, payoffs and notes, shortened; and how wide a text is."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

from detente.axes import CHOICE, LEAF, Game
from detente.errors import UsageError
from detente.model.draw_shown import Shown, Stub, as_numbers, levels_of, trail

# Lengths in characters.
OPTION_CHARS, MOVE_CHARS, PLAYER_CHARS, FORMULA_CHARS = 22, 20, 18, 22
LONGEST_FORMULA, TOOLTIP_CHARS = 60, 240


def percent(share: float) -> str:
    """A probability as people read it; never rounded to certain or impossible.

    Example:
        >>> [percent(x).replace(chr(160), " ") for x in (0, 0.0004, 0.031, 0.5, 0.9996, 1)]
        ['0 %', '<0.1 %', '3.1 %', '50 %', '>99.9 %', '100 %']
    """
    if share <= 0:
        text = "0"
    elif share >= 1 - 1e-9:
        text = "100"
    elif share < 0.001:
        text = "<0.1"
    elif share > 0.999:
        text = ">99.9"
    else:
        text = f"{100 * share:.1f}" if share < 0.0995 or share > 0.99 else f"{100 * share:.0f}"
    return f"{text}\N{NO-BREAK SPACE}%"


def _number_text(value: float) -> str:
    """A payoff in three digits, with a proper minus sign."""
    text = f"{value:,.0f}" if 99.95 <= abs(value) < 1e7 else f"{value:.3g}"
    return "0" if text == "-0" else text.replace("-", "−")


def one_line(text: str) -> str:
    """The text on one line, without characters that XML forbids."""
    text = re.sub("[ \t\r\n\f\v]+", " ", text).strip()  # keeps no-break spaces, which str.split does not
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs") or c in "\ufffe\uffff" else c for c in text)


def shorten(text: str, limit: int) -> str:
    """The text on one line, cut to so many characters, with an ellipsis where something is missing."""
    text = one_line(text)
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def player_of(game: Game, node: int) -> str:
    """Who moves at a node: the player's name, or “chance”."""
    return game.players[game.infosets[game.infoset[node]].player] if game.kind[node] == CHOICE else "chance"


def stub_text(stub: Stub) -> str:
    """What stands at a folded place: how many histories are folded away, and how likely they are."""
    share = "" if stub.share is None else f", {percent(stub.share)}"
    return f"… {stub.count:,} more{share}"


def step_texts(game: Game, shown: Shown, node: int) -> tuple[str, str, str]:
    """What stands on the step to a node: the option, its probability, and the option in full if shortened."""
    full = one_line(game.options_at(int(game.parent[node]))[game.option[node]])
    text = shorten(full, OPTION_CHARS)
    return text, "" if shown.edge is None else percent(float(shown.edge[node])), "" if text == full else full


def coverage_text(game: Game, shown: Shown, min_probability: float) -> str:
    """How many of how many complete histories are drawn, and which share of probability they carry."""
    total, leaves = game.num_leaves, [n for n in shown.nodes if game.kind[n] == LEAF]
    if len(leaves) == total:
        return f"All {total:,} complete histories are shown." if total > 1 else "The game has one history."
    count = f"{len(leaves):,} of {total:,} complete histories are shown"
    if shown.reach is None:
        return (
            f"{count}: the tree is too large to draw whole, and without probabilities it is cut by depth, "
            f"here after {shown.depth} of {len(levels_of(game)) - 1} moves."
        )
    which = "the likeliest" + (f", none below {percent(min_probability)}" if min_probability > 0 else "")
    which += ", and the highlighted one" if any(n in shown.path for n in leaves) else ""
    return f"{count} ({which}); they carry {percent(float(shown.reach[leaves].sum()))} of the probability."


def payoff_cells(game: Game, leaves: Sequence[int], payoffs: Any) -> dict[int, tuple[tuple[str, str], ...]]:
    """(text, full text) of each player's payoff at each leaf drawn; empty where nothing is short enough."""
    if payoffs is not None:
        shape = (game.num_leaves, len(game.players))
        values = as_numbers(payoffs, "payoffs", shape, "one row for each leaf and one column for each player")
        wrong = np.argwhere(~np.isfinite(values))
        if len(wrong):
            leaf, player = wrong[0]
            raise UsageError(
                f"draw: the payoff of {game.players[player]} at [{trail(game, int(game.leaf_nodes[leaf]))}] "
                f"is {values[leaf, player]}. Give finite numbers."
            )
        return {n: tuple((_number_text(v), "") for v in values[game.leaf[n]]) for n in leaves}
    if game.payoff_formulas is None:
        return {}
    cells = {}
    for node in leaves:
        formulas = [one_line(f) for f in game.payoff_formulas(int(game.leaf[node]))]
        cells[node] = tuple(
            ("…" if len(f) > LONGEST_FORMULA else shorten(f.replace("-", "−"), FORMULA_CHARS), f) for f in formulas
        )
    return {} if all(text == "…" for row in cells.values() for text, _ in row) else cells


def notes_below(game: Game, shown: Shown, has_payoffs: bool, min_probability: float) -> list[str]:
    """What stands under the picture."""
    notes = [coverage_text(game, shown, min_probability)]
    if shown.stubs:
        notes.append("“… more” counts the complete histories that are folded away there.")
    if shown.reach is not None:
        notes.append(
            "On a line: the probability of that option at that point. Under “chance”: the probability of the "
            "whole history. The wider a line, the likelier that the game gets there."
        )
    if has_payoffs:
        notes.append("On the right: the payoff of each player.")
    elif shown.num_leaves:
        notes.append("The payoffs are formulas too long to print here.")
    return notes


def description(game: Game, shown: Shown, coverage: str) -> str:
    """What a person who cannot see the picture should know."""
    text = f"Game tree with the players {', '.join(game.players)}. {coverage}"
    leaves = [n for n in shown.nodes if game.kind[n] == LEAF]
    if shown.reach is not None and leaves:
        best = max(leaves, key=lambda n: float(shown.reach[n]))  # type: ignore[index]
        text += f" Likeliest history, {percent(float(shown.reach[best]))}: {trail(game, best)}."
    return one_line(text)


def _em(char: str) -> float:
    if unicodedata.east_asian_width(char) in "WF":
        return 1.05
    return 0.76 if char.isupper() or char in "mwMW@%…—→" else 0.62


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Upper estimate of the width of a text in a wide sans-serif font, in pixels."""
    return size * (1.1 if bold else 1.0) * sum(map(_em, text))


def wrap(text: str, size: float, width: float, bold: bool = False) -> list[str]:
    """The text in lines no wider than asked; words that are wider are cut."""
    longest = max(1, int(width / text_width("M", size, bold)))
    lines = [""]
    for word in one_line(text).split(" "):
        for piece in (word[i : i + longest] for i in range(0, len(word), longest)):
            longer = f"{lines[-1]} {piece}".strip()
            if lines[-1] and text_width(longer, size, bold) > width:
                lines.append(piece)
            else:
                lines[-1] = longer
    return lines
