"""Who may talk to the server, and what is left when it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from bokeh.server.urls import per_app_patterns, toplevel_patterns

from xdgmm import datasets
from xdgmm.errors import InputError
from xdgmm.explore import explore

PATIENCE = 60.0  # seconds, on a busy machine
# Every route of bokeh, a file that exists, and one that leads nowhere.
ROUTES = [
    "",
    "/static/js/bokeh.min.js",
    "/nothing",
    *(re.sub(r"\(\.\*\)", "x", pattern[0]).rstrip("?$") for pattern in (*toplevel_patterns, *per_app_patterns)),
]
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
KILL = 9
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture(scope="module")
def server(serve):
    with serve() as (_, url):
        yield urlsplit(url)


def status(server, route="", host=None, *, below=True, **headers):
    connection = HTTPConnection(server.hostname, server.port, timeout=PATIENCE)
    try:
        connection.putrequest("GET", (server.path if below else "") + route, skip_host=True)
        if host != "":
            connection.putheader("Host", host or server.netloc)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("route", ROUTES)
def test_no_route_answers_a_foreign_host(server, route):
    assert status(server, route, f"evil.example:{server.port}") == 403
    assert status(server, route, "127.0.0.1") == 403
    assert status(server, route, "") in (400, 403)


@pytest.mark.parametrize("route", ROUTES)
def test_no_route_answers_a_page_of_a_foreign_origin(server, route):
    for origin in ("http://evil.example", "null", f"https://{server.netloc}", "http://localhost:1", "file://"):
        assert status(server, route, Origin=origin) == 403
    assert status(server, route, Sec_Fetch_Site="cross-site", Sec_Fetch_Dest="script") == 403
    assert status(server, route, Sec_Fetch_Site="same-site", Sec_Fetch_Dest="iframe") == 403


def test_pages_of_its_own_are_answered_and_so_are_links_to_it(server):
    assert status(server) == 200
    assert status(server, "/static/js/bokeh.min.js") == 200
    assert status(server, host=f"localhost:{server.port}", Origin=f"http://localhost:{server.port}") == 200
    assert status(server, Sec_Fetch_Site="cross-site", Sec_Fetch_Dest="document") == 200


def test_who_does_not_know_the_name_of_the_page_finds_nothing(server):
    assert len(server.path) > 30
    for route in ("/", "/static/js/bokeh.min.js", "/autoload.js", "/metadata", "/x" + server.path):
        assert status(server, route, below=False) == 404
    assert status(server, "/ws", below=False, **UPGRADE, Origin=f"http://{server.netloc}") == 404


def test_the_websocket_is_opened_for_pages_of_its_own_alone(server):
    own = f"http://{server.netloc}"
    assert status(server, "/ws", **UPGRADE, Origin=own) == 101
    assert status(server, "/ws", **UPGRADE, Origin="http://evil.example") == 403
    assert status(server, "/ws", f"evil.example:{server.port}", **UPGRADE, Origin=own) == 403
    assert status(server, "/ws", f"evil.example:{server.port}", **UPGRADE) == 403


@ON_LINUX
def test_no_other_address_of_the_machine_leads_to_it(server):
    others = {"127.0.0.2", *(each[4][0] for each in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET))}
    for address in others - {"127.0.0.1"}:
        with socket.socket() as connection, pytest.raises(ConnectionRefusedError):
            connection.connect((address, server.port))


def children(number):
    """Processes that a process has started, and these in turn."""
    found = []
    for task in Path(f"/proc/{number}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *children(child)]
    return found


def wait_until(holds):
    end = time.monotonic() + PATIENCE
    while not (value := holds()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return value


def exists(number):
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@ON_LINUX
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 128 + signal.SIGTERM), (KILL, -KILL)])
def test_nothing_is_left_when_the_server_ends(serve, sent, code, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with serve(datasets.path("hydrus1")) as (process, url):
        assert status(urlsplit(url)) == 200
        started = wait_until(lambda: len(found := children(process.pid)) >= 2 and found)  # the worker, and its tracker
        process.send_signal(sent)
        assert process.wait(PATIENCE) == code
        assert "Traceback" not in process.stderr.read()
        wait_until(lambda: not any(map(exists, started)))
    assert [path for path in tmp_path.iterdir() if path.name.startswith("xdgmm")] == []


@ON_LINUX
def test_ctrl_c_in_the_terminal_reaches_the_process_of_a_page_too_without_a_word(serve):
    with serve(datasets.path("hydrus1")) as (process, url):
        assert status(urlsplit(url)) == 200
        started = wait_until(lambda: len(found := children(process.pid)) >= 2 and found)
        for number in (*started, process.pid):
            os.kill(number, signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        assert process.stderr.read() == ""
        wait_until(lambda: not any(map(exists, started)))


def test_a_port_that_is_in_use_is_refused_in_a_sentence(server):
    command = [sys.executable, "-c", "from xdgmm.cli import main; main()", "explore", "--no-browser"]
    done = subprocess.run(
        [*command, "--port", str(server.port)], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == 2
    assert f"`port` (--port) {server.port} cannot be used: Address already in use; leave it out" in done.stderr


def test_a_port_that_is_no_port_is_refused():
    with pytest.raises(InputError, match="ports are numbers"):
        explore(port=70000)
