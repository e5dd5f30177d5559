/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/group_reports.h"

#include <stdio.h>
#include <string.h>

#include "base/report.h"
#include "broker/request.h"
#include "broker/shard.h"
#include "coordinator/coordinator.h"
#include "io/loop.h"

enum { LINES_A_SECOND = 100, WORD_MOST = 255 };

static bool may_report(struct shard *shard, int64_t *out_left_out)
{
    struct group_reports *reports = &shard->group_reports;
    int64_t second = loop_now_us(shard->loop) / 1000000;
    if (reports->second != second) {
        reports->second = second;
        reports->count = 0;
    }
    if (reports->count == LINES_A_SECOND) {
        reports->left_out++;
        return false;
    }
    reports->count++;
    *out_left_out = reports->left_out;
    reports->left_out = 0;
    return true;
}

/* What a terminal or a reader of lines could take for something else stands as its number. */
static const char *printable(struct arena *arena, struct str word)
{
    int32_t size = word.size < WORD_MOST ? word.size : WORD_MOST;
    char *text = arena_take(arena, (size_t)size * 4 + 4), *at = text;
    for (int32_t i = 0; i < size; i++) {
        char letter = word.data[i];
        if (letter >= ' ' && letter <= '~' && letter != '"' && letter != '\\')
            *at++ = letter;
        else
            at += snprintf(at, 5, "\\x%02x", (unsigned char)letter);
    }
    memcpy(at, word.size > size ? "..." : "", word.size > size ? 4 : 1);
    return text;
}

static void tell(struct request *request, const char *event, const struct group_member_told *told,
    const char *more)
{
    struct arena *arena = &request->arena;
    int64_t left_out;
    if (!may_report(request->shard, &left_out))
        return;
    report_info(event, "group=\"%s\" member=\"%s\" instance=\"%s\"%s reason=\"%s\" left_out=%lld",
        printable(arena, told->group_id), printable(arena, told->member_id),
        printable(arena, told->instance_id), more,
        told->reason.size > 0 ? printable(arena, told->reason) : "not provided",
        (long long)left_out);
}

void group_report_joined(
    struct request *request, const struct group_member_told *told, int32_t generation)
{
    tell(request, "group_member_joined", told,
        arena_format(&request->arena, " generation=%d", generation));
}

void group_report_left(struct request *request, const struct group_member_told *told)
{
    tell(request, "group_member_left", told, "");
}

void group_report_conversions(
    struct shard *shard, struct arena *arena, const struct group_conversion *conversions)
{
    for (const struct group_conversion *one = conversions; one != NULL; one = one->next) {
        int64_t left_out;
        if (may_report(shard, &left_out))
            report_info("group_converted",
                "group=\"%s\" to=%s member=\"%s\" reason=\"%s\" left_out=%lld",
                printable(arena, one->group_id), one->to, printable(arena, one->member_id),
                one->reason, (long long)left_out);
    }
}
