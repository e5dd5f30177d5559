// SPDX-License-Identifier: Apache-2.0
import static java.util.Map.of;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Where records are: by offset, by time, by the ends of the log. All on one topic that holds the content once. */
final class OffsetCases {
    private static final String TOPIC = "java-offsets";
    private static final List<TopicPartition> PARTITIONS = Cluster.partitions(TOPIC, Content.PARTITIONS);
    private static final long EACH = Content.COUNT / Content.PARTITIONS;
    private final Cluster cluster;

    private OffsetCases(Cluster cluster) {
        this.cluster = cluster;
    }

    static void addTo(Suite suite, Cluster cluster) {
        OffsetCases cases = new OffsetCases(cluster);
        suite.add("many small segments hold the content", cases::fill);
        suite.add("the ends of the log", cases::ends);
        suite.add("offsets for every second", cases::offsetsForTimes);
        suite.add("the administrator's offsets", cases::listOffsets);
        suite.add("offsets of a topic without records", cases::emptyTopic);
        suite.add("offsets of an unknown topic", cases::unknownTopic);
        suite.add("every offset can be sought", cases::seek);
        suite.add("an offset that is not there", cases::outOfRange);
        suite.add("partitions are added, paused and dropped in one session", cases::sessions);
    }

    /** Small batches, so that timestamps and offsets fall on every side of index entries and segment ends. */
    private void fill() throws Exception {
        cluster.create(TOPIC, Content.PARTITIONS, of("segment.bytes", "1048576", "index.interval.bytes", "200"));
        try (KafkaProducer<byte[], byte[]> producer = cluster.producer(of("batch.size", 600, "compression.type", "gzip"))) {
            Content.send(producer, TOPIC, true);
        }
        Content.checkAll(cluster, TOPIC, of());
    }

    private void ends() {
        for (String level : List.of("read_committed", "read_uncommitted"))
            try (KafkaConsumer<byte[], byte[]> consumer = cluster.consumer(of("isolation.level", level))) {
                PARTITIONS.forEach(one -> {
                    Suite.same(0L, consumer.beginningOffsets(PARTITIONS).get(one), one + ": beginning");
                    Suite.same(EACH, consumer.endOffsets(PARTITIONS).get(one), one + ": end");
                });
                consumer.assign(PARTITIONS);
                consumer.seekToEnd(PARTITIONS);
                PARTITIONS.forEach(one -> Suite.same(EACH, consumer.position(one), one + ": position"));
            }
    }

    private void offsetsForTimes() {
        try (KafkaConsumer<byte[], byte[]> consumer = cluster.consumer(of())) {
            for (long at = Content.FIRST_MS - 2500; at < Content.FIRST_MS + (Content.COUNT + 3) * Content.STEP_MS; at += 500) {
                Map<TopicPartition, Long> asked = new HashMap<>();
                for (TopicPartition one : PARTITIONS)
                    asked.put(one, at);
                Map<TopicPartition, OffsetAndTimestamp> found = consumer.offsetsForTimes(asked);
                for (TopicPartition one : PARTITIONS) {
                    long wanted = Content.firstAtOrAfter(one.partition(), at);
                    OffsetAndTimestamp answer = found.get(one);
                    Suite.same(wanted, answer == null ? -1L : answer.offset(), one + " at " + at);
                    if (answer != null) {
                        Suite.same(Content.timestamp((int) wanted * Content.PARTITIONS + one.partition()), answer.timestamp(), one + " at " + at + ": timestamp");
                        Suite.same(0, answer.leaderEpoch().orElse(-1), one + " at " + at + ": leader epoch");
                    }
                }
            }
        }
    }

    private ListOffsetsResultInfo list(TopicPartition partition, OffsetSpec spec) throws Exception {
        return Cluster.get(cluster.admin.listOffsets(of(partition, spec), new ListOffsetsOptions(IsolationLevel.READ_COMMITTED)).partitionResult(partition));
    }

    private void listOffsets() throws Exception {
        for (TopicPartition one : PARTITIONS) {
            long newest = -1, newestOffset = -1;
            for (int i = one.partition(); i < Content.COUNT; i += Content.PARTITIONS)
                if (Content.timestamp(i) > newest) {
                    newest = Content.timestamp(i);
                    newestOffset = i / Content.PARTITIONS;
                }
            Suite.same(0L, list(one, OffsetSpec.earliest()).offset(), one + ": earliest");
            Suite.same(EACH, list(one, OffsetSpec.latest()).offset(), one + ": latest");
            Suite.same(0, list(one, OffsetSpec.latest()).leaderEpoch().orElse(-1), one + ": leader epoch");
            Suite.same(newestOffset, list(one, OffsetSpec.maxTimestamp()).offset(), one + ": newest");
            Suite.same(newest, list(one, OffsetSpec.maxTimestamp()).timestamp(), one + ": timestamp of the newest");
            Suite.same(0L, list(one, OffsetSpec.earliestLocal()).offset(), one + ": earliest on this disk");
            Suite.same(-1L, list(one, OffsetSpec.latestTiered()).offset(), one + ": latest on another storage");
            Suite.same(-1L, list(one, OffsetSpec.forTimestamp(Content.FIRST_MS * 2)).offset(), one + ": later than all");
        }
    }

    private void emptyTopic() throws Exception {
        cluster.create("java-empty", 1, of());
        TopicPartition empty = new TopicPartition("java-empty", 0);
        Suite.same(0L, list(empty, OffsetSpec.earliest()).offset(), "earliest");
        Suite.same(0L, list(empty, OffsetSpec.latest()).offset(), "latest");
        Suite.same(-1L, list(empty, OffsetSpec.maxTimestamp()).offset(), "newest");
        Suite.same(-1L, list(empty, OffsetSpec.forTimestamp(0)).offset(), "by time");
        try (KafkaConsumer<byte[], byte[]> consumer = cluster.consumer(of())) {
            consumer.assign(Set.of(empty));
            consumer.seek(empty, 0);
            Suite.same(0, consumer.poll(Duration.ofMillis(300)).count(), "records");
            Suite.same(0L, consumer.position(empty), "position");
        }
    }

    private void unknownTopic() throws Exception {
        Suite.fails(UnknownTopicOrPartitionException.class, () -> Cluster.get(cluster.admin.listOffsets(
            of(new TopicPartition("java-nowhere", 0), OffsetSpec.latest()), new ListOffsetsOptions(IsolationLevel.READ_COMMITTED).timeoutMs(1500)).all()));
    }

    /** The record at the offset comes first, also from the middle of a batch. A seek waits for the fetch that is under way. */
    private void seek() {
        try (KafkaConsumer<byte[], byte[]> consumer = cluster.consumer(of("fetch.max.wait.ms", 20))) {
            consumer.assign(PARTITIONS.subList(1, 2));
            for (long offset = 0; offset < EACH; offset += 3) {
                consumer.seek(PARTITIONS.get(1), offset);
                ConsumerRecord<byte[], byte[]> first = consumer.poll(Duration.ofSeconds(10)).iterator().next();
                Suite.same(offset, first.offset(), "first offset");
                Content.checkRecord((int) offset * Content.PARTITIONS + 1, first);
            }
        }
    }

    private void outOfRange() {
        TopicPartition one = PARTITIONS.get(0);
        try (KafkaConsumer<byte[], byte[]> consumer = cluster.consumer(of())) {
            consumer.assign(Set.of(one));
            consumer.seek(one, EACH + 5);
            try {
                for (int i = 0; i < 20; i++)
                    consumer.poll(Duration.ofMillis(500));
                throw new AssertionError("an offset beyond the end was taken");
            } catch (OffsetOutOfRangeException expected) {
                Suite.same(Map.of(one, EACH + 5), expected.offsetOutOfRangePartitions(), "partitions");
            }
        }
        for (Map.Entry<String, Long> reset : of("earliest", 0L, "latest", EACH, "by_duration:P5000D", 0L).entrySet())
            try (KafkaConsumer<byte[], byte[]> consumer = cluster.consumer(of("auto.offset.reset", reset.getKey(), "max.poll.records", 1))) {
                consumer.assign(Set.of(one));
                consumer.seek(one, EACH + 5);
                long deadline = System.nanoTime() + 10_000_000_000L;
                while (consumer.position(one) == EACH + 5 && System.nanoTime() < deadline)
                    consumer.poll(Duration.ofMillis(100));
                long found = consumer.position(one);
                Suite.check(found == reset.getValue() || found == reset.getValue() + 1, reset.getKey() + " leads to " + found);
            }
    }

    private void sessions() throws Exception {
        cluster.create("java-sessions", 20, of());
        List<TopicPartition> all = Cluster.partitions("java-sessions", 20);
        try (KafkaConsumer<byte[], byte[]> consumer = cluster.consumer(of("fetch.max.wait.ms", 100));
             KafkaProducer<byte[], byte[]> producer = cluster.producer(of("linger.ms", 0))) {
            for (int round = 1; round <= 20; round++) {
                Map<TopicPartition, Long> positions = new HashMap<>();
                consumer.assignment().forEach(one -> positions.put(one, consumer.position(one)));
                List<TopicPartition> now = round <= 10 ? all.subList(0, round * 2) : all.subList((round - 10), 20);
                consumer.assign(now);
                now.forEach(one -> consumer.seek(one, positions.getOrDefault(one, 0L)));
                consumer.resume(now);
                TopicPartition paused = now.get(round % now.size());
                consumer.pause(Set.of(paused));
                for (TopicPartition one : now)
                    producer.send(new org.apache.kafka.clients.producer.ProducerRecord<>(one.topic(), one.partition(), null, Content.bytes("" + round)));
                producer.flush();
                List<TopicPartition> open = now.stream().filter(one -> !one.equals(paused)).toList();
                Cluster.readToEnd(consumer, open).forEach((one, records) -> Suite.check(!records.isEmpty(), one + ": nothing new"));
            }
        }
    }
}
