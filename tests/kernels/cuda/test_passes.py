"""Passes on an emulated card: against the NumPy twin and the processors, for all forms, sizes and designs."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xdgmm import kernels
from xdgmm.errors import InputError
from xdgmm.kernels import devices, passes
from xdgmm.kernels.cuda import engine as cuda_engine
from xdgmm.kernels.cuda.engine import CudaEngine
from xdgmm.kernels.cuda.residents import Segment
from xdgmm.kernels.cuda.tuning import Tuning
from xdgmm.kernels.reference import ReferenceData

FORMS = (
    "none",
    "none, missing",
    "none, projected",
    "none, background",
    "common",
    "errors",
    "errors, missing",
    "errors, memberships",
    "covariances",
    "covariances, missing",
    "covariances, projected",
    "covariances, projections",
    "covariances, missing, projections",
    "covariances, background",
    "covariances, missing, background, memberships",
)
# A new layout compiles for a second: every form has one number of dimensions every time, and others in slow tests.
EVERY_TIME = {
    *zip(FORMS, (1, 3, 3, 1, 6, 3, 1, 6, 3, 6, 3, 3, 3, 1, 3), strict=True),
    *(("covariances", D) for D in (1, 2, 6, 10)),
    ("covariances, projections", 1),
}
FORMS_AND_DIMENSIONS = [
    pytest.param(form, D, marks=[] if (form, D) in EVERY_TIME else pytest.mark.slow)
    for form, D in product(FORMS, (1, 2, 3, 6, 10))
    if D < 10 or "projections" not in form
]


def random_covariances(rng, n, size):
    factor = 0.4 * rng.standard_normal((n, size, size))
    return factor @ np.swapaxes(factor, 1, 2) + 0.1 * np.eye(size)


def measurements(form, D, n=300, K=3, seed=1):
    """Arguments of `pack`, and a mixture: weights of objects between 0 and 3, some of them exactly 0 or 1."""
    rng, parts = np.random.default_rng([seed, n, D, K]), form.split(", ")
    M = max(D - 1, 2) if "projections" in parts else D
    noise = {
        "none": None,
        "errors": rng.uniform(0.2, 1.0, (n, M)),
        "covariances": random_covariances(rng, n, M),
        "common": np.repeat(random_covariances(rng, 1, M), n, axis=0),
    }[parts[0]]
    weights = rng.uniform(0.1, 3.0, n)
    weights[::3], weights[4::7] = 1.0, 0.0
    given = {"values": 1.5 * rng.standard_normal((n, M)), "noise": noise, "weights": weights}
    if "missing" in parts:
        given["values"][rng.random((n, M)) < 0.3] = np.nan
    if "projected" in parts:
        given["projections"] = np.eye(D) + 0.3 * rng.standard_normal((D, D))
    if "projections" in parts:
        given["projections"] = rng.uniform(-1, 1, (n, M, D)) + np.eye(M, D)
    if "background" in parts:
        given["background"] = rng.normal(-3.0, 2.0, n)
    if "memberships" in parts:
        given["memberships"] = rng.dirichlet(np.ones(K), n)
        given["memberships"][3 % n] = np.eye(K)[0]
    shares = rng.dirichlet(np.full(K + ("background" in parts), 4.0))
    return given, (shares, rng.standard_normal((K, D)), random_covariances(rng, K, D) + 0.2 * np.eye(D))


def named(values):
    return values._asdict() if isinstance(values, tuple) else vars(values)


def found_by(data, mixture):
    """What all passes find, by name."""
    moved = mixture[0], mixture[1] + 0.1, 1.1 * mixture[2]
    both = [np.stack(pair) for pair in zip(mixture, moved, strict=True)]
    posteriors = named(data.posteriors(*mixture, of_each=True))
    return {
        **{f"statistics {name}": each for name, each in named(data.accumulate_with_information(*mixture)).items()},
        **{f"gradient {name}": each for name, each in named(data.accumulate(*mixture)).items()},
        **{f"gradients {name}": each for name, each in named(data.gradients(*both)).items()},
        **{f"posterior {name}": each for name, each in posteriors.items()},
        "log densities": data.log_likelihoods(*mixture),
        "responsibilities": data.responsibilities(*mixture),
        "last responsibilities": data.responsibilities(*mixture, component=len(mixture[1]) - 1),
        "total log-likelihoods": data.total_log_likelihoods(*both),
        "effective sizes": data.effective_sizes(*mixture),
    }


def assert_close(found, expected, relative):
    """Each number agrees to a fraction of the largest of its kind: sums of mixed sign cancel."""
    assert found.keys() == expected.keys()
    for name, wanted in expected.items():
        if wanted is None:
            assert found[name] is None
            continue
        wanted = np.asarray(wanted, dtype=float)
        room = relative * (1.0 + np.abs(wanted[np.isfinite(wanted)]).max(initial=0.0))
        np.testing.assert_allclose(found[name], wanted, rtol=0, atol=room, err_msg=name)


def assert_identical(found, expected):
    for name, wanted in expected.items():
        np.testing.assert_array_equal(found[name], wanted, err_msg=name)


@pytest.mark.parametrize(("form", "D"), FORMS_AND_DIMENSIONS)
def test_all_passes_equal_their_numpy_twin(form, D, on_card):
    given, mixture = measurements(form, D)
    data, twin = kernels.pack(**given), ReferenceData.pack(**given)
    before = on_card.card.n_launches
    found = found_by(data, mixture)
    assert on_card.card.n_launches > before + 8  # it is the card that was asked
    # The condition of T is below 300, of its inverse at ten dimensions: 300 * 1e-16 on densities of size 100.
    assert_close(found, found_by(twin, mixture), 1e-12 if D < 10 else 1e-11)


@pytest.mark.usefixtures("on_card")
@pytest.mark.parametrize("D", [1, 2, 3, pytest.param(6, marks=pytest.mark.slow)])
def test_all_passes_agree_with_the_processors(D):
    given, mixture = measurements("covariances", D, n=2000)
    data = kernels.pack(**given)
    found = found_by(data, mixture)
    with devices.using_device("cpu"):
        expected = found_by(data, mixture)
    assert_close(found, expected, 1e-12)


SMALL = st.tuples(
    st.sampled_from(["covariances", "covariances, missing", "covariances, background", "covariances, memberships"]),
    st.integers(1, 3),  # D
    st.integers(1, 700),  # objects
    st.integers(1, 6),  # components
    st.integers(0, 1000),
)


@given(example=SMALL, dead=st.integers(0, 6), every=st.integers(1, 4), orders=st.integers(0, 50))
@settings(max_examples=40)
def test_any_number_of_objects_and_components_is_summed(on_card, example, dead, every, orders):
    form, D, n, K, seed = example
    given, (weights, means, V) = measurements(form, D, n, K, seed)
    if K > 1 and dead < K:
        weights[dead] = 0.0
    given["weights"][0] = 1.0  # some object counts
    given["values"][0] = 0.3
    sample = kernels.pack(**given).subsample(max(n // every, 1))
    rows = sample.rows
    own = {name: None if each is None else each[rows] for name, each in given.items()}
    mixture = weights, means, V
    on_card.card.set_order(orders)  # of the threads
    try:
        found = named(sample.accumulate(*mixture))
        each = sample.log_likelihoods(*mixture)
        own_weights = named(passes.accumulate(sample, *mixture, np.sqrt(own["weights"])))
    finally:
        on_card.card.set_order(0)
    twin = ReferenceData.pack(**own)
    assert_close(found, named(twin.accumulate(*mixture)), 1e-12)
    assert_close({"log densities": each}, {"log densities": twin.log_likelihoods(*mixture)}, 1e-12)
    other = ReferenceData.pack(**own | {"weights": np.sqrt(own["weights"])})
    assert_close(own_weights, named(other.accumulate(*mixture)), 1e-12)


@pytest.fixture
def few_chunks(monkeypatch):
    """Chunks that hold several rounds of a block of threads, as those of many objects do."""
    monkeypatch.setattr(cuda_engine, "CHUNKS", 3)


def every_tuning():
    for threads, (per_thread, unrolled), stored in product((64, 128), ((1, 1), (2, 2), (4, 1)), (True, False)):
        for staged in {True, per_thread > 1}:
            yield Tuning(threads, 2, per_thread, unrolled, staged, stored, in_constant=stored)
    yield Tuning(128, 1, 1, 1, staged=False, stored=False, in_constant=False, whole=False)


@pytest.mark.usefixtures("few_chunks")
@pytest.mark.parametrize(
    "form",
    [
        "covariances, missing, background, memberships",
        *(
            pytest.param(form, marks=pytest.mark.slow)
            for form in ("none, background", "errors", "covariances, projections")
        ),
    ],
)
def test_every_tuning_gives_the_same_sums(form, on_card, monkeypatch):
    given, mixture = measurements(form, 2, n=1800)
    data, twin = kernels.pack(**given), ReferenceData.pack(**given)
    wanted = twin.accumulate_with_information(*mixture)
    sizes = twin.effective_sizes(*mixture)
    for number, tuning in enumerate(every_tuning()):
        monkeypatch.setattr(cuda_engine, "tuned", lambda *_, tuning=tuning, **__: tuning)
        engine = CudaEngine(on_card.card, "cuda")
        monkeypatch.setattr(devices, "engine", lambda _, engine=engine: engine)
        found = data.accumulate_with_information(*mixture)
        assert_close(named(found), named(wanted), 1e-12)
        if number % 4 == 0 or not tuning.whole:
            assert_close({"": data.effective_sizes(*mixture)}, {"": sizes}, 1e-12)


@pytest.mark.usefixtures("on_card")
@pytest.mark.parametrize("shared_bytes", [227 * 1024, 99 * 1024, 48 * 1024, 4 * 1024])
@pytest.mark.parametrize("K", [40, pytest.param(1100, marks=pytest.mark.slow)])
def test_many_components_need_neither_shared_nor_constant_memory(K, shared_bytes, emulated, monkeypatch):
    # 1100 components of 5 + 2 numbers are more than constant memory holds
    given, mixture = measurements("covariances", 2, n=300, K=K)
    data, twin = kernels.pack(**given), ReferenceData.pack(**given)
    engine = CudaEngine(emulated.EmulatedCard(emulated.FOLDER, shared_bytes), "cuda")
    monkeypatch.setattr(devices, "engine", lambda _: engine)
    assert_close(named(data.accumulate(*mixture)), named(twin.accumulate(*mixture)), 1e-12)
    assert_close({"": data.effective_sizes(*mixture)}, {"": twin.effective_sizes(*mixture)}, 1e-12)
    tunings = [module.tuning for module in engine.programs]
    if K == 40:
        assert {tuning.whole for tuning in tunings} == {shared_bytes > 4 * 1024}
    else:  # the sums of 6 moments and of 2 for effective sizes, of each component and of four warps: 211 and 70 kB
        assert {module.n_sums: module.tuning.whole for module in engine.programs} == {
            6: shared_bytes > 200_000,
            2: shared_bytes > 72_000,
        }
    if K == 1100:
        assert not any(tuning.in_constant for tuning in tunings)


# --- The same bits ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("few_chunks")
@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("whole", [True, False])
def test_the_order_of_threads_and_blocks_changes_no_bit(stored, whole, on_card, monkeypatch):
    tuning = Tuning(128, 2, 2, 2, staged=True, stored=stored, in_constant=True)
    if not whole:
        tuning = Tuning(128, 1, 1, 1, staged=False, stored=False, in_constant=False, whole=False)
    monkeypatch.setattr(cuda_engine, "tuned", lambda *_, **__: tuning)
    engine = CudaEngine(on_card.card, "cuda")
    monkeypatch.setattr(devices, "engine", lambda _: engine)
    given, mixture = measurements("covariances", 2, n=1500)
    data = kernels.pack(**given)
    expected = found_by(data, mixture)
    try:
        for order in (0, 1, 2, 3):
            on_card.card.set_order(order)
            assert_identical(found_by(data, mixture), expected)
    finally:
        on_card.card.set_order(0)


class InParts:
    """The copies of `Residents`, in so many segments of whole chunks."""

    def __init__(self, residents, n_segments):
        self.residents, self.n_segments = residents, n_segments

    def __getattr__(self, name):
        return getattr(self.residents, name)

    def segments(self, blocks, multiple, beside=0):
        (whole,) = self.residents.segments(blocks, multiple, beside)
        size = -(-whole.n_objects // (self.n_segments * multiple)) * multiple
        for first in range(0, whole.n_objects, size):
            n = min(size, whole.n_objects - first)
            of_object = blocks.data.shape[1] * self.residents.number.itemsize
            memory = whole.memory.at(first * whole.every * of_object)
            yield Segment(memory, whole.every, first, n)


@pytest.mark.usefixtures("few_chunks")
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("form", ["covariances", "covariances, background"])
def test_data_in_segments_give_the_bits_of_data_that_are_resident(form, whole, on_card, monkeypatch):
    if not whole:
        tuning = Tuning(128, 1, 1, 1, staged=False, stored=False, in_constant=False, whole=False)
        monkeypatch.setattr(cuda_engine, "tuned", lambda *_, **__: tuning)
    engine = CudaEngine(on_card.card, "cuda")
    monkeypatch.setattr(devices, "engine", lambda _: engine)
    given, mixture = measurements(form, 2, n=3000)
    data = kernels.pack(**given)
    for of in (data, data.subsample(1200)):
        expected = found_by(of, mixture)
        own = passes.accumulate(of, *mixture, np.sqrt(of.object_weights))
        engine.residents = InParts(engine.residents, 3)
        try:
            assert_identical(found_by(of, mixture), expected)
            again = passes.accumulate(of, *mixture, np.sqrt(of.object_weights))
        finally:
            engine.residents = engine.residents.residents
        assert_identical(named(again), named(own))


# --- Numbers at the edge ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("on_card")
def test_values_far_away_keep_a_finite_density():
    given, mixture = measurements("covariances", 2)
    given["values"][::5] *= 1e8
    data, twin = kernels.pack(**given), ReferenceData.pack(**given)
    found = data.log_likelihoods(*mixture)
    assert found.min() < -1e14
    np.testing.assert_allclose(found, twin.log_likelihoods(*mixture), rtol=1e-12)
    np.testing.assert_allclose(data.responsibilities(*mixture), twin.responsibilities(*mixture), atol=1e-12)


@pytest.mark.usefixtures("on_card")
def test_a_later_component_may_be_denser_by_any_factor():
    # at 5 to 70 sigmas from the first component: 2^18 to 2^3500
    values = np.linspace(5.0, 70.0, 200)[:, None]
    mixture = np.array([0.9, 0.05, 0.05]), np.array([[0.0], [30.0], [60.0]]), np.ones((3, 1, 1))
    given = {"values": values, "noise": np.full((200, 1), 0.1), "weights": None}
    data, twin = kernels.pack(**given), ReferenceData.pack(**given)
    assert_close(found_by(data, mixture), found_by(twin, mixture), 1e-12)


@pytest.mark.usefixtures("on_card")
def test_covariances_of_any_size_keep_their_determinant():
    # of six variances of 1e-60 the product is no number any more
    given, (weights, means, V) = measurements("covariances", 6, n=100)
    for unit in (1e-30, 1e30):
        scaled = {**given, "values": given["values"] * unit, "noise": given["noise"] * unit**2}
        data, expected = kernels.pack(**scaled), kernels.pack(**given).log_likelihoods(weights, means, V)
        found = data.log_likelihoods(weights, means * unit, V * unit**2)
        np.testing.assert_allclose(found + 6 * np.log(unit), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("on_card")
@pytest.mark.parametrize("form", ["none", "errors", "covariances", "covariances, projections"])
def test_a_singular_component_is_left_out_of_densities_and_makes_a_fit_impossible(form):
    given, (weights, means, V) = measurements(form, 3)
    if given["noise"] is not None:
        given["noise"][::2] = 0.0
    data = kernels.pack(**given)
    V[1] = 0.0
    others = weights * [1, 0, 1]
    np.testing.assert_array_equal(named(data.accumulate(weights, means, V))["log_likelihood"], -np.inf)
    assert data.total_log_likelihoods(*(np.stack([each] * 2) for each in (weights, means, V))).max() == -np.inf
    singular = data.rows % 2 == 0 if given["noise"] is not None else np.full(data.n_objects, fill_value=True)
    found, expected = data.log_likelihoods(weights, means, V), data.log_likelihoods(others, means, V)
    np.testing.assert_allclose(found[singular], expected[singular], rtol=1e-13)
    assert (data.responsibilities(weights, means, V)[singular, 1] == 0).all()
    with devices.using_device("cpu"):
        wanted = named(data.posteriors(weights, means, V, of_each=True))
    assert_close(named(data.posteriors(weights, means, V, of_each=True)), wanted, 1e-12)


@pytest.mark.usefixtures("on_card")
def test_posteriors_of_impossible_objects_are_those_of_the_processors():
    values = np.array([[0.0], [0.5], [3.0], [1e200]])
    noise = np.array([[0.0], [0.0], [0.1], [0.1]])
    data = kernels.pack(values, noise, None)
    mixture = np.array([0.3, 0.7]), np.array([[0.0], [1.0]]), np.array([[[0.0]], [[0.0]]])
    found = named(data.posteriors(*mixture, of_each=True))
    with devices.using_device("cpu"):
        expected = named(data.posteriors(*mixture, of_each=True))
    assert_close(found, expected, 1e-12)


@pytest.mark.usefixtures("on_card")
def test_an_object_of_weight_zero_may_be_impossible():
    given, (weights, means, V) = measurements("covariances", 2)
    data = kernels.pack(**given)
    own = np.zeros(data.n_objects)
    own[:7] = 2.0
    found = passes.accumulate(data, weights, means, V, own)
    few = ReferenceData.pack(
        **{name: each[data.rows[:7]] for name, each in given.items()} | {"weights": np.full(7, 2.0)}
    )
    assert_close(named(found), named(few.accumulate(weights, means, V)), 1e-12)


@pytest.mark.usefixtures("on_card")
def test_data_of_many_dimensions_are_refused_in_one_sentence():
    data = kernels.pack(np.zeros((3, 13)), np.ones((3, 13)), None)
    with pytest.raises(InputError, match=r'^a graphics card .* up to 12 dimensions, .* have 13; give `device="cpu"`$'):
        data.accumulate(np.ones(1), np.zeros((1, 13)), np.eye(13)[None])


@pytest.mark.usefixtures("on_card")
def test_weights_of_one_and_others_give_one_log_likelihood():
    # a product of densities, and logarithms of each: the same sum
    given, mixture = measurements("errors", 1, n=500)
    given["weights"] = np.ones(500)
    data = kernels.pack(**given)
    ones, halves = data.accumulate(*mixture), passes.accumulate(data, *mixture, np.full(500, 0.5))
    assert 2 * halves.log_likelihood == pytest.approx(ones.log_likelihood, rel=1e-14)


# --- Single precision ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "D"),
    [
        ("covariances", 2),
        ("none, background", 1),
        ("covariances, missing, background, memberships", 3),
        *(
            pytest.param(form, D, marks=pytest.mark.slow)
            for form, D in (("covariances", 1), ("covariances", 3), ("covariances", 6), ("covariances, projections", 3))
        ),
    ],
)
@pytest.mark.usefixtures("on_card")
def test_single_precision_keeps_the_digits_that_are_promised(form, D):
    # 24 bits for an object, whose errors are independent: sums of many lose fewer digits than each term
    given, mixture = measurements(form, D, n=1000)
    data, twin = kernels.pack(**given), ReferenceData.pack(**given)
    with devices.using_device("cuda-float32"):
        found = named(data.accumulate_with_information(*mixture))
        each = data.log_likelihoods(*mixture)
        r = data.responsibilities(*mixture)
        posteriors = data.posteriors(*mixture)
    expected = named(twin.accumulate_with_information(*mixture))
    assert found["log_likelihood"] == pytest.approx(expected["log_likelihood"], rel=1e-7)
    assert_close(found, expected, 5e-6)
    np.testing.assert_allclose(each, twin.log_likelihoods(*mixture), rtol=0, atol=1e-4)
    np.testing.assert_allclose(r, twin.responsibilities(*mixture), rtol=0, atol=1e-4)
    np.testing.assert_allclose(posteriors.means, twin.posteriors(*mixture).means, rtol=0, atol=1e-4)


@pytest.mark.usefixtures("on_card")
def test_single_precision_knows_what_it_cannot_hold():
    # 1e8 sigmas are a density of 2^-1e16, which its exponents hold; 1e25 sigmas are none, and no error either
    values, errors = np.array([[0.1], [1e8], [1e25]]), np.full((3, 1), 0.5)
    data, mixture = (
        kernels.pack(values, errors, None),
        (np.array([0.5, 0.5]), np.array([[0.0], [1.0]]), np.ones((2, 1, 1))),
    )
    with devices.using_device("cuda-float32"):
        found, statistics = data.log_likelihoods(*mixture), data.accumulate(*mixture)
        r = data.responsibilities(*mixture)
    with devices.using_device("cpu"):
        expected = data.log_likelihoods(*mixture)
    np.testing.assert_allclose(found[:2], expected[:2], rtol=1e-6)
    assert found[2] == -np.inf
    assert statistics.log_likelihood == -np.inf
    assert not statistics.grad_mean.any()
    assert np.isnan(r[2]).all()


@pytest.mark.usefixtures("on_card")
def test_single_precision_holds_determinants_of_six_small_variances():
    # of six variances of 1e-12 the product, 1e-72, is no number with 32 bits
    given, (weights, means, V) = measurements("covariances", 6, n=100)
    scaled = {**given, "values": given["values"] * 1e-6, "noise": given["noise"] * 1e-12}
    with devices.using_device("cuda-float32"):
        found = kernels.pack(**scaled).log_likelihoods(weights, means * 1e-6, V * 1e-12)
    expected = ReferenceData.pack(**given).log_likelihoods(weights, means, V)
    np.testing.assert_allclose(found + 6 * np.log(1e-6), expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize(
    ("device", "powers", "tolerance"),
    [("cuda", (-690.0, -194.0, -180.0), 1e-12), ("cuda-float32", (-80.0, -24.0, -15.0), 1e-4)],
)
def test_a_component_between_the_first_and_the_last_is_not_lost(
    engines_of_cards, monkeypatch, device, powers, tolerance
):
    """Its density, 2^-14 or 2^-9 of the last one's, is near the largest that sums hold in units of the first one's."""
    means = np.sqrt(-2.0 * np.log(2.0) * np.array(powers))[:, None]
    mixture = np.full(3, 1 / 3), means, np.ones((3, 1, 1)) - 1e-2
    data = kernels.pack(np.zeros((50, 1)), np.full((50, 1), 0.1), None)
    expected = data.accumulate(*mixture)
    monkeypatch.setattr(passes, "current_engine", lambda: engines_of_cards[device])
    found = data.accumulate(*mixture)
    np.testing.assert_allclose(found.n_members[1:], expected.n_members[1:], rtol=tolerance)
    np.testing.assert_allclose(found.log_likelihood, expected.log_likelihood, rtol=tolerance)
