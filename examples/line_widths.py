"""Is my line resolved?  The pictures of docs/lines.md, from simulated widths of spectral lines.

Usage: python examples/line_widths.py [FOLDER]
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from xdgmm import XDGMM, lines

OURS, OTHERS, TRUTH = "#0b5394", "#d95f02", "#777777"
LSF = 60.0  # km/s, sigma
RELATIVE_ERROR = 0.07  # of an observed width: what a fit of a line of S/N 15 gives
SEED = 7


def one_line():
    """The intrinsic width of one line against the observed one: subtraction, interval, limit."""
    observed = np.linspace(50.0, 110.0, 400)
    figure = Figure(figsize=(9, 4), layout="constrained")
    for axes, lsf_error in zip(figure.subplots(1, 2, sharey=True), (0.0, 0.05), strict=True):
        widths = lines.deconvolve(observed, 0.03 * observed, lsf=LSF, lsf_error=lsf_error)
        low, high = widths.interval(0.95)
        axes.fill_between(observed, low, high, color=OURS, alpha=0.2, lw=0, label="95% interval")
        axes.plot(observed, widths.upper_limit(0.95), color=OURS, ls=":", label="95% upper limit")
        resolved = observed > LSF
        axes.plot(observed[resolved], widths.intrinsic_sigma[resolved], color=OURS, label="subtraction")
        axes.axvline(LSF, color=TRUTH, lw=0.8)
        axes.set_title(f"width good to 3%, instrument to {100 * lsf_error:g}%", fontsize=10)
        axes.set_xlabel("observed σ [km/s]")
        axes.set_xlim(observed[0], observed[-1])
    figure.axes[0].set_ylabel("intrinsic σ [km/s]")
    figure.axes[0].set_ylim(0, 100)
    figure.axes[0].legend(frameon=False, fontsize=9, loc="upper left")
    return figure


def coverage(rng, lsf_error, *, told, n_lines=4000):
    """How often 95% intervals hold the truth, for intrinsic widths from 0 to 1.5 instrumental ones."""
    ratios = np.linspace(0.0, 1.5, 16)
    held = []
    for intrinsic in ratios * LSF:
        true = np.hypot(intrinsic, LSF * (1 + lsf_error * rng.normal(size=n_lines)))
        observed = true * (1 + 0.01 * rng.normal(size=n_lines))
        widths = lines.deconvolve(observed, 0.01 * observed, lsf=LSF, lsf_error=lsf_error if told else 0.0)
        low, high = widths.interval(0.95)
        held.append(np.mean((low <= intrinsic) & (intrinsic <= high)))
    return ratios, np.array(held)


def instrument(rng):
    """What an error of the instrument's width does to intervals that do not know of it."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for told, color, label in ((True, OURS, "lsf_error=0.05"), (False, OTHERS, "lsf_error left out")):
        ratios, held = coverage(rng, 0.05, told=told)
        axes.plot(ratios, 100 * held, "o-", ms=4, color=color, label=label)
    axes.axhline(95, color=TRUTH, lw=0.8)
    axes.set(xlabel="intrinsic σ / instrumental σ", ylabel="95% intervals that hold the truth [%]", ylim=(0, 102))
    axes.set_title("widths good to 1%, the instrument's to 5%", fontsize=10)
    axes.legend(frameon=False)
    return figure


def averages(rng, intrinsic, n_lines=20_000):
    """The intrinsic width of many lines that all have the same, found in four ways, as a ratio to the truth."""
    observed = np.hypot(intrinsic, LSF) * (1 + RELATIVE_ERROR * rng.normal(size=n_lines))
    widths = lines.deconvolve(observed, RELATIVE_ERROR * observed, lsf=LSF)
    as_reported = XDGMM().fit(widths.intrinsic_variance, Xerr=widths.intrinsic_variance_error).means_[0, 0]
    found = {
        "lines.population": lines.population(widths).intrinsic_sigma,
        "mean of V weighted by errors as reported": np.sqrt(max(as_reported, 0.0)),
        "mean σ, lines below the instrument dropped": widths.intrinsic_sigma[widths.intrinsic_variance > 0].mean(),
        "mean σ, lines below the instrument counted as 0": widths.intrinsic_sigma.mean(),
    }
    return {name: sigma / intrinsic for name, sigma in found.items()}


def population(rng):
    """What becomes of the mean width of many lines, from hardly to well resolved."""
    ratios = np.linspace(0.15, 1.2, 15)
    found = [averages(rng, ratio * LSF) for ratio in ratios]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, style in zip(found[0], ("-", "--", "-.", ":"), strict=True):
        color = OURS if style == "-" else OTHERS
        axes.plot(ratios, [each[name] for each in found], ls=style, color=color, lw=1.8, label=name)
    axes.axhline(1, color=TRUTH, lw=0.8)
    axes.set(xlabel="intrinsic σ / instrumental σ", ylabel="σ found / true σ", ylim=(0, 2.5))
    axes.set_title("20,000 lines each, every width good to 7%", fontsize=10)
    axes.legend(frameon=False, fontsize=9)
    return figure, averages(rng, 0.41 * LSF)


def main(folder):
    """Draw all three; return what four ways of averaging find at 0.41 of the instrument's width."""
    rng = np.random.default_rng(SEED)
    one_line().savefig(folder / "one_line.png", dpi=110)
    instrument(rng).savefig(folder / "instrument_error.png", dpi=110)
    figure, found = population(rng)
    figure.savefig(folder / "population.png", dpi=110)
    return found


if __name__ == "__main__":
    for name, ratio in main(Path(sys.argv[1] if len(sys.argv) > 1 else ".")).items():
        print(f"{name}: {ratio:.3f} of the truth")
