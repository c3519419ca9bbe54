"""The probit rule, compiled: chances of options whose payoffs get independent standard normal shocks, and their slopes.

With two options P_1 = Φ((v_1 − v_2)/√2); with more

    P_i = ∫ φ(e) Π_{j≠i} Φ(e + v_i − v_j) de,

whose integrand is log-concave: the trapezoidal rule around its mode converges faster than any power of the step, and
ln P_i is right to some twelve digits however small P_i is. Cost: a tenth of a microsecond with two options, some 5 with
three, 20 with five.
"""

import math

import numpy as np
from numba import njit
from scipy.special import log_ndtr

from detente.solve.lanes import LANES

LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)
SQRT_HALF = math.sqrt(0.5)
FAR, NEAR = -37, 9  # below, the asymptotic series of ln Φ is exact to the last digit; above, ln Φ is 0 to the last one
PER_UNIT = 32  # places at which ln Φ is expanded: half a step to the sixth power, over 6!, is 1e−14
REACH = 7.5  # standard deviations of the integrand that are summed on either side of its mode
# e^(−2π²/(h²·k)) is the trapezoidal rule's error with k normal factors: h = STEP/√k makes it 1e−12.
STEP = 0.84
MAX_MODE = 60  # Newton steps to the mode; it is approached from one side and takes a handful


def _expand() -> np.ndarray:
    """Taylor coefficients of ln Φ up to the fifth, (place, power); the slope h = φ/Φ obeys h′ = −h·(x + h)."""
    x = np.arange(FAR * PER_UNIT, NEAR * PER_UNIT + 1) / PER_UNIT
    g = log_ndtr(x)
    h = np.exp(-0.5 * x * x - LOG_SQRT_2PI - g)
    y = x + h
    h1 = -h * y
    y1 = 1 + h1
    h2 = -h1 * y - h * y1
    h3 = -h2 * y - 2 * h1 * y1 - h * h2
    h4 = -h3 * y - 3 * h2 * y1 - 3 * h1 * h2 - h * h3
    return np.stack([g, h, h1 / 2, h2 / 6, h3 / 24, h4 / 120], axis=1)


EXPANSION = _expand()


@njit(nogil=True, cache=True, inline="always")
def log_normal(x):  # pragma: no cover - compiled
    """ln Φ(x), and its slope φ(x)/Φ(x), accurate in both tails."""
    if x < FAR:
        y = 1.0 / (x * x)
        log = -0.5 * x * x - math.log(-x) - LOG_SQRT_2PI + math.log1p(-y * (1.0 - 3.0 * y * (1.0 - 5.0 * y)))
        return log, math.exp(-0.5 * x * x - LOG_SQRT_2PI - log)
    if x >= NEAR:
        return 0.0, 0.0
    place = int((x - FAR) * PER_UNIT + 0.5)
    d = x - (FAR + place / PER_UNIT)
    c = EXPANSION[place]
    log = c[0] + d * (c[1] + d * (c[2] + d * (c[3] + d * (c[4] + d * c[5]))))
    return log, c[1] + d * (2 * c[2] + d * (3 * c[3] + d * (4 * c[4] + d * 5 * c[5])))


@njit(nogil=True, cache=True)
def _integrate(v, k, i, slopes, mean):  # pragma: no cover - compiled
    """ln P_i; with ``slopes``, into mean the average of φ/Φ at e + v_i − v_j over the integrand, for every other j."""
    mode = 0.0
    for _ in range(MAX_MODE):  # the slope of the log-integrand is convex and falls: Newton comes from the left
        slope, curve = -mode, 1.0
        for j in range(k):
            if j != i:
                x = mode + v[i] - v[j]
                h = log_normal(x)[1]
                slope += h
                curve += h * (h + x)
        mode += slope / curve
        if slope < 1e-2:
            break
    top = -0.5 * mode * mode - LOG_SQRT_2PI
    for j in range(k):
        if j != i:
            top += log_normal(mode + v[i] - v[j])[0]
    step, least, total = STEP / math.sqrt(k), math.exp(-0.5 * REACH * REACH), 0.0
    mean[:k] = 0.0
    for side in (-1, 1):
        place = 0 if side == 1 else 1
        weight = 1.0
        while weight > least:  # the integrand falls at least as fast as the normal density does
            e = mode + side * place * step
            log = -0.5 * e * e - LOG_SQRT_2PI - top
            for j in range(k):
                if j != i:
                    log += log_normal(e + v[i] - v[j])[0]
            weight = math.exp(log)
            total += weight
            if slopes:
                for j in range(k):
                    if j != i:
                        mean[j] += weight * log_normal(e + v[i] - v[j])[1]
            place += 1
    for j in range(k):
        mean[j] /= total
    return top + math.log(total * step)


@njit(nogil=True, cache=True)
def probit(v, k, log_p, mean):  # pragma: no cover - compiled
    """Log-probabilities of k options from their v; ``mean`` is room for k numbers."""
    if k == 2:
        z = (v[0] - v[1]) * SQRT_HALF
        log_p[0], log_p[1] = log_normal(z)[0], log_normal(-z)[0]
        return
    total = 0.0
    for i in range(k):
        log_p[i] = 0.0 if k == 1 else _integrate(v, k, i, False, mean)
        total += math.exp(log_p[i])
    for i in range(k):  # they sum to 1 but for the quadrature's last digits
        log_p[i] -= math.log(total)


@njit(nogil=True, cache=True)
def probit_slopes(v, k, slopes):  # pragma: no cover - compiled
    """∂ ln P_i / ∂ v_j of k options, into the first k rows and columns."""
    if k == 2:
        z = (v[0] - v[1]) * SQRT_HALF
        up, down = SQRT_HALF * log_normal(z)[1], SQRT_HALF * log_normal(-z)[1]
        slopes[0, 0], slopes[0, 1], slopes[1, 0], slopes[1, 1] = up, -up, -down, down
        return
    slopes[:k, :k] = 0.0
    if k == 1:
        return
    for i in range(k):
        _integrate(v, k, i, True, slopes[i])
        own = 0.0
        for j in range(k):
            own += slopes[i, j]
            slopes[i, j] = -slopes[i, j]
        slopes[i, i] = own


@njit(nogil=True, cache=True)
def probit_of_all(v, start):  # pragma: no cover - compiled
    """Log-probabilities of every option, (slot, draw), from v and the first slot of each infoset."""
    found = np.empty_like(v)
    most = 1
    for infoset in range(len(start) - 1):
        most = max(most, start[infoset + 1] - start[infoset])
    log_p, mean = np.empty(most), np.empty(most)
    for draw in range(v.shape[1]):
        for infoset in range(len(start) - 1):
            first, k = start[infoset], start[infoset + 1] - start[infoset]
            probit(v[first : first + k, draw], k, log_p, mean)
            found[first : first + k, draw] = log_p[:k]
    return found


@njit(nogil=True, cache=True)
def slopes_of_all(v, start, count):  # pragma: no cover - compiled
    """Every entry of the infosets' slopes, row by row, (entry, draw); ``count`` is their number."""
    found = np.empty((count, v.shape[1]))
    most = 1
    for infoset in range(len(start) - 1):
        most = max(most, start[infoset + 1] - start[infoset])
    slopes = np.empty((most, most))
    for draw in range(v.shape[1]):
        entry = 0
        for infoset in range(len(start) - 1):
            first, k = start[infoset], start[infoset + 1] - start[infoset]
            probit_slopes(v[first : first + k, draw], k, slopes)
            for i in range(k):
                for j in range(k):
                    found[entry, draw] = slopes[i, j]
                    entry += 1
    return found


@njit(nogil=True, cache=True)
def probit_rows(sigma, g0, k, log_sigma, s0, room):  # pragma: no cover - compiled
    """Rows of v become rows of chances, lane by lane, and rows of log-probabilities; ``room`` is (3, k)."""
    v, log_p, mean = room[0], room[1], room[2]
    for lane in range(LANES):
        for a in range(k):
            v[a] = sigma[g0 + a, lane]
        probit(v, k, log_p, mean)
        for a in range(k):
            log_sigma[s0 + a, lane] = log_p[a]
            sigma[g0 + a, lane] = math.exp(log_p[a])
