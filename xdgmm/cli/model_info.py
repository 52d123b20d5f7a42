"""What `xdgmm info` says of a model: its components, and the record of its fit."""

from .consoles import escaped
from .documents import of_mixture, of_record


def tell_model(mixture, title, voice):
    """Say what a model is; returns it as a document."""
    voice.say(title)
    voice.say(_components(mixture))
    if mixture.background is not None:
        voice.say(f"background: {100 * mixture.background.fraction:.3g}% of the objects, uniform over its box")
    for sentence in _history(mixture.record):
        voice.say(escaped(sentence))
    return {"kind": "model", "model": of_mixture(mixture), "record": of_record(mixture.record)}


def _components(mixture):
    """A row for each component and coordinate, with errors where the file has them."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from xdgmm.widths.rendering import with_error

    errors = _errors(mixture)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    several = mixture.n_dimensions > 1
    names = [escaped(f"corr. {name}") for name in mixture.names[:-1]] if several else []
    for heading in ("comp.", "weight", "axis", "mean", "intrinsic σ", *names):
        table.add_column(heading, justify="left" if heading == "axis" else "right", no_wrap=True)
    for k, weight in enumerate(mixture.weights):
        for i, name in enumerate(mixture.names):
            unit = mixture.units[i]
            table.add_row(
                *((str(k), with_error(weight, errors.weights[k])) if i == 0 else ("", "")),
                escaped(name if unit is None else f"{name} [{unit}]"),
                with_error(mixture.means[k, i], errors.means[k, i]),
                with_error(mixture.sigmas[k, i], errors.sigmas[k, i]),
                *(f"{value:+.3f}" for value in _correlations(mixture, k, i)),
            )
    return table


def _errors(mixture):
    """`ParameterErrors` from the covariance in the record; NaN where there is none."""
    import numpy as np

    from xdgmm.kernels import triangle
    from xdgmm.uncertainty import ParameterErrors

    covariance = mixture.record and mixture.record.covariance
    if covariance is None:
        size = mixture.shares.size + mixture.means.size + mixture.n_components * len(triangle(mixture.n_dimensions)[0])
        covariance = np.full((size, size), np.nan)
    return ParameterErrors.of(mixture, covariance, None, np.nan)


def _correlations(mixture, k, i):
    """Correlations of coordinate i with those before it; 0 where one has no width."""
    sigmas = mixture.sigmas[k]
    for j in range(i):
        size = sigmas[i] * sigmas[j]
        yield mixture.covariances[k, i, j] / size if size > 0 else 0.0


def _history(record):
    """What is known of the fit, one sentence each."""
    if record is None:
        yield "the file has no record of a fit"
        return
    plural = "" if record.n_objects == 1 else "s"
    yield f"fitted to {record.n_objects} object{plural} on {record.date} by xdgmm {record.version}"
    yield from record.remarks
    held = "; ".join(
        f"{name} of {', '.join(map(str, which))}" for name, which in record.model["fixed"].items() if which
    )
    prior = ", ".join(record.model["prior"] or ())
    yield (
        f"covariance type {record.model['covariance_type']}"
        + (f"; held fixed: {held}" if held else "")
        + (f"; prior on {prior}" if prior else "")
    )
    plural = "" if record.n_parameters == 1 else "s"
    yield f"log-likelihood {record.log_likelihood:.6f} nats with {record.n_parameters} free parameter{plural}"
    yield record.outcome
    yield f"data hash {record.data_hash}"


def _fitted_model(model):
    """What was fitted, in parts of a sentence."""
    yield f"covariance type {model['covariance_type']}"
    held = [f"{name} of {', '.join(map(str, which))}" for name, which in model["fixed"].items() if which]
    if held:
        yield f"held fixed: {', '.join(held)}"
    if model["prior"]:
        yield f"prior on {', '.join(model['prior'])}"
