import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.serialization.*;

/** The Java client does what applications do with it. One line per step on standard output. */
public final class Scenario {
    private static final String TOPIC = "java-scenario";
    private static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");
    private static final int PER_CODEC = 200;
    private static final long THEN = System.currentTimeMillis() - 60_000; // the first record's timestamp
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private final Admin admin = Admin.create(Steps.settings("default.api.timeout.ms", "20000", "request.timeout.ms", "10000"));

    public static void main(String[] args) {
        Scenario s = new Scenario();
        Steps.step("admin: create, list, describe topics", s::topics);
        Steps.step("admin: configs", s::configs);
        Steps.step("admin: cluster, features, quorum, log dirs", s::cluster);
        Steps.step("produce: idempotent, every codec", s::produce);
        Steps.step("consume: by assignment, offsets by time", s::assigned);
        Steps.step("consume: classic group", () -> s.group("classic", TOTAL));
        Steps.step("consume: group of KIP-848", () -> s.group("consumer", TOTAL + 1));
        Steps.step("consume: two members share, one leaves (classic)", () -> s.share("classic"));
        Steps.step("consume: two members share, one leaves (KIP-848)", () -> s.share("consumer"));
        Steps.step("transactions: abort, commit, offsets", s::transactions);
        Steps.step("transactions: fencing", s::fencing);
        Steps.step("transactions: list, describe, producers, fence", s::transactionAdmin);
        Steps.step("admin: groups and their offsets", s::groups);
        Steps.step("admin: delete records, topics", s::cleanUp);
        s.admin.close();
        Steps.end();
    }

    // --- admin

    private void topics() throws Exception {
        NewTopic t = new NewTopic(TOPIC, Optional.of(3), Optional.of((short) 1)).configs(Map.of("retention.ms", "3600000"));
        CreateTopicsResult created = admin.createTopics(List.of(t));
        created.all().get();
        Steps.equal(3, created.numPartitions(TOPIC).get(), "the number of partitions");
        Steps.fails(TopicExistsException.class, () -> admin.createTopics(List.of(t)).all().get());
        Steps.fails(InvalidTopicException.class,
            () -> admin.createTopics(List.of(new NewTopic("not a name", 1, (short) 1))).all().get());
        Steps.fails(InvalidReplicationFactorException.class,
            () -> admin.createTopics(List.of(new NewTopic("three", 1, (short) 3))).all().get());
        Steps.check(admin.listTopics().names().get().contains(TOPIC), "the topic is not listed");
        admin.createPartitions(Map.of(TOPIC, NewPartitions.increaseTo(4))).all().get();
        TopicDescription d = admin.describeTopics(List.of(TOPIC)).allTopicNames().get().get(TOPIC);
        Steps.equal(4, d.partitions().size(), "the number of partitions");
        TopicDescription byId = admin.describeTopics(TopicCollection.ofTopicIds(List.of(d.topicId()))).allTopicIds().get().get(d.topicId());
        Steps.equal(TOPIC, byId.name(), "the topic's name");
        Steps.fails(UnknownTopicOrPartitionException.class, () -> admin.describeTopics(List.of("nowhere")).allTopicNames().get());
    }

    private void configs() throws Exception {
        ConfigResource r = new ConfigResource(ConfigResource.Type.TOPIC, TOPIC);
        Config before = admin.describeConfigs(List.of(r)).all().get().get(r);
        Steps.equal("3600000", before.get("retention.ms").value(), "retention.ms");
        Steps.equal(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, before.get("retention.ms").source(), "the source of retention.ms");
        admin.incrementalAlterConfigs(Map.of(r, List.of(
            new AlterConfigOp(new ConfigEntry("max.message.bytes", "2000000"), AlterConfigOp.OpType.SET),
            new AlterConfigOp(new ConfigEntry("retention.ms", ""), AlterConfigOp.OpType.DELETE)))).all().get();
        Config after = admin.describeConfigs(List.of(r)).all().get().get(r);
        Steps.equal("2000000", after.get("max.message.bytes").value(), "max.message.bytes");
        Steps.check(after.get("retention.ms").isDefault(), "retention.ms is not the default again");
        Steps.fails(InvalidConfigurationException.class, () -> admin.incrementalAlterConfigs(Map.of(r,
            List.of(new AlterConfigOp(new ConfigEntry("retention.ms", "soon"), AlterConfigOp.OpType.SET)))).all().get());
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
        Steps.check(!admin.describeConfigs(List.of(broker)).all().get().get(broker).entries().isEmpty(), "the broker has no configs");
    }

    private void cluster() throws Exception {
        DescribeClusterResult c = admin.describeCluster();
        Steps.equal(1, c.nodes().get().size(), "the number of brokers");
        Steps.equal(c.nodes().get().iterator().next().id(), c.controller().get().id(), "the controller");
        Steps.check(!c.clusterId().get().isEmpty(), "the cluster has no id");
        FeatureMetadata f = admin.describeFeatures().featureMetadata().get();
        Steps.equal((short) 2, f.finalizedFeatures().get("transaction.version").maxVersionLevel(), "transaction.version");
        QuorumInfo q = admin.describeMetadataQuorum().quorumInfo().get();
        Steps.equal(q.leaderId(), c.controller().get().id(), "the quorum's leader");
        Map<Integer, Map<String, LogDirDescription>> dirs = admin.describeLogDirs(List.of(q.leaderId())).allDescriptions().get();
        long replicas = dirs.values().stream().flatMap(d -> d.values().stream())
            .flatMap(d -> d.replicaInfos().keySet().stream()).filter(p -> p.topic().equals(TOPIC)).count();
        Steps.equal(4L, replicas, "the number of replicas in the log directories");
        Steps.check(admin.listPartitionReassignments().reassignments().get().isEmpty(), "partitions move on a single broker");
    }

    private void groups() throws Exception {
        Collection<GroupListing> listed = admin.listGroups().all().get();
        Set<String> ids = listed.stream().map(GroupListing::groupId).collect(Collectors.toSet());
        Steps.check(ids.containsAll(List.of("classic-readers", "consumer-readers")), "listed are " + ids);
        ConsumerGroupDescription d = admin.describeConsumerGroups(List.of("classic-readers")).all().get().get("classic-readers");
        Steps.equal(GroupState.EMPTY, d.groupState(), "the state of the group that was left");
        TopicPartition p = new TopicPartition(TOPIC, 0);
        admin.alterConsumerGroupOffsets("classic-readers", Map.of(p, new OffsetAndMetadata(1, "by hand"))).all().get();
        Map<TopicPartition, OffsetAndMetadata> offsets =
            admin.listConsumerGroupOffsets("classic-readers").partitionsToOffsetAndMetadata().get();
        Steps.equal(new OffsetAndMetadata(1, Optional.empty(), "by hand"), offsets.get(p), "the offset that was set");
        admin.deleteConsumerGroupOffsets("classic-readers", Set.of(p)).all().get();
        offsets = admin.listConsumerGroupOffsets("classic-readers").partitionsToOffsetAndMetadata().get();
        Steps.check(offsets.get(p) == null, "the offset that was deleted is still there");
        Steps.fails(GroupIdNotFoundException.class, () -> admin.describeConsumerGroups(List.of("never")).all().get());
        admin.deleteConsumerGroups(List.of("classic-readers", "consumer-readers")).all().get();
        Steps.fails(GroupIdNotFoundException.class, () -> admin.deleteConsumerGroups(List.of("classic-readers")).all().get());
    }

    private void cleanUp() throws Exception {
        TopicPartition p = new TopicPartition(TOPIC, 0);
        long low = admin.deleteRecords(Map.of(p, RecordsToDelete.beforeOffset(1))).lowWatermarks().get(p).get().lowWatermark();
        Steps.equal(1L, low, "the low watermark");
        Steps.equal(1L, admin.listOffsets(Map.of(p, OffsetSpec.earliest())).all().get().get(p).offset(), "the earliest offset");
        Steps.fails(org.apache.kafka.common.errors.OffsetOutOfRangeException.class,
            () -> admin.deleteRecords(Map.of(p, RecordsToDelete.beforeOffset(1L << 40))).all().get());
        admin.deleteTopics(List.of(TOPIC)).all().get();
        Steps.check(!admin.listTopics().names().get().contains(TOPIC), "the deleted topic is listed");
        Steps.fails(UnknownTopicOrPartitionException.class, () -> admin.deleteTopics(List.of(TOPIC)).all().get());
    }

    // --- data

    private static KafkaProducer<String, String> producer(Object... pairs) {
        return new KafkaProducer<>(Steps.settings(pairs), new StringSerializer(), new StringSerializer());
    }

    private static KafkaConsumer<String, String> consumer(Object... pairs) {
        return new KafkaConsumer<>(Steps.settings(pairs), new StringDeserializer(), new StringDeserializer());
    }

    private void produce() throws Exception {
        for (String codec : CODECS) {
            try (KafkaProducer<String, String> p = producer("compression.type", codec, "linger.ms", "50")) {
                for (int i = 0; i < PER_CODEC; i++) {
                    ProducerRecord<String, String> r = new ProducerRecord<>(TOPIC, i % 4, THEN + i, "k" + i, codec + "-" + i);
                    r.headers().add("codec", codec.getBytes());
                    p.send(r);
                }
                p.flush();
                RecordMetadata last = p.send(new ProducerRecord<>(TOPIC, 0, THEN + 8000, "last", codec + "-last")).get();
                Steps.check(last.hasOffset() && last.offset() >= PER_CODEC / 4, "the last record's offset is " + last.offset());
            }
        }
        try (KafkaProducer<String, String> p = producer("max.request.size", "9000000", "buffer.memory", "40000000")) {
            Steps.fails(RecordTooLargeException.class,
                () -> p.send(new ProducerRecord<>(TOPIC, "big", "x".repeat(3_000_000))).get());
        }
    }

    private static final int TOTAL = CODECS.size() * (PER_CODEC + 1);

    /** Polls until n records have come. */
    private static List<ConsumerRecord<String, String>> take(Consumer<String, String> c, int n) {
        List<ConsumerRecord<String, String>> got = new ArrayList<>();
        for (long end = System.nanoTime() + PATIENCE.toNanos(); got.size() < n;) {
            Steps.check(System.nanoTime() < end, "only " + got.size() + " of " + n + " records came");
            c.poll(Duration.ofMillis(200)).forEach(got::add);
        }
        return got;
    }

    private static List<TopicPartition> partitions() {
        return IntStream.range(0, 4).mapToObj(i -> new TopicPartition(TOPIC, i)).collect(Collectors.toList());
    }

    private void assigned() throws Exception {
        try (KafkaConsumer<String, String> c = consumer("enable.auto.commit", "false")) {
            c.assign(partitions());
            c.seekToBeginning(partitions());
            List<ConsumerRecord<String, String>> got = take(c, TOTAL);
            Steps.equal(TOTAL, got.stream().map(ConsumerRecord::value).collect(Collectors.toSet()).size(), "the number of distinct values");
            ConsumerRecord<String, String> one = got.stream().filter(r -> r.value().equals("zstd-7")).findFirst().get();
            Steps.equal(THEN + 7, one.timestamp(), "the timestamp");
            Steps.equal("zstd", new String(one.headers().lastHeader("codec").value()), "the header");
            TopicPartition p = partitions().get(0);
            Steps.equal(0L, c.beginningOffsets(List.of(p)).get(p), "the first offset");
            long end = c.endOffsets(List.of(p)).get(p);
            Steps.equal((long) CODECS.size() * (PER_CODEC / 4 + 1), end, "the end offset");
            Steps.equal((long) PER_CODEC / 4, c.offsetsForTimes(Map.of(p, THEN + 8000)).get(p).offset(), "the offset at 8 s");
            Steps.check(c.offsetsForTimes(Map.of(p, THEN + 600_000)).get(p) == null, "there is a record after the last");
        }
    }

    /** Reads what is there, commits, and goes on from there with a record of its own. */
    private void group(String protocol, int there) throws Exception {
        Object[] settings = {"group.id", protocol + "-readers", "group.protocol", protocol, "auto.offset.reset", "earliest", "enable.auto.commit", "false"};
        try (KafkaConsumer<String, String> c = consumer(settings)) {
            c.subscribe(List.of(TOPIC));
            take(c, there);
            c.commitSync();
        }
        try (KafkaProducer<String, String> p = producer(); KafkaConsumer<String, String> c = consumer(settings)) {
            c.subscribe(List.of(TOPIC));
            p.send(new ProducerRecord<>(TOPIC, "more", "for " + protocol)).get();
            List<ConsumerRecord<String, String>> got = take(c, 1);
            Steps.equal("for " + protocol, got.get(0).value(), "what comes after the committed offsets");
            c.commitSync();
            ConsumerGroupDescription d = admin.describeConsumerGroups(List.of(protocol + "-readers")).all().get().get(protocol + "-readers");
            Steps.equal(GroupState.STABLE, d.groupState(), "the group's state");
            Steps.equal(protocol, d.type().toString().toLowerCase(), "the group's type");
            Steps.equal(4, d.members().iterator().next().assignment().topicPartitions().size(), "the number of partitions of the only member");
        }
    }

    private void share(String protocol) throws Exception {
        String group = protocol + "-sharers";
        Object[] settings = {"group.id", group, "group.protocol", protocol, "auto.offset.reset", "latest"};
        try (KafkaConsumer<String, String> a = consumer(settings)) {
            a.subscribe(List.of(TOPIC));
            try (KafkaConsumer<String, String> b = consumer(settings)) {
                b.subscribe(List.of(TOPIC));
                await("both members have two partitions", () -> {
                    a.poll(Duration.ofMillis(100));
                    b.poll(Duration.ofMillis(100));
                    return a.assignment().size() == 2 && b.assignment().size() == 2;
                });
                Set<TopicPartition> all = new HashSet<>(a.assignment());
                all.addAll(b.assignment());
                Steps.equal(4, all.size(), "the number of partitions that are read");
            }
            await("the member that is left has all partitions", () -> {
                a.poll(Duration.ofMillis(100));
                return a.assignment().size() == 4;
            });
        }
        admin.deleteConsumerGroups(List.of(group)).all().get();
    }

    private interface Condition {
        boolean holds() throws Exception;
    }

    private static void await(String what, Condition c) throws Exception {
        for (long end = System.nanoTime() + PATIENCE.toNanos(); !c.holds();) {
            Steps.check(System.nanoTime() < end, "not in time: " + what);
        }
    }

    // --- transactions

    private void transactions() throws Exception {
        try (KafkaProducer<String, String> p = producer("transactional.id", "java-tx")) {
            p.initTransactions();
            p.beginTransaction();
            p.send(new ProducerRecord<>(TOPIC, 1, "tx", "aborted")).get();
            p.abortTransaction();
            p.beginTransaction();
            p.send(new ProducerRecord<>(TOPIC, 1, "tx", "committed")).get();
            p.sendOffsetsToTransaction(Map.of(new TopicPartition(TOPIC, 2), new OffsetAndMetadata(5, "in a transaction")),
                new ConsumerGroupMetadata("java-tx-group"));
            p.commitTransaction();
            p.beginTransaction();
            p.send(new ProducerRecord<>(TOPIC, 1, "tx", "open")).get();
            try (KafkaConsumer<String, String> c = consumer("isolation.level", "read_committed", "enable.auto.commit", "false")) {
                TopicPartition tp = new TopicPartition(TOPIC, 1);
                c.assign(List.of(tp));
                c.seekToBeginning(List.of(tp));
                long end = c.endOffsets(List.of(tp)).get(tp);
                List<String> got = new ArrayList<>();
                while (c.position(tp) < end) {
                    c.poll(Duration.ofMillis(200)).forEach(r -> got.add(r.value()));
                }
                Steps.check(got.contains("committed"), "committed data is missing");
                Steps.check(!got.contains("aborted") && !got.contains("open"), "aborted or open data was read");
            }
            p.abortTransaction();
        }
        // The offsets become visible after the commit was answered.
        await("the offset of the transaction", () -> {
            OffsetAndMetadata o = admin.listConsumerGroupOffsets("java-tx-group").partitionsToOffsetAndMetadata().get()
                .get(new TopicPartition(TOPIC, 2));
            return o != null && o.offset() == 5;
        });
    }

    private void fencing() throws Exception {
        try (KafkaProducer<String, String> old = producer("transactional.id", "java-fence");
             KafkaProducer<String, String> young = producer("transactional.id", "java-fence")) {
            old.initTransactions();
            old.beginTransaction();
            old.send(new ProducerRecord<>(TOPIC, 1, "fence", "of the old one")).get();
            young.initTransactions();
            Steps.fails(InvalidProducerEpochException.class, () -> old.send(new ProducerRecord<>(TOPIC, 1, "fence", "too late")).get());
            Steps.fails(ProducerFencedException.class, () -> {
                old.abortTransaction();
                return null;
            });
            young.beginTransaction();
            young.send(new ProducerRecord<>(TOPIC, 1, "fence", "of the young one")).get();
            young.commitTransaction();
        }
    }

    private void transactionAdmin() throws Exception {
        TopicPartition tp = new TopicPartition(TOPIC, 3);
        try (KafkaProducer<String, String> p = producer("transactional.id", "java-shown")) {
            p.initTransactions();
            p.beginTransaction();
            p.send(new ProducerRecord<>(TOPIC, 3, "shown", "open")).get();
            TransactionListing l = admin.listTransactions().all().get().stream()
                .filter(t -> t.transactionalId().equals("java-shown")).findFirst().orElseThrow();
            Steps.equal(TransactionState.ONGOING, l.state(), "the listed state");
            TransactionDescription d = admin.describeTransactions(List.of("java-shown")).all().get().get("java-shown");
            Steps.equal(Set.of(tp), d.topicPartitions(), "the partitions of the transaction");
            Steps.equal(l.producerId(), d.producerId(), "the producer id");
            ProducerState s = admin.describeProducers(List.of(tp)).all().get().get(tp).activeProducers().stream()
                .filter(a -> a.producerId() == l.producerId()).findFirst().orElseThrow();
            Steps.check(s.currentTransactionStartOffset().isPresent(), "the producer's transaction has no start");
            admin.fenceProducers(List.of("java-shown")).all().get();
            Steps.fails(ProducerFencedException.class, () -> {
                p.commitTransaction();
                return null;
            });
        }
        TransactionDescription after = admin.describeTransactions(List.of("java-shown")).all().get().get("java-shown");
        Steps.equal(TransactionState.EMPTY, after.state(), "the state after fencing");
        Steps.fails(TransactionalIdNotFoundException.class, () -> admin.describeTransactions(List.of("never")).all().get());
    }
}
