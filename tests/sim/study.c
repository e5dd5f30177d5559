/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/study.h"

int64_t study_first_since(const struct study *study, int64_t timestamp)
{
    for (int64_t i = 0; i < study->end; i++)
        if (study->records[i].timestamp >= timestamp)
            return i;
    return -1;
}

int64_t study_latest(const struct study *study)
{
    int64_t latest = -1;
    for (int64_t i = 0; i < study->end; i++)
        if (latest < 0 || study->records[i].timestamp > study->records[latest].timestamp)
            latest = i;
    return latest;
}

struct studied_end study_end_of(const struct study *study, int32_t epoch)
{
    struct studied_end end = { epoch, 0 };
    while (end.offset < study->end && study->records[end.offset].epoch <= epoch)
        end.offset++;
    if (end.offset > 0)
        end.epoch = study->records[end.offset - 1].epoch;
    return end;
}
