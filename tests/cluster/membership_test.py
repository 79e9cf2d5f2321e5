# SPDX-License-Identifier: Apache-2.0
"""Goal: who takes part in a cluster may change while it serves: a node that lost its disk comes back as a new life of
itself, a log that is missing is not taken for an empty one, and a node that nobody was told of joins. (S3, S16, C5)

Method: real processes on loopback, kill -9, directories removed, librdkafka with idempotence.
"""

import shutil
import time
import unittest

from chronik_process import SLOWDOWN, wait_until
from cluster_nodes import Cluster, ClusterTest, Writer, admin, read_all

QUICK = "[raft.advanced]\nreplica_lag_max_ms = 2000\n"


class Lives(ClusterTest):
    def test_a_node_that_lost_its_disk_gets_everything_back_while_messages_flow(self):
        with Cluster(more=QUICK) as cluster:
            cluster.create("t", 3)
            writers = [Writer(cluster.addresses, "t", p) for p in range(3)]
            wait_until(lambda: min(len(w.acked) for w in writers) > 200, 30, "messages flow")
            lost = cluster.nodes[3]
            lost.kill()
            self.await_in_sync(cluster, "t", 1, [1, 2])
            shutil.rmtree(lost.root / "data")
            lost.start(30)
            self.assertIn("as its life 1", lost.log)
            self.await_in_sync(cluster, "t", 1, [1, 2, 3])
            # From now on it is needed for every majority.
            cluster.nodes[1].kill()
            killed = time.monotonic()
            wait_until(lambda: all(w.times[-1] > killed + 3 for w in writers), 60, "messages flow without node 1")
            for p, writer in enumerate(writers):
                writer.stop()
                self.assertEqual(writer.failed, [])
                self.check_exactly(writer.acked, read_all(cluster.addresses, "t", p))

    def test_a_log_that_is_missing_under_a_known_identity_is_refused_with_the_way_out(self):
        with Cluster() as cluster:
            cluster.create("t")
            node = cluster.nodes[2]
            node.kill()
            identity = node.root / "data" / "identity.json"
            kept = identity.read_bytes()
            shutil.rmtree(node.root / "data")
            identity.parent.mkdir(mode=0o700)
            identity.write_bytes(kept)
            with self.assertRaises(AssertionError):
                node.start(30)
            self.assertIn("its disk is missing or was lost", node.log)
            self.assertIn("remove identity.json", node.log)
            identity.unlink()
            node.start(30)

    def test_a_node_that_nobody_was_told_of_joins_and_takes_its_share(self):
        with Cluster(more=QUICK) as cluster:
            cluster.create("before", 3)
            writer = Writer(cluster.addresses, "before")
            wait_until(lambda: len(writer.acked) > 100, 30, "messages flow")
            number = cluster.add_node()
            cluster.nodes[number].start(30)
            cluster.create("after", 8, through=number)
            leaders = wait_until(lambda: self.spread(cluster, "after", number), 30, "two partitions led by each node")
            mine = next(p for p, leader in leaders.items() if leader == number)
            through_it = Writer(cluster.nodes[number].address, "after", mine)
            wait_until(lambda: len(through_it.acked) > 100, 30, "messages flow through it")
            through_it.stop()
            writer.stop()
            self.assertEqual(writer.failed + through_it.failed, [])
            self.check_exactly(through_it.acked, read_all(cluster.addresses, "after", mine))
            self.check_exactly(writer.acked, read_all(cluster.nodes[number].address, "before"))
            # It is known to the others by now: they find it again, and it them.
            cluster.nodes[number].kill()
            cluster.nodes[number].start(30)
            self.await_in_sync(cluster, "before", number, [1, 2, 3])

    def test_a_decommissioned_node_loses_everything_it_has_and_no_client_notices(self):
        with Cluster(more=QUICK) as cluster:
            number = cluster.add_node()
            cluster.create("t", 6)
            status, said = admin(cluster.nodes[2], "POST", "/v1/brokers/1/decommission")
            self.assertEqual(status, 409, said)
            self.assertIn("2 brokers would be left", said["message"])
            cluster.nodes[number].start(30)
            writers = [Writer(cluster.addresses, "t", p) for p in range(6)]
            wait_until(lambda: min(len(w.acked) for w in writers) > 100, 30, "messages flow")
            asked = time.monotonic()
            self.assertEqual(admin(cluster.nodes[2], "POST", "/v1/brokers/1/decommission"), (200, {"leaving": True}))
            ids = lambda: [member["id"] for member in admin(cluster.nodes[2], "GET", "/v1/cluster")[1]["members"]
                           if member["registered"]]
            wait_until(lambda: ids() == [2, 3, 4], 60, "it is no member any more")
            print(f"decommissioned after {time.monotonic() - asked:.1f} s")
            for partition in cluster.partitions("t", 2).values():
                self.assertNotIn(1, partition.replicas)
            self.assertEqual(cluster.nodes[1].terminate(), 0)
            stopped = time.monotonic()
            wait_until(lambda: all(w.times[-1] > stopped + 1 for w in writers), 30, "messages flow without it")
            for p, writer in enumerate(writers):
                writer.stop()
                self.assertEqual(writer.failed, [])
                self.check_exactly(writer.acked, read_all(cluster.nodes[number].address, "t", p))
                self.assertLess(writer.longest_gap(asked), 3 * SLOWDOWN)
            # Its data directory is of no use any more; an empty one is a new broker.
            shutil.rmtree(cluster.nodes[1].root / "data")
            cluster.nodes[1].start(30)
            wait_until(lambda: ids() == [1, 2, 3, 4], 30, "it is back as another one")

    @staticmethod
    def spread(cluster, topic, through):
        leaders = cluster.leaders(topic, through)
        return leaders if sorted(leaders.values()) == [1, 1, 2, 2, 3, 3, 4, 4] else None


if __name__ == "__main__":
    unittest.main(verbosity=2)
