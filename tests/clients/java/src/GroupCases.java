// SPDX-License-Identifier: Apache-2.0
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.ClassicGroupDescription;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.InvalidRegularExpression;
import org.apache.kafka.common.errors.UnknownMemberIdException;
import org.apache.kafka.common.errors.UnreleasedInstanceIdException;

/** What a single group can do, in both protocols: commits of every kind, static members, patterns, and all that an administrator asks.
 * How groups live through changes is the business of groups.py. */
final class GroupCases {
    private static final String TOPIC = "java-groups";
    private static final List<TopicPartition> PARTITIONS = Cluster.partitions(TOPIC, Content.PARTITIONS);
    private static final List<String> PROTOCOLS = List.of("classic", "consumer");
    private final Cluster cluster;

    private GroupCases(Cluster cluster) {
        this.cluster = cluster;
    }

    static void addTo(Suite suite, Cluster cluster) {
        GroupCases cases = new GroupCases(cluster);
        suite.add("a topic for groups", cases::fill);
        for (String protocol : PROTOCOLS) {
            suite.add("a " + protocol + " group commits at once and in passing", () -> cases.commits(protocol));
            suite.add("a " + protocol + " group is described, and gone", () -> cases.described(protocol));
            suite.add("a " + protocol + " group knows its static members", () -> cases.staticMembers(protocol));
            suite.add("a " + protocol + " group follows a pattern", () -> cases.pattern(protocol));
        }
        suite.add("a pattern of the server's", cases::serverPattern);
        suite.add("an administrator's offsets of groups", cases::adminOffsets);
        suite.add("positions without a group", cases::withoutGroup);
    }

    private void fill() throws Exception {
        cluster.create(TOPIC, Content.PARTITIONS, Map.of());
        try (KafkaProducer<byte[], byte[]> producer = cluster.producer(Map.of())) {
            Content.send(producer, TOPIC, true);
        }
    }

    private KafkaConsumer<byte[], byte[]> member(String protocol, String group, Map<String, Object> settings) {
        Map<String, Object> all = new HashMap<>(Map.of("group.id", group, "group.protocol", protocol, "auto.offset.reset", "earliest"));
        all.putAll(settings);
        return cluster.consumer(all);
    }

    private static void pollUntil(BooleanSupplier holds, String what, Collection<? extends Consumer<byte[], byte[]>> members) {
        for (long deadline = System.nanoTime() + 40_000_000_000L; !holds.getAsBoolean(); ) {
            Suite.check(System.nanoTime() < deadline, what + ": not within 40 s");
            members.forEach(one -> one.poll(Duration.ofMillis(50)));
        }
    }

    private static void pollUntilOwned(Consumer<byte[], byte[]> member, Collection<TopicPartition> partitions) {
        pollUntil(() -> member.assignment().equals(Set.copyOf(partitions)), "owns " + partitions, List.of(member));
    }

    private Map<TopicPartition, Long> committed(String group) throws Exception {
        Map<TopicPartition, Long> found = new HashMap<>();
        Cluster.get(cluster.admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata())
            .forEach((partition, position) -> found.put(partition, position == null ? null : position.offset()));
        return found;
    }

    private void commits(String protocol) throws Exception {
        String group = "java-commits-" + protocol;
        TopicPartition first = PARTITIONS.get(0), second = PARTITIONS.get(1);
        try (KafkaConsumer<byte[], byte[]> member = member(protocol, group, Map.of("max.poll.records", 10))) {
            member.subscribe(List.of(TOPIC));
            pollUntilOwned(member, PARTITIONS);
            Map<TopicPartition, OffsetAndMetadata> nothing = member.committed(Set.copyOf(PARTITIONS));
            PARTITIONS.forEach(one -> Suite.same(null, nothing.get(one), "committed before anything was"));
            member.commitSync(Map.of(first, new OffsetAndMetadata(7, Optional.of(0), "sieben größe")));
            OffsetAndMetadata found = member.committed(Set.of(first)).get(first);
            Suite.same(7L, found.offset(), "committed offset");
            Suite.same("sieben größe", found.metadata(), "its metadata");
            Suite.same(0, found.leaderEpoch().orElse(-1), "its leader epoch");
            AtomicReference<Object> answer = new AtomicReference<>();
            member.commitAsync(Map.of(second, new OffsetAndMetadata(11)), (offsets, error) -> answer.set(error == null ? offsets : error));
            pollUntil(() -> answer.get() != null, "commitAsync answers", List.of(member));
            Suite.same(Map.of(second, new OffsetAndMetadata(11)), answer.get(), "the answer of commitAsync");
            Suite.same(11L, member.committed(Set.of(second)).get(second).offset(), "committed in passing");
            long asked = Content.FIRST_MS + 150 * Content.STEP_MS;
            member.offsetsForTimes(Map.of(first, asked, second, asked)).forEach((partition, position) ->
                Suite.same(50L, position.offset(), "by time in " + partition));
            Suite.same(Map.of(first, 7L, second, 11L), committed(group), "what the administrator sees");
        }
        try (KafkaConsumer<byte[], byte[]> member = member(protocol, group, Map.of("max.poll.records", 1))) {
            member.subscribe(List.of(TOPIC));
            pollUntilOwned(member, PARTITIONS);
            member.pause(PARTITIONS);
            Suite.check(member.position(first) >= 7 && member.position(first) <= 8, "goes on from 7: " + member.position(first));
            Suite.check(member.position(second) >= 11 && member.position(second) <= 12, "goes on from 11: " + member.position(second));
        }
    }

    private GroupListing listed(String group) throws Exception {
        return Cluster.get(cluster.admin.listGroups(new ListGroupsOptions()).all()).stream().filter(one -> one.groupId().equals(group)).findFirst().orElse(null);
    }

    private void described(String protocol) throws Exception {
        String group = "java-described-" + protocol;
        GroupType type = GroupType.parse(protocol);
        try (KafkaConsumer<byte[], byte[]> one = member(protocol, group, Map.of("client.id", "one"));
             KafkaConsumer<byte[], byte[]> two = member(protocol, group, Map.of("client.id", "two"))) {
            one.subscribe(List.of(TOPIC));
            two.subscribe(List.of(TOPIC));
            pollUntil(() -> one.assignment().size() + two.assignment().size() == 3 && !one.assignment().isEmpty() && !two.assignment().isEmpty(),
                "two share three partitions", List.of(one, two));
            pollUntil(() -> state(group) == GroupState.STABLE, "is stable", List.of(one, two));
            one.commitSync();
            two.commitSync();
            ConsumerGroupDescription found = Cluster.get(cluster.admin.describeConsumerGroups(List.of(group)).all()).get(group);
            Suite.same(type, found.type(), "type");
            Suite.same(2, found.members().size(), "members");
            Suite.same(protocol.equals("classic") ? "range" : "uniform", found.partitionAssignor(), "assignor");
            found.members().forEach(member -> {
                KafkaConsumer<byte[], byte[]> consumer = member.clientId().equals("one") ? one : two;
                Suite.same(consumer.assignment(), member.assignment().topicPartitions(), "assignment of " + member.clientId());
                Suite.same(consumer.groupMetadata().memberId(), member.consumerId(), "member id of " + member.clientId());
                Suite.same("/127.0.0.1", member.host(), "host of " + member.clientId());
            });
            if (protocol.equals("classic")) {
                ClassicGroupDescription classic = Cluster.get(cluster.admin.describeClassicGroups(List.of(group)).all()).get(group);
                Suite.same("consumer", classic.protocol(), "protocol type");
                Suite.same(2, classic.members().size(), "members of the classic group");
            }
            GroupListing listing = listed(group);
            Suite.same(Optional.of(type), listing.type(), "listed type");
            Suite.same("consumer", listing.protocol(), "listed protocol");
            Suite.same(Optional.of(GroupState.STABLE), listing.groupState(), "listed state");
            Suite.check(Cluster.get(cluster.admin.listGroups(new ListGroupsOptions().inGroupStates(Set.of(GroupState.EMPTY))).all()).stream()
                .noneMatch(other -> other.groupId().equals(group)), "listed as empty");
            Suite.fails(GroupNotEmptyException.class, () -> Cluster.get(cluster.admin.deleteConsumerGroups(List.of(group)).all()));
            Suite.fails(GroupSubscribedToTopicException.class,
                () -> Cluster.get(cluster.admin.deleteConsumerGroupOffsets(group, Set.of(PARTITIONS.get(0))).all()));
            Suite.fails(UnknownMemberIdException.class,
                () -> Cluster.get(cluster.admin.alterConsumerGroupOffsets(group, Map.of(PARTITIONS.get(0), new OffsetAndMetadata(1))).all()));
        }
        Suite.same(GroupState.EMPTY, state(group), "state when all have left");
        Cluster.get(cluster.admin.deleteConsumerGroups(List.of(group)).all());
        Suite.same(null, listed(group), "listed when deleted");
        Suite.fails(GroupIdNotFoundException.class, () -> Cluster.get(cluster.admin.deleteConsumerGroups(List.of(group)).all()));
        Suite.fails(GroupIdNotFoundException.class, () -> Cluster.get(cluster.admin.describeConsumerGroups(List.of(group)).all()));
    }

    private GroupState state(String group) {
        try {
            return Cluster.get(cluster.admin.describeConsumerGroups(List.of(group)).all()).get(group).groupState();
        } catch (Exception error) {
            throw new AssertionError(group, error);
        }
    }

    /** A static member that goes and comes keeps its partitions; a second of the same name takes its place (classic) or is refused. */
    private void staticMembers(String protocol) throws Exception {
        String group = "java-static-" + protocol;
        Map<String, Object> settings = Map.of("group.instance.id", "the-one");
        Map<String, Object> others = Map.of("group.instance.id", "the-other");
        try (KafkaConsumer<byte[], byte[]> other = member(protocol, group, others)) {
            other.subscribe(List.of(TOPIC));
            Set<TopicPartition> kept;
            try (KafkaConsumer<byte[], byte[]> member = member(protocol, group, settings)) {
                member.subscribe(List.of(TOPIC));
                pollUntil(() -> member.assignment().size() + other.assignment().size() == 3 && !member.assignment().isEmpty()
                    && !other.assignment().isEmpty(), "two static members share", List.of(member, other));
                kept = Set.copyOf(member.assignment());
            }
            Set<TopicPartition> rest = Set.copyOf(other.assignment());
            try (KafkaConsumer<byte[], byte[]> again = member(protocol, group, settings)) {
                again.subscribe(List.of(TOPIC));
                pollUntil(() -> again.assignment().equals(kept), "gets its partitions back", List.of(again, other));
                Suite.same(rest, other.assignment(), "what the other kept");
                try (KafkaConsumer<byte[], byte[]> twin = member(protocol, group, settings)) {
                    twin.subscribe(List.of(TOPIC));
                    if (protocol.equals("consumer"))
                        Suite.fails(UnreleasedInstanceIdException.class, () -> pollUntil(() -> false, "a second of the name", List.of(twin)));
                    else
                        Suite.fails(FencedInstanceIdException.class,
                            () -> pollUntil(() -> false, "the first of the name", List.of(twin, again)));
                }
            }
        }
        Cluster.get(cluster.admin.removeMembersFromConsumerGroup(group,
            new RemoveMembersFromConsumerGroupOptions(Set.of(
                new MemberToRemove("the-one"), new MemberToRemove("the-other")))).all());
        Suite.same(GroupState.EMPTY, state(group), "state when the static members were removed");
    }

    /** The client matches the names itself, and finds a topic that comes later with its next look at the metadata. */
    private void pattern(String protocol) throws Exception {
        String name = "java-pattern-" + protocol;
        cluster.create(name + "-a", 1, Map.of());
        try (KafkaConsumer<byte[], byte[]> member = member(protocol, name, Map.of("metadata.max.age.ms", 500))) {
            member.subscribe(Pattern.compile(name + "-[ab]"));
            pollUntilOwned(member, Cluster.partitions(name + "-a", 1));
            cluster.create(name + "-b", 2, Map.of());
            cluster.create(name + "-c", 1, Map.of());
            List<TopicPartition> both = new ArrayList<>(Cluster.partitions(name + "-a", 1));
            both.addAll(Cluster.partitions(name + "-b", 2));
            pollUntilOwned(member, both);
            Cluster.get(cluster.admin.deleteTopics(List.of(name + "-a")).all());
            pollUntilOwned(member, Cluster.partitions(name + "-b", 2));
        }
    }

    private void serverPattern() throws Exception {
        cluster.create("java-server-pattern-a", 1, Map.of());
        try (KafkaConsumer<byte[], byte[]> member = member("consumer", "java-server-pattern", Map.of())) {
            member.subscribe(new SubscriptionPattern("java-server-pattern-[ab]"));
            pollUntilOwned(member, Cluster.partitions("java-server-pattern-a", 1));
        }
        try (KafkaConsumer<byte[], byte[]> member = member("consumer", "java-server-pattern-bad", Map.of())) {
            member.subscribe(new SubscriptionPattern("java-server-pattern-(unclosed"));
            Suite.fails(InvalidRegularExpression.class, () -> pollUntil(() -> false, "a bad pattern", List.of(member)));
        }
    }

    private void adminOffsets() throws Exception {
        String group = "java-admin-offsets";
        TopicPartition first = PARTITIONS.get(0), second = PARTITIONS.get(1);
        Cluster.get(cluster.admin.alterConsumerGroupOffsets(group, Map.of(first, new OffsetAndMetadata(40), second, new OffsetAndMetadata(50, "fünfzig"))).all());
        Suite.same(Map.of(first, 40L, second, 50L), committed(group), "altered offsets");
        Set<Long> seen = new HashSet<>();
        try (KafkaConsumer<byte[], byte[]> member = member("classic", group, Map.of())) {
            member.subscribe(List.of(TOPIC));
            pollUntil(() -> {
                for (ConsumerRecord<byte[], byte[]> record : member.poll(Duration.ofMillis(50)))
                    if (record.partition() == 0)
                        seen.add(record.offset());
                return seen.contains(99L);
            }, "reads partition 0 to its end", List.of());
        }
        Suite.same(60, seen.size(), "records from the altered offset on");
        Cluster.get(cluster.admin.deleteConsumerGroupOffsets(group, Set.of(first)).all());
        Suite.same(Map.of(second, 50L), committed(group), "offsets when one was deleted");
        Cluster.get(cluster.admin.deleteConsumerGroups(List.of(group)).all());
        Suite.same(Map.of(), committed(group), "offsets of a deleted group");
    }

    /** A consumer that assigns its partitions itself may commit under any name that no group with members has. */
    private void withoutGroup() throws Exception {
        String group = "java-without-members";
        TopicPartition first = PARTITIONS.get(0);
        try (KafkaConsumer<byte[], byte[]> alone = member("classic", group, Map.of())) {
            alone.assign(List.of(first));
            alone.seek(first, 33);
            alone.commitSync();
        }
        try (KafkaConsumer<byte[], byte[]> alone = member("classic", group, Map.of())) {
            alone.assign(List.of(first));
            Suite.same(33L, alone.position(first), "the position that was committed");
        }
        Suite.same(GroupState.EMPTY, state(group), "state of a group without members");
    }
}
