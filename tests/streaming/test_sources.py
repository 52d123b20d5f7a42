"""A catalogue in parts gives what the same table in memory gives."""

import numpy as np
import pytest
from astropy.table import QTable, Table, vstack

from xdgmm import XDGMM, Background, Flat, Observations, SelectionFunction
from xdgmm.errors import InputError
from xdgmm.observations import Discovery, discover, fingerprint
from xdgmm.observations.joining import join
from xdgmm.streaming import TableSource, parse_memory

N = 3000


def catalogue(n=N, seed=4):
    """Velocities and colours of two groups, with errors, correlations and missing values."""
    rng = np.random.default_rng(seed)
    group = rng.random(n) < 0.4
    v = np.where(group[:, None], [-20.0, 0.3], [15.0, 1.2]) + rng.standard_normal((n, 2)) * [6.0, 0.2]
    errors = rng.uniform([1.0, 0.05], [8.0, 0.3], (n, 2))
    w = v + errors * rng.standard_normal((n, 2))
    w[rng.random((n, 2)) < 0.05] = np.nan
    table = QTable({"v": w[:, 0], "c": w[:, 1], "e_v": errors[:, 0], "e_c": errors[:, 1]})
    for name, unit in (("v", "km/s"), ("e_v", "km/s"), ("c", "mag"), ("e_c", "mag")):
        table[name].unit = unit
    table["n"] = rng.integers(0, 3, n)
    return Table(table)


def in_parts(table, size=700):
    return [table[first : first + size] for first in range(0, len(table), size)]


def close(one, other):
    np.testing.assert_allclose(one.weights_, other.weights_, atol=1e-6)
    np.testing.assert_allclose(one.means_, other.means_, atol=1e-5)
    np.testing.assert_allclose(one.covariances_, other.covariances_, atol=1e-4)
    assert one.result_.log_likelihood == pytest.approx(other.result_.log_likelihood, rel=1e-12)


@pytest.mark.parametrize("memory", ["1MB", "1GB"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"family": "t", "dof": 5.0},
        {"background": Background([-60.0, -3.0], [60.0, 4.0])},
        {"flat": Flat("c", -3.0, 4.0)},
        {"covariance_type": "diag"},
    ],
    ids=lambda options: next(iter(options), "plain"),
)
def test_a_fit_of_parts_is_that_of_the_table(options, memory):
    table, columns = catalogue(), ["v", "c"]
    source = TableSource(in_parts(table), columns, weights="n", memory=memory)
    whole = XDGMM(2, random_state=1, **options).fit(Observations.from_table(table, columns, weights="n"))
    model = XDGMM(2, random_state=1, **options).fit(source)
    close(model, whole)
    assert model.mixture_.names == ("v", "c")
    assert model.mixture_.units == whole.mixture_.units
    assert model.mixture_.record.data_hash == whole.mixture_.record.data_hash
    assert model.result_.n_objects == whole.result_.n_objects


def test_totals_sample_and_hash_do_not_depend_on_the_parts():
    observations = Observations.from_table(catalogue(), ["v", "c"], weights="n")
    found = [
        discover(lambda size=size: (observations.select(slice(i, i + size)) for i in range(0, N, size)), 1e6)
        for size in (1, 700, N)
    ]
    for each in found:
        assert len(each) == N
        assert (each.n_objects, each.data_hash) == (observations.n_objects, fingerprint(observations))
        assert each.total_weight == pytest.approx(observations.total_weight, rel=1e-13)
        np.testing.assert_allclose(each.column_weights(), observations.column_weights(), rtol=1e-13)
        np.testing.assert_array_equal(each.sample_rows, found[0].sample_rows)
        np.testing.assert_array_equal(each.sample.values, observations.select(each.sample_rows).values)


def test_the_sample_is_a_random_one():
    # each tenth of the rows gets its share, within five standard deviations of a hypergeometric number
    values = Observations.exact(np.arange(200_000.0))
    found = discover(lambda: (values.select(slice(i, i + 30_000)) for i in range(0, 200_000, 30_000)), 4e6)
    n = len(found.sample)
    assert 10_000 < n < 100_000
    shares = np.histogram(found.sample_rows, 10, (0, 200_000))[0]
    deviation = np.sqrt(n * 0.1 * 0.9 * (1 - n / 200_000))
    assert np.abs(shares - n / 10).max() < 5 * deviation


@pytest.mark.parametrize("make", ["exact", "errors", "covariances", "projections", "asymmetric", "function", "limits"])
def test_joined_parts_are_the_whole(make):
    rng = np.random.default_rng(3)
    values, errors = rng.standard_normal((40, 2)), rng.uniform(0.1, 0.5, (40, 2))
    whole = {
        "exact": lambda: Observations.exact(values),
        "errors": lambda: Observations.with_standard_errors(values, errors, rng.uniform(0, 2, 40)),
        "covariances": lambda: Observations.with_covariances(values, errors[:, :, None] ** 2 * np.eye(2)),
        "projections": lambda: Observations.with_standard_errors(
            values[:, :1], errors[:, :1], projections=rng.standard_normal((40, 1, 2))
        ),
        "asymmetric": lambda: Observations.with_asymmetric_errors(values, errors, 2 * errors),
        "function": lambda: Observations.with_error_function(values + 10.0, [0.1, 0.1]),
        "limits": lambda: Observations.with_limits(
            values, errors, upper=np.column_stack([np.arange(40) > 30, np.zeros(40, bool)])
        ),
    }[make]()
    again = join([whole.select(slice(i, i + 15)) for i in range(0, 40, 15)])
    assert fingerprint(again) == fingerprint(whole)
    np.testing.assert_array_equal(again.variances, whole.variances)
    np.testing.assert_array_equal(again.object_weights, whole.object_weights)


def test_other_units_convert_all_parts():
    source = TableSource(in_parts(catalogue()), ["v", "c"])
    found = source.observations().in_units(["m/s", None])
    first = next(iter(found.parts()))
    np.testing.assert_allclose(first.values[:, 0], 1000.0 * next(iter(source.read())).values[:, 0])
    assert found.names == ("v", "c")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"selection_function": SelectionFunction.box(high={"v": 30.0})}, "selection function"),
        ({"background": Background()}, "give its box"),
        ({"init": np.zeros(N, int)}, "give a GaussianMixture"),
    ],
)
def test_what_needs_all_objects_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        XDGMM(1, **options).fit(TableSource(in_parts(catalogue()), ["v", "c"]))


def test_a_fault_is_named_with_its_part():
    parts = in_parts(catalogue())
    parts[2]["e_v"][5] = -1.0
    with pytest.raises(InputError, match=r"^table 2: .*e_v"):
        XDGMM().fit(TableSource(parts, ["v", "c"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [(lambda t: t.rename_column("v", "w"), "table 1: "), (lambda t: setattr(t["v"], "unit", "m/s"), "units")],
)
def test_parts_that_differ_are_refused(change, message):
    parts = in_parts(catalogue())
    change(parts[1])
    with pytest.raises(InputError, match=message):
        XDGMM().fit(TableSource(parts, ["v", "c"]))


def test_an_iterator_and_a_catalogue_without_values_are_refused():
    with pytest.raises(InputError, match="only once"):
        TableSource(iter(in_parts(catalogue())))
    with pytest.raises(InputError, match="nothing can be fitted"):
        Discovery(1e6).finished(list)


@pytest.mark.parametrize(
    ("words", "expected"), [("1GB", 1e9), ("500 MB", 5e8), ("2MiB", 2 * 2**20), (2e6, 2e6), (1.5e9, 1.5e9)]
)
def test_memory_is_read(words, expected):
    assert parse_memory(words) == expected


@pytest.mark.parametrize("words", ["much", "-1GB", "10kB", True, ""])
def test_memory_that_is_none_is_refused(words):
    with pytest.raises(InputError, match="`memory`"):
        parse_memory(words)


def test_an_empty_part_is_left_out():
    table = catalogue()
    with_empty = [table[:0], table[:100], table[:0], table[100:]]
    close(
        XDGMM(2, random_state=0).fit(TableSource(with_empty, ["v", "c"])),
        XDGMM(2, random_state=0).fit(TableSource([vstack([table])], ["v", "c"])),
    )
