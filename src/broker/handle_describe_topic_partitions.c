/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeTopicPartitions (KIP-966): topics in order of name, in pages: so many partitions, then a cursor that says where
 * to go on. Answered from the image alone. */
#include <stdlib.h>

#include "broker/apis.h"
#include "broker/settings.h"
#include "broker/shard.h"
#include "broker/topic_view.h"
#include "metadata/topic_name.h"
#include "wire/gen/describe_topic_partitions.h"

struct page {
    struct request *request;
    struct describe_topic_partitions_response *out;
    struct str from_topic; /* of the cursor; null: from the beginning */
    int32_t from_partition;
    int32_t left; /* partitions that still fit */
    int32_t topic_capacity;
};

static struct describe_topic_partitions_response_topic *add_topic(struct page *page, struct str name)
{
    struct describe_topic_partitions_response *out = page->out;
    if (out->topics_count == page->topic_capacity) {
        page->topic_capacity = page->topic_capacity == 0 ? 16 : page->topic_capacity * 2;
        void *more = arena_take_array(&page->request->arena, (size_t)page->topic_capacity, sizeof(*out->topics));
        if (out->topics_count > 0)
            memcpy(more, out->topics, (size_t)out->topics_count * sizeof(*out->topics));
        out->topics = more;
    }
    struct describe_topic_partitions_response_topic *topic = &out->topics[out->topics_count++];
    topic->name = name;
    topic->is_internal = topic_is_internal(name);
    topic->topic_authorized_operations = NO_OPERATIONS_ASKED;
    return topic;
}

static void set_cursor(struct page *page, struct str name, int32_t partition_index)
{
    struct describe_topic_partitions_response_cursor *cursor = arena_take(&page->request->arena, sizeof(*cursor));
    cursor->topic_name = name;
    cursor->partition_index = partition_index;
    page->out->next_cursor = cursor;
}

static void fill_partition(struct page *page, const struct image_partition *partition, int32_t index,
    struct describe_topic_partitions_response_partition *out)
{
    const struct shard_desk *desk = page->request->desk;
    struct partition_view view;
    partition_view_fill(page->request->shard->image, partition, desk->listener_name, &page->request->arena, &view);
    out->partition_index = index;
    out->leader_id = view.leader;
    out->leader_epoch = partition->leader_epoch;
    out->replica_nodes = node_list_ids(partition->replicas);
    out->replica_nodes_count = partition->replicas.count;
    out->isr_nodes = node_list_ids(partition->isr);
    out->isr_nodes_count = partition->isr.count;
    out->eligible_leader_replicas = node_list_ids(partition->elr);
    out->eligible_leader_replicas_count = partition->elr.count;
    out->last_known_elr = node_list_ids(partition->last_known_elr);
    out->last_known_elr_count = partition->last_known_elr.count;
    out->offline_replicas = node_list_ids(view.offline);
    out->offline_replicas_count = view.offline.count;
}

/* False: the page is full, and the cursor stands. */
static bool describe(struct page *page, const struct image_topic *topic)
{
    if (page->left == 0) {
        set_cursor(page, topic->name, 0);
        return false;
    }
    int32_t from = str_equal(topic->name, page->from_topic) ? page->from_partition : 0;
    int32_t to = topic->partition_count - from > page->left ? from + page->left : topic->partition_count;
    if (from > to)
        from = to;
    struct describe_topic_partitions_response_topic *out = add_topic(page, topic->name);
    out->topic_id = topic->id;
    out->topic_authorized_operations = ALL_TOPIC_OPERATIONS;
    out->partitions = arena_take_array(&page->request->arena, (size_t)(to - from), sizeof(*out->partitions));
    out->partitions_count = to - from;
    for (int32_t i = from; i < to; i++)
        fill_partition(page, topic->partitions[i], i, &out->partitions[i - from]);
    page->left -= to - from;
    if (to == topic->partition_count)
        return true;
    set_cursor(page, topic->name, to);
    return false;
}

static void describe_all(struct page *page)
{
    const struct image *image = page->request->shard->image;
    const struct image_topic *topic = NULL;
    if (!str_is_null(page->from_topic))
        topic = image_topic_by_name(image, page->from_topic);
    if (topic == NULL)
        topic = image_topic_after(image, page->from_topic);
    while (topic != NULL && describe(page, topic))
        topic = image_topic_after(image, topic->name);
}

static int compare_names(const void *a, const void *b)
{
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

static void describe_named(struct page *page, const struct describe_topic_partitions_request *in)
{
    struct str *names = arena_take_array(&page->request->arena, (size_t)in->topics_count, sizeof(*names));
    for (int32_t i = 0; i < in->topics_count; i++)
        names[i] = in->topics[i].name;
    qsort(names, (size_t)in->topics_count, sizeof(*names), compare_names);
    for (int32_t i = 0; i < in->topics_count; i++) {
        bool is_before = !str_is_null(page->from_topic) && str_compare(names[i], page->from_topic) < 0;
        if (is_before || (i > 0 && str_equal(names[i], names[i - 1])))
            continue;
        const struct image_topic *topic = image_topic_by_name(page->request->shard->image, names[i]);
        if (topic != NULL) {
            if (!describe(page, topic))
                return;
            continue;
        }
        if (page->left == 0) {
            set_cursor(page, names[i], 0);
            return;
        }
        bool is_name = topic_name_fault(&page->request->arena, names[i]) == NULL;
        struct describe_topic_partitions_response_topic *unknown = add_topic(page, names[i]);
        unknown->error_code = is_name ? ERROR_UNKNOWN_TOPIC_OR_PARTITION : ERROR_INVALID_TOPIC_EXCEPTION;
        unknown->topic_authorized_operations = ALL_TOPIC_OPERATIONS;
    }
}

/* The answer has no error of its own: every topic that was asked for carries it. */
static void refuse(struct page *page, const struct describe_topic_partitions_request *in)
{
    for (int32_t i = 0; i < in->topics_count; i++) {
        struct describe_topic_partitions_response_topic *topic = add_topic(page, in->topics[i].name);
        topic->error_code = ERROR_INVALID_REQUEST;
        topic->is_internal = false;
    }
}

/* A cursor stands at one of the topics that are asked for. */
static bool asks_for(const struct describe_topic_partitions_request *in, struct str name)
{
    bool found = in->topics_count == 0;
    for (int32_t i = 0; i < in->topics_count && !found; i++)
        found = str_equal(in->topics[i].name, name);
    return found;
}

enum step handle_describe_topic_partitions(struct request *request)
{
    const struct describe_topic_partitions_request *in = request->in.describe_topic_partitions;
    struct describe_topic_partitions_response *out = request->out.describe_topic_partitions;
    int32_t limit = request->shard->settings->max_request_partition_size_limit;
    if (in->response_partition_limit < limit)
        limit = in->response_partition_limit;
    struct page page = { .request = request, .out = out, .left = limit < 1 ? 1 : limit };
    out->topics_count = 0;
    if (request->shard->image == NULL)
        return STEP_ANSWER;
    if (in->cursor != NULL) {
        if (in->cursor->partition_index < 0 || !asks_for(in, in->cursor->topic_name)) {
            refuse(&page, in);
            return STEP_ANSWER;
        }
        page.from_topic = in->cursor->topic_name;
        page.from_partition = in->cursor->partition_index;
    }
    if (in->topics_count == 0)
        describe_all(&page);
    else
        describe_named(&page, in);
    return STEP_ANSWER;
}
