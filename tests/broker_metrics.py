# SPDX-License-Identifier: Apache-2.0
"""What /metrics of brokers says, for tests."""

import re

SAMPLE = re.compile(r'^(?P<name>[a-z_]+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$')


def scrape(node):
    """By name: a list of labels and value."""
    status, text = node.http("/metrics")
    assert status == 200, status
    found = {}
    for line in text.splitlines():
        sample = SAMPLE.match(line)
        if sample is None:
            continue
        labels = dict(re.findall(r'([a-z_]+)="([^"]*)"', sample["labels"] or ""))
        found.setdefault(sample["name"], []).append((labels, float(sample["value"])))
    return found


def total(nodes, name, **labels):
    return sum(value for node in nodes for said, value in scrape(node).get(name, [])
               if all(said.get(key) == wanted for key, wanted in labels.items()))


def buckets(node, name):
    """Of a histogram of a node: how many observations were at most that large."""
    return {float(labels["le"]): count for labels, count in scrape(node).get(f"{name}_bucket", [])}
