/*
 * absent - paths that clients know and behind which a node of this kind has nothing: why, in the words they
 * know.
 */

#include "admin/handlers.h"

void absent_config(struct request *request)
{
    answer_message(&request->answer, 400,
                   "this endpoint is only available when Kong is configured to not use a database");
}

void absent_filters(struct request *request)
{
    answer_message(&request->answer, 400, "this endpoint is only available when wasm is enabled");
}

void absent_control_plane(struct request *request)
{
    answer_message(
        &request->answer, 400,
        "this endpoint is only available when Kong is configured to run as Control Plane for the cluster");
}
