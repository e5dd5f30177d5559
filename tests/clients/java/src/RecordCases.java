// SPDX-License-Identifier: Apache-2.0
import static java.util.Map.of;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.InvalidRecordException;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.InvalidTimestampException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.record.TimestampType;

/** What becomes of records: sent in every way a producer can, refused for every reason, found again with all they had. */
final class RecordCases {
    private final Cluster cluster;

    private RecordCases(Cluster cluster) {
        this.cluster = cluster;
    }

    static void addTo(Suite suite, Cluster cluster) {
        RecordCases cases = new RecordCases(cluster);
        for (String codec : Cluster.CODECS)
            suite.add("idempotent " + codec + " comes back whole", () -> cases.roundTrip("java-" + codec, codec, of("acks", "all"), true));
        for (String acks : List.of("0", "1", "all"))
            suite.add("acks " + acks + " without idempotence", () -> cases.roundTrip("java-acks-" + acks, "zstd",
                of("acks", acks, "enable.idempotence", false), !acks.equals("0")));
        for (String codec : Cluster.CODECS)
            suite.add("append time in " + codec, () -> cases.appendTime(codec));
        for (String codec : Cluster.CODECS)
            suite.add("a topic's own codec " + codec, () -> cases.ownCodec(codec));
        suite.add("a compacted topic refuses what has no key", cases::compactedNeedsKeys);
        suite.add("a record over the topic's limit is too large", cases::tooLarge);
        suite.add("a batch over the topic's limit is split", cases::splitBatch);
        suite.add("timestamps beyond the topic's bounds are refused", cases::timestampBounds);
        for (String codec : Cluster.CODECS)
            suite.add("records of 900 kB in " + codec, () -> cases.largeRecords(codec));
    }

    private void roundTrip(String topic, String codec, Map<String, Object> settings, boolean acknowledged) throws Exception {
        cluster.create(topic, Content.PARTITIONS, of());
        try (KafkaProducer<byte[], byte[]> producer = cluster.producer(settings)) {
            producer.partitionsFor(topic);
        }
        Map<String, Object> all = new java.util.HashMap<>(settings);
        all.put("compression.type", codec);
        try (KafkaProducer<byte[], byte[]> producer = cluster.producer(all)) {
            Content.send(producer, topic, acknowledged);
        }
        if (!settings.get("acks").equals("all"))
            awaitEnd(topic);
        Content.checkAll(cluster, topic, of());
        Content.checkAll(cluster, topic, of("isolation.level", "read_uncommitted", "check.crcs", true, "max.partition.fetch.bytes", 100, "max.poll.records", 7));
        cluster.storedAs(topic, Content.PARTITIONS, codec);
        for (int partition = 0; partition < Content.PARTITIONS; partition++)
            for (Cluster.Batch batch : cluster.stored(topic, partition))
                Suite.same(!settings.containsKey("enable.idempotence"), batch.producerId() >= 0, "a producer id in " + batch);
    }

    /** Nothing tells when what was sent with acks=0 has arrived, nor when what acks=1 acknowledged is on the disk and may be read. */
    private void awaitEnd(String topic) {
        var partitions = Cluster.partitions(topic, Content.PARTITIONS);
        long deadline = System.nanoTime() + 10_000_000_000L;
        try (var consumer = cluster.consumer(of())) {
            while (consumer.endOffsets(partitions).values().stream().mapToLong(Long::longValue).sum() < Content.COUNT)
                Suite.check(System.nanoTime() < deadline, "not all arrived within 10 s: " + consumer.endOffsets(partitions));
        }
    }

    private void appendTime(String codec) throws Exception {
        String topic = "java-append-time-" + codec;
        cluster.create(topic, 1, of("message.timestamp.type", "LogAppendTime"));
        long before = System.currentTimeMillis();
        try (KafkaProducer<byte[], byte[]> producer = cluster.producer(of("compression.type", codec))) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < 50; i++)
                sent.add(producer.send(new ProducerRecord<>(topic, 0, Content.timestamp(i), Content.key(i), Content.value(i), Content.headers(i))));
            for (Future<RecordMetadata> one : sent)
                Suite.check(one.get().timestamp() >= before && one.get().timestamp() <= System.currentTimeMillis(), "answered " + one.get().timestamp());
            var found = cluster.read(topic, 1, of()).values().iterator().next();
            Suite.same(50, found.size(), "records");
            for (ConsumerRecord<byte[], byte[]> record : found) {
                Content.checkRecord((int) record.offset(), record);
                Suite.same(TimestampType.LOG_APPEND_TIME, record.timestampType(), "timestamp type");
                Suite.same(sent.get((int) record.offset()).get().timestamp(), record.timestamp(), "timestamp at " + record.offset());
            }
        }
        cluster.storedAs(topic, 1, codec);
        for (Cluster.Batch batch : cluster.stored(topic, 0))
            Suite.check(batch.logAppendTime(), "the stored batch has create time");
    }

    private void ownCodec(String codec) throws Exception {
        String topic = "java-own-" + codec;
        cluster.create(topic, Content.PARTITIONS, of("compression.type", codec.equals("none") ? "uncompressed" : codec));
        for (String sent : List.of("none", "gzip", codec)) {
            try (KafkaProducer<byte[], byte[]> producer = cluster.producer(of("compression.type", sent))) {
                for (int i = 0; i < Content.COUNT; i++)
                    producer.send(new ProducerRecord<>(topic, i % Content.PARTITIONS, Content.timestamp(i), Content.key(i), Content.value(i), Content.headers(i)));
                producer.flush();
            }
        }
        int each = Content.COUNT / Content.PARTITIONS;
        cluster.read(topic, Content.PARTITIONS, of()).forEach((partition, records) -> {
            Suite.same(3 * each, records.size(), partition + ": records");
            for (ConsumerRecord<byte[], byte[]> record : records) {
                int i = (int) (record.offset() % each) * Content.PARTITIONS + record.partition();
                Content.checkRecord(i, record);
                Suite.same(Content.timestamp(i), record.timestamp(), partition + ": timestamp at " + record.offset());
            }
        });
        cluster.storedAs(topic, Content.PARTITIONS, codec);
    }

    /** One record without key takes its whole batch down; the answer tells it from the others. */
    private void compactedNeedsKeys() throws Exception {
        cluster.create("java-compacted", 1, of("cleanup.policy", "compact"));
        for (String codec : Cluster.CODECS)
            try (KafkaProducer<byte[], byte[]> producer = cluster.producer(of("compression.type", codec, "linger.ms", 200))) {
                producer.partitionsFor("java-compacted");
                List<Future<RecordMetadata>> sent = new ArrayList<>();
                for (int i = 0; i < 3; i++)
                    sent.add(producer.send(new ProducerRecord<>("java-compacted", i == 1 ? null : Content.bytes("k" + i), Content.bytes("v"))));
                producer.flush();
                for (int i = 0; i < 3; i++) {
                    Future<RecordMetadata> one = sent.get(i);
                    String message = Suite.<KafkaException>fails(i == 1 ? InvalidRecordException.class : KafkaException.class, one::get).getMessage();
                    Suite.same(i == 1 ? "Compacted topic cannot accept message without key in topic partition java-compacted-0"
                        : "Failed to append record because it was part of a batch which had one more more invalid records", message, "message of " + i);
                }
            }
        try (KafkaProducer<byte[], byte[]> producer = cluster.producer(of())) {
            producer.send(new ProducerRecord<>("java-compacted", Content.bytes("k"), null)).get();
        }
        Suite.same(1, cluster.read("java-compacted", 1, of()).values().iterator().next().size(), "records");
    }

    private void tooLarge() throws Exception {
        cluster.create("java-small", 1, of("max.message.bytes", "1000"));
        try (KafkaProducer<byte[], byte[]> producer = cluster.producer(of())) {
            Suite.fails(RecordTooLargeException.class, () -> producer.send(new ProducerRecord<>("java-small", new byte[2000])).get());
            Suite.same(0L, producer.send(new ProducerRecord<>("java-small", new byte[500])).get().offset(), "offset of what fits");
            cluster.create("java-normal", 1, of());
            Suite.fails(RecordTooLargeException.class, () -> producer.send(new ProducerRecord<>("java-normal", new byte[1_100_000])).get());
            Suite.same(0L, producer.send(new ProducerRecord<>("java-normal", new byte[1_040_000])).get().offset(), "offset of what fits");
        }
    }

    /** The client takes MESSAGE_TOO_LARGE for a batch of several records as a wish for smaller ones. */
    private void splitBatch() throws Exception {
        cluster.create("java-split", 1, of("max.message.bytes", "1000"));
        try (KafkaProducer<byte[], byte[]> producer = cluster.producer(of("batch.size", 100000, "linger.ms", 300))) {
            producer.partitionsFor("java-split");
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < 40; i++)
                sent.add(producer.send(new ProducerRecord<>("java-split", Content.bytes("" + i), new byte[200])));
            producer.flush();
            for (int i = 0; i < 40; i++)
                Suite.same((long) i, sent.get(i).get().offset(), "offset of " + i);
        }
        for (Cluster.Batch batch : cluster.stored("java-split", 0))
            Suite.check(batch.size() <= 1000, "stored " + batch);
        Suite.same(40, cluster.read("java-split", 1, of()).values().iterator().next().size(), "records");
    }

    private void timestampBounds() throws Exception {
        cluster.create("java-bounded", 1, of("message.timestamp.after.max.ms", "60000", "message.timestamp.before.max.ms", "60000"));
        long now = System.currentTimeMillis();
        for (String codec : List.of("none", "zstd"))
            try (KafkaProducer<byte[], byte[]> producer = cluster.producer(of("compression.type", codec))) {
                Suite.fails(InvalidTimestampException.class, () -> producer.send(new ProducerRecord<>("java-bounded", 0, now + 120000, null, new byte[9])).get());
                Suite.fails(InvalidTimestampException.class, () -> producer.send(new ProducerRecord<>("java-bounded", 0, now - 120000, null, new byte[9])).get());
                producer.send(new ProducerRecord<>("java-bounded", 0, now, null, new byte[9])).get();
            }
        Suite.same(2, cluster.read("java-bounded", 1, of()).values().iterator().next().size(), "records");
    }

    /** Incompressible, so that every codec stores large batches, and read with limits that one batch exceeds. */
    private void largeRecords(String codec) throws Exception {
        String topic = "java-large-" + codec;
        cluster.create(topic, 2, of());
        byte[][] values = new byte[8][900_000];
        for (int i = 0; i < values.length; i++)
            new Random(i).nextBytes(values[i]);
        try (KafkaProducer<byte[], byte[]> producer = cluster.producer(of("compression.type", codec))) {
            for (int i = 0; i < values.length; i++)
                producer.send(new ProducerRecord<>(topic, i % 2, Content.bytes("" + i), values[i]));
            producer.flush();
        }
        for (Map<String, Object> limits : List.<Map<String, Object>>of(of(), of("max.partition.fetch.bytes", 1000), of("fetch.max.bytes", 1000)))
            cluster.read(topic, 2, limits).forEach((partition, records) -> {
                Suite.same(values.length / 2, records.size(), partition + ": records");
                for (ConsumerRecord<byte[], byte[]> record : records)
                    Suite.check(java.util.Arrays.equals(values[(int) record.offset() * 2 + record.partition()], record.value()), "value at " + record.offset());
            });
        cluster.storedAs(topic, 2, codec);
    }
}
