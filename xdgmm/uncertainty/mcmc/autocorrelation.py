"""How many steps until a chain has forgotten where it was."""

import numpy as np

WINDOW = 5.0  # autocorrelation times over which the autocorrelation is summed (Sokal)
MOST = 4000  # steps that are looked at: longer chains are thinned for this


def autocorrelation_times(chain):
    """Integrated autocorrelation time, in steps, of each quantity of an ensemble.

    Parameters
    ----------
    chain : ndarray (n_steps, n_walkers, P)

    Returns
    -------
    ndarray (P,)
        At least one; infinite where a quantity never moves.

    Notes
    -----
    ``tau = 1 + 2 sum_t rho(t)``, the sum ending at the first t above 5 tau (Sokal 1989; Foreman-Mackey et al. 2013,
    PASP 125, 306).  rho is the autocovariance averaged over the walkers, about the mean of all of them: a walker that
    is stuck counts.  Gelman & Rubin's statistic is of no use here, since walkers are not independent.
    """
    n = len(chain)
    stride = -(-n // MOST)
    chain = chain[::stride]
    n = len(chain)
    centred = chain - chain.mean(axis=(0, 1))
    length = 1 << (2 * n - 1).bit_length()
    spectrum = np.zeros((length // 2 + 1, chain.shape[2]))
    for walker in range(chain.shape[1]):  # one at a time: the memory of one
        spectrum += np.abs(np.fft.rfft(centred[:, walker], length, axis=0)) ** 2
    covariance = np.fft.irfft(spectrum, length, axis=0)[:n]
    return np.array([stride * _integrated(column) for column in covariance.T])


def _integrated(covariance):
    if not covariance[0] > 0:
        return np.inf
    tau = 2.0 * np.cumsum(covariance / covariance[0]) - 1.0
    beyond = np.flatnonzero(np.arange(tau.size) >= WINDOW * tau)
    return max(tau[beyond[0]] if beyond.size else tau[-1], 1.0)
