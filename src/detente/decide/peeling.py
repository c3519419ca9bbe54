"""The compiled heart of scenario discovery: columns as codes, and boxes peeled and pasted by weighted histograms.

A numeric column becomes the number of its quantile bin, a column of labels the number of its label. The worlds in the
box are kept as a histogram of each column; peeling takes the removed rows out of it, so that all the peels of a
trajectory cost about as much as a few passes over the data.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

NUM_BINS = 4_096  # bins of a numeric column; a column with no more distinct values than this is exact
SAMPLE = 65_536  # values from which bins are laid out when there are more
GRID = 8_192  # cells of the table that says where to start looking for a bin
OUTSIDE = np.uint16(65_535)


@dataclass(frozen=True, eq=False)
class Codes:
    """Columns as numbers of bins.

    Attributes:
        codes: Bin of every value, (column, draw).
        count: Number of bins of each column, (column,).
        lowest: Smallest value of each bin, (column, bin); labels have their own number.
        highest: Largest value of each bin, (column, bin).
        ordered: Whether bins have an order (a numeric column) or are labels, (column,).
    """

    codes: np.ndarray
    count: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray
    ordered: np.ndarray


def encode(columns: list[np.ndarray], num_labels: list[int], *, num_bins: int = NUM_BINS) -> Codes:
    """Put every value of every column into its bin.

    Args:
        columns: Numbers, or numbers of labels from 0, one array a column.
        num_labels: How many labels a column has; 0 for a numeric column.
        num_bins: At most so many bins for a numeric column.

    Example:
        >>> encode([np.array([0.5, 0.1, 0.5])], [0]).codes.tolist()
        [[1, 0, 1]]
    """
    count = len(columns[0])
    codes = np.empty((len(columns), count), dtype=np.uint16)
    edges = [
        _edges(x, num_bins) if not n else np.arange(n, dtype=float) for x, n in zip(columns, num_labels, strict=True)
    ]
    width = max(len(e) for e in edges)
    lowest, highest = np.full((len(columns), width), np.inf), np.full((len(columns), width), -np.inf)
    for j, (x, edge) in enumerate(zip(columns, edges, strict=True)):
        _assign(np.ascontiguousarray(x, dtype=float), edge, _table(edge), codes[j], lowest[j], highest[j])
    sizes = np.array([len(e) for e in edges])
    return Codes(codes, sizes, lowest, highest, np.array([n == 0 for n in num_labels]))


def _edges(x: np.ndarray, num_bins: int) -> np.ndarray:
    """Lower ends of bins of about equal weight; a value that fills more than a bin has one of its own."""
    sample = np.sort(x if len(x) <= SAMPLE else x[:: len(x) // SAMPLE])
    sample[0] = x.min()
    distinct = sample[np.concatenate([[True], sample[1:] != sample[:-1]])]
    if len(distinct) <= num_bins:
        return distinct
    half = max(num_bins // 2, 1)  # half of the bins are kept for values that come again and again
    found = sample[np.arange(half * 2) * len(sample) // (half * 2)]
    repeated = np.unique(found[1:][found[1:] == found[:-1]])
    after = np.searchsorted(sample, repeated, side="right")
    return np.unique(np.concatenate([found, sample[after[after < len(sample)]]]))[: int(OUTSIDE)]


def _table(edges: np.ndarray) -> np.ndarray:
    """For each cell of an even grid, the last edge at or below its lower end."""
    grid = np.linspace(edges[0], edges[-1], GRID + 1)
    return np.maximum(np.searchsorted(edges, grid, side="right") - 1, 0).astype(np.int64)


@njit(cache=True, nogil=True)
def _assign(x, edges, table, codes, lowest, highest):  # pragma: no cover - compiled
    """Bin of every value, and the smallest and largest value of every bin."""
    first, last = edges[0], len(edges) - 1
    span = edges[last] - first
    scale = (len(table) - 1) / span if span > 0 else 0.0
    for i in range(len(x)):
        value = x[i]
        cell = min(max(int((value - first) * scale), 0), len(table) - 2)
        # One cell of slack on each side, as the cell is found by rounding.
        low, high = table[max(cell - 1, 0)], last if cell + 2 >= len(table) else table[cell + 2]
        while low < high:
            middle = (low + high + 1) // 2
            if edges[middle] <= value:
                low = middle
            else:
                high = middle - 1
        codes[i] = low
        lowest[low] = min(lowest[low], value)
        highest[low] = max(highest[low], value)


# -- peeling ---------------------------------------------------------------------------------------
@njit(cache=True, nogil=True)
def histogram(codes, rows, weight, failure, width):  # pragma: no cover - compiled
    """Weight, failing weight and number of the rows in each bin of each column, (column, bin, 3)."""
    found = np.zeros((codes.shape[0], width, 3))
    for j in range(codes.shape[0]):
        column, bins = codes[j], found[j]
        for k in range(len(rows)):
            i = rows[k]
            b = column[i]
            bins[b, 0] += weight[i]
            bins[b, 1] += failure[i]
            bins[b, 2] += 1.0
    return found


@njit(cache=True, nogil=True)
def _score(mean_old, inside, failing, total, by_mean):  # pragma: no cover - compiled
    """How good a smaller box is: its share of failures, or what it gains for each unit of weight given up."""
    mean = failing / inside
    return mean if by_mean else (mean - mean_old) / (total - inside)


@njit(cache=True, nogil=True)
def _best_peel(
    bins, lowest, highest, count, ordered, total, failing, share, least, by_mean
):  # pragma: no cover - compiled
    """The best peel: (score, column, side, bin); side 0 from below, 1 from above, 2 one label; column −1 for none.

    A slice reaches the share that is asked for; where that falls within a bin of several values, it ends at the nearer
    end of the bin.
    """
    best = (-np.inf, -1, 0, 0)
    mean_old, enough = failing / total, share * total * (1 - 1e-12)
    for j in range(len(count)):
        for side in range(2 if ordered[j] else count[j]):
            away = away_failing = 0.0
            b = side
            if ordered[j]:
                step = 1 if side == 0 else -1
                k = 0 if side == 0 else count[j] - 1
                b = -1
                while 0 <= k < count[j]:
                    here = bins[j, k, 0]
                    if here > 0.0:
                        past = away + here - enough
                        if b >= 0 and past > enough - away and lowest[j, k] < highest[j, k]:
                            break
                        away += here
                        away_failing += bins[j, k, 1]
                        b = k
                        if past >= 0.0:
                            break
                    k += step
            else:
                away, away_failing = bins[j, b, 0], bins[j, b, 1]
            inside = total - away
            if away <= 0.0 or inside < least or inside <= 1e-12 * total:
                continue
            score = _score(mean_old, inside, failing - away_failing, total, by_mean)
            if score > best[0]:
                best = (score, j, side if ordered[j] else 2, b)
    return best


@njit(cache=True, nogil=True)
def _new_limit(bins, lowest, highest, count, side, b):  # pragma: no cover - compiled
    """Outermost bin that stays when all up to ``b`` go, halfway (in value) to the next bin that is not empty."""
    step = 1 if side == 0 else -1
    following = b + step
    while bins[following, 2] == 0.0:
        following += step
    limit = b + step
    if side == 0:
        halfway = (highest[b] + lowest[following]) / 2
        while limit < following and lowest[limit] < halfway:
            limit += step
    else:
        halfway = (lowest[b] + highest[following]) / 2
        while limit > following and highest[limit] > halfway:
            limit += step
    return limit


@njit(cache=True, nogil=True)
def peel(
    codes, count, lowest, highest, ordered, rows, weight, failure, share, least, by_mean, limit
):  # pragma: no cover - compiled
    """Take thin slices off the whole, the best one each time.

    Returns (steps, low, high, kept, weight, failing): limits of each column as bins, (step, column); which labels stay,
    (step, column, bin), for columns of labels; weight and failing weight in each box. Step 0 is the whole.
    """
    num_columns, width = codes.shape[0], lowest.shape[1]
    bins = histogram(codes, rows, weight, failure, width)
    low, high = np.zeros((limit, num_columns), np.int64), np.zeros((limit, num_columns), np.int64)
    labels = 1
    for j in range(num_columns):
        high[0, j] = count[j] - 1
        if not ordered[j]:
            labels = max(labels, count[j])
    kept = np.ones((limit, num_columns, labels), np.bool_)
    inside, hit = np.zeros(limit), np.zeros(limit)
    inside[0], hit[0] = bins[0, :, 0].sum(), bins[0, :, 1].sum()
    alive = rows.copy()
    num_alive, step = len(alive), 0
    while step + 1 < limit:
        score, j, side, b = _best_peel(
            bins, lowest, highest, count, ordered, inside[step], hit[step], share, least, by_mean
        )
        if j < 0 or score <= (hit[step] / inside[step] if by_mean else 0.0):
            break
        low[step + 1], high[step + 1], kept[step + 1] = low[step], high[step], kept[step]
        step += 1
        if side == 2:
            kept[step, j, b] = False
        elif side == 0:
            low[step, j] = _new_limit(bins[j], lowest[j], highest[j], count[j], side, b)
        else:
            high[step, j] = _new_limit(bins[j], lowest[j], highest[j], count[j], side, b)
        stays = 0
        column = codes[j]
        gone = np.empty(num_alive, np.int64)
        removed = 0
        for k in range(num_alive):
            i = alive[k]
            c = column[i]
            out = c == b if side == 2 else (c <= b if side == 0 else c >= b)
            if out:
                gone[removed] = i
                removed += 1
            else:
                alive[stays] = i
                stays += 1
        num_alive = stays
        for m in range(num_columns):
            theirs, histo = codes[m], bins[m]
            for k in range(removed):
                i = gone[k]
                c = theirs[i]
                histo[c, 2] -= 1.0
                if histo[c, 2] == 0.0:  # exactly nothing, whatever the rounding of weights
                    histo[c, 0] = 0.0
                    histo[c, 1] = 0.0
                else:
                    histo[c, 0] -= weight[i]
                    histo[c, 1] -= failure[i]
        inside[step], hit[step] = bins[0, :, 0].sum(), bins[0, :, 1].sum()
    step += 1
    return step, low[:step], high[:step], kept[:step], inside[:step], hit[:step]


@njit(cache=True, nogil=True)
def broken(codes, ordered, restricted, rows, low, high, kept):  # pragma: no cover - compiled
    """For each row: −1 in the box, −2 out of it by two columns or more, else the one column that it breaks."""
    found = np.full(len(rows), -1, np.int64)
    for r in range(len(restricted)):
        j = restricted[r]
        column = codes[j]
        for k in range(len(rows)):
            if found[k] == -2:
                continue
            c = column[rows[k]]
            out = (c < low[j] or c > high[j]) if ordered[j] else not kept[j, c]
            if out:
                found[k] = j if found[k] == -1 else -2
    return found


@njit(cache=True, nogil=True)
def _near_misses(codes, rows, by, weight, failure, width):  # pragma: no cover - compiled
    """Histograms, by column, of the rows that only this column keeps out of the box."""
    found = np.zeros((codes.shape[0], width, 2))
    for k in range(len(rows)):
        j = by[k]
        if j >= 0:
            i = rows[k]
            found[j, codes[j, i], 0] += weight[i]
            found[j, codes[j, i], 1] += failure[i]
    return found


@njit(cache=True, nogil=True)
def paste(
    codes, count, ordered, rows, weight, failure, low, high, kept, share, limit, width
):  # pragma: no cover - compiled
    """Widen a box, the best side each time, while its share of failures does not fall.

    Returns (low, high, kept, weight, failing, number of pastes).
    """
    low, high, kept = low.copy(), high.copy(), kept.copy()
    inside = hit = 0.0
    steps = 0
    while True:
        marked = np.zeros(len(count), np.bool_)
        for j in range(len(count)):
            if ordered[j]:
                marked[j] = low[j] > 0 or high[j] < count[j] - 1
            else:
                marked[j] = not kept[j, : count[j]].all()
        by = broken(codes, ordered, np.flatnonzero(marked), rows, low, high, kept)
        inside = hit = 0.0
        for k in range(len(rows)):
            if by[k] == -1:
                inside += weight[rows[k]]
                hit += failure[rows[k]]
        near = _near_misses(codes, rows, by, weight, failure, width)
        best = (-np.inf, 0.0, -1, 0, 0)
        for j in range(len(count)):
            if not marked[j]:
                continue
            for side in range(2 if ordered[j] else count[j]):
                added = added_failing = 0.0
                b = side
                if ordered[j]:
                    step = -1 if side == 0 else 1
                    b = low[j] if side == 0 else high[j]
                    while 0 <= b + step < count[j] and added < share * inside * (1 - 1e-12):
                        b += step
                        added += near[j, b, 0]
                        added_failing += near[j, b, 1]
                elif not kept[j, side]:
                    added, added_failing = near[j, side, 0], near[j, side, 1]
                if added <= 0.0:
                    continue
                mean = (hit + added_failing) / (inside + added)
                if (mean, added) > (best[0], best[1]):
                    best = (mean, added, j, side, b)
        # Equal up to rounding counts as not falling: a box that is pure stays pure and covers more.
        if best[2] < 0 or best[0] < hit / inside * (1 - 1e-12) or steps >= limit:
            return low, high, kept, inside, hit, steps
        j, side, b = best[2], best[3], best[4]
        if not ordered[j]:
            kept[j, b] = True
        elif side == 0:
            low[j] = b
        else:
            high[j] = b
        steps += 1
