/* SPDX-License-Identifier: Apache-2.0 */
/* Whether this node, with this metadata directory, is the quorum that this version can be: a quorum
 * of one, of itself. Otherwise nobody would ever lead, and the start is refused. A voter is a node
 * and the directory.id of its metadata directory (KIP-853). */
#include <errno.h>
#include <stdio.h>

#include "base/report.h"
#include "replica/quorum_parts.h"
#include "storage/flusher.h"
#include "storage/log_dir.h"

static struct log_dir *dir_of(const struct quorum *quorum)
{
    return flusher_dir(quorum->settings.flusher);
}

/* "1-DIRECTORYID 2-DIRECTORYID"; a static voter has no directory. */
static void print_voters(const struct raft_voters *voters, char *text, size_t text_size)
{
    size_t at = 0;
    text[0] = 0;
    for (int i = 0; i < voters->count && at < text_size; i++) {
        const struct raft_voter *voter = &voters->list[i];
        char id[UUID_TEXT_SIZE + 1] = "";
        if (!uuid_is_zero(voter->directory_id))
            uuid_print(voter->directory_id, id);
        at += (size_t)snprintf(text + at, text_size - at, "%s%d%s%s", i > 0 ? " " : "", voter->id,
            id[0] != 0 ? "-" : "", id);
    }
}

/* The voters know this node by another directory. */
static int refuse_directory(const struct quorum *quorum, struct uuid known_id)
{
    struct uuid own_id = log_dir_identity(dir_of(quorum))->directory_id;
    char known[UUID_TEXT_SIZE + 1], own[UUID_TEXT_SIZE + 1] = "none";
    uuid_print(known_id, known);
    if (!uuid_is_zero(own_id))
        uuid_print(own_id, own);
    report_error("not_a_voter",
        "file=%s/meta.properties directory.id=%s voters_know=%s: with another directory.id node %d "
        "would never lead, so it does not start. If this is its disk, write directory.id=%s into "
        "the file; if not, name its own in metadata.log.dir or log.dirs",
        log_dir_path(dir_of(quorum)), own, known, quorum->settings.node_id, known);
    return -EINVAL;
}

static int refuse_voters(const struct quorum *quorum)
{
    char voters[512];
    print_voters(&quorum->voters, voters, sizeof(voters));
    if (quorum->voters.count == 0)
        report_error("not_a_voter",
            "directory=%s node=%d voters=none: nobody would ever lead, so the node does not start. "
            "The directory was formatted without voters: format an empty one with --standalone",
            log_dir_path(dir_of(quorum)), quorum->settings.node_id);
    else if (!raft_is_voter(&quorum->raft))
        report_error("not_a_voter",
            "directory=%s node=%d voters=\"%s\": nobody would ever lead here, so the node does not "
            "start. Name the directory that was formatted for this node, or the node's node.id",
            log_dir_path(dir_of(quorum)), quorum->settings.node_id, voters);
    else
        report_error("quorum_of_many",
            "directory=%s voters=\"%s\": this version is a quorum of one and would not lead, so "
            "the node does not start. Remove the other voters where the cluster ran",
            log_dir_path(dir_of(quorum)), voters);
    return -EINVAL;
}

int quorum_admit_directory(const struct quorum *quorum)
{
    struct uuid own_id = log_dir_identity(dir_of(quorum))->directory_id;
    for (int i = 0; i < quorum->voters.count; i++) {
        const struct raft_voter *voter = &quorum->voters.list[i];
        if (voter->id == quorum->settings.node_id && !uuid_is_zero(voter->directory_id) &&
            !uuid_equal(voter->directory_id, own_id))
            return refuse_directory(quorum, voter->directory_id);
    }
    return 0;
}

int quorum_admit_voters(const struct quorum *quorum)
{
    bool alone = raft_is_voter(&quorum->raft) && quorum->voters.count == 1;
    return alone ? 0 : refuse_voters(quorum);
}
