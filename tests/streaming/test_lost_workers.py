"""Workers that are lost in the middle of a fit, and clusters that end."""

import os
import signal

import numpy as np
import pytest
from astropy.table import Table
from dask import delayed
from distributed import Client, LocalCluster

from xdgmm import XDGMM, GaussianMixture
from xdgmm.errors import InputError
from xdgmm.streaming import DaskSource

pytestmark = pytest.mark.slow
START = GaussianMixture([0.5, 0.5], [[-3.0], [8.0]], [[[4.0]], [[9.0]]])


def partitions():
    for number in range(8):
        rng = np.random.default_rng(number)
        e = rng.uniform(0.5, 3.0, 500)
        v = np.where(rng.random(500) < 0.4, -5.0, 5.0) + e * rng.standard_normal(500) + rng.standard_normal(500)
        yield delayed(Table({"v": v, "e_v": e}))


def test_a_fit_goes_on_to_the_same_bits_after_a_worker_is_killed_and_says_when_the_cluster_ends():
    source = DaskSource(list(partitions()), "v", patience=1.0)
    expected = XDGMM(2, init=START).fit(source)
    killed = []

    def kill_one(progress):
        if not killed and progress.passes >= 3:
            address, process = next(iter(client.run(os.getpid).items()))
            killed.extend(key for key in client.has_what()[address] if key.startswith("xdgmm-pack"))
            os.kill(process, signal.SIGKILL)

    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as local:
        client = Client(local, set_as_default=False)
        found = XDGMM(2, init=START, callback=kill_one).fit(source, executor=client)
        assert killed  # it held some of the objects
        assert found.n_iter_ > 6
        for name in ("weights_", "means_", "covariances_"):
            assert getattr(found, name).tobytes() == getattr(expected, name).tobytes(), name
        np.testing.assert_array_equal(found.result_.history, expected.result_.history)

        local.scale(0)
        with pytest.raises(InputError, match=r"the Dask cluster has had no worker for 1 s; start workers"):
            XDGMM(2, init=START).fit(source, executor=client)
    with pytest.raises(InputError, match="the connection to the Dask cluster is lost"):
        XDGMM(2, init=START).fit(source, executor=client)
    client.close()
