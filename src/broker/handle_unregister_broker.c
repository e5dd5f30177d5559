/* SPDX-License-Identifier: Apache-2.0 */
/* UnregisterBroker: the controller decides; the answer leaves when its records are committed and every shard knows. A
 * broker that is alive leads nothing from then on, until it registers again at its next start. */
#include "broker/apis.h"
#include "broker/forward.h"
#include "broker/request.h"
#include "wire/gen/unregister_broker.h"

enum step handle_unregister_broker(struct request *request)
{
    enum error error;
    if (!forward(request, &request->work.forwarded, CONTROLLER_UNREGISTER_BROKER, &error))
        return STEP_PARK;
    if (error != ERROR_NONE)
        request->out.unregister_broker->error_code = (int16_t)error;
    return STEP_ANSWER;
}
