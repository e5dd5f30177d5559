/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/group_choice.h"

#include <inttypes.h>
#include <stdlib.h>

#include "cli/offset_ask.h"
#include "cli/verb.h"
#include "wire/gen/metadata.h"

bool group_choice_is_made(const struct arguments *arguments)
{
    if (argument_given(arguments, "topic") != argument_given(arguments, "all-topics"))
        return true;
    complain("say which partitions: --topic TOPIC[:N,...], or --all-topics, not both");
    return false;
}

static bool has_partition(const struct metadata_response_topic *topic, int64_t partition)
{
    for (int32_t i = 0; i < topic->partitions_count; i++) {
        if (topic->partitions[i].partition_index == partition)
            return true;
    }
    return false;
}

/* One --topic; chosen has room for it. */
static int read_topic(const char *text, const struct metadata_response *metadata,
    struct group_partition *chosen, int *in_out_count)
{
    struct str rest = str_from(text), name, piece;
    str_split(&rest, ':', &name);
    const struct metadata_response_topic *topic = metadata_topic(metadata, name);
    if (topic == NULL) {
        complain("--topic %s: there is no such topic", text);
        return EXIT_ABSENT;
    }
    struct group_partition one = { .topic = topic->name, .committed = -1, .end = -1 };
    for (int32_t i = 0; str_is_null(rest) && i < topic->partitions_count; i++) {
        one.partition = topic->partitions[i].partition_index;
        chosen[(*in_out_count)++] = one;
    }
    while (str_split(&rest, ',', &piece)) {
        int64_t partition;
        if (!str_to_int64(piece, &partition)) {
            complain("--topic %s: write TOPIC:N,N with numbers of partitions", text);
            return EXIT_MISUSED;
        }
        if (!has_partition(topic, partition)) {
            complain("--topic %s: %.*s has no such partition; it has %" PRId32, text,
                STR_PRINT(topic->name), topic->partitions_count);
            return EXIT_ABSENT;
        }
        one.partition = (int32_t)partition;
        chosen[(*in_out_count)++] = one;
    }
    return EXIT_DONE;
}

int group_choice_settle(struct group_partition *chosen, int count,
    struct group_partition *committed, int committed_count)
{
    int kept = 0;
    qsort(chosen, (size_t)count, sizeof(*chosen), group_partition_compare);
    for (int i = 0; i < count; i++) {
        if (kept > 0 && group_partition_compare(&chosen[i], &chosen[kept - 1]) == 0)
            continue;
        const struct group_partition *found =
            group_partition_find(committed, committed_count, chosen[i].topic, chosen[i].partition);
        chosen[kept] = chosen[i];
        chosen[kept++].committed = found == NULL ? -1 : found->committed;
    }
    return kept;
}

int group_choice_read(const struct arguments *arguments, const struct metadata_response *metadata,
    struct group_partition *committed, int committed_count, struct arena *arena,
    struct group_partition **out_chosen, int *out_count)
{
    const char *text;
    int count = 0, position = 0, code = EXIT_DONE;
    size_t most = 0;
    if (argument_given(arguments, "all-topics")) {
        *out_chosen = committed;
        *out_count = committed_count;
        return EXIT_DONE;
    }
    while ((text = argument_after(arguments, "topic", &position)) != NULL) {
        struct str name, rest = str_from(text);
        str_split(&rest, ':', &name);
        const struct metadata_response_topic *topic = metadata_topic(metadata, name);
        most += strlen(text) + (topic == NULL ? 0 : (size_t)topic->partitions_count);
    }
    struct group_partition *chosen = arena_take_array(arena, most + 1, sizeof(*chosen));
    position = 0;
    while (code == EXIT_DONE && (text = argument_after(arguments, "topic", &position)) != NULL)
        code = read_topic(text, metadata, chosen, &count);
    *out_chosen = chosen;
    *out_count = group_choice_settle(chosen, count, committed, committed_count);
    return code;
}
