// SPDX-License-Identifier: Apache-2.0
import static java.util.Map.of;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.CreateTopicsResult;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.FeatureMetadata;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidReplicaAssignmentException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** What an administrator asks of the cluster and its topics. */
final class TopicCases {
    private final Cluster cluster;

    private TopicCases(Cluster cluster) {
        this.cluster = cluster;
    }

    static void addTo(Suite suite, Cluster cluster) {
        TopicCases cases = new TopicCases(cluster);
        suite.add("the cluster is one node that is its own controller", cases::describeCluster);
        suite.add("features are those of 4.4", cases::describeFeatures);
        suite.add("a created topic is described and listed", cases::createAndDescribe);
        suite.add("a topic without numbers takes the broker's", cases::createWithDefaults);
        suite.add("a topic may name its replicas", cases::createWithAssignment);
        suite.add("a topic that is only validated is not there", cases::createValidateOnly);
        suite.add("bad topics are refused, each for its reason", cases::createRefused);
        suite.add("one request makes twenty topics, and one bad one spoils none", cases::createMany);
        suite.add("thirty partitions are described seven at a time", cases::describeInPages);
        suite.add("a topic appears when it is written to", cases::createByUse);
        suite.add("an unknown topic is unknown to everyone", cases::unknownTopic);
        suite.add("a deleted topic is gone, and its name free", cases::deleteTopic);
    }

    private TopicDescription describe(String topic) throws Exception {
        return Cluster.get(cluster.admin.describeTopics(List.of(topic)).allTopicNames()).get(topic);
    }

    private void describeCluster() throws Exception {
        DescribeClusterResult found = cluster.admin.describeCluster();
        List<Node> nodes = List.copyOf(Cluster.get(found.nodes()));
        Suite.same(1, nodes.size(), "nodes");
        Suite.same(cluster.address, nodes.get(0).host() + ":" + nodes.get(0).port(), "address");
        Suite.same(1, nodes.get(0).id(), "node id");
        Suite.check(!nodes.get(0).isFenced(), "the node is fenced");
        Suite.same(1, Cluster.get(found.controller()).id(), "controller");
        Suite.same(16, Uuid.fromString(Cluster.get(found.clusterId())).toString().length() - 6, "length of the cluster id");
    }

    private void describeFeatures() throws Exception {
        FeatureMetadata found = Cluster.get(cluster.admin.describeFeatures().featureMetadata());
        Map<String, Integer> newest = of("metadata.version", 33, "kraft.version", 1, "transaction.version", 2, "group.version", 1,
            "eligible.leader.replicas.version", 1, "share.version", 2, "streams.version", 1);
        Suite.same(newest.keySet(), found.finalizedFeatures().keySet(), "finalized");
        Suite.same(newest.keySet(), found.supportedFeatures().keySet(), "supported");
        newest.forEach((name, level) -> {
            Suite.same(level, (int) found.finalizedFeatures().get(name).maxVersionLevel(), name + ": finalized");
            Suite.same(level, (int) found.supportedFeatures().get(name).maxVersion(), name + ": newest supported");
            Suite.same(name.equals("metadata.version") ? 7 : 0, (int) found.supportedFeatures().get(name).minVersion(), name + ": oldest supported");
        });
        Suite.check(found.finalizedFeaturesEpoch().orElse(-1L) >= 0, "no epoch");
    }

    private void createAndDescribe() throws Exception {
        Map<String, String> configs = of("retention.ms", "123456789", "segment.bytes", "2000000", "cleanup.policy", "delete");
        CreateTopicsResult made = cluster.create("java-made", 3, configs);
        Suite.same(3, Cluster.get(made.numPartitions("java-made")), "partitions in the answer");
        Suite.same(1, Cluster.get(made.replicationFactor("java-made")), "replicas in the answer");
        Config config = Cluster.get(made.config("java-made"));
        configs.forEach((name, value) -> {
            Suite.same(value, config.get(name).value(), name);
            Suite.same(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, config.get(name).source(), "source of " + name);
        });
        Suite.same("-1", config.get("retention.bytes").value(), "retention.bytes");
        Suite.same(ConfigEntry.ConfigSource.DEFAULT_CONFIG, config.get("retention.bytes").source(), "source of retention.bytes");
        TopicDescription found = describe("java-made");
        Suite.same(Cluster.get(made.topicId("java-made")), found.topicId(), "topic id");
        Suite.same(false, found.isInternal(), "internal");
        Suite.same(List.of(0, 1, 2), found.partitions().stream().map(TopicPartitionInfo::partition).toList(), "partitions");
        for (TopicPartitionInfo partition : found.partitions()) {
            Suite.same(1, partition.leader().id(), "leader");
            Suite.same(List.of(1), partition.replicas().stream().map(Node::id).toList(), "replicas");
            Suite.same(List.of(1), partition.isr().stream().map(Node::id).toList(), "in-sync replicas");
            Suite.same(List.of(), partition.elr(), "eligible leader replicas");
        }
        TopicDescription byId = Cluster.get(cluster.admin.describeTopics(TopicCollection.ofTopicIds(List.of(found.topicId()))).allTopicIds())
            .get(found.topicId());
        Suite.same("java-made", byId.name(), "name by id");
        Suite.check(Cluster.get(cluster.admin.listTopics(new ListTopicsOptions().listInternal(true)).names()).contains("java-made"), "not listed");
    }

    private void createWithDefaults() throws Exception {
        CreateTopicsResult made = cluster.admin.createTopics(List.of(new NewTopic("java-default", Optional.empty(), Optional.empty())));
        Suite.same(1, Cluster.get(made.numPartitions("java-default")), "partitions");
        Suite.same(1, Cluster.get(made.replicationFactor("java-default")), "replicas");
        Suite.same(1, describe("java-default").partitions().size(), "partitions described");
    }

    private void createWithAssignment() throws Exception {
        Cluster.get(cluster.admin.createTopics(List.of(new NewTopic("java-assigned", of(0, List.of(1), 1, List.of(1))))).all());
        Suite.same(2, describe("java-assigned").partitions().size(), "partitions");
        Suite.fails(InvalidReplicaAssignmentException.class, () -> Cluster.get(
            cluster.admin.createTopics(List.of(new NewTopic("java-misassigned", of(0, List.of(77))))).all()));
        Suite.fails(InvalidReplicaAssignmentException.class, () -> Cluster.get(
            cluster.admin.createTopics(List.of(new NewTopic("java-misassigned", of(1, List.of(1))))).all()));
    }

    private void createValidateOnly() throws Exception {
        CreateTopicsResult made = cluster.admin.createTopics(List.of(new NewTopic("java-never", 2, (short) 1)), new CreateTopicsOptions().validateOnly(true));
        Suite.same(2, Cluster.get(made.numPartitions("java-never")), "partitions in the answer");
        Suite.fails(UnknownTopicOrPartitionException.class, () -> describe("java-never"));
    }

    private void createRefused() throws Exception {
        cluster.create("java-taken", 1, of());
        cluster.create("java-dot.ted_1", 1, of());
        String longName = "j".repeat(250), colliding = "java-dot_ted.1";
        refused(TopicExistsException.class, "Topic 'java-taken' already exists.", new NewTopic("java-taken", 1, (short) 1));
        refused(InvalidTopicException.class, "Topic 'java-dot_ted.1' collides with existing topic: java-dot.ted_1", new NewTopic(colliding, 1, (short) 1));
        refused(InvalidTopicException.class, "Topic name is invalid: 'java taken' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
            new NewTopic("java taken", 1, (short) 1));
        refused(InvalidTopicException.class, "Topic name is invalid: the length of '" + longName + "' is longer than the max allowed length 249",
            new NewTopic(longName, 1, (short) 1));
        refused(InvalidTopicException.class, "Topic name is invalid: '..' is not allowed", new NewTopic("..", 1, (short) 1));
        refused(InvalidPartitionsException.class, "Number of partitions was set to an invalid non-positive value.", new NewTopic("java-bad", 0, (short) 1));
        refused(InvalidReplicationFactorException.class, "Unable to replicate the partition 2 time(s): The target replication factor of 2 cannot be reached "
            + "because only 1 broker(s) are registered or some brokers have all their log directories cordoned.", new NewTopic("java-bad", 1, (short) 2));
        refused(InvalidReplicationFactorException.class, "Replication factor must be larger than 0, or -1 to use the default value.",
            new NewTopic("java-bad", 1, (short) 0));
        refusedSetting("retention.ms", "soon", "Invalid value soon for configuration retention.ms: Not a number of type LONG");
        refusedSetting("retention.ms", "-2", "Invalid value -2 for configuration retention.ms: Value must be at least -1");
        refusedSetting("cleanup.policy", "burn", "Invalid value burn for configuration cleanup.policy: String must be one of: compact, delete");
        refusedSetting("no.such.setting", "1", "Unknown topic config name: no.such.setting");
        Suite.fails(UnknownTopicOrPartitionException.class, () -> describe("java-bad"));
    }

    private <T extends Throwable> void refused(Class<T> wanted, String message, NewTopic topic) throws Exception {
        T error = Suite.fails(wanted, () -> Cluster.get(cluster.admin.createTopics(List.of(topic)).all()));
        Suite.same(message, error.getMessage(), "message");
    }

    private void refusedSetting(String name, String value, String message) throws Exception {
        refused(InvalidConfigurationException.class, message, new NewTopic("java-bad", 1, (short) 1).configs(of(name, value)));
    }

    private void createMany() throws Exception {
        List<NewTopic> topics = new java.util.ArrayList<>(IntStream.range(0, 20).mapToObj(i -> new NewTopic("java-many-" + i, 1 + i % 3, (short) 1)).toList());
        topics.add(new NewTopic("java-many-bad", 1, (short) 9));
        CreateTopicsResult made = cluster.admin.createTopics(topics);
        for (int i = 0; i < 20; i++)
            Suite.same(1 + i % 3, Cluster.get(made.numPartitions("java-many-" + i)), "partitions of " + i);
        Suite.fails(InvalidReplicationFactorException.class, () -> Cluster.get(made.values().get("java-many-bad")));
        Suite.same(20, Cluster.get(cluster.admin.describeTopics(topics.subList(0, 20).stream().map(NewTopic::name).toList()).allTopicNames()).size(), "described");
    }

    private void describeInPages() throws Exception {
        cluster.create("java-paged", 30, of());
        TopicDescription found = Cluster.get(cluster.admin.describeTopics(List.of("java-paged", "java-made"),
            new DescribeTopicsOptions().partitionSizeLimitPerResponse(7)).allTopicNames()).get("java-paged");
        Suite.same(IntStream.range(0, 30).boxed().toList(), found.partitions().stream().map(TopicPartitionInfo::partition).toList(), "partitions");
    }

    private void createByUse() throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = cluster.producer(of())) {
            Suite.same(0L, producer.send(new ProducerRecord<>("java-by-use", Content.bytes("k"), Content.bytes("v"))).get().offset(), "offset");
        }
        try (KafkaConsumer<byte[], byte[]> consumer = cluster.consumer(of())) {
            Suite.same(1, consumer.partitionsFor("java-by-use").size(), "partitions of the written topic");
            consumer.partitionsFor("java-by-asking");
        }
        for (long deadline = System.nanoTime() + 5_000_000_000L; ; )        // the one who asks does not wait for it
            try {
                Suite.same(1, describe("java-by-asking").partitions().size(), "partitions of the topic that was asked for");
                return;
            } catch (ExecutionException error) {
                Suite.check(error.getCause() instanceof UnknownTopicOrPartitionException && System.nanoTime() < deadline, "" + error);
            }
    }

    private void unknownTopic() throws Exception {
        Suite.fails(UnknownTopicOrPartitionException.class, () -> describe("java-nowhere"));
        Uuid id = Uuid.randomUuid();
        Suite.fails(UnknownTopicIdException.class, () -> Cluster.get(cluster.admin.describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds()));
        Suite.fails(InvalidTopicException.class, () -> describe("java no where"));
        try (KafkaConsumer<byte[], byte[]> consumer = cluster.consumer(of("allow.auto.create.topics", false, "default.api.timeout.ms", 1000))) {
            Suite.same(List.of(), List.copyOf(consumer.partitionsFor("java-nowhere")), "partitions");
        }
        try (KafkaProducer<byte[], byte[]> producer = cluster.producer(of("max.block.ms", 700))) {
            Suite.fails(TimeoutException.class, () -> producer.send(new ProducerRecord<>("java-made", 99, null, Content.bytes("v"))).get());
            Suite.fails(InvalidTopicException.class, () -> producer.send(new ProducerRecord<>("java no where", Content.bytes("v"))).get());
        }
        Suite.fails(UnknownTopicOrPartitionException.class, () -> describe("java-nowhere"));
    }

    private void deleteTopic() throws Exception {
        cluster.create("java-deleted", 2, of());
        try (KafkaProducer<byte[], byte[]> producer = cluster.producer(of())) {
            producer.send(new ProducerRecord<>("java-deleted", 0, null, Content.bytes("v"))).get();
        }
        Uuid first = describe("java-deleted").topicId();
        Cluster.get(cluster.admin.deleteTopics(List.of("java-deleted")).all());
        Suite.fails(UnknownTopicOrPartitionException.class, () -> describe("java-deleted"));
        Suite.check(!Cluster.get(cluster.admin.listTopics().names()).contains("java-deleted"), "still listed");
        Suite.fails(UnknownTopicOrPartitionException.class, () -> Cluster.get(cluster.admin.deleteTopics(List.of("java-deleted")).all()));
        cluster.create("java-deleted", 2, of());
        Uuid second = describe("java-deleted").topicId();
        Suite.check(!first.equals(second), "the same topic id again");
        try (KafkaConsumer<byte[], byte[]> consumer = cluster.consumer(of())) {
            TopicPartition partition = new TopicPartition("java-deleted", 0);
            Suite.same(0L, consumer.endOffsets(Set.of(partition)).get(partition), "end of the new topic");
        }
        Cluster.get(cluster.admin.deleteTopics(TopicCollection.ofTopicIds(List.of(second))).all());
        Suite.fails(UnknownTopicOrPartitionException.class, () -> describe("java-deleted"));
        Suite.fails(UnknownTopicIdException.class, () -> Cluster.get(cluster.admin.deleteTopics(TopicCollection.ofTopicIds(List.of(second))).all()));
    }
}
