import subprocess
import sys
import threading

import pytest

from xdgmm.errors import OutputError
from xdgmm.files import write_lock

HOLD = """
import sys
from xdgmm.files import write_lock
with write_lock(sys.argv[1]):
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """Another process that has the lock of chain.h5 until its standard input is closed."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "chain.h5"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "locked\n"
        yield process
        process.stdin.close()


def test_another_process_is_refused_while_one_writes(tmp_path, other):
    path = tmp_path / "chain.h5"
    with pytest.raises(OutputError, match=r"chain\.h5' is being written by another process"), write_lock(path):
        pass
    with write_lock(tmp_path / "other.h5"):
        pass
    other.stdin.close()
    other.wait(20)
    with write_lock(path):
        pass


def test_the_lock_of_a_killed_process_is_gone(tmp_path, other):
    other.kill()
    other.wait(20)
    with write_lock(tmp_path / "chain.h5"):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="the empty file of the lock stays there")
def test_nothing_stays_behind(tmp_path):
    with write_lock(tmp_path / "chain.h5"):
        assert [path.name for path in tmp_path.iterdir()] == ["chain.h5.lock"]
    assert list(tmp_path.iterdir()) == []


def test_a_second_thread_is_refused_too(tmp_path):
    refused = []

    def second():
        try:
            with write_lock(tmp_path / "chain.h5"):
                pass
        except OutputError as error:
            refused.append(str(error))

    with write_lock(tmp_path / "chain.h5"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert len(refused) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="flock is a call of Unix")
def test_never_two_at_once(tmp_path):
    inside, most = [], []

    def enter():
        for _ in range(200):
            try:
                with write_lock(tmp_path / "chain.h5"):
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()
            except OutputError:
                pass

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="flock is a call of Unix")
def test_a_file_system_without_locks_locks_nothing(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", refused)
    with write_lock(tmp_path / "chain.h5"), write_lock(tmp_path / "chain.h5"):
        pass


def test_a_missing_folder_is_named(tmp_path):
    path = tmp_path / "nowhere" / "chain.h5"
    with pytest.raises(OutputError, match=r"nowhere.chain\.h5': No such file"), write_lock(path):
        pass
