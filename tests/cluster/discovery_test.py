# SPDX-License-Identifier: Apache-2.0
"""Clusters that are held together by a real DNS server, whose records come, change and go while they run."""

import contextlib
import select
import socket
import time
import unittest

import dns_server
from chronik_process import free_ports, wait_until
from cluster_nodes import Cluster, ClusterTest, TRANSPORT, Writer, admin, read_all

PATIENCE = 30
QUICK = f"""
[plugins.transport]
plugin = "{TRANSPORT}"
reconnect_backoff_max = "200ms"
[plugins.discovery]
refresh_min = "100ms"
"""


class DnsCluster(Cluster):
    """Nodes that the DNS names; `listed`: cluster.peers names them, too, for when it does not answer."""

    def __init__(self, dns, listed=False):
        self.dns, self.listed, self.rpc = dns, listed, {}
        super().__init__()

    def write_config(self, name):
        self.rpc |= {number: int(peer.split('rpc_addr = "')[1].split('"')[0].split(":")[1])
                     for number, peer in enumerate(self.peers, 1)}
        who = "[cluster.peers]\nnodes = [\n  " + ",\n  ".join(self.peers) + "\n]\n"
        config = self.root / name
        config.write_text("[cluster]\nenabled = true\n" + (who if self.listed else "[cluster.discovery]\nfounders = 3\n") + QUICK)
        return config

    def make_node(self, number, client, config):
        node = super().make_node(number, client, config)
        self.listen_at(number, self.rpc[number], node)
        node.env |= {"CHRONIK_CLUSTER_DISCOVERY_MODE": "dns", "CHRONIK_CLUSTER_DNS_SERVICE": dns_server.SERVICE}
        return node

    def listen_at(self, number, rpc, node=None):
        node = node or self.nodes[number]
        if "--rpc-listen" in node.args:
            node.args = node.args[:-2]
        node.args += ["--rpc-listen", f"127.0.0.1:{rpc}"]
        self.rpc[number] = rpc

    def publish(self, *numbers, more=None):
        self.dns.publish({number: self.rpc[number] for number in numbers} | (more or {}))

    def cluster_ids(self):
        return {admin(node, "GET", "/v1/cluster")[1]["cluster_id"] for node in self.nodes.values()}


def tries_to_connect(listener, seconds):
    """Whether somebody connects within that time."""
    if not select.select([listener], [], [], seconds)[0]:
        return False
    listener.accept()[0].close()
    return True


class Discovery(ClusterTest):
    def setUp(self):
        if dns_server.why_not:
            self.skipTest(f"no DNS server of its own: {dns_server.why_not}")
        self.dns = self.enterContext(dns_server.DnsServer())

    def test_nodes_wait_until_the_dns_names_all_founders_and_a_fourth_joins_by_the_dns_alone(self):
        cluster = DnsCluster(self.dns)
        cluster.publish(1, 2)
        with contextlib.ExitStack() as stack:
            starting = [node for number, node in cluster.nodes.items()]
            stack.callback(lambda: cluster.__exit__(None, None, None))
            for node in starting[:2]:
                self.assertIsNone(self.start_only(node))
            wait_until(lambda: all("cluster.discovery.founders = 3 are needed" in n.log for n in starting[:2]), PATIENCE,
                       "nodes 1 and 2 say what they wait for")
            self.assertFalse(any("founding" in node.log for node in starting[:2]), "two of three do not know who the third is")
            cluster.publish(1, 2, 3)
            starting[2].start(PATIENCE)
            for node in starting[:2]:
                wait_until(lambda node=node: node.http("/readyz")[0] == 200, PATIENCE, f"the cluster is there: {node.log}")
            self.assertEqual(len(cluster.cluster_ids()), 1)
            cluster.create("t")
            writer = Writer(cluster.nodes[1].address, "t")
            number = cluster.add_node()
            cluster.publish(1, 2, 3, number)
            cluster.nodes[number].start(PATIENCE)
            self.assertIn("has let this one join", cluster.nodes[number].log)
            self.assertEqual(len(cluster.cluster_ids()), 1)
            cluster.create("after", 4, through=number, replicas=3)
            wait_until(lambda: len(writer.acked) > 100, PATIENCE, "messages flow")
            writer.stop()
            self.assertEqual(writer.failed, [])
            self.check_exactly(writer.acked, read_all(cluster.nodes[number].address, "t"))

    def test_all_nodes_move_and_find_each_other_by_the_dns_again(self):
        cluster = DnsCluster(self.dns)
        cluster.publish(1, 2, 3)
        with cluster:
            cluster.create("t")
            writer = Writer(cluster.addresses, "t")
            wait_until(lambda: len(writer.acked) > 100, PATIENCE, "messages flow")
            writer.stop()
            for number, rpc in zip(cluster.nodes, free_ports(3)):
                cluster.nodes[number].kill()
                cluster.listen_at(number, rpc)
            cluster.publish(1, 2, 3)
            cluster.start()
            self.check_exactly(writer.acked, read_all(cluster.addresses, "t"))

    def test_one_node_moves_while_the_others_serve(self):
        cluster = DnsCluster(self.dns, listed=True)  # where it was is what the configuration says for ever
        cluster.publish(1, 2, 3)
        with cluster:
            cluster.create("t")
            writer = Writer(cluster.addresses, "t")
            cluster.nodes[3].kill()
            cluster.listen_at(3, free_ports(1)[0])
            cluster.publish(1, 2, 3)
            cluster.nodes[3].start(PATIENCE)
            self.await_in_sync(cluster, "t", 1, [1, 2, 3])
            writer.stop()
            self.assertEqual(writer.failed, [])
            self.check_exactly(writer.acked, read_all(cluster.addresses, "t"))

    def test_who_is_named_is_looked_for_and_who_is_not_any_more_is_not(self):
        cluster = DnsCluster(self.dns)
        cluster.publish(1, 2, 3)
        with cluster, socket.create_server(("127.0.0.1", 0)) as stranger:
            self.assertFalse(tries_to_connect(stranger, 0))
            cluster.publish(1, 2, 3, more={9: stranger.getsockname()[1]})
            for _ in range(6):
                self.assertTrue(tries_to_connect(stranger, PATIENCE), "it is looked for, again and again")
            cluster.publish(1, 2, 3)
            for node in cluster.nodes.values():
                wait_until(lambda node=node: "node 9 is not named any more" in node.log, PATIENCE, "it is forgotten")
            wait_until(lambda: not tries_to_connect(stranger, 2), PATIENCE, "nobody looks for it")
            cluster.create("t")

    def test_a_cluster_goes_on_without_the_dns_and_a_node_that_starts_uses_the_configuration(self):
        cluster = DnsCluster(self.dns, listed=True)
        cluster.publish(1, 2, 3)
        with cluster:
            cluster.create("t")
            writer = Writer(cluster.addresses, "t")
            wait_until(lambda: len(writer.acked) > 100, PATIENCE, "messages flow")
            self.dns.stop()
            for node in cluster.nodes.values():
                wait_until(lambda node=node: "the last answer is kept" in node.log, PATIENCE, "it notices")
            cluster.nodes[2].kill()
            began = len(cluster.nodes[2].log)
            cluster.nodes[2].start(PATIENCE)
            self.await_in_sync(cluster, "t", 1, [1, 2, 3])
            said = [line for line in cluster.nodes[2].log[began:].splitlines() if "falls back to the nodes of the conf" in line]
            self.assertEqual(len(said), 1, said)
            without = time.monotonic()
            wait_until(lambda: writer.times[-1] > without + 1, PATIENCE, "messages flow without the DNS")
            for node in cluster.nodes.values():
                self.assertLessEqual(node.log.count("the last answer is kept"), 1, "one warning an outage")
            writer.stop()
            self.assertEqual(writer.failed, [])
            self.check_exactly(writer.acked, read_all(cluster.addresses, "t"))

    @staticmethod
    def start_only(node):
        """Starts it without waiting for its cluster."""
        patience, node._ready_or_dead = node._ready_or_dead, lambda: True
        try:
            node.start(PATIENCE)
        finally:
            node._ready_or_dead = patience
        return node.process.poll()


if __name__ == "__main__":
    dns_server.enter()
    unittest.main(verbosity=2)
