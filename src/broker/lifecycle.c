/* SPDX-License-Identifier: Apache-2.0 */
/* The life of this broker in its cluster: loading -> registering -> unfencing -> serving -> leaving -> left. One request
 * to the controller is under way at a time; each arrow is its answer. */
#include <assert.h>

#include "base/container.h"
#include "base/memory.h"
#include "base/report.h"
#include "broker/assign.h"
#include "broker/control.h"
#include "broker/cordon.h"
#include "broker/settings.h"
#include "metadata/feature.h"
#include "wire/gen/broker_heartbeat.h"
#include "wire/gen/broker_registration.h"
#include "wire/gen/controller_registration.h"

enum { RETRY_US = 100 * 1000 };

struct control_life {
    struct control_errand errand; /* first */
    struct arena arena;
    struct control *control;
    union {
        struct broker_registration_request registration;
        struct broker_heartbeat_request heartbeat;
        struct controller_registration_request controller;
    } request;
    union {
        struct broker_registration_response registration;
        struct broker_heartbeat_response heartbeat;
        struct controller_registration_response controller;
    } response;
};

static void beat(struct timer *timer);

static struct control_life *life_begin(struct control *control, enum controller_request_type type,
    void (*done)(struct control_errand *errand))
{
    struct control_life *life = memory_take(sizeof(*life));

    assert(control->life == NULL);
    arena_init(&life->arena);
    life->control = control;
    life->errand.done = done;
    life->errand.wish.type = type;
    life->errand.wish.rsm.arena = &life->arena;
    life->errand.wish.request = &life->request;
    life->errand.wish.response = &life->response;
    control->life = life;
    return life;
}

static void life_end(struct control_life *life)
{
    life->control->life = NULL;
    arena_deinit(&life->arena);
    memory_give(life);
}

void control_abandon_life(struct control *control)
{
    if (control->life != NULL)
        life_end(control->life);
}

static void try_again_in(struct control *control, int64_t delay_us)
{
    control->heartbeat.run = beat;
    timer_set(control->loop, &control->heartbeat, loop_now_us(control->loop) + delay_us);
}

static void leave_done(struct control *control)
{
    timer_cancel(control->loop, &control->heartbeat);
    control->stage = CONTROL_LEFT;
    control->hooks.left(control->hooks.context);
}

static void heartbeat_done(struct control_errand *errand)
{
    struct control_life *life = container_of(errand, struct control_life, errand);
    struct control *control = life->control;
    enum error error = errand->error != ERROR_NONE ? errand->error : (enum error)life->response.heartbeat.error_code;
    bool fenced = life->response.heartbeat.is_fenced;
    bool was_leaving = life->request.heartbeat.want_shut_down;

    life_end(life);
    if (control->stage == CONTROL_LEAVING) {
        if (was_leaving)
            leave_done(control); /* whatever it said: a quorum of one has nobody to hand over to */
        else
            try_again_in(control, 0);
        return;
    }
    if (control->stage == CONTROL_LEFT)
        return; /* meanwhile the metadata failed */
    if (error == ERROR_STALE_BROKER_EPOCH) {
        control->stage = CONTROL_REGISTERING;
        try_again_in(control, RETRY_US);
        return;
    }
    if (error == ERROR_BROKER_ID_NOT_REGISTERED && !control->unregistered_told)
        report_warn("broker_unregistered",
            "node=%d consequence=\"it leads no partition; start it again and it registers again\"",
            control->settings->node_id);
    else if (error != ERROR_NONE && error != ERROR_BROKER_ID_NOT_REGISTERED)
        report_warn("heartbeat_refused", "error=%s", error_name(error));
    control->unregistered_told = error == ERROR_BROKER_ID_NOT_REGISTERED;
    if (error == ERROR_NONE && !fenced && control->stage == CONTROL_UNFENCING) {
        control->stage = CONTROL_SERVING;
        control->hooks.ready(control->hooks.context);
    }
    assign_tell(control);
    int64_t delay_us = cordon_is_told(control) ? (int64_t)control->settings->broker_heartbeat_interval_ms * 1000 : 0;
    try_again_in(control, control->stage == CONTROL_SERVING ? delay_us : RETRY_US);
}

/* An empty list is only told where the controller knows another. */
static void tell_cordons(struct control *control, struct control_life *life)
{
    const struct image_broker *self = image_broker(quorum_image(control->quorum), control->settings->node_id);
    struct broker_heartbeat_request *request = &life->request.heartbeat;
    struct uuid *ids;
    int32_t count = cordon_list(control, &life->arena, &ids);

    if (count == 0 && (self == NULL || self->cordoned_count <= 0))
        return;
    request->cordoned_log_dirs = ids;
    request->cordoned_log_dirs_count = count;
}

static void send_heartbeat(struct control *control)
{
    struct control_life *life = life_begin(control, CONTROLLER_HEARTBEAT, heartbeat_done);
    struct broker_heartbeat_request *request = &life->request.heartbeat;

    message_defaults(&broker_heartbeat_request_schema, request);
    message_defaults(&broker_heartbeat_response_schema, &life->response.heartbeat);
    request->broker_id = control->settings->node_id;
    request->broker_epoch = control->broker_epoch;
    request->current_metadata_offset = quorum_high_watermark(control->quorum) - 1;
    request->want_shut_down = control->stage == CONTROL_LEAVING;
    request->offline_log_dirs = control->offline;
    request->offline_log_dirs_count = control->offline_count;
    tell_cordons(control, life);
    control_send(control, control->loop, &life->errand);
}

static void registration_done(struct control_errand *errand)
{
    struct control_life *life = container_of(errand, struct control_life, errand);
    struct control *control = life->control;
    enum error error = errand->error != ERROR_NONE ? errand->error : (enum error)life->response.registration.error_code;
    int64_t epoch = life->response.registration.broker_epoch;

    life_end(life);
    if (error == ERROR_NONE) {
        control->broker_epoch = epoch;
        if (control->stage == CONTROL_REGISTERING)
            control->stage = CONTROL_UNFENCING;
        try_again_in(control, 0);
        return;
    }
    report_warn("registration_refused", "error=%s consequence=\"tries again\"", error_name(error));
    try_again_in(control, RETRY_US);
}

static void send_registration(struct control *control)
{
    const struct control_identity *identity = &control->identity;
    struct control_life *life = life_begin(control, CONTROLLER_REGISTER_BROKER, registration_done);
    struct broker_registration_request *request = &life->request.registration;

    message_defaults(&broker_registration_request_schema, request);
    message_defaults(&broker_registration_response_schema, &life->response.registration);
    request->broker_id = control->settings->node_id;
    request->cluster_id = str_from(identity->cluster_id);
    request->incarnation_id = identity->incarnation_id;
    request->rack = control->settings->rack;
    request->previous_broker_epoch = identity->previous_epoch;
    request->log_dirs = arena_copy(&life->arena, identity->directories,
        (size_t)identity->directory_count * sizeof(*identity->directories));
    request->log_dirs_count = identity->directory_count;
    request->listeners_count = identity->broker_endpoint_count;
    request->listeners = MESSAGE_TAKE(broker_registration_listener, &life->arena, request->listeners_count);
    for (int32_t i = 0; i < request->listeners_count; i++) {
        const struct image_endpoint *endpoint = &identity->broker_endpoints[i];
        request->listeners[i].name = endpoint->name;
        request->listeners[i].host = endpoint->host;
        request->listeners[i].port = endpoint->port;
        request->listeners[i].security_protocol = endpoint->security_protocol;
    }
    request->features_count = feature_range_count;
    request->features = MESSAGE_TAKE(broker_registration_feature, &life->arena, feature_range_count);
    for (int32_t i = 0; i < feature_range_count; i++) {
        request->features[i].name = str_from(feature_ranges[i].name);
        request->features[i].min_supported_version = feature_ranges[i].min;
        request->features[i].max_supported_version = feature_ranges[i].max;
    }
    control_send(control, control->loop, &life->errand);
}

static void controller_done(struct control_errand *errand)
{
    struct control_life *life = container_of(errand, struct control_life, errand);
    struct control *control = life->control;
    enum error error = errand->error != ERROR_NONE ? errand->error : (enum error)life->response.controller.error_code;

    life_end(life);
    if (error != ERROR_NONE)
        report_warn("controller_registration_refused", "error=%s", error_name(error));
    control->stage = control->stage == CONTROL_LOADING ? CONTROL_REGISTERING : control->stage;
    try_again_in(control, 0);
}

static void send_controller_registration(struct control *control)
{
    const struct control_identity *identity = &control->identity;
    struct control_life *life = life_begin(control, CONTROLLER_REGISTER_CONTROLLER, controller_done);
    struct controller_registration_request *request = &life->request.controller;

    message_defaults(&controller_registration_request_schema, request);
    message_defaults(&controller_registration_response_schema, &life->response.controller);
    request->controller_id = control->settings->node_id;
    request->incarnation_id = identity->incarnation_id;
    request->listeners_count = identity->controller_endpoint_count;
    request->listeners = MESSAGE_TAKE(controller_registration_listener, &life->arena, request->listeners_count);
    for (int32_t i = 0; i < request->listeners_count; i++) {
        const struct image_endpoint *endpoint = &identity->controller_endpoints[i];
        request->listeners[i].name = endpoint->name;
        request->listeners[i].host = endpoint->host;
        request->listeners[i].port = endpoint->port;
        request->listeners[i].security_protocol = endpoint->security_protocol;
    }
    request->features_count = feature_range_count;
    request->features = MESSAGE_TAKE(controller_registration_feature, &life->arena, feature_range_count);
    for (int32_t i = 0; i < feature_range_count; i++) {
        request->features[i].name = str_from(feature_ranges[i].name);
        request->features[i].min_supported_version = feature_ranges[i].min;
        request->features[i].max_supported_version = feature_ranges[i].max;
    }
    control_send(control, control->loop, &life->errand);
}

static void go_on(struct control *control)
{
    if (control->life != NULL || control->identity.cluster_id == NULL)
        return; /* its answer goes on; or we do not listen yet */
    if (control->stage == CONTROL_LEAVING && (control->broker_epoch < 0 || !quorum_leads(control->quorum))) {
        leave_done(control);
        return;
    }
    if (quorum_image(control->quorum) == NULL || !quorum_leads(control->quorum))
        return;
    switch (control->stage) {
    case CONTROL_LOADING: send_controller_registration(control); break;
    case CONTROL_REGISTERING: send_registration(control); break;
    case CONTROL_UNFENCING:
    case CONTROL_SERVING:
    case CONTROL_LEAVING: send_heartbeat(control); break;
    case CONTROL_LEFT: break;
    }
}

static void beat(struct timer *timer)
{
    go_on(container_of(timer, struct control, heartbeat));
}

void control_register(struct control *control, const struct control_identity *identity)
{
    control->identity = *identity;
    control_led(control);
}

void control_led(struct control *control)
{
    if (control->stage == CONTROL_LOADING && control->life == NULL)
        try_again_in(control, 0);
}

void control_see_settings(struct control *control)
{
    if (control->stage == CONTROL_SERVING && control->life == NULL && !cordon_is_told(control))
        try_again_in(control, 0);
}

void control_leave(struct control *control)
{
    if (control->stage == CONTROL_LEAVING || control->stage == CONTROL_LEFT)
        return;
    control->stage = CONTROL_LEAVING;
    if (control->identity.cluster_id == NULL)
        leave_done(control);
    else
        try_again_in(control, 0);
}

void control_leave_at_once(struct control *control)
{
    if (control->stage != CONTROL_LEFT)
        leave_done(control);
}

void control_directory_failed(struct control *control, struct uuid directory_id)
{
    int32_t most = (int32_t)(sizeof(control->offline) / sizeof(control->offline[0]));

    if (control->offline_count < most)
        control->offline[control->offline_count++] = directory_id;
    if (control->stage == CONTROL_SERVING && control->life == NULL)
        try_again_in(control, 0);
}
