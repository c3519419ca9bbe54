"""Perfect recall: whether a game lets every player remember what it knew and did."""

from detente.axes import CHOICE, LEAF, Game
from detente.errors import GameFileError
from detente.model.efg_tokens import shortened


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
        >>> from detente.model.efg import parse_efg
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
    which = f"the infoset {shortened(infoset.move)} of {shortened(game.players[infoset.player])}"
    before, after = (history_text(game.history(node)) for node in (first, second))
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


def history_text(steps: tuple[tuple[str, str], ...], most: int = 12) -> str:
    """A history for a message, cut in the middle where it is long.

    Args:
        steps: Moves and what was chosen there, from the beginning.
        most: How many are shown.

    Returns:
        The history in brackets.

    Example:
        >>> history_text((("exit", "go on"), ("exit", "leave"), ("toll", "pay")), most=2)
        '[exit = go on, … (1 more) …, toll = pay]'
    """
    shown = [f"{move} = {option}" for move, option in steps]
    if len(shown) > most:
        half = most // 2
        shown = [*shown[:half], f"… ({len(shown) - most:,} more) …", *shown[-half:]]
    return f"[{', '.join(shown)}]"
