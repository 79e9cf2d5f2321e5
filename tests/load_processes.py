# SPDX-License-Identifier: Apache-2.0
"""Processes of their own that write numbered messages at a steady rate, and that read them while they are written.

Each message says who sent it, its number and when; CLOCK_MONOTONIC is the same for all processes of a machine.
"""

import dataclasses
import multiprocessing
import time

import confluent_kafka
import kafka

MESSAGE_BYTES = 100
TURN_SECONDS = 0.002  # a writer that waits for each message by itself does little else
PROCESSES = multiprocessing.get_context("spawn")  # a fork would take over halves of librdkafka


@dataclasses.dataclass
class Load:
    """What one writer writes: `count` messages, `rate` of them a second, to all partitions in turn."""
    addresses: str
    topic: str
    partitions: int
    writer: int
    begin: float
    rate: float
    count: int

    def write(self, send, idle):
        """`send(partition, number, value)` for each message when it is due; `idle(seconds)` until then."""
        for number in range(self.count):
            due = self.begin + number / self.rate
            while time.monotonic() < due:
                idle(TURN_SECONDS)
            value = b"%d %d %.6f " % (self.writer, number, time.monotonic())
            send(number % self.partitions, number, value.ljust(MESSAGE_BYTES, b"."))


def parse(value):
    """The writer, the number and when it was sent."""
    writer, number, sent, _ = value.split(b" ")
    return int(writer), int(number), float(sent)


@dataclasses.dataclass
class Written:
    """What became of a writer's messages: partition, number, offset and when for each that was acked."""
    acked: list = dataclasses.field(default_factory=list)
    failed: list = dataclasses.field(default_factory=list)

    def delivered(self, partition, number, offset):
        self.acked.append((partition, number, offset, time.monotonic()))


def write_idempotent(load, pipe):
    """With librdkafka: each message once, in order."""
    producer = confluent_kafka.Producer({
        "bootstrap.servers": load.addresses, "enable.idempotence": True, "linger.ms": 1, "message.timeout.ms": 60000,
        "retry.backoff.ms": 20, "topic.metadata.refresh.fast.interval.ms": 20, "reconnect.backoff.ms": 20,
        "reconnect.backoff.max.ms": 100, "log_level": 0})
    written = Written()

    def send(partition, number, value):
        def on_delivery(error, message):
            if error:
                written.failed.append(str(error))
            else:
                written.delivered(partition, number, message.offset())
        producer.produce(load.topic, value, partition=partition, on_delivery=on_delivery)
    load.write(send, producer.poll)
    producer.flush(60)
    pipe.send(written)


def write_with_retries(load, pipe):
    """With kafka-python 2.0.2, which has no idempotence: each message at least once, in order."""
    producer = kafka.KafkaProducer(
        bootstrap_servers=load.addresses.split(","), acks="all", retries=10000, max_in_flight_requests_per_connection=1,
        linger_ms=5, retry_backoff_ms=20, reconnect_backoff_ms=20, reconnect_backoff_max_ms=100)
    written = Written()

    def send(partition, number, value):
        future = producer.send(load.topic, value, partition=partition)
        future.add_callback(lambda metadata: written.delivered(partition, number, metadata.offset))
        future.add_errback(lambda error: written.failed.append(str(error)))
    load.write(send, time.sleep)
    producer.flush(60)
    producer.close()
    pipe.send(written)


def read_along(addresses, topic, partitions, pipe):
    """With librdkafka: by partition offset, value and when it was here, of all up to the ends that the pipe brings later."""
    consumer = confluent_kafka.Consumer({
        "bootstrap.servers": addresses, "group.id": "unused", "enable.auto.commit": False,
        "enable.auto.offset.store": False, "fetch.error.backoff.ms": 20, "retry.backoff.ms": 20,
        "topic.metadata.refresh.fast.interval.ms": 20, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100,
        "log_level": 0})
    consumer.assign([confluent_kafka.TopicPartition(topic, p, 0) for p in range(partitions)])
    seen = {p: [] for p in range(partitions)}
    ends, deadline = None, None
    while True:
        message = consumer.poll(0.1)
        if message is not None and not message.error():
            seen[message.partition()].append((message.offset(), message.value(), time.monotonic()))
        elif ends is None and pipe.poll():
            ends, deadline = pipe.recv(), time.monotonic() + 60
        elif ends and (all(len(seen[p]) >= ends[p] for p in seen) or time.monotonic() > deadline):
            break
    consumer.close()
    pipe.send(seen)


def read_afterwards(addresses, topic, partitions, pipe):
    """With kafka-python: by partition offset and value of everything that is there."""
    consumer = kafka.KafkaConsumer(bootstrap_servers=addresses.split(","), group_id=None, enable_auto_commit=False)
    assigned = [kafka.TopicPartition(topic, p) for p in range(partitions)]
    consumer.assign(assigned)
    consumer.seek_to_beginning()
    ends = consumer.end_offsets(assigned)
    seen = {p: [] for p in range(partitions)}
    while any(consumer.position(p) < ends[p] for p in assigned):
        for partition, records in consumer.poll(1000).items():
            seen[partition.partition].extend((record.offset, record.value) for record in records)
    consumer.close()
    pipe.send(seen)


class Process:
    """Runs `work(*arguments, pipe)` and brings what that sends."""

    def __init__(self, work, *arguments):
        self.pipe, theirs = PROCESSES.Pipe()
        self.process = PROCESSES.Process(target=work, args=(*arguments, theirs), daemon=True)
        self.process.start()
        theirs.close()

    def result(self, within):
        if not self.pipe.poll(within):
            raise AssertionError(f"a client has not ended within {within} s")
        result = self.pipe.recv()
        self.process.join()
        return result
