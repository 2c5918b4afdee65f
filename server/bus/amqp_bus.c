#include "amqp_bus.h"

#include <string.h>

#include "amqp_link.h"
#include "amqp_wakeups.h"
#include "confirms.h"
#include "mem.h"

#define EXCHANGE "config.changes"
#define LOOK_EVERY_MS 1000

struct amqp_bus {
    struct bus bus;
    struct amqp_address address;
    char *epoch;           /* owned */
    struct str lease;      /* the name of the exclusive queue */
    struct amqp_link link; /* the publisher's connection */
    struct confirms confirms;
    struct amqp_wakeups *wakeups; /* NULL: nobody listens */
};

static struct amqp_bus *amqp_of(struct bus *bus)
{
    return CONTAINER_OF(bus, struct amqp_bus, bus);
}

static void amqp_close(struct bus *bus)
{
    struct amqp_bus *a = amqp_of(bus);
    amqp_wakeups_free(a->wakeups);
    amqp_link_fini(&a->link);
    amqp_address_fini(&a->address);
    str_fini(&a->lease);
    free(a->epoch);
    free(a);
}

static void add_credentials(struct amqp_address *address, const struct bus_options *options)
{
    if (address->user == NULL && options->user != NULL) {
        address->user = mem_string(options->user);
    }
    if (address->password == NULL && options->password != NULL) {
        address->password = mem_string(options->password);
    }
}

static bool amqp_open(const struct bus_options *options, struct bus **ret_bus, struct status *st)
{
    struct amqp_address address;
    if (!amqp_address_parse(options->address, &address, st)) {
        return false;
    }
    struct amqp_bus *a = mem_zalloc(sizeof *a);
    a->address = address;
    add_credentials(&a->address, options);
    a->bus.ops = address.tls ? &bus_amqps : &bus_amqp;
    a->epoch = mem_string(options->epoch);
    str_addf(&a->lease, "confreg.lease.%s", options->epoch);
    amqp_link_init(&a->link, &a->address, "confregd events");
    *ret_bus = &a->bus;
    return true;
}

/* ---- The lease ---- */

static bool take_lease(struct amqp_bus *a, struct status *st)
{
    enum amqp_refusal refusal;
    amqp_queue_declare(a->link.connection, AMQP_CHANNEL, amqp_cstring_bytes(a->lease.data), 0, 0, 1,
                       0, amqp_empty_table);
    if (amqp_link_check(&a->link, "taking the lease on publishing", &refusal, st)) {
        return true;
    }
    if (refusal == AMQP_LOCKED) {
        status_become(st, OUTCOME_LEASE_HELD);
    }
    return false;
}

static bool prepare(struct amqp_bus *a, struct status *st)
{
    enum amqp_refusal refusal;
    if (!amqp_link_declare_exchange(&a->link, EXCHANGE, "topic", true, st)) {
        return false;
    }
    amqp_confirm_select(a->link.connection, AMQP_CHANNEL);
    return amqp_link_check(&a->link, "asking for confirms", &refusal, st);
}

/* If another node holds the lease (ABORTED), the connection stays open for the next attempt. */
static bool amqp_acquire(struct bus *bus, struct status *st)
{
    struct amqp_bus *a = amqp_of(bus);
    confirms_reset(&a->confirms);
    if (amqp_link_open(&a->link, st) && take_lease(a, st) && prepare(a, st)) {
        return true;
    }
    if (st->outcome != OUTCOME_LEASE_HELD) {
        amqp_link_close(&a->link);
    }
    return false;
}

static void amqp_release(struct bus *bus)
{
    amqp_link_close(&amqp_of(bus)->link);
}

static void amqp_interrupt(struct bus *bus)
{
    amqp_link_interrupt(&amqp_of(bus)->link);
}

/* ---- Publishing ---- */

static bool take_confirm(struct amqp_bus *a, const amqp_method_t *method, struct status *st)
{
    if (method->id == AMQP_BASIC_NACK_METHOD) {
        return status_set(st, STATUS_ABORTED, "NOT_CONFIRMED", "the broker refused an event");
    }
    if (method->id == AMQP_BASIC_ACK_METHOD) {
        const amqp_basic_ack_t *ack = method->decoded;
        return confirms_take(&a->confirms, ack->delivery_tag, ack->multiple) ||
               status_set(st, STATUS_UNAVAILABLE, "BUS_UNAVAILABLE",
                          "the broker confirmed what was not published");
    }
    return true;
}

static bool take_confirms(struct amqp_bus *a, struct status *st)
{
    for (bool there = true; there;) {
        amqp_frame_t frame;
        if (!amqp_link_read(&a->link, &frame, &there, st) ||
            (there && frame.frame_type == AMQP_FRAME_METHOD &&
             !take_confirm(a, &frame.payload.method, st))) {
            return false;
        }
    }
    return true;
}

/* Waits until the socket accepts a message. A broker under a memory or disk alarm may accept
 * nothing for hours while its heartbeats go on: the connection is kept. A broker without heartbeats
 * is given up by take_confirms. */
static bool wait_to_send(struct amqp_bus *a, struct status *st)
{
    while (!amqp_link_can_send(&a->link, LOOK_EVERY_MS)) {
        if (!take_confirms(a, st)) {
            return false;
        }
    }
    return true;
}

static bool amqp_publish(struct bus *bus, const struct bus_message *message, struct status *st)
{
    struct amqp_bus *a = amqp_of(bus);
    amqp_basic_properties_t properties = {
        ._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG |
                  AMQP_BASIC_MESSAGE_ID_FLAG,
        .content_type = amqp_cstring_bytes("application/json"),
        .delivery_mode = AMQP_DELIVERY_PERSISTENT,
        .message_id = amqp_cstring_bytes(message->id),
    };
    amqp_bytes_t body = {.len = message->n_body, .bytes = (void *)(uintptr_t)message->body};
    if (!wait_to_send(a, st)) {
        return false;
    }
    confirms_add(&a->confirms);
    int result =
        amqp_basic_publish(a->link.connection, AMQP_CHANNEL, amqp_cstring_bytes(EXCHANGE),
                           amqp_cstring_bytes(message->routing_key), 0, 0, &properties, body);
    return amqp_link_sent(&a->link, result, "publishing", st);
}

static bool amqp_wait(struct bus *bus, const struct wake *wake, int64_t timeout_ms,
                      uint64_t *ret_confirmed, struct status *st)
{
    struct amqp_bus *a = amqp_of(bus);
    amqp_link_wait(&a->link, wake, timeout_ms);
    if (!take_confirms(a, st)) {
        return false;
    }
    *ret_confirmed = a->confirms.frontier;
    return true;
}

/* ---- Wake-ups ---- */

static void amqp_listen(struct bus *bus, bus_listener *listener, void *user)
{
    struct amqp_bus *a = amqp_of(bus);
    a->wakeups = amqp_wakeups_new(&a->address, a->epoch, listener, user);
}

static void amqp_wake(struct bus *bus, uint64_t revision)
{
    struct amqp_bus *a = amqp_of(bus);
    if (a->wakeups != NULL) {
        amqp_wakeups_send(a->wakeups, revision);
    }
}

#define AMQP_OPS(name)                                                                             \
    {                                                                                              \
        .scheme = name, .outside = true, .open = amqp_open, .close = amqp_close,                   \
        .acquire = amqp_acquire, .publish = amqp_publish, .wait = amqp_wait,                       \
        .release = amqp_release, .interrupt = amqp_interrupt, .listen = amqp_listen,               \
        .wake = amqp_wake,                                                                         \
    }

const struct bus_ops bus_amqp = AMQP_OPS("amqp");
const struct bus_ops bus_amqps = AMQP_OPS("amqps");
