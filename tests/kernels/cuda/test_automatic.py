"""The device "auto": it measures, and makes each pass where it takes less time."""

import numpy as np
import pytest

from xdgmm import XDGMM, Observations, kernels
from xdgmm.errors import InputError, XdgmmError, XdgmmWarning
from xdgmm.kernels import cuda, devices, passes
from xdgmm.kernels.cuda import automatic
from xdgmm.kernels.cuda.automatic import Automatic
from xdgmm.kernels.cuda.engine import CudaEngine
from xdgmm.kernels.processors import Processors

MIXTURE = np.array([0.3, 0.7]), np.array([[0.0, 0.5], [0.2, -0.3]]), np.array([0.7 * np.eye(2), 0.2 * np.eye(2)])
QUESTIONS = ["accumulate", "accumulate_with_information", "log_likelihoods", "responsibilities", "posteriors"]


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def timed(engine, clock, constant, each, of_byte=0.0):
    """The engine, whose answers take so many seconds of the clock: any, and for each object."""
    asked = []

    def slower(method):
        def ask(blocks, *arguments, **options):
            asked.append(blocks.n_objects)
            clock.now += constant + each * blocks.n_objects
            return method(blocks, *arguments, **options)

        return ask

    for name in ("sums", "log2_densities", "responsibilities", "member_sums", "posteriors", "total_log2_likelihoods"):
        setattr(engine, name, slower(getattr(engine, name)))
    if of_byte:
        send = engine.residents.send

        def slow(numbers):
            clock.now += of_byte * numbers.nbytes
            send(numbers)

        engine.residents.send = slow
    engine.asked = asked
    return engine


@pytest.fixture
def choosing(emulated, monkeypatch):
    """Makes the device "auto" of what passes take in seconds: any, and for each object, on each engine."""
    monkeypatch.setattr(automatic, "WORTH_MEASURING", 0.0)
    monkeypatch.setattr(automatic, "FEW", 80)
    monkeypatch.setattr(automatic, "MEASURED", 400)

    def make(of_processors, of_card, memory=1 << 34):
        clock = Clock()
        card = CudaEngine(emulated.EmulatedCard(emulated.FOLDER, memory=memory), "auto")
        on_card = timed(card, clock, *of_card)
        engine = Automatic(timed(Processors(), clock, *of_processors), lambda: on_card, clock)
        monkeypatch.setattr(passes, "current_engine", lambda: engine)
        return engine

    return make


def packed(n=2000):
    rng = np.random.default_rng(3)
    return kernels.pack(rng.normal(size=(n, 2)), rng.uniform(0.1, 0.5, (n, 2)), None)


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_card_makes_what_it_makes_faster_after_one_measurement(choosing, question):
    engine = choosing((1e-5, 1e-6), (1e-4, 1e-8, 1e-12))
    data = packed()
    getattr(data, question)(*MIXTURE)
    assert engine.processors.asked == [80, 80, 400, 400]
    assert engine.on_card.asked == [80, 80, 400, 400, 2000]
    assert (engine.name, engine.card.name) == ("auto", "an emulated card")
    getattr(data, question)(*MIXTURE)
    assert engine.on_card.asked[5:] == [2000]


def test_a_fit_is_recorded_on_the_card_only_if_the_card_made_passes_of_it(choosing, monkeypatch):
    engine = choosing((0.0, 1e-6), (3e-4, 1e-8, 1e-12))
    monkeypatch.setattr(devices, "engine", lambda _: engine)
    rng = np.random.default_rng(1)
    large, small = (Observations.with_standard_errors(rng.normal(size=n), np.full(n, 0.3)) for n in (1000, 100))
    found = [XDGMM(device="auto", random_state=0).fit(data).result_.record.device for data in (small, large, small)]
    assert found == ["cpu", "auto (an emulated card)", "cpu"]


def test_the_processors_make_what_they_make_faster(choosing):
    engine = choosing((1e-5, 1e-7), (1e-5, 1e-6, 1e-12))
    packed().accumulate(*MIXTURE)
    assert engine.processors.asked[-1] == 2000
    assert (engine.name, engine.card) == ("cpu", None)


def test_where_any_pass_of_the_card_takes_long_it_makes_the_large_ones(choosing):
    engine = choosing((0.0, 1e-6), (1e-3, 1e-8, 1e-12))
    small, large = packed(500), packed(2000)
    large.accumulate(*MIXTURE)
    small.accumulate(*MIXTURE)
    assert (engine.on_card.asked[-1], engine.processors.asked[-1]) == (2000, 500)


def test_data_that_take_long_to_send_are_worth_it_only_where_they_are_asked_again(choosing):
    of_byte = 3e-8  # five numbers of each object: 1.2e-6 s, once or for each of ten passes
    engine = choosing((0.0, 1e-6), (0.0, 1e-8, of_byte))
    data = packed()
    data.log_likelihoods(*MIXTURE)
    assert engine.processors.asked[-1] == 2000
    data.accumulate(*MIXTURE)
    assert engine.on_card.asked[-1] == 2000
    data.log_likelihoods(*MIXTURE)
    assert engine.on_card.asked[-1] == 2000, "the data are there already"


def test_what_the_card_cannot_hold_is_made_by_the_processors(choosing):
    engine = choosing((0.0, 1e-6), (0.0, 1e-8, 1e-12), memory=40_000)
    found = packed().posteriors(*MIXTURE, of_each=True)
    assert found.means.shape == (2000, 2)
    engine.on_card.card.memory = 0
    assert np.isfinite(packed().accumulate(*MIXTURE).log_likelihood)
    assert engine.processors.asked[-1] == 2000


@pytest.mark.parametrize("failing", ["load", "mark"])
def test_a_card_that_fails_leaves_all_passes_to_the_processors_with_one_warning(choosing, monkeypatch, failing):
    engine = choosing((0.0, 1e-6), (0.0, 1e-8, 1e-12))

    def fail(*_):
        raise XdgmmError("the card cannot go on: nvrtc: error: no such option")

    monkeypatch.setattr(engine.on_card.card, failing, fail)
    with pytest.warns(XdgmmWarning, match="because a card failed: .*no such option") as caught:
        found = [packed().accumulate(*MIXTURE).log_likelihood for _ in range(2)]
    assert len(caught) == 1
    assert (engine.name, engine.card) == ("cpu", None)
    monkeypatch.setattr(passes, "current_engine", Processors)
    assert found == 2 * [packed().accumulate(*MIXTURE).log_likelihood]


def test_small_passes_look_for_no_card():
    def find():
        raise AssertionError

    engine = Automatic(Processors(), find)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passes, "current_engine", lambda: engine)
        assert np.isfinite(packed().accumulate(*MIXTURE).log_likelihood)


def test_without_a_card_all_passes_are_the_processors(monkeypatch):
    looked = []

    def find():
        looked.append(1)
        raise InputError("there is none")

    monkeypatch.setattr(automatic, "WORTH_MEASURING", 0.0)
    engine = Automatic(Processors(), find)
    expected = packed().accumulate(*MIXTURE)
    monkeypatch.setattr(passes, "current_engine", lambda: engine)
    assert all(packed().accumulate(*MIXTURE).log_likelihood == expected.log_likelihood for _ in range(2))
    assert looked == [1]


def test_after_a_fork_the_processors_take_over(choosing, monkeypatch):
    engine = choosing((0.0, 1e-6), (0.0, 1e-8, 1e-12))
    packed().accumulate(*MIXTURE)
    assert engine.on_card.asked[-1] == 2000
    monkeypatch.setattr("os.getpid", lambda: -1)
    packed().accumulate(*MIXTURE)
    assert engine.processors.asked[-1] == 2000


def test_auto_can_be_chosen_anywhere():
    engine = cuda.make_engine("auto")
    assert engine.name == "cpu"
    assert "auto" in devices.DEVICES


def test_data_of_more_dimensions_than_cards_pass_over_are_measured_by_nobody(choosing):
    engine = choosing((1.0, 1.0), (0.0, 0.0))
    data = kernels.pack(np.zeros((300, 13)), np.ones((300, 13)), None)
    data.accumulate(np.ones(1), np.zeros((1, 13)), np.eye(13)[None])
    assert (engine.processors.asked, engine.on_card.asked) == ([data.n_objects], [])


def test_parts_of_objects_are_too_small_to_be_sent_to_a_card():
    def find():
        raise AssertionError

    engine = Automatic(Processors(), find)
    data, rng = packed(40_000), np.random.default_rng(5)
    mixture = np.full(20, 0.05), rng.normal(size=(20, 2)), np.tile(np.eye(2), (20, 1, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passes, "current_engine", lambda: engine)
        for part in data.parts(16_384):  # as memberships and denoised values come
            part.responsibilities(*mixture)
