/* SPDX-License-Identifier: Apache-2.0 */
#include "replica/quorum_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "io/io.h"
#include "raft/raft.h"
#include "test.h"

/* A number that no epoch or id can be is damage: cut to 32 bits it would be a vote that was never given. */
void test_quorum_state__refuses_numbers_that_are_too_large(void)
{
    static const char *const texts[] = {
        "{\"leaderId\":1,\"leaderEpoch\":4294967301,\"votedId\":-1,\"data_version\":1}",
        "{\"leaderId\":4294967297,\"leaderEpoch\":5,\"votedId\":-1,\"data_version\":1}",
        "{\"leaderId\":1,\"leaderEpoch\":5,\"votedId\":-4294967297,\"data_version\":1}",
        "{\"leaderId\":1,\"leaderEpoch\":5,\"votedId\":-1,\"data_version\":4294967297}",
    };
    char place[] = "/tmp/unit-quorum-state-XXXXXX", path[64];
    struct raft_vote vote;
    struct io *io = io_create(1);
    assert_non_null(mkdtemp(place));
    snprintf(path, sizeof(path), "%s/quorum-state", place);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(file_replace(io, path, texts[i], strlen(texts[i])), 0);
        assert_int_equal(quorum_state_load(io, place, &vote), -EBADMSG);
    }
    assert_int_equal(file_unlink(io, path), 0);
    assert_int_equal(directory_remove(io, place), 0);
    io_destroy(io);
}
