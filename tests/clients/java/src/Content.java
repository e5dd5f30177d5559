// SPDX-License-Identifier: Apache-2.0
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;

/** The content of ../../content.py: 300 records over three partitions that touch every corner of a record. Record i belongs to
 * partition i % 3 at offset i / 3. */
final class Content {
    static final int COUNT = 300, PARTITIONS = 3;
    static final long FIRST_MS = 1700000000000L, STEP_MS = 1000;

    private Content() {}

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static byte[] key(int i) {
        return i % 10 == 3 ? null : bytes(i % 10 == 4 ? "" : "key-" + i + "-größe-漢字");
    }

    static byte[] value(int i) {
        return i % 10 == 5 ? null : bytes(i % 10 == 6 ? "" : "value-" + i + "-🙂-" + "abcdefghij".repeat(i % 50));
    }

    static long timestamp(int i) {
        return FIRST_MS + i * STEP_MS - (i % 11 == 0 ? 5000 : 0);
    }

    static Headers headers(int i) {
        Headers headers = new RecordHeaders();
        headers.add("number", bytes("" + i)).add("empty", new byte[0]).add("null", null).add("größe-漢字", bytes("naïve-🙂"));
        return i % 7 == 0 ? headers.add("number", bytes("again")) : headers;
    }

    /** Sends everything; answers only after every send was acknowledged, at the offset where it belongs. */
    static void send(KafkaProducer<byte[], byte[]> producer, String topic, boolean acknowledged) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (int i = 0; i < COUNT; i++)
            sent.add(producer.send(new ProducerRecord<>(topic, i % PARTITIONS, timestamp(i), key(i), value(i), headers(i))));
        producer.flush();
        for (int i = 0; i < COUNT; i++) {
            RecordMetadata metadata = sent.get(i).get(20, TimeUnit.SECONDS);
            Suite.same(i % PARTITIONS, metadata.partition(), "partition of record " + i);
            Suite.same(acknowledged ? (long) (i / PARTITIONS) : -1L, metadata.offset(), "offset of record " + i);
            Suite.same(timestamp(i), metadata.timestamp(), "timestamp of record " + i);
        }
    }

    static void checkRecord(int i, ConsumerRecord<byte[], byte[]> found) {
        String where = "record " + i + " at " + found.topic() + "-" + found.partition() + "@" + found.offset();
        Suite.check(Arrays.equals(key(i), found.key()), where + ": key");
        Suite.check(Arrays.equals(value(i), found.value()), where + ": value");
        Header[] wanted = headers(i).toArray(), headers = found.headers().toArray();
        Suite.same(wanted.length, headers.length, where + ": headers");
        for (int h = 0; h < wanted.length; h++) {
            Suite.same(wanted[h].key(), headers[h].key(), where + ": header name");
            Suite.check(Arrays.equals(wanted[h].value(), headers[h].value()), where + ": header " + wanted[h].key());
        }
    }

    /** Partition by partition, from the beginning: exactly the content, with its own timestamps. */
    static void checkAll(Cluster cluster, String topic, Map<String, Object> settings) {
        cluster.read(topic, PARTITIONS, settings).forEach((partition, records) -> {
            Suite.same(COUNT / PARTITIONS, records.size(), partition + ": records");
            for (ConsumerRecord<byte[], byte[]> record : records) {
                int i = (int) record.offset() * PARTITIONS + record.partition();
                checkRecord(i, record);
                Suite.same(timestamp(i), record.timestamp(), partition + ": timestamp of record " + i);
                Suite.same(TimestampType.CREATE_TIME, record.timestampType(), partition + ": timestamp type");
            }
        });
    }

    /** The first offset of the partition whose timestamp is not smaller, or -1. */
    static long firstAtOrAfter(int partition, long timestamp) {
        for (int i = partition; i < COUNT; i += PARTITIONS)
            if (timestamp(i) >= timestamp)
                return i / PARTITIONS;
        return -1;
    }
}
