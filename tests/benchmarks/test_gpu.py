"""The benchmark of a card times kernels alone, and loses no row that it has measured."""

import json
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import gpu
from benchmarks.report import Table, write
from xdgmm import kernels
from xdgmm.kernels import devices
from xdgmm.kernels.cuda.engine import CudaEngine

MIXTURE = np.array([0.3, 0.7]), np.array([[0.0, 0.5], [0.2, -0.3]]), np.array([0.7 * np.eye(2), 0.2 * np.eye(2)])


@pytest.fixture
def done(emulated, monkeypatch):
    """What a card does, in its order, whose clock counts it: its kernels, copies, and moments."""
    done = []

    class Card(emulated.EmulatedCard):
        def upload(self, *arguments):
            done.append("upload")
            super().upload(*arguments)

        def download(self, *arguments):
            done.append("download")
            super().download(*arguments)

        def load(self, source):
            program = super().load(source)
            launch = program.launch

            def logged(kernel, *arguments):
                done.append(kernel)
                launch(kernel, *arguments)

            program.launch = logged
            return program

        @contextmanager
        def in_order(self):
            yield

    class Event:
        def record(self):
            self.at = len(done)
            done.append("moment")

        def synchronize(self):
            pass

    card = Card(emulated.FOLDER)
    between = lambda start, end: float(end.at - start.at - 1)  # noqa: E731 - as CuPy has it
    card.cupy = SimpleNamespace(cuda=SimpleNamespace(Event=Event, get_elapsed_time=between))
    engine = CudaEngine(card, "cuda")
    monkeypatch.setattr(devices, "engine", lambda _: engine)
    return SimpleNamespace(list=done, engine=engine, setting=SimpleNamespace(card=card, engines={"cuda": engine}))


def test_the_time_on_the_card_is_that_of_kernels_alone(done):
    data = kernels.pack(np.random.default_rng(1).normal(size=(500, 2)), None, None)
    expected = data.accumulate(*MIXTURE)
    assert {"upload", "download"} <= set(done.list)
    done.list.clear()
    seconds = gpu.kernel_seconds(done.setting, lambda: data.accumulate(*MIXTURE))
    assert seconds == 2e-3  # each kernel takes one of a thousand parts of a second
    first, last = done.list.index("moment"), len(done.list) - done.list[::-1].index("moment")
    assert set(done.list[first:last]) == {"moment", "accumulate", "add_chunks"}
    assert not any(isinstance(program, gpu.Watched) for program in done.engine.programs.values())
    assert data.accumulate(*MIXTURE).log_likelihood == expected.log_likelihood


def test_kernels_that_are_begun_again_write_the_same_sums(done):
    data = kernels.pack(np.random.default_rng(2).normal(size=(300, 2)), None, None)
    data.accumulate(*MIXTURE)
    launches = gpu.launches_of(done.engine, lambda: data.accumulate(*MIXTURE))
    *_, count, out = launches[-1].args[-1]
    before, after = np.empty(int(count)), np.empty(int(count))
    done.engine.card.download(out, before)
    done.engine.card.upload(np.full(int(count), np.nan), out)
    for launch in launches:
        launch()
    done.engine.card.download(out, after)
    np.testing.assert_array_equal(after, before)


def test_rows_that_were_measured_are_written_although_the_next_one_never_ends(tmp_path, capsys):
    def section():
        table = Table("passes", "ms", markdown=True)
        for n in range(3):
            if n == 2:
                raise KeyboardInterrupt
            table.rows.append({"N": n})
            yield table

    path = tmp_path / "figures.json"
    with pytest.raises(KeyboardInterrupt):
        write(gpu.by_row(section()), path)
    (table,) = json.loads(path.read_text())["tables"]
    assert (table["rows"], table["complete"]) == ([{"N": 0}, {"N": 1}], False)
    assert [each.name for each in tmp_path.iterdir()] == ["figures.json"]
    assert "passes" not in capsys.readouterr().out


def test_a_table_is_printed_once_when_it_is_complete(tmp_path, capsys):
    def section():
        table = Table("passes", "ms")
        for n in range(3):
            table.rows.append({"N": n})
            yield table

    write(gpu.by_row(section()), tmp_path / "figures.json")
    assert capsys.readouterr().out.count("passes") == 1
    (table,) = json.loads((tmp_path / "figures.json").read_text())["tables"]
    assert (len(table["rows"]), table["complete"]) == (3, True)
    assert list(gpu.by_row(iter(()))) == []
