#include "probes.h"

#include <inttypes.h>
#include <string.h>

#include "config_counts.h"
#include "exporter.h"
#include "metrics_page.h"
#include "render.h"
#include "upstream_request.h"

/* A probe must be answered quickly, also with "no": a server that is slow to report its status must
 * not make the gateway look dead. */
#define PROBE_TIMEOUT_MS 1000

static void ask_status(struct request *r, call_next *next)
{
    Confreg__V1__GetStatusRequest m = CONFREG__V1__GET_STATUS_REQUEST__INIT;
    int64_t timeout_ms = r->gateway->upstream->timeout_ms;
    call_start(r, REGISTRY_GET_STATUS, &m.base,
               timeout_ms < PROBE_TIMEOUT_MS ? timeout_ms : PROBE_TIMEOUT_MS, next);
}

/* While the server is away, its last value is shown. */
static void keep_notifications(struct request *r, const ProtobufCMessage *message)
{
    const Confreg__V1__GetStatusResponse *status = (const void *)message;
    if (status != NULL) {
        r->gateway->configs->counters.notifications_sent = status->notifications_sent;
    }
}

/* An additional member, only if something is degraded; the documented members do not change. */
static void add_degraded(struct str *body, const ProtobufCMessage *message)
{
    const Confreg__V1__GetStatusResponse *status = (const void *)message;
    const Confreg__V1__RelayStatus *relay = status == NULL ? NULL : status->relay;
    if (relay != NULL && relay->state == CONFREG__V1__RELAY_STATE__RELAY_STATE_CONNECTING) {
        str_addf(body,
                 ",\"degraded\":[\"events are delayed: %" PRIu64
                 " commits are not on the bus yet\"]",
                 relay->commits_behind);
    }
}

static void show_health(struct request *r, const ProtobufCMessage *message, const struct status *st)
{
    struct str *body = &r->response.body;
    keep_notifications(r, message);
    str_addf(body, "{\"status\":\"%s\",\"service\":\"config-registry\",\"version\":\"%s\",",
             st == NULL ? "healthy" : "degraded", CONFREG_VERSION);
    render_counters(body, &r->gateway->configs->counters, false);
    add_degraded(body, message);
    str_add_char(body, '}');
    request_answer(r, 200);
}

/* 200 also while the server is away ("degraded"): the documented service used this call as a
 * liveness check, and restarting the gateway would not bring the server back. */
void handle_health(struct request *r)
{
    ask_status(r, show_health);
}

static void show_stats(struct request *r, const ProtobufCMessage *message, const struct status *st)
{
    struct str *body = &r->response.body;
    (void)st;
    keep_notifications(r, message);
    str_add_char(body, '{');
    render_counters(body, &r->gateway->configs->counters, true);
    str_add_char(body, '}');
    request_answer(r, 200);
}

void handle_stats(struct request *r)
{
    ask_status(r, show_stats);
}

void handle_livez(struct request *r)
{
    str_add_text(&r->response.body, "{\"status\":\"alive\"}");
    request_answer(r, 200);
}

/* ---- /readyz ---- */

static void refuse_ready(struct request *r, const struct status *st)
{
    if (st->reason[0] != '\0') {
        request_refuse_status(r, 503, st, "Not ready: %s", st->reason);
    } else {
        request_refuse_status(r, 503, st, "Not ready: the registry server says %s",
                              status_code_name(st->code));
    }
}

static void show_serving(struct request *r, const ProtobufCMessage *message,
                         const struct status *st)
{
    const Grpc__Health__V1__HealthCheckResponse *health = (const void *)message;
    if (st != NULL) {
        refuse_ready(r, st);
    } else if (health->status != GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING) {
        request_refuse(r, 503, "NOT_SERVING", "Not ready: the registry server is not serving");
    } else {
        str_add_text(&r->response.body, "{\"status\":\"ready\"}");
        request_answer(r, 200);
    }
}

static void ask_serving(struct request *r, const ProtobufCMessage *message, const struct status *st)
{
    /* A gateway without a credential may not ask, but can pass those of its callers on. */
    bool is_refused = st != NULL && st->code == STATUS_UNAUTHENTICATED;
    if (st != NULL && !is_refused) {
        refuse_ready(r, st);
        return;
    }
    keep_notifications(r, message);
    Grpc__Health__V1__HealthCheckRequest m = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    call_start(r, REGISTRY_CHECK_HEALTH, &m.base, PROBE_TIMEOUT_MS, show_serving);
}

void handle_readyz(struct request *r)
{
    ask_status(r, ask_serving);
}

void handle_metrics(struct request *r)
{
    metrics_page_render(r->gateway, &r->response.body);
    r->response.content_type = EXPORTER_CONTENT_TYPE;
    request_answer(r, 200);
}
