/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "io/file.h"
#include "io/io.h"
#include "metadata/feature.h"
#include "metadata/record.h"
#include "replica/batches.h"
#include "replica/quorum.h"
#include "replica/quorum_snapshot.h"
#include "replica/quorum_voters.h"
#include "wire/gen/feature_level_record.h"
#include "wire/gen/user_scram_credential_record.h"
#include "wire/record.h"

enum { PATH_SIZE = 4096, KRAFT_VERSION_NEEDS = 21 };

static int16_t chosen_level(const struct quorum_format *format, const struct feature_range *feature,
    int16_t metadata_version)
{
    for (int32_t i = 0; i < format->feature_count; i++)
        if (strcmp(format->features[i].name, feature->name) == 0)
            return format->features[i].level;
    return feature_default(feature, metadata_version);
}

static const char *fault_of(const struct quorum_format *format, int16_t metadata_version)
{
    if (metadata_version < METADATA_VERSION_MIN || metadata_version > METADATA_VERSION_NEWEST)
        return "this metadata.version is not supported";
    if (format->kraft_version >= 1 && metadata_version < KRAFT_VERSION_NEEDS)
        return "kraft.version 1 needs metadata.version 21 (3.9) or newer: an older one has its "
               "voters in "
               "controller.quorum.voters";
    if (format->kraft_version >= 1 && format->voter_count == 0)
        return "kraft.version 1 needs voters: --standalone or --initial-controllers";
    for (int32_t i = 0; i < format->feature_count; i++) {
        const struct feature_range *feature = feature_find(str_from(format->features[i].name));
        if (feature == NULL)
            return "a feature of that name is not known";
        if (format->features[i].level != 0 &&
            !feature_fits(feature, format->features[i].level, metadata_version))
            return "a feature level is not supported, or needs a newer metadata.version";
    }
    return NULL;
}

static void add_feature(
    struct snapshot_builder *builder, struct arena *arena, const char *name, int16_t level)
{
    struct feature_level_record record = { .name = str_from(name), .feature_level = level };
    snapshot_add(builder, metadata_record_encode(arena, &feature_level_record_schema, 0, &record));
}

static void add_records(struct snapshot_builder *builder, struct arena *arena,
    const struct quorum_format *format, int16_t metadata_version)
{
    add_feature(builder, arena, "metadata.version", metadata_version);
    for (int32_t i = 0; i < feature_range_count; i++) {
        const char *name = feature_ranges[i].name;
        int16_t level = chosen_level(format, &feature_ranges[i], metadata_version);
        if (level > 0 && strcmp(name, "metadata.version") != 0 &&
            strcmp(name, "kraft.version") != 0)
            add_feature(builder, arena, name, level);
    }
    for (int32_t i = 0; i < format->scram_count; i++) {
        const struct quorum_scram *scram = &format->scram[i];
        struct user_scram_credential_record record = {
            .name = str_from(scram->name),
            .mechanism = scram->mechanism,
            .salt = scram->salt,
            .stored_key = scram->stored_key,
            .server_key = scram->server_key,
            .iterations = scram->iterations,
        };
        snapshot_add(builder,
            metadata_record_encode(arena, &user_scram_credential_record_schema, 0, &record));
    }
}

static void build(struct snapshot_builder *builder, struct arena *arena,
    const struct quorum_format *format, int16_t metadata_version, int64_t wall_ms)
{
    struct control_record control[2];
    int32_t count = 0;
    if (format->kraft_version >= 1) {
        control[count++] = (struct control_record){ CONTROL_KRAFT_VERSION,
            kraft_version_encode(arena, format->kraft_version) };
        control[count++] = (struct control_record){ CONTROL_VOTERS,
            voters_encode(arena, format->voters, format->voter_count) };
    }
    snapshot_begin(builder, 0, wall_ms, wall_ms, control, count);
    add_records(builder, arena, format, metadata_version);
    snapshot_end(builder);
}

int quorum_format(struct io *io, const struct quorum_format *format, const char **out_reason)
{
    char directory[PATH_SIZE], path[PATH_SIZE + 64];
    int16_t metadata_version =
        format->metadata_version == 0 ? METADATA_VERSION_NEWEST : format->metadata_version;
    for (int32_t i = 0; i < format->feature_count; i++)
        if (strcmp(format->features[i].name, "metadata.version") == 0)
            metadata_version = format->features[i].level;
    *out_reason = fault_of(format, metadata_version);
    if (*out_reason != NULL)
        return -EINVAL;

    snprintf(directory, sizeof(directory), "%s/__cluster_metadata-0", format->directory);
    int status = directory_create(io, directory);
    if (status < 0 && status != -EEXIST)
        return status;
    struct snapshot_builder builder;
    struct arena arena;
    arena_init(&arena);
    build(&builder, &arena, format, metadata_version, io_wall_ms(io));
    snapshot_path(directory, (struct snapshot_id){ 0, 0 }, "", path, sizeof(path));
    status = file_replace(io, path, builder.data, builder.size);
    snapshot_deinit(&builder);
    arena_deinit(&arena);
    return status < 0 ? status : directory_sync(io, format->directory);
}
