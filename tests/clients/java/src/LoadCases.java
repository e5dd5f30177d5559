// SPDX-License-Identifier: Apache-2.0
import static java.util.Map.of;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/** Many records, and many clients at once. */
final class LoadCases {
    private final Cluster cluster;

    private LoadCases(Cluster cluster) {
        this.cluster = cluster;
    }

    static void addTo(Suite suite, Cluster cluster) {
        LoadCases cases = new LoadCases(cluster);
        suite.add("100,000 records over six partitions", cases::hundredThousand);
        suite.add("a waiting consumer hears of a record at once", cases::longPoll);
        suite.add("four producers and three consumers at once", cases::concurrent);
    }

    private static byte[] number(int producer, int n) {
        return ByteBuffer.allocate(8).putInt(producer).putInt(n).array();
    }

    private static KafkaProducer<byte[], byte[]> sender(Cluster cluster, String codec) {
        return cluster.producer(of("compression.type", codec, "linger.ms", 5, "acks", "all", "max.in.flight.requests.per.connection", 5));
    }

    private static void send(KafkaProducer<byte[], byte[]> producer, String topic, int partitions, int name, int count,
                             AtomicReference<Exception> failure) throws Exception {
        for (int n = 0; n < count; n++)
            producer.send(new ProducerRecord<>(topic, n % partitions, null, number(name, n)), (metadata, error) -> {
                if (error != null)
                    failure.compareAndSet(null, error);
            });
        producer.flush();
        if (failure.get() != null)
            throw failure.get();
    }

    private void hundredThousand() throws Exception {
        cluster.create("java-load", 6, of("segment.bytes", "1048576"));
        try (KafkaProducer<byte[], byte[]> producer = sender(cluster, "lz4")) {
            send(producer, "java-load", 6, 0, 100_000, new AtomicReference<>());
        }
        long[] sum = { 0, 0 };
        cluster.read("java-load", 6, of()).forEach((partition, records) -> {
            for (ConsumerRecord<byte[], byte[]> record : records) {
                Suite.same((int) record.offset() * 6 + record.partition(), ByteBuffer.wrap(record.value()).getInt(4), partition + " at " + record.offset());
                sum[0]++;
                sum[1] += ByteBuffer.wrap(record.value()).getInt(4);
            }
        });
        Suite.same(100_000L, sum[0], "records");
        Suite.same(100_000L * 99_999 / 2, sum[1], "sum");
    }

    private void longPoll() throws Exception {
        cluster.create("java-waiting", 1, of());
        TopicPartition one = new TopicPartition("java-waiting", 0);
        ExecutorService other = Executors.newSingleThreadExecutor();
        try (KafkaConsumer<byte[], byte[]> consumer = cluster.consumer(of("fetch.max.wait.ms", 3000));
             KafkaProducer<byte[], byte[]> producer = cluster.producer(of("linger.ms", 0))) {
            producer.partitionsFor("java-waiting");
            consumer.assign(List.of(one));
            consumer.seek(one, 0);
            consumer.poll(Duration.ofMillis(500));
            for (int round = 0; round < 5; round++) {
                Future<Long> sent = other.submit(() -> {
                    TimeUnit.MILLISECONDS.sleep(300);
                    producer.send(new ProducerRecord<>("java-waiting", Content.bytes("now"))).get();
                    return System.nanoTime();
                });
                Suite.same(1, consumer.poll(Duration.ofSeconds(7)).count(), "records");
                long late = System.nanoTime() - sent.get();
                Suite.check(late < 1_000_000_000L, "heard " + late / 1_000_000 + " ms after the acknowledgement");
            }
        } finally {
            other.shutdownNow();
        }
    }

    /** Every consumer sees every record once, and those of one producer in the order in which it sent them. */
    private void concurrent() throws Exception {
        int producers = 4, consumers = 3, partitions = 4, count = 10_000;
        cluster.create("java-concurrent", partitions, of());
        List<TopicPartition> all = Cluster.partitions("java-concurrent", partitions);
        ExecutorService threads = Executors.newFixedThreadPool(producers + consumers);
        List<Future<?>> running = new ArrayList<>();
        for (int c = 0; c < consumers; c++)
            running.add(threads.submit(() -> {
                int[][] next = new int[producers][partitions];
                for (int[] row : next)
                    Arrays.setAll(row, partition -> partition);
                long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
                int seen = 0;
                try (KafkaConsumer<byte[], byte[]> consumer = cluster.consumer(of("fetch.max.wait.ms", 100))) {
                    consumer.assign(all);
                    all.forEach(one -> consumer.seek(one, 0));
                    for (; seen < producers * count && System.nanoTime() < deadline; )
                        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                            ByteBuffer value = ByteBuffer.wrap(record.value());
                            int name = value.getInt();
                            Suite.same(next[name][record.partition()], value.getInt(), "from producer " + name + " in " + record.partition());
                            next[name][record.partition()] += partitions;
                            seen++;
                        }
                }
                Suite.same(producers * count, seen, "records seen");
            }));
        for (int p = 0; p < producers; p++) {
            int name = p;
            running.add(threads.submit(() -> {
                try (KafkaProducer<byte[], byte[]> producer = sender(cluster, Cluster.CODECS.get(name))) {
                    send(producer, "java-concurrent", partitions, name, count, new AtomicReference<>());
                }
                return null;
            }));
        }
        threads.shutdown();
        for (Future<?> one : running)
            one.get(40, TimeUnit.SECONDS);
    }
}
