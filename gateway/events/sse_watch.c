#include "sse_watch.h"

#include <string.h>

#include "errors.h"
#include "etag.h"
#include "identify.h"
#include "identities.h"
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
    struct event_id last;
    struct status st;
    start->position = start->view->revision;
    start->snapshot = r->parameters.snapshot;
    if (id == NULL || id[0] == '\0') {
        return true;
    }
    if (!event_id_parse(id, &last)) {
        refuse_event_id(r);
        return false;
    }
    if (strcmp(last.last.epoch, start->view->epoch) != 0) {
        status_set_outcome(&st, OUTCOME_EPOCH_MISMATCH,
                           "Last-Event-ID is of another log; start with snapshot=true");
        sse_stream_refuse_position(r, &st, start->view);
        return false;
    }
    if (!view_digests_fit(last.rights, identity_digest(r->identity, &start->selector))) {
        status_set(&st, STATUS_FAILED_PRECONDITION, "RIGHTS_CHANGED",
                   "the rights to a part of what the stream selects have changed; start with "
                   "snapshot=true");
        sse_stream_refuse_position(r, &st, start->view);
        return false;
    }
    start->position = last.last.revision;
    start->snapshot = false; /* a client that comes back asks the same, and has it already */
    return true;
}

/* False: the caller may read nothing of the selection, whatever there is, and the request was
 * answered. */
static bool may_watch(struct request *r, const struct mirror_selector *selector)
{
    struct status st;
    if (!identity_is_known(r->identity)) {
        status_set(&st, STATUS_UNAVAILABLE, "SERVER_LATE",
                   "the rights of the caller are not known at the moment");
    } else if (identity_view(r->identity, selector).extent == VIEW_NOTHING) {
        status_set(&st, STATUS_PERMISSION_DENIED, "NOT_ALLOWED",
                   "the caller has no grant to READ here");
    } else {
        return true;
    }
    errors_answer(r, &st);
    return false;
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
    if (identify_ensure(r, handle_watch) && may_watch(r, &start.selector) &&
        find_start(r, &start) && request_will_last(r)) {
        sse_stream_start(r, &start);
    }
}
