#include "trace.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include "doubt.h"

struct trace {
    struct store store;
    struct store *inner; /* owned */
    void (*on_call)(void *user, const struct trace_event *event);
    void *user;
    pthread_mutex_t lock;
    uint64_t calls;
    uint64_t first;
    uint64_t n;
    enum trace_fault fault;
    const char *held_call; /* NULL: none is held */
    size_t n_held;         /* calls that wait now */
    pthread_cond_t changed;
    struct doubt_state doubt;
};

static struct trace *trace_of(const struct store *store)
{
    return CONTAINER_OF((struct store *)(uintptr_t)store, struct trace, store);
}

/* A call that is running: its number, and whether it is to fail. */
struct passing {
    struct trace *trace;
    const char *name;
    uint64_t number;
    bool faulty;
    enum trace_fault fault;
};

static bool is_held(const struct trace *trace, const char *name)
{
    return trace->held_call != NULL && strcmp(trace->held_call, name) == 0;
}

/* Under the lock. */
static void wait_for_release(struct trace *trace, const char *name)
{
    trace->n_held++;
    pthread_cond_broadcast(&trace->changed);
    while (is_held(trace, name)) {
        pthread_cond_wait(&trace->changed, &trace->lock);
    }
    trace->n_held--;
}

static struct passing begin(struct store *store, const char *name)
{
    struct trace *trace = trace_of(store);
    struct passing p = {.trace = trace, .name = name};
    pthread_mutex_lock(&trace->lock);
    p.number = trace->calls++;
    p.faulty = p.number >= trace->first && p.number - trace->first < trace->n;
    p.fault = trace->fault;
    if (is_held(trace, name)) {
        wait_for_release(trace, name);
    }
    pthread_mutex_unlock(&trace->lock);
    doubt_pass_time(&trace->doubt);
    return p;
}

/* Whether the call must not reach the store. */
static bool kept_back(const struct passing *p)
{
    return p->faulty && p->fault == TRACE_FAIL_BEFORE;
}

static bool end(const struct passing *p, bool ok, struct status *st)
{
    if (p->faulty && (ok || kept_back(p))) {
        bool unknown = p->fault == TRACE_FAIL_AFTER && strcmp(p->name, "append") == 0;
        ok = status_set(st, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE",
                        "call %" PRIu64 " (%s) was made to fail", p->number, p->name);
        if (unknown) {
            status_become(st, OUTCOME_UNKNOWN);
        }
    }
    if (p->trace->on_call != NULL) {
        struct trace_event event = {.call = p->name, .number = p->number, .ok = ok};
        p->trace->on_call(p->trace->user, &event);
    }
    return ok;
}

#define INNER(p) ((p).trace->inner)
#define PASS(name, call)                                                                           \
    struct passing p = begin(store, name);                                                         \
    bool ok = kept_back(&p) || INNER(p)->ops->call;                                                \
    return end(&p, ok, st)

static bool trace_tail(struct store *store, uint64_t *ret_revision, struct buf **ret_record,
                       struct hash *ret_hash, struct status *st)
{
    struct passing p = begin(store, "tail");
    bool ok = kept_back(&p) || doubt_tail(&p.trace->doubt, ret_revision, ret_record, ret_hash, st);
    if (ok && p.faulty && !kept_back(&p)) {
        buf_unref(MOVE(*ret_record)); /* outputs are written on success only */
    }
    return end(&p, ok, st);
}

static bool trace_append(struct store *store, struct commit *const *commits, size_t n,
                         struct status *st)
{
    struct passing p = begin(store, "append");
    bool ok = kept_back(&p) || doubt_append(&p.trace->doubt, commits, n, st);
    return end(&p, ok, st);
}

static bool trace_read_commits(struct store *store, uint64_t from, uint64_t through,
                               bool with_payloads, store_row_visitor *visit, void *user,
                               struct status *st)
{
    struct passing p = begin(store, "read_commits");
    uint64_t last = 0;
    bool ok = kept_back(&p) ||
              (doubt_horizon(&p.trace->doubt, &last, st) &&
               INNER(p)->ops->read_commits(INNER(p), from, through < last ? through : last,
                                           with_payloads, visit, user, st));
    return end(&p, ok, st);
}

static bool trace_find_versions(struct store *store, const struct store_version *versions, size_t n,
                                store_found_visitor *visit, void *user, struct status *st)
{
    struct passing p = begin(store, "find_versions");
    struct doubt_found found = {.visit = visit, .user = user};
    bool ok = kept_back(&p) ||
              (doubt_horizon(&p.trace->doubt, &found.last, st) &&
               INNER(p)->ops->find_versions(INNER(p), versions, n, doubt_visit_found, &found, st));
    return end(&p, ok, st);
}

static bool trace_read_versions(struct store *store, const char *environment, const char *service,
                                uint64_t from, uint64_t down_to, bool with_payloads,
                                store_row_visitor *visit, void *user, struct status *st)
{
    struct passing p = begin(store, "read_versions");
    struct doubt_rows rows = {.visit = visit, .user = user};
    bool ok = kept_back(&p) ||
              (doubt_horizon(&p.trace->doubt, &rows.last, st) &&
               INNER(p)->ops->read_versions(INNER(p), environment, service, from, down_to,
                                            with_payloads, doubt_visit, &rows, st));
    return end(&p, ok, st);
}

static bool trace_find_changes(struct store *store, const struct store_config *configs, size_t n,
                               uint64_t revision, store_found_visitor *visit, void *user,
                               struct status *st)
{
    struct passing p = begin(store, "find_changes");
    uint64_t last = 0;
    bool ok = kept_back(&p) ||
              (doubt_horizon(&p.trace->doubt, &last, st) &&
               INNER(p)->ops->find_changes(INNER(p), configs, n, revision < last ? revision : last,
                                           visit, user, st));
    return end(&p, ok, st);
}

static bool trace_search(struct store *store, const struct store_search *search,
                         store_row_visitor *visit, void *user, struct status *st)
{
    struct passing p = begin(store, "search");
    struct store_search seen = *search;
    uint64_t last = 0;
    bool ok = kept_back(&p);
    if (!ok && doubt_horizon(&p.trace->doubt, &last, st)) {
        seen.through = search->through < last ? search->through : last;
        ok = INNER(p)->ops->search(INNER(p), &seen, visit, user, st);
    }
    return end(&p, ok, st);
}

static bool trace_find_requests(struct store *store, const struct hash *keys, size_t n,
                                uint64_t *revisions, struct status *st)
{
    struct passing p = begin(store, "find_requests");
    uint64_t last = 0;
    bool ok = kept_back(&p) || (doubt_horizon(&p.trace->doubt, &last, st) &&
                                INNER(p)->ops->find_requests(INNER(p), keys, n, revisions, st));
    for (size_t i = 0; i < n; i++) {
        revisions[i] = revisions[i] > last ? 0 : revisions[i];
    }
    return end(&p, ok, st);
}

static bool trace_load_heads(struct store *store, store_head_row_visitor *visit, void *user,
                             struct status *st)
{
    PASS("load_heads", load_heads(INNER(p), visit, user, st));
}

static bool trace_save_heads(struct store *store, struct head *const *heads, size_t n,
                             uint64_t through, struct status *st)
{
    PASS("save_heads", save_heads(INNER(p), heads, n, through, st));
}

static bool trace_forget_heads(struct store *store, struct status *st)
{
    PASS("forget_heads", forget_heads(INNER(p), st));
}

static bool trace_scrub(struct store *store, const char *environment, const char *service,
                        uint64_t from, uint64_t through, struct status *st)
{
    PASS("scrub", scrub(INNER(p), environment, service, from, through, st));
}

static bool trace_drop(struct store *store, const struct version_range *ranges, size_t n,
                       bool *ret_more, struct status *st)
{
    struct passing p = begin(store, "drop");
    bool ok = kept_back(&p) || store_drop(INNER(p), ranges, n, ret_more, st);
    return end(&p, ok, st);
}

static bool trace_get_mark(struct store *store, enum store_mark mark, uint64_t *ret_value,
                           struct status *st)
{
    PASS("get_mark", get_mark(INNER(p), mark, ret_value, st));
}

static bool trace_renew(struct store *store, const struct store_identity *identity,
                        struct status *st)
{
    PASS("renew", renew(INNER(p), identity, st));
}

static bool trace_set_mark(struct store *store, enum store_mark mark, uint64_t value,
                           struct status *st)
{
    PASS("set_mark", set_mark(INNER(p), mark, value, st));
}

static bool trace_move_mark(struct store *store, enum store_mark mark, uint64_t from, uint64_t to,
                            bool *ret_moved, struct status *st)
{
    PASS("move_mark", move_mark(INNER(p), mark, from, to, ret_moved, st));
}

static void trace_interrupt(struct store *store)
{
    store_interrupt(trace_of(store)->inner);
}

static void trace_listen(struct store *store, const struct store_listener *listener)
{
    store_listen(trace_of(store)->inner, listener);
}

static void trace_unlisten(struct store *store)
{
    store_unlisten(trace_of(store)->inner);
}

static void trace_close(struct store *store)
{
    struct trace *trace = trace_of(store);
    doubt_fini(&trace->doubt);
    store_close(trace->inner);
    pthread_cond_destroy(&trace->changed);
    pthread_mutex_destroy(&trace->lock);
    free(trace);
}

static const struct store_ops trace_ops = {
    .scheme = "trace", /* made by trace_new only */
    .close = trace_close,
    .interrupt = trace_interrupt,
    .tail = trace_tail,
    .append = trace_append,
    .read_commits = trace_read_commits,
    .find_versions = trace_find_versions,
    .read_versions = trace_read_versions,
    .find_changes = trace_find_changes,
    .search = trace_search,
    .find_requests = trace_find_requests,
    .load_heads = trace_load_heads,
    .save_heads = trace_save_heads,
    .forget_heads = trace_forget_heads,
    .scrub = trace_scrub,
    .get_mark = trace_get_mark,
    .drop = trace_drop,
    .renew = trace_renew,
    .set_mark = trace_set_mark,
    .move_mark = trace_move_mark,
    .listen = trace_listen,
    .unlisten = trace_unlisten,
};

struct store *trace_new(struct store *inner,
                        void (*on_call)(void *user, const struct trace_event *), void *user)
{
    struct trace *trace = mem_zalloc(sizeof *trace);
    trace->store = (struct store){.ops = &trace_ops,
                                  .identity = inner->identity,
                                  .shared = inner->shared,
                                  .is_new = inner->is_new};
    trace->inner = inner;
    trace->on_call = on_call;
    trace->user = user;
    pthread_mutex_init(&trace->lock, NULL);
    pthread_cond_init(&trace->changed, NULL);
    doubt_init(&trace->doubt, inner);
    return &trace->store;
}

void trace_fail(struct store *store, uint64_t first, uint64_t n, enum trace_fault fault)
{
    struct trace *trace = trace_of(store);
    pthread_mutex_lock(&trace->lock);
    trace->first = first;
    trace->n = n;
    trace->fault = fault;
    pthread_mutex_unlock(&trace->lock);
}

void trace_hold(struct store *store, const char *call)
{
    struct trace *trace = trace_of(store);
    pthread_mutex_lock(&trace->lock);
    trace->held_call = call;
    pthread_cond_broadcast(&trace->changed);
    pthread_mutex_unlock(&trace->lock);
}

void trace_wait_held(struct store *store)
{
    struct trace *trace = trace_of(store);
    pthread_mutex_lock(&trace->lock);
    while (trace->n_held == 0) {
        pthread_cond_wait(&trace->changed, &trace->lock);
    }
    pthread_mutex_unlock(&trace->lock);
}

void trace_doubt_next(struct store *store, const struct trace_doubt *doubt)
{
    doubt_arm(&trace_of(store)->doubt, doubt);
}

void trace_lag(struct store *store, uint64_t lag, uint64_t calls)
{
    doubt_lag(&trace_of(store)->doubt, lag, calls);
}

uint64_t trace_calls(const struct store *store)
{
    struct trace *trace = trace_of(store);
    pthread_mutex_lock(&trace->lock);
    uint64_t calls = trace->calls;
    pthread_mutex_unlock(&trace->lock);
    return calls;
}
