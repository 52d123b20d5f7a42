"""Figures and axes: given and new ones, notebooks, `XDGMM.plot`."""

import sys
import types

import matplotlib.pyplot as plt
import numpy as np
import pytest

from xdgmm import XDGMM, InputError, datasets, select
from xdgmm.errors import KindError, NotFittedError
from xdgmm.plotting import KINDS, new_figure, plot, plot_density, plot_fit, save
from xdgmm.plotting.kinds import WHOLE_FIGURES


@pytest.fixture(scope="module")
def neutron_stars():
    return datasets.load("neutron_stars")["m", "e_m"]


@pytest.fixture(scope="module")
def chosen(neutron_stars):
    return select(neutron_stars, n_components=[1, 2], random_state=0).estimator


def test_every_kind_can_be_drawn(chosen, neutron_stars, truth, stars, drawn):
    for kind in KINDS:
        if kind in ("ellipses", "relation"):
            drawn(plot(truth, stars, kind=kind, columns=["ra", "pm"], figure=new_figure()))
            continue
        options = {"n_simulations": 19} if kind == "check" else {}
        picture = drawn(chosen.plot(neutron_stars, kind=kind, figure=new_figure(), **options))
        assert hasattr(picture, "savefig") is (kind in WHOLE_FIGURES)
    assert not plt.get_fignums()


def test_a_new_figure_is_one_of_pyplot_and_given_axes_are_used(chosen, neutron_stars):
    ax = chosen.plot(neutron_stars, kind="density")
    assert plt.get_fignums() == [ax.figure.number]
    figure, (left, right) = plt.subplots(1, 2)
    assert chosen.plot(neutron_stars, kind="density", ax=left) is left
    assert chosen.plot(neutron_stars, kind="memberships", ax=right) is right
    assert plt.gcf() is figure
    assert len(plt.get_fignums()) == 2
    outer = plt.figure()
    upper, _ = outer.subfigures(2, 1)
    assert plot_fit(chosen, neutron_stars, figure=upper) is upper
    assert len(upper.axes) == 2


def test_a_figure_shows_itself_once_in_a_notebook(chosen, neutron_stars, monkeypatch):
    shown = []
    module = types.ModuleType("IPython.display")
    module.display = lambda data, **_: shown.append(data)
    package = types.ModuleType("IPython")
    package.display = module
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    figure = plot_fit(chosen, neutron_stars)
    monkeypatch.setattr(plt, "get_backend", lambda: "QtAgg")
    figure._ipython_display_()
    assert not shown  # its window shows it
    monkeypatch.setattr(plt, "get_backend", lambda: "module://matplotlib_inline.backend_inline")
    figure._ipython_display_()
    assert [data["image/png"][:4] for data in shown] == [b"\x89PNG"]
    assert not plt.get_fignums()  # pyplot does not show it again at the end of the cell
    figure._ipython_display_()  # in a later cell
    plot_fit(chosen, neutron_stars, figure=new_figure())._ipython_display_()
    assert len(shown) == 3


def test_what_is_no_kind_no_axes_or_needs_data_is_refused(chosen, neutron_stars, truth):
    with pytest.raises(InputError, match="`kind` is 'pie', but it must be one of fit, density, error_bars"):
        chosen.plot(neutron_stars, kind="pie")
    with pytest.raises(InputError, match="needs the data that were fitted"):
        chosen.plot(kind="density")
    with pytest.raises(InputError, match="several panels; give `figure`"):
        chosen.plot(neutron_stars, kind="corner", ax=plt.subplots()[1])
    with pytest.raises(InputError, match="shows no single columns"):
        chosen.plot(neutron_stars, kind="check", columns="m")
    with pytest.raises(KindError, match="`ax` is of type int"):
        plot_density(chosen, neutron_stars, ax=3)
    with pytest.raises(KindError, match="`figure` is of type int"):
        plot_fit(chosen, neutron_stars, figure=3)
    with pytest.raises(NotFittedError, match="not fitted"):
        XDGMM().plot(neutron_stars)
    with pytest.raises(InputError, match="was not chosen among candidates"):
        plot(truth, kind="candidates")
    with pytest.raises(InputError, match="every value is missing"):
        plot_density(truth, np.full((2, 3), np.nan), Xerr=1.0, columns="v")


@pytest.mark.parametrize("kind", ["density", "denoising", "residuals", "quantiles", "pit"])
def test_every_kind_takes_weights(chosen, neutron_stars, kind, drawn):
    m, e = neutron_stars["m"], neutron_stars["e_m"]
    weights = np.r_[0.0, np.ones(m.size - 1)]  # the first does not count
    ax = drawn(plot(chosen.mixture_, m, Xerr=e, sample_weight=weights, kind=kind))
    others = drawn(plot(chosen.mixture_, m[1:], Xerr=e[1:], kind=kind))
    assert ax.get_xlim() == others.get_xlim()
    assert ax.get_ylim() == others.get_ylim()


def test_axes_can_be_saved_too(chosen, neutron_stars, tmp_path):
    save(chosen.plot(neutron_stars, kind="density"), tmp_path / "a.pdf")
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
