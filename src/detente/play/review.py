"""After-action review: a play beside the equilibrium of the same model, move by move.

The model says how surprising each move was to somebody who knew what its chooser knew, what it cost the chooser in
expectation, what the chooser did not know, and what another choice would have brought. It does not say what a person
should have done: the payoffs are the model's.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from detente.axes import CHOICE, LEAF
from detente.errors import UsageError, nearest
from detente.play.bots import equilibrium, node_of
from detente.play.session import State, Step
from detente.play.stage import Fact, Stage, follow
from detente.play.tables import (
    Tables,
    choices_from,
    distributions_at,
    expected_at,
    knowledge_at_leaves,
    make_tables,
    option_values,
    same_infoset,
    share_likelier,
)
from detente.record.scales import MOVES, SCALES

LADDER = "ladder"
OWN_LADDER = "The ladder of this crisis: the rungs that its scenario gives to options. Larger is worse."
LIKELY = 2.0  # another option at least this many times as likely: the play has left the likely path


@dataclass(frozen=True)
class Alternative:
    """An option of a decision, and what it would have brought.

    Attributes:
        option: Its label.
        chance: Probability in the equilibrium, given what the chooser knew.
        value: Expected payoff of the chooser, given what it knew.
        outcomes: Outcome → expectation if it is chosen after the same history, everybody playing the equilibrium on.
        distributions: Label outcome → distribution, likewise.
    """

    option: str
    chance: float
    value: float
    outcomes: Mapping[str, float]
    distributions: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Unknown:
    """Something that had happened and that somebody did not know.

    Attributes:
        move: What it was.
        option: What had happened.
        belief: The probability that the equilibrium gives to it, for one who knew only what that player knew.
    """

    move: str
    option: str
    belief: float


@dataclass(frozen=True)
class ReviewedStep:
    """One move beside the model.

    Attributes:
        number: Its place, from 1.
        move: Name.
        title: What it is called.
        option: What was chosen or happened.
        player: Who chose; empty for chance.
        by: ``person``, ``bot``, ``default``, ``facilitator`` or ``chance``.
        flag: Why somebody else chose than the one who should have.
        chance: Probability of the option in the equilibrium, given what the chooser knew.
        seen_chance: The same for somebody who saw every choice and public event so far but nobody's private
            information.
        likeliest: The likeliest option.
        left_path: Whether it left the likely path: another option was at least twice as likely.
        regret: What the choice cost the chooser in expected payoff against its best option; None for chance; NaN
            where it was so unlikely to get there that the equilibrium says nothing of what the chooser had to think.
        best: The option with the largest expected payoff; empty for chance, and where the regret is NaN.
        alternatives: Every option of a decision; for chance moves likewise, without values.
        unknown: What the chooser did not know.
        act: Kind of act on the escalation scales, or empty.
        escalation: Its value on the scale chosen, as (low, high), or None.
        expected: Outcome → expectation after this move, for somebody who knows everything so far.
    """

    number: int
    move: str
    title: str
    option: str
    player: str
    by: str
    flag: str
    chance: float
    seen_chance: float
    likeliest: str
    left_path: bool
    regret: float | None
    best: str
    alternatives: tuple[Alternative, ...]
    unknown: tuple[Unknown, ...]
    act: str
    escalation: tuple[float, float] | None
    expected: Mapping[str, float]


@dataclass(frozen=True)
class Review:
    """A play beside the equilibrium.

    Attributes:
        title: Of the exercise.
        roles: Player → who that is.
        precision: λ of the equilibrium that the play is compared with.
        scale: Of escalation.
        scale_meaning: What that scale is.
        steps: The moves.
        ended: Whether the game had come to an end.
        before: Outcome → expectation before the first move.
        outcomes: What came of it, as (title, text) pairs; empty if the game had not ended.
        payoffs: Player → payoff at the end.
        titles: Outcome → title.
        flags: The outcomes that are true or false, so that their expectation is a probability.
        left_at: Number of the first choice that left the likely path, or None.
        likelier_plays: Share of equilibrium plays that are likelier than this one; None if the game had not ended.
        total_regret: Player → sum of the regrets of its choices.
        unknown: Player → what it did not know in the end; empty if the game had not ended.
        branches: (number, moves kept, reason) of branches that were left.
        notes: (seat or empty for the facilitator, text, moves so far).
    """

    title: str
    roles: Mapping[str, str]
    precision: float
    scale: str
    scale_meaning: str
    steps: tuple[ReviewedStep, ...]
    ended: bool
    before: Mapping[str, float]
    outcomes: tuple[tuple[str, str], ...]
    payoffs: Mapping[str, float]
    titles: Mapping[str, str]
    flags: tuple[str, ...]
    left_at: int | None
    likelier_plays: float | None
    total_regret: Mapping[str, float]
    unknown: Mapping[str, tuple[Unknown, ...]]
    branches: tuple[tuple[int, int, str], ...]
    notes: tuple[tuple[str, str, int], ...]


def review(state: State, *, scale: str = LADDER) -> Review:
    """The play of an exercise so far beside the equilibrium of its world.

    Args:
        state: Where the exercise stands; it need not have ended. It shows everything: only for after the reveal.
        scale: Escalation scale, one of ``detente.record.scales.SCALES``.

    Returns:
        The review. Cost: a solved game (kept) and one pass over its tree.

    Raises:
        UsageError: If the scale is unknown or the exercise has not been created.
        SolveError: If the equilibrium of its world cannot be found.
    """
    if scale not in SCALES:
        raise UsageError(f"review: {scale!r} is not an escalation scale.{nearest(scale, SCALES)}")
    if state.created is None or state.position is None:
        raise UsageError("review: the exercise has not been created yet. Begin a log with one 'create'.")
    tables = make_tables(equilibrium(state.stage, state.values, state.created.precision))
    steps = tuple(_step(state, tables, index, scale) for index in range(len(state.steps)))
    left = next((s.number for s in steps if s.player and s.left_path), None)
    stage = state.stage
    total: dict[str, float] = dict.fromkeys(stage.players, 0.0)
    for step in steps:
        if step.regret is not None:
            total[step.player] += step.regret
    return Review(
        title=state.created.title,
        roles={player: stage.role(player) for player in stage.players},
        precision=state.created.precision,
        scale=scale,
        scale_meaning=OWN_LADDER if scale == LADDER and stage.words.rungs else ": ".join(SCALES[scale]),
        steps=steps,
        ended=state.ended,
        before=expected_at(tables, 0),
        outcomes=tuple((stage.outcome_title(n), _word(v)) for n, v in state.position.outcomes.items()),
        payoffs=state.position.payoffs,
        titles={n: stage.outcome_title(n) for n in (*tables.numbers, *tables.labels)},
        flags=tuple(n for n, o in tables.game.outcomes.items() if o.kind == "flag"),
        left_at=left,
        likelier_plays=share_likelier(tables, node_of(tables.game, state.history)) if state.ended else None,
        total_regret=total,
        unknown=_unknown_at_end(state, tables) if state.ended else {},
        branches=tuple((b.number, b.kept, b.reason) for b in state.branches),
        notes=state.notes,
    )


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else f"{value:.6g}"


def _step(state: State, tables: Tables, index: int, scale: str) -> ReviewedStep:
    game, step = tables.game, state.steps[index]
    node = node_of(game, state.history[:index])
    options = game.options_at(node)
    first = int(game.first_child[node])
    chances = tables.edge[first : first + len(options)]
    chosen = options.index(step.option)
    values = option_values(tables, node) if game.kind[node] == CHOICE else None
    return ReviewedStep(
        number=index + 1,
        move=step.move,
        title=state.stage.move_title(step.move),
        option=step.option,
        player=step.player,
        by=step.by,
        flag=step.flag,
        chance=float(chances[chosen]),
        seen_chance=_seen_chance(state, tables, index),
        likeliest=options[int(np.argmax(chances))],
        left_path=bool(chances.max() >= LIKELY * chances[chosen]),
        regret=None if values is None else float(values.max() - values[chosen]),
        best="" if values is None or np.isnan(values).any() else options[int(np.argmax(values))],
        alternatives=tuple(
            Alternative(
                option,
                float(chances[i]),
                float("nan") if values is None else float(values[i]),
                expected_at(tables, first + i),
                distributions_at(tables, first + i),
            )
            for i, option in enumerate(options)
        ),
        unknown=_unknown(state, tables, index, node) if step.player else (),
        act=state.stage.words.acts.get((step.move, step.option), ""),
        escalation=_escalation(state.stage, step, scale),
        expected=expected_at(tables, first + chosen),
    )


def _unknown(state: State, tables: Tables, index: int, node: int) -> tuple[Unknown, ...]:
    """What had happened by then and the chooser did not know."""
    player = state.steps[index].player
    known = follow(state.stage, state.history[:index], state.values).knows[player]
    nodes, belief = same_infoset(tables, node)
    return _unknown_among(tables, state.steps[:index], known, nodes, belief)


def _unknown_among(
    tables: Tables, steps: tuple[Step, ...], known: tuple[Fact, ...], nodes: np.ndarray, belief: np.ndarray
) -> tuple[Unknown, ...]:
    told = {(fact.name, fact.label) for fact in known}
    histories = [set(tables.game.history(int(n))) for n in nodes]
    found = []
    for step in steps:
        true = (step.move, step.option)
        if true in told:
            continue
        share = float(sum(b for b, h in zip(belief, histories, strict=True) if true in h))
        if not share > 1 - 1e-9:  # what follows from what it knew, it knew
            found.append(Unknown(step.move, step.option, share))
    return tuple(found)


def _unknown_at_end(state: State, tables: Tables) -> dict[str, tuple[Unknown, ...]]:
    """What every player did not know in the end: beliefs over all the ends that it cannot tell from this one."""
    game = tables.game
    assert state.position is not None
    knowledge = knowledge_at_leaves(state.stage)
    mine = knowledge[game.leaf[node_of(game, state.history)]]
    found = {}
    for index, player in enumerate(game.players):
        nodes = game.leaf_nodes[knowledge[:, index] == mine[index]]
        weight = tables.reach[nodes]
        belief = weight / weight.sum() if weight.sum() > 0 else np.full(len(nodes), np.nan)
        found[player] = _unknown_among(tables, state.steps, state.position.knows[player], nodes, belief)
    return found


def _seen_chance(state: State, tables: Tables, index: int) -> float:
    """Probability of a move for somebody who saw every choice and public event so far, but nothing private."""
    game, frontier = tables.game, {0: 1.0}
    for i in range(index + 1):
        step = state.steps[i]
        private = not step.player and _is_private(state, i)
        before: dict[int, float] = {}
        for node, weight in frontier.items():
            if game.kind[node] == LEAF or game.move_at(node) != step.move:
                continue
            before[node] = weight
        following: dict[int, float] = {}
        for node, weight in before.items():
            for j, option in enumerate(game.options_at(node)):
                child = int(game.first_child[node]) + j
                if i == index and option != step.option:
                    continue
                if option == step.option or (private and i < index):
                    following[child] = weight * float(tables.edge[child])
        if i == index:
            whole = sum(frontier.values())
            return sum(following.values()) / whole if whole > 0 else float("nan")
        frontier = following
    return float("nan")


def _is_private(state: State, index: int) -> bool:
    """Whether at most one player was told what chance did at this move."""
    step = state.steps[index]
    knows = follow(state.stage, state.history[: index + 1], state.values).knows
    return sum(any(f.name == step.move and f.label == step.option for f in facts) for facts in knows.values()) < 2


def _escalation(stage: Stage, step: Step, scale: str) -> tuple[float, float] | None:
    """Where a move stands: on the ladder, by the crisis's own rungs if it has any."""
    chosen = step.move, step.option
    if scale == LADDER and stage.words.rungs:
        rung = stage.words.rungs.get(chosen)
        return None if rung is None else (rung, rung)
    return escalation_value(stage.words.acts.get(chosen, ""), scale)


def escalation_value(act: str, scale: str) -> tuple[float, float] | None:
    """Where a kind of act stands on a scale, as (low, high).

    Args:
        act: A name in ``detente.record.scales.MOVES``, or empty.
        scale: A name in ``detente.record.scales.SCALES``.

    Returns:
        The value twice, or a range; None where the scale has no place for the act.

    Example:
        >>> escalation_value("strike on oil", "ladder"), escalation_value("strike on oil", "kahn")
        ((5.0, 5.0), (12.0, 13.0))
    """
    if not act:
        return None
    value = getattr(MOVES[act], "plover_score" if scale == "plover" else scale)
    if value is None:
        return None
    return (float(value[0]), float(value[1])) if isinstance(value, tuple) else (float(value), float(value))


@dataclass(frozen=True)
class Counterfactual:
    """What would have been likely had one move been another.

    Attributes:
        number: Number of the move, from 1.
        move: The move.
        player: Who chose; empty for chance.
        option: What is supposed instead.
        actual: What was chosen or happened.
        given: What is kept: the moves before it.
        outcomes: Outcome → expectation, everybody playing the equilibrium after it.
        distributions: Label outcome → distribution.
        actual_outcomes: The same after what was chosen.
        actual_distributions: Likewise.
        choices: Later move → option → probability that it is reached and taken.
        titles: Move → what it is called, for the move and those after it.
    """

    number: int
    move: str
    player: str
    option: str
    actual: str
    given: tuple[tuple[str, str], ...]
    outcomes: Mapping[str, float]
    distributions: Mapping[str, Mapping[str, float]]
    actual_outcomes: Mapping[str, float]
    actual_distributions: Mapping[str, Mapping[str, float]]
    choices: Mapping[str, Mapping[str, float]]
    titles: Mapping[str, str]


def counterfactual(state: State, move: str, option: str) -> Counterfactual:
    """Had a move of the play been another: the distribution of what follows, private types as they were drawn.

    Args:
        state: Of the exercise.
        move: A move that was made.
        option: The option to suppose.

    Raises:
        UsageError: If the play had no such move, or the move no such option there.
    """
    names = [step.move for step in state.steps]
    if state.created is None or move not in names:
        raise UsageError(f"counterfactual: the play had no move {move!r}.{nearest(move, names)}")
    return _supposed(state, names.index(move), option)


def counterfactual_at(state: State, text: str) -> Counterfactual:
    """The same as :func:`counterfactual`, from what a form says.

    Args:
        state: Of the exercise.
        text: ``NUMBER:OPTION``: number of the move in the play, from 1, and the option to suppose.

    Raises:
        UsageError: If it is not of that form, or the play had no such move or option.
    """
    number, sign, option = text.partition(":")
    if not sign or not number.isascii() or not number.isdigit() or not 0 < int(number) <= len(state.steps):
        raise UsageError(
            f"counterfactual: {text[:80]!r} is not NUMBER:OPTION of a move of this play. Choose one from the list."
        )
    return _supposed(state, int(number) - 1, option)


def _supposed(state: State, index: int, option: str) -> Counterfactual:
    assert state.created is not None
    move = state.steps[index].move
    given = state.history[:index]
    tables = make_tables(equilibrium(state.stage, state.values, state.created.precision))
    game = tables.game
    node = node_of(game, given)
    if option not in game.options_at(node):
        raise UsageError(
            f"counterfactual: {move!r} had no option {option!r} there.{nearest(option, game.options_at(node))}"
        )
    child = node_of(game, (*given, (move, option)))
    actual = node_of(game, state.history[: index + 1])
    choices = choices_from(tables, child)
    return Counterfactual(
        number=index + 1,
        move=move,
        player=state.steps[index].player,
        option=option,
        actual=state.steps[index].option,
        given=given,
        outcomes=expected_at(tables, child),
        distributions=distributions_at(tables, child),
        actual_outcomes=expected_at(tables, actual),
        actual_distributions=distributions_at(tables, actual),
        choices=choices,
        titles={name: state.stage.move_title(name) for name in (move, *choices)},
    )


def review_json(made: Review | Counterfactual) -> dict[str, Any]:
    """A review or a counterfactual as plain data; what is not defined is None."""
    return _without_nan(asdict(made))


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v) for v in value]
    return None if isinstance(value, float) and np.isnan(value) else value
