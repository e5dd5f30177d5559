/* SPDX-License-Identifier: Apache-2.0 */
/* How a node begins to serve, and how it ends:
 *   starting --ready--> serving --node_stop--> leaving --left--> shards stop --all--> metadata stops --> loops end
 * A shard stops by making all it has durable; then it closes its connections and partitions. */
#include <assert.h>
#include <errno.h>

#include "base/container.h"
#include "base/memory.h"
#include "base/report.h"
#include "base/status.h"
#include "broker/missing.h"
#include "broker/node.h"
#include "broker/node_parts.h"
#include "broker/settings.h"
#include "broker/stray.h"
#include "net/listener.h"
#include "storage/flusher.h"

struct node_call {
    struct mail mail;
    struct node *node;
};

static void accept_on(struct node *node, const struct loop *loop)
{
    for (int i = 0; i < node->settings->listener_count; i++)
        if (node->listening[i].loop == loop)
            listener_accept(node->listening[i].listener);
}

static void stop_accepting_on(struct node *node, const struct loop *loop)
{
    for (int i = 0; i < node->settings->listener_count; i++)
        if (node->listening[i].loop == loop)
            listener_stop(node->listening[i].listener);
}

static void open_shard(struct mail *mail)
{
    struct node_shard *part = container_of(mail, struct node_shard, open);

    accept_on(part->node, part->shard->loop);
}

static void serve(void *context)
{
    struct node *node = context;

    if (node->stage != NODE_STARTING)
        return;
    node->stage = NODE_SERVING;
    accept_on(node, node->control_shard->loop);
    for (int32_t i = 0; i < node->shards.count; i++) {
        node->parts[i].open.deliver = open_shard;
        mail_send(node->control_shard->loop, node->shards.list[i]->loop, &node->parts[i].open);
    }
    report_info("node_serving", "node=%d epoch=%lld shards=%d", node->settings->node_id,
        (long long)node->control.broker_epoch, node->shards.count);
}

static void metadata_stopped(struct task *task)
{
    struct node *node = container_of(task, struct node, metadata_stopped);

    node->stage = NODE_STOPPED;
    loop_stop(node->control_shard->loop);
}

static void stop_metadata(struct node *node)
{
    shard_close(node->control_shard);
    node->metadata_stopped.run = metadata_stopped;
    if (flusher_is_failed(node->metadata_flusher))
        loop_enqueue(node->control_shard->loop, &node->metadata_stopped);
    else
        flusher_stop(node->metadata_flusher, &node->metadata_stopped);
}

static void shard_is_stopped(struct mail *mail)
{
    struct node *node = container_of(mail, struct node_shard, stop)->node;

    assert(node->shards_stopping > 0);
    if (--node->shards_stopping == 0)
        stop_metadata(node);
}

/* On the shard: all is durable, answers that waited for it have been sent in the pass before. */
static void close_shard(struct task *task)
{
    struct node_shard *part = container_of(task, struct node_shard, stopped);

    shard_close(part->shard);
    part->stop.deliver = shard_is_stopped;
    mail_send(part->shard->loop, part->node->control_shard->loop, &part->stop);
    loop_stop(part->shard->loop);
}

static void stop_now(struct task *task)
{
    struct node_shard *part = container_of(task, struct node_shard, stopped);

    part->stopped.run = close_shard;
    shard_stop(part->shard, &part->stopped);
}

/* The last flush begins when all that is staged in this pass is written. */
static void stop_shard(struct mail *mail)
{
    struct node_shard *part = container_of(mail, struct node_shard, stop);

    stop_accepting_on(part->node, part->shard->loop);
    part->stopped.run = stop_now;
    loop_finish(part->shard->loop, FINISH_SEND, &part->stopped);
}

static void left(void *context)
{
    struct node *node = context;

    node->shards_stopping = node->shards.count;
    for (int32_t i = 0; i < node->shards.count; i++) {
        node->parts[i].stop.deliver = stop_shard;
        mail_send(node->control_shard->loop, node->shards.list[i]->loop, &node->parts[i].stop);
    }
}

static void leave(struct node *node)
{
    if (node->stage >= NODE_LEAVING)
        return;
    node->stage = NODE_LEAVING;
    report_info("node_leaving", "node=%d", node->settings->node_id);
    stop_accepting_on(node, node->control_shard->loop);
    control_leave(&node->control);
}

static void leave_without_metadata(struct node *node)
{
    node->failed = true;
    leave(node);
    control_leave_at_once(&node->control);
}

static void metadata_failed(void *context, const char *reason)
{
    struct node *node = context;

    (void)reason; /* reported where it was met */
    leave_without_metadata(node);
}

static void loaded(void *context, const struct image *image)
{
    struct node *node = context;

    stray_set_aside(node->log_dirs, node->data_directory_count, image, node->settings->node_id);
    missing_report(node->log_dirs, node->data_directory_count, image, node->settings->node_id);
}

void node_control_init(struct node *node)
{
    struct control_hooks hooks = { .context = node, .loaded = loaded, .ready = serve, .failed = metadata_failed, .left = left };

    control_init(&node->control, node->control_shard->loop, node->settings, &node->shards, node->control_shard, &hooks);
}

static void deliver_start(struct mail *mail)
{
    struct node_call *call = container_of(mail, struct node_call, mail);

    if (call->node->stage == NODE_STARTING)
        control_register(&call->node->control, &call->node->identity);
    memory_give(call);
}

static void deliver_stop(struct mail *mail)
{
    struct node_call *call = container_of(mail, struct node_call, mail);

    leave(call->node);
    memory_give(call);
}

static void call_control(struct node *node, void (*deliver)(struct mail *mail))
{
    struct node_call *call = memory_take(sizeof(*call));

    call->node = node;
    call->mail.deliver = deliver;
    mail_send(NULL, node->control_shard->loop, &call->mail);
}

void node_start(struct node *node)
{
    call_control(node, deliver_start);
}

void node_stop(struct node *node)
{
    call_control(node, deliver_stop);
}

static void retire_directory(struct task *task)
{
    struct node_failure *failure = container_of(task, struct node_failure, task);
    const struct node_directory *directory = failure->directory;

    shard_directory_failed(failure->shard, directory->index, log_dir_failure(directory->dir));
}

/* Not before what is staged in this pass has met its fate. */
static void deliver_failure(struct mail *mail)
{
    struct node_failure *failure = container_of(mail, struct node_failure, mail);

    failure->task.run = retire_directory;
    loop_finish(failure->shard->loop, FINISH_SEND, &failure->task);
}

static void tell_shards(struct node_directory *directory)
{
    const struct shard_list *shards = &directory->node->shards;

    directory->failures = memory_take((size_t)shards->count * sizeof(*directory->failures));
    for (int32_t i = 0; i < shards->count; i++) {
        struct node_failure *failure = &directory->failures[i];
        failure->directory = directory;
        failure->shard = shards->list[i];
        failure->mail.deliver = deliver_failure;
        mail_send(directory->node->control_shard->loop, failure->shard->loop, &failure->mail);
    }
}

/* A disk that is full refuses appends while the node serves; when it ends, it fails the last checkpoint. */
static void report_failure(const struct node *node, const struct node_directory *directory, int status, bool fatal)
{
    const char *path = log_dir_path(directory->dir);

    if (node->stage == NODE_LEAVING && (status == -ENOSPC || status == -EDQUOT))
        report_error("last_checkpoint_failed",
            "path=%s reason=\"%s\" consequence=\"this was no clean stop: the next start recovers its logs from the checkpoint before\"",
            path, status_text(status));
    else
        report_error("log_directory_failed", "path=%s reason=\"%s\" consequence=\"%s\"", path, status_text(status),
            fatal ? "the node stops" : "its partitions are offline");
}

/* A directory met an I/O error: it is retired for good. Without metadata, or without any directory, the node stops. */
void node_directory_failed(struct task *task)
{
    struct node_directory *directory = container_of(task, struct node_directory, failed);
    struct node *node = directory->node;
    int status = log_dir_failure(directory->dir);
    int left_over = 0;

    for (int i = 0; i < node->data_directory_count; i++)
        left_over += log_dir_failure(node->log_dirs[i]) == 0;
    bool fatal = directory->index == node->metadata_index || left_over == 0;
    report_failure(node, directory, status, fatal);
    if (directory->index < node->data_directory_count) {
        tell_shards(directory);
        control_directory_failed(&node->control, log_dir_identity(directory->dir)->directory_id);
    }
    if (directory->index == node->metadata_index && !flusher_is_failed(node->metadata_flusher))
        flusher_fail(node->metadata_flusher, status);
    if (directory->index == node->metadata_index) {
        leave_without_metadata(node);
    } else if (fatal) {
        node->failed = true;
        leave(node);
    }
}
