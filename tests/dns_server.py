# SPDX-License-Identifier: Apache-2.0
"""A real DNS server that this machine asks, in namespaces of this test's own: nothing of it is seen outside, and nobody
needs to be root."""

import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile

from chronik_process import wait_until

INSIDE = "CHRONIK_TEST_IN_NAMESPACE"
PROGRAM = "/usr/sbin/dnsmasq"
SERVICE = "_chronik._tcp.brokers.test"
why_not = "the test was not started as a program"


def enter():
    """Starts this program again where it may say who the name server is; returns there, or here with `why_not` set."""
    global why_not
    if os.environ.pop(INSIDE, None):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as config:
            config.write("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
            config.flush()
            subprocess.run(["mount", "--bind", config.name, os.path.realpath("/etc/resolv.conf")], check=True)
        why_not = None
        return
    if not os.access(PROGRAM, os.X_OK):
        why_not = f"there is no {PROGRAM}: install dnsmasq-base"
        return
    try:
        probe = subprocess.run(["unshare", "-Urnm", "sh", "-c", "ip link set lo up && mount --bind /dev/null /etc/resolv.conf"],
                               capture_output=True, text=True, timeout=20)
        why_not = probe.stderr.strip() if probe.returncode else None
    except (OSError, subprocess.SubprocessError) as error:
        why_not = str(error)
    if why_not is None:
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "-Urnm", sys.executable, *sys.orig_argv[1:]])


class DnsServer:
    """dnsmasq with the records of a headless service; `publish` replaces all of them."""

    def __init__(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="chronik-dns-"))
        self.process = None

    def publish(self, ports):
        """`ports`: where each node's transport listens, by node id. The targets count from 0, as pods do."""
        self.stop()
        lines = ["port=53", "listen-address=127.0.0.1", "bind-interfaces", "no-resolv", "no-hosts", "no-poll",
                 f"pid-file={self.root}/pid", "local=/test/", "local-ttl=1"]
        for node, port in ports.items():
            target = f"chronik-{node - 1}.brokers.test"
            lines += [f"srv-host={SERVICE},{target},{port}", f"host-record={target},127.0.0.1"]
        config = self.root / "dnsmasq.conf"
        config.write_text("\n".join(lines) + "\n")
        # It stays who it is: a namespace has one user.
        self.process = subprocess.Popen([PROGRAM, "--no-daemon", f"--conf-file={config}"], stderr=subprocess.PIPE)
        wait_until(self.answers, 20, "the DNS server listens")

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"dnsmasq ended: {self.process.stderr.read().decode()}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", 53)) == 0

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stderr.close()
            self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.root, ignore_errors=True)
