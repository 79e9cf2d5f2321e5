# SPDX-License-Identifier: Apache-2.0
"""A chronikd process for tests: started on free loopback ports, waited for by its own readiness, ended for sure.

CHRONIK_TEST_LOG_STORE: path of a plugin that every broker without a [plugins.log_store] of its own uses as its log store.
"""

import atexit
import contextlib
import functools
import http.client
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

BUILD = pathlib.Path(os.environ.get("CHRONIK_BUILD", pathlib.Path(__file__).parents[1] / "build/release"))
CHRONIKD = BUILD / "bin/chronikd"
LOG_STORE = os.environ.get("CHRONIK_TEST_LOG_STORE")
# ThreadSanitizer makes everything slower: then tests wait longer, and promises of speed are checked loosely or not at all.
UNDER_TSAN = "CHRONIK_SANITIZE:STRING=thread" in (BUILD / "CMakeCache.txt").read_text()
SLOWDOWN = 5 if UNDER_TSAN else 1


def free_ports(count):
    """Ports that nobody listens on now; asked for together, so that they differ. Below those that the system gives to
    outgoing connections: a broker may be started, or started again, much later."""
    first_given = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    with contextlib.ExitStack() as stack:
        ports = []
        while len(ports) < count:
            s = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                s.bind(("127.0.0.1", random.randrange(10000, first_given)))
                ports.append(s.getsockname()[1])
        return ports


def wait_until(condition, seconds, what):
    """Polls `condition` every few milliseconds; its first true value is returned."""
    seconds *= SLOWDOWN
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.005)


@functools.cache
def plugins_with(plugin):
    """A plugin directory that has `plugin` beside those of the build: a broker loads from one directory only."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="chronik-plugins-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    for path in [*(BUILD / "lib/chronik/plugins").glob("*.so"), pathlib.Path(plugin)]:
        shutil.copy(path, directory)
    return directory


@functools.cache
def races():
    """Where a broker built with ThreadSanitizer writes its reports. If there are any, the test program fails at its end:
    nobody sees the exit code of a broker that is killed."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="chronik-races-"))

    def fail_if_any():
        reports = [path.read_text(errors="replace") for path in directory.iterdir()]
        shutil.rmtree(directory, ignore_errors=True)
        if reports:
            print("FAILED: a broker reported\n", *reports, flush=True)
            os._exit(66)
    atexit.register(fail_if_any)
    return directory


class Chronikd:
    """One broker and its data directory. Use as a context manager; restart() keeps directory and ports."""

    def __init__(self, args=(), config=None, data_dir=None, env=None, prefix=()):
        self.own_dir = data_dir is None
        self.root = pathlib.Path(data_dir or tempfile.mkdtemp(prefix="chronik-test-"))
        self.host = "127.0.0.1"
        self.port, self.http_port = free_ports(2)
        self.args = list(args)
        if "--check-plugins" not in self.args:
            self.args += ["--check-plugins", "full"]  # a plugin that breaks its contract fails every test
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("CHRONIK_")} | (env or {})
        self.env["TSAN_OPTIONS"] = f'{self.env.get("TSAN_OPTIONS", "")}:log_path={races()}/race'
        self.prefix = list(prefix)
        self.process = None
        if LOG_STORE and "[plugins.log_store]" not in (config or ""):
            config = f'{config or ""}\n[plugins.log_store]\nplugin = "{pathlib.Path(LOG_STORE).stem}"\n'
            self.args += ["--plugin-dir", str(plugins_with(LOG_STORE))]
        if config is not None:
            (self.root / "chronik.toml").write_text(config)
            self.args += ["--config", str(self.root / "chronik.toml")]

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    @property
    def data_dir(self):
        return self.root / "data"

    @property
    def log(self):
        path = self.root / "chronikd.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def command(self):
        return self.prefix + [str(CHRONIKD), "--data-dir", str(self.data_dir), "--listen", self.address,
                              "--http-listen", f"{self.host}:{self.http_port}", *self.args]

    def start(self, ready_within=20):
        with open(self.root / "chronikd.log", "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            env=self.env, start_new_session=True)
        begin = time.monotonic()
        wait_until(self._ready_or_dead, ready_within, f"broker ready; its log:\n{self.log}")
        if self.process.poll() is not None:
            raise AssertionError(f"chronikd ended with {self.process.returncode}:\n{self.log}")
        return time.monotonic() - begin

    def _ready_or_dead(self):
        return self.process.poll() is not None or self.http("/readyz")[0] == 200

    def http(self, path):
        """(status, body); status 0 if nobody answers."""
        connection = http.client.HTTPConnection(self.host, self.http_port, timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    def kill(self):
        """kill -9 of the process and whatever traces it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def terminate(self, within=30):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within)

    def restart(self):
        self.kill()
        return self.start()

    def rss_kib(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("no VmRSS")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, exc_type, exc, trace):
        if self.process is not None and self.process.poll() is None:
            self.kill()
        if exc_type is not None:
            print(f"--- log of {self.address} (last 60 lines)\n" + "\n".join(self.log.splitlines()[-60:]))
        if self.own_dir:
            shutil.rmtree(self.root, ignore_errors=True)
