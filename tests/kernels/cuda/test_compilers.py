"""NVIDIA's compilers take every program, and leave no number of small problems to slow memory."""

import re
import shutil
import subprocess
from itertools import product

import pytest

from xdgmm.kernels.compiled import COMMON, DIAGONAL, FULL, PROJECTED, Layout
from xdgmm.kernels.cuda.source import OF_OBJECTS, OF_SUMS, Module, is_written_out, n_sums, used_rows
from xdgmm.kernels.cuda.tuning import tuned

NVCC = shutil.which("nvcc")
FORMS = {"common": COMMON, "diagonal": DIAGONAL, "full": FULL, "projected": PROJECTED}
EVERYTHING = [("full", D, "double", K, "plain") for D, K in product((1, 2, 3, 6), (10, 64))]
EVERYTHING += [
    (form, D, real, 5, kind)
    for form, D, real, kind in product(
        FORMS, (1, 2, 3, 6), ("double", "float"), ("plain", "beside", "information", "squared", "objects")
    )
]
EVERY_TIME = [("full", 1, "double", 5, "plain"), ("projected", 3, "float", 5, "objects")]


def module_of(form, D, real, K, kind):
    """The module that an engine would compile for a card with 227 kB of shared memory; `beside`: with all else."""
    beside = kind == "beside"
    layout = Layout.of(D, FORMS[form], int(beside and form in ("diagonal", "full")), D, int(beside), int(beside))
    information, squared, part = kind == "information", kind == "squared", OF_OBJECTS if kind == "objects" else OF_SUMS
    of_sums = n_sums(layout, information=information, squared=squared)
    arguments = layout, K if part == OF_SUMS else 1, of_sums, used_rows(layout), real
    tuning = tuned(*arguments, in_constant=part == OF_SUMS, largest=227 * 1024)
    return Module(layout, K if beside else 0, part, real, tuning, information, squared)


def parametrized(function):
    return pytest.mark.parametrize(
        "case",
        [pytest.param(case, marks=[] if case in EVERY_TIME else pytest.mark.slow) for case in EVERYTHING],
        ids=lambda case: "-".join(map(str, case)),
    )(function)


@pytest.mark.skipif(NVCC is None, reason="no nvcc is here")
@parametrized
def test_nvcc_compiles_it_and_small_sums_stay_in_registers(case, tmp_path):
    place = tmp_path / "module.cu"
    place.write_text(module_of(*case).source)
    command = [NVCC, "-std=c++17", "-arch=sm_90", "-cubin", "-Xptxas", "-v", "-o", tmp_path / "cubin", place]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    spilled = dict(re.findall(r"entry function '(\w+)'[\s\S]*?(\d+) bytes spill stores", said))
    assert spilled, said
    if case[1] <= 3:
        assert {name: number for name, number in spilled.items() if number != "0"} == {}


@parametrized
def test_nvrtc_compiles_it(case):
    nvrtc = pytest.importorskip("cupy.cuda", reason="no CuPy is here", exc_type=ImportError).nvrtc
    try:
        nvrtc.getVersion()
    except Exception as error:  # noqa: BLE001 - whatever a missing library raises
        pytest.skip(f"no NVRTC is here: {error}")
    program = nvrtc.createProgram(module_of(*case).source, "module.cu", [], [])
    try:
        nvrtc.compileProgram(program, ("-std=c++17", "-arch=compute_90"))
        assert len(nvrtc.getPTX(program)) > 1000
    except nvrtc.NVRTCError:
        pytest.fail(nvrtc.getProgramLog(program))
    finally:
        nvrtc.destroyProgram(program)


def test_more_values_than_passes_are_written_for_are_known():
    assert is_written_out(Layout.of(12, FULL, 0, 12, 0))
    assert not is_written_out(Layout.of(13, FULL, 0, 13, 0))
    assert not is_written_out(Layout.of(2, PROJECTED, 0, 13, 0))
