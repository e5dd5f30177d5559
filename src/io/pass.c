/* SPDX-License-Identifier: Apache-2.0 */
#include "io/pass.h"

#include <assert.h>

#include "base/container.h"

void pass_init(struct pass *pass)
{
    *pass = (struct pass){ 0 };
    heap_init(&pass->timers);
}

void pass_deinit(struct pass *pass)
{
    heap_deinit(&pass->timers);
}

void pass_enqueue(struct task_queue *queue, struct task *task)
{
    assert(task->run != NULL);
    if (task->queued)
        return;
    task->queued = true;
    task->next = NULL;
    if (queue->first == NULL)
        queue->first = task;
    else
        queue->last->next = task;
    queue->last = task;
}

bool pass_is_idle(const struct pass *pass)
{
    return pass->tasks.first == NULL && pass->finish[FINISH_WRITE].first == NULL &&
           pass->finish[FINISH_SEND].first == NULL;
}

int64_t pass_next_timer_us(const struct pass *pass)
{
    const struct heap_entry *first = heap_first(&pass->timers);
    return first == NULL ? INT64_MAX : first->key;
}

void pass_run_timers(struct pass *pass)
{
    uint64_t set_before = pass->timers.next_order;
    for (;;) {
        struct heap_entry *first = heap_first(&pass->timers);
        if (first == NULL || first->key > pass->now_us || first->order >= set_before)
            return;
        heap_remove(&pass->timers, first);
        struct timer *timer = container_of(first, struct timer, entry);
        timer->run(timer);
    }
}

static void run_queue(struct task_queue *queue)
{
    while (queue->first != NULL) {
        struct task *task = queue->first;
        queue->first = task->next;
        task->queued = false; /* it may enqueue itself, or be freed, while it runs */
        task->run(task);
    }
}

void pass_settle(struct pass *pass)
{
    run_queue(&pass->tasks);
    while (!pass_is_idle(pass)) {
        /* Everything that will be written is written before the first answer leaves. */
        while (pass->finish[FINISH_WRITE].first != NULL) {
            run_queue(&pass->finish[FINISH_WRITE]);
            run_queue(&pass->tasks);
        }
        run_queue(&pass->finish[FINISH_SEND]);
        run_queue(&pass->tasks);
    }
}
