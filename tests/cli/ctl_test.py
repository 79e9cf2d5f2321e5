# SPDX-License-Identifier: Apache-2.0
"""Goal: an operator sees and steers a cluster with chronikctl, whose answers and exit codes scripts can rely on. (B6)

Method: real brokers, one and three; every command as a process.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from chronik_process import BUILD, Chronikd, wait_until

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "cluster"))
from cluster_test import Cluster  # pylint: disable=wrong-import-position

CTL = BUILD / "bin/chronikctl"
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith("CHRONIK_")}


class Answer:
    def __init__(self, run):
        self.code, self.out, self.err = run.returncode, run.stdout, run.stderr

    @property
    def json(self):
        return json.loads(self.out)


def ctl(*args, stdin=""):
    return Answer(subprocess.run([str(CTL), *map(str, args)], input=stdin, capture_output=True, text=True, timeout=60,
                                 env=ENVIRONMENT))


class CtlTest(unittest.TestCase):
    def ok(self, *args, stdin=""):
        answer = ctl(*args, stdin=stdin)
        self.assertEqual(answer.code, 0, f"{args}: {answer.out}{answer.err}")
        return answer

    def ask(self, node, *args):
        return self.ok("--data-dir", node.data_dir, "--format", "json", *args).json


class OneNode(CtlTest):
    def test_wrong_command_lines_are_2_and_help_is_0(self):
        for args in ([], ["cluster"], ["bogus"], ["cluster", "health", "--format", "xml"], ["partitions", "transfer"]):
            self.assertEqual(ctl(*args).code, 2, args)
        for args in (["--help"], ["--version"], ["partitions", "transfer", "--help"]):
            self.ok(*args)

    def test_nobody_there_is_3_and_says_where(self):
        with tempfile.TemporaryDirectory() as directory:
            answer = ctl("--data-dir", directory, "cluster", "health")
            self.assertEqual(answer.code, 3)
            self.assertIn(f"{directory}/admin.sock", answer.err)

    def test_one_broker_is_described(self):
        with Chronikd() as node:
            for form in ("text", "json"):
                for command in (["cluster", "status"], ["cluster", "health"], ["cluster", "members"],
                                ["partitions", "list"], ["plugin", "list"]):
                    self.ok("--data-dir", node.data_dir, "--format", form, *command)
            self.assertEqual(self.ask(node, "cluster", "health")["healthy"], True)
            self.assertEqual(self.ask(node, "cluster", "members")["members"][0]["port"], node.port)
            kinds = {plugin["kind"] for plugin in self.ask(node, "plugin", "list")["plugins"]}
            self.assertEqual(kinds, {"log_store", "metrics_exporter"})
            alone = ctl("--data-dir", node.data_dir, "cluster", "safe-to-stop")
            self.assertEqual(alone.code, 10)
            self.assertIn("metadata_loses_majority", alone.out)
            missing = ctl("--data-dir", node.data_dir, "partitions", "list", "--topic", "nothing")
            self.assertEqual((missing.code, "nothing" in missing.err), (4, True))

    def test_the_endpoint_is_found_where_the_configuration_puts_it(self):
        with Chronikd(config='[admin]\nlisten = "off"\n') as node:
            self.assertFalse((node.data_dir / "admin.sock").exists())
            answer = ctl("--config", node.root / "chronik.toml", "cluster", "health")
            self.assertEqual((answer.code, "admin.listen is off" in answer.err), (2, True))
        with Chronikd() as node:
            (node.root / "found.toml").write_text(f'[broker]\ndata_dir = "{node.data_dir}"\n')
            self.ok("--config", node.root / "found.toml", "cluster", "health")
            self.ok("--admin", node.data_dir / "admin.sock", "cluster", "health")

    def test_plugins_are_inspected_without_a_broker(self):
        plugins = BUILD / "lib/chronik/plugins"
        said = self.ok("--format", "json", "plugin", "inspect", plugins / "log_wal.so").json
        self.assertEqual(said["interfaces"][0]["id"], "chronik.log_store/1")
        self.assertIn("segment_size", [option["key"] for option in said["options"]])
        listed = self.ok("--format", "json", "plugin", "list", "--dir", plugins).json["plugins"]
        self.assertEqual({pathlib.Path(p["path"]).name for p in listed}, {p.name for p in plugins.glob("*.so")})
        self.assertEqual(ctl("plugin", "inspect", "/nowhere.so").code, 4)
        self.assertEqual(ctl("plugin", "inspect", __file__).code, 1)


    def test_topics_are_created_described_and_deleted(self):
        with Chronikd(config="[broker]\nauto_create_topics = true\n") as node:
            base = ["--bootstrap", node.address]
            self.ok(*base, "topic", "create", "orders", "--partitions", 3, "--topic-config", "max.message.bytes=2000")
            self.ok(*base, "topic", "create", "other")
            said = self.ok(*base, "--format", "json", "topic", "describe", "orders").json
            self.assertEqual([p["leader"] for p in said["partitions"]], [1, 1, 1])
            self.assertEqual(said["configs"], {"max.message.bytes": "2000"})
            self.assertIn("max.message.bytes=2000", self.ok(*base, "topic", "describe", "orders").out)
            again = ctl(*base, "topic", "create", "orders")
            self.assertEqual((again.code, "exists" in again.err), (1, True), again.err)
            self.assertEqual(ctl(*base, "topic", "create", "bad name").code, 1)
            self.assertEqual(ctl(*base, "topic", "create", "x", "--topic-config", "novalue").code, 2)
            for command in (["topic", "describe"], ["topic", "delete"], ["consume"], ["produce"]):
                self.assertEqual(ctl(*base, *command, "nothing").code, 4, command)
            self.ok(*base, "topic", "delete", "orders")
            listed = self.ok(*base, "--format", "json", "topic", "list").json["topics"]
            listed = [topic for topic in listed if topic["name"] != "__consumer_offsets"]  # consume asked for a coordinator
            self.assertEqual(listed, [{"name": "other", "partitions": 1, "replication_factor": 1}], "and none was made by asking")

    def test_messages_go_in_and_come_out(self):
        with Chronikd() as node:
            base = ["--bootstrap", node.address]
            self.ok(*base, "topic", "create", "t", "--partitions", 2)
            self.assertIn("3 messages delivered", self.ok(*base, "produce", "t", "--partition", 1, stdin="a\nb\nc\n").out)
            sent = self.ok(*base, "--format", "json", "produce", "t", "--partition", 0, "--key-separator", ":", stdin="k:v:w\n")
            self.assertEqual(sent.json, {"delivered": 1, "failed": 0})
            self.assertEqual(self.ok(*base, "consume", "t", "--partition", 1).out, "a\nb\nc\n")
            self.assertEqual(self.ok(*base, "consume", "t", "--partition", 1, "--from", 1, "--count", 1).out, "b\n")
            self.assertEqual(self.ok(*base, "consume", "t", "--partition", 0, "--keys").out, "k\tv:w\n")
            self.assertEqual(self.ok(*base, "consume", "t", "--from", "end").out, "")
            lines = [json.loads(line) for line in self.ok(*base, "--format", "json", "consume", "t").out.splitlines()]
            self.assertEqual(sorted((m["partition"], m["offset"], m["key"], m["value"]) for m in lines if m["partition"]),
                             [(1, 0, None, "a"), (1, 1, None, "b"), (1, 2, None, "c")])
            self.assertEqual([(m["key"], m["value"]) for m in lines if not m["partition"]], [("k", "v:w")])
            self.assertEqual(ctl(*base, "produce", "t", "--key-separator", ":", stdin="nokey\n").code, 2)
            self.assertEqual(ctl(*base, "consume", "t", "--partition", 2).code, 4)
            self.assertEqual(ctl(*base, "consume", "t", "--from", "yesterday").code, 2)
            self.assertEqual(ctl(*base, "consume", "t", "--partition", 1, "--from", 99).code, 1)
        for command in (["topic", "list"], ["consume", "t"], ["produce", "t"]):
            self.assertEqual(ctl(*base, "--timeout", 2, *command).code, 3, command)


    def test_a_log_is_dumped_and_verified_once_the_broker_stopped(self):
        with Chronikd() as node:
            base = ["--bootstrap", node.address]
            log = ["--data-dir", node.data_dir]
            self.ok(*base, "topic", "create", "t", "--partitions", 2)
            self.ok(*base, "produce", "t", "--partition", 1, "--key-separator", ":", stdin="k:first\n")
            self.ok(*base, "produce", "t", "--partition", 1, "--acks", 1, stdin="second\nthird\n")
            for command in (["dump", "--topic", "t", "--partition", 1], ["verify"]):
                running = ctl(*log, "log", *command)
                self.assertEqual((running.code, "a broker runs" in running.err), (12, True), running.err)
            self.assertEqual(node.terminate(), 0)
            dumped = self.ok(*log, "--format", "json", "log", "dump", "--topic", "t", "--partition", 1, "--records").out
            entries = [json.loads(line) for line in dumped.splitlines()]
            self.assertEqual([e["index"] for e in entries], list(range(1, len(entries) + 1)))
            data = [e for e in entries if e["kind"] == "data"]
            self.assertTrue(all(e["batch"]["crc_ok"] for e in data))
            self.assertEqual([(r["offset"], r["key"], r["value"]) for e in data for r in e["records"]],
                             [(0, "k", "first"), (1, None, "second"), (2, None, "third")])
            self.assertEqual((data[0]["batch"]["producer_epoch"], data[0]["batch"]["base_sequence"]), (0, 0))
            self.assertGreaterEqual(data[0]["batch"]["producer_id"], 0)
            self.assertEqual(data[1]["batch"]["producer_id"], -1)
            text = self.ok(*log, "log", "dump", "--topic", "t", "--partition", 1, "--from", data[0]["index"], "--count", 1).out
            self.assertEqual((text.count("\n"), " ok " in text), (1, True), text)
            metadata = self.ok(*log, "--format", "json", "log", "dump", "--group", 1).out
            self.assertIn('"create_topic"', metadata)
            verified = self.ok(*log, "--format", "json", "log", "verify").json
            self.assertEqual([one["name"] for one in verified["logs"]], ["__meta", "t-0", "t-1"])
            self.assertEqual((verified["logs"][2]["log_end_offset"], verified["damaged"]), (3, False))
            self.assertEqual(ctl(*log, "log", "dump").code, 2)
            self.assertEqual(ctl(*log, "log", "dump", "--topic", "t", "--partition", 9).code, 4)
            self.assertEqual(ctl(*log, "log", "dump", "--topic", "x", "--partition", 0).code, 4)
            self.assertEqual(ctl(*log, "log", "verify", "--group", 99).code, 4)
            self.assertEqual(ctl("--data-dir", node.root / "nothing", "log", "verify").code, 4)
            node.start()
            self.assertEqual(self.ok(*base, "consume", "t", "--partition", 1).out, "first\nsecond\nthird\n", "reading changed nothing")

    def only_in_segments(self, node, text):
        """Whoever opens the store moves what the journal has into segments, as far as it gets before it ends."""
        self.ok("--data-dir", node.data_dir, "log", "verify")
        files = [path for path in (node.data_dir / "log_store").rglob("*") if path.is_file()]
        holders = [path for path in files if text in path.read_bytes()]
        return holders and not any(path.name.startswith("j-") for path in holders)

    def test_damage_is_found(self):
        with Chronikd() as node:
            self.ok("--bootstrap", node.address, "topic", "create", "t")
            for number in range(20):
                self.ok("--bootstrap", node.address, "produce", "t", stdin=f"a message to be damaged, {number}\n" * 50)
            self.assertEqual(node.terminate(), 0)
            wait_until(lambda: self.only_in_segments(node, b"to be damaged, 7"), 30, "what the journal had is in segments")
            damaged = 0
            for path in (node.data_dir / "log_store").rglob("*"):
                content = path.read_bytes() if path.is_file() else b""
                if b"to be damaged, 7" in content:
                    path.write_bytes(content.replace(b"to be damaged, 7", b"to be damagee, 7"))
                    damaged += 1
            self.assertGreater(damaged, 0)
            answer = ctl("--data-dir", node.data_dir, "--format", "json", "log", "verify")
            self.assertEqual(answer.code, 11, answer.out + answer.err)
            problems = {log["name"]: log["problems"] for log in answer.json["logs"]}
            self.assertEqual((len(problems["t-0"]), problems["__meta"]), (1, []), problems)
            self.assertIn("entry 9: ", problems["t-0"][0], "the noop and messages 0 to 6 stand before it")
            dump = ["--data-dir", node.data_dir, "log", "dump", "--topic", "t", "--partition", 0]
            damaged = ctl(*dump)
            self.assertEqual((damaged.code, damaged.out.count("\n")), (11, 8), damaged.out + damaged.err)
            self.assertEqual(self.ok(*dump, "--from", 10).out.count("\n"), 12, "what stands behind it can be read")


class ThreeNodes(CtlTest):
    def test_an_acked_message_is_in_three_logs(self):
        with Cluster() as cluster:
            cluster.create("t", 2)
            self.ok("--bootstrap", cluster.addresses, "produce", "t", "--partition", 1, stdin="in all three\n")
            node = cluster.nodes[1]
            wait_until(lambda: ctl("--data-dir", node.data_dir, "cluster", "health").code == 0, 20, "healthy")

            def all_have_it():
                said = [self.ask(asked, "partitions", "list", "--topic", "t")["partitions"][1]["local"]
                        for asked in cluster.nodes.values()]
                followers = [f for local in said if local["role"] == "leader" for f in local["followers"]]
                return len(followers) == 2 and all(f["lag_entries"] == 0 for f in followers)

            wait_until(all_have_it, 20, "the followers have caught up")
            for stopped in cluster.nodes.values():
                stopped.kill()
            bodies = []
            for stopped in cluster.nodes.values():
                dump = self.ok("--data-dir", stopped.data_dir, "--format", "json", "log", "dump", "--topic", "t",
                               "--partition", 1, "--records").out
                data = [json.loads(line) for line in dump.splitlines() if '"data"' in line]
                self.assertEqual([r["value"] for e in data for r in e["records"]], ["in all three"])
                bodies.append([(e["index"], e["term"], e["batch"]["crc"]) for e in data])
                self.ok("--data-dir", stopped.data_dir, "log", "verify")
            self.assertEqual(bodies[0], bodies[1])
            self.assertEqual(bodies[0], bodies[2])
            cluster.start()
            self.assertEqual(self.ok("--bootstrap", cluster.addresses, "consume", "t", "--partition", 1).out, "in all three\n")

    def test_health_follows_a_death_and_a_return(self):
        with Cluster() as cluster:
            cluster.create("t", 3)
            node = cluster.nodes[1]

            def healthy():
                return ctl("--data-dir", node.data_dir, "cluster", "health").code == 0

            wait_until(healthy, 20, "a new cluster is healthy")
            for other in cluster.nodes.values():
                self.assertTrue(self.ask(other, "cluster", "safe-to-stop")["safe"])
            cluster.nodes[3].kill()
            wait_until(lambda: not healthy(), 20, "a death is noticed")
            said = ctl("--data-dir", node.data_dir, "--format", "json", "cluster", "health").json
            self.assertEqual([r["node"] for r in said["reasons"] if r["kind"] == "dead_broker"], [3])
            unsafe = ctl("--data-dir", node.data_dir, "--format", "json", "cluster", "safe-to-stop")
            self.assertEqual(unsafe.code, 10)
            self.assertEqual({r["partition"] for r in unsafe.json["reasons"] if "topic" in r}, {0, 1, 2})
            members = {m["id"]: m["alive"] for m in self.ask(node, "cluster", "members")["members"]}
            self.assertEqual(members, {1: True, 2: True, 3: False})
            cluster.nodes[3].start(30)
            wait_until(healthy, 30, "healthy again")

    def test_a_leadership_is_moved_through_any_node(self):
        with Cluster() as cluster:
            cluster.create("t")
            for asked in cluster.nodes.values():
                before = wait_until(lambda n=asked: self.ask(n, "partitions", "list", "--topic", "t")["partitions"][0]["leader"],
                                    20, "a leader")
                to = before % 3 + 1
                moved = self.ask(asked, "partitions", "transfer", "--topic", "t", "--partition", 0, "--to", to)
                self.assertEqual(moved["leader"], to)
                for node in cluster.nodes.values():
                    wait_until(lambda n=node, t=to: self.ask(n, "partitions", "list")["partitions"][0]["leader"] == t, 10,
                               "all know it")
            leader = self.ask(cluster.nodes[to], "partitions", "list")["partitions"][0]
            self.assertEqual({f["node"] for f in leader["local"]["followers"]}, {1, 2, 3} - {to})
            base = ["--data-dir", cluster.nodes[1].data_dir, "partitions", "transfer", "--topic"]
            self.assertEqual(ctl(*base, "t", "--partition", 0, "--to", 9).code, 1)
            self.assertEqual(ctl(*base, "t", "--partition", 7, "--to", 1).code, 4)
            self.assertEqual(ctl(*base, "x", "--partition", 0, "--to", 1).code, 4)

    def test_a_node_joins_with_what_cluster_add_says_and_another_leaves(self):
        with Cluster() as cluster:
            cluster.create("t", 4)
            through = ["--data-dir", cluster.nodes[2].data_dir, "cluster"]
            client, rpc = cluster.free_addresses([4])[4]
            for node, more, code, why in ((2, ["--addr", client], 1, "node id 2 is in use"),
                                          (4, ["--addr", cluster.nodes[1].address], 1, "node 1 has the address"),
                                          (4, ["--addr", "127.0.0.1:60000"], 2, "--rpc-addr is needed"),
                                          (4, ["--addr", "0.0.0.0:9092"], 2, "no address that others can connect to"),
                                          (4, ["--addr", "nowhere"], 2, "--addr")):
                refused = ctl(*through, "add", node, *more)
                self.assertEqual((refused.code, refused.out), (code, ""), refused.err)
                self.assertIn(why, refused.err)
            add = [*through, "add", 4, "--addr", client, "--rpc-addr", rpc]
            late = ctl(*add, "--wait", "--within", 1)
            self.assertEqual(late.code, 5, late.err)
            config = cluster.root / "node-4.toml"
            self.assertEqual(ctl(*add, "--out", config).code, 0)
            self.assertEqual(config.read_text(), late.out)
            self.assertEqual(ctl(*add, "--out", config).code, 1, "a file is not overwritten")
            waiting = subprocess.Popen([str(CTL), *map(str, add), "--wait"], stdout=subprocess.DEVNULL, env=ENVIRONMENT)
            (cluster.root / "4").mkdir()
            cluster.nodes[4] = joining = Chronikd(args=["--config", str(config)], data_dir=cluster.root / "4")
            joining.host, joining.port = client.split(":")[0], int(client.split(":")[1])
            joining.start(30)
            self.assertEqual(waiting.wait(30), 0)

            left = self.ok(*through, "decommission", 1, "--wait")
            self.assertIn("node 1 is no member any more", left.out)
            self.assertRegex(left.err, "node 1 holds [1-4] partitions")
            self.assertEqual([m["id"] for m in self.ask(cluster.nodes[4], "cluster", "members")["members"] if m["registered"]],
                             [2, 3, 4])
            for partition in self.ask(cluster.nodes[4], "partitions", "list")["partitions"]:
                self.assertEqual(sorted(partition["replicas"]), [2, 3, 4])
            self.assertEqual(ctl(*through, "decommission", 9).code, 4)
            refused = ctl(*through, "decommission", 3)
            self.assertEqual(refused.code, 1)
            self.assertIn("2 brokers would be left", refused.err)

    def test_a_decommission_is_called_off(self):
        with Cluster(size=4) as cluster:
            cluster.create("t", 1, replicas=3)
            held = wait_until(lambda: self.ask(cluster.nodes[1], "partitions", "list")["partitions"][0]["replicas"], 20, "replicas")
            asked, leaving = cluster.nodes[held[0]], held[1]
            spare = ({1, 2, 3, 4} - set(held)).pop()
            cluster.nodes[spare].kill()  # the only one that could take a replica
            base = ["--data-dir", asked.data_dir, "cluster"]
            late = ctl(*base, "decommission", leaving, "--wait", "--within", 2)
            self.assertEqual(late.code, 5)
            self.assertIn(f"node {leaving} still holds 1 partitions", late.err)

            def is_leaving():
                return {m["id"]: m["leaving"] for m in self.ask(asked, "cluster", "members")["members"]}[leaving]

            self.assertTrue(is_leaving())
            self.assertIn("stays", self.ok(*base, "recommission", leaving).out)
            self.assertFalse(is_leaving())


if __name__ == "__main__":
    unittest.main(verbosity=2)
