// SPDX-License-Identifier: Apache-2.0
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.CreateTopicsResult;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The node under test: its address, its data directory, and clients that talk to it. */
final class Cluster implements AutoCloseable {
    static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");

    /** The header of a stored batch, as far as a client's user can tell what became of what was sent. */
    record Batch(long baseOffset, int size, int codec, boolean logAppendTime, int recordCount, long producerId) {}

    private static final boolean KAFKA = "kafka".equals(System.getenv("BROKER"));

    final String address;
    final Path data;
    final Admin admin;

    Cluster(String address, Path data) {
        this.address = address;
        this.data = data;
        this.admin = Admin.create(Map.of("bootstrap.servers", address, "default.api.timeout.ms", 20000, "request.timeout.ms", 10000));
    }

    @Override
    public void close() {
        admin.close(Duration.ofSeconds(5));
    }

    static <T> T get(KafkaFuture<T> future) throws Exception {
        return future.get(20, TimeUnit.SECONDS);
    }

    /** Retention is off where it is not asked for: much of what is sent carries timestamps of years ago. */
    CreateTopicsResult create(String topic, int partitions, Map<String, String> configs) throws Exception {
        Map<String, String> all = new HashMap<>(Map.of("retention.ms", "-1"));
        all.putAll(configs);
        CreateTopicsResult result = admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1).configs(all)));
        get(result.all());
        if (KAFKA)
            awaitServed(topic, partitions);
        return result;
    }

    /** Kafka answers before its broker serves what was created. An idempotent producer that comes in between may have its first batch
     * refused and its second one taken, and never gets over it. Strom answers when the topic is served, so nothing waits there. */
    private void awaitServed(String topic, int partitionCount) throws Exception {
        for (long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(10); ; ) {
            try {
                get(admin.describeTopics(List.of(topic)).allTopicNames());
                Map<TopicPartition, OffsetSpec> asked = new HashMap<>();
                partitions(topic, partitionCount).forEach(one -> asked.put(one, OffsetSpec.latest()));
                get(admin.listOffsets(asked).all());
                return;
            } catch (ExecutionException error) {
                if (!(error.getCause() instanceof UnknownTopicOrPartitionException) || System.nanoTime() > deadline)
                    throw error;
            }
        }
    }

    KafkaProducer<byte[], byte[]> producer(Map<String, Object> settings) {
        Map<String, Object> all = new HashMap<>(Map.of("bootstrap.servers", address, "linger.ms", 20, "max.block.ms", 20000,
            "delivery.timeout.ms", 20000, "request.timeout.ms", 10000, "max.request.size", 20_000_000));
        all.putAll(settings);
        return new KafkaProducer<>(all, new ByteArraySerializer(), new ByteArraySerializer());
    }

    KafkaConsumer<byte[], byte[]> consumer(Map<String, Object> settings) {
        Map<String, Object> all = new HashMap<>(Map.of("bootstrap.servers", address, "default.api.timeout.ms", 20000,
            "fetch.max.wait.ms", 50, "auto.offset.reset", "none", "enable.auto.commit", false, "isolation.level", "read_committed"));
        all.putAll(settings);
        return new KafkaConsumer<>(all, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static List<TopicPartition> partitions(String topic, int count) {
        return IntStream.range(0, count).mapToObj(i -> new TopicPartition(topic, i)).toList();
    }

    /** Polls an assigned consumer from where it stands to the end of every partition; order within a partition is checked. */
    static Map<TopicPartition, List<ConsumerRecord<byte[], byte[]>>> readToEnd(KafkaConsumer<byte[], byte[]> consumer,
                                                                               Collection<TopicPartition> partitions) {
        Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
        Map<TopicPartition, List<ConsumerRecord<byte[], byte[]>>> found = new HashMap<>();
        partitions.forEach(one -> found.put(one, new ArrayList<>()));
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (partitions.stream().anyMatch(one -> consumer.position(one) < ends.get(one))) {
            Suite.check(System.nanoTime() < deadline, "the end was not reached within 30 s: " + ends);
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                List<ConsumerRecord<byte[], byte[]>> list = found.get(new TopicPartition(record.topic(), record.partition()));
                Suite.check(list.isEmpty() || list.get(list.size() - 1).offset() < record.offset(), "offsets go back at " + record);
                list.add(record);
            }
        }
        return found;
    }

    Map<TopicPartition, List<ConsumerRecord<byte[], byte[]>>> read(String topic, int partitionCount, Map<String, Object> settings) {
        List<TopicPartition> partitions = partitions(topic, partitionCount);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(settings)) {
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            return readToEnd(consumer, partitions);
        }
    }

    /** All batches that stand in the segment files of a partition. */
    List<Batch> stored(String topic, int partition) throws IOException {
        List<Batch> found = new ArrayList<>();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(data.resolve(topic + "-" + partition), "*.log")) {
            TreeSet<Path> sorted = new TreeSet<>();
            files.forEach(sorted::add);
            for (Path file : sorted) {
                ByteBuffer log = ByteBuffer.wrap(Files.readAllBytes(file));
                while (log.remaining() >= 61) {
                    int at = log.position(), size = log.getInt(at + 8) + 12, attributes = log.getShort(at + 21);
                    Suite.check(size > 60 && size <= log.remaining(), file + " at " + at + ": a batch of " + size);
                    Suite.same(2, (int) log.get(at + 16), file + " at " + at + ": magic");
                    found.add(new Batch(log.getLong(at), size, attributes & 7, (attributes & 8) != 0, log.getInt(at + 57), log.getLong(at + 43)));
                    log.position(at + size);
                }
            }
        }
        return found;
    }

    void storedAs(String topic, int partitionCount, String codec) throws IOException {
        for (int partition = 0; partition < partitionCount; partition++) {
            List<Batch> batches = stored(topic, partition);
            Suite.check(!batches.isEmpty(), topic + "-" + partition + " has no batch");
            for (Batch batch : batches)
                Suite.same(codec, CODECS.get(batch.codec), topic + "-" + partition + ": stored codec of " + batch);
        }
    }
}
