#include "deferred_read.h"

#include <inttypes.h>

#include "admission.h"
#include "checks.h"
#include "clock.h"

#define PATIENCE_NS INT64_C(10000000000) /* most that a read waits for a revision */
#define BEHIND_DEADLINE_NS INT64_C(20000000)

struct deferred {
    struct job job;
    struct waiter waiter;
    struct sync sync;
    uint64_t wanted; /* the revision that the node must have reached; 0: any */
    struct service *service;
    struct rpc_call *call;
    ProtobufCMessage *request; /* owned copy */
    read_body *body;
};

static ProtobufCMessage *copy_message(const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = mem_alloc(size);
    protobuf_c_message_pack(message, bytes);
    ProtobufCMessage *copy = protobuf_c_message_unpack(message->descriptor, NULL, size, bytes);
    free(bytes);
    return copy;
}

static struct deferred *deferred_of(const struct job *job)
{
    return CONTAINER_OF((struct job *)(uintptr_t)job, struct deferred, job);
}

/* The deadline for the store is slightly later than the call's, so that the client gets
 * DEADLINE_EXCEEDED of its own call and not an error of the store. */
static int64_t store_deadline_of(const struct deferred *deferred)
{
    int64_t deadline = rpc_call_deadline(deferred->call);
    return deadline == RPC_NO_DEADLINE ? INT64_MAX : deadline + BEHIND_DEADLINE_NS;
}

static void refuse(struct deferred *deferred, const struct status *st)
{
    rpc_fail(deferred->call, st);
    protobuf_c_message_free_unpacked(deferred->request, NULL);
    free(deferred);
}

static void run_deferred(struct job *job)
{
    struct deferred *deferred = deferred_of(job);
    struct status st;
    if (!admission_repeat(deferred->service, deferred->call, deferred->request, &st)) {
        refuse(deferred, &st);
        return;
    }
    int64_t before = store_set_deadline(store_deadline_of(deferred));
    deferred->body(deferred->service, deferred->call, deferred->request);
    store_set_deadline(before);
    protobuf_c_message_free_unpacked(deferred->request, NULL);
    free(deferred);
}

static bool is_wanted(const struct job *job)
{
    return !rpc_call_is_over(deferred_of(job)->call);
}

/* The status hardly matters: the client has gone, or has seen its own deadline pass. */
static void refuse_unwanted(struct deferred *deferred)
{
    struct status st;
    status_set(&st, STATUS_CANCELLED, "NOT_WANTED", "nobody waits for the answer any more");
    refuse(deferred, &st);
}

static void refuse_overloaded(struct deferred *deferred)
{
    struct status st;
    status_set_outcome(&st, OUTCOME_OVERLOADED,
                       "too many reads wait for the store already; try again later");
    refuse(deferred, &st);
}

static void drop(struct job *job, enum job_drop why)
{
    switch (why) {
    case JOB_UNWANTED:
        refuse_unwanted(deferred_of(job));
        break;
    case JOB_REFUSED:
        refuse_overloaded(deferred_of(job));
        break;
    }
}

static struct deferred *defer(struct service *service, struct rpc_call *call,
                              const ProtobufCMessage *request, read_body *body)
{
    struct deferred *deferred = mem_zalloc(sizeof *deferred);
    deferred->job = (struct job){.run = run_deferred, .drop = drop, .is_wanted = is_wanted};
    deferred->service = service;
    deferred->call = call;
    deferred->request = copy_message(request);
    deferred->body = body;
    return deferred;
}

static void run_on_pool(struct deferred *deferred)
{
    pool_add(deferred->service->pool, JOB_READ, &deferred->job);
}

static void refuse_unreached(struct deferred *deferred)
{
    struct status st;
    if (deferred->waiter.result == WAITER_STOPPED) {
        status_set(&st, STATUS_UNAVAILABLE, "SHUTTING_DOWN", "the server is stopping");
    } else {
        status_set(&st, STATUS_DEADLINE_EXCEEDED, "REVISION_NOT_REACHED",
                   "revision %" PRIu64 " was not reached in time; the node is at %" PRIu64,
                   deferred->waiter.revision,
                   registry_position(deferred->service->registry).revision);
    }
    refuse(deferred, &st);
}

static void refuse_crowd(struct deferred *deferred)
{
    struct status st;
    status_set_outcome(&st, OUTCOME_OVERLOADED,
                       "%d reads wait for a revision already; try again later", WAITERS_MAX);
    status_add_number(&st, "limit", WAITERS_MAX);
    refuse(deferred, &st);
}

static struct deferred *deferred_of_waiter(const struct waiter *waiter)
{
    return CONTAINER_OF((struct waiter *)(uintptr_t)waiter, struct deferred, waiter);
}

static bool is_waiter_wanted(const struct waiter *waiter)
{
    return !rpc_call_is_over(deferred_of_waiter(waiter)->call);
}

static void wake(struct waiter *waiter)
{
    struct deferred *deferred = deferred_of_waiter(waiter);
    switch (waiter->result) {
    case WAITER_REACHED:
        run_on_pool(deferred);
        break;
    case WAITER_UNWANTED:
        refuse_unwanted(deferred);
        break;
    case WAITER_TIMED_OUT:
    case WAITER_STOPPED:
        refuse_unreached(deferred);
        break;
    }
}

static void review_waiters(void *user)
{
    waiters_review(user);
}

static void run_when_reached(struct deferred *deferred)
{
    if (deferred->wanted <= registry_position(deferred->service->registry).revision) {
        run_on_pool(deferred);
        return;
    }
    int64_t patience = clock_monotonic_ns() + PATIENCE_NS;
    int64_t deadline = rpc_call_deadline(deferred->call);
    deferred->waiter.revision = deferred->wanted;
    deferred->waiter.deadline_ns = deadline < patience ? deadline : patience;
    deferred->waiter.wake = wake;
    deferred->waiter.is_wanted = is_waiter_wanted;
    uint64_t wanted = deferred->wanted;
    struct service *service = deferred->service;
    if (waiters_add(service->waiters, &deferred->waiter)) {
        committer_wake(service->committer, wanted);
    } else {
        refuse_crowd(deferred);
    }
}

static void synced(struct sync *sync)
{
    struct deferred *deferred = CONTAINER_OF(sync, struct deferred, sync);
    if (sync->ok) {
        run_when_reached(deferred);
    } else {
        refuse(deferred, &sync->st);
    }
}

/* Whether the read must first ask the store for the log's end: for LINEARIZABLE, and where another
 * node may have appended the revision that the read names (0: none). Not needed if the store is not
 * shared: every write is applied to memory before it is acknowledged, so any read from memory is
 * linearizable. */
static bool must_sync(const struct service *service, const Confreg__V1__ReadOptions *options,
                      uint64_t named)
{
    return service->store->shared &&
           (named > registry_position(service->registry).revision ||
            (options != NULL &&
             options->consistency == CONFREG__V1__CONSISTENCY__CONSISTENCY_LINEARIZABLE));
}

static void run_or_wait(struct service *service, struct rpc_call *call,
                        const ProtobufCMessage *request, const Confreg__V1__ReadOptions *options,
                        const struct read_revisions *revisions, enum read_place place,
                        read_body *body)
{
    uint64_t least = options == NULL ? 0 : options->min_revision;
    uint64_t wanted = least > revisions->awaited ? least : revisions->awaited;
    bool sync = must_sync(service, options, revisions->named);
    if (!sync && place == READ_HERE && wanted <= registry_position(service->registry).revision) {
        body(service, call, request);
        return;
    }
    struct deferred *deferred = defer(service, call, request, body);
    deferred->wanted = wanted;
    deferred->sync.done = synced;
    rpc_call_follow(call, review_waiters, service->waiters);
    if (sync) {
        committer_sync(service->committer, &deferred->sync);
    } else {
        run_when_reached(deferred);
    }
}

static bool check_options(const struct service *service, const Confreg__V1__ReadOptions *options,
                          struct rpc_call *call)
{
    struct status st;
    if (options == NULL || check_epoch(service, options->epoch, "read.epoch", &st)) {
        return true;
    }
    rpc_fail(call, &st);
    return false;
}

void read_when_ready(struct service *service, struct rpc_call *call,
                     const ProtobufCMessage *request, const Confreg__V1__ReadOptions *options,
                     enum read_place place, read_body *body)
{
    if (check_options(service, options, call)) {
        run_or_wait(service, call, request, options, &(struct read_revisions){0}, place, body);
    }
}

void read_when_reached(struct service *service, struct rpc_call *call,
                       const ProtobufCMessage *request, const Confreg__V1__ReadOptions *options,
                       const struct read_revisions *revisions, read_body *body)
{
    if (check_options(service, options, call)) {
        run_or_wait(service, call, request, options, revisions, READ_ON_POOL, body);
    }
}
