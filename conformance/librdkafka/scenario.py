"""librdkafka, through its Python binding, does what applications do with it: admin,
produce, consume in a group, transactions. One line per step on standard output:
"ok NAME" or "not ok NAME -- reason"; status 1 if a step did not hold."""
import os
import sys
import time
import traceback

from confluent_kafka import (Consumer, ConsumerGroupState, ConsumerGroupTopicPartitions, IsolationLevel, KafkaError,
                             KafkaException, Producer, TopicCollection, TopicPartition)
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic,
                                   OffsetSpec, ResourceType)

TOPIC = "librdkafka-scenario"
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
PER_CODEC = 200
PATIENCE = 30
THEN = int(time.time() * 1000) - 60_000  # the first record's timestamp


def settings(**more):
    """Settings of a client: the broker and its security from the environment, then the rest."""
    s = {"bootstrap.servers": os.environ["BROKER"]}
    if "SASL_MECHANISM" in os.environ:
        s.update({
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": os.environ["SSL_CA"],
            "sasl.mechanism": os.environ["SASL_MECHANISM"],
            "sasl.username": os.environ["SASL_USER"],
            "sasl.password": os.environ["SASL_PASSWORD"],
        })
    s.update({k.replace("_", "."): v for k, v in more.items()})
    return s


admin = AdminClient(settings())


def done(futures):
    """The results of an admin call, by what was asked for."""
    return {k: f.result(PATIENCE) for k, f in futures.items()}


def fails(code, call):
    try:
        call()
    except KafkaException as e:
        assert e.args[0].code() == code, e
        return
    raise AssertionError(f"no error {code}")


def topics():
    new = NewTopic(TOPIC, num_partitions=3, replication_factor=1, config={"retention.ms": "3600000"})
    done(admin.create_topics([new]))
    fails(KafkaError.TOPIC_ALREADY_EXISTS, lambda: done(admin.create_topics([new])))
    fails(KafkaError.TOPIC_EXCEPTION, lambda: done(admin.create_topics([NewTopic("not a name", num_partitions=1)])))
    done(admin.create_partitions([NewPartitions(TOPIC, 4)]))
    described = done(admin.describe_topics(TopicCollection([TOPIC])))[TOPIC]
    assert len(described.partitions) == 4, described.partitions
    assert TOPIC in admin.list_topics(timeout=PATIENCE).topics
    cluster = admin.describe_cluster().result(PATIENCE)
    assert len(cluster.nodes) == 1 and cluster.cluster_id, cluster


def configs():
    r = ConfigResource(ResourceType.TOPIC, TOPIC)
    got = done(admin.describe_configs([r]))[r]
    assert got["retention.ms"].value == "3600000", got["retention.ms"]
    change = ConfigResource(ResourceType.TOPIC, TOPIC, incremental_configs=[
        ConfigEntry("max.message.bytes", "2000000", incremental_operation=AlterConfigOpType.SET),
        ConfigEntry("retention.ms", None, incremental_operation=AlterConfigOpType.DELETE),
    ])
    done(admin.incremental_alter_configs([change]))
    got = done(admin.describe_configs([r]))[r]
    assert got["max.message.bytes"].value == "2000000" and got["retention.ms"].is_default, got


def produce():
    for codec in CODECS:
        failed = []
        p = Producer(settings(enable_idempotence=True, compression_type=codec, linger_ms=50))
        for i in range(PER_CODEC):
            p.produce(TOPIC, f"{codec}-{i}", f"k{i}", partition=i % 4, timestamp=THEN + i, headers={"codec": codec},
                      on_delivery=lambda err, _: failed.append(err) if err else None)
        assert p.flush(PATIENCE) == 0 and not failed, failed
    too_large = []
    p = Producer(settings(message_max_bytes=9000000))
    p.produce(TOPIC, b"x" * 3000000, on_delivery=lambda err, _: too_large.append(err))
    p.flush(PATIENCE)
    assert too_large[0].code() == KafkaError.MSG_SIZE_TOO_LARGE, too_large


def take(consumer, n):
    got, end = [], time.monotonic() + PATIENCE
    while len(got) < n:
        assert time.monotonic() < end, f"only {len(got)} of {n} records came"
        for m in consumer.consume(n - len(got), 0.2):
            if m.error():
                raise KafkaException(m.error())
            got.append(m)
    return got


def assigned():
    c = Consumer(settings(group_id="unused", enable_auto_commit=False))
    c.assign([TopicPartition(TOPIC, p, 0) for p in range(4)])
    got = take(c, len(CODECS) * PER_CODEC)
    assert len({m.value() for m in got}) == len(CODECS) * PER_CODEC
    one = next(m for m in got if m.value() == b"zstd-7")
    assert one.timestamp()[1] == THEN + 7 and one.headers() == [("codec", b"zstd")], one.headers()
    low, high = c.get_watermark_offsets(TopicPartition(TOPIC, 0), timeout=PATIENCE)
    assert (low, high) == (0, len(CODECS) * PER_CODEC // 4), (low, high)
    [found] = c.offsets_for_times([TopicPartition(TOPIC, 3, THEN + 7)], timeout=PATIENCE)
    assert found.offset == 1, found
    c.close()


def group(protocol, there):
    """Reads what is there, commits, and goes on from there with a record of its own."""
    s = settings(group_id=protocol + "-readers", group_protocol=protocol, auto_offset_reset="earliest", enable_auto_commit=False)
    c = Consumer(s)
    c.subscribe([TOPIC])
    take(c, there)
    c.commit(asynchronous=False)
    c.close()
    c = Consumer(s)
    c.subscribe([TOPIC])
    p = Producer(settings())
    p.produce(TOPIC, "for " + protocol)
    p.flush(PATIENCE)
    [m] = take(c, 1)
    assert m.value() == b"for " + protocol.encode(), m.value()
    described = done(admin.describe_consumer_groups([protocol + "-readers"]))[protocol + "-readers"]
    assert described.state == ConsumerGroupState.STABLE, described.state
    assert len(described.members[0].assignment.topic_partitions) == 4, described.members
    c.commit(asynchronous=False)
    c.close()


def share(strategy):
    """Two members share the partitions; when one leaves, the other has them all."""
    s = settings(group_id="sharers-" + strategy, auto_offset_reset="latest")
    s.update({"group.protocol": "consumer"} if strategy == "consumer" else {"partition.assignment.strategy": strategy})
    a, b = Consumer(s), Consumer(s)
    a.subscribe([TOPIC])
    b.subscribe([TOPIC])
    until(lambda: (a.poll(0.1), b.poll(0.1)) and len(a.assignment()) == len(b.assignment()) == 2, "two members with two partitions each")
    assert len({p.partition for p in a.assignment() + b.assignment()}) == 4
    b.close()
    until(lambda: a.poll(0.1) or len(a.assignment()) == 4, "the member that is left has all")
    a.close()


def until(holds, what):
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "not in time: " + what


def transactions():
    p = Producer(settings(transactional_id="librdkafka-tx"))
    p.init_transactions(PATIENCE)
    p.begin_transaction()
    p.produce(TOPIC, "aborted", partition=1)
    p.flush(PATIENCE)
    p.abort_transaction(PATIENCE)
    p.begin_transaction()
    p.produce(TOPIC, "committed", partition=1)
    reader = Consumer(settings(group_id="tx-group"))
    p.send_offsets_to_transaction([TopicPartition(TOPIC, 2, 5)], reader.consumer_group_metadata(), PATIENCE)
    p.commit_transaction(PATIENCE)
    reader.close()

    c = Consumer(settings(group_id="unused", enable_auto_commit=False, isolation_level="read_committed", enable_partition_eof=True))
    c.assign([TopicPartition(TOPIC, 1, 0)])
    values, end = [], time.monotonic() + PATIENCE
    while True:
        assert time.monotonic() < end, "the end of the partition did not come"
        m = c.poll(0.2)
        if m is None:
            continue
        if m.error():
            assert m.error().code() == KafkaError._PARTITION_EOF, m.error()
            break
        values.append(m.value())
    c.close()
    assert b"committed" in values and b"aborted" not in values, values[-5:]
    # The offsets become visible after the commit was answered.
    until(lambda: committed("tx-group") == [(2, 5)], "the offset of the transaction")


def committed(group):
    [asked] = done(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])).values()
    return [(p.partition, p.offset) for p in asked.topic_partitions]


def fencing():
    old, young = Producer(settings(transactional_id="librdkafka-fence")), Producer(settings(transactional_id="librdkafka-fence"))
    old.init_transactions(PATIENCE)
    old.begin_transaction()
    old.produce(TOPIC, "of the old one", partition=1)
    old.flush(PATIENCE)
    young.init_transactions(PATIENCE)
    fails(KafkaError._FENCED, lambda: old.commit_transaction(PATIENCE))
    young.begin_transaction()
    young.produce(TOPIC, "of the young one", partition=1)
    young.commit_transaction(PATIENCE)


def groups():
    listed = {g.group_id for g in admin.list_consumer_groups().result(PATIENCE).valid}
    assert "classic-readers" in listed, listed
    done(admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions("classic-readers", [TopicPartition(TOPIC, 0, 1)])]))
    [g] = done(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions("classic-readers", [TopicPartition(TOPIC, 0)])])).values()
    assert g.topic_partitions[0].offset == 1, g.topic_partitions
    done(admin.delete_consumer_groups(["classic-readers"]))
    fails(KafkaError.GROUP_ID_NOT_FOUND, lambda: done(admin.delete_consumer_groups(["classic-readers"])))


def clean_up():
    p = TopicPartition(TOPIC, 0, 1)
    [deleted] = done(admin.delete_records([p])).values()
    assert deleted.low_watermark == 1, deleted.low_watermark
    [first] = done(admin.list_offsets({TopicPartition(TOPIC, 0): OffsetSpec.earliest()}, isolation_level=IsolationLevel.READ_COMMITTED)).values()
    assert first.offset == 1, first
    done(admin.delete_topics([TOPIC]))
    assert TOPIC not in admin.list_topics(timeout=PATIENCE).topics


def main():
    failed = False
    for name, step in [
        ("admin: topics, cluster", topics),
        ("admin: configs", configs),
        ("produce: idempotent, every codec", produce),
        ("consume: by assignment, offsets by time", assigned),
        ("consume: classic group", lambda: group("classic", len(CODECS) * PER_CODEC)),
        ("consume: group of KIP-848", lambda: group("consumer", len(CODECS) * PER_CODEC + 1)),
        ("consume: two members share, one leaves (range)", lambda: share("range")),
        ("consume: two members share, one leaves (cooperative-sticky)", lambda: share("cooperative-sticky")),
        ("consume: two members share, one leaves (KIP-848)", lambda: share("consumer")),
        ("transactions: abort, commit, offsets", transactions),
        ("transactions: fencing", fencing),
        ("admin: groups and their offsets", groups),
        ("admin: delete records, topics", clean_up),
    ]:
        try:
            step()
            print("ok", name, flush=True)
        except Exception as e:
            failed = True
            print(f"not ok {name} -- {type(e).__name__}: {e}".replace("\n", " "), flush=True)
            traceback.print_exc()
    sys.exit(failed)


main()
