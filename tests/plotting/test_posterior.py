from itertools import pairwise

import numpy as np
import pytest

from xdgmm import XDGMM, InputError, Observations, datasets
from xdgmm.errors import KindError
from xdgmm.plotting import new_figure, plot_posterior
from xdgmm.plotting.posterior import LEVELS, density_level
from xdgmm.uncertainty.mcmc import sample_posterior


@pytest.fixture(scope="module")
def masses():
    """Samples of two components: five parameters, and the weight that is one minus the other."""
    obs = Observations.from_table(datasets.load("neutron_stars"), "m", on_bad="drop")
    with pytest.warns(match="50 autocorrelation times"):
        return sample_posterior(XDGMM(2, random_state=0).fit(obs).result_, obs, n_steps=300, rng=0)


def test_every_pair_of_parameters_has_a_panel(masses):
    figure = plot_posterior(masses, figure=new_figure())
    assert len(figure.axes) == 5 * 6 // 2
    bottom = [ax.get_xlabel().split("\n")[0] for ax in figure.axes if ax.get_xlabel()]
    assert bottom == ["weight", "mean[0, m]", "mean[1, m]", "sigma[0, m]", "sigma[1, m]"]
    assert "odot" in figure.axes[-1].get_xlabel()


def test_titles_hold_medians_and_intervals(masses):
    figure = plot_posterior(masses, ["mean[0, m]"], figure=new_figure())
    low, median, high = np.quantile(masses.parameters["mean[0, m]"].value, [0.15865, 0.5, 0.84135])
    (ax,) = figure.axes
    assert ax.get_title() == f"${median:.3f}^{{+{high - median:.3f}}}_{{-{median - low:.3f}}}$"


def test_labels_and_panels_do_not_overlap(masses):
    figure = plot_posterior(masses, figure=new_figure())
    figure.draw_without_rendering()
    boxes = [ax.xaxis.label.get_window_extent() for ax in figure.axes if ax.get_xlabel()]
    assert all(one.x1 < other.x0 for one, other in pairwise(boxes))
    assert all(box.y0 >= 0 and box.x1 <= figure.bbox.x1 for box in boxes)


def test_contours_hold_their_probability():
    x = np.linspace(-5, 5, 201)
    radius = np.hypot(*np.meshgrid(x, x))
    density = np.exp(-0.5 * radius**2)
    for probability, sigmas in zip(LEVELS, (2.0, 1.0), strict=True):
        # one minus exp(-r^2 / 2) lies inside r; the steps of the grid are 0.05
        assert density_level(density, probability) == pytest.approx(np.exp(-0.5 * sigmas**2), rel=0.03)


def test_a_parameter_that_does_not_exist_is_named(masses):
    with pytest.raises(InputError, match=r"'mean\[2, m\]', but the parameters are weight\[0\]"):
        plot_posterior(masses, ["mean[2, m]"], figure=new_figure())


def test_a_model_in_place_of_samples_is_refused():
    with pytest.raises(KindError, match="`samples` is of type XDGMM, but samples of a posterior are needed"):
        plot_posterior(XDGMM())
