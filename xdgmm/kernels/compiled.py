"""The compiled pass: one sweep over packed blocks gives the log-likelihood and all its derivatives.

`reference.py` beside this file says the same in plain NumPy; one parametrised test holds the two together.

A block holds B objects as rows of B lanes (structure of arrays, see `blocks.py`), so every operation below is a
loop over lanes that the compiler turns into vector instructions.  Symmetric matrices are packed lower triangles,
element (i, j <= i) at i (i + 1) / 2 + j.  The scratch `t` holds the augmented matrix::

    [ T  .  ]      T = S_i + V_k      (rows 0 .. M - 1,  M = D (D + 1) / 2)
    [ d' e  ]      d = w_i - m_k      (rows M .. M + D - 1),   e in row M + D

`eliminate` runs Gauss's elimination forward, leaving e = -d' T^-1 d and 1 / det T; `finish` runs it backward
(together the *sweep* of Goodnight 1979, Am. Stat. 33, 149), leaving -T^-1 and u = T^-1 d in place.
"""

import math

import numpy as np

from .compiling import kernel

LN2 = math.log(2.0)
HALF_LOG2E = 0.5 / LN2
SMALLEST_PIVOT = 1e-300  # the reciprocal of a smaller one overflows
LOWEST_POWER = -1020.0  # 2**LOWEST_POWER is still a normal number
MANTISSA = 0x000FFFFFFFFFFFFF
ONE = 0x3FF0000000000000


@kernel
def _load(t, block, theta, n_rows):
    """Augmented matrix of one component: noise plus covariance, value minus mean."""
    for i in range(n_rows):
        shift = theta[i]
        row, source = t[i], block[i]
        for lane in range(row.size):
            row[lane] = source[lane] + shift
    t[n_rows, :] = 0.0


@kernel
def _load_masked(t, block, theta, n_dimensions, n_rows):
    """`_load` where coordinates are missing: their row and column of T become those of the identity.

    The block stores 1 on the diagonal of S and 0 elsewhere for a missing coordinate, 0 as its value, and the
    mask w (1 seen, 0 missing) in its last D rows, so T_ij = S_ij + w_i w_j V_ij and d_i = x_i - w_i m_i.
    """
    n_matrix = n_rows - n_dimensions
    first = block.shape[0] - n_dimensions
    for i in range(n_dimensions):
        seen_i = block[first + i]
        start = i * (i + 1) // 2
        for j in range(i + 1):
            shift = theta[start + j]
            row, source, seen_j = t[start + j], block[start + j], block[first + j]
            for lane in range(row.size):
                row[lane] = source[lane] + seen_i[lane] * seen_j[lane] * shift
        shift = theta[n_matrix + i]
        row, source = t[n_matrix + i], block[n_matrix + i]
        for lane in range(row.size):
            row[lane] = source[lane] + seen_i[lane] * shift
    t[n_rows, :] = 0.0


@kernel
def _subtract_product(row, factor, other):
    for lane in range(row.size):
        row[lane] -= factor[lane] * other[lane]


@kernel
def _eliminate(t, n_dimensions, factor, mantissa, exponent):
    """Forward elimination; 1 / det T = mantissa * 2**exponent.  Returns how many pivots were not positive.

    The exponent is split off after every pivot, so no determinant overflows, whatever D and the units are.
    """
    mantissa_bits = mantissa.view(np.int64)
    mantissa[:] = 1.0
    exponent[:] = 0
    not_positive = 0
    for p in range(n_dimensions):
        pivot = t[p * (p + 3) // 2]
        for lane in range(pivot.size):
            not_positive += 0 if pivot[lane] > SMALLEST_PIVOT else 1
        for lane in range(pivot.size):
            pivot[lane] = 1.0 / pivot[lane]
            mantissa[lane] *= pivot[lane]
        for lane in range(pivot.size):
            exponent[lane] += (mantissa_bits[lane] >> 52) - 1023
            mantissa_bits[lane] = (mantissa_bits[lane] & MANTISSA) | ONE
        for i in range(p + 1, n_dimensions + 1):
            start = i * (i + 1) // 2
            column = t[start + p]
            for lane in range(factor.size):
                factor[lane] = column[lane] * pivot[lane]
            for j in range(p + 1, i + 1):
                _subtract_product(t[start + j], factor, t[j * (j + 1) // 2 + p])
    return not_positive


@kernel
def _finish(t, n_dimensions, factor):
    """Backward elimination: the packed triangle becomes -T^-1 and the last row u = T^-1 d."""
    for p in range(n_dimensions):
        own = p * (p + 1) // 2
        pivot = t[own + p]
        for i in range(p):
            column = t[own + i]
            for lane in range(factor.size):
                factor[lane] = column[lane] * pivot[lane]
            for j in range(i + 1):
                _subtract_product(t[i * (i + 1) // 2 + j], factor, t[own + j])
        for i in range(p + 1, n_dimensions + 1):
            start = i * (i + 1) // 2
            column = t[start + p]
            for lane in range(factor.size):
                factor[lane] = column[lane] * pivot[lane]
            for j in range(p):
                _subtract_product(t[start + j], factor, t[own + j])
            for lane in range(factor.size):
                column[lane] = factor[lane]
        for j in range(p):
            column = t[own + j]
            for lane in range(factor.size):
                column[lane] *= pivot[lane]
        for lane in range(factor.size):
            pivot[lane] = -pivot[lane]


@kernel
def _clear_missing(t, block, n_dimensions):
    """Take the identity rows of missing coordinates out of -T^-1 again (their u is zero already)."""
    first = block.shape[0] - n_dimensions
    for i in range(n_dimensions):
        row, seen = t[i * (i + 3) // 2], block[first + i]
        for lane in range(row.size):
            row[lane] *= seen[lane]


@kernel
def _power_of_two(y, scale, out, work):
    """``out = scale * 2**y`` for y <= 0, to one or two units of rounding; zero below 2**LOWEST_POWER."""
    bits = work.view(np.int64)
    for lane in range(y.size):
        clipped = max(y[lane], LOWEST_POWER)
        whole = math.floor(clipped + 0.5)
        r = clipped - whole
        # Taylor series of 2**r on |r| <= 1/2: the first omitted term is below 2e-16.
        p = r * 2.5678435993488206e-11 + 4.4455382718708116e-10
        p = p * r + 7.0549116208011230e-09
        p = p * r + 1.0178086009239699e-07
        p = p * r + 1.3215486790144307e-06
        p = p * r + 1.5252733804059840e-05
        p = p * r + 1.5403530393381608e-04
        p = p * r + 1.3333558146428443e-03
        p = p * r + 9.6181291076284770e-03
        p = p * r + 5.5504108664821580e-02
        p = p * r + 2.4022650695910071e-01
        p = p * r + 6.9314718055994531e-01
        out[lane] = (p * r + 1.0) * (scale[lane] if y[lane] > LOWEST_POWER else 0.0)
        work[lane] = whole + 4503599627370496.0 + 1023.0  # 2**52 + biased exponent: the low bits are an integer
    for lane in range(y.size):
        bits[lane] = bits[lane] << 52
    for lane in range(y.size):
        out[lane] *= work[lane]


@kernel
def _density(t, block, masked, theta, weight, n_dimensions, power, scale, work, exponent):
    """Weighted density of one component, up to (2 pi)^(n/2), as ``scale * 2**power``."""
    n_rows = n_dimensions * (n_dimensions + 3) // 2
    if masked:
        _load_masked(t, block, theta, n_dimensions, n_rows)
    else:
        _load(t, block, theta, n_rows)
    not_positive = _eliminate(t, n_dimensions, work, scale, exponent)
    quadratic = t[n_rows]
    for lane in range(power.size):
        power[lane] = HALF_LOG2E * quadratic[lane] + 0.5 * float(exponent[lane])
    for lane in range(scale.size):
        scale[lane] = weight * math.sqrt(scale[lane])
    return not_positive


@kernel
def _responsibilities(powers, scales, alpha, highest, total, work):
    """Turn the components' densities into responsibilities; `total` and `highest` give the sum of the densities.

    Components of weight zero are left out everywhere: their covariance may be singular.
    """
    highest[:] = -np.inf
    total[:] = 0.0
    for k in range(alpha.size):
        if alpha[k] > 0.0:
            power = powers[k]
            for lane in range(highest.size):
                highest[lane] = max(highest[lane], power[lane])
    for k in range(alpha.size):
        power, scale = powers[k], scales[k]
        if alpha[k] > 0.0:
            for lane in range(highest.size):
                power[lane] -= highest[lane]
            _power_of_two(power, scale, scale, work)
            for lane in range(total.size):
                total[lane] += scale[lane]
    for k in range(alpha.size):
        scale = scales[k]
        for lane in range(total.size):
            scale[lane] /= total[lane]


@kernel
def _add_moments(t, r, n_dimensions, factor, sums):
    """Add one component's sums over lanes: q, g, C, A (see `blocks.Sums`)."""
    n_matrix = n_dimensions * (n_dimensions + 1) // 2
    s = 0.0
    for lane in range(r.size):
        s += r[lane]
    sums[0] += s
    for i in range(n_dimensions):
        u_i = t[n_matrix + i]
        s = 0.0
        for lane in range(r.size):
            factor[lane] = r[lane] * u_i[lane]
            s += factor[lane]
        sums[1 + i] += s
        start = i * (i + 1) // 2
        for j in range(i + 1):
            u_j, inverse = t[n_matrix + j], t[start + j]
            c = 0.0
            a = 0.0
            for lane in range(r.size):
                c += factor[lane] * u_j[lane]
                a -= r[lane] * inverse[lane]
            sums[1 + n_dimensions + start + j] += c
            sums[1 + n_dimensions + n_matrix + start + j] += a


@kernel
def accumulate(data, masked, alpha, theta, n_dimensions, sums):
    """One pass over the blocks: adds to `sums` (K, 1 + D + 2M), returns (lnL without constants, bad pivots)."""
    n_components, n_lanes = alpha.size, data.shape[2]
    n_rows = n_dimensions * (n_dimensions + 3) // 2
    t = np.empty((n_rows + 1, n_lanes))
    powers, scales = np.empty((n_components, n_lanes)), np.empty((n_components, n_lanes))
    highest, total, work = np.empty(n_lanes), np.empty(n_lanes), np.empty(n_lanes)
    exponent = np.empty(n_lanes, np.int64)
    log_likelihood = 0.0
    not_positive = 0
    for b in range(data.shape[0]):
        block = data[b]
        omega = block[n_rows]
        for k in range(n_components):
            if alpha[k] == 0.0:
                continue
            not_positive += _density(
                t, block, masked[b], theta[k], alpha[k], n_dimensions, powers[k], scales[k], work, exponent
            )
        _responsibilities(powers, scales, alpha, highest, total, work)
        s = 0.0
        for lane in range(n_lanes):
            s += omega[lane] * (math.log(total[lane]) + LN2 * highest[lane])
        log_likelihood += s
        for k in range(n_components):
            if alpha[k] == 0.0:
                continue
            r = scales[k]
            for lane in range(n_lanes):
                r[lane] *= omega[lane]
            if masked[b]:
                _load_masked(t, block, theta[k], n_dimensions, n_rows)
            else:
                _load(t, block, theta[k], n_rows)
            _eliminate(t, n_dimensions, work, total, exponent)
            _finish(t, n_dimensions, work)
            if masked[b]:
                _clear_missing(t, block, n_dimensions)
            _add_moments(t, r, n_dimensions, work, sums[k])
    return log_likelihood, not_positive


@kernel
def component_log_density(data, masked, theta, n_dimensions, out):
    """Write ln N(w_i | m_k, T_ik), without the 2 pi, of one component to `out` (blocks, B)."""
    n_lanes = data.shape[2]
    n_rows = n_dimensions * (n_dimensions + 3) // 2
    t = np.empty((n_rows + 1, n_lanes))
    scale, work = np.empty(n_lanes), np.empty(n_lanes)
    exponent = np.empty(n_lanes, np.int64)
    not_positive = 0
    for b in range(data.shape[0]):
        power = out[b]
        not_positive += _density(t, data[b], masked[b], theta, 1.0, n_dimensions, power, scale, work, exponent)
        for lane in range(n_lanes):
            power[lane] = LN2 * power[lane] + math.log(scale[lane])
    return not_positive


@kernel
def implicit_profile(values, variances, weights, variance):
    """One-dimensional likelihood of one component with variance s^2, maximised over its mean.

    Returns the mean ``mu = sum w x/T / sum w/T``, ``sum w/T``, ``sum w (x - mu)^2/T^2`` (equal at the root of the
    implicit sigma equation) and ``-1/2 sum w (ln T + (x - mu)^2/T)``, with T = s^2 + e_i^2.
    """
    precision, weighted = 0.0, 0.0
    for i in range(values.size):
        p = weights[i] / (variance + variances[i])
        precision += p
        weighted += p * values[i]
    mean = weighted / precision
    squares, log_density = 0.0, 0.0
    for i in range(values.size):
        total = variance + variances[i]
        residual = (values[i] - mean) ** 2 / total
        squares += weights[i] * residual / total
        log_density -= 0.5 * weights[i] * (math.log(total) + residual)
    return mean, precision, squares, log_density
