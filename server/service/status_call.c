#include "status_call.h"

#include "answer.h"
#include "clock.h"
#include "encode.h"
#include "rights.h"

static void describe_relay(Confreg__V1__RelayStatus *relay, const struct service *service,
                           struct relay_report *report)
{
    static const Confreg__V1__RelayState states[] = {
        [RELAY_CONNECTING] = CONFREG__V1__RELAY_STATE__RELAY_STATE_CONNECTING,
        [RELAY_PUBLISHING] = CONFREG__V1__RELAY_STATE__RELAY_STATE_PUBLISHING,
        [RELAY_STANDING_BY] = CONFREG__V1__RELAY_STATE__RELAY_STATE_STANDING_BY,
    };
    confreg__v1__relay_status__init(relay);
    relay->bus = (char *)(uintptr_t)service->bus->ops->scheme;
    relay->state = states[report->role];
    relay->published_revision = report->next - 1;
    relay->commits_behind = report->behind;
    relay->reason = report->reason;
}

/* The log's end as last seen by this node. If the store is not shared, that is always its own
 * position. */
static struct log_seen log_end(const struct service *service, const struct position *position)
{
    struct log_seen seen = {.revision = position->revision, .time_us = clock_wall_us()};
    if (service->store->shared) {
        seen = committer_seen(service->committer);
    }
    return seen;
}

/* Sends the part that every caller may know. */
static void send_public(const struct service *service, struct rpc_call *call)
{
    char reason[256];
    struct position position = registry_position(service->registry);
    Confreg__V1__GetStatusResponse response;
    confreg__v1__get_status_response__init(&response);
    response.version = (char *)(uintptr_t)CONFREG_VERSION;
    response.oldest_revision = registry_floor(service->registry) + 1;
    response.writable = committer_writable(service->committer, reason);
    response.filtered = true;
    struct answer answer = {0};
    answer_add(&answer, answer_header(service, &position));
    answer_add(&answer, encode_message(&response.base));
    answer_send(&answer, call);
}

void status_call(struct rpc_call *call, const Confreg__V1__GetStatusRequest *request,
                 struct service *service)
{
    (void)request;
    struct grants grants = caller_grants(admission_caller(call));
    if (!grants_may_everywhere(grants, PERMISSION_OPERATE) &&
        !grants_may_somewhere(grants, PERMISSION_DELEGATE)) {
        send_public(service, call);
        return;
    }
    char reason[256];
    struct relay_report report;
    Confreg__V1__RelayStatus relay;
    relay_report(service->relay, &report);
    describe_relay(&relay, service, &report);
    struct position position = registry_position(service->registry);
    Google__Protobuf__Timestamp start;
    Confreg__V1__GetStatusResponse response;
    describe_time(&start, service->start_time_us);
    confreg__v1__get_status_response__init(&response);
    response.version = (char *)(uintptr_t)CONFREG_VERSION;
    response.store = (char *)(uintptr_t)service->store->ops->scheme;
    response.start_time = &start;
    response.oldest_revision = registry_floor(service->registry) + 1;
    response.config_count = registry_config_count(service->registry);
    response.watch_streams = hub_stream_count(service->hub);
    response.notifications_sent = report.published;
    response.relay = &relay;
    response.writable = committer_writable(service->committer, reason);
    response.not_writable_reason = reason;
    struct log_seen seen = log_end(service, &position);
    Google__Protobuf__Timestamp seen_time;
    describe_time(&seen_time, seen.time_us);
    response.log_revision = seen.revision;
    response.log_time = seen.time_us == 0 ? NULL : &seen_time;
    struct answer answer = {0};
    answer_add(&answer, answer_header(service, &position));
    answer_add(&answer, encode_message(&response.base));
    answer_send(&answer, call);
}
