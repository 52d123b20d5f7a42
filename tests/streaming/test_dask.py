"""A catalogue on the workers of a Dask cluster gives, bit by bit, what one process gives."""

import gc
import operator
import os
import sys
import threading
import time
from itertools import pairwise

import dask.dataframe
import numpy as np
import pyarrow as pa
import pytest
from astropy.table import Table
from dask import delayed
from distributed import Client, LocalCluster
from pyarrow import parquet

import xdgmm
from xdgmm import XDGMM, Background, GaussianMixture
from xdgmm.errors import InputError, KindError, OutputError
from xdgmm.fitting import Model
from xdgmm.fitting.problem import Problem
from xdgmm.kernels import PackedPart, run_in_threads
from xdgmm.objects import apply
from xdgmm.observations import FingerprintOfPartitions, Observations, discover, fingerprint
from xdgmm.prediction import total_log_likelihood
from xdgmm.selection.criteria import membership_entropy
from xdgmm.streaming import DaskSource, TableSource, dask_data, worker_tasks
from xdgmm.uncertainty import parameter_errors
from xdgmm.widths import widths

N, SIZE = 6000, 700
START = GaussianMixture([0.5, 0.5], [[-10.0, 0.0], [10.0, 1.0]], [[[9.0, 0.0], [0.0, 4.0]]] * 2)
MIXTURE = (
    START.weights,
    np.array([[-1.0, 0.2], [1.0, -0.1]]),
    np.array([[[0.8, 0.1], [0.1, 0.5]], [[0.3, 0.0], [0.0, 1.0]]]),
)


@pytest.fixture(scope="module")
def client():
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as local,
        Client(local, set_as_default=False) as own,
    ):
        yield own


def catalogue(n=N):
    rng = np.random.default_rng(4)
    group = rng.random(n) < 0.4
    e = rng.uniform(0.5, 3.0, (n, 2))
    v = np.where(group[:, None], [-10.0, 0.0], [10.0, 1.0]) + rng.standard_normal((n, 2)) * [3.0, 2.0]
    w = v + e * rng.standard_normal((n, 2))
    w[rng.random((n, 2)) < 0.05] = np.nan
    return Table({"v": w[:, 0], "c": w[:, 1], "e_v": e[:, 0], "e_c": e[:, 1], "n": rng.integers(0, 3, n)})


def tables():
    """Parts of the catalogue; one has no rows, one no values, one no weights."""
    whole = catalogue()
    parts = [whole[i : i + SIZE] for i in range(0, N, SIZE)]
    missing, zero = parts[1][:5].copy(), parts[1][:5].copy()
    missing["v"] = missing["c"] = np.nan
    zero["n"] = 0
    return [*parts[:3], whole[:0], missing, *parts[3:], zero]


def source(**options):
    return DaskSource([delayed(table) for table in tables()], ["v", "c"], weights="n", **options)


def fitted(data, executor=None, **options):
    return XDGMM(2, init=START, **options).fit(data, executor=executor)


def bits(model):
    result = model.result_
    arrays = (
        model.weights_,
        model.means_,
        model.covariances_,
        result.effective_sizes,
        result.noise_ratio,
        result.history,
    )
    return [np.asarray(each).tobytes() for each in (*arrays, result.log_likelihood)]


@pytest.fixture(scope="module")
def alone():
    return fitted(source())


def test_a_fit_on_workers_has_the_bits_of_one_process(client, alone):
    found = fitted(source(), client)
    assert found.converged_
    assert bits(found) == bits(alone)
    assert bits(fitted(TableSource(tables(), ["v", "c"], weights="n"))) == bits(alone)
    assert found.mixture_.record.data_hash == alone.mixture_.record.data_hash


def test_the_record_of_a_fit_on_workers_names_no_device_of_its_client(client, alone):
    assert fitted(source(), client).mixture_.record.device == "workers"
    assert alone.mixture_.record.device == "cpu"


def without_card(device):
    """In a worker: the device of its passes from now on, and that it has no card."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    if device is None:
        del os.environ["XDGMM_DEVICE"], os.environ["CUDA_VISIBLE_DEVICES"]
    else:
        os.environ["XDGMM_DEVICE"] = device


def test_workers_make_their_passes_on_the_device_that_their_environment_names(client, alone):
    client.run(without_card, "cuda")
    try:
        with pytest.raises(InputError, match="device 'cuda' needs "):
            fitted(source(), client)
    finally:
        client.run(without_card, None)
    assert bits(fitted(source(), client)) == bits(alone)


@pytest.mark.parametrize(("per_thread", "direct"), [(1, 32), (4, 32), (4, 1)])
def test_the_bits_do_not_depend_on_groups_nor_on_who_adds_them(client, monkeypatch, per_thread, direct):
    monkeypatch.setattr(dask_data, "PER_THREAD", per_thread)
    monkeypatch.setattr(dask_data, "DIRECT", direct)
    monkeypatch.setattr(dask_data, "ADDED", 2)
    problem = Problem(source(client=client).observations(), 2, Model())
    here = Problem(source().observations(), 2, Model())
    found, expected = (each.data.accumulate_with_information(*MIXTURE) for each in (problem, here))
    for name, array in vars(expected).items():
        np.testing.assert_array_equal(getattr(found, name), array, err_msg=name)
    assert len(problem.data.groups.tasks) == 2 * per_thread


def test_totals_sample_and_hash_are_those_of_one_process(client):
    found, here = source(client=client, memory="1MB").observations(), source(memory="1MB").observations()
    assert len(found.sample) == len(here.sample) < found.n_objects
    np.testing.assert_array_equal(found.sample_rows, here.sample_rows)
    np.testing.assert_array_equal(found.sample.values, here.sample.values)
    for name, total in (vars(here.totals) | {"layout": ""}).items():
        np.testing.assert_array_equal(getattr(found.totals, name), total, err_msg=name)
    assert (found.remarks, repr(found)) == (here.remarks, repr(here))
    for one, other in zip(found.parts(), here.parts(), strict=True):
        np.testing.assert_array_equal(one.values, other.values)
    in_metres = found.in_units([None, None])
    assert in_metres is found


def test_the_hash_is_that_of_the_hashes_of_the_partitions():
    parts = list(source().observations().parts())
    assert [part.n_objects > 0 for part in parts] == [True] * 3 + [False] + [True] * 6 + [False]
    digest = FingerprintOfPartitions()
    for part in parts:
        digest.add(fingerprint(part) if part.n_objects else "")
    found = source().observations().data_hash
    assert found == digest.hexdigest()
    assert found.startswith("partitions-")
    whole = discover(lambda: parts, 1e6)
    assert whole.data_hash == fingerprint(Observations.from_table(catalogue(), ["v", "c"], weights="n")) != found


def test_the_data_on_workers_answer_all_questions(client):
    observations = source(client=client).observations()
    problem, here = Problem(observations, 2, Model()), Problem(source().observations(), 2, Model())
    data, expected = problem.data, here.data
    assert isinstance(data, dask_data.DaskData)
    stacked = [np.stack([each, each]) for each in MIXTURE]
    asked = {
        "rows": lambda data: data.rows,
        "object_weights": lambda data: data.object_weights,
        "n_dimensions": lambda data: data.n_dimensions,
        "projected": lambda data: data.projected,
        "accumulate": lambda data: vars(data.accumulate(*MIXTURE)),
        "gradients": lambda data: data.gradients(*stacked)._asdict(),
        "log_likelihoods": lambda data: data.log_likelihoods(*MIXTURE),
        "responsibilities": lambda data: data.responsibilities(*MIXTURE, 1),
        "total_log_likelihoods": lambda data: data.total_log_likelihoods(*stacked),
        "posteriors": lambda data: data.posteriors(*MIXTURE, of_each=True)._asdict(),
        "effective_sizes": lambda data: data.effective_sizes(*MIXTURE),
        "typical_errors": lambda data: data.typical_errors(*MIXTURE),
        "subsample": lambda data: data.subsample(100).log_likelihoods(*MIXTURE),
        "all": lambda data: data.subsample(10 * N).n_objects,
        "parts": lambda data: [part.n_objects for part in data.parts()],
    }
    for name, ask in asked.items():
        np.testing.assert_equal(ask(data), ask(expected), err_msg=name)
    assert data.sigma_profile(*MIXTURE, 0) is None
    assert problem.data is data
    assert observations.packed(problem.packing).groups is data.groups  # packed once for the same coordinates


def test_a_background_on_workers_can_have_other_densities(client):
    model = Model(background=Background([-40.0, -15.0], [40.0, 15.0]))
    data, here = (Problem(each.observations(), 2, model).data for each in (source(client=client), source()))
    other = np.random.default_rng(8).normal(-4.0, 1.0, data.n_objects)
    mixture = np.array([0.4, 0.5, 0.1]), *MIXTURE[1:]
    changed, expected = data.with_background(other), here.with_background(other)
    np.testing.assert_array_equal(changed.log_likelihoods(*mixture), expected.log_likelihoods(*mixture))
    np.testing.assert_array_equal(changed.subsample(99).rows, expected.subsample(99).rows)
    assert changed.accumulate(*mixture).log_likelihood == expected.accumulate(*mixture).log_likelihood


def test_rows_beyond_a_box_are_found_on_the_workers(client):
    parts = tables()
    parts[5]["v"][3] = 300.0
    data = DaskSource([delayed(part) for part in parts], ["v", "c"], weights="n")
    box = Background([-40.0, -15.0], [40.0, 15.0])
    for executor in (client, None):
        assert fitted(data, executor, background=box).result_.rows_beyond_background == (3 * SIZE + 5 + 3,)


def prefixes(client):
    return client.run_on_scheduler(lambda dask_scheduler: sorted({str(key)[:10] for key in dask_scheduler.tasks}))


def test_tasks_have_names_and_are_forgotten_after_the_fit(client):
    seen = set()
    own = source()
    model = XDGMM(2, init=START, callback=lambda _: seen.update(prefixes(client))).fit(own, executor=client)
    assert {"xdgmm-pack"} <= seen
    assert "xdgmm-pass" in client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.task_prefixes))
    del model
    gc.collect()
    for _ in range(50):
        if not (left := prefixes(client)):
            break
        time.sleep(0.1)
    assert left == []
    assert own.on(client) is own.on(client)


@pytest.mark.parametrize("on_workers", [True, False])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda table: table["e_v"].__setitem__(5, -1.0), r"^partition 2: .*e_v"),
        (lambda table: table.rename_column("c", "d"), r"^partition 2: the table has no column 'c'"),
        (lambda table: setattr(table["v"], "unit", "km/s"), r"units of the parts differ"),
    ],
    ids=["errors", "columns", "units"],
)
def test_a_fault_is_named_with_its_partition(client, on_workers, spoil, message):
    parts = tables()
    spoil(parts[2])
    with pytest.raises(InputError, match=message):
        fitted(DaskSource([delayed(part) for part in parts], ["v", "c"]), client if on_workers else None)


@pytest.mark.parametrize("on_workers", [True, False])
def test_a_partition_that_cannot_be_computed_is_named(client, on_workers):
    parts = [delayed(tables()[0]), delayed(operator.truediv)(1, 0)]
    with pytest.raises(InputError, match=r"^partition 1 cannot be computed: ZeroDivisionError: division by zero$"):
        fitted(DaskSource(parts, ["v", "c"]), client if on_workers else None)
    with pytest.raises(InputError, match=r"^partition 0: `table` is a int"):
        fitted(DaskSource(delayed(operator.add)(1, 0), ["v", "c"]), client if on_workers else None)
    with pytest.raises(InputError, match="nothing can be fitted"):
        fitted(DaskSource(delayed(tables()[4]), ["v", "c"], weights="n"), client if on_workers else None)


def test_another_version_on_the_workers_is_refused(client, monkeypatch):
    monkeypatch.setattr(xdgmm, "__version__", "0.0")
    with pytest.raises(InputError, match=r"^a worker has xdgmm .*, but this process 0\.0; install the same"):
        fitted(source(), client)


def test_a_data_frame_of_dask_is_read_with_its_units_and_without_other_columns(client):
    frame = catalogue().to_pandas()
    frame["name"], frame["w"] = "star", 1.0
    own = dask.dataframe.from_pandas(frame, npartitions=4)
    units = {"v": "km/s", "e_v": "km/s", "c": "mag"}
    data = DaskSource(own, ["v", "c"], units=units)
    assert data.reading.columns == ["v", "c"]
    assert set(data.delayed[0].compute().columns) == {"v", "c", "e_v", "e_c"}
    model = fitted(data, client)
    assert [str(unit) for unit in model.mixture_.units] == ["km / s", "mag"]
    whole = fitted(Observations.from_table(catalogue(), ["v", "c"]))
    np.testing.assert_allclose(model.means_, whole.means_, atol=1e-5)
    with pytest.raises(InputError, match="'z'"):
        DaskSource(own, ["v", "z"])
    with pytest.raises(InputError, match="no column 'z', for which `units`"):
        DaskSource(own, ["v"], units={"z": "mag"})


def test_tables_of_pyarrow_have_the_units_of_their_fields():
    table = catalogue()
    fields = [pa.field(name, pa.float64(), metadata={"unit": "km/s"} if "v" in name else None) for name in ("v", "e_v")]
    arrow = pa.table([np.asarray(table["v"]), np.asarray(table["e_v"])], schema=pa.schema(fields))
    model = XDGMM().fit(DaskSource(delayed(arrow), "v"))
    assert str(model.mixture_.units[0]) == "km / s"


def test_a_future_of_the_client_is_a_partition(client):
    futures = [client.submit(operator.getitem, tables()[i], slice(None)) for i in range(2)]
    found = DaskSource(futures, ["v", "c"], client=client).observations()
    assert len(found) == 2 * SIZE
    assert len(DaskSource(futures, ["v", "c"]).observations()) == 2 * SIZE


def test_the_default_client_is_taken(client):
    with client.as_current():
        assert isinstance(source().observations(), dask_data.DaskObservations)
    assert not isinstance(source().observations(), dask_data.DaskObservations)
    used = source()
    found = used.on(client)
    assert used.observations() is found  # reports after a fit run where it did


def test_what_is_no_partition_and_no_executor_is_refused(client, tmp_path):
    with pytest.raises(KindError, match="partition 0 is a Table, but a delayed object is needed"):
        DaskSource(tables())
    with pytest.raises(KindError, match="the partitions are a int"):
        DaskSource(3)
    with pytest.raises(InputError, match="no partitions"):
        DaskSource([])
    with pytest.raises(KindError, match="`executor` is a ThreadPool"):
        fitted(source(), type("ThreadPool", (), {})())
    with pytest.raises(KindError, match=r"LocalCluster, but .* give cluster.get_client"):
        fitted(source(), client.cluster)
    with pytest.raises(InputError, match="X is a ndarray; give a DaskSource"):
        XDGMM().fit(np.arange(3.0), executor=client)
    with pytest.raises(InputError, match="`cache` is a folder of one machine"):
        fitted(source(cache=tmp_path), client)
    with pytest.raises(InputError, match="X is a TableSource; give a DaskSource"):
        XDGMM().fit(TableSource(tables(), ["v", "c"]), executor=client)


def test_without_dask_its_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask.delayed", None)
    with pytest.raises(InputError, match=r"pip install 'xdgmm\[dask\]'"):
        DaskSource([])


def test_a_task_starts_no_threads_of_its_own():
    idents = []

    def ask(_):
        run_in_threads(lambda *_: idents.append(threading.get_ident()), 8, 1e9)
        return 1

    group = worker_tasks.Group(0, (PackedPart(0, None), PackedPart(0, None)))
    assert worker_tasks.ask_each(group, ask, xdgmm.__version__) == [1, 1]
    assert worker_tasks.ask_total(group, ask, operator.add, xdgmm.__version__) == [(1, 0, 2)]
    assert set(idents) == {threading.get_ident()}


@pytest.mark.parametrize("n_groups", [1, 2, 7, 40])
@pytest.mark.parametrize("sizes", [[5], [1] * 30, [1000, 1, 1, 1], [1, 1, 1, 1000], list(range(1, 20))])
def test_groups_are_neighbours_of_about_the_same_size(sizes, n_groups):
    edges = dask_data.group_edges(sizes, n_groups)
    assert (edges[0], edges[-1]) == (0, len(sizes))
    assert all(b > a for a, b in pairwise(edges))
    assert len(edges) - 1 <= n_groups
    own = [sum(sizes[a:b]) for a, b in pairwise(edges)]
    assert max(own) <= sum(sizes) / n_groups + max(sizes)


def test_enough_rows_have_the_priority_that_is_asked_for():
    rng = np.random.default_rng(2)
    for wanted, n in ((1000, 10_000), (50, 60), (3, 1_000_000)):
        highest = np.uint64(dask_data.share_of_priorities(wanted, n))
        found = (rng.integers(0, 2**64 - 1, n, np.uint64, endpoint=True) <= highest).sum()
        assert wanted <= found <= wanted + 20 * wanted**0.5 + 40


def test_members_are_written_on_the_workers(client, tmp_path):
    mixture = GaussianMixture(START.weights, START.means, START.covariances, ["v", "c"])
    here, there = (
        apply(mixture, source(), tmp_path / name, n_samples=5, rng=1, executor=executor)
        for name, executor in (("here", None), ("there", client))
    )
    assert (there.n_rows, there.n_masked) == (here.n_rows, here.n_masked)
    assert there.n_rows == sum(map(len, tables()))
    assert [path.name for path in there.files] == [path.name for path in here.files]
    assert len(there.files) == len(tables()) - 1  # one has no rows
    for one, other in zip(here.files, there.files, strict=True):
        on_workers, alone = parquet.read_table(other), parquet.read_table(one)
        assert on_workers.schema.equals(alone.schema, check_metadata=True)
        for name in alone.schema.names:
            np.testing.assert_array_equal(on_workers[name].to_numpy(), alone[name].to_numpy(), err_msg=name)
    with pytest.raises(OutputError, match="exists"):
        apply(mixture, source(), tmp_path / "there", executor=client)


def test_members_of_a_data_frame_of_dask_keep_its_columns_and_its_index(client, tmp_path):
    frame = catalogue(300).to_pandas()
    frame["name"] = "a"
    frame.index.name = "id"
    data = DaskSource(dask.dataframe.from_pandas(frame, npartitions=2), "v")
    apply(GaussianMixture([1.0], [[0.0]], [[[90.0]]], ["v"]), data, tmp_path / "members", executor=client)
    found = parquet.read_table(tmp_path / "members")
    assert set(found.schema.names) > {*frame.columns, "id", "xd_v"}
    assert found["id"].to_pylist() == frame.index.tolist()
    spoiled = DaskSource([delayed(catalogue(10)), delayed(Table({"v": [1.0]}))], "v", errors="e_v")
    with pytest.raises(InputError, match=r"partition 1: .*e_v"):
        apply(GaussianMixture([1.0], [[0.0]], [[[90.0]]], ["v"]), spoiled, tmp_path / "other", executor=client)
    assert [path.name for path in (tmp_path / "other").iterdir()] in ([], ["part-00000.parquet"])


def test_reports_of_a_catalogue_on_workers_have_the_bits_of_one_process(client):
    result = fitted(source()).result_
    alone, there = source().observations(), source().on(client)
    one, other = (widths(result, each, method="sandwich") for each in (alone, there))
    for name in ("sigma", "sigma_error", "mean_error", "weight_error"):
        np.testing.assert_array_equal(one[name], other[name])
    assert total_log_likelihood(result.mixture, there) == total_log_likelihood(result.mixture, alone)
    assert membership_entropy(result.mixture, there) == membership_entropy(result.mixture, alone)
    single = GaussianMixture([1.0], [[0.0, 0.0]], [np.eye(2)])
    errors = [parameter_errors(single, each, "expected").covariance for each in (alone, there)]
    np.testing.assert_array_equal(*errors)
