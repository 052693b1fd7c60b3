import java.nio.file.Files;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * Kafka Streams counts words exactly once (EOS v2) with two instances. One is closed half way and another takes over,
 * so tasks, changelogs and transactions move. Every word must be counted once for each time it was sent.
 */
public final class WordCount {
    private static final String IN = "words-in", OUT = "words-out", APP = "word-count";
    private static final String[] WORDS = "the mill turns while the water runs and the miller sleeps by the wheel".split(" ");
    private static final int LINES = 600, PARTITIONS = 4;
    private static final AtomicReference<Throwable> died = new AtomicReference<>();

    public static void main(String[] args) throws Exception {
        Steps.step("streams: word count, exactly once, over a change of instances", WordCount::run);
        Steps.end();
    }

    private static void run() throws Exception {
        try (Admin admin = Admin.create(Steps.settings())) {
            admin.createTopics(List.of(
                new NewTopic(IN, Optional.of(PARTITIONS), Optional.empty()),
                new NewTopic(OUT, Optional.of(PARTITIONS), Optional.empty()))).all().get();
        }
        Map<String, Long> sent = new HashMap<>();
        KafkaStreams a = start(), b = start(), c = null;
        try {
            send(sent, 0, LINES / 3);
            await(sent);
            send(sent, LINES / 3, 2 * LINES / 3);
            a.close(Duration.ofSeconds(20));
            c = start();
            send(sent, 2 * LINES / 3, LINES);
            await(sent);
        } finally {
            a.close(Duration.ofSeconds(5));
            b.close(Duration.ofSeconds(5));
            if (c != null) {
                c.close(Duration.ofSeconds(5));
            }
        }
        Steps.check(died.get() == null, "a stream thread died: " + died.get());
    }

    private static KafkaStreams start() throws Exception {
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(IN, Consumed.with(Serdes.String(), Serdes.String()))
            .flatMapValues(line -> List.of(line.toLowerCase(Locale.ROOT).split(" ")))
            .groupBy((key, word) -> word, Grouped.with(Serdes.String(), Serdes.String()))
            .count(Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as("counts")
                .withStoreType(Materialized.StoreType.IN_MEMORY).withKeySerde(Serdes.String()).withValueSerde(Serdes.Long()))
            .toStream().to(OUT, Produced.with(Serdes.String(), Serdes.Long()));
        Properties p = Steps.settings(
            "application.id", APP, "processing.guarantee", "exactly_once_v2", "commit.interval.ms", "100",
            "replication.factor", "1", "num.stream.threads", "1", "auto.offset.reset", "earliest",
            "consumer.session.timeout.ms", "10000", "consumer.heartbeat.interval.ms", "1000",
            "state.dir", Files.createTempDirectory("streams").toString());
        KafkaStreams s = new KafkaStreams(builder.build(), p);
        s.setUncaughtExceptionHandler(e -> {
            died.compareAndSet(null, e);
            e.printStackTrace();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        s.start();
        return s;
    }

    private static void send(Map<String, Long> sent, int from, int to) {
        try (KafkaProducer<String, String> p =
                 new KafkaProducer<>(Steps.settings("linger.ms", "5"), new StringSerializer(), new StringSerializer())) {
            for (int i = from; i < to; i++) {
                StringBuilder line = new StringBuilder();
                for (int w = 0; w < 5; w++) {
                    String word = WORDS[(i * 7 + w * 3) % WORDS.length];
                    sent.merge(word, 1L, Long::sum);
                    line.append(w == 0 ? "" : " ").append(word);
                }
                p.send(new ProducerRecord<>(IN, "line" + i, line.toString()));
            }
        }
    }

    /** Reads the committed output until the last count of every word is what was sent; no count may go back or repeat. */
    private static void await(Map<String, Long> sent) {
        Map<String, Long> counts = new TreeMap<>();
        Properties settings = Steps.settings("isolation.level", "read_committed", "enable.auto.commit", "false");
        try (KafkaConsumer<String, Long> c = new KafkaConsumer<>(settings, new StringDeserializer(), new LongDeserializer())) {
            List<TopicPartition> all = IntStream.range(0, PARTITIONS).mapToObj(i -> new TopicPartition(OUT, i)).toList();
            c.assign(all);
            c.seekToBeginning(all);
            for (long end = System.nanoTime() + Duration.ofSeconds(60).toNanos(); !counts.equals(new TreeMap<>(sent));) {
                Steps.check(died.get() == null, "a stream thread died: " + died.get());
                Steps.check(System.nanoTime() < end, "counted " + counts + ", sent " + new TreeMap<>(sent));
                for (ConsumerRecord<String, Long> r : c.poll(Duration.ofMillis(200))) {
                    Long before = counts.put(r.key(), r.value());
                    Steps.check(before == null || before < r.value(), r.key() + " went from " + before + " to " + r.value());
                    Steps.check(r.value() <= sent.get(r.key()), r.key() + " was counted " + r.value() + " times");
                }
            }
        }
    }
}
