"""Files that are sent by a browser: read by the doors of the command line, bounded, and nowhere kept."""

import gzip
import tempfile
from base64 import b64encode

import numpy as np
import pytest

from xdgmm import datasets
from xdgmm.errors import InputError
from xdgmm.explore import read_file, uploads
from xdgmm.explore.uploads import read_upload

CSV = b"v,e_v\n1.0,0.1\n2.0,0.2\n3.5,0.1\n"


def upload(name, content, **options):
    return read_upload(None, name, len(content), b64encode(content).decode(), **options)


@pytest.fixture(autouse=True)
def nothing_is_kept(tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("suffix", ["csv", "fits", "ecsv", "vot"])
def test_an_upload_is_read_as_the_same_file_from_the_command_line(suffix, tmp_path):
    file = tmp_path / f"stars.{suffix}"
    table = datasets.load("hydrus1")[["v", "e_v"]]
    table.meta = {}
    table.write(file, **({"format": "votable"} if suffix == "vot" else {}))
    sent, read = upload(file.name, file.read_bytes()), read_file(file)
    assert sent.name == f"stars.{suffix}"
    assert np.array_equal(sent.observations.values, read.observations.values)
    assert np.array_equal(sent.observations.noise, read.observations.noise)
    assert sent.remarks == read.remarks
    assert "errors of v taken from e_v" in sent.in_words
    assert sent.path is None


def test_the_name_of_a_file_leads_nowhere(tmp_path):
    outside = tmp_path / "outside.csv"
    for name in (f"../../{outside.name}", str(outside), f"..\\{outside.name}"):
        assert upload(name, CSV).name == "outside.csv"
    assert not outside.exists()


def test_names_of_any_length_and_letters_are_taken():
    for name in ("", "/", "x" * 10_000 + ".csv", "\x00\x1b[31m<script>.csv", "ν.csv"):
        assert upload(name, CSV).observations.n_objects == 3


def test_messages_call_the_file_as_the_user_does():
    with pytest.raises(InputError, match=r"'mine\.csv' is empty") as found:
        upload("mine.csv", b"")
    assert tempfile.tempdir not in str(found.value)


def test_a_file_that_is_too_large_is_refused_with_a_way_out():
    with pytest.raises(InputError, match=r"'big.csv' has 51 MB.*at most 50.*xdgmm explore FILE"):
        read_upload(None, "big.csv", 51_000_000, "")
    with pytest.raises(InputError, match="at most 50"):
        read_upload(None, "big.csv", 3, "A" * (uploads.LARGEST_MESSAGE + 1))


def test_a_small_file_that_decompresses_to_a_large_one_is_refused(monkeypatch):
    monkeypatch.setattr(uploads, "LARGEST_UNPACKED", 2_000_000)
    assert upload("small.csv.gz", gzip.compress(CSV)).observations.n_objects == 3
    with pytest.raises(InputError, match=r"'bomb.csv.gz' has more than 2 MB when it is decompressed"):
        upload("bomb.csv.gz", gzip.compress(b"v\n" + b"1\n" * 2_000_000))


def test_contents_that_are_no_base64_are_refused():
    with pytest.raises(InputError, match="did not arrive whole"):
        read_upload(None, "x.csv", 3, "&&&")


@pytest.mark.parametrize("content", [b"\x00\x01\x02" * 100, b"\x1f\x8b damaged", b"<html></html>", b"just text"])
def test_what_is_no_table_is_one_sentence(content):
    with pytest.raises(InputError) as found:
        upload("odd.bin", content)
    assert "odd.bin" in str(found.value) or "no column of numbers" in str(found.value)
    assert "\n" not in str(found.value)


def test_columns_and_errors_can_be_chosen():
    data = upload("x.csv", CSV, columns=["e_v"], errors="none")
    assert data.columns == ("e_v",)
    assert data.observations.noise is None
