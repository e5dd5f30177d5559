/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/control.h"

#include <utlist.h>

#include "base/broken.h"
#include "base/container.h"
#include "base/memory.h"
#include "base/report.h"
#include "broker/assign.h"
#include "broker/settings.h"
#include "broker/unserved.h"

/* An image on its way to a shard and, as the receipt, back. */
struct image_letter {
    struct mail mail;
    struct task task;
    struct control *control;
    struct shard *shard;
    const struct image *image;
    int64_t version;
    int16_t kraft_version;
};

static int64_t arrived_everywhere(const struct control *control)
{
    int64_t least = control->published;

    for (int32_t i = 0; i < control->shards->count; i++)
        if (control->arrived[i] < least)
            least = control->arrived[i];
    return least;
}

static void deliver_done(struct mail *mail)
{
    struct control_errand *errand = container_of(mail, struct control_errand, mail);

    errand->done(errand);
}

static void send_home(struct control_errand *errand)
{
    if (errand->wish.type == CONTROLLER_DELETE_TOPICS && --errand->control->deletions == 0)
        loop_enqueue(errand->control->loop, &errand->control->release_held);
    errand->mail.deliver = deliver_done;
    mail_send(errand->control->loop, errand->home, &errand->mail);
}

static void release_errands(struct control *control)
{
    int64_t least = arrived_everywhere(control);
    struct control_errand **link = &control->waiting;

    while (*link != NULL) {
        struct control_errand *errand = *link;
        if (errand->version > least) {
            link = &errand->next;
            continue;
        }
        *link = errand->next;
        send_home(errand);
    }
}

static void wish_done(struct rsm_request *rsm, enum error error)
{
    struct controller_request *wish = container_of(rsm, struct controller_request, rsm);
    struct control_errand *errand = container_of(wish, struct control_errand, wish);
    struct control *control = errand->control;

    errand->error = error;
    errand->version = control->published;
    if (errand->version <= arrived_everywhere(control) || broken(change_before_image)) {
        send_home(errand);
        return;
    }
    struct control_errand **link = &control->waiting;
    while (*link != NULL)
        link = &(*link)->next;
    errand->next = NULL;
    *link = errand;
}

static void begin(struct control_errand *errand)
{
    struct control *control = errand->control;

    errand->wish.rsm.done = wish_done;
    control->deletions += errand->wish.type == CONTROLLER_DELETE_TOPICS;
    if (control->quorum == NULL || control->stage == CONTROL_LEFT)
        wish_done(&errand->wish.rsm, ERROR_NOT_CONTROLLER);
    else
        quorum_submit(control->quorum, &errand->wish);
}

/* A new topic may have the name of one that is being deleted, and so the directory and the lines of its checkpoint files: it is made
 * when every shard has let the old one go, and the files do not speak of it. Those that come after it wait behind it. */
static bool must_be_held(const struct control *control, const struct control_errand *errand)
{
    if (errand->wish.type != CONTROLLER_CREATE_TOPICS || broken(name_before_free))
        return false;
    const struct shard *any = control->shards->list[0];
    for (int i = 0; i < any->log_dir_count; i++)
        if (log_dir_is_forgetting(any->log_dirs[i]))
            return true;
    return control->deletions > 0;
}

static void deliver_errand(struct mail *mail)
{
    struct control_errand *errand = container_of(mail, struct control_errand, mail);
    struct control *control = errand->control;
    bool queues = errand->wish.type == CONTROLLER_CREATE_TOPICS || errand->wish.type == CONTROLLER_DELETE_TOPICS;

    if (must_be_held(control, errand) || (queues && control->held != NULL))
        LL_APPEND(control->held, errand);
    else
        begin(errand);
}

static void release_held(struct task *task)
{
    struct control *control = container_of(task, struct control, release_held);

    while (control->held != NULL && !must_be_held(control, control->held)) {
        struct control_errand *errand = control->held;
        LL_DELETE(control->held, errand);
        begin(errand);
    }
}

void control_send(struct control *control, struct loop *home, struct control_errand *errand)
{
    errand->control = control;
    errand->home = home;
    errand->mail.deliver = deliver_errand;
    mail_send(home, control->loop, &errand->mail);
}

static void receipt(struct mail *mail)
{
    struct image_letter *letter = container_of(mail, struct image_letter, mail);
    struct control *control = letter->control;

    control->arrived[letter->shard->index] = letter->version;
    memory_give(letter);
    release_errands(control);
}

static void take_image(struct task *task)
{
    struct image_letter *letter = container_of(task, struct image_letter, task);
    struct loop *back = letter->control->loop;

    letter->shard->kraft_version = letter->kraft_version;
    shard_take_image(letter->shard, letter->image);
    letter->mail.deliver = receipt;
    mail_send(letter->shard->loop, back, &letter->mail);
}

/* An image may take partitions away. Other mail of this pass may have staged appends to them, so it waits until all that
 * is staged is written and told. */
static void deliver_image(struct mail *mail)
{
    struct image_letter *letter = container_of(mail, struct image_letter, mail);

    letter->task.run = take_image;
    loop_finish(letter->shard->loop, FINISH_SEND, &letter->task);
}

static void publish(void *context, const struct image *image)
{
    struct control *control = context;
    int16_t kraft_version = quorum_kraft_version(control->quorum);
    bool has_left = control->stage == CONTROL_LEFT; /* the shards end: a letter might find nobody, and no answer needs it */

    if (control->published++ == 0) {
        unserved_report(image);
        control->hooks.loaded(control->hooks.context, image);
    }
    control->desk->kraft_version = kraft_version;
    shard_take_image(control->desk, image_ref(image));
    for (int32_t i = 0; i < control->shards->count && !has_left; i++) {
        struct image_letter *letter = memory_take(sizeof(*letter));
        letter->mail.deliver = deliver_image;
        letter->control = control;
        letter->shard = control->shards->list[i];
        letter->image = image_ref(image);
        letter->version = control->published;
        letter->kraft_version = kraft_version;
        mail_send(control->loop, letter->shard->loop, &letter->mail);
    }
    control_led(control);
    control_see_settings(control);
}

static void leader_changed(void *context, int32_t leader_id, int32_t epoch)
{
    struct control *control = context;

    report_info("leader_changed", "leader=%d epoch=%d", leader_id, epoch);
    control_led(control);
}

static void failed(void *context, const char *reason, int status)
{
    struct control *control = context;

    (void)status; /* reported where it was met */
    control->hooks.failed(control->hooks.context, reason);
}

void control_init(struct control *control, struct loop *loop, const struct node_settings *settings,
    const struct shard_list *shards, struct shard *desk, const struct control_hooks *hooks)
{
    *control = (struct control){
        .loop = loop, .settings = settings, .shards = shards, .desk = desk, .hooks = *hooks, .broker_epoch = -1
    };
    control->arrived = memory_take((size_t)shards->count * sizeof(*control->arrived));
    control->release_held.run = release_held;
}

int control_open(struct control *control, const struct quorum_settings *quorum_settings)
{
    struct quorum_hooks hooks = { control, publish, leader_changed, failed };

    return quorum_open(quorum_settings, &hooks, &control->quorum);
}

void control_deinit(struct control *control)
{
    timer_cancel(control->loop, &control->heartbeat);
    if (control->quorum != NULL)
        quorum_close(control->quorum);
    control->quorum = NULL;
    control_abandon_life(control);
    assign_abandon(control);
    memory_give(control->cordons_told);
    memory_give(control->arrived);
    control->cordons_told = NULL;
    control->arrived = NULL;
}
