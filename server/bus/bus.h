/* The bus: how a node talks to the world and to the other nodes of its registry. This header is the
 * contract; local.c implements it inside the process, amqp_bus.c on RabbitMQ.
 *
 * Events. A message is the documented notification on the topic exchange config.changes
 * (docs/protocol.md). One node of a registry publishes at a time: it holds the lease, which is
 * bound to the connection that it publishes on, so that both end together. Publishing is pipelined:
 * many messages are under way, and only what is confirmed counts; what is not may have been heard
 * or not.
 *
 *     acquire ─ publish … wait … publish … wait ─ release
 *
 * Any failure between acquire and release ends the lease: release, then acquire anew.
 *
 * Wake-ups. A node tells the others that the log has grown. They are lossy, may be late or come
 * twice, and are never heard by the node that sent them.
 *
 * Threads: acquire, publish, wait and release by one thread, the publisher's; interrupt and wake by
 * any. Nothing but the publisher's calls blocks. */
#ifndef BUS_BUS_H
#define BUS_BUS_H

#include "status.h"
#include "str.h"
#include "wake.h"

/* So many messages may be under way, published and not confirmed. */
#define BUS_IN_FLIGHT 4096

struct bus_message {
    const char *routing_key; /* "config.created", "config.updated", "config.deleted" */
    const char *id;          /* "epoch:revision:index" */
    const char *body;        /* JSON */
    size_t n_body;
};

struct bus_options {
    const char *address;
    const char *epoch; /* of the registry: 16 hexadecimal digits */
    /* Where the address names none; NULL: the broker's default. */
    const char *user, *password;
};

/* Another node's log has reached this revision. On a thread of the bus; must not block for long. */
typedef void bus_listener(void *user, uint64_t revision);

struct bus;

struct bus_ops {
    const char *scheme;
    bool (*open)(const struct bus_options *options, struct bus **ret_bus, struct status *st);
    void (*close)(struct bus *bus);
    void (*listen)(struct bus *bus, bus_listener *listener, void *user);
    void (*wake)(struct bus *bus, uint64_t revision);
    /* Whether somebody outside hears events. A bus where nobody does has no publisher either, and
     * none of what follows. */
    bool outside;
    bool (*acquire)(struct bus *bus, struct status *st);
    bool (*publish)(struct bus *bus, const struct bus_message *message, struct status *st);
    bool (*wait)(struct bus *bus, const struct wake *wake, int64_t timeout_ms,
                 uint64_t *ret_confirmed, struct status *st);
    void (*release)(struct bus *bus);
    void (*interrupt)(struct bus *bus);
};

/* What every implementation's struct begins with. */
struct bus {
    const struct bus_ops *ops;
};

/* Takes the address apart and connects to nobody. INVALID_ARGUMENT, reason BUS_ADDRESS, where it is
 * no bus's address. */
bool bus_open(const struct bus_options *options, struct bus **ret_bus, struct status *st);
/* After the publisher has ended. NULL is ignored. */
void bus_close(struct bus *bus);

/* Connects where there is no connection, and takes the lease. Takes some seconds at most. ABORTED,
 * reason LEASE_HELD, where another node has it; UNAVAILABLE, reason BUS_UNAVAILABLE. */
bool bus_acquire(struct bus *bus, struct status *st);
/* Hands a message over; the n-th since acquire has number n. UNAVAILABLE. */
bool bus_publish(struct bus *bus, const struct bus_message *message, struct status *st);
/* Waits until a message is confirmed, the wake is set or the time has passed. *ret_confirmed: all
 * messages up to this number are as safe as this bus makes them. UNAVAILABLE where the connection
 * is gone; ABORTED, reason NOT_CONFIRMED, where the broker refused a message. */
bool bus_wait(struct bus *bus, const struct wake *wake, int64_t timeout_ms, uint64_t *ret_confirmed,
              struct status *st);
void bus_release(struct bus *bus);
/* Makes the publisher's calls fail, now and from now on. */
void bus_interrupt(struct bus *bus);

/* Begins to hear wake-ups; once. */
void bus_listen(struct bus *bus, bus_listener *listener, void *user);
/* Tells the other nodes. Of several that wait to be told only the highest is. */
void bus_wake(struct bus *bus, uint64_t revision);

#endif
