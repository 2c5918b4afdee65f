#include "amqp_wakeups.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "amqp_link.h"
#include "backoff.h"
#include "hash.h"
#include "log.h"
#include "mem.h"

#define EXCHANGE "confreg.wakeups"
#define QUEUE_MESSAGES 100
#define NODE_ID_SIZE 8
#define LOOK_EVERY_MS 1000

struct amqp_wakeups {
    const char *epoch;
    char node[2 * NODE_ID_SIZE + 1]; /* random id of this node: its own messages are ignored */
    bus_listener *listener;
    void *user;
    struct wake wake;
    atomic_uint_fast64_t revision; /* to be sent; 0: nothing */
    pthread_t thread;

    /* Only the thread. */
    struct amqp_link link;
    bool well;
};

/* ---- Sending ---- */

void amqp_wakeups_send(struct amqp_wakeups *w, uint64_t revision)
{
    atomic_store(&w->revision, revision);
    wake_set(&w->wake);
}

/* Sends the pending revision, if the socket is writable. Otherwise it stays pending; a newer one
 * replaces it. */
static bool send_pending(struct amqp_wakeups *w, struct status *st)
{
    char body[80];
    if (!amqp_link_can_send(&w->link, 0)) {
        return true;
    }
    uint64_t revision = atomic_exchange(&w->revision, 0);
    if (revision == 0) {
        return true;
    }
    int n = snprintf(body, sizeof body, "%s %s %" PRIu64, w->epoch, w->node, revision);
    int result = amqp_basic_publish(w->link.connection, AMQP_CHANNEL, amqp_cstring_bytes(EXCHANGE),
                                    amqp_empty_bytes, 0, 0, NULL,
                                    (amqp_bytes_t){.len = (size_t)n, .bytes = body});
    return amqp_link_sent(&w->link, result, "sending a wake-up", st);
}

/* ---- Hearing ---- */

static void hear(const struct amqp_wakeups *w, amqp_bytes_t body)
{
    char text[80];
    char epoch[17];
    char node[2 * NODE_ID_SIZE + 1];
    uint64_t revision;
    if (body.len >= sizeof text) {
        return;
    }
    snprintf(text, sizeof text, "%.*s", (int)body.len, (const char *)body.bytes);
    if (sscanf(text, "%16[0-9a-f] %16[0-9a-f] %" SCNu64, epoch, node, &revision) == 3 &&
        strcmp(epoch, w->epoch) == 0 && strcmp(node, w->node) != 0) {
        w->listener(w->user, revision);
    }
}

static bool read_message(struct amqp_wakeups *w, struct status *st)
{
    amqp_message_t message;
    amqp_rpc_reply_t reply = amqp_read_message(w->link.connection, AMQP_CHANNEL, &message, 0);
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) {
        return amqp_link_sent(&w->link, reply.library_error, "hearing", st);
    }
    if (reply.reply_type != AMQP_RESPONSE_NORMAL) {
        return amqp_link_sent(&w->link, AMQP_STATUS_UNEXPECTED_STATE, "hearing", st);
    }
    hear(w, message.body);
    amqp_destroy_message(&message);
    return true;
}

static bool read_all(struct amqp_wakeups *w, struct status *st)
{
    for (bool there = true; there;) {
        amqp_frame_t frame;
        if (!amqp_link_read(&w->link, &frame, &there, st)) {
            return false;
        }
        if (there && frame.frame_type == AMQP_FRAME_METHOD &&
            frame.payload.method.id == AMQP_BASIC_DELIVER_METHOD && !read_message(w, st)) {
            return false;
        }
    }
    return true;
}

/* ---- The connection ---- */

static bool subscribe(struct amqp_wakeups *w, struct status *st)
{
    amqp_connection_state_t c = w->link.connection;
    amqp_table_entry_t entries[] = {
        {.key = amqp_cstring_bytes("x-max-length"),
         .value = {.kind = AMQP_FIELD_KIND_I32, .value.i32 = QUEUE_MESSAGES}}};
    amqp_table_t arguments = {.num_entries = COUNT_OF(entries), .entries = entries};
    enum amqp_refusal refusal;
    if (!amqp_link_declare_exchange(&w->link, EXCHANGE, "fanout", false, st)) {
        return false;
    }
    const amqp_queue_declare_ok_t *queue =
        amqp_queue_declare(c, AMQP_CHANNEL, amqp_empty_bytes, 0, 0, 1, 1, arguments);
    if (!amqp_link_check(&w->link, "declaring a queue for wake-ups", &refusal, st)) {
        return false;
    }
    char name[256];
    int n = snprintf(name, sizeof name, "%.*s", (int)queue->queue.len,
                     (const char *)queue->queue.bytes);
    amqp_bytes_t queue_name = {.len = (size_t)n, .bytes = name};
    amqp_queue_bind(c, AMQP_CHANNEL, queue_name, amqp_cstring_bytes(EXCHANGE), amqp_empty_bytes,
                    amqp_empty_table);
    if (!amqp_link_check(&w->link, "binding to " EXCHANGE, &refusal, st)) {
        return false;
    }
    amqp_basic_consume(c, AMQP_CHANNEL, queue_name, amqp_empty_bytes, 0, 1, 1, amqp_empty_table);
    return amqp_link_check(&w->link, "consuming wake-ups", &refusal, st);
}

static void set_well(struct amqp_wakeups *w, bool well, const struct status *st)
{
    if (w->well && !well && !wake_stopping(&w->wake)) {
        log_event(LOG_WARNING, "wake_ups_lost", "reason", st->message, NULL);
    }
    w->well = well;
}

/* Sends and receives until the connection fails or the thread is to end. */
static void serve(struct amqp_wakeups *w, struct status *st)
{
    for (bool ok = true; ok && !wake_stopping(&w->wake);) {
        wake_clear(&w->wake);
        ok = send_pending(w, st) && read_all(w, st);
        if (ok) {
            amqp_link_wait(&w->link, &w->wake, LOOK_EVERY_MS);
        }
    }
}

static void *run(void *argument)
{
    struct amqp_wakeups *w = argument;
    struct backoff backoff = {0};
    while (!wake_stopping(&w->wake)) {
        struct status st = {.code = STATUS_OK};
        if (amqp_link_open(&w->link, &st) && subscribe(w, &st)) {
            set_well(w, true, &st);
            backoff_reset(&backoff);
            serve(w, &st);
        }
        set_well(w, false, &st);
        amqp_link_close(&w->link);
        wake_pause(&w->wake, backoff_next_ms(&backoff));
    }
    return NULL;
}

struct amqp_wakeups *amqp_wakeups_new(const struct amqp_address *address, const char *epoch,
                                      bus_listener *listener, void *user)
{
    struct amqp_wakeups *w = mem_zalloc(sizeof *w);
    uint8_t id[NODE_ID_SIZE];
    random_bytes(id, sizeof id);
    hex_encode(id, sizeof id, w->node);
    w->epoch = epoch;
    w->listener = listener;
    w->user = user;
    w->well = true; /* so that the first failure is logged */
    wake_init(&w->wake);
    amqp_link_init(&w->link, address, "confregd wake-ups");
    int failed = pthread_create(&w->thread, NULL, run, w);
    assert(failed == 0 && "a thread can be had at start");
    return w;
}

void amqp_wakeups_free(struct amqp_wakeups *w)
{
    if (w == NULL) {
        return;
    }
    wake_stop(&w->wake);
    amqp_link_interrupt(&w->link);
    pthread_join(w->thread, NULL);
    amqp_link_fini(&w->link);
    wake_fini(&w->wake);
    free(w);
}
