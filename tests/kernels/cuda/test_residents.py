"""Data in the memory of a card: copies that live as long as their arrays, and streams of what is larger."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import numpy as np
import pytest

from xdgmm import kernels
from xdgmm.errors import InputError
from xdgmm.kernels import passes
from xdgmm.kernels.cuda import engine as engine_module
from xdgmm.kernels.cuda import residents, transfers
from xdgmm.kernels.cuda.engine import CudaEngine

N = 7001
MIXTURE = np.array([0.3, 0.7]), np.array([[0.0, 0.5], [0.2, -0.3]]), np.array([0.7 * np.eye(2), 0.2 * np.eye(2)])
OF_DATA = 6 * 8 * (N + 7)  # bytes: three of noise, two values, a weight


def packed(seed=0, n=N):
    rng = np.random.default_rng(seed)
    errors = rng.normal(size=(n, 2, 2))
    return kernels.pack(rng.normal(size=(n, 2)), errors @ np.swapaxes(errors, 1, 2), rng.uniform(0.5, 1.5, n))


def asked(data):
    """What each kind of pass finds."""
    many = tuple(np.stack([array, array, array]) for array in MIXTURE)
    many[1][1:] += [[[0.1]], [[-0.2]]]
    found = data.accumulate_with_information(*MIXTURE)
    gradients = data.gradients(*many)
    own = passes.accumulate(data, *MIXTURE, np.linspace(0.1, 1.0, data.n_objects))
    posteriors = data.posteriors(*MIXTURE, of_each=True)
    return [
        *(getattr(found, name) for name in ("log_likelihood", "n_members", "grad_mean", "information")),
        *(getattr(gradients, name) for name in ("log_likelihoods", "grad_covariances")),
        *(getattr(own, name) for name in ("log_likelihood", "grad_covariance")),
        *posteriors,
        data.log_likelihoods(*MIXTURE),
        data.responsibilities(*MIXTURE),
        data.total_log_likelihoods(*many),
        data.effective_sizes(*MIXTURE),
    ]


def same_bits(found, expected):
    return all(np.array_equal(*each, equal_nan=True) for each in zip(found, expected, strict=True))


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(transfers, "PIECE", 6000)
    monkeypatch.setattr(transfers, "SMALL", 100)


@pytest.fixture
def engine_on(monkeypatch, emulated):
    def use(memory=1 << 34, real="double", card=None):
        card = card or emulated.EmulatedCard(emulated.FOLDER, memory=memory)
        engine = CudaEngine(card, "cuda", real)
        monkeypatch.setattr(passes, "current_engine", lambda: engine)
        return engine

    return use


@pytest.fixture(scope="module")
def expected(emulated):
    """Of data that stay on the card."""
    data = packed()
    sample = data.subsample(N // 2)
    of_processors = asked(data), asked(sample)
    with pytest.MonkeyPatch.context() as patch:
        engine = CudaEngine(emulated.EmulatedCard(emulated.FOLDER), "cuda")
        patch.setattr(passes, "current_engine", lambda: engine)
        found = asked(data), asked(sample)
    assert len(engine.residents.copies) == 1, "a sample needs no copy of its own"
    for on_card, expected in zip(chain(*found), chain(*of_processors), strict=True):
        np.testing.assert_allclose(on_card, expected, rtol=1e-10, atol=1e-10)  # the contract has narrower ones
    return found


@pytest.mark.parametrize("late", ["kernels", "copies"])
@pytest.mark.parametrize(("part", "n_copies"), [(3.0, (1, 1)), (0.65, (0, 1)), (0.34, (0, 0))])
@pytest.mark.usefixtures("small_pieces")
def test_streams_and_copies_have_the_same_bits_however_late_things_happen(
    emulated, deferring, engine_on, expected, monkeypatch, late, part, n_copies
):
    monkeypatch.setattr(residents, "SEGMENT", OF_DATA // 4)
    engine = engine_on(card=deferring.card(emulated, late, int(part * OF_DATA)))
    data = packed()
    assert same_bits(asked(data), expected[0])
    assert len(engine.residents.copies) == n_copies[0]
    assert same_bits(asked(data.subsample(N // 2)), expected[1])
    assert len(engine.residents.copies) == n_copies[1], "a sample of what is streamed has a copy of its own, if it fits"


@pytest.mark.parametrize("limit", ["MOST_PARTIAL", "MOST_ROWS"])
def test_many_mixtures_are_asked_in_parts_with_the_same_bits(engine_on, expected, monkeypatch, limit):
    engine_on()
    monkeypatch.setattr(engine_module, limit, 1)
    assert same_bits(asked(packed()), expected[0])


def test_a_packed_part_in_a_file_is_sent_once(engine_on, tmp_path):
    data = packed()
    kernels.write_part(tmp_path / "part", kernels.PackedPart(0, data))
    part = kernels.map_part(tmp_path / "part", checksum=True, advice="").data
    engine = engine_on()
    sent = sends(engine)
    found = [part.accumulate(*MIXTURE), part.subsample(N // 2).accumulate(*MIXTURE), part.accumulate(*MIXTURE)]
    assert sent == [part.data.size]
    assert found[0].log_likelihood == found[2].log_likelihood == data.accumulate(*MIXTURE).log_likelihood


@pytest.mark.usefixtures("small_pieces")
def test_on_a_full_card_an_array_takes_the_place_of_one_that_is_no_longer_asked_for(engine_on):
    engine = engine_on(int(2.6 * OF_DATA))
    first, second, third = (packed(seed) for seed in range(3))
    for data in (first, second, first, third):
        data.accumulate(*MIXTURE)
    sent = sends(engine)
    third.accumulate(*MIXTURE)  # asked for twice, while the second was not
    assert sent == [third.data.base.size]
    first.accumulate(*MIXTURE)
    third.accumulate(*MIXTURE)
    assert len(sent) == 1
    second.accumulate(*MIXTURE)
    assert len(sent) > 1


@pytest.mark.usefixtures("small_pieces")
def test_of_parts_that_are_asked_for_in_turn_as_many_stay_as_there_is_room_for(engine_on):
    engine = engine_on(int(2.6 * OF_DATA))
    parts = [packed(seed) for seed in range(3)]
    sent = sends(engine)
    found = [sum(part.accumulate(*MIXTURE).log_likelihood for part in parts) for _ in range(3)]
    assert found[0] == found[1] == found[2]
    assert sent[:2] == [part.data.base.size for part in parts[:2]]
    assert sum(sent[2:]) == 3 * parts[2].data.size, "the third one is sent for each pass, and only that"


def sends(engine):
    """Sizes of the arrays of blocks that are sent from now on."""
    sent, send = [], engine.residents.transfers.send

    def counted(source, *arguments):
        if source.size > 1000:
            sent.append(source.size)
        send(source, *arguments)

    engine.residents.transfers.send = counted
    return sent


def test_engines_of_a_card_share_copies_of_the_same_numbers_and_take_each_others_place(engine_on, monkeypatch):
    first = engine_on(int(2.1 * OF_DATA))
    same, single = CudaEngine(first.card, "auto", beside=first), CudaEngine(first.card, "single", "float", first)
    data = packed()
    sent = sends(first)

    def log_likelihood(engine):
        monkeypatch.setattr(passes, "current_engine", lambda: engine)
        return data.accumulate(*MIXTURE).log_likelihood

    expected = log_likelihood(first)
    assert log_likelihood(same) == expected
    assert sent == [data.data.base.size]
    assert log_likelihood(single) == pytest.approx(expected, rel=1e-5)
    assert len(first.residents.copies) == 2
    memory = single.residents.allocate(int(1.9 * OF_DATA))
    assert first.residents.copies == {}
    del memory
    assert log_likelihood(same) == expected


def test_copies_go_with_their_arrays(engine_on):
    engine = engine_on()
    data = packed()
    parts = list(data.parts(1000))
    data.accumulate(*MIXTURE)
    parts[1].log_likelihoods(*MIXTURE)
    assert len(engine.residents.copies) == 1
    free = engine.card.free_bytes()
    del data, parts
    gc.collect()
    assert engine.residents.copies == {}
    assert engine.card.free_bytes() >= free + OF_DATA


def test_a_part_of_the_objects_is_found_in_the_copy_of_all(engine_on):
    engine_on()
    data = packed()
    whole = data.log_likelihoods(*MIXTURE)
    in_parts = np.concatenate([part.log_likelihoods(*MIXTURE) for part in data.parts(1000)])
    np.testing.assert_array_equal(in_parts, whole)


def test_a_card_that_is_too_small_for_one_chunk_says_so_in_one_sentence(engine_on):
    engine_on(9_000)
    with pytest.raises(
        InputError, match=r"an emulated card has too little memory .* choose the device 'cpu'"
    ) as caught:
        packed().accumulate(*MIXTURE)
    assert "\n" not in str(caught.value)


SIZES = np.sort([*np.geomspace(0.04, 4.0, 24), *np.linspace(1.0, 1.3, 8)])  # of a card's memory, in those of the data
QUESTIONS = {
    "sums": lambda data: [data.accumulate(*MIXTURE).grad_covariance],
    "likelihoods": lambda data: [data.log_likelihoods(*MIXTURE)],
    "responsibilities": lambda data: [data.responsibilities(*MIXTURE)],
    "posteriors": lambda data: data.posteriors(*MIXTURE, of_each=True),
}


@pytest.mark.parametrize("shared_bytes", [227 * 1024, 1200])  # of a block: the second one is too small for all sums
def test_every_card_from_the_smallest_on_makes_a_pass_with_the_same_bits(emulated, engine_on, shared_bytes):
    data = packed(n=2800)

    def engine_of(size):
        memory = int(size * data.data.nbytes)
        return engine_on(card=emulated.EmulatedCard(emulated.FOLDER, shared_bytes, memory))

    engine_of(100.0)
    expected = {name: ask(data) for name, ask in QUESTIONS.items()}
    too_small = dict.fromkeys(QUESTIONS, 0.0)
    large_enough = dict.fromkeys(QUESTIONS, np.inf)
    for size in SIZES:
        engine_of(size)
        for name in [*QUESTIONS, *QUESTIONS]:  # what one pass leaves there is not in the way of the next
            try:
                assert same_bits(QUESTIONS[name](data), expected[name])
                large_enough[name] = min(large_enough[name], size)
            except InputError:
                too_small[name] = size
    assert all(too_small[name] < large_enough[name] < 0.9 for name in QUESTIONS), (too_small, large_enough)


@pytest.mark.usefixtures("small_pieces")
def test_the_copy_in_use_is_not_dropped_for_what_is_needed_beside_it(engine_on):
    engine = engine_on(int(2.1 * OF_DATA))
    first, second = packed(1), packed(2)
    first.accumulate(*MIXTURE)
    second.log_likelihoods(*MIXTURE)
    sent = sends(engine)
    first.posteriors(*MIXTURE, of_each=True)
    first.accumulate(*MIXTURE)
    assert sent == []


def test_threads_take_turns(engine_on):
    engine_on()
    data = [packed(seed, 500) for seed in range(4)]
    alone = [each.accumulate(*MIXTURE) for each in data]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda each: each.accumulate(*MIXTURE), data * 3))
    for i, found in enumerate(together):
        assert found.log_likelihood == alone[i % 4].log_likelihood
        np.testing.assert_array_equal(found.grad_covariance, alone[i % 4].grad_covariance)


@pytest.mark.usefixtures("small_pieces")
def test_the_card_does_not_wait_for_threads_that_wait_for_it(engine_on, monkeypatch):
    monkeypatch.setattr(transfers, "LEAST_PART", 100)
    engine = engine_on()
    kernels.set_num_threads(2)
    data, others = packed(1), [packed(2, 500), packed(3, 500)]
    started = threading.Barrier(3, timeout=20)

    def task(first, last):
        started.wait()
        for each in others[first:last]:
            each.accumulate(*MIXTURE)

    def hold():
        with engine.in_turn():
            started.wait()
            data.log_likelihoods(*MIXTURE)

    holding = threading.Thread(target=hold, daemon=True)
    passing = threading.Thread(target=kernels.run_in_threads, args=(task, 2, 1e9), daemon=True)
    try:
        holding.start()
        passing.start()
        holding.join(30)
        passing.join(30)
        assert not holding.is_alive()
        assert not passing.is_alive()
    finally:
        kernels.set_num_threads(None)


def test_a_process_that_was_forked_is_refused_the_card_and_frees_nothing(engine_on, monkeypatch):
    engine = engine_on()
    data = packed()
    data.accumulate(*MIXTURE)
    held = dict(engine.residents.copies)
    monkeypatch.setattr("os.getpid", lambda: -1)
    with pytest.raises(InputError, match="'spawn' or 'forkserver', or choose the device 'cpu'"):
        data.accumulate(*MIXTURE)
    del data
    gc.collect()
    assert engine.residents.copies == held


@pytest.mark.usefixtures("small_pieces")
def test_numbers_that_32_bits_cannot_hold_become_the_largest_while_they_are_sent(engine_on):
    engine = engine_on(real="float")
    source = np.array([[1.0, -1e300], [np.inf, 1e-320], [np.nan, 0.1]] * 300)
    memory = engine.card.allocate(source.size * 4)
    engine.residents.transfers.send(source[::2], memory, engine.card.mark(), np.dtype(np.float32))
    found = np.empty((300 * 3 // 2, 2), np.float32)
    engine.card.download(memory, found)
    expected = np.clip(source[::2], -1e38, 1e38).astype(np.float32)
    np.testing.assert_array_equal(found, expected)


def test_weights_of_objects_keep_64_bits_where_their_numbers_have_32(engine_on):
    weights = np.full(N, 1.0 + 1e-12)
    data = packed()
    engine_on(real="float")
    ones, more = (passes.accumulate(data, *MIXTURE, each).log_likelihood for each in (np.ones(N), weights))
    assert more == pytest.approx(ones, rel=1e-6)
