/* SPDX-License-Identifier: Apache-2.0 */
#include "io/worker.h"

#include <assert.h>

#include "base/container.h"
#include "io/linux.h"

static void finish_job(struct mail *mail)
{
    struct job *job = container_of(mail, struct job, mail);
    job->owner->job_count--;
    job->done(job);
}

static struct job *wait_for_job(struct io *io)
{
    pthread_mutex_lock(&io->lock);
    while (io->jobs.first == NULL && !io->stopping)
        pthread_cond_wait(&io->submitted, &io->lock);
    struct job *job = job_queue_take(&io->jobs);
    pthread_mutex_unlock(&io->lock);
    return job;
}

/* A flush that somebody waits for must not wait in turn for long lists of others, as many as there are workers. */
static bool give_way(struct io *io, struct job *job)
{
    pthread_mutex_lock(&io->lock);
    bool others_wait = io->jobs.first != NULL;
    if (others_wait)
        job_queue_put(&io->jobs, job);
    pthread_mutex_unlock(&io->lock);
    return others_wait; /* and this worker takes the next one */
}

static void *work(void *context)
{
    struct io *io = context;
    for (struct job *job; (job = wait_for_job(io)) != NULL;) {
        bool has_more;
        do
            has_more = job->step(job) == JOB_AGAIN;
        while (has_more && !give_way(io, job));
        if (has_more)
            continue; /* it waits again, and another worker may have it already */
        job->mail.deliver = finish_job;
        /* The loop may end with this mail: the lock keeps it until the wake-up is through, see loop_destroy(). It is
         * not the one of the jobs, since a loop that is woken has the next one at once. */
        pthread_mutex_lock(&io->telling);
        mail_send(NULL, job->owner, &job->mail);
        pthread_mutex_unlock(&io->telling);
    }
    return NULL;
}

void worker_submit(struct io *io, struct loop *owner, struct job *job)
{
    assert(job->step != NULL && job->done != NULL);
    job->owner = owner;
    owner->job_count++;
    pthread_mutex_lock(&io->lock);
    assert(!io->stopping);
    job_queue_put(&io->jobs, job);
    pthread_mutex_unlock(&io->lock);
    pthread_cond_signal(&io->submitted); /* without the lock, for which whoever is woken would wait */
}

int workers_start(struct io *io)
{
    for (int i = 0; i < io->worker_count; i++) {
        int status = thread_spawn("worker", work, io, &io->workers[i]);
        if (status < 0)
            return status;
    }
    return 0;
}

void workers_stop(struct io *io)
{
    pthread_mutex_lock(&io->lock);
    io->stopping = true;
    pthread_cond_broadcast(&io->submitted);
    pthread_mutex_unlock(&io->lock);
    for (int i = 0; i < io->worker_count; i++)
        pthread_join(io->workers[i], NULL);
}
