"""Opponents: whoever sits in a seat that no person holds. A bot knows what its player knows, and its own type as drawn.

A bot that cannot answer is replaced for that move by the equilibrium, and the event says so.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np

from detente.axes import Game
from detente.errors import UsageError
from detente.play.events import BY_BOT, Moved, split_bot
from detente.play.session import Decision, State, bot_turn, next_decision
from detente.play.stage import History, Stage, unit_interval
from detente.play.views import View, view
from detente.solve.solution import Solution

AskFn = Callable[[View], str]  # a seat's view → the label that a model chooses; raises UsageError if it cannot
NUM_PERSONAS = 64  # possible worlds among which the most and the least escalating are looked for
CUT = 200  # characters of a reason kept in the log


@lru_cache(maxsize=16)
def compiled(stage: Stage) -> Game:
    """The game of a stage as arrays, compiled once (about 0.1 ms a leaf)."""
    from detente.model.compile import compile

    return compile(stage.crisis)


def equilibrium(stage: Stage, values: Mapping[str, float], precision: float) -> Solution:
    """The equilibrium of one world, solved once and kept.

    Args:
        stage: What is played.
        values: Parameter name → value.
        precision: λ.

    Raises:
        SolveError: If it does not converge, or the precision is too large for the payoffs.
    """
    return _equilibrium(stage, tuple(sorted(values.items())), float(precision))


@lru_cache(maxsize=64)
def _equilibrium(stage: Stage, values: tuple[tuple[str, float], ...], precision: float) -> Solution:
    from detente.solve.api import solve

    return solve(compiled(stage), dict(values), precision=precision, throw=True)


def strategy(
    stage: Stage, bot: str, player: str, *, values: Mapping[str, float] | None = None, precision: float | None = None
) -> np.ndarray:
    """How a bot plays a player: the chance of every option at every infoset.

    Slots of other players are those of the equilibrium of the world that is played.

    Args:
        stage: What is played.
        bot: Its name, such as ``equilibrium``, ``equilibrium:5``, ``cautious``, ``hawkish`` or ``record``.
        player: Whom it plays.
        values: Parameter values of the world; default: the stage's.
        precision: λ, unless the bot's name states one; default: the stage's.

    Returns:
        Array of shape (slot,).

    Raises:
        UsageError: If there is no such bot, or it cannot play this stage.

    Example:
        >>> from detente.play.stage import load_stage
        >>> chances = strategy(load_stage("kuhn-poker"), "equilibrium", "player 1")
        >>> chances.reshape(-1, 2).sum(axis=1).round(12).tolist() == [1.0] * 12
        True
    """
    values = stage.values if values is None else values
    name, stated = split_bot(bot)
    rate = stage.precision if precision is None else precision
    solution = equilibrium(stage, values, rate if stated is None else stated)
    if name == "model":
        raise UsageError("bot: a language model has no strategy that could be worked out beforehand. Let it play.")
    if name in ("cautious", "hawkish"):
        return _persona(stage, name, player, tuple(sorted(values.items())), float(rate))
    chances = solution.probabilities[:, 0].copy()
    if name == "record":
        _follow_record(stage, solution.game, player, chances)
    return chances


def _follow_record(stage: Stage, game: Game, player: str, chances: np.ndarray) -> None:
    """Where the record says what the player did, and it can be done, it does it."""
    for index, infoset in enumerate(game.infosets):
        option = stage.observed.get(infoset.move)
        if game.players[infoset.player] == player and option in infoset.options:
            slots = chances[game.slots(index)]
            slots[:] = 0.0
            slots[infoset.options.index(option)] = 1.0


@lru_cache(maxsize=32)
def _persona(
    stage: Stage, name: str, player: str, values: tuple[tuple[str, float], ...], precision: float
) -> np.ndarray:
    """Play of the possible world in which this player escalates least or most, the others as in the world played."""
    from detente.model.priors import draw
    from detente.solve.api import solve
    from detente.solve.problem import evaluate
    from detente.solve.solution import edge_probabilities, expected_outcome, reach_probabilities

    if not stage.priors or not stage.escalation:
        raise UsageError(
            f"bot: {name!r} needs a scenario with priors and with outcomes that say what escalation is, and "
            f"{stage.name!r} has none. Let 'equilibrium' play."
        )
    game = compiled(stage)
    worlds = draw(stage.priors, NUM_PERSONAS, seed=0)
    theirs = solve(game, worlds, precision=precision)
    num_worlds = theirs.num_draws
    chances = np.repeat(_equilibrium(stage, values, precision).probabilities, num_worlds, axis=1)
    own = game.players.index(player)
    for index, infoset in enumerate(game.infosets):
        if infoset.player == own:
            chances[game.slots(index)] = theirs.probabilities[game.slots(index)]
    problem = evaluate(game, {n: np.full(num_worlds, v) for n, v in values} or None)
    leaf = reach_probabilities(game, edge_probabilities(problem, chances))[game.leaf_nodes]
    score = np.zeros(num_worlds)
    for outcome, weight in stage.escalation.items():
        score += weight * np.asarray(expected_outcome(problem, outcome, leaf))
    # A world whose equilibrium was not found is no persona.
    score = np.where(theirs.converged, score, np.inf if name == "cautious" else -np.inf)
    if not theirs.converged.any():
        raise UsageError(f"bot: no possible world of {stage.name!r} converged. Lower the precision.")
    return chances[:, int(np.argmin(score) if name == "cautious" else np.argmax(score))]


def node_of(game: Game, history: History) -> int:
    """The node that a history leads to.

    Raises:
        UsageError: If the game has no such history.
    """
    node = 0
    for move, option in history:
        options = game.options_at(node)
        if game.move_at(node) != move or option not in options:
            raise UsageError(f"{game.title}: {move!r} = {option!r} is not possible after {game.history(node)}.")
        node = int(game.first_child[node]) + options.index(option)
    return node


def bot_move(state: State, *, at: float, ask_fn: AskFn | None = None) -> Moved | None:
    """What the bot whose turn it is chooses, as the event to record; None if no bot is to move.

    The choice is a function of the log: the draw comes from the recorded seed and the decision's id. The first call
    for a stage compiles and solves it (seconds for a large one): keep it off the path of other requests.

    Args:
        state: Where the exercise stands.
        at: When it is recorded.
        ask_fn: Asks a language model for the bot ``model``; see :func:`detente.play.model_seat.ask_with`.

    Returns:
        The event. Its flag says if somebody else chose than the one who should have.

    Raises:
        SolveError: If the equilibrium of this world cannot be found.
    """
    turn, decision = bot_turn(state), next_decision(state)
    if turn is None or decision is None:
        return None
    seat, bot, flag = turn
    if split_bot(bot)[0] == "model":
        try:
            return Moved(at, seat, decision.id, _asked(state, seat, decision, ask_fn), BY_BOT, flag)
        except UsageError as error:
            flag = f"the equilibrium chose, as the model did not: {error}"[:CUT]
            bot = "equilibrium"
    if split_bot(bot)[0] == "record" and state.stage.observed.get(decision.move) not in [
        o for o, _ in decision.options
    ]:
        flag = "the record is silent here: the equilibrium chose"
    option = _drawn(state, seat, bot, decision)
    return Moved(at, seat, decision.id, option, BY_BOT, flag)


def _asked(state: State, seat: str, decision: Decision, ask_fn: AskFn | None) -> str:
    if ask_fn is None:
        raise UsageError("no model is set up. Set DETENTE_LLM_URL.")
    answer = ask_fn(view(state, seat))
    if answer not in [label for label, _ in decision.options]:
        raise UsageError(f"it answered {answer[:60]!r}, which is none of its options")
    return answer


def _drawn(state: State, seat: str, bot: str, decision: Decision) -> str:
    """An option drawn with the bot's chances at what its player knows."""
    assert state.created is not None
    game = compiled(state.stage)
    chances = strategy(state.stage, bot, decision.player, values=state.values, precision=state.created.precision)
    infoset = int(game.infoset[node_of(game, state.history)])
    point = unit_interval(state.seed, f"bot {seat} {decision.id}")
    total, last = 0.0, ""
    for (label, _), chance in zip(decision.options, chances[game.slots(infoset)], strict=True):
        if chance <= 0:
            continue
        total, last = total + float(chance), label
        if point < total:
            return label
    return last


def prepare(stage: Stage, occupants: Mapping[str, str], *, values: Mapping[str, float], precision: float) -> None:
    """Solve beforehand what bots will need, so that their first move is quick.

    Args:
        stage: What is played.
        occupants: Player → name of its bot, for players that bots play.
        values: Parameter values of the world.
        precision: λ.

    Raises:
        UsageError: If a bot cannot play this stage.
        SolveError: If an equilibrium does not converge.
    """
    equilibrium(stage, values, precision)
    for player, bot in occupants.items():
        if split_bot(bot)[0] != "model":
            strategy(stage, bot, player, values=values, precision=precision)
