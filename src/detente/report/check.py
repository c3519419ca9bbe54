"""What `detente check` says about a scenario beyond yes or no."""

from detente.axes import CHANCE, LEAF, Game
from detente.model.compile import payoff_parts
from detente.model.priors import prior_in_words
from detente.model.scenario import Scenario

MOST_FORMULAS = 6  # of one part, shown


def base_rates(scenario: Scenario) -> list[str]:
    """The base rates that a scenario states, as lines to stand beside what its priors imply."""
    lines = []
    for name, rate in scenario.file.base_rates.items():
        total = sum(rate.counts.values())
        shares = ", ".join(f"{label} {n} of {total} ({100 * n / total:.0f} %)" for label, n in rate.counts.items())
        lines.append(f"base rate for {name}: {shares} – {rate.meaning}")
    return lines


def explanation(scenario: Scenario) -> str:
    """Stages of the game, who knows what at each, every payoff as formulas of the parameters, and every prior."""
    game = scenario.game
    lines = ["STAGES", ""]
    for number, (move, options, who, knows, formulas) in enumerate(_stages(game), 1):
        lines.append(f"{number}. {move} – {who}")
        for label, formula in zip(options, formulas or [""] * len(options), strict=True):
            lines.append(f"     {label}" + (f"  with chance {formula}" if formula else ""))
        if knows is not None:
            lines.append(f"     knows: {', '.join(knows) if knows else 'nothing that was decided or happened before'}")
    lines += ["", "PAYOFFS (sums of these parts; a formula is followed by what all its histories share)"]
    for player, parts in payoff_parts(scenario.crisis, parameters=scenario.rule_parameters).items():
        lines += ["", player]
        for part, formulas in parts.items():
            lines.append(f"  {part}")
            for item in formulas[:MOST_FORMULAS]:
                when = ", ".join(f"{m} = {o}" for m, o in item.when)
                lines.append(
                    f"    {item.formula}" + (f"    [{when}]" if when else f"    [{item.num_leaves:,} histories]")
                )
            if len(formulas) > MOST_FORMULAS:
                lines.append(f"    … and {len(formulas) - MOST_FORMULAS} more formulas of the same parameters")
    lines += [
        "",
        "PRIORS (what is believed about each parameter before anything is observed, and what it comes from)",
        "",
    ]
    for name, parameter in scenario.file.parameters.items():
        lines.append(f"  {name}: {prior_in_words(parameter.prior)} [{parameter.unit}]")
    return "\n".join(lines)


def _stages(game: Game) -> list[tuple[str, tuple[str, ...], str, list[str] | None, list[str] | None]]:
    """Every move once, in the order of play: name, options, who, what is known there, chances."""
    found: dict[str, tuple[str, tuple[str, ...], str, list[str] | None, list[str] | None]] = {}
    knows: dict[str, dict[str, None]] = {}
    for infoset in game.infosets:
        knows.setdefault(infoset.move, {}).update(dict.fromkeys(name for name, _ in infoset.knows))
    depth: dict[str, int] = {}  # of the move's deepest node: a move that can be skipped stands where it comes latest
    below = [0] * game.num_nodes
    for node in range(game.num_nodes):
        below[node] = below[game.parent[node]] + 1 if node else 0
        if game.kind[node] == LEAF:
            continue
        move, options = game.move_at(node), game.options_at(node)
        depth[move] = below[node]  # nodes come by rising depth
        known = found.get(move)
        if known is not None and len(known[1]) >= len(options):
            continue
        if game.kind[node] == CHANCE:
            formulas = list(game.chances[game.chance[node]].formulas)
            found[move] = (move, options, "chance", None, formulas)
        else:
            player = game.players[game.infosets[game.infoset[node]].player]
            found[move] = (move, options, player, list(knows[move]), None)
    return sorted(found.values(), key=lambda stage: depth[stage[0]])
