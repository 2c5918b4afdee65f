#include "node_watcher.h"

#include <string.h>

#include "confreg/v1/registry_service.pb-c.h"

typedef Confreg__V1__WatchResponse response;

#define KIND(name) CONFREG__V1__WATCH_RESPONSE_KIND__WATCH_RESPONSE_KIND_##name

void watcher_init(struct watcher *watcher, struct watching *all, size_t number)
{
    *watcher = (struct watcher){.all = all, .random = {random_seed() + number}};
    watcher->snapshot = number % 3 == 0;
    watcher->include_previous = number % 4 == 1;
    watcher->conflate = number % 4 == 2;
    watcher->resolve = number % 8 >= 6; /* some of those that conflate, some that do not */
    watcher->progress = number % 5 == 0;
    snprintf(watcher->id, sizeof watcher->id, "w%zu", number);
    if (number % 2 == 1) {
        snprintf(watcher->service, sizeof watcher->service, "s%zu", number % 6);
    }
}

/* ---- What comes ---- */

/* Of a stream of everything no change may be missing, of any stream none may come twice. */
static void check_event(struct watcher *watcher, const Confreg__V1__Event *event)
{
    bool everything = watcher->service[0] == '\0';
    CHECK(everything || strcmp(event->service_name, watcher->service) == 0, "not selected: %s",
          event->service_name);
    everything = everything && !watcher->conflate;
    CHECK(strcmp(event->environment, watcher->resolve ? "other" : "default") == 0,
          "not selected: %s", event->environment);
    CHECK((event->previous != NULL) == (watcher->include_previous && event->previous_version != 0),
          "the value before");
    CHECK(event->previous == NULL || (event->previous->version == event->previous_version &&
                                      event->previous->config_data.len > 0),
          "another value before");
    if (event->revision == watcher->last) {
        CHECK(event->index > watcher->last_index, "change %u of %lu twice", event->index,
              event->revision);
        CHECK(!everything || event->index == watcher->last_index + 1, "a change is missing");
    } else {
        CHECK(event->revision > watcher->last, "%lu after %lu", event->revision, watcher->last);
        CHECK(!everything || (event->revision == watcher->last + 1 && event->index == 0),
              "%lu after %lu", event->revision, watcher->last);
    }
    CHECK(event->config != NULL && event->config->config_data.len > 0, "no payload");
    CHECK(event->config->version == event->version, "another version's payload");
    watcher->last = event->revision;
    watcher->last_index = event->index;
    atomic_fetch_add(&watcher->all->n_events, 1);
}

static void take_position(struct watcher *watcher, const response *r)
{
    CHECK(r->header->revision >= watcher->revision, "the position went back");
    watcher->revision = r->header->revision;
    watcher->chain = r->header->chain_hash;
    snprintf(watcher->epoch, sizeof watcher->epoch, "%s", r->header->epoch);
    watcher->began = true;
}

static void take(struct watcher *watcher, const response *r)
{
    CHECK(r->previous_revision == watcher->delivered, "%lu was before, not %lu", watcher->delivered,
          r->previous_revision);
    for (size_t i = 0; i < r->n_events; i++) {
        check_event(watcher, r->events[i]);
    }
    if (r->n_events > 0) {
        watcher->delivered = watcher->last;
    }
    if (r->kind == KIND(SNAPSHOT_END)) {
        watcher->delivered = r->header->revision;
        watcher->last = r->header->revision;
    }
    if (r->kind != KIND(SNAPSHOT) && !r->more) {
        take_position(watcher, r);
    }
}

static bool is_through(const struct watcher *watcher)
{
    return watcher->began && watcher->revision >= atomic_load(&watcher->all->goal);
}

static void progress_done(void *user, const struct status *st, const uint8_t *bytes, size_t size)
{
    (void)user;
    (void)bytes;
    (void)size;
    CHECK(st == NULL || st->code == STATUS_NOT_FOUND || st->code == STATUS_UNAVAILABLE ||
              st->code == STATUS_CANCELLED,
          "asking for a mark: %s", st->message);
}

static void ask_for_mark(const struct watcher *watcher)
{
    Confreg__V1__WatchProgressRequest request;
    struct rpc_request call = {.path = "/confreg.v1.RegistryService/WatchProgress",
                               .message = &request.base};
    confreg__v1__watch_progress_request__init(&request);
    request.watch_id = (char *)(uintptr_t)watcher->id;
    rpc_client_unary(watcher->all->rpc, &call, progress_done, NULL);
}

static bool on_message(void *user, const uint8_t *bytes, size_t size)
{
    struct watcher *watcher = user;
    response *r = confreg__v1__watch_response__unpack(NULL, size, bytes);
    CHECK(r != NULL, "a response that makes no sense");
    take(watcher, r);
    if (random_below(&watcher->random, 8) == 0) {
        ask_for_mark(watcher);
    }
    confreg__v1__watch_response__free_unpacked(r, NULL);
    return ++watcher->n_responses < watcher->break_after && !is_through(watcher);
}

static void on_done(void *user, const struct status *st)
{
    struct watcher *watcher = user;
    CHECK(st != NULL && (st->code == STATUS_CANCELLED || st->code == STATUS_UNAVAILABLE),
          "a watch ended: %s", st == NULL ? "regularly" : st->message);
    if (is_through(watcher)) {
        tally_add(&watcher->all->through, 1);
    } else {
        watcher_begin(watcher);
    }
}

/* ---- Opening ---- */

static void ask(const struct watcher *watcher, const Confreg__V1__WatchRequest *request,
                struct watcher *user)
{
    static const struct rpc_client_stream_ops ops = {.message = on_message, .done = on_done};
    struct rpc_request call = {
        .path = "/confreg.v1.RegistryService/Watch",
        .message = &request->base,
        .wait_for_ready = true,
    };
    atomic_fetch_add(&watcher->all->n_streams, 1);
    rpc_client_stream(watcher->all->rpc, &call, &ops, user);
}

void watcher_begin(struct watcher *watcher)
{
    Confreg__V1__WatchRequest request;
    Confreg__V1__Position after;
    Confreg__V1__Selector selector;
    Confreg__V1__Selector *selectors[] = {&selector};
    Google__Protobuf__Duration interval;
    google__protobuf__duration__init(&interval);
    interval.nanos = 100000000;
    confreg__v1__watch_request__init(&request);
    confreg__v1__position__init(&after);
    confreg__v1__selector__init(&selector);
    selector.service_name = watcher->service;
    request.selectors = selectors;
    selector.environment = (char *)(uintptr_t)(watcher->resolve ? "other" : "");
    request.n_selectors = watcher->service[0] == '\0' && !watcher->resolve ? 0 : 1;
    request.include_previous = watcher->include_previous;
    request.conflate = watcher->conflate;
    request.resolve = watcher->resolve;
    request.watch_id = watcher->id;
    request.progress_interval = watcher->progress ? &interval : NULL;
    after.epoch = watcher->epoch;
    after.revision = watcher->revision;
    after.chain_hash = watcher->chain;
    if (watcher->began) {
        request.resume_after = &after;
    } else if (watcher->snapshot) {
        request.include_snapshot = true;
    } else {
        request.start_revision = 1;
    }
    watcher->delivered = 0;
    watcher->last = watcher->revision;
    watcher->n_responses = 0;
    watcher->break_after = 1 + random_below(&watcher->random, 25);
    ask(watcher, &request, watcher);
}
