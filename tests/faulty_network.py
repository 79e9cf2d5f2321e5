# SPDX-License-Identifier: Apache-2.0
"""A network between the nodes of a cluster that loses and delays IP packets when told to.

Every node has a network namespace. Clients reach it over a veth pair, untouched. Packets between the nodes go through TUN
devices that a process of this file reads and writes (`carry`), because not every kernel has netem. Nothing of it is seen
outside: the test itself runs in namespaces of its own (`enter`), so nobody needs to be root.
"""

import ctypes
import fcntl
import heapq
import itertools
import os
import random
import select
import struct
import subprocess
import sys
import threading
import time

from cluster_nodes import Cluster

INSIDE = "CHRONIK_TEST_IN_NAMESPACE"
CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x1001
PROBE = "ip link set lo up && ip tuntap add dev probe mode tun && ip link add probe0 type veth peer name probe1"
serial = itertools.count(1)  # a namespace that was left takes a moment to go: its names are not used again
why_not = "the test was not started as a program"


def enter():
    """Starts this program again where it may make networks; returns there, or here with `why_not` set."""
    global why_not
    if os.environ.pop(INSIDE, None):
        ip("link set lo up")
        why_not = None
        return
    try:
        probe = subprocess.run(["unshare", "-Urn", "sh", "-c", PROBE], capture_output=True, text=True, timeout=20)
        why_not = probe.stderr.strip() if probe.returncode else None
    except (OSError, subprocess.SubprocessError) as error:
        why_not = str(error)
    if why_not is None:
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "-Urn", sys.executable, *sys.orig_argv[1:]])


def ip(command):
    subprocess.run(["ip", *command.split()], check=True)


def in_new_namespace(action):
    """Calls `action` in a network namespace that no process is in; what it returns, and the namespace's file."""
    result = []

    def run():
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        result.extend([action(), os.open("/proc/thread-self/ns/net", os.O_RDONLY)])
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return result


class Network:
    """Node numbers up to 250. Everything is well at first."""

    def __init__(self):
        self.subnets, self.namespaces, self.tuns = {}, {}, {}
        self.carrier = None

    def add(self, node):
        subnet = self.subnets[node] = next(serial)

        def devices():
            ip("link set lo up")
            ip(f"link add clients type veth peer name node{subnet} netns {os.getpid()}")
            ip(f"addr add 10.1.{subnet}.2/24 dev clients")
            ip("link set clients up")
            tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"nodes", IFF_TUN_NO_PI))
            ip(f"addr add {self.rpc_host(node)}/24 dev nodes")
            ip("link set nodes up")
            return tun
        self.tuns[node], self.namespaces[node] = in_new_namespace(devices)
        ip(f"addr add 10.1.{subnet}.1/24 dev node{subnet}")
        ip(f"link set node{subnet} up")

    def start(self):
        self.carrier = subprocess.Popen(
            [sys.executable, "-B", __file__, *(f"{node}={tun}" for node, tun in self.tuns.items())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, pass_fds=list(self.tuns.values()))
        self.heal()  # answered: it runs

    def client_host(self, node):
        return f"10.1.{self.subnets[node]}.2"

    @staticmethod
    def rpc_host(node):
        return f"10.2.0.{node}"

    def prefix(self, node):
        """Of a command that is to run where the node is."""
        return ["nsenter", f"--net=/proc/{os.getpid()}/fd/{self.namespaces[node]}"]

    def set_path(self, source, target, loss=0.0, delay=0.0):
        """From now on packets from `source` to `target` get lost with this probability, or arrive later, in order."""
        self.carrier.stdin.write(f"{source} {target} {loss} {delay}\n")
        assert self.carrier.stdout.readline() == "done\n"

    def set_all(self, node, **fault):
        """Both ways between `node` and every other one."""
        for other in self.tuns:
            if other != node:
                self.set_path(node, other, **fault)
                self.set_path(other, node, **fault)

    def cut_off(self, node):
        self.set_all(node, loss=1.0)

    def heal(self):
        for node in self.tuns:
            self.set_all(node)

    def close(self):
        if self.carrier:
            self.carrier.stdin.close()
            self.carrier.stdout.close()
            self.carrier.wait()
        for fd in [*self.tuns.values(), *self.namespaces.values()]:
            os.close(fd)


class NetworkCluster(Cluster):
    """A cluster on a network of its own, `network`."""

    def __init__(self, size=3, more=""):
        self.network = Network()
        super().__init__(size, more)
        self.network.start()

    def free_addresses(self, numbers):
        for number in numbers:
            self.network.add(number)
        return {n: (f"{self.network.client_host(n)}:9092", f"{self.network.rpc_host(n)}:9500") for n in numbers}

    def make_node(self, number, client, config):
        node = super().make_node(number, client, config)
        node.prefix = self.network.prefix(number)
        return node

    def __exit__(self, exc_type, exc, trace):
        super().__exit__(exc_type, exc, trace)
        self.network.close()


def carry(tuns):
    """Moves IPv4 packets between the nodes' TUN devices until its input ends. A line of input is a rule, "done" the answer."""
    rules, waiting, order = {}, [], itertools.count()
    poller = select.epoll()
    for fd in [0, *tuns.values()]:
        os.set_blocking(fd, False)
        poller.register(fd, select.EPOLLIN)
    while True:
        for fd, _ in poller.poll(max(0, waiting[0][0] - time.monotonic()) if waiting else None):
            if fd != 0:
                receive(fd, tuns, rules, waiting, order)
            elif not follow(os.read(0, 65536), rules):
                return
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, target, packet = heapq.heappop(waiting)
            send(target, packet)


def follow(text, rules):
    for line in text.decode().splitlines():
        source, target, loss, delay = line.split()
        rules[int(source), int(target)] = float(loss), float(delay)
        os.write(1, b"done\n")
    return text


def receive(fd, tuns, rules, waiting, order):
    try:
        while True:
            packet = os.read(fd, 65536)
            if packet[0] >> 4 != 4 or packet[19] not in tuns:  # the last byte of an address is the node
                continue
            loss, delay = rules.get((packet[15], packet[19]), (0, 0))
            if delay > 0:
                heapq.heappush(waiting, (time.monotonic() + delay, next(order), tuns[packet[19]], packet))
            elif loss == 0 or random.random() >= loss:
                send(tuns[packet[19]], packet)
    except BlockingIOError:
        pass


def send(tun, packet):
    try:
        os.write(tun, packet)
    except OSError:
        pass  # no room: a packet that is lost


if __name__ == "__main__":
    carry({int(node): int(fd) for node, fd in (argument.split("=") for argument in sys.argv[1:])})
