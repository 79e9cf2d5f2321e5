# SPDX-License-Identifier: Apache-2.0
"""Goal: an acked message is never lost, whatever kills the broker; a restart is quick, and a stop in order loses nothing.

Method: a real producer (librdkafka, idempotent, acks=all) writes while the broker gets kill -9 at random moments, SIGTERM, a
failing fdatasync (strace) or a full disk (tmpfs). After each restart everything that was acked is read back in order.
"""

import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import threading
import unittest

import confluent_kafka
import confluent_kafka.admin

from chronik_process import BUILD, SLOWDOWN, Chronikd, wait_until


class Writer:
    """Produces numbered messages until stopped, across restarts of the broker, and keeps what was acked, per partition."""

    def __init__(self, address, topic, partitions=3, size=100):
        admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": address})
        admin.create_topics([confluent_kafka.admin.NewTopic(topic, partitions, 1)])[topic].result(20)
        self.acked = {p: [] for p in range(partitions)}
        self.errors = []
        self.topic, self.partitions, self.size = topic, partitions, size
        self.producer = confluent_kafka.Producer({
            "bootstrap.servers": address, "enable.idempotence": True, "linger.ms": 1, "message.timeout.ms": 60000,
            "reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 50, "retry.backoff.ms": 10,
            "topic.metadata.refresh.interval.ms": 1000, "log_level": 0})
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _delivered(self, error, message):
        if error:
            self.errors.append(error)
        else:
            self.acked[message.partition()].append((message.offset(), int(message.value().split(b" ")[0])))

    def _run(self):
        number = 0
        while not self.stopping.is_set():
            for _ in range(50):
                value = f"{number} ".encode().ljust(self.size, b".")
                self.producer.produce(self.topic, value, partition=number % self.partitions, on_delivery=self._delivered)
                number += 1
            self.producer.poll(0.001)
            while len(self.producer) > 5000 and not self.stopping.is_set():
                self.producer.poll(0.01)

    def count(self):
        return sum(len(a) for a in self.acked.values())

    def __enter__(self):
        self.thread.start()
        return self

    def stop(self):
        self.stopping.set()
        self.thread.join()
        return self.producer.flush(60)

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()


def read_all(address, topic, partitions):
    """Everything in the topic: {partition: [(offset, number)]}."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": address, "group.id": "unused", "enable.auto.commit": False,
                                         "enable.auto.offset.store": False, "enable.partition.eof": True})
    consumer.assign([confluent_kafka.TopicPartition(topic, p, confluent_kafka.OFFSET_BEGINNING) for p in range(partitions)])
    out, ended = {p: [] for p in range(partitions)}, set()
    while len(ended) < partitions:
        message = consumer.poll(20)
        if message is None:
            raise AssertionError("the consumer got neither messages nor the end of the log")
        if message.error():
            if message.error().code() != confluent_kafka.KafkaError._PARTITION_EOF:
                raise AssertionError(message.error())
            ended.add(message.partition())
        else:
            ended.discard(message.partition())
            out[message.partition()].append((message.offset(), int(message.value().split(b" ")[0])))
    consumer.close()
    return out


class Crash(unittest.TestCase):
    def check_nothing_acked_is_lost(self, acked, stored):
        for partition, messages in acked.items():
            on_disk = dict(stored[partition])
            self.assertEqual(sorted(on_disk), list(range(len(on_disk))), "offsets have gaps")
            for offset, number in messages:
                self.assertEqual(on_disk.get(offset), number, f"partition {partition} offset {offset}")
            numbers = [n for _, n in stored[partition]]
            self.assertEqual(numbers, sorted(set(numbers)), f"partition {partition}: duplicates or wrong order")

    def test_kill_9_at_random_moments_loses_no_acked_message(self):
        seed = int(os.environ.get("CHRONIK_TEST_SEED", random.randrange(1 << 30)))
        rng = random.Random(seed)
        print(f"seed {seed}")
        with Chronikd() as broker, Writer(broker.address, "crash") as writer:
            for _ in range(20):
                reached = writer.count() + rng.randrange(1, 3000)
                wait_until(lambda: writer.count() >= reached, 60, f"{reached} acks; errors {writer.errors[:3]}")
                broker.restart()
            # Everything is either acked or failed now, so the comparison below is complete.
            self.assertEqual(writer.stop(), 0)
            self.assertEqual(writer.errors, [])
            broker.restart()
            self.check_nothing_acked_is_lost(writer.acked, read_all(broker.address, "crash", 3))
            print(f"{writer.count()} messages acked over 20 kills")

    def test_sigterm_under_load_fails_no_acked_write_and_ends_with_zero(self):
        with Chronikd() as broker, Writer(broker.address, "term") as writer:
            for _ in range(3):
                reached = writer.count() + 2000
                wait_until(lambda: writer.count() >= reached, 60, f"{reached} acks")
                self.assertEqual(broker.terminate(), 0)
                broker.start()
            self.assertEqual(writer.stop(), 0)
            self.assertEqual(writer.errors, [])
            self.check_nothing_acked_is_lost(writer.acked, read_all(broker.address, "term", 3))

    def test_restart_with_one_gib_of_log_serves_within_three_seconds(self):
        bench = BUILD / "bin/chronik-bench"
        if not bench.exists():
            self.skipTest("a build with ThreadSanitizer has no chronik-bench: the time of a restart is NOT covered")
        with Chronikd() as broker:
            subprocess.run([bench, "produce", "--brokers", broker.address, "--topic", "big", "--messages", "1050000",
                            "--size", "1024", "--partitions", "3"], check=True, timeout=300, stdout=subprocess.DEVNULL)
            seconds = broker.restart()
            print(f"serving {seconds:.2f} s after the start, 1 GiB of log")
            self.assertLess(seconds, 3)
            consumer = confluent_kafka.Consumer({"bootstrap.servers": broker.address, "group.id": "unused"})
            ends = [consumer.get_watermark_offsets(confluent_kafka.TopicPartition("big", p), timeout=20) for p in range(3)]
            self.assertEqual(sum(high for _, high in ends), 1050000)
            consumer.close()

    @unittest.skipUnless(shutil.which("strace"), "strace is not installed")
    def test_a_failed_fdatasync_stops_the_broker_and_keeps_what_was_acked(self):
        # A sanitized build cannot look for leaks while it is traced.
        with Chronikd(env={"ASAN_OPTIONS": "detect_leaks=0"}) as broker, Writer(broker.address, "eio") as writer:
            wait_until(lambda: writer.count() >= 500, 60, "500 acks")
            tracer = subprocess.Popen(["strace", "-f", "-qq", "-p", str(broker.process.pid), "-o", "/dev/null", "-e",
                                       "trace=fdatasync,fsync", "-e", "inject=fdatasync,fsync:error=EIO"],
                                      stderr=subprocess.PIPE)
            code = broker.process.wait(30 * SLOWDOWN)
            tracer.wait(10)
            tracer.stderr.close()
            self.assertEqual(code, 74, f"EX_IOERR is what the operator is promised; log:\n{broker.log[-2000:]}")
            acked = {p: list(a) for p, a in writer.acked.items()}
            broker.start()
            writer.stop()
            self.check_nothing_acked_is_lost(acked, read_all(broker.address, "eio", 3))

    @unittest.skipUnless(os.geteuid() == 0, "only root can mount a small file system")
    def test_a_full_disk_refuses_produce_serves_reads_and_recovers(self):
        root = tempfile.mkdtemp(prefix="chronik-full-")
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", root], capture_output=True)
        if mounted.returncode != 0:
            os.rmdir(root)
            self.skipTest("mount is not permitted here: " + mounted.stderr.decode().strip())
        config = '[plugins.log_store]\njournal_file_size = "4MiB"\n'
        try:
            with Chronikd(data_dir=root, config=config) as broker:
                producer = confluent_kafka.Producer({"bootstrap.servers": broker.address, "message.timeout.ms": 4000 * SLOWDOWN,
                                                     "acks": "all", "linger.ms": 0, "log_level": 0})
                acked, failed = [], []

                def delivered(error, message):
                    (failed if error else acked).append(error or message.offset())

                def produce(count):
                    for _ in range(count):
                        producer.produce("full", os.urandom(100_000), partition=0, on_delivery=delivered)
                    producer.flush(60)

                filler = pathlib.Path(root) / "filler"
                produce(10)
                self.assertEqual((len(acked), failed), (10, []))
                with open(filler, "wb") as f:
                    try:
                        while f.write(b"x" * 65536):
                            f.flush()
                    except OSError:
                        pass
                for _ in range(30):
                    produce(10)
                    if failed:
                        break
                self.assertTrue(failed, "produce never failed on a full disk")
                self.assertIsNone(broker.process.poll(), "the broker must survive a full disk")
                seen = read_all_offsets(broker.address, "full")
                self.assertTrue(set(acked) <= set(seen), "acked messages must stay readable on a full disk")
                filler.unlink()
                wait_until(lambda: self.one_more(producer, acked, failed), 60, "produce works again after space was freed")
                self.assertTrue(set(acked) <= set(read_all_offsets(broker.address, "full")))
        finally:
            subprocess.run(["umount", "-l", root], check=False)
            os.rmdir(root)

    @staticmethod
    def one_more(producer, acked, failed):
        before = len(acked)
        producer.produce("full", b"again", partition=0,
                         on_delivery=lambda e, m: (failed if e else acked).append(e or m.offset()))
        producer.flush(20)
        return len(acked) > before


def read_all_offsets(address, topic):
    consumer = confluent_kafka.Consumer({"bootstrap.servers": address, "group.id": "unused", "enable.auto.commit": False,
                                         "enable.auto.offset.store": False, "enable.partition.eof": True})
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, confluent_kafka.OFFSET_BEGINNING)])
    offsets = []
    while True:
        message = consumer.poll(20)
        if message is None:
            raise AssertionError("silence")
        if message.error():
            consumer.close()
            return offsets
        offsets.append(message.offset())


if __name__ == "__main__":
    unittest.main(verbosity=2)
