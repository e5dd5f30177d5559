/* SPDX-License-Identifier: Apache-2.0 */
/* A request that the controller decides. It is sent to the control loop once; the answer is complete when its records
 * are committed and every shard has the image that it speaks of. */
#pragma once
#include "metadata/controller.h"

struct forwarded;
struct request;

/* To be called at each step with the handler's own work pointer (NULL at first). True: answered, *out_error says how; with
 * ERROR_NONE the response is filled, else it holds nothing. False: park. */
bool forward(struct request *request, struct forwarded **work, enum controller_request_type type, enum error *out_error);
/* The same with messages other than the request's own. */
bool forward_message(struct request *request, struct forwarded **work, enum controller_request_type type, const void *message,
    void *response, enum error *out_error);
