"""From a crisis function to arrays: enumerate every history once, then lay the tree out breadth first."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from detente.axes import CHANCE, CHOICE, LEAF, ChanceMove, Game, Infoset, Outcome, Rows
from detente.errors import ModelError, nearest
from detente.model.language import Crisis, Recorder, Rules
from detente.model.symbols import BasisBuilder, Expr, Number, Pool, _number

NUM_REPLAYED = 64  # leaves run a second time, to catch rules that are not deterministic


class Draft:
    """A tree under construction, depth first: what the enumerator and the .efg reader both write.

    Nodes are appended parent before child and sibling after sibling. Infosets and chance moves are numbered by first
    visit. Payoffs are given at leaves only.
    """

    def __init__(self) -> None:
        self.kind = array("b")
        self.parent = array("q")
        self.option = array("i")
        self.point = array("q")  # infoset index, chance index or leaf index, by kind
        self.infosets: list[Infoset] = []
        self.chances: list[ChanceMove] = []
        self.chance_probabilities: list[tuple[Expr | Number, ...]] = []
        self.payoffs: list[tuple[Expr | Number, ...]] = []
        self.outcomes: list[dict[str, Any]] = []

    def add(self, kind: int, parent: int, option: int, point: int) -> int:
        """Append a node and return its index."""
        self.kind.append(kind)
        self.parent.append(parent)
        self.option.append(option)
        self.point.append(point)
        return len(self.kind) - 1


def compile(
    crisis: Crisis,
    *,
    parameters: Iterable[str] | None = None,
    max_nodes: int = 2_000_000,
    progress_fn: Callable[[int], None] | None = None,
) -> Game:
    """Enumerate every history of a crisis and lay the tree out as arrays.

    The function is run once for every leaf, each time one history further; payoffs and probabilities stay symbolic, so
    one tree serves every value of the parameters. Cost: about 0.1 ms a leaf.

    Args:
        crisis: The rules: a function decorated with :func:`detente.crisis`.
        parameters: Names of the parameters that exist. With None any name is accepted.
        max_nodes: Refuse a tree larger than this.
        progress_fn: Called now and then with the number of nodes so far.

    Returns:
        The game.

    Raises:
        ModelError: If the rules are not a well-formed game; the message shows the history and the remedy.

    Example:
        >>> from detente.model.language import crisis, players
        >>> ROW, COL = players("row", "col")
        >>> @crisis(players=(ROW, COL))
        ... def pennies(g, p):
        ...     "Matching pennies with a stake."
        ...     mine = g.choose(ROW, "row", ["heads", "tails"])
        ...     yours = g.choose(COL, "col", ["heads", "tails"])
        ...     sign = 1 if mine == yours else -1
        ...     return {ROW: sign * p.stake, COL: -sign * p.stake}
        >>> compile(pennies)
        Game('Matching pennies with a stake.', 2 players, 7 nodes, 2 infosets, 4 leaves, 1 parameters)
    """
    if not isinstance(crisis, Crisis):
        raise ModelError(f"compile: {crisis!r} is not a crisis. Decorate the function with @dt.crisis(players=…).")
    declared = None if parameters is None else tuple(parameters)
    pool = Pool(declared)
    rules = Rules(crisis, pool)
    draft = _enumerate(crisis, rules, max_nodes, progress_fn)
    if declared is not None:
        unused = [name for name in declared if name not in pool.used()]
        if unused:
            raise ModelError(
                f"{crisis.name}: the parameters {unused} are declared and never used by the rules."
                f"{nearest(unused[0], pool.used())} Use them or take them out of the declaration."
            )
    return assemble(draft, title=crisis.title, players=[p.name for p in crisis.players])


# -- enumeration ---------------------------------------------------------------------------------
def _enumerate(
    crisis: Crisis,
    rules: Rules,
    max_nodes: int,
    progress_fn: Callable[[int], None] | None,
    leaf_fn: Callable[[Recorder, Any], None] | None = None,
) -> Draft:
    """Depth first: each run follows the last open history and extends it with first options until it ends.

    ``leaf_fn`` is called at every leaf with the recorder and what the rules returned.
    """
    draft = Draft()
    infoset_index: dict[tuple[int, str, int], int] = {}
    infoset_options: list[tuple[tuple[str, ...], tuple[tuple[int, int], ...]]] = []
    chance_index: dict[int, int] = {}
    path: list[list[int]] = []  # [node, move, option now followed] from the root
    next_report = 10_000

    def new_node(step: int, move_index: int, knowledge: int) -> None:
        move = rules.moves[move_index]
        parent, option = (path[-1][0], path[-1][2]) if path else (-1, 0)
        if move.kind == CHANCE:
            point = chance_index.get(move_index)
            if point is None:
                point = chance_index[move_index] = len(draft.chances)
                draft.chances.append(ChanceMove(move.name, move.options, tuple(str(q) for q in move.probabilities)))
                draft.chance_probabilities.append(move.probabilities)
        else:
            key = (move.player, move.name, knowledge)
            point = infoset_index.get(key)
            if point is None:
                point = infoset_index[key] = len(draft.infosets)
                draft.infosets.append(Infoset(move.player, move.name, move.options, rules.known(knowledge)))
                infoset_options.append((move.options, tuple((m, o) for _, m, o in path)))
            elif infoset_options[point][0] != move.options:
                options, trail = infoset_options[point]
                raise ModelError(
                    f"{crisis.name}: {crisis.players[move.player]} cannot tell two histories apart at "
                    f"{move.name!r} but has "
                    f"different options: {list(options)} after [{_trail(rules, trail)}], and "
                    f"{list(move.options)} after "
                    f"[{_trail(rules, [(m, o) for _, m, o in path])}]. Tell the player what differs, or offer "
                    "the same options."
                )
        path.append([draft.add(move.kind, parent, option, point), move_index, 0])
        if len(draft.kind) > max_nodes:  # here too: rules that never end have no leaf to be stopped at
            raise ModelError(_too_large(crisis, rules, draft, max_nodes))

    def next_option(step: int, move_index: int, knowledge: int) -> int:
        if step == len(path):
            new_node(step, move_index, knowledge)
        elif path[step][1] != move_index:
            before, now = rules.moves[path[step][1]], rules.moves[move_index]
            where = _trail(rules, [(m, o) for _, m, o in path[:step]])
            raise ModelError(
                f"{crisis.name}, after [{where}]: the rules are not deterministic: the next move was {before.name!r} "
                f"{list(before.options)} on one run and {now.name!r} {list(now.options)} on another. "
                "Randomness belongs in "
                "g.chance; keep no state between runs."
            )
        return path[step][2]

    replay_every, leaves_seen = 1, 0
    while True:
        recorder = Recorder(rules, next_option)
        result = crisis.function(recorder, rules.parameters)
        if recorder._step < len(path):
            where = _trail(rules, [(m, o) for _, m, o in path[: recorder._step]])
            raise ModelError(
                f"{crisis.name}, after [{where}]: the rules are not deterministic: the game went on at this "
                "history on one "
                "run and ended on another. Keep no state between runs."
            )
        payoffs = _payoffs(crisis, recorder, result)
        if leaf_fn is not None:
            leaf_fn(recorder, result)
        if leaves_seen % replay_every == 0:
            _check_same(crisis, rules, recorder, payoffs, next_option)
            if leaves_seen // replay_every >= NUM_REPLAYED:
                replay_every *= 2
        leaves_seen += 1
        parent, option = (path[-1][0], path[-1][2]) if path else (-1, 0)
        draft.add(LEAF, parent, option, len(draft.payoffs))
        draft.payoffs.append(payoffs)
        draft.outcomes.append(recorder._outcomes)
        if len(draft.kind) > max_nodes:
            raise ModelError(_too_large(crisis, rules, draft, max_nodes))
        if progress_fn is not None and len(draft.kind) >= next_report:
            progress_fn(len(draft.kind))
            next_report = len(draft.kind) + 10_000
        while path and path[-1][2] + 1 == len(rules.moves[path[-1][1]].options):
            path.pop()
        if not path:
            return draft
        path[-1][2] += 1


def _payoffs(crisis: Crisis, recorder: Recorder, result: Any) -> tuple[Expr | Number, ...]:
    """The payoffs of one leaf, in the order of the players."""
    if not isinstance(result, Mapping):
        raise ModelError(
            f"{recorder._where()}: the rules returned {result!r} instead of payoffs. Return {{PLAYER: payoff, …}}."
        )
    for player in result:
        if player not in crisis.players:
            known = [p.name for p in crisis.players]
            raise ModelError(
                f"{recorder._where()}: payoffs for {str(player)!r}, who is not a player of {crisis.name!r}."
                f"{nearest(str(player), known)}"
            )
    payoffs = []
    for player in crisis.players:
        if player not in result:
            raise ModelError(
                f"{recorder._where()}: no payoff for {player}. Return one for every player: "
                f"{[p.name for p in crisis.players]}."
            )
        value = result[player]
        if isinstance(value, Mapping):
            for part, amount in value.items():
                if not isinstance(amount, Expr) and _number(amount) is None:
                    raise ModelError(
                        f"{recorder._where()}: the part {part!r} of the payoff of {player} is {amount!r}. Give a "
                        "number or an expression of parameters."
                    )
            value = sum(value.values())
        number = value if isinstance(value, Expr) else _number(value)
        if number is None or (isinstance(number, float) and not np.isfinite(number)):
            raise ModelError(
                f"{recorder._where()}: the payoff of {player} is {value!r}. Give a finite number or an expression of "
                "parameters."
            )
        if isinstance(number, Expr) and number.pool is not recorder._rules.pool:
            raise ModelError(
                f"{recorder._where()}: the payoff of {player} is {number}, a symbol kept from another compilation. "
                "Keep no state between runs."
            )
        payoffs.append(number)
    return tuple(payoffs)


def _check_same(crisis: Crisis, rules: Rules, first: Recorder, payoffs: tuple, next_option: Callable) -> None:
    """Run a finished history again: the payoffs and outcomes must be the same."""
    second = Recorder(rules, next_option)
    again = _payoffs(crisis, second, crisis.function(second, rules.parameters))

    def identity(values: Iterable[Any]) -> list[Any]:
        return [v.uid if isinstance(v, Expr) else ("plain", v) for v in values]

    if first._trail != second._trail:
        raise ModelError(
            f"{first._where()}: the rules are not deterministic: the game ended at this history on one run, and after "
            f"[{_trail(rules, second._trail)}] on another. Keep no state between runs."
        )
    if identity(payoffs) != identity(again) or identity(first._outcomes.values()) != identity(
        second._outcomes.values()
    ):
        raise ModelError(
            f"{first._where()}: the rules are not deterministic: payoffs or outcomes were "
            f"{[str(v) for v in payoffs]} on one "
            f"run and {[str(v) for v in again]} on another. Randomness belongs in g.chance; keep no state between runs."
        )


def _trail(rules: Rules, steps: Sequence[tuple[int, int]]) -> str:
    return ", ".join(f"{rules.moves[m].name} = {rules.moves[m].options[o]}" for m, o in steps)


def _too_large(crisis: Crisis, rules: Rules, draft: Draft, max_nodes: int) -> str:
    widths = Counter({move.name: len(move.options) for move in rules.moves})
    widest = ", ".join(f"{name!r} ({count} options)" for name, count in widths.most_common(5))
    return (
        f"{crisis.name}: the tree has more than {max_nodes:,} nodes ({len(draft.kind):,} so far, not "
        "finished). Widest moves: "
        f"{widest}. Offer fewer options, end histories earlier, or raise max_nodes."
    )


# -- layout --------------------------------------------------------------------------------------
def assemble(draft: Draft, *, title: str, players: Sequence[str], extra_parameters: Sequence[str] = ()) -> Game:
    """Lay a finished draft out breadth first and turn its polynomials into rows over one basis.

    Args:
        draft: A complete tree, depth first.
        title: What the game is called.
        players: Names of the players.
        extra_parameters: Parameters to keep although no payoff or probability uses them.

    Returns:
        The game. Infosets are numbered by player, then by first visit in a depth-first walk.
    """
    kind = np.frombuffer(draft.kind, dtype=np.int8)
    parent = np.frombuffer(draft.parent, dtype=np.int64)
    order, new_index = _breadth_first(parent)
    kind_b = kind[order].copy()
    parent_b = np.where(parent[order] >= 0, new_index[parent[order]], -1).astype(np.int32)
    option_b = np.frombuffer(draft.option, dtype=np.int32)[order].copy()
    point_b = np.frombuffer(draft.point, dtype=np.int64)[order]

    num_nodes = len(kind_b)
    num_options = np.bincount(parent_b[1:], minlength=num_nodes).astype(np.int32)
    first_child = np.concatenate([[1], 1 + np.cumsum(num_options)[:-1]]).astype(np.int32)

    by_player = sorted(range(len(draft.infosets)), key=lambda i: (draft.infosets[i].player, i))
    renumber = np.empty(len(by_player), dtype=np.int32)
    renumber[by_player] = np.arange(len(by_player), dtype=np.int32)
    infosets = tuple(draft.infosets[i] for i in by_player)

    infoset = np.full(num_nodes, -1, dtype=np.int32)
    chance = np.full(num_nodes, -1, dtype=np.int32)
    leaf = np.full(num_nodes, -1, dtype=np.int32)
    is_choice, is_chance, is_leaf = kind_b == CHOICE, kind_b == CHANCE, kind_b == LEAF
    infoset[is_choice] = renumber[point_b[is_choice]] if len(renumber) else 0
    chance[is_chance] = point_b[is_chance]
    leaf[is_leaf] = np.arange(int(is_leaf.sum()), dtype=np.int32)
    old_leaf = point_b[is_leaf]

    builder = BasisBuilder()
    probability = [builder.row(q) for probabilities in draft.chance_probabilities for q in probabilities]
    payoff = [builder.row(v) for old in old_leaf for v in draft.payoffs[old]]
    outcome_rows = _outcome_rows(draft, old_leaf, builder)
    basis = builder.finish(extra_parameters)
    num_monomials = len(basis.monomials)

    return Game(
        title=title,
        players=tuple(players),
        infosets=infosets,
        chances=tuple(draft.chances),
        kind=kind_b,
        parent=parent_b,
        option=option_b,
        first_child=first_child,
        num_options=num_options,
        infoset=infoset,
        chance=chance,
        leaf=leaf,
        infoset_start=_starts(len(i.options) for i in infosets),
        chance_start=_starts(len(c.options) for c in draft.chances),
        basis=basis,
        probability=_rows(probability, num_monomials),
        payoff=_rows(payoff, num_monomials),
        outcomes={
            name: Outcome(name, kind_, labels, codes, None if rows is None else _rows(rows, num_monomials))
            for name, (kind_, labels, codes, rows) in outcome_rows.items()
        },
        payoff_formulas=lambda index: tuple(str(v) for v in draft.payoffs[old_leaf[index]]),
    )


def _breadth_first(parent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Order of the nodes breadth first with children contiguous, and its inverse."""
    num_nodes = len(parent)
    depth = np.zeros(num_nodes, dtype=np.int32)
    for node in range(1, num_nodes):
        depth[node] = depth[parent[node]] + 1
    # Depth first, parents precede children and siblings keep their order; a stable sort by depth keeps both, and the
    # children of an earlier parent come before those of a later one.
    order = np.argsort(depth, kind="stable")
    new_index = np.empty(num_nodes, dtype=np.int64)
    new_index[order] = np.arange(num_nodes)
    return order, new_index


def _starts(lengths: Iterable[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(list(lengths), dtype=np.int64)]).astype(np.int64)


def _rows(rows: Sequence[tuple[tuple[int, float], ...]], num_monomials: int) -> Rows:
    """One matrix, dense where that is smaller than CSR (12 bytes an entry against 8)."""
    lengths = np.fromiter((len(r) for r in rows), dtype=np.int64, count=len(rows))
    pairs = [pair for row in rows for pair in row]
    columns = np.array([m for m, _ in pairs], dtype=np.int32)
    values = np.array([c for _, c in pairs], dtype=float)
    matrix = sparse.csr_matrix(
        (values, columns, np.concatenate([[0], np.cumsum(lengths)])), shape=(len(rows), num_monomials)
    )
    if 12 * len(pairs) >= 8 * len(rows) * num_monomials:
        return Rows(matrix.toarray())
    return Rows(matrix)


def _outcome_rows(draft: Draft, old_leaf: np.ndarray, builder: BasisBuilder) -> dict[str, tuple]:
    """Kind, labels, codes and rows of every outcome; each must be noted at every leaf."""
    names = dict.fromkeys(name for values in draft.outcomes for name in values)
    found = {}
    for name in names:
        values = []
        for old in old_leaf:
            if name not in draft.outcomes[old]:
                raise ModelError(
                    f"the outcome {name!r} is noted on some histories and missing on others (the one with payoffs "
                    f"{[str(v) for v in draft.payoffs[old]]}). Note it on every history."
                )
            values.append(draft.outcomes[old][name])
        words = {isinstance(v, str) for v in values}
        if words == {True}:
            labels = tuple(dict.fromkeys(draft.outcomes[i][name] for i in range(len(draft.outcomes))))
            index = {label: i for i, label in enumerate(labels)}
            found[name] = ("label", labels, np.array([index[v] for v in values], dtype=np.int32), None)
        elif words == {False}:
            kind = "flag" if all(isinstance(v, bool | np.bool_) for v in values) else "number"
            rows = [builder.row(v if isinstance(v, Expr) else _number(v) or 0) for v in values]
            found[name] = (kind, (), np.zeros(0, dtype=np.int32), rows)
        else:
            raise ModelError(f"the outcome {name!r} is a word on some histories and a number on others. Use one kind.")
    return found


@dataclass(frozen=True)
class PartFormula:
    """One formula that a named part of a payoff takes.

    Attributes:
        formula: The expression, as text.
        num_leaves: At how many leaves.
        when: (move, option) pairs that all those leaves share, and that not all leaves have.
    """

    formula: str
    num_leaves: int
    when: tuple[tuple[str, str], ...]


def payoff_parts(
    crisis: Crisis, *, parameters: Iterable[str] | None = None, max_nodes: int = 2_000_000
) -> dict[str, dict[str, list[PartFormula]]]:
    """Every payoff of a crisis as formulas, part by part.

    Args:
        crisis: The rules. A payoff that is a mapping from part to value is shown part by part.
        parameters: Names of the parameters that exist.
        max_nodes: Refuse a tree larger than this.

    Returns:
        Player → part → the distinct formulas that it takes, most frequent first.
    """
    rules = Rules(crisis, Pool(None if parameters is None else tuple(parameters)))
    seen: dict[tuple[str, str], dict[Any, list[Any]]] = {}
    shared: set[tuple[int, int]] | None = None

    def note(recorder: Recorder, result: Any) -> None:
        nonlocal shared
        trail = set(recorder._trail)
        shared = set(trail) if shared is None else shared & trail
        for player, value in result.items():
            parts = value if isinstance(value, Mapping) else {"payoff": value}
            for part, formula in parts.items():
                formula = int(formula) if isinstance(formula, bool) else formula  # a comparison of labels counts 0 or 1
                key = formula.uid if isinstance(formula, Expr) else ("n", formula)
                entry = seen.setdefault((player.name, part), {}).get(key)
                if entry is None:
                    seen[player.name, part][key] = [str(formula), 1, set(trail)]
                else:
                    entry[1] += 1
                    entry[2] &= trail

    _enumerate(crisis, rules, max_nodes, None, note)
    found: dict[str, dict[str, list[PartFormula]]] = {p.name: {} for p in crisis.players}
    for (player, part), formulas in seen.items():
        entries = sorted(formulas.values(), key=lambda e: -e[1])
        found[player][part] = [
            PartFormula(
                text,
                count,
                tuple((rules.moves[m].name, rules.moves[m].options[o]) for m, o in sorted(common - (shared or set()))),
            )
            for text, count, common in entries
        ]
    return found
