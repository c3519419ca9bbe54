"""Every different number of the tree once.

A player's payoff seldom depends on everything that happened: it is the same at many leaves whatever the parameters are,
and so is what whole parts of the tree are worth to that player. Payoffs, chances and expected payoffs are therefore
numbered by what they are made of (value numbering, as compilers do it), once for each game. The sweep then computes and
stores each different number once: *rows* of one array, with the draws side by side.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import njit
from scipy.sparse import csr_matrix

from detente.axes import Game
from detente.solve.plan import NOTHING_ABOVE, Decisions, Plan, restrict
from detente.solve.problem import CERTAIN, Problem, different_payoffs, different_rows, edge_rows, levels

ZERO = 0  # the row that is zero
ONE = 0  # the chain that is certain


@dataclass(frozen=True, eq=False)
class Constants:
    """What the payoffs and chances of a game are made of, each different one once.

    Attributes:
        before: Chain without its last chance move, for every chain of chance moves; chain ``ONE`` is empty.
        chance: Row of the game's chances that comes last in each chain.
        node: Chain between each node row and the decision above it.
        branch: Row of what each branch brings without a further decision, (branch, player); the last is what comes
            without any decision.
        start: First entry of each row in ``chain`` and ``payoff``.
        chain: Chain that weighs each entry.
        payoff: Which of the game's different payoffs it weighs.
    """

    before: np.ndarray
    chance: np.ndarray
    node: np.ndarray
    branch: np.ndarray
    start: np.ndarray
    chain: np.ndarray
    payoff: np.ndarray

    def evaluate(self, problem: Problem) -> tuple[np.ndarray, np.ndarray]:
        """Probability of every chain, (chain, draw), and every row, (row, draw)."""
        weight = np.ones((len(self.before), problem.num_draws))
        for chain in range(1, len(weight)):
            weight[chain] = weight[self.before[chain]] * problem.chance[self.chance[chain]]
        entry = weight[self.chain] * problem.different[self.payoff]
        rows = np.zeros((len(self.start) - 1, problem.num_draws))
        filled = np.flatnonzero(np.diff(self.start))
        if len(filled):
            rows[filled] = np.add.reduceat(entry, self.start[filled], axis=0)
        return weight, rows


@lru_cache(maxsize=8)
def find_constants(game: Game, plan: Plan) -> Constants:
    """Number the chains of chance moves and the payoffs of the branches of a game."""
    before, chance, chain_of = _chains(game)
    polynomials, payoff_of = different_payoffs(game)
    nothing = csr_matrix(polynomials.matrix).getnnz(axis=1) == 0
    leaf_chain, count = chain_of[game.leaf_nodes][plan.leaf_order], polynomials.num_rows
    starts, items = [np.zeros(2, dtype=np.int64)], []  # an empty list comes first: it gets the row ZERO
    for player in range(len(game.players)):
        own = payoff_of[plan.leaf_order, player]
        kept = ~nothing[own]
        begins = np.concatenate([[0], np.cumsum(kept)])[plan.leaf_start]
        starts.append(begins[1:] + starts[-1][-1])
        items.append((leaf_chain * count + own)[kept])
    start, item = np.concatenate(starts), np.concatenate(items)
    index, first = _number_lists(start, item)
    lengths = np.diff(start)[first]
    entry = np.concatenate([item[start[f] : start[f + 1]] for f in first]) if len(item) else item
    return Constants(
        before=before,
        chance=chance,
        node=chain_of[plan.node],
        branch=np.ascontiguousarray(index[1:].reshape(len(game.players), -1).T),
        start=np.concatenate([[0], np.cumsum(lengths)]),
        chain=entry // count,
        payoff=entry % count,
    )


def _chains(game: Game) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The different chains of chance moves since a decision, and the chain above each game node."""
    rows = edge_rows(game)
    num_chance = game.probability.num_rows
    _, same = different_rows(game.probability) if num_chance else (None, np.zeros(0, dtype=np.int64))
    representative = np.full(same.max(initial=-1) + 1, -1)
    representative[same[::-1]] = np.arange(num_chance)[::-1]
    chain = np.full(game.num_nodes, ONE)
    before, chance, number = [ONE], [CERTAIN], {}
    for start, stop in levels(game):
        node = np.arange(start, stop)
        node = node[(rows[start:stop] != CERTAIN) & (rows[start:stop] < num_chance)]
        keys, inverse = np.unique(chain[game.parent[node]] * num_chance + same[rows[node]], return_inverse=True)
        numbers = np.empty(len(keys), dtype=np.int64)
        for place, key in enumerate(keys.tolist()):
            if key not in number:
                number[key] = len(before)
                before.append(key // num_chance)
                chance.append(int(representative[key % num_chance]))
            numbers[place] = number[key]
        chain[node] = numbers[inverse]
    return np.array(before), np.array(chance), chain


class Work(NamedTuple):
    """What a pass up computes, as arrays that compiled code walks: jobs, each with sums, a choice, and what it brings.

    Every number is a row of one array, made of rows before it. The first jobs are of infosets at which beliefs do not
    matter, the rest of those that are left, the last in the order of play first.

    Attributes:
        player: Who moves in each job.
        num_options: Options of each job; 0 where a choice is already made by an earlier job, or there is none.
        num_members: Nodes over which there are beliefs; 1 where they do not matter.
        node: First node row whose reach makes up the beliefs.
        slot: First slot row of the choice.
        sigma: First row in which the chances of the options are kept.
        worth_start: First entry of each job in ``worth``.
        worth: Row of what each option is worth to the player at each node, options fastest.
        sum_start: First sum of each job.
        sum_row: Row of each sum.
        sum_first: Its first term in ``item``.
        sum_length: How many terms it has.
        give_start: First expected payoff of each job.
        give_row: Row of each expected payoff.
        give_sigma: First row with the chances of its options.
        give_weight: Chain of chance moves that weighs it.
        give_first: First of what its options bring in ``item``.
        give_length: How many options it has.
        item: Rows.
        reach_weight: Chain of chance moves above each node row.
    """

    player: np.ndarray
    num_options: np.ndarray
    num_members: np.ndarray
    node: np.ndarray
    slot: np.ndarray
    sigma: np.ndarray
    worth_start: np.ndarray
    worth: np.ndarray
    sum_start: np.ndarray
    sum_row: np.ndarray
    sum_first: np.ndarray
    sum_length: np.ndarray
    give_start: np.ndarray
    give_row: np.ndarray
    give_sigma: np.ndarray
    give_weight: np.ndarray
    give_first: np.ndarray
    give_length: np.ndarray
    item: np.ndarray
    reach_weight: np.ndarray


@dataclass(frozen=True, eq=False)
class Core:
    """What is left of the decisions when some infosets are folded away, and the work of both parts.

    Attributes:
        decisions: The decisions that are left.
        node: Node row of each of their nodes among all decisions; ``branch`` and ``slot`` likewise.
        work: All jobs.
        num_folded: How many jobs, the first, are those of the infosets folded away and of what they bring.
        num_rows: Rows of numbers in all.
        num_sigma: Rows for the chances of options.
        root: Rows of what the first decisions bring, (entry, player), where payoffs are wanted.
        brings: Row of what each branch that is left brings without a further decision that is left, (branch, player);
            right for the player who moves and for those whose payoff is wanted there.
        folded_slot: Slot rows that are folded away.
        folded_from: Slot, among those of the first jobs, that has the same play.
    """

    decisions: Decisions
    node: np.ndarray
    branch: np.ndarray
    slot: np.ndarray
    work: Work
    num_folded: int
    num_rows: int
    num_sigma: int
    root: np.ndarray
    brings: np.ndarray
    folded_slot: np.ndarray
    folded_from: np.ndarray


def find_core(plan: Plan, constants: Constants, settled: np.ndarray, *, payoffs: bool) -> Core:
    """Fold away the settled infosets, and number every value that a pass up computes.

    Args:
        plan: The decisions of a game.
        constants: Its payoffs and chances.
        settled: Which infoset rows are folded away; no infoset that stays stands below one of them.
        payoffs: Whether the expected payoffs at the root are wanted. What a node brings to a player is otherwise
            computed only where that player has moved before.
    """
    return _find_core(plan, constants, settled.tobytes(), payoffs)


@lru_cache(maxsize=16)
def _find_core(plan: Plan, constants: Constants, settled_bytes: bytes, payoffs: bool) -> Core:
    settled = np.frombuffer(settled_bytes, dtype=bool)
    decisions = plan.decisions
    wanted = np.full((len(decisions.above_node), constants.branch.shape[1]), payoffs)
    if not payoffs:
        _moved_before(decisions, wanted)
    core, node, branch, slot = restrict(decisions, ~settled)
    work, num_folded, num_rows, num_sigma, node_row, brings, folded_from = _number(
        decisions,
        constants.branch[:-1],
        constants.node,
        settled,
        wanted,
        _inverse(node, len(decisions.above_node)),
        _inverse(slot, int(decisions.num_options.sum())),
        len(constants.start) - 1,
    )
    folded_slot = np.setdiff1d(np.arange(int(decisions.num_options.sum())), slot, assume_unique=True)
    return Core(
        decisions=core,
        node=node,
        branch=branch,
        slot=slot,
        work=Work(*work, reach_weight=constants.node[node]),
        num_folded=num_folded,
        num_rows=num_rows,
        num_sigma=num_sigma,
        root=node_row[decisions.root],
        brings=brings[branch],
        folded_slot=folded_slot,
        folded_from=folded_from[folded_slot],
    )


def _inverse(places: np.ndarray, length: int) -> np.ndarray:
    number = np.full(length, NOTHING_ABOVE, dtype=np.int64)
    number[places] = np.arange(len(places))
    return number


@njit(nogil=True, cache=True, error_model="numpy")
def _moved_before(decisions, wanted):  # pragma: no cover - compiled
    """Mark the players who have moved before each node row."""
    mover = np.repeat(decisions.player, decisions.num_members)
    for n in range(len(wanted)):
        a = decisions.above_node[n]
        if a >= 0:
            wanted[n] = wanted[a]
            wanted[n, mover[a]] = True


# -- numbering ---------------------------------------------------------------------------------------
@njit(nogil=True, error_model="numpy")
def _find(table, start, item, new, stop):  # pragma: no cover - compiled
    """Number of the list ``item[start[new]:stop]``: that of an equal list met before, or ``new``."""
    key = np.uint64(stop - start[new])
    for at in range(start[new], stop):
        key = (key ^ np.uint64(item[at])) * np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
    mask = np.uint64(len(table) - 1)
    place = key & mask
    while table[place] >= 0:
        old = table[place]
        length = start[old + 1] - start[old]
        same = length == stop - start[new]
        if same:
            for offset in range(length):
                if item[start[old] + offset] != item[start[new] + offset]:
                    same = False
                    break
        if same:
            return old
        place = (place + np.uint64(1)) & mask
    table[place] = new
    start[new + 1] = stop
    return new


@njit(nogil=True, error_model="numpy")
def _empty_table(most):  # pragma: no cover - compiled
    """An empty hash table for at most so many lists: twice as large or more, a power of two."""
    size = 16
    while size < 2 * most:
        size *= 2
    return np.full(size, -1, dtype=np.int32)


@njit(nogil=True, cache=True, error_model="numpy")
def _number_lists(start, item):  # pragma: no cover - compiled
    """Number of each list among the different ones, and where each different one is first met."""
    count = len(start) - 1
    table = _empty_table(count)
    own = np.empty(count + 1, dtype=np.int64)
    own[0] = 0
    kept = np.empty(len(item), dtype=np.int64)
    index = np.empty(count, dtype=np.int64)
    first = np.empty(count, dtype=np.int64)
    found = 0
    for i in range(count):
        stop = own[found]
        for at in range(start[i], start[i + 1]):
            kept[stop] = item[at]
            stop += 1
        index[i] = _find(table, own, kept, found, stop)
        if index[i] == found:
            first[found] = i
            found += 1
    return index, first[:found]


SUM, CHOICE_OF = -1, -2  # what a list that is not an expected payoff stands for
LISTS, ROWS, SUMS, GIVES, SIGMAS = range(5)  # what is counted


class _Book(NamedTuple):
    """Everything numbered so far: the lists, what they stand for, and the sums and expected payoffs to be computed."""

    count: np.ndarray
    table: np.ndarray
    start: np.ndarray
    item: np.ndarray
    row: np.ndarray  # of each list: its row, or its first row of sigma
    sum_row: np.ndarray
    sum_first: np.ndarray
    sum_length: np.ndarray
    give_row: np.ndarray
    give_sigma: np.ndarray
    give_weight: np.ndarray
    give_first: np.ndarray
    give_length: np.ndarray


@njit(nogil=True, error_model="numpy")
def _open_book(num_infosets, num_nodes, num_branches, num_players, num_constants):  # pragma: no cover - compiled
    """An empty book with room for the largest game of this size."""
    most_sums, most_gives = 2 * num_branches * num_players, num_nodes * num_players
    most = most_sums + most_gives + num_infosets
    items = 2 * most + (4 * num_branches + 2 * num_nodes) * num_players
    count = np.zeros(5, dtype=np.int64)
    count[ROWS] = num_constants
    return _Book(
        count,
        _empty_table(most),
        np.zeros(most + 1, dtype=np.int64),
        np.empty(items, dtype=np.int32),
        np.empty(most, dtype=np.int32),
        np.empty(most_sums, dtype=np.int32),
        np.empty(most_sums, dtype=np.int64),
        np.empty(most_sums, dtype=np.int32),
        np.empty(most_gives, dtype=np.int32),
        np.empty(most_gives, dtype=np.int32),
        np.empty(most_gives, dtype=np.int32),
        np.empty(most_gives, dtype=np.int64),
        np.empty(most_gives, dtype=np.int32),
    )


@njit(nogil=True, error_model="numpy")
def _number_list(book, stop):  # pragma: no cover - compiled
    """Number of the list that has been written up to ``stop``, and whether it is new."""
    new = book.count[LISTS]
    number = _find(book.table, book.start, book.item, new, stop)
    if number == new:
        book.count[LISTS] += 1
    return number, number == new


@njit(nogil=True, error_model="numpy")
def _add_sum(book, first, nodes, chosen, node_row, player):  # pragma: no cover - compiled
    """Row of the sum of a row and of what the chosen ones of some nodes bring to a player."""
    begin = book.start[book.count[LISTS]]
    book.item[begin], stop = SUM, begin + 1
    if first != ZERO:
        book.item[stop], stop = first, stop + 1
    for n in nodes:
        if chosen[n] and node_row[n, player] != ZERO:
            book.item[stop], stop = node_row[n, player], stop + 1
    length = stop - begin - 1
    if length == 0:
        return ZERO
    if length == 1:
        return int(book.item[stop - 1])
    number, new = _number_list(book, stop)
    if new:
        at = book.count[SUMS]
        book.sum_row[at], book.sum_first[at], book.sum_length[at] = book.count[ROWS], begin + 1, length
        book.row[number] = book.count[ROWS]
        book.count[SUMS] += 1
        book.count[ROWS] += 1
    return int(book.row[number])


@njit(nogil=True, error_model="numpy")
def _add_give(book, who, sigma, weight, values):  # pragma: no cover - compiled
    """Row of what a node brings to a player: the mean of ``values`` by the chances of the options, times a weight."""
    if weight == ONE or values[0] == ZERO:
        same = True
        for value in values[1:]:
            same &= value == values[0]
        if same:  # whatever is chosen
            return values[0]
    begin = book.start[book.count[LISTS]]
    book.item[begin], book.item[begin + 1] = who, weight
    for a in range(len(values)):
        book.item[begin + 2 + a] = values[a]
    number, new = _number_list(book, begin + 2 + len(values))
    if new:
        at = book.count[GIVES]
        book.give_row[at], book.give_sigma[at], book.give_weight[at] = book.count[ROWS], sigma, weight
        book.give_first[at], book.give_length[at] = begin + 2, len(values)
        book.row[number] = book.count[ROWS]
        book.count[GIVES] += 1
        book.count[ROWS] += 1
    return int(book.row[number])


@njit(nogil=True, error_model="numpy")
def _add_choice(book, player, values):  # pragma: no cover - compiled
    """First row of the chances of the options of a settled infoset, and whether no earlier one has the same play."""
    begin = book.start[book.count[LISTS]]
    book.item[begin], book.item[begin + 1] = CHOICE_OF, player
    for a in range(len(values)):
        book.item[begin + 2 + a] = values[a]
    number, new = _number_list(book, begin + 2 + len(values))
    if new:
        book.row[number] = book.count[SIGMAS]
        book.count[SIGMAS] += len(values)
    return int(book.row[number]), new


@njit(nogil=True, cache=True, error_model="numpy")
def _number(
    decisions, branch_row, node_weight, settled, wanted, node_number, slot_number, num_constants
):  # pragma: no cover - compiled
    """Number the values of all infosets, the settled ones first; see :class:`Work` and :class:`Core`."""
    num_players, num_branches, num_nodes = branch_row.shape[1], len(branch_row), len(node_weight)
    num_infosets, num_slots = len(settled), len(slot_number)
    book = _open_book(num_infosets, num_nodes, num_branches, num_players, num_constants)
    jobs = num_infosets + 1
    player, num_options, num_members = np.zeros(jobs, np.int64), np.zeros(jobs, np.int64), np.ones(jobs, np.int64)
    node, slot, sigma = np.zeros(jobs, np.int64), np.zeros(jobs, np.int64), np.zeros(jobs, np.int64)
    worth_start, sum_start = np.zeros(jobs + 1, np.int64), np.zeros(jobs + 1, np.int64)
    give_start = np.zeros(jobs + 1, np.int64)
    worth = np.empty(num_branches, dtype=np.int32)
    brings = branch_row.copy()  # of each branch, without further decisions that are left
    value = np.empty((num_branches, num_players), dtype=np.int64)
    node_row = np.zeros((num_nodes, num_players), dtype=np.int64)
    folded_from = np.zeros(num_slots, dtype=np.int64)
    below_start, below = decisions.below_start, decisions.below
    folded, left = node_number < 0, node_number >= 0
    widest, num_worth, job, num_folded = 0, 0, 0, 0
    for part in range(2):
        if part == 1:  # a last job of the first part: what the settled infosets bring to the branches that are left
            for i in range(num_infosets):
                b0 = decisions.branch_start[i]
                k, m, p = decisions.num_options[i], decisions.num_members[i], decisions.player[i]
                for b in range(b0, b0 + k * m * (not settled[i])):
                    n = decisions.node_start[i] + (b - b0) // k
                    for c in range(num_players):
                        if c != p and not wanted[n, c]:
                            continue
                        nodes = below[below_start[b] : below_start[b + 1]]
                        brings[b, c] = _add_sum(book, branch_row[b, c], nodes, folded, node_row, c)
            worth_start[job + 1] = num_worth
            sum_start[job + 1], give_start[job + 1] = book.count[SUMS], book.count[GIVES]
            job += 1
            num_folded = job
        for i in range(num_infosets - 1, -1, -1):
            if settled[i] != (part == 0):
                continue
            k, m, p = decisions.num_options[i], decisions.num_members[i], decisions.player[i]
            n0, b0, s0 = decisions.node_start[i], decisions.branch_start[i], decisions.slot_start[i]
            for b in range(b0, b0 + m * k):
                for c in range(num_players):
                    if c != p and not wanted[n0 + (b - b0) // k, c]:
                        continue
                    nodes = below[below_start[b] : below_start[b + 1]]
                    value[b, c] = _add_sum(book, brings[b, c], nodes, folded if part == 0 else left, node_row, c)
            player[job] = p
            if part == 0:
                who, new = _add_choice(book, p, value[b0 : b0 + k, p])
                slot[job] = sigma[job] = who
                if new:
                    num_options[job] = k
                    worth[num_worth : num_worth + k] = value[b0 : b0 + k, p]
                    num_worth += k
                folded_from[s0 : s0 + k] = np.arange(who, who + k)
            else:
                who = num_slots + i  # a choice that no other infoset shares
                num_options[job], num_members[job] = k, m
                node[job], slot[job] = node_number[n0], slot_number[s0]
                widest = max(widest, k)
                worth[num_worth : num_worth + m * k] = value[b0 : b0 + m * k, p]
                num_worth += m * k
            worth_start[job + 1] = num_worth
            for j in range(m):
                at, weight = b0 + j * k, node_weight[n0 + j]
                for c in range(num_players):
                    if wanted[n0 + j, c]:
                        node_row[n0 + j, c] = _add_give(book, who, sigma[job], weight, value[at : at + k, c])
            sum_start[job + 1], give_start[job + 1] = book.count[SUMS], book.count[GIVES]
            job += 1
    sums, gives = book.count[SUMS], book.count[GIVES]
    work = (
        player,
        num_options,
        num_members,
        node,
        slot,
        sigma,
        worth_start,
        worth[:num_worth].copy(),
        sum_start,
        book.sum_row[:sums].copy(),
        book.sum_first[:sums].copy(),
        book.sum_length[:sums].copy(),
        give_start,
        book.give_row[:gives].copy(),
        book.give_sigma[:gives].copy(),
        book.give_weight[:gives].copy(),
        book.give_first[:gives].copy(),
        book.give_length[:gives].copy(),
        book.item[: book.start[book.count[LISTS]]].copy(),
    )
    return work, num_folded, book.count[ROWS], max(book.count[SIGMAS], widest), node_row, brings, folded_from
