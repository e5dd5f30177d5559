/* SPDX-License-Identifier: Apache-2.0 */
/* OffsetCommit requests in a closed loop, as consumers send them that assign partitions to
 * themselves: each for `records` partitions of the topic, by one group after the other. */
#include <stdio.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "closed_loop.h"
#include "coordinator/group.h"
#include "error.h"
#include "wire/gen/offset_commit.h"

enum { OFFSET_COMMIT_VERSION = 9, NAME_SIZE = 32 };

/* The next name behind number *next whose home is that partition of __consumer_offsets. */
static struct str name_at_home(int home, int homes_in_all, int *next, char name[NAME_SIZE])
{
    do
        snprintf(name, NAME_SIZE, "bench-group-%d", (*next)++);
    while (group_home_index(str_from(name), homes_in_all) != home);
    return str_from(name);
}

static struct buffer *commit_frame(const struct options *options, struct str group, int first)
{
    static struct offset_commit_request_partition partitions[MAX_PARTITIONS];
    for (int i = 0; i < options->record_count; i++)
        partitions[i] = (struct offset_commit_request_partition){ .partition_index = first + i,
            .committed_offset = 1000,
            .committed_leader_epoch = -1,
            .committed_metadata = STR("") };
    struct offset_commit_request_topic topic = { .name = str_from(options->topic),
        .partitions = partitions,
        .partitions_count = options->record_count };
    struct offset_commit_request request = { .group_id = group,
        .generation_id_or_member_epoch = -1,
        .member_id = STR(""),
        .retention_time_ms = -1,
        .topics = &topic,
        .topics_count = 1 };
    return frame_build(API_OFFSET_COMMIT, OFFSET_COMMIT_VERSION, 0, &request);
}

/* While it loads: the warm-up forgives. */
static bool is_of_a_new_home(enum error error)
{
    return error == ERROR_COORDINATOR_LOAD_IN_PROGRESS || error == ERROR_NOT_COORDINATOR ||
           error == ERROR_COORDINATOR_NOT_AVAILABLE || error == ERROR_UNKNOWN_TOPIC_OR_PARTITION;
}

static uint64_t take_answer(struct closed_loop *loop, struct bytes answer, int32_t *out_id)
{
    struct measurement *measurement = &loop->measurement;
    struct offset_commit_response response;
    uint64_t good = 0;
    *out_id =
        answer_decode(API_OFFSET_COMMIT, OFFSET_COMMIT_VERSION, answer, &loop->arena, &response);
    if (response.topics_count != 1)
        bench_fail("an answer does not speak of one topic");
    for (int32_t i = 0; i < response.topics[0].partitions_count; i++) {
        enum error error = (enum error)response.topics[0].partitions[i].error_code;
        if (error != ERROR_NONE && (measurement->counting || !is_of_a_new_home(error)))
            bench_fail("OffsetCommit: error %d", error);
        good += error == ERROR_NONE;
    }
    if (measurement->counting)
        measurement->records += good;
    return good;
}

void run_commit(const struct options *options)
{
    struct closed_loop loop = { .stride = options->connections, .take_answer = take_answer };
    int frames_a_group = options->partitions / options->record_count, next = 0;
    if (frames_a_group < 1)
        bench_fail("--records is more than --partitions");
    topic_prepare(options);
    int homes_in_all = group_topic_prepare(options).partitions;
    if (options->homes > homes_in_all)
        bench_fail("__consumer_offsets has %d partitions", homes_in_all);
    loop.frame_count = options->groups * frames_a_group;
    loop.frames = memory_take((size_t)loop.frame_count * sizeof(struct buffer *));
    for (int group = 0, at = 0; group < options->groups; group++) {
        char name[NAME_SIZE];
        struct str id = name_at_home(group % options->homes, homes_in_all, &next, name);
        for (int i = 0; i < frames_a_group; i++)
            loop.frames[at++] = commit_frame(options, id, i * options->record_count);
    }
    closed_loop_run(&loop, options, "commit");
}
