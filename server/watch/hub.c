#include "hub.h"

#include <assert.h>
#include <string.h>

#include "encode.h"
#include "failpoint.h"
#include "watch.h"

#define IDLE_INBOX_BYTES ((size_t)1 << 20)

static void drain(struct rpc_task *task);

struct hub *hub_new(const struct hub_options *options)
{
    struct position now = registry_position(options->registry);
    struct hub *hub = mem_zalloc(sizeof *hub);
    hub->server = options->server;
    hub->store = options->store;
    hub->registry = options->registry;
    hub->pool = options->pool;
    hub->access = options->access;
    hub->max_of_connection = options->max_of_connection;
    hub->wake.fn = drain;
    hub->tail = (struct watch_position){now.revision, hash_short(&now.hash)};
    pthread_mutex_init(&hub->lock, NULL);
    ring_init(&hub->ring, now.revision + 1, options->ring_bytes);
    hub->preload = preload_new(hub->store, now.revision, options->ring_bytes);
    preload_wait(hub->preload, &hub->ring);
    return hub;
}

void hub_free(struct hub *hub)
{
    if (hub == NULL) {
        return;
    }
    assert(atomic_load(&hub->backlog_bytes) == 0 && "all streams have given back what they held");
    for (size_t i = 0; i < hub->n_inbox; i++) {
        encoded_commit_free(hub->inbox[i]);
    }
    free(hub->inbox);
    preload_free(hub->preload);
    ring_fini(&hub->ring);
    interests_fini(&hub->interests);
    interests_fini(&hub->ids);
    interests_fini(&hub->connections);
    heap_fini(&hub->flights);
    heap_fini(&hub->held);
    pthread_mutex_destroy(&hub->lock);
    free(hub);
}

uint64_t hub_stream_count(const struct hub *hub)
{
    return atomic_load(&hub->n_streams);
}

/* ---- The committer's side ---- */

/* The head that a change replaced or removed. A payload that the change erases is left out. */
static struct buf *previous_config(const struct change *change, const struct head *before)
{
    if (!event_has_previous(change)) {
        return NULL;
    }
    return change->kind == CHANGE_ERASE
               ? encode_without_payload(before->encoded,
                                        CONFREG__V1__PAYLOAD_STATE__PAYLOAD_STATE_ERASED)
               : buf_ref(before->encoded);
}

static void add_event(struct encoded_commit *encoded, const struct staged *staged, size_t index)
{
    struct commit *commit = staged->commit;
    const struct change *change = &commit->changes[index];
    struct event_content content = {
        .config = event_has_config(change) ? staged->after[index]->encoded : NULL};
    struct buf *plain = encode_event(FIELD_EVENTS, commit, index, &content);
    struct buf *full = NULL;
    if (encoded->has_previous) {
        AUTO(buf_unref) struct buf *previous = previous_config(change, staged->before[index]);
        content.previous = previous;
        full =
            previous == NULL ? buf_ref(plain) : encode_event(FIELD_EVENTS, commit, index, &content);
    }
    encoded_commit_add(encoded, index, change->environment, plain, full);
}

static struct encoded_commit *encode_commit(struct hub *hub, const struct staged *staged)
{
    struct commit *commit = staged->commit;
    struct encoded_commit *encoded = encoded_commit_new(commit, commit->n_changes);
    encoded->has_previous = atomic_load(&hub->n_previous) > 0;
    for (size_t i = 0; i < commit->n_changes; i++) {
        if (change_has_config(commit->changes[i].kind)) {
            add_event(encoded, staged, i);
        }
    }
    return encoded;
}

void hub_publish(struct hub *hub, const struct staged *staged)
{
    struct encoded_commit *encoded = encode_commit(hub, staged);
    pthread_mutex_lock(&hub->lock);
    if (hub->n_inbox == hub->room_inbox) {
        hub->room_inbox = hub->room_inbox == 0 ? 64 : hub->room_inbox * 2;
        hub->inbox = mem_grow(hub->inbox, hub->room_inbox, sizeof hub->inbox[0]);
    }
    hub->inbox[hub->n_inbox++] = encoded;
    hub->inbox_bytes += encoded->bytes;
    hub->inbox_erases = hub->inbox_erases || commit_erases(staged->commit);
    pthread_mutex_unlock(&hub->lock);
}

/* Without streams the ring is not needed: the first stream moves the inbox into it. Waking the
 * thread for each batch would cost a twentieth of a write's processor time. */
static bool is_wake_wanted(const struct hub *hub)
{
    return hub_stream_count(hub) > 0 || hub->inbox_erases || hub->inbox_bytes >= IDLE_INBOX_BYTES;
}

void hub_wake(struct hub *hub)
{
    pthread_mutex_lock(&hub->lock);
    bool post = !hub->wake_posted && is_wake_wanted(hub);
    hub->wake_posted = hub->wake_posted || post;
    pthread_mutex_unlock(&hub->lock);
    if (post) {
        rpc_server_post(hub->server, &hub->wake);
    }
}

/* ---- The stream thread's side ---- */

static void put_in_ring(struct hub *hub, struct encoded_commit *encoded)
{
    const struct commit *commit = encoded->commit;
    if (commit_erases(commit)) { /* chunks that were read before may contain the erased payload */
        preload_close(hub->preload);
    }
    ring_erase(&hub->ring, commit);
    ring_push(&hub->ring, encoded);
    flights_count(hub);
    hub->tail = (struct watch_position){commit->revision, hash_short(&commit->hash)};
    watch_tell(hub, encoded);
}

void hub_take_inbox(struct hub *hub)
{
    preload_take(hub->preload, &hub->ring);
    pthread_mutex_lock(&hub->lock);
    struct encoded_commit **encoded = MOVE(hub->inbox);
    size_t n = hub->n_inbox;
    hub->n_inbox = 0;
    hub->room_inbox = 0;
    hub->inbox_bytes = 0;
    hub->inbox_erases = false;
    pthread_mutex_unlock(&hub->lock);
    for (size_t i = 0; i < n; i++) {
        put_in_ring(hub, encoded[i]);
    }
    free(encoded);
}

static void drain(struct rpc_task *task)
{
    struct hub *hub = CONTAINER_OF(task, struct hub, wake);
    pthread_mutex_lock(&hub->lock);
    hub->wake_posted = false;
    pthread_mutex_unlock(&hub->lock);
    FAILPOINT(deliver_before);
    hub_take_inbox(hub);
    FAILPOINT(deliver_after);
}
