"""`detente learn`: condition on what was observed, forecast the next crisis, be scored; or the backtest."""

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detente.cli_common import Json, checked_scenario, complete_scenario, print_json, progress
from detente.errors import UsageError

if TYPE_CHECKING:
    from detente.learn.backtest import Backtest, Part
    from detente.learn.carry import Carried, Verdict
    from detente.learn.condition import Conditioned
    from detente.learn.score import Score

DEFAULT_DRAWS, BACKTEST_DRAWS = 2_048, 3_072
SHOWN = 8  # parameters in a table
LABELS = {
    "after": "with what was learnt",
    "before": "without it",
    "uniform": "every option alike",
    "base rates": "base rates of the casebook",
}


def learn(
    scenario: Annotated[
        str | None,
        typer.Argument(
            metavar="[SCENARIO]",
            help="A scenario with [observed]; none with --backtest.",
            callback=checked_scenario,
            autocompletion=complete_scenario,
        ),
    ] = None,
    into: Annotated[
        str | None,
        typer.Option(metavar="OTHER", help="Carry what was learnt into this scenario.", callback=checked_scenario),
    ] = None,
    drift: Annotated[
        float | None, typer.Option(help="Share of a world that is new in OTHER: 0 carries all, 1 nothing. Default 0.5.")
    ] = None,
    score: Annotated[bool, typer.Option("--score", help="Score the forecast of OTHER by what happened there.")] = False,
    draws: Annotated[
        int | None, typer.Option(min=1, help="Possible worlds. Default 2048; with --backtest 3072.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws; the same seed gives the same numbers.")] = 0,
    method: Annotated[
        str, typer.Option(help="importance (weighed worlds) or smc (tempered particles).")
    ] = "importance",
    backtest: Annotated[
        bool, typer.Option("--backtest", help="Forecast every case of the casebook from the others.")
    ] = False,
    cases: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --backtest: forecast and score the cases of this file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Learn from what was observed; forecast the next crisis with it; score forecasts."""
    _check_options(scenario, into, drift, score, backtest, cases)
    if backtest:
        _backtest(cases, BACKTEST_DRAWS if draws is None else draws, seed, as_json=as_json)
        return
    draws = DEFAULT_DRAWS if draws is None else draws
    from detente.learn.carry import DRIFT, carry, score_forecast
    from detente.learn.condition import condition
    from detente.learn.observed import check_no_look_ahead
    from detente.model.scenario import load_scenario

    loaded = load_scenario(str(scenario))
    target = None if into is None else load_scenario(into)
    if target is not None:
        check_no_look_ahead(loaded, target)
        if method != "importance":
            raise UsageError(
                "--into: needs --method importance, to show the forecast with and without what was learnt."
            )
    with progress("Solving worlds", draws, quiet=as_json) as progress_fn:
        learnt = condition(loaded, num_draws=draws, seed=seed, method=method, progress_fn=progress_fn)
    carried = verdicts = None
    if target is not None:
        share = DRIFT if drift is None else drift
        with progress("Forecasting", draws + draws // 2, quiet=as_json) as progress_fn:
            carried = carry(learnt, target, drift=share, seed=seed, progress_fn=progress_fn)
        verdicts = score_forecast(carried) if score else None
    if as_json:
        print_json(_learnt_json(learnt) | _carried_json(carried, verdicts))
        return
    print("\n".join(_learnt_lines(learnt)))
    if carried is not None:
        print("\n".join(_carried_lines(carried)))
    if verdicts is not None:
        print("\n".join(_verdict_lines(verdicts)))


def _check_options(
    scenario: str | None, into: str | None, drift: float | None, score: bool, backtest: bool, cases: Path | None
) -> None:
    """Refuse options that do not go together."""
    if backtest and (scenario is not None or into is not None or score or drift is not None):
        raise UsageError("--backtest: goes with --cases, --draws, --seed and --json only. Leave the rest out.")
    if cases is not None and not backtest:
        raise UsageError("--cases: needs --backtest.")
    if not backtest and scenario is None:
        raise UsageError("learn: name a scenario whose [observed] says what happened, or give --backtest.")
    if into is None and (score or drift is not None):
        raise UsageError(f"{'--score' if score else '--drift'}: needs --into, the scenario to forecast.")


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(" ".join(text.split()), 100, initial_indent=indent, subsequent_indent=indent)


def _finite(value: float) -> float | None:
    """A number for JSON; −∞ has none."""
    return value if value > float("-inf") else None


# -- what was learnt -----------------------------------------------------------------------------
def _points(values: tuple[float, ...]) -> str:
    return f"{values[1]:.2f} ({values[0]:.2f} to {values[2]:.2f})"


def _learnt_lines(learnt: "Conditioned") -> Iterator[str]:
    from detente.learn.condition import observed_words
    from detente.learn.observed import observed_of
    from detente.learn.summary import moved_parameters, predictive_check

    scenario = learnt.scenario
    seen, moves = observed_words(scenario), observed_of(scenario).moves
    yield f"{scenario.file.title}: what was observed, and what it teaches"
    yield ""
    checks = {check.move: check for check in predictive_check(learnt)}
    for move, words in seen.items():
        expected = f"   expected at {100 * checks[move].before:.0f} %" if move in checks else ""
        yield f"  {move:<14}{words}{expected}"
    yield from _wrapped(
        f"The priors gave all of this together a probability of {_small(learnt.log_evidence)}; percentages are given "
        "what was seen before.",
        "  ",
    )
    yield ""
    yield from _wrapped(f"{learnt.message[0].upper()}{learnt.message[1:]}. {_left_out(learnt.num_unconverged)}")
    yield ""
    moved = moved_parameters(learnt)
    shown = [m for m in moved if m.clear][:SHOWN]
    if not shown:
        yield "No parameter moved by more than chance in the draws would give."
    else:
        yield f"  {'parameter':<40}{'before (90 %)':<24}{'after (90 %)':<24}{'moved':<10}mostly by"
        for m in shown:
            title = textwrap.shorten(scenario.parameter_title(m.name), 38, placeholder="…")
            reason = "" if m.main_reason is None else f"{m.main_reason} = {moves[m.main_reason]}"
            yield f"  {title:<40}{_points(m.prior):<24}{_points(m.posterior):<24}{m.shift:+.2f} sd   {reason}".rstrip()
    rest = len(moved) - len(shown)
    yield from _wrapped(
        f"Moved: change of the mean in standard deviations of the prior (± {2 * max(m.error for m in moved):.2f} is "
        f"chance in the draws). {rest} other parameters moved less. One play of the game says little about "
        f"{len(moved)} parameters, and what it says of one hangs on the priors of the rest.",
        "  ",
    )
    salvo = [name for name, p in scenario.file.parameters.items() if p.prior.origin is not None]
    if salvo:
        yield from _wrapped(
            f"Worked out from the record and not from these moves: {', '.join(salvo)} (see detente record salvo).", "  "
        )


def _small(log_probability: float) -> str:
    from math import exp

    share = exp(log_probability)
    return f"{100 * share:.1f} %" if share >= 0.001 else f"exp({log_probability:.1f})"


def _left_out(count: int) -> str:
    return f"{count} worlds without an equilibrium are left out." if count else "Every world has an equilibrium."


def _learnt_json(learnt: "Conditioned") -> dict[str, Any]:
    from detente.learn.observed import as_observation, observed_of
    from detente.learn.summary import moved_parameters, predictive_check

    scenario, observed = learnt.scenario, observed_of(learnt.scenario)
    return {
        "scenario": scenario.slug,
        "as_of": scenario.file.as_of.isoformat(),
        "observed": as_observation(observed),
        "known": {move: day.isoformat() for move, day in observed.known.items()},
        "draws": learnt.num_draws,
        "effective_draws": learnt.ess,
        "unconverged": learnt.num_unconverged,
        "method": learnt.method,
        "message": learnt.message,
        "log_evidence": learnt.log_evidence,
        "parameters": [
            {
                "name": m.name,
                "title": scenario.parameter_title(m.name),
                "prior": dict(zip(("low", "median", "high"), m.prior, strict=True)),
                "posterior": dict(zip(("low", "median", "high"), m.posterior, strict=True)),
                "shift_sd": m.shift,
                "error_sd": m.error,
                "clear": m.clear,
                "because": dict(m.because),
                "from_record": None if (o := scenario.file.parameters[m.name].prior.origin) is None else o.id,
            }
            for m in moved_parameters(learnt)
        ],
        "predictive": [{"move": p.move, "before": p.before, "after": p.after} for p in predictive_check(learnt)],
    }


# -- what follows for the next crisis ------------------------------------------------------------
def _carried_lines(carried: "Carried") -> Iterator[str]:
    from detente.learn.summary import why_forecast_moved

    target = carried.target
    given = ", ".join(f"{move} {option}" for move, option in carried.given.items()) or "nothing observed yet"
    yield ""
    yield f"{target.file.title}, as of {target.file.as_of}; given: {given}"
    yield ""
    yield f"  {'':<38}{'without':<12}{'with':<12}{'change':<12}everything carried"
    for move, options in carried.after.moves.items():
        for option, share in options.items():
            before, whole = carried.before.moves[move][option], carried.all_carried.moves[move][option]
            yield _forecast_line(f"{move}: {option}", before, share, whole)
    for name, share in carried.after.outcomes.items():
        before, whole = carried.before.outcomes[name], carried.all_carried.outcomes[name]
        yield _forecast_line(target.file.outcomes[name].title, before, share, whole)
    yield from _wrapped(
        f"With: {len(carried.shared)} parameters carried, of whose differences between worlds a share of "
        f"{carried.drift:g} is taken to be new (--drift); worth {carried.after.ess:.0f} equal draws. "
        f"{_left_out(carried.num_unconverged)}",
        "  ",
    )
    yield ""
    move, option, change = _largest_change(carried)
    yield f"Why {move} = {option} changed by {100 * change:+.1f} points:"
    for part in why_forecast_moved(carried, move, option)[:4]:
        yield f"  {target.parameter_title(part.name):<40}{part.shift:+.2f} sd   {100 * part.part:+.2f} points"
    yield from _wrapped(
        "The priors of this scenario were judged by people who knew of the crisis before, so that part of what is "
        "carried may be counted twice; nothing that became known after the as-of date is used here.",
        "  ",
    )


def _forecast_line(title: str, before: float, after: float, whole: float) -> str:
    change = f"{100 * (after - before):+.1f}"
    return f"  {title:<38}{100 * before:<12.1f}{100 * after:<12.1f}{change:<12}{100 * whole:.1f}"


def _largest_change(carried: "Carried") -> tuple[str, str, float]:
    changes = {
        (move, option): share - carried.before.moves[move][option]
        for move, options in carried.after.moves.items()
        for option, share in options.items()
    }
    move, option = max(changes, key=lambda key: abs(changes[key]))
    return move, option, changes[move, option]


def _carried_json(carried: "Carried | None", verdicts: "list[Verdict] | None") -> dict[str, Any]:
    if carried is None:
        return {}
    from detente.learn.summary import why_forecast_moved

    move, option, change = _largest_change(carried)
    found: dict[str, Any] = {
        "scenario": carried.target.slug,
        "as_of": carried.target.file.as_of.isoformat(),
        "given": dict(carried.given),
        "drift": carried.drift,
        "shared": list(carried.shared),
        "effective_draws": carried.after.ess,
        "unconverged": carried.num_unconverged,
        **{
            name: {"moves": {m: dict(o) for m, o in f.moves.items()}, "outcomes": dict(f.outcomes)}
            for name, f in (("before", carried.before), ("after", carried.after), ("all_carried", carried.all_carried))
        },
        "largest_change": {
            "move": move,
            "option": option,
            "change": change,
            "because": [vars(part) for part in why_forecast_moved(carried, move, option)[:SHOWN]],
        },
    }
    if verdicts is not None:
        found["score"] = [
            {
                "move": v.move,
                "happened": v.happened,
                "forecasts": {name: dict(f) for name, f in v.forecasts.items()},
                "scores": {name: _score_json(s) for name, s in v.scores.items()},
                "by_code": {name: _score_json(s) for name, s in v.coarse.items()},
            }
            for v in verdicts
        ]
    return {"into": found}


def _score_json(score: "Score") -> dict[str, Any]:
    return vars(score) | {"log_score": _finite(score.log_score)}


def _verdict_lines(verdicts: "list[Verdict]") -> Iterator[str]:
    for v in verdicts:
        yield ""
        yield f"What happened: {v.move} = {v.happened}"
        yield from _score_lines("forecast", v.scores)
        if v.coarse:
            yield from _score_lines("by the casebook's codes", v.coarse)
        gain = v.scores["after"].log_score - v.scores["before"].log_score
        words = "helped" if gain > 0 else "did harm"
        yield from _wrapped(f"What was learnt {words} by {abs(gain):.3f} nats here (0 is a perfect log score).", "  ")
    yield ""
    yield from _wrapped(
        "One crisis cannot tell a good forecaster from a lucky one, and the rules were written by people who knew how "
        "it ended: detente learn --backtest scores them on many. The casebook does not tell the kinds of an open "
        "strike apart, so that the first table splits its share evenly over them; only cases that were over by the "
        "as-of date count.",
    )


def _score_lines(title: str, scores: "Mapping[str, Score]") -> Iterator[str]:
    yield f"  {title:<30}{'gave it':<12}{'log score':<12}{'Brier':<12}rank"
    for name, s in scores.items():
        rank = f"{s.rank:g} of {s.num_options}"
        yield f"  {LABELS[name]:<30}{100 * s.probability:<12.1f}{s.log_score:<12.3f}{s.brier:<12.3f}{rank}"


# -- the backtest --------------------------------------------------------------------------------
def _backtest(path: Path | None, draws: int, seed: int, *, as_json: bool) -> None:
    from detente.learn.backtest import ROUNDS, backtest
    from detente.learn.casebook import load_casebook

    known = load_casebook()
    cases = None if path is None else load_casebook(path)
    count = len(known) + sum(case not in known for case in cases or ())
    with progress("Solving cases", ROUNDS * count, quiet=as_json) as progress_fn:
        found = backtest(cases, num_draws=draws, seed=seed, progress_fn=progress_fn)
    if as_json:
        print_json(_backtest_json(found))
    else:
        print("\n".join(_backtest_lines(found)))


def _backtest_lines(found: "Backtest") -> Iterator[str]:
    from detente.learn.casemodel import COVARIATES

    what = "the cases of the file, forecast by the casebook" if found.from_file else "the casebook, each case left out"
    yield f"Backtest of the rules of restraint: {what}"
    for part in found.parts.values():
        yield ""
        yield from _part_lines(part)
    yield ""
    yield "Weights of the covariates, learnt from the whole casebook (0 is no effect; 1 is a factor of 2.7):"
    for name, (low, middle, high) in found.weights.items():
        clear = "" if low <= 0 <= high else "   clear of 0"
        yield f"  {name:<12}{middle:+.2f} ({low:+.2f} to {high:+.2f}){clear}   {COVARIATES[name]}"
    yield from _wrapped(
        f"{found.num_draws} possible worlds; {_left_out(found.num_unconverged)} The two columns that were coded with "
        "hindsight are not read. The casebook is a convenience sample: quiet dissuasion leaves no trace in it.",
    )


def _part_lines(part: "Part") -> Iterator[str]:
    yield f"Without the {part.way} that is forecast:"
    yield from _wrapped(part.verdict, "  ")
    if part.log_score is not None and part.brier is not None:
        for name, c in (("log score", part.log_score), ("Brier", part.brier)):
            yield (
                f"  {name:<11}{c.mean:+.3f} (90 % {c.low:+.3f} to {c.high:+.3f}); base rates {c.mean - c.gain:+.3f}; "
                f"difference {c.gain:+.3f} ({c.gain_low:+.3f} to {c.gain_high:+.3f})"
            )
        yield "  calibration (of all three codes of each case):"
        for b in part.calibration:
            bar = "#" * round(20 * b.frequency)
            yield (
                f"    {100 * b.low:3.0f} to {100 * b.high:3.0f} %   forecast {100 * b.forecast:3.0f} %   came true "
                f"{100 * b.frequency:3.0f} % of {b.count:<4}{bar}"
            )
    changed = [pair for pair in part.pairs if pair.agrees is not None]
    if changed:
        right = sum(bool(pair.agrees) for pair in changed)
        yield f"  matched pairs in which the action changed: the sign is right in {right} of {len(changed)}"
        for pair in changed:
            verdict = "right" if pair.agrees else "wrong"
            change = f"observed {pair.observed:+d}, forecast {pair.forecast:+.2f}"
            yield f"    {pair.first} → {pair.second}: {change} ({verdict})"


def _backtest_json(found: "Backtest") -> dict[str, Any]:
    return {
        "draws": found.num_draws,
        "unconverged": found.num_unconverged,
        "weights": {n: dict(zip(("low", "median", "high"), w, strict=True)) for n, w in found.weights.items()},
        "left_out": {
            way: {
                "verdict": part.verdict,
                "log_score": None if part.log_score is None else vars(part.log_score),
                "brier": None if part.brier is None else vars(part.brier),
                "calibration": [vars(b) for b in part.calibration],
                "pairs": [vars(pair) | {"agrees": pair.agrees} for pair in part.pairs],
                "cases": [
                    {
                        "id": f.case.id,
                        "dyad": f.case.dyad,
                        "action": f.case.action,
                        "message": f.case.message,
                        "channel": f.case.channel,
                        "forecast": dict(f.forecast),
                        "base_rates": dict(f.base),
                        "training_cases": f.num_training,
                        "effective_draws": f.ess,
                        "log_score": None if f.score is None else _finite(f.score.log_score),
                        "brier": None if f.score is None else f.score.brier,
                        "rank": None if f.score is None else f.score.rank,
                        "base_log_score": None if f.base_score is None else _finite(f.base_score.log_score),
                        "base_brier": None if f.base_score is None else f.base_score.brier,
                        "notes": list(f.case.notes),
                    }
                    for f in part.forecasts
                ],
            }
            for way, part in found.parts.items()
        },
    }
