/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/room.h"

#include <assert.h>
#include <utlist.h>

#include "base/container.h"
#include "storage/flusher.h"

/* Lets in as much as there is room for. What was let in counts once it is written, so that the rest
 * is looked at again after the writes of this pass; when it filled the room, the flusher will call.
 */
static void let_in(struct task *task)
{
    struct room *room = container_of(task, struct room, task);
    int64_t left = flusher_room(room->flusher);

    while (room->waiting != NULL && left > 0) {
        struct room_wait *wait = room->waiting;
        left -= wait->size;
        room_wait_cancel(wait);
        wait->ready(wait);
        if (left <= 0 && room->waiting != NULL)
            loop_finish(room->loop, FINISH_SEND, &room->task);
    }
}

void room_init(struct room *room, struct loop *loop, struct flusher *flusher)
{
    *room = (struct room){ .loop = loop, .flusher = flusher, .task = { .run = let_in } };
    flusher_set_room_task(flusher, &room->task);
}

bool room_is_free(const struct room *room)
{
    return room->waiting == NULL && flusher_room(room->flusher) > 0;
}

void room_wait(struct room *room, struct room_wait *wait)
{
    assert(wait->room == NULL && wait->ready != NULL);
    wait->room = room;
    DL_APPEND(room->waiting, wait);
}

void room_wait_cancel(struct room_wait *wait)
{
    if (wait->room == NULL)
        return;
    DL_DELETE(wait->room->waiting, wait);
    wait->room = NULL;
}

void room_hand_over(struct room *from, struct room *to, const void *subject)
{
    struct room_wait *wait, *next;

    DL_FOREACH_SAFE(from->waiting, wait, next)
    {
        if (wait->subject != subject)
            continue;
        room_wait_cancel(wait);
        room_wait(to, wait);
    }
    if (to->waiting != NULL)
        loop_enqueue(to->loop, &to->task);
}
