"""A scenario: rules, priors of their parameters, policies, outcomes and the record, in one folder."""

import datetime
import importlib
import importlib.util
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from detente.axes import Game
from detente.errors import DetenteError, ScenarioError, UsageError, nearest
from detente.model.builtin import BUILTIN, FILE, scenario_names
from detente.model.language import Crisis
from detente.model.priors import (
    PRIOR_KINDS,
    SHARES,
    Beta,
    Fixed,
    FromRecord,
    Lognormal,
    Normal,
    Origin,
    Pert,
    Prior,
    Tied,
    Triangular,
    Uniform,
    beta_from_moments,
    check_correlations,
    check_tie,
    prior_from_figure,
    same_unit,
    widened,
)
from detente.record import Estimate, Figure, Ledger, as_of, figures_in_words, find, load_ledger
from detente.record.salvo import SalvoFit, SalvoReport, fit_salvo, is_share, midpoints
from detente.record.scales import MOVES

FORMAT = 1
SALVO_PARTS = ("reliability", "interception")
STATED = "stated"  # the name of the structure that the file itself describes
LEAST_CORRELATION = 0.02  # a weaker tie between reliability and interception is left out


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _as_written(value: Any) -> Any:
    """``{ from = "estimate:ID", kind = "pert" }`` as a prior that is still to be worked out."""
    if not isinstance(value, dict):
        return value
    if "origin" in value:
        raise ValueError("origin cannot be stated; write from = 'estimate:ID', and it is filled in")
    if "from" not in value:
        return value
    rest = {k: v for k, v in value.items() if k not in ("from", "kind")}
    return {"kind": "from the record", "source": value["from"], "shape": value.get("kind"), **rest}


def _as_option(value: Any) -> Any:
    """An option's meaning alone, as the table that it stands for."""
    return {"meaning": value} if isinstance(value, str) else value


Text = Annotated[str, Field(min_length=1)]
StatedPrior = Annotated[Prior, BeforeValidator(_as_written)]


class Parameter(_Entry):
    """A parameter of the rules, with what is believed about it and why.

    Attributes:
        title: What it is called in sentences and tables; its name with spaces when empty.
        meaning: What it is, in words.
        unit: Its unit.
        prior: What is believed about it before anything is observed: stated, or worked out from the record
            (``from = "estimate:ID"`` or ``from = "salvo:NAME.interception"``).
        evidence: Ids of claims, events, figures or estimates of the record.
        grade: Grade of that evidence, 1 (confirmed) to 6 (cannot be judged).
        judgement: Who judged, and why, where evidence does not settle it.
    """

    title: str = ""
    meaning: Text
    unit: Text
    prior: StatedPrior
    evidence: tuple[str, ...] = ()
    grade: Annotated[int, Field(ge=1, le=6)] | None = None
    judgement: str = ""

    @model_validator(mode="after")
    def _rests_on_something(self) -> "Parameter":
        if not self.evidence and not self.judgement:
            raise ValueError("cites no evidence and no judgement; give evidence = [ids] or judgement = 'who: why'")
        if self.evidence and self.grade is None:
            raise ValueError("cites evidence without a grade; give grade = 1 … 6")
        return self


class Reported(_Entry):
    """A count of a salvo: the estimate of the record that gives it, and the grade of that information.

    Attributes:
        source: ``from`` in the file: ``estimate:ID``.
        grade: 1 (confirmed) to 6 (cannot be judged); it widens the range.
    """

    source: Annotated[str, Field(alias="from", pattern=r"^estimate:\S+$")]
    grade: Annotated[int, Field(ge=1, le=6)]

    @property
    def id(self) -> str:
        """The id of the estimate."""
        return self.source.removeprefix("estimate:")


class Salvo(_Entry):
    """A salvo that was fired: what was reported of it, from which reliability and interception are worked out.

    Attributes:
        title: What it is called.
        launched: Missiles launched.
        impacts: Missiles that came down at their targets.
        arrived: Missiles that did not fail by themselves (a count, or a share of those launched), if reported.
        reliability: What is believed about the share that arrives before any count is read.
        interception: What is believed about the share of those that is stopped.
        judgement: Who judged, and why, where one of the two is not left open.
        note: What the counts leave out.
    """

    title: Text
    launched: Reported
    impacts: Reported
    arrived: Reported | None = None
    reliability: Prior = Uniform(low=0, high=1)
    interception: Prior = Uniform(low=0, high=1)
    judgement: str = ""
    note: str = ""

    @model_validator(mode="after")
    def _says_who_judged(self) -> "Salvo":
        if {"reliability", "interception"} & self.model_fields_set and not self.judgement:
            raise ValueError("states a prior without saying who judged; give judgement = 'who: why'")
        return self

    @property
    def ids(self) -> tuple[str, ...]:
        """The estimates that it rests on."""
        return tuple(r.id for r in (self.launched, self.arrived, self.impacts) if r is not None)


Rate = str | Annotated[float, Field(ge=0, allow_inf_nan=False)]  # λ, or the name of the parameter that holds it


class Structure(_Entry):
    """Another way in which the crisis may work, to be compared with the file as it stands.

    Attributes:
        title: Short name for tables.
        meaning: What is different, and why it may be so.
        rules: Rival rules, as in the file; the same ones when left out.
        precision: λ, or the name of the parameter that holds it, or one of these for every player; the same when left
            out.
        choice: The choice rule, ``logit`` (the file as it stands) or ``probit``.
        branch: Options that everybody expects at first, by move: play settles from there, instead of on the principal
            branch.
        parameters: Names of parameters that no rules but these use.
        weight: How much it is believed beside the others; the file as it stands weighs 1.
    """

    title: Text
    meaning: Text
    rules: Text | None = None
    precision: Rate | dict[str, Rate] | None = None
    choice: Literal["logit", "probit"] | None = None
    branch: dict[str, str] = {}
    parameters: tuple[str, ...] = ()
    weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0

    @model_validator(mode="after")
    def _differs(self) -> "Structure":
        if self.rules is None and self.precision is None and self.choice is None and not self.branch:
            raise ValueError("differs in nothing from the file as it stands; give rules, precision, choice or branch")
        return self

    @property
    def rates(self) -> dict[str | None, str | float]:
        """λ or the parameter that holds it, by player; under None where it is one for all."""
        if isinstance(self.precision, dict):
            return {**self.precision}
        return {} if self.precision is None else {None: self.precision}


class Policy(_Entry):
    """Options that the deciding player commits to.

    Attributes:
        title: Short name for tables.
        meaning: What it is, in a sentence.
        commit: Move name → option.
        announced: Whether everybody knows that the player is bound. If not (the usual case for a message), everybody
            else reads what they see as they do in equilibrium.
    """

    title: Text
    meaning: Text
    commit: dict[str, str] = {}
    announced: bool = False


class OutcomeOfInterest(_Entry):
    """An outcome that somebody minds.

    Attributes:
        title: What it is called in tables.
        meaning: What counts as it.
        minds: Role → why it minds.
        better: Whether ``lower`` or ``higher`` values are better for the deciding player.
        headline: Whether it opens the brief.
    """

    title: Text
    meaning: Text
    minds: dict[str, str] = {}
    better: Literal["lower", "higher"] = "lower"
    headline: bool = False


class Reports(_Entry):
    """What reports say of one move where they disagree, or where its coding is open.

    Attributes:
        fits: Option → how well it fits the reports, above 0 up to 1 for the best; an option that the reports exclude is
            left out. An option at 0.5 makes them half as likely as one at 1.
        source: Who judged, and on what.
        evidence: Ids of the record.
    """

    fits: Annotated[dict[str, Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)]
    source: Text
    evidence: tuple[str, ...] = ()


class Observed(_Entry):
    """What was seen to happen, for learning and scoring; never for a forecast made before it.

    Attributes:
        moves: Move name → option: the best reading.
        known: Move name → the day on which it was known. A move without a day counts as known after the as-of date.
        reports: Move name → how well its options fit the reports, where that is not certain.
        evidence: Ids of the record.
        note: What is disputed about it.
    """

    moves: dict[str, str]
    known: dict[str, datetime.date] = {}
    reports: dict[str, Reports] = {}
    evidence: tuple[str, ...] = ()
    note: str = ""

    @model_validator(mode="after")
    def _about_moves_that_were_seen(self) -> "Observed":
        for key in ("known", "reports"):
            for move in getattr(self, key):
                if move not in self.moves:
                    raise ValueError(f"{key}.{move} is about a move that moves does not have; add it there first")
        for move, reports in self.reports.items():
            if reports.fits.get(self.moves[move]) != max(reports.fits.values()):
                raise ValueError(f"reports.{move} fits another option better than {self.moves[move]!r}; change moves")
        return self

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the record that it rests on."""
        more = (id for reports in self.reports.values() for id in reports.evidence)
        return tuple(dict.fromkeys([*self.evidence, *more]))


class BaseRate(_Entry):
    """How often something happened in comparable cases, printed beside what the priors imply.

    Attributes:
        meaning: Which cases, and how they were chosen.
        counts: Label → number of cases.
        source: Where they are listed.
    """

    meaning: Text
    counts: Annotated[dict[str, Annotated[int, Field(ge=0)]], Field(min_length=1)]
    source: Text


class OptionWords(_Entry):
    """What an option of a move is, for people who have to choose it.

    Attributes:
        meaning: What choosing it means, in a sentence.
        act: Kind of act that comes closest, as ``detente record scales`` names it: it says where the option stands on
            published scales of escalation.
        rung: Where it stands on the crisis's own ladder of escalation: any numbers, larger is worse.
    """

    meaning: str = ""
    act: str = ""
    rung: Annotated[float, Field(allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _known_act(self) -> "OptionWords":
        if self.act and self.act not in MOVES:
            raise ValueError(f"act: {self.act!r} is not a kind of act.{nearest(self.act, MOVES)}")
        return self


class MoveWords(_Entry):
    """What a move is called and what its options mean, for people in the seats of an exercise.

    Attributes:
        title: What it is called.
        meaning: What is decided, in a sentence.
        options: Option → what it is; a text alone is its meaning.
    """

    title: str = ""
    meaning: str = ""
    options: dict[str, Annotated[OptionWords, BeforeValidator(_as_option)]] = {}


class ScenarioFile(_Entry):
    """The contents of ``scenario.toml``.

    Attributes:
        format: Version of this format.
        title: What the scenario is called.
        summary: What happened and what is asked.
        as_of: Nothing that became known later is used.
        rules: ``module:function``, or ``file.py:function`` beside the file.
        decides: The player whose policies are compared.
        who: Role → who plays it here.
        precision: λ, or the name of the parameter that holds it.
        courses: Moves that are told apart in the likeliest courses of events; by default all after the first choice.
        salvos: By name: salvos that were fired, for priors that are worked out from them.
        parameters: By name.
        correlations: Parameter → other parameter → rank correlation, for parameters that move together.
        structures: By name: rival rules, precisions, choice rules or branches, each of which is one more way in which
            the crisis may work.
        policies: By name.
        outcomes: By name.
        base_rates: By name of the outcome they stand beside.
        moves: By name of a move: what people who play it are to read, and where its options stand on scales.
        observed: What was seen to happen.
    """

    format: Literal[1]
    title: Text
    summary: Text
    as_of: datetime.date
    rules: Text
    decides: Text
    who: dict[str, str] = {}
    precision: str | Annotated[float, Field(ge=0)] = 1.0
    courses: tuple[str, ...] = ()
    salvos: dict[str, Salvo] = {}
    parameters: dict[str, Parameter] = {}
    correlations: dict[str, dict[str, Annotated[float, Field(gt=-1, lt=1)]]] = {}
    structures: dict[str, Structure] = {}
    policies: dict[str, Policy]
    outcomes: dict[str, OutcomeOfInterest]
    base_rates: dict[str, BaseRate] = {}
    moves: dict[str, MoveWords] = {}
    observed: Observed | None = None


@dataclass(frozen=True, eq=False)
class Scenario:
    """A crisis with everything that is believed about it.

    Attributes:
        slug: Name of the folder.
        folder: Where it lives.
        file: The contents of ``scenario.toml``.
        crisis: The rules.
        ledger: The record as it stood on the as-of date.
        full_ledger: The whole record.
        structure_name: Which structure this is: ``stated``, or one of ``[structures.NAME]``.
    """

    slug: str
    folder: Path
    file: ScenarioFile
    crisis: Crisis
    ledger: Ledger
    full_ledger: Ledger
    structure_name: str = STATED

    @property
    def behaviour(self) -> dict[str, Any]:
        """How people choose, as options of :func:`detente.solve`: ``precision``, ``choice`` and ``branch``."""
        entry = self.file.structures.get(self.structure_name)
        precision = self.file.precision if entry is None or entry.precision is None else entry.precision
        choice = "logit" if entry is None or entry.choice is None else entry.choice
        return {"precision": precision, "choice": choice, "branch": (entry and entry.branch) or "principal"}

    @property
    def precisions(self) -> frozenset[str]:
        """Names of the parameters that hold a precision."""
        precision = self.behaviour["precision"]
        rates = precision.values() if isinstance(precision, dict) else [precision]
        return frozenset(rate for rate in rates if isinstance(rate, str))

    @property
    def priors(self) -> dict[str, Prior]:
        """Prior of every parameter, in the order of the file."""
        return {name: p.prior for name, p in self.file.parameters.items()}

    @property
    def rule_parameters(self) -> tuple[str, ...]:
        """Parameters that the rules of the file use: all but precisions and what only rival rules use."""
        structures = self.file.structures.values()
        others = {
            self.file.precision,
            *(rate for s in structures for rate in s.rates.values()),
            *(n for s in structures for n in s.parameters),
        }
        return tuple(n for n in self.file.parameters if n not in others)

    @cached_property
    def game(self) -> Game:
        """The compiled game (about 0.2 ms a node, once)."""
        from detente.model.compile import compile

        if self.structure_name == STATED or self.file.structures[self.structure_name].rules is None:
            return compile(self.crisis, parameters=self.rule_parameters)
        game = compile(self.crisis)  # rival rules may use fewer parameters, but none that has no prior
        for name in game.parameters:
            if name not in self.file.parameters:
                raise ScenarioError(
                    f"{self.folder / FILE}: structures.{self.structure_name}.rules: the parameter {name!r} has no "
                    f"[parameters.{name}].{nearest(name, self.file.parameters)}"
                )
        return game

    def parameter_title(self, name: str) -> str:
        """What a parameter is called in sentences and tables."""
        return self.file.parameters[name].title or name.replace("_", " ")

    def salvo_report(self, name: str) -> SalvoReport:
        """What was reported of a salvo by the as-of date, each range as wide as its grade asks for.

        Raises:
            UsageError: If there is no salvo of that name; the nearest is offered.
            ScenarioError: If an estimate does not exist, came later, or has the wrong unit.
        """
        if name not in self.file.salvos:
            raise UsageError(f"salvo: {name!r} is not a salvo of {self.slug!r}.{nearest(name, self.file.salvos)}")
        salvo = self.file.salvos[name]
        figures = {
            key: None if (reported := getattr(salvo, key)) is None else _count(self, f"salvos.{name}.{key}", reported)
            for key in ("launched", "impacts", "arrived")
        }
        assert figures["launched"] is not None and figures["impacts"] is not None
        return SalvoReport(figures["launched"], figures["impacts"], figures["arrived"])

    def salvo(self, name: str) -> SalvoFit:
        """What a salvo says about reliability and interception.

        Raises:
            UsageError: If there is no salvo of that name; the nearest is offered.
            ScenarioError: If its counts are wrong or contradict each other.
        """
        report = self.salvo_report(name)
        salvo, points = self.file.salvos[name], midpoints()
        try:
            r, q = salvo.reliability.quantile(points), salvo.interception.quantile(points)
            return _fit(report, tuple(r.tolist()), tuple(q.tolist()))
        except UsageError as error:
            raise ScenarioError(f"{self.folder / FILE}: salvos.{name}: {error}") from None

    def structure(self, name: str) -> "Scenario":
        """The same scenario under another structure.

        Args:
            name: Of ``[structures.NAME]``, or ``stated`` for the file as it stands.

        Returns:
            The scenario with rival rules or another :attr:`behaviour`; everything else is the same.

        Raises:
            UsageError: If there is no structure of that name; the nearest is offered.
            ScenarioError: If its rules cannot be used.
        """
        if name == STATED:
            return self
        if name not in self.file.structures:
            known = [STATED, *self.file.structures]
            raise UsageError(f"structure: {name!r} is not a structure of {self.slug!r}.{nearest(name, known)}")
        entry, path = self.file.structures[name], self.folder / FILE
        crisis = self.crisis
        if entry.rules is not None:
            crisis = _rules(entry.rules, self.folder, path, key=f"structures.{name}.rules")
            ours, theirs = ([p.name for p in c.players] for c in (self.crisis, crisis))
            if ours != theirs:
                raise ScenarioError(
                    f"{path}: structures.{name}.rules: its players are {theirs}, those of the file {ours}. Give the "
                    "same players in the same order."
                )
        changed = replace(self, crisis=crisis, structure_name=name)
        if entry.rules is None:  # the same tree: written out once for both
            changed.__dict__["game"] = self.game
        return changed

    def policy(self, name: str) -> Policy:
        """A policy by name.

        Raises:
            UsageError: If there is none of that name; the nearest is offered.
        """
        if name not in self.file.policies:
            raise UsageError(f"policy: {name!r} is not a policy of {self.slug!r}.{nearest(name, self.file.policies)}")
        return self.file.policies[name]


def load_scenario(name: str | Path) -> Scenario:
    """Read a scenario and check everything that can be checked without solving.

    Args:
        name: Name of a scenario that comes with the package, or a folder.

    Returns:
        The scenario.

    Raises:
        UsageError: If there is no such scenario.
        ScenarioError: If one of its files is wrong: it names the file, the key, the value and the remedy.

    Example:
        >>> load_scenario("october-2024").file.decides
        'patron'
    """
    folder = _folder(name)
    path = folder / FILE
    file = _parse(path)
    crisis = _rules(file.rules, folder, path)
    # A crisis may be sketched before anything is on record; a parameter that cites evidence then fails below.
    ledger = load_ledger(folder / "record") if (folder / "record").is_dir() else Ledger()
    scenario = Scenario(
        slug=folder.resolve().name,
        folder=folder,
        file=file,
        crisis=crisis,
        ledger=as_of(ledger, file.as_of),
        full_ledger=ledger,
    )
    scenario = _worked_out(scenario)
    _check_references(scenario, path)
    return scenario


# -- priors from the record ----------------------------------------------------------------------
def _worked_out(scenario: Scenario) -> Scenario:
    """The same scenario with every prior that comes from the record worked out."""
    file = scenario.file
    for name in file.salvos:  # also those that no prior uses
        scenario.salvo_report(name)
    worked_out = {
        name: p.model_copy(update={"prior": _from_record(scenario, name, p.prior)})
        for name, p in file.parameters.items()
        if isinstance(p.prior, FromRecord)
    }
    parameters = {name: worked_out.get(name, p) for name, p in file.parameters.items()}
    return replace(scenario, file=file.model_copy(update={"parameters": parameters}))


def _from_record(scenario: Scenario, name: str, stated: FromRecord) -> Prior:
    parameter, key = scenario.file.parameters[name], f"parameters.{name}.prior"
    kind, _, id = stated.source.partition(":")
    try:
        prior = (_estimate_prior if kind == "estimate" else _salvo_prior)(scenario, key, parameter, stated, id)
    except UsageError as error:
        raise ScenarioError(f"{scenario.folder / FILE}: {key}.{error}") from None
    assert prior.origin is not None
    missing = [id for id in prior.origin.rests_on if id not in parameter.evidence]
    if missing:
        raise ScenarioError(
            f"{scenario.folder / FILE}: parameters.{name}.evidence: {list(parameter.evidence)} leaves out "
            f"{missing[0]!r}, from which the prior is worked out (from = {stated.source!r}). Add it."
        )
    return prior if stated.tied is None else prior.model_copy(update={"tied": stated.tied})


def _estimate_prior(scenario: Scenario, key: str, parameter: Parameter, stated: FromRecord, id: str) -> Prior:
    estimate = _estimate(scenario, f"{key}.from", id)
    if not same_unit(parameter.unit, estimate.unit):
        raise UsageError(
            f"from: {stated.source!r} is measured in {estimate.unit!r}, the parameter in {parameter.unit!r}. "
            "Take an estimate in that unit, or add one that converts it."
        )
    if parameter.grade is None:
        raise UsageError("from: the parameter has no grade, which says how far to widen the range. Give grade = 1 … 6.")
    prior = prior_from_figure(estimate, kind=stated.shape or "pert", grade=parameter.grade)
    words = f"from the estimate {id}, {figures_in_words(estimate)}"
    if (low := widened(estimate, parameter.grade)) and (low.low, low.high) != (estimate.low, estimate.high):
        words += f", widened to {low.low:.4g}–{low.high:.4g} for grade {parameter.grade}"
    return prior.model_copy(update={"origin": Origin("estimate", id, (id,), words)})


def _salvo_prior(scenario: Scenario, key: str, parameter: Parameter, stated: FromRecord, id: str) -> Prior:
    name, _, part = id.rpartition(".")
    if part not in SALVO_PARTS or not name:
        raise UsageError(
            f"from: {stated.source!r} names no part of a salvo.{nearest(part, SALVO_PARTS)} "
            "Write from = 'salvo:NAME.reliability' or 'salvo:NAME.interception'."
        )
    if name not in scenario.file.salvos:
        raise UsageError(
            f"from: {stated.source!r}: there is no [salvos.{name}] in this file.{nearest(name, scenario.file.salvos)} "
            "Add it, or correct the name."
        )
    if stated.shape not in (None, "beta"):
        raise UsageError(f"kind: {stated.shape!r} is not what a salvo gives. Leave kind out, or write kind = 'beta'.")
    if _plain(parameter.unit) not in SHARES:
        raise UsageError(
            f"from: {stated.source!r} is a share, the parameter is in {parameter.unit!r}. Set unit = 'share'."
        )
    fit = scenario.salvo(name)
    found = fit.summary(part)
    words = f"from the salvo {name}: mean {found.mean:.2f}, 90 % interval {found.low:.2f}–{found.high:.2f}"
    return beta_from_moments(found.mean, found.sd).model_copy(
        update={
            "origin": Origin("salvo", id, scenario.file.salvos[name].ids, words),
            "tied": _tie(scenario, name, fit) if part == "interception" else None,
        }
    )


def _plain(unit: str) -> str:
    return unit.partition(" ")[0]


def _tie(scenario: Scenario, salvo: str, fit: SalvoFit) -> Tied | None:
    """Interception moves with the reliability of the same salvo, because the counts fix their product best."""
    wanted, rank = f"salvo:{salvo}.reliability", fit.rank_correlation()
    for name, p in scenario.file.parameters.items():
        if isinstance(p.prior, FromRecord) and p.prior.source == wanted and abs(rank) >= LEAST_CORRELATION:
            return Tied(to=name, rank_correlation=round(rank, 4))
    return None


def _estimate(scenario: Scenario, key: str, id: str) -> Estimate:
    """An estimate of the record that was known on the as-of date."""
    path = scenario.folder / FILE
    full = scenario.full_ledger.estimates
    if id not in full:
        try:
            found = find(scenario.full_ledger, id)
        except UsageError:
            raise ScenarioError(
                f"{path}: {key}: the record holds no estimate {id!r}.{nearest(id, full)} Correct the id, or add it to "
                "record/estimates.jsonl."
            ) from None
        raise ScenarioError(
            f"{path}: {key}: {id!r} is a {type(found).__name__.lower()}, not an estimate. Name an estimate; one whose "
            f"formula is just {id!r} will do."
        )
    _cited(scenario, path, key, id)
    return scenario.ledger.estimates[id]


def _count(scenario: Scenario, key: str, reported: Reported) -> Figure:
    """A count of a salvo, as wide as its grade asks for."""
    estimate = _estimate(scenario, f"{key}.from", reported.id)
    whole = f"{scenario.folder / FILE}: {key}.from: {reported.source!r} is measured in {estimate.unit!r}"
    if is_share(estimate) and not key.endswith(".arrived"):
        raise ScenarioError(f"{whole}, but a count is needed. Take an estimate of the number of missiles.")
    if is_share(estimate) and "launched" not in estimate.unit:
        raise ScenarioError(f"{whole}, but a share of the missiles launched is needed. Take an estimate of that share.")
    wide = widened(estimate, reported.grade)
    if is_share(estimate):
        return wide
    # missiles are whole: the wider range keeps the whole numbers in it, and never loses one that was reported
    low, high = min(math.ceil(wide.low), estimate.low), max(math.floor(wide.high), estimate.high)
    return wide.model_copy(update={"low": float(low), "high": float(high)})


@lru_cache(maxsize=64)
def _fit(report: SalvoReport, reliability: tuple[float, ...], interception: tuple[float, ...]) -> SalvoFit:
    """The fit of a report, kept because the same scenario is often loaded again."""
    return fit_salvo(report, reliability=reliability, interception=interception)


# -- reading -------------------------------------------------------------------------------------
def _folder(name: str | Path) -> Path:
    if isinstance(name, str) and name in scenario_names():
        return BUILTIN / name
    folder = Path(name)
    if (folder / FILE).is_file():
        return folder
    if folder.is_dir():
        raise UsageError(f"scenario: the folder {str(folder)!r} has no {FILE}. Make one, or give another folder.")
    raise UsageError(
        f"scenario: {str(name)!r} is neither a scenario nor a folder.{nearest(str(name), scenario_names())} "
        "'detente list' shows them all."
    )


def _parse(path: Path) -> ScenarioFile:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: byte {error.start} is not UTF-8. Save the file as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{path}: not well-formed TOML: {error}. Mend that line.") from None
    try:
        return ScenarioFile.model_validate(data)
    except ValidationError as error:
        lines = [_problem(path, detail) for detail in error.errors()[:8]]
        more = len(error.errors()) - len(lines)
        raise ScenarioError("\n".join(lines) + (f"\n… and {more} more" if more > 0 else "")) from None


def _problem(path: Path, detail: Any) -> str:
    """One validation error as: file, key, what is wrong, the value, what to do."""
    loc = [str(part) for part in detail["loc"]]
    # pydantic puts the kind of a prior into the path: parameters.NAME.prior.KIND.low
    tags, holders = (*PRIOR_KINDS, "from the record"), ("prior", *SALVO_PARTS)
    keys = [k for i, k in enumerate(loc) if not (i > 0 and loc[i - 1] in holders and k in tags)]
    if "from the record" in loc:  # in the file, the source is called from, and the shape kind
        keys[-1] = {"source": "from", "shape": "kind"}.get(keys[-1], keys[-1])
    key = ".".join(keys) or "(top level)"
    kind, value = detail["type"], detail.get("input")
    if kind == "missing":
        return f"{path}: {key} is missing. Add it."
    if kind == "extra_forbidden":
        return f"{path}: {key} is not a known key.{nearest(keys[-1], _known_keys(loc))} Remove or correct it."
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        given = value.get("kind") if isinstance(value, dict) else value
        return f"{path}: {key}.kind: {given!r} is not a kind of prior.{nearest(str(given), PRIOR_KINDS)}"
    if kind == "string_pattern_mismatch" and keys[-1] == "from":
        return f"{path}: {key}: {value!r} names nothing of the record. Write from = 'estimate:ID'" + (
            " or from = 'salvo:NAME.interception'." if loc[0] == "parameters" else "."
        )
    shown = repr(value)
    shown = shown if len(shown) < 80 else shown[:77] + "…"
    message = detail["msg"].removeprefix("Value error, ")
    return f"{path}: {key}: {message} (the value is {shown}). Correct it."


def _known_keys(loc: list[str]) -> list[str]:
    """The keys that could stand where an unknown one does."""
    if len(loc) > 2 and loc[0] == "parameters" and loc[2] == "prior":
        kinds = {k.__name__.lower(): k for k in (Fixed, Uniform, Pert, Triangular, Normal, Lognormal, Beta)}
        if len(loc) > 3 and loc[3] == "from the record":
            return ["from", "kind", "tied"]
        fields = kinds[loc[3]].model_fields if len(loc) > 3 and loc[3] in kinds else {}
        return [name for name in fields if name != "origin"]
    sections: dict[str, type[BaseModel]] = {
        "salvos": Salvo,
        "parameters": Parameter,
        "structures": Structure,
        "policies": Policy,
        "outcomes": OutcomeOfInterest,
        "base_rates": BaseRate,
        "moves": MoveWords,
        "observed": Observed,
    }
    if len(loc) > 3 and loc[0] == "moves":
        return list(OptionWords.model_fields)
    return list((ScenarioFile if len(loc) == 1 else sections.get(loc[0], ScenarioFile)).model_fields)


def _rules(rules: str, folder: Path, path: Path, *, key: str = "rules") -> Crisis:
    """The crisis named by ``module:function`` or ``file.py:function``."""
    match = re.fullmatch(r"([\w./\\-]+):(\w+)", rules)
    if not match:
        raise ScenarioError(f"{path}: {key}: {rules!r} is not 'module:function' or 'file.py:function'. Correct it.")
    where, name = match.groups()
    try:
        if where.endswith(".py"):
            file = folder / where
            if not file.is_file():
                raise ScenarioError(f"{path}: {key}: there is no file {str(file)!r}. Put it beside {FILE}.")
            spec = importlib.util.spec_from_file_location(
                f"detente_rules_{folder.resolve().name.replace('-', '_')}", file
            )
            assert spec is not None and spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        else:
            module = importlib.import_module(where)
    except DetenteError:
        raise
    except Exception as error:  # the user's own code: whatever is wrong with it is the message
        raise ScenarioError(f"{path}: {key}: {where!r} cannot be imported: {type(error).__name__}: {error}.") from error
    crisis = getattr(module, name, None)
    if not isinstance(crisis, Crisis):
        known = [n for n, v in vars(module).items() if isinstance(v, Crisis)]
        raise ScenarioError(f"{path}: {key}: {where!r} has no crisis {name!r}.{nearest(name, known)}")
    return crisis


def _check_references(scenario: Scenario, path: Path) -> None:
    """Names of players and ids of evidence must exist; priors must stay inside what their unit allows."""
    file, roles = scenario.file, [p.name for p in scenario.crisis.players]
    for key, name in [("decides", file.decides), *((f"who.{r}", r) for r in file.who)]:
        if name not in roles:
            raise ScenarioError(f"{path}: {key}: {name!r} is not a player of the rules.{nearest(name, roles)}")
    if isinstance(file.precision, str) and file.precision not in file.parameters:
        raise ScenarioError(
            f"{path}: precision: {file.precision!r} is not a parameter.{nearest(file.precision, file.parameters)}"
        )
    if isinstance(file.precision, str) and file.parameters[file.precision].prior.support[0] < 0:
        raise ScenarioError(
            f"{path}: parameters.{file.precision}.prior: reaches below 0, but a precision is at least 0. Narrow it."
        )
    for name, parameter in file.parameters.items():
        low, high = parameter.prior.support
        if parameter.unit in ("probability", "share") and not (low >= 0 and high <= 1):
            raise ScenarioError(
                f"{path}: parameters.{name}.prior: reaches from {low} to {high}, but a {parameter.unit} lies "
                "in [0, 1]. "
                "Narrow it, or use kind = 'beta'."
            )
        try:
            check_tie(name, scenario.priors)
        except UsageError as error:
            raise ScenarioError(f"{path}: parameters.{error}") from None
        for reference in parameter.evidence:
            _cited(scenario, path, f"parameters.{name}.evidence", reference)
    try:
        check_correlations(scenario.priors, file.correlations)
    except UsageError as error:
        raise ScenarioError(f"{path}: {error}") from None
    for name, structure in file.structures.items():
        if name == STATED:
            raise ScenarioError(f"{path}: structures.{name}: is the name of the file as it stands. Take another name.")
        for one in structure.parameters:
            if one not in file.parameters:
                raise ScenarioError(
                    f"{path}: structures.{name}.parameters: {one!r} is not a parameter.{nearest(one, file.parameters)}"
                )
        _check_rates(scenario, path, name, structure)
    for name, outcome in file.outcomes.items():
        for role in outcome.minds:
            if role not in roles:
                raise ScenarioError(f"{path}: outcomes.{name}.minds: {role!r} is not a player.{nearest(role, roles)}")
    if file.observed is not None:
        for reference in file.observed.ids:
            key = "observed.evidence" if reference in file.observed.evidence else "observed.reports"
            _cited(scenario, path, key, reference, before_as_of=False)


def _check_rates(scenario: Scenario, path: Path, name: str, structure: Structure) -> None:
    """The precisions of a structure are for all players, and where they are parameters these cannot be negative."""
    known, players = scenario.file.parameters, [str(player) for player in scenario.crisis.players]
    for player, rate in structure.rates.items():
        key = f"{path}: structures.{name}.precision" + ("" if player is None else f".{player}")
        if player is not None and player not in players:
            raise ScenarioError(f"{key}: the rules have no player {player!r}.{nearest(player, players)}")
        if isinstance(rate, str) and rate not in known:
            raise ScenarioError(f"{key}: {rate!r} is not a parameter.{nearest(rate, known)}")
        if isinstance(rate, str) and known[rate].prior.support[0] < 0:
            raise ScenarioError(f"{key}: {rate!r} reaches below 0, but a precision is at least 0. Narrow its prior.")
    missing = [player for player in players if None not in structure.rates and player not in structure.rates]
    if structure.rates and missing:
        raise ScenarioError(
            f"{path}: structures.{name}.precision: says nothing of {missing}. Give one for every player."
        )


def _cited(scenario: Scenario, path: Path, key: str, reference: str, *, before_as_of: bool = True) -> None:
    try:
        find(scenario.full_ledger, reference)
    except DetenteError as error:
        raise ScenarioError(f"{path}: {key}: {error}") from None
    if not before_as_of:
        return
    try:
        find(scenario.ledger, reference)
    except DetenteError:
        raise ScenarioError(
            f"{path}: {key}: {reference!r} became known after the as-of date {scenario.file.as_of}. Cite what "
            "was known "
            "then, or move the date."
        ) from None


def check_against_game(scenario: Scenario, game: Game) -> None:
    """Policies, outcomes and observations must name things that the rules have.

    Raises:
        ScenarioError: Naming the key, the value and the nearest name.
    """
    path = scenario.folder / FILE
    offered: dict[str, dict[str, None]] = {}
    for infoset in game.infosets:
        offered.setdefault(infoset.move, {}).update(dict.fromkeys(infoset.options))
    choices = set(offered)
    for chance in game.chances:
        offered.setdefault(chance.move, {}).update(dict.fromkeys(chance.options))

    def check(key: str, moves: Mapping[str, str], known: Mapping[str, Any]) -> None:
        for move, option in moves.items():
            if move not in known:
                raise ScenarioError(f"{path}: {key}: the rules have no move {move!r}.{nearest(move, known)}")
            if option not in known[move]:
                raise ScenarioError(
                    f"{path}: {key}.{move}: there is no option {option!r}.{nearest(option, known[move])}"
                )

    by_players = {m: o for m, o in offered.items() if m in choices}
    for name, policy in scenario.file.policies.items():
        check(f"policies.{name}.commit", policy.commit, by_players)
    if scenario.structure_name != STATED:
        expected = scenario.file.structures[scenario.structure_name].branch
        check(f"structures.{scenario.structure_name}.branch", expected, by_players)
    if scenario.file.observed is not None:
        check("observed.moves", scenario.file.observed.moves, offered)
        for move, reports in scenario.file.observed.reports.items():
            for option in reports.fits:
                check("observed.reports", {move: option}, offered)
    for move, words in scenario.file.moves.items():
        if move not in offered:
            raise ScenarioError(f"{path}: moves: the rules have no move {move!r}.{nearest(move, offered)}")
        for option in words.options:
            check("moves", {move: option}, offered)
    for move in scenario.file.courses:
        if move not in offered:
            raise ScenarioError(f"{path}: courses: the rules have no move {move!r}.{nearest(move, offered)}")
    for name in scenario.file.outcomes:
        if name not in game.outcomes:
            raise ScenarioError(
                f"{path}: outcomes.{name}: the rules note no such outcome.{nearest(name, game.outcomes)}"
            )
