import errno
import os
import signal
import subprocess
import sys
import threading

import pytest

from xdgmm.errors import OutputError
from xdgmm.files import atomic_write, atomic_writes

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="files have no such permissions there")


def write(path, text="new", **options):
    with atomic_write(path, **options) as temporary:
        temporary.write_text(text)


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.fixture(params=["links", "no links"])
def links(request, monkeypatch):
    """A file system with hard links, and one without them."""
    if request.param == "no links":

        def refused(*_, **__):
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", refused)
    return request.param


@pytest.mark.usefixtures("links")
def test_a_file_that_another_process_made_meanwhile_is_kept(tmp_path):
    path = tmp_path / "model.fits"

    def late():
        with atomic_write(path) as temporary:
            temporary.write_text("ours")
            path.write_text("theirs")

    with pytest.raises(OutputError, match=r"model\.fits': it exists already.*overwrite=True"):
        late()
    assert contents(tmp_path) == {"model.fits": "theirs"}


@pytest.mark.usefixtures("links")
def test_of_many_threads_that_write_one_name_one_succeeds(tmp_path):
    n = 8
    ready, refused = threading.Barrier(n), []

    def run(i):
        try:
            with atomic_write(tmp_path / "one.txt") as temporary:
                temporary.write_text(str(i))
                ready.wait()
        except OutputError:
            refused.append(i)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = set(range(n)) - set(refused)
    assert contents(tmp_path) == {"one.txt": str(winner)}


@POSIX
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o664])
def test_a_replaced_file_keeps_its_permissions(tmp_path, mode):
    path = tmp_path / "model.fits"
    path.write_text("old")
    path.chmod(mode)
    write(path, overwrite=True)
    assert path.stat().st_mode & 0o777 == mode
    assert path.read_text() == "new"


@POSIX
def test_a_replaced_file_is_private_while_it_is_written(tmp_path):
    path = tmp_path / "model.fits"
    path.write_text("old")
    path.chmod(0o600)
    with atomic_write(path, overwrite=True) as temporary:
        assert temporary.stat().st_mode & 0o777 == 0o600


@POSIX
def test_the_mask_of_the_process_is_never_changed(tmp_path, monkeypatch):
    def changed(_):
        raise AssertionError("other threads make files with this mask")

    monkeypatch.setattr(os, "umask", changed)
    write(tmp_path / "model.fits")


@POSIX
def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "target.fits").write_text("old")
    link = tmp_path / "link.fits"
    link.symlink_to("elsewhere/target.fits")
    write(link, overwrite=True)
    assert link.is_symlink()
    assert contents(folder) == {"target.fits": "new"}


@POSIX
def test_a_symbolic_link_to_a_missing_file_makes_that_file(tmp_path):
    link = tmp_path / "link.fits"
    link.symlink_to("target.fits")
    write(link)
    assert link.is_symlink()
    assert contents(tmp_path) == {"link.fits": "new", "target.fits": "new"}


@POSIX
def test_a_symbolic_link_into_a_missing_folder_is_refused(tmp_path):
    link = tmp_path / "link.fits"
    link.symlink_to("nowhere/target.fits")
    with pytest.raises(OutputError, match="nowhere' does not exist"):
        write(link)


@POSIX
def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.fits")
    with pytest.raises(OutputError, match="device or a pipe"):
        write(tmp_path / "pipe.fits", overwrite=True)


@POSIX
@pytest.mark.parametrize("overwrite", [False, True])
def test_the_bytes_are_on_disk_before_the_name_and_the_name_after_that(tmp_path, monkeypatch, overwrite):
    path, calls = tmp_path / "model.fits", []

    def noting(name):
        original = getattr(os, name)

        def call(*args, **options):
            if name == "fsync":
                calls.append("sync folder" if os.path.samestat(os.fstat(args[0]), tmp_path.stat()) else "sync file")
            else:
                calls.append(name)
            return original(*args, **options)

        monkeypatch.setattr(os, name, call)

    for name in ("fsync", "link", "replace"):
        noting(name)
    write(path, overwrite=overwrite)
    assert calls == ["sync file", "replace" if overwrite else "link", "sync folder"]


def test_a_full_disk_names_the_file(tmp_path):
    def full():
        with atomic_write(tmp_path / "model.fits"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OutputError, match=r"^cannot write '.*model\.fits': No space left on device$"):
        full()
    assert contents(tmp_path) == {}


def test_an_error_of_another_file_stays_what_it_is(tmp_path):
    def missing():
        with atomic_write(tmp_path / "model.fits"):
            (tmp_path / "source.fits").read_bytes()

    with pytest.raises(FileNotFoundError, match=r"source\.fits"):
        missing()


@pytest.mark.usefixtures("links")
@pytest.mark.parametrize("broken", [0, 1, 2])
def test_of_several_files_all_are_new_or_none(tmp_path, monkeypatch, broken):
    paths = [tmp_path / f"{i}.txt" for i in range(3)]
    for path in paths[:2]:  # the third is a new one
        path.write_text("old")
    before, original, published = contents(tmp_path), os.replace, []

    def replace(source, target, **options):
        if len(published) == broken:
            published.append("failed")
            raise OSError(errno.EIO, "Input/output error")
        published.append(target)
        return original(source, target, **options)

    monkeypatch.setattr(os, "replace", replace)

    def write_all():
        with atomic_writes(paths, overwrite=True) as temporaries:
            for temporary in temporaries:
                temporary.write_text("new")

    with pytest.raises(OutputError, match=f"{broken}.txt': Input/output error"):
        write_all()
    assert contents(tmp_path) == before
    write_all()
    assert contents(tmp_path) == dict.fromkeys(["0.txt", "1.txt", "2.txt"], "new")


SCRIPT = """
import os, signal, sys, time
from pathlib import Path
from xdgmm.files import atomic_write
signal.signal(getattr(signal, sys.argv[2]), signal.SIG_DFL)  # nohup starts programs with SIGHUP ignored
with atomic_write(Path(sys.argv[1]), overwrite=True) as temporary:
    temporary.write_text("half of")
    os.kill(os.getpid(), getattr(signal, sys.argv[2]))
    time.sleep(60)
"""


@POSIX
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_that_ends_the_program_leaves_the_old_file_alone(tmp_path, name):
    path = tmp_path / "model.fits"
    path.write_text("precious")
    done = subprocess.run([sys.executable, "-c", SCRIPT, path, name], capture_output=True, check=False, timeout=50)
    assert done.returncode == 128 + getattr(signal, name)
    assert contents(tmp_path) == {"model.fits": "precious"}


@POSIX
def test_signals_that_a_program_handles_itself_are_left_to_it(tmp_path):
    before, received = signal.signal(signal.SIGTERM, lambda *_: received.append(1)), []
    try:
        with atomic_write(tmp_path / "model.fits") as temporary:
            temporary.write_text("new")
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert received == [1]
    assert contents(tmp_path) == {"model.fits": "new"}
