/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/rot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "sim/sim.h"
#include "wire/batch.h"

enum { PATH_SIZE = 1024, SECTOR = 512, TRIES = 8 };

/* By the end of their names. What has no checksum, as Kafka reads it, and says how far a log reaches or who wrote it, nobody can
 * tell from the truth when one digit of it is another; so bits do not flip there, and in quorum-state and
 * meta.properties only those do that make no digit. */
static const char *const flipping[] = { ".log", ".log", ".index", ".timeindex", ".snapshot", ".checkpoint",
    "replication-offset-checkpoint", "leader-epoch-checkpoint", "quorum-state", "meta.properties" };
static const char *const unreadable[] = { ".log", ".index", ".timeindex", ".snapshot", ".checkpoint", "leader-epoch-checkpoint",
    "recovery-point-offset-checkpoint", "log-start-offset-checkpoint", "quorum-state", "partition.metadata" };

static const char *draw_suffix(struct sim *sim, bool flips)
{
    return flips ? flipping[sim_draw_fault(sim, sizeof(flipping) / sizeof(flipping[0]))]
                 : unreadable[sim_draw_fault(sim, sizeof(unreadable) / sizeof(unreadable[0]))];
}

struct choice {
    struct sim *sim;
    const char *suffix;
    int64_t count, size;
    char path[PATH_SIZE];
};

static void choose(void *context, const char *path, int64_t size)
{
    struct choice *choice = context;
    size_t length = strlen(path), suffix = strlen(choice->suffix);
    if (size == 0 || length < suffix || strcmp(path + length - suffix, choice->suffix) != 0)
        return;
    if (sim_draw_fault(choice->sim, (uint64_t)++choice->count) != 0)
        return; /* each of them with the same chance */
    choice->size = size;
    snprintf(choice->path, sizeof(choice->path), "%s", path);
}

/* What a checkpoint file says of the log that a segment belongs to; -1: nothing. */
static int64_t checkpointed(struct machine *machine, const char *segment, const char *checkpoint)
{
    char path[PATH_SIZE + 64], name[PATH_SIZE];
    int64_t point = -1;
    const char *file = strrchr(segment, '/'), *log = file - 1;
    while (log > segment && *log != '/')
        log--;
    const char *dash = file - 1;
    while (dash > log && *dash != '-')
        dash--;
    snprintf(path, sizeof(path), "%.*s/%s", (int)(log - segment), segment, checkpoint);
    snprintf(name, sizeof(name), "\n%.*s %.*s ", (int)(dash - log - 1), log + 1, (int)(file - dash - 1), dash + 1);
    enum { MOST = 1 << 20 };
    char *text = memory_take(MOST + 1);
    machine_read_file(machine, path, text, MOST, 0);
    const char *line = strstr(text, name);
    if (line != NULL)
        point = strtoll(line + strlen(name), NULL, 10);
    memory_give(text);
    return point;
}

/* How much of a segment is below its log's recovery point. */
static int64_t confirmed_size(struct machine *machine, const char *path, int64_t size)
{
    uint8_t bytes[BATCH_HEADER_SIZE];
    struct batch_header header;
    int64_t point = checkpointed(machine, path, "recovery-point-offset-checkpoint"), position = 0;
    while (position < size) {
        int64_t got = machine_read_file(machine, path, bytes, sizeof(bytes), position);
        if (batch_parse_header(bytes, (size_t)got, (uint64_t)(size - position), &header) != BATCH_OK ||
            batch_next_offset(&header) > point)
            break;
        position += (int64_t)header.size;
    }
    return position;
}

/* Whether a checksum notices that the byte is another, and the offset of the batch that it is in. The base offset and the leader epoch
 * of a batch are outside its checksum. */
static bool is_checked(struct machine *machine, const char *path, int64_t size, int64_t position, int64_t *out_offset)
{
    uint8_t bytes[BATCH_HEADER_SIZE];
    struct batch_header header = { 0 };
    for (int64_t at = 0; at <= position; at += (int64_t)header.size) {
        int64_t got = machine_read_file(machine, path, bytes, sizeof(bytes), at);
        if (batch_parse_header(bytes, (size_t)got, (uint64_t)(size - at), &header) != BATCH_OK)
            return false;
        *out_offset = header.base_offset;
        if (position < at + (int64_t)header.size)
            return position >= at + BATCH_AT_MAGIC || (position >= at + BATCH_AT_LENGTH && position < at + BATCH_AT_LEADER_EPOCH);
    }
    return false;
}

bool rot_strike(struct sim *sim, struct machine *machine, bool flips)
{
    struct choice choice = { .sim = sim, .suffix = draw_suffix(sim, flips) };
    machine_visit_files(machine, choose, &choice);
    if (choice.count == 0)
        return false;
    bool is_log = strcmp(choice.suffix, ".log") == 0;
    int64_t size = is_log && flips ? confirmed_size(machine, choice.path, choice.size) : choice.size;
    for (int try = 0; size > 0 && try < TRIES; try++) {
        int64_t offset, position = (int64_t)sim_draw_fault(sim, (uint64_t)size);
        if (is_log && flips && !is_checked(machine, choice.path, choice.size, position, &offset))
            continue;
        int64_t room = choice.size - position;
        size_t decays = flips ? 1 : room < SECTOR ? (size_t)room : SECTOR;
        uint8_t bit = 0;
        if (flips)
            bit = (uint8_t)(1 << sim_draw_fault(sim, 8));
        if (flips && (strcmp(choice.suffix, "quorum-state") == 0 || strcmp(choice.suffix, "meta.properties") == 0))
            bit |= 0x80;
        machine_decay(machine, choice.path, position, decays, bit);
        return true;
    }
    return false;
}

/* ---- Above the recovery point. ---- */

/* Of which partition a segment is, by its directory's name and the file in there that tells the topic. */
static bool read_partition(struct machine *machine, const char *segment, struct rot_place *place)
{
    static const char word[] = "topic_id: ";
    char path[PATH_SIZE + 32], text[128] = { 0 };
    const char *file = strrchr(segment, '/'), *dash = file - 1;
    while (dash > segment && *dash != '-')
        dash--;
    place->partition = (int32_t)strtol(dash + 1, NULL, 10);
    snprintf(path, sizeof(path), "%.*s/partition.metadata", (int)(file - segment), segment);
    machine_read_file(machine, path, text, sizeof(text) - 1, 0);
    const char *id = strstr(text, word);
    return id != NULL && strlen(id) >= strlen(word) + UUID_TEXT_SIZE &&
           uuid_parse((struct str){ id + strlen(word), UUID_TEXT_SIZE }, &place->topic_id);
}

static void find_snapshot(void *context, const char *path, int64_t size)
{
    struct rot_place *place = context;
    size_t directory = (size_t)(strrchr(place->path, '/') + 1 - place->path);
    bool is_snapshot = strncmp(path, place->path, directory) == 0 && strlen(path) > directory + 20 && strcmp(path + directory + 20, ".snapshot") == 0;
    if (is_snapshot && size > 0 && strtoll(path + directory, NULL, 10) > place->offset)
        place->is_below_snapshot = true;
}

/* Not below the start of the log, which would be found to end before it begins. */
bool rot_find_above(struct sim *sim, struct machine *machine, struct rot_place *out_place)
{
    struct choice choice = { .sim = sim, .suffix = ".log" };
    machine_visit_files(machine, choose, &choice);
    if (choice.count == 0 || checkpointed(machine, choice.path, "recovery-point-offset-checkpoint") < 0 ||
        !read_partition(machine, choice.path, out_place))
        return false;
    snprintf(out_place->path, sizeof(out_place->path), "%s", choice.path);
    int64_t from = confirmed_size(machine, choice.path, choice.size);
    for (int try = 0; from < choice.size && try < TRIES; try++) {
        out_place->position = from + (int64_t)sim_draw_fault(sim, (uint64_t)(choice.size - from));
        if (!is_checked(machine, choice.path, choice.size, out_place->position, &out_place->offset))
            continue;
        out_place->is_below_snapshot = false;
        machine_visit_files(machine, find_snapshot, out_place);
        return checkpointed(machine, choice.path, "log-start-offset-checkpoint") <= out_place->offset;
    }
    return false;
}

void rot_flip(struct sim *sim, struct machine *machine, const struct rot_place *place)
{
    machine_flip(machine, place->path, place->position, (uint8_t)(1 << sim_draw_fault(sim, 8)));
}
