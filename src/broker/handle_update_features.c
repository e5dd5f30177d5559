/* SPDX-License-Identifier: Apache-2.0 */
/* UpdateFeatures: the controller decides; the answer leaves when its records are committed and every shard knows. */
#include "broker/apis.h"
#include "broker/forward.h"
#include "broker/request.h"
#include "wire/gen/update_features.h"

enum step handle_update_features(struct request *request)
{
    enum error error;
    if (!forward(request, &request->work.forwarded, CONTROLLER_UPDATE_FEATURES, &error))
        return STEP_PARK;
    if (error != ERROR_NONE)
        request->out.update_features->error_code = (int16_t)error;
    return STEP_ANSWER;
}
