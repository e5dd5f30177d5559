/* SPDX-License-Identifier: Apache-2.0 */
/* The jobs that wait for a worker, in the order in which they came, linked by their mails: an io has one, on Linux and in the
 * simulator. Whoever has several workers holds the lock of its io. */
#pragma once
#include "base/container.h"
#include "io/worker.h"

struct job_queue {
    struct mail *first, *last; /* first NULL: nobody waits, and last means nothing */
};

static inline void job_queue_put(struct job_queue *queue, struct job *job)
{
    job->mail.next = NULL;
    if (queue->first == NULL)
        queue->first = &job->mail;
    else
        queue->last->next = &job->mail;
    queue->last = &job->mail;
}

/* NULL: nobody waits. */
static inline struct job *job_queue_take(struct job_queue *queue)
{
    struct mail *mail = queue->first;
    if (mail == NULL)
        return NULL;
    queue->first = mail->next;
    return container_of(mail, struct job, mail);
}
