"""`Cluster`: tasks on the workers of a Dask cluster, and one sentence where they fail."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import count
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from xdgmm.errors import InputError, KindError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

LISTEN = 1.0  # seconds between two looks at whether there are workers
PAUSE = 0.1
LOST = (
    "the connection to the Dask cluster is lost: it was closed, or its scheduler has ended; start one, make a client, "
    "and fit again"
)
NEEDED = "a DaskSource needs dask, which is not installed; pip install 'xdgmm[dask]'"


class Task(NamedTuple):
    """A task on a worker.

    Attributes
    ----------
    future : distributed.Future
    first, last : int
        Numbers of the partitions that it is about, for messages.
    """

    future: Any
    first: int
    last: int

    @property
    def name(self) -> str:
        """The partitions, for messages."""
        return f"partition {self.first}" if self.first == self.last else f"partitions {self.first} to {self.last}"


class Cluster:
    """The workers that a client of `dask.distributed` reaches.

    Parameters
    ----------
    client : distributed.Client
    patience : float
        Seconds to wait while there is no worker.

    Notes
    -----
    Nothing is scattered: each result has a recipe, so that the scheduler computes it again if its worker is lost.  The
    keys of tasks begin with what they do (``xdgmm-read``, ``xdgmm-pack``, ``xdgmm-pass``, ...), which the dashboard
    shows.

    Raises
    ------
    KindError
        If it is no client.
    """

    def __init__(self, client: Any, patience: float) -> None:
        from distributed import Client

        if not isinstance(client, Client):
            hint = "; give cluster.get_client()" if hasattr(client, "get_client") else ""
            raise KindError(f"`executor` is a {type(client).__name__}, but a dask.distributed.Client is needed{hint}")
        self.client, self.patience = client, patience
        self._own, self._numbers = uuid4().hex[:12], count()

    def new_keys(self, what: str, n: int) -> list[str]:
        """Keys of n new tasks that do the same."""
        number = next(self._numbers)
        return [f"xdgmm-{what}-{self._own}-{number}-{i}" for i in range(n)]

    def threads(self) -> dict[str, int]:
        """Threads of each worker; waits for the first worker.

        Raises
        ------
        InputError
            If there is none for too long, or the cluster is closed.
        """
        deadline = monotonic() + self.patience
        while not (found := self._threads()):
            self._check_patience(deadline)
            sleep(PAUSE)
        return found

    def _threads(self) -> dict[str, int]:
        with self._connected():
            return dict(self.client.nthreads())

    def map(
        self, what: str, function: Callable[..., Any], tasks: Sequence[Task], /, *others: Any, **same: Any
    ) -> list[Task]:
        """Call a function on the result of each task.

        Parameters
        ----------
        what : str
            The name of the new tasks in the dashboard, after ``xdgmm-``.
        function : callable
        tasks : sequence of Task
        *others : sequences
            Further arguments, one for each task.
        **same
            Keyword arguments, the same for all.
        """
        with self._connected():
            keys, futures = self.new_keys(what, len(tasks)), [task.future for task in tasks]
            made = self.client.map(function, futures, *others, key=keys, pure=False, **same)
        return [Task(future, task.first, task.last) for future, task in zip(made, tasks, strict=True)]

    def submit(
        self, what: str, function: Callable[..., Any], tasks: Sequence[Task], /, *others: Any, **same: Any
    ) -> Task:
        """Call a function on the list of the results of several tasks."""
        with self._connected():
            futures = [task.future for task in tasks]
            made = self.client.submit(function, futures, *others, key=self.new_keys(what, 1)[0], pure=False, **same)
        return Task(made, tasks[0].first, tasks[-1].last)

    def compute(self, delayed: Sequence[Any]) -> list[Task]:
        """Compute delayed objects, one of each partition."""
        with self._connected():
            futures = self.client.compute(list(delayed))
        return [Task(future, number, number) for number, future in enumerate(futures)]

    def finish(self, tasks: Sequence[Task], before: Sequence[Task] = ()) -> None:
        """Wait for tasks, whose results stay where they are.

        Parameters
        ----------
        tasks : sequence of Task
        before : sequence of Task
            Tasks whose results they need: if one of these fails, the message names its partitions.

        Raises
        ------
        InputError
            That names the partitions of the first task that failed; or if there is no worker for too long, or the
            cluster is closed.
        """
        self._wait([task.future for task in tasks])
        for task in (*before, *tasks):
            if task.future.status == "error":
                raise _failure(task)

    def results(self, tasks: Sequence[Task], before: Sequence[Task] = ()) -> list[Any]:
        """The results of tasks, in their order; what is raised, and `before`, are as in `finish`."""
        self.finish(tasks, before)
        with self._connected():
            return list(self.client.gather([task.future for task in tasks]))

    def _wait(self, futures: Sequence[Any]) -> None:
        from distributed import wait

        deadline = monotonic() + self.patience
        while True:
            try:
                with self._connected():
                    wait(futures, timeout=LISTEN)
            except TimeoutError:
                if self._threads():
                    deadline = monotonic() + self.patience
                self._check_patience(deadline)
            else:
                return

    def _check_patience(self, deadline: float) -> None:
        if monotonic() > deadline:
            raise InputError(
                f"the Dask cluster has had no worker for {self.patience:g} s; start workers, or give "
                "DaskSource(..., patience=...) the seconds to wait for them"
            )

    @contextmanager
    def _connected(self) -> Iterator[None]:
        """Say in a sentence that the cluster is gone."""
        from distributed.comm import CommClosedError
        from distributed.utils import CancelledError

        if self.client.status in ("closing", "closed"):
            raise InputError(LOST)
        try:
            with self.client.as_current():
                yield
        except TimeoutError:
            raise
        except (CommClosedError, CancelledError) as error:
            raise InputError(LOST) from error
        except Exception as error:
            if self.client.status == "running":
                raise
            raise InputError(LOST) from error  # a client that was closed meanwhile raises errors of several kinds


def _failure(task: Task) -> InputError:
    """What to say of a task that failed."""
    from distributed import KilledWorker

    from .worker_tasks import OtherVersionError

    error = task.future.exception()
    if isinstance(error, OtherVersionError):
        return error
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == "xdgmm":
        return InputError("the workers cannot import xdgmm as it is here; install the same version everywhere")
    if isinstance(error, KilledWorker):
        return InputError(
            f"{task.name}: every worker that tried ended, perhaps for lack of memory; give workers more memory, or "
            "make the partitions smaller"
        )
    return as_failure_of(task.name, error)


def as_failure_of(name: str, error: BaseException | None) -> InputError:
    """An error of a partition, with its name."""
    if isinstance(error, InputError):
        return InputError(f"{name}: {error}")
    return InputError(f"{name} cannot be computed: {type(error).__name__}: {error}")
