// SPDX-License-Identifier: Apache-2.0
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** usage: java Member HOST:PORT TOPIC MEMBER GROUP=KEY:VALUE,...: a member of groups, as groups.py says. */
final class Member implements ConsumerRebalanceListener, Runnable {
    private static final FileOutputStream OUT = new FileOutputStream(FileDescriptor.out);
    private static volatile boolean ended;

    private final String name, group;
    private final KafkaConsumer<byte[], byte[]> consumer;
    private final TreeSet<Integer> owned = new TreeSet<>();
    private final Map<TopicPartition, OffsetAndMetadata> read = new HashMap<>();

    private Member(String address, String topic, String name, String group, String settings) {
        this.name = name;
        this.group = group;
        Map<String, Object> all = new HashMap<>(Map.of("bootstrap.servers", address, "group.id", group, "enable.auto.commit", false,
            "auto.offset.reset", "earliest", "fetch.max.wait.ms", 50, "max.poll.records", 100, "reconnect.backoff.max.ms", 200));
        for (String one : settings.split(","))
            all.put(one.substring(0, one.indexOf(':')), one.substring(one.indexOf(':') + 1));
        consumer = new KafkaConsumer<>(all, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        consumer.subscribe(List.of(topic), this);
    }

    /** One line is one write to the pipe, which keeps it whole. */
    private void say(String format, Object... values) {
        try {
            OUT.write((name + " " + group + " " + String.format(format, values) + "\n").getBytes(StandardCharsets.UTF_8));
        } catch (IOException error) {
            ended = true;
        }
    }

    private void sayOwned() {
        say("owns %s", owned.stream().map(String::valueOf).collect(Collectors.joining(",")));
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        partitions.forEach(one -> owned.add(one.partition()));
        sayOwned();
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        commit();
        onPartitionsLost(partitions);
    }

    @Override
    public void onPartitionsLost(Collection<TopicPartition> partitions) {
        partitions.forEach(one -> owned.remove(one.partition()));
        read.keySet().removeAll(partitions);
        sayOwned();
    }

    private void commit() {
        if (read.isEmpty())
            return;
        try {
            consumer.commitSync(read);
            read.forEach((partition, position) -> say("committed %d %d", partition.partition(), position.offset()));
            read.clear();
        } catch (KafkaException error) {
            say("failed to commit: %s", error.getClass().getSimpleName());
        }
    }

    @Override
    public void run() {
        while (!ended) {
            try {
                var records = consumer.poll(Duration.ofMillis(100));
                for (TopicPartition partition : records.partitions()) {
                    List<ConsumerRecord<byte[], byte[]>> some = records.records(partition);
                    long last = some.get(some.size() - 1).offset();
                    say("read %d %d %d", partition.partition(), some.get(0).offset(), last);
                    read.put(partition, new OffsetAndMetadata(last + 1));
                }
                commit();
            } catch (KafkaException error) {
                say("failed to poll: %s", error.getClass().getSimpleName());
            }
        }
        consumer.close();
    }

    public static void main(String[] arguments) throws Exception {
        List<Thread> threads = new ArrayList<>();
        for (int i = 3; i < arguments.length; i++) {
            String[] group = arguments[i].split("=", 2);
            threads.add(new Thread(new Member(arguments[0], arguments[1], arguments[2], group[0], group[1])));
        }
        threads.forEach(Thread::start);
        while (System.in.read() >= 0) {
            continue;
        }
        ended = true;
        for (Thread thread : threads)
            thread.join();
    }
}
