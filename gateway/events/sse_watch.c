#include "sse_watch.h"

#include <string.h>

#include "etag.h"
#include "sse_streams.h"
#include "upstream.h"

static void refuse_event_id(struct request *r)
{
    struct invalid invalid = {0};
    invalid_add(&invalid, "header", "Last-Event-ID", FAULT_EVENT_ID,
                "Input should be the id of an event");
    request_refuse_invalid(r, &invalid);
    invalid_fini(&invalid);
}

/* Finds the position to start from; false if the request was answered. */
static bool find_start(struct request *r, struct sse_stream_start *start)
{
    const char *id = r->headers.last_event_id;
    struct expectation last;
    start->position = start->view->revision;
    start->snapshot = r->parameters.snapshot;
    if (id == NULL || id[0] == '\0') {
        return true;
    }
    if (!event_id_parse(id, &last)) {
        refuse_event_id(r);
        return false;
    }
    if (strcmp(last.epoch, start->view->epoch) != 0) {
        struct status st;
        status_set_outcome(&st, OUTCOME_EPOCH_MISMATCH,
                           "Last-Event-ID is of another log; start with snapshot=true");
        sse_stream_refuse_position(r, &st, start->view);
        return false;
    }
    start->position = last.revision;
    start->snapshot = false; /* a client that comes back asks the same, and has it already */
    return true;
}

void handle_watch(struct request *r)
{
    struct mirror_view view;
    mirror_look(r->gateway->upstream->mirror, &view);
    if (view.state == MIRROR_LOADING || r->gateway->upstream->stopping) {
        request_add_header(r, "Retry-After", "1");
        request_refuse(r, 503, "MIRROR_LOADING",
                       "The gateway does not follow the registry server yet");
        return;
    }
    struct sse_stream_start start = {
        .view = &view,
        .selector = {.environment = r->parameters.environment,
                     .service_name = r->parameters.service_filter,
                     .service_name_prefix = r->parameters.prefix_filter},
    };
    if (find_start(r, &start)) {
        sse_stream_start(r, &start);
    }
}
