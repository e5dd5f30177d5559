/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "base/container.h"
#include "base/memory.h"
#include "base/report.h"
#include "base/status.h"
#include "io/file.h"
#include "io/io.h"
#include "replica/batches.h"
#include "replica/quorum_parts.h"
#include "replica/quorum_state.h"
#include "replica/quorum_voters.h"
#include "storage/epochs.h"
#include "storage/flusher.h"
#include "storage/log_dir.h"
#include "wire/compress.h"
#include "wire/schema.h"

static const char topic_name[] = "__cluster_metadata";
#define METADATA_TOPIC_ID ((struct uuid){ { [15] = 1 } })

/* kraft.version and voters are the raft layer's own state: the newest in the log counts, committed
 * or not. */
static bool take_control(struct quorum *quorum, int16_t type, struct bytes value)
{
    switch (type) {
    case CONTROL_KRAFT_VERSION:
        if (kraft_version_parse(value, &quorum->kraft_version))
            return true;
        snprintf(quorum->fault, sizeof(quorum->fault),
            "kraft.version %d, and this version knows 0 and 1", quorum->kraft_version);
        return false;
    case CONTROL_VOTERS:
        quorum->voters_record =
            (struct bytes){ arena_copy(&quorum->kept, value.data, value.size), value.size };
        if (voters_parse(value, &quorum->voters))
            return true;
        snprintf(quorum->fault, sizeof(quorum->fault),
            "a voters record that cannot be read, or of more than %d voters", RAFT_VOTERS_MAX);
        return false;
    default:
        return true; /* leader changes are known from the epochs; newer kinds do not concern a
                        quorum of this version */
    }
}

/* Snapshots. */

struct state_reader {
    struct snapshot_reader reader;
    struct quorum *quorum;
    bool bootstrap; /* keep the records for the first act instead of applying them */
};

static struct state_reader *state_of(struct snapshot_reader *reader)
{
    return container_of(reader, struct state_reader, reader);
}

static void keep_bootstrap(struct quorum *quorum, struct bytes value)
{
    struct controller *controller = &quorum->controller;
    controller->bootstrap = memory_resize(controller->bootstrap,
        (size_t)(controller->bootstrap_count + 1) * sizeof(*controller->bootstrap));
    controller->bootstrap[controller->bootstrap_count++] =
        (struct bytes){ arena_copy(&quorum->kept, value.data, value.size), value.size };
}

static bool read_record(struct snapshot_reader *reader, int64_t index, struct bytes value)
{
    struct state_reader *state = state_of(reader);
    if (state->bootstrap)
        keep_bootstrap(state->quorum, value);
    else
        controller_apply(&state->quorum->controller, index, value);
    return state->quorum->controller.failure == NULL;
}

static bool read_control(struct snapshot_reader *reader, int16_t type, struct bytes value)
{
    return take_control(state_of(reader)->quorum, type, value);
}

static int report_failure(const struct quorum *quorum, const char *path, int status)
{
    const struct controller *controller = &quorum->controller;
    if (controller->failure != NULL)
        report_error("metadata_refused",
            "path=%s offset=%lld reason=\"%s\" record=\"%s\" version=%d: the node does not start, "
            "since what follows depends on it. If a newer version wrote it, start that one again",
            path, (long long)controller->failed_offset, controller->failure,
            controller->failed_name, controller->failed_version);
    else if (quorum->fault[0] != 0)
        report_error("metadata_refused",
            "path=%s reason=\"%s\": the node does not start, since it would not keep the rules of "
            "its quorum. If a newer version wrote it, start that one again",
            path, quorum->fault);
    else
        report_error("metadata_unreadable",
            "path=%s reason=\"%s\": the node does not start without it", path, status_text(status));
    return status;
}

static int read_snapshot_file(struct quorum *quorum, const char *path, bool bootstrap)
{
    struct state_reader state = { .reader = { .record = read_record, .control = read_control },
        .quorum = quorum,
        .bootstrap = bootstrap };
    int status = snapshot_read(quorum->io, path, &state.reader);
    if (status < 0)
        return status;
    if (!bootstrap)
        quorum->controller.working->append_ms = state.reader.append_ms;
    return 0;
}

/* What formatting left, of today's or of the older kind. None at all is no mistake: an older log
 * has its records inside. */
static int load_bootstrap(struct quorum *quorum)
{
    char path[QUORUM_PATH_SIZE];
    snapshot_path(quorum->directory, (struct snapshot_id){ 0, 0 }, "", path, sizeof(path));
    int status = read_snapshot_file(quorum, path, true);
    if (status == -ENOENT) {
        snprintf(path, sizeof(path), "%.*s/bootstrap.checkpoint", QUORUM_PATH_SIZE - 32,
            log_dir_path(flusher_dir(quorum->settings.flusher)));
        status = read_snapshot_file(quorum, path, true);
    }
    return status == -ENOENT ? 0 : status < 0 ? report_failure(quorum, path, status) : 0;
}

static struct snapshot_id newest_snapshot(const struct quorum *quorum)
{
    for (int32_t i = quorum->snapshots.count - 1; i >= 0; i--)
        if (quorum->snapshots.ids[i].offset > 0)
            return quorum->snapshots.ids[i];
    return (struct snapshot_id){ 0, 0 };
}

/* -EAGAIN: damaged, the one before it may do. */
static int load_snapshot(struct quorum *quorum, struct snapshot_id id)
{
    char path[QUORUM_PATH_SIZE];
    snapshot_path(quorum->directory, id, "", path, sizeof(path));
    int status = read_snapshot_file(quorum, path, false);
    if (status == -EBADMSG && quorum->controller.failure == NULL && quorum->fault[0] == 0) {
        report_warn("snapshot_passed_over",
            "file=%s reason=\"it is damaged\": an older one and the log are read in its place",
            path);
        return -EAGAIN;
    }
    if (status < 0)
        return report_failure(quorum, path, status);
    quorum->controller.working->offset = id.offset;
    quorum->controller.working->epoch = id.epoch;
    return 0;
}

/* The log. */

struct log_walk {
    struct batch_walk walk;
    struct quorum *quorum;
};

static bool replay_record(struct batch_walk *walk, int64_t offset, struct bytes value)
{
    struct controller *controller = &container_of(walk, struct log_walk, walk)->quorum->controller;
    controller_apply(controller, offset, value);
    return controller->failure == NULL;
}

static bool replay_control(
    struct batch_walk *walk, int64_t offset, int16_t type, struct bytes value)
{
    (void)offset;
    return take_control(container_of(walk, struct log_walk, walk)->quorum, type, value);
}

static int replay_log(struct quorum *quorum)
{
    struct image *working = quorum->controller.working;
    int64_t from = working->offset, end = log_end(quorum->log);
    struct log_walk state = {
        .walk = { .record = replay_record,
            .control = replay_control,
            .decompressor = decompressor_create(),
            .from_offset = from,
            .next_offset = from,
            .epoch = working->epoch,
            .timestamp_ms = working->append_ms },
        .quorum = quorum,
    };
    int status = 0;
    while (status == 0 && state.walk.next_offset < end) {
        struct log_slice slice;
        int64_t before = state.walk.next_offset;
        status = log_read(quorum->log, before, end, INT64_MAX / 2, true, true, &slice);
        if (status < 0)
            break;
        if (slice.file != NULL)
            status = batches_walk(slice.file, slice.position, slice.size, &state.walk);
        log_slice_release(&slice);
        if (status == 0 && state.walk.next_offset <= before)
            status = -EBADMSG; /* the log says it goes on, and does not */
    }
    decompressor_destroy(state.walk.decompressor);
    if (status < 0)
        return report_failure(quorum, log_path(quorum->log), status);
    working =
        quorum->controller.working; /* an aborted metadata transaction puts another in its place */
    working->offset = end;
    working->epoch = state.walk.epoch;
    working->append_ms = state.walk.timestamp_ms;
    quorum->bytes_since_snapshot = state.walk.batch_bytes;
    return 0;
}

/* The newest snapshot that can be read and that the log goes on from. A damaged one is passed over
 * when there is an older one, or the log from its beginning: it holds nothing that those do not. */
static int load_newest_snapshot(struct quorum *quorum)
{
    for (;;) {
        struct snapshot_id id = newest_snapshot(quorum);
        controller_reset(&quorum->controller);
        if (log_start(quorum->log) > id.offset) {
            report_error("metadata_gap",
                "directory=%s log_start=%lld snapshot=%lld: what lies between is lost, so the node "
                "does not "
                "start. Restore a snapshot of offset %lld or later from a backup",
                quorum->directory, (long long)log_start(quorum->log), (long long)id.offset,
                (long long)log_start(quorum->log));
            return -EBADMSG;
        }
        if (id.offset == 0)
            return 0;
        int status = load_snapshot(quorum, id);
        if (status == 0 && log_end(quorum->log) < id.offset) {
            report_warn("metadata_log_behind",
                "log=%s end=%lld snapshot=%lld: the snapshot holds all that the log did, which "
                "goes "
                "on behind it",
                log_path(quorum->log), (long long)log_end(quorum->log), (long long)id.offset);
            return log_restart(quorum->log, id.offset);
        }
        if (status != -EAGAIN)
            return status;
        quorum->snapshots.count--;
    }
}

int quorum_replay(struct quorum *quorum)
{
    int status = load_newest_snapshot(quorum);
    return status < 0 ? status : replay_log(quorum);
}

int32_t quorum_last_epoch(const struct quorum *quorum, int64_t end_offset)
{
    const struct epochs *epochs = end_offset <= 0 ? NULL : log_epochs(quorum->log);
    int32_t epoch = epochs == NULL ? -1 : epochs_at(epochs, end_offset - 1);
    if (epoch >= 0)
        return epoch;
    struct snapshot_id id = newest_snapshot(quorum);
    return id.offset > 0 && end_offset >= id.offset ? id.epoch : 0;
}

/* A directory that formatting made has no partition.metadata yet. */
static int name_topic(const struct quorum *quorum)
{
    char path[QUORUM_PATH_SIZE + 32], text[64], id[UUID_TEXT_SIZE + 1];
    int64_t size;
    snprintf(path, sizeof(path), "%s/partition.metadata", quorum->directory);
    int status = file_stat(quorum->io, path, &size);
    if (status != -ENOENT)
        return status;
    uuid_print(METADATA_TOPIC_ID, id);
    int length = snprintf(text, sizeof(text), "version: 0\ntopic_id: %s", id);
    return file_replace(quorum->io, path, text, (size_t)length);
}

static int open_log(struct quorum *quorum)
{
    struct flusher *flusher = quorum->settings.flusher;
    struct log_dir *dir = flusher_dir(flusher);
    const struct log_place *place = log_dir_find(dir, topic_name, 0);
    int status = place == NULL ? log_create(flusher, log_dir_path(dir), topic_name, 0,
                                     METADATA_TOPIC_ID, &quorum->log_settings, &quorum->log)
                               : log_open(flusher, place, &quorum->log_settings, &quorum->log);
    if (status < 0) {
        report_error("metadata_log_refused",
            "directory=%s reason=\"%s\": the node does not start without its metadata log",
            quorum->directory, status_text(status));
        return status;
    }
    return name_topic(quorum);
}

static int load_vote(struct quorum *quorum, struct raft_vote *out_vote)
{
    int status = quorum_state_load(quorum->io, quorum->directory, out_vote);
    if (status == -ENOENT) {
        *out_vote = (struct raft_vote){ .leader_id = RAFT_NOBODY, .voted_id = RAFT_NOBODY };
        return 0;
    }
    if (status == 0) /* one who was killed may have left it without a durable name, and others hear of the vote from here on */
        status = directory_sync(quorum->io, quorum->directory);
    if (status < 0) {
        char path[QUORUM_PATH_SIZE + 32];
        snprintf(path, sizeof(path), "%s/quorum-state", quorum->directory);
        return report_failure(quorum, path, status);
    }
    return 0;
}

static void use_static_voters(struct quorum *quorum)
{
    for (int32_t i = 0; i < quorum->settings.voter_count && i < RAFT_VOTERS_MAX; i++)
        quorum->voters.list[quorum->voters.count++] =
            (struct raft_voter){ quorum->settings.voters[i].id, UUID_ZERO };
}

/* Formatting makes the directory; formats of older versions leave bootstrap.checkpoint above it. A
 * node that began anew in place of a lost log would forget every topic. */
static int find_directory(struct quorum *quorum)
{
    char path[QUORUM_PATH_SIZE + 32];
    int64_t size;
    int status = directory_exists(quorum->io, quorum->directory);
    if (status == 0)
        return snapshot_list_load(quorum->io, quorum->directory, &quorum->snapshots);
    snprintf(path, sizeof(path), "%s/bootstrap.checkpoint",
        log_dir_path(flusher_dir(quorum->settings.flusher)));
    return status == -ENOENT ? file_stat(quorum->io, path, &size) : status;
}

/* An empty log is a new one only where nothing says otherwise: whoever led wrote that into its log,
 * and a clean stop flushed it; and partitions exist because the metadata say so. */
static int check_new(const struct quorum *quorum, const struct raft_vote *vote)
{
    const struct log_dir *dir = flusher_dir(quorum->settings.flusher);
    bool led = vote->leader_id == quorum->settings.node_id && log_dir_was_clean(dir);
    bool alone = log_dir_place_count(dir) <= 1;
    if (log_end(quorum->log) > 0 || newest_snapshot(quorum).offset > 0 || (!led && alone))
        return 0;
    report_error("metadata_lost",
        "log=%s: it is empty, though %s. The node would begin as a new cluster. Restore the "
        "directory",
        log_path(quorum->log),
        !alone ? "partitions lie beside it" : "this node led and was stopped cleanly");
    return -EUCLEAN;
}

int quorum_load(struct quorum *quorum)
{
    struct raft_vote vote;
    struct raft_settings settings = { quorum->settings.election_timeout_ms,
        quorum->settings.election_backoff_max_ms, quorum->settings.fetch_timeout_ms };
    int status = find_directory(quorum);
    if (status < 0) {
        report_error("metadata_lost",
            "directory=%s reason=\"%s\": the node does not start without it, since it would begin "
            "without topics. Mount its disk, or restore it from a backup",
            quorum->directory, status_text(status));
        return status;
    }
    if ((status = load_vote(quorum, &vote)) < 0 || (status = load_bootstrap(quorum)) < 0 ||
        (status = open_log(quorum)) < 0 || (status = check_new(quorum, &vote)) < 0 ||
        (status = quorum_replay(quorum)) < 0)
        return status;
    if (quorum->voters.count == 0)
        use_static_voters(quorum);
    if ((status = quorum_admit_directory(quorum)) < 0)
        return status;

    /* Only what is durable counts for the vote; the rest follows with the first flush. */
    int64_t durable = log_durable_end(quorum->log);
    struct raft_voter self = { quorum->settings.node_id,
        log_dir_identity(flusher_dir(quorum->settings.flusher))->directory_id };
    raft_init(&quorum->raft, self, &settings, &quorum->voters, &vote,
        (struct raft_position){ durable, quorum_last_epoch(quorum, durable) });
    return quorum_admit_voters(quorum);
}
