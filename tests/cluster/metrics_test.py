# SPDX-License-Identifier: Apache-2.0
"""Goal: what /metrics says of Raft is true: who leads how much, who is in sync, how far a follower lags, and that elections
happened. (S17)

Method: three real brokers, scraped while one of them is killed and comes back.
"""

import unittest

from broker_metrics import scrape, total
from chronik_process import wait_until
from cluster_nodes import Cluster, Writer


class Metrics(unittest.TestCase):
    def test_leaders_followers_lag_and_elections_are_told_as_they_are(self):
        with Cluster(more="[raft.advanced]\nreplica_lag_max_ms = 1000\n") as cluster:
            nodes = list(cluster.nodes.values())
            cluster.create("t", 6)
            wait_until(lambda: total(nodes, "chronik_raft_leader_count") == 6, 20, "six leaders")
            self.assertEqual(total(nodes, "chronik_raft_follower_count"), 12)
            for number, node in cluster.nodes.items():
                self.assertEqual(total([node], "chronik_raft_leader_count", node_id=str(number)), 2)
            for partition in map(str, range(6)):
                wait_until(lambda p=partition: total(nodes, "chronik_raft_isr_size", topic="t", partition=p) == 3, 10, "in sync")
            self.assertGreaterEqual(total(nodes, "chronik_raft_election_count"), 6)
            # Each once, told by the leader only.
            followers = [labels for node in nodes for labels, _ in scrape(node)["chronik_raft_follower_lag_entries"]]
            self.assertEqual(len(followers), 12)
            self.assertEqual(len({tuple(sorted(labels.items())) for labels in followers}), 12)
            self.check_a_dead_follower(cluster)

    def check_a_dead_follower(self, cluster):
        leader = cluster.leaders("t", 1)[0]
        node = cluster.nodes[leader]
        gone = leader % 3 + 1
        others = [other for number, other in cluster.nodes.items() if number != gone]
        elections = total(others, "chronik_raft_election_count")
        cluster.nodes[gone].kill()
        writer = Writer(cluster.addresses, "t")
        lag = lambda name: total([node], name, topic="t", partition="0", follower=str(gone))
        wait_until(lambda: lag("chronik_raft_follower_lag_entries") > 50, 30, "the dead one falls behind")
        wait_until(lambda: lag("chronik_raft_follower_lag_ms") > 1000, 30, "for more than a second")
        wait_until(lambda: total([node], "chronik_raft_isr_size", topic="t", partition="0") == 2, 10, "it is out")
        wait_until(lambda: total(others, "chronik_raft_leader_count") == 6, 20, "the others lead everything")
        self.assertGreaterEqual(total(others, "chronik_raft_election_count") - elections, 2, "what it led was elected anew")
        writer.stop()
        self.assertGreater(total([node], "chronik_raft_commit_latency_ms_count"), 0)
        self.assertGreater(total([node], "chronik_raft_commit_latency_ms_sum"), 0)
        self.assertGreater(total([node], "chronik_raft_rpc_latency_ms_count", rpc="append_entries"), 0)
        self.assertGreater(total(others, "chronik_raft_rpc_errors_total", error="not connected"), 0)
        cluster.nodes[gone].start(30)
        wait_until(lambda: lag("chronik_raft_follower_lag_entries") == 0, 30, "it has caught up")
        wait_until(lambda: total([node], "chronik_raft_isr_size", topic="t", partition="0") == 3, 10, "it is back")


if __name__ == "__main__":
    unittest.main(verbosity=2)
