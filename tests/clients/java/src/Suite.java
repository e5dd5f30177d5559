// SPDX-License-Identifier: Apache-2.0
// The stock Java client: per codec it creates a topic, sends the content (see ../../content.py), idempotent, and reads it back by
// partition and by timestamp. usage: java Suite.java HOST:PORT
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.*;

public class Suite {
    static final int COUNT = 300, PARTITIONS = 3;
    static final long FIRST_MS = 1700000000000L, STEP_MS = 1000;
    static String address;
    static int passed, failed;

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static byte[] value(int i) {
        return bytes("value-" + i + "-" + "abcdefghij".repeat(i % 50));
    }

    static void check(boolean holds, String what) {
        if (!holds)
            throw new AssertionError(what);
    }

    interface Body {
        void run() throws Exception;
    }

    static void run(String name, Body body) {
        long start = System.currentTimeMillis();
        try {
            body.run();
            passed++;
            System.out.printf("ok    %s  %.1f s%n", name, (System.currentTimeMillis() - start) / 1000.0);
        } catch (Throwable error) {
            failed++;
            System.out.println("FAIL  " + name);
            error.printStackTrace(System.out);
        }
    }

    static Admin admin() {
        return Admin.create(Map.of("bootstrap.servers", address));
    }

    static void create(String topic, int partitions, Map<String, String> configs) throws Exception {
        try (Admin admin = admin()) {
            CreateTopicsResult result = admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1).configs(configs)));
            result.all().get(30, TimeUnit.SECONDS);
            check(result.numPartitions(topic).get() == partitions, "partitions in the answer");
        }
    }

    static KafkaProducer<byte[], byte[]> producer(String codec, String acks) {
        return new KafkaProducer<>(Map.of("bootstrap.servers", address, "compression.type", codec, "acks", acks, "linger.ms", 50,
            "enable.idempotence", acks.equals("all")), new ByteArraySerializer(), new ByteArraySerializer());
    }

    static void produce(String topic, String codec, String acks) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = producer(codec, acks)) {
            for (int i = 0; i < COUNT; i++) {
                RecordHeaders headers = new RecordHeaders();
                headers.add("number", bytes("" + i)).add("empty", new byte[0]);
                sent.add(producer.send(new ProducerRecord<>(topic, i % PARTITIONS, FIRST_MS + i * STEP_MS, bytes("key-" + i), value(i), headers)));
            }
            producer.flush();
            for (int i = 0; i < COUNT; i++) {
                RecordMetadata at = sent.get(i).get(30, TimeUnit.SECONDS);
                check(acks.equals("0") || at.offset() == i / PARTITIONS, "offset " + at.offset() + " of record " + i);
            }
        }
    }

    static KafkaConsumer<byte[], byte[]> consumer() {
        return new KafkaConsumer<>(Map.of("bootstrap.servers", address, "auto.offset.reset", "earliest", "enable.auto.commit", false),
            new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static List<TopicPartition> partitions(String topic) {
        List<TopicPartition> all = new ArrayList<>();
        for (int p = 0; p < PARTITIONS; p++)
            all.add(new TopicPartition(topic, p));
        return all;
    }

    /** Reads until `count` records are there; each must be the content's, in order. */
    static void expect(KafkaConsumer<byte[], byte[]> consumer, int first, int count) {
        int[] next = { first, first, first };
        long end = System.currentTimeMillis() + 30000;
        int got = 0;
        while (got < count && System.currentTimeMillis() < end) {
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(500))) {
                int place = next[record.partition()]++, i = place * PARTITIONS + record.partition();
                check(record.offset() == place, record + ": offset, not " + place);
                check(Arrays.equals(record.key(), bytes("key-" + i)) && Arrays.equals(record.value(), value(i)), record + ": content of " + i);
                check(record.timestamp() == FIRST_MS + i * STEP_MS, record + ": timestamp");
                Header[] headers = record.headers().toArray();
                check(headers.length == 2 && headers[0].key().equals("number") && Arrays.equals(headers[0].value(), bytes("" + i))
                    && headers[1].key().equals("empty") && headers[1].value().length == 0, record + ": headers");
                got++;
            }
        }
        check(got == count, got + " records, not " + count);
    }

    static void content(String codec) throws Exception {
        String topic = "java-" + codec;
        create(topic, PARTITIONS, Map.of());
        produce(topic, codec, "all");
        try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
            consumer.assign(partitions(topic));
            consumer.seekToBeginning(partitions(topic));
            expect(consumer, 0, COUNT);
            Map<TopicPartition, Long> times = new HashMap<>();
            for (TopicPartition partition : partitions(topic))
                times.put(partition, FIRST_MS + 150 * STEP_MS);
            for (Map.Entry<TopicPartition, OffsetAndTimestamp> found : consumer.offsetsForTimes(times).entrySet()) {
                check(found.getValue().offset() == 50, found + ": by time");
                consumer.seek(found.getKey(), found.getValue().offset());
            }
            expect(consumer, 50, COUNT / 2);
            for (long offset : consumer.endOffsets(partitions(topic)).values())
                check(offset == COUNT / PARTITIONS, "end " + offset);
            for (long offset : consumer.beginningOffsets(partitions(topic)).values())
                check(offset == 0, "beginning " + offset);
        }
    }

    static void acks(String level) throws Exception {
        String topic = "java-acks-" + level;
        create(topic, PARTITIONS, Map.of());
        try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
            consumer.assign(partitions(topic));
            consumer.seekToBeginning(partitions(topic));
            for (TopicPartition partition : partitions(topic))
                consumer.position(partition);
            produce(topic, "none", level);
            expect(consumer, 0, COUNT);
        }
    }

    static void topics() throws Exception {
        create("java-made", 4, Map.of("retention.ms", "1000000", "cleanup.policy", "delete"));
        try (Admin admin = admin()) {
            TopicDescription found = admin.describeTopics(List.of("java-made")).allTopicNames().get(30, TimeUnit.SECONDS).get("java-made");
            check(found.partitions().size() == 4 && found.partitions().get(0).leader().id() == 1, "described: " + found);
            check(admin.listTopics().names().get(30, TimeUnit.SECONDS).contains("java-made"), "listed");
            check(admin.describeCluster().nodes().get(30, TimeUnit.SECONDS).size() == 1, "cluster");
            Map<TopicPartition, OffsetSpec> asked = Map.of(new TopicPartition("java-none", 0), OffsetSpec.maxTimestamp());
            long offset = admin.listOffsets(asked).all().get(30, TimeUnit.SECONDS).get(new TopicPartition("java-none", 0)).offset();
            check(offset == COUNT / PARTITIONS - 1, "largest timestamp at " + offset);
            try {
                create("java-made", 1, Map.of());
                throw new AssertionError("created twice");
            } catch (ExecutionException error) {
                check(error.getCause() instanceof TopicExistsException, "" + error);
            }
            admin.deleteTopics(List.of("java-made")).all().get(30, TimeUnit.SECONDS);
            check(!admin.listTopics().names().get(30, TimeUnit.SECONDS).contains("java-made"), "deleted");
        }
    }

    public static void main(String[] arguments) {
        address = arguments[0];
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd"))
            run("java " + codec, () -> content(codec));
        for (String level : List.of("0", "1"))
            run("java acks=" + level, () -> acks(level));
        run("java topics", Suite::topics);
        System.out.println(passed + " passed, " + failed + " failed");
        System.exit(failed == 0 ? 0 : 1);
    }
}
