# SPDX-License-Identifier: Apache-2.0
"""Goal: unmodified Kafka clients of Debian 12 work against one broker.

Method: kcat, kafka-python and confluent-kafka each create a topic, produce with every acks value and codec they have, and
read everything back in order. The clients are real, the broker is the release binary on loopback.
"""

import subprocess
import unittest

import confluent_kafka
import confluent_kafka.admin
import kafka
import kafka.admin

from chronik_process import Chronikd

MESSAGES = 200
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


def payloads(label):
    return [f"{label}-{i}-{'x' * (i % 50)}".encode() for i in range(MESSAGES)]


def consume_confluent(address, topic, count, partitions=1):
    """Every message of the topic, by partition, as (offset, value)."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": address, "group.id": "unused", "enable.auto.commit": False,
                                         "enable.auto.offset.store": False, "auto.offset.reset": "earliest"})
    consumer.assign([confluent_kafka.TopicPartition(topic, p, confluent_kafka.OFFSET_BEGINNING) for p in range(partitions)])
    out = {p: [] for p in range(partitions)}
    got = 0
    while got < count:
        message = consumer.poll(15)
        if message is None:
            raise AssertionError(f"{got} of {count} messages, then silence")
        if message.error():
            raise AssertionError(message.error())
        out[message.partition()].append((message.offset(), message.value()))
        got += 1
    consumer.close()
    return out


class Confluent(unittest.TestCase):
    def test_every_acks_and_codec_round_trips_in_order(self):
        with Chronikd() as broker:
            admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": broker.address})
            for acks in ("0", "1", "all"):
                for codec in CODECS:
                    topic = f"confluent-{acks}-{codec}"
                    admin.create_topics([confluent_kafka.admin.NewTopic(topic, 1, 1)])[topic].result(20)
                    producer = confluent_kafka.Producer({"bootstrap.servers": broker.address, "acks": acks,
                                                         "compression.type": codec, "linger.ms": 5})
                    failed = []
                    for value in payloads(topic):
                        producer.produce(topic, value, partition=0, on_delivery=lambda e, m: failed.append(e) if e else None)
                    self.assertEqual(producer.flush(20), 0)
                    self.assertEqual(failed, [])
                    read = consume_confluent(broker.address, topic, MESSAGES)[0]
                    self.assertEqual(read, list(enumerate(payloads(topic))), topic)

    def test_idempotent_producer_survives_a_broker_restart(self):
        with Chronikd() as broker:
            producer = confluent_kafka.Producer({"bootstrap.servers": broker.address, "enable.idempotence": True,
                                                 "linger.ms": 1})
            errors = []
            for part in range(3):
                for i in range(100):
                    producer.produce("idempotent", f"{part}-{i}".encode(), partition=0,
                                     on_delivery=lambda e, m: errors.append(e) if e else None)
                self.assertEqual(producer.flush(30), 0)
                if part < 2:
                    broker.restart()
            self.assertEqual(errors, [])
            read = consume_confluent(broker.address, "idempotent", 300)[0]
            self.assertEqual([v.decode() for _, v in read], [f"{p}-{i}" for p in range(3) for i in range(100)])

    def test_topics_partitions_and_configs_survive_a_restart(self):
        with Chronikd() as broker:
            admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": broker.address})
            new = confluent_kafka.admin.NewTopic("kept", 3, 1, config={"max.message.bytes": "2000"})
            admin.create_topics([new])["kept"].result(20)
            admin.create_partitions([confluent_kafka.admin.NewPartitions("kept", 5)])["kept"].result(20)
            admin.create_topics([confluent_kafka.admin.NewTopic("gone", 2, 1)])["gone"].result(20)
            admin.delete_topics(["gone"])["gone"].result(20)
            before = admin.list_topics(timeout=10)
            broker.restart()
            after = confluent_kafka.admin.AdminClient({"bootstrap.servers": broker.address}).list_topics(timeout=10)
            self.assertEqual(sorted(after.topics), ["kept"])
            self.assertEqual(len(after.topics["kept"].partitions), 5)
            self.assertEqual(before.cluster_id, after.cluster_id)
            resource = confluent_kafka.admin.ConfigResource("topic", "kept")
            configs = admin.describe_configs([resource])[resource].result(20)
            self.assertEqual(configs["max.message.bytes"].value, "2000")
            producer = confluent_kafka.Producer({"bootstrap.servers": broker.address, "message.max.bytes": 100000})
            outcome = []
            producer.produce("kept", b"z" * 5000, partition=0, on_delivery=lambda e, m: outcome.append(e))
            producer.flush(20)
            self.assertEqual(outcome[0].code(), confluent_kafka.KafkaError.MSG_SIZE_TOO_LARGE)

    def test_bad_topics_are_refused_with_the_right_error(self):
        with Chronikd() as broker:
            admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": broker.address})
            new = confluent_kafka.admin.NewTopic
            cases = [(new("bad name!", 1, 1), confluent_kafka.KafkaError.TOPIC_EXCEPTION),
                     (new("too-many-replicas", 1, 3), confluent_kafka.KafkaError.INVALID_REPLICATION_FACTOR),
                     (new("bad-config", 1, 1, config={"no.such.config": "1"}), confluent_kafka.KafkaError.INVALID_CONFIG),
                     (new("no-effect", 1, 1, config={"cleanup.policy": "compact"}), confluent_kafka.KafkaError.INVALID_CONFIG)]
            for topic, code in cases:
                with self.assertRaises(confluent_kafka.KafkaException, msg=topic.topic) as raised:
                    admin.create_topics([topic])[topic.topic].result(20)
                self.assertEqual(raised.exception.args[0].code(), code, topic.topic)
            admin.create_topics([new("twice", 1, 1)])["twice"].result(20)
            with self.assertRaises(confluent_kafka.KafkaException) as raised:
                admin.create_topics([new("twice", 1, 1)])["twice"].result(20)
            self.assertEqual(raised.exception.args[0].code(), confluent_kafka.KafkaError.TOPIC_ALREADY_EXISTS)


    def test_a_transactional_producer_hears_at_once_that_there_are_no_transactions(self):
        with Chronikd() as broker:
            producer = confluent_kafka.Producer({"bootstrap.servers": broker.address, "transactional.id": "txn"})
            with self.assertRaises(confluent_kafka.KafkaException) as raised:
                producer.init_transactions(20)
            error = raised.exception.args[0]
            self.assertEqual(error.code(), confluent_kafka.KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
            self.assertTrue(error.fatal())
            self.assertIn("no transactions", broker.log)


class KafkaPython(unittest.TestCase):
    def test_every_acks_and_codec_round_trips_in_order(self):
        with Chronikd() as broker:
            admin = kafka.admin.KafkaAdminClient(bootstrap_servers=broker.address)
            for acks in (0, 1, "all"):
                for codec in CODECS:
                    topic = f"python-{acks}-{codec}"
                    admin.create_topics([kafka.admin.NewTopic(topic, 1, 1)])
                    producer = kafka.KafkaProducer(bootstrap_servers=broker.address, acks=acks, linger_ms=5,
                                                   compression_type=None if codec == "none" else codec)
                    futures = [producer.send(topic, value, partition=0) for value in payloads(topic)]
                    producer.flush(20)
                    for future in futures:
                        future.get(20)
                    producer.close()
                    consumer = kafka.KafkaConsumer(bootstrap_servers=broker.address, auto_offset_reset="earliest",
                                                   consumer_timeout_ms=15000)
                    consumer.assign([kafka.TopicPartition(topic, 0)])
                    read = []
                    for message in consumer:
                        read.append((message.offset, message.value))
                        if len(read) == MESSAGES:
                            break
                    consumer.close()
                    self.assertEqual(read, list(enumerate(payloads(topic))), topic)
            admin.close()

    def test_offsets_by_time_and_ends(self):
        with Chronikd() as broker:
            producer = kafka.KafkaProducer(bootstrap_servers=broker.address, acks="all")
            base = 1_700_000_000_000
            for i in range(10):
                producer.send("times", f"{i}".encode(), partition=0, timestamp_ms=base + i * 1000).get(20)
            consumer = kafka.KafkaConsumer(bootstrap_servers=broker.address)
            partition = kafka.TopicPartition("times", 0)
            found = consumer.offsets_for_times({partition: base + 4500})[partition]
            self.assertEqual((found.offset, found.timestamp), (5, base + 5000))
            self.assertIsNone(consumer.offsets_for_times({partition: base + 100000})[partition])
            self.assertEqual(consumer.beginning_offsets([partition])[partition], 0)
            self.assertEqual(consumer.end_offsets([partition])[partition], 10)
            consumer.close()
            producer.close()


class Kcat(unittest.TestCase):
    def test_produce_list_query_and_consume(self):
        with Chronikd() as broker:
            for acks in ("0", "1", "all"):
                for codec in CODECS:
                    topic = f"kcat-{acks}-{codec}"
                    text = "\n".join(f"{topic} {i}" for i in range(MESSAGES)) + "\n"
                    subprocess.run(["kcat", "-b", broker.address, "-P", "-t", topic, "-p", "0", "-X", f"acks={acks}",
                                    "-z", codec], input=text.encode(), check=True, timeout=30)
                    out = subprocess.run(["kcat", "-b", broker.address, "-C", "-t", topic, "-o", "beginning",
                                          "-c", str(MESSAGES), "-q"], check=True, timeout=30, capture_output=True)
                    self.assertEqual(out.stdout.decode(), text)
            listing = subprocess.run(["kcat", "-b", broker.address, "-L"], check=True, timeout=30, capture_output=True)
            self.assertIn("15 topics", listing.stdout.decode())


if __name__ == "__main__":
    unittest.main(verbosity=2)
