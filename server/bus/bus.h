/* The bus: publishes events to the outside, and wake-ups to the other nodes of the registry. This
 * header is the contract; local.c implements it for a single node, amqp_bus.c on RabbitMQ.
 *
 * Events. A message is a notification on the topic exchange config.changes (docs/protocol.md). One
 * node of a registry publishes at a time: the holder of the lease. The lease is bound to the
 * connection that publishes, so both end together. Publishing is pipelined: many messages may be
 * unconfirmed. Only a confirm counts; an unconfirmed message may or may not have been delivered.
 *
 *     acquire ─ publish … wait … publish … wait ─ release
 *
 * After any failure between acquire and release the lease counts as lost: release, then acquire
 * again.
 *
 * Wake-ups. A node tells the others that the log has grown. A wake-up can be lost, late or
 * duplicated. The sending node does not receive its own.
 *
 * Threads: acquire, publish, wait and release are for one thread, the publisher's, and may block.
 * interrupt and wake are for any thread and do not block. */
#ifndef BUS_BUS_H
#define BUS_BUS_H

#include "status.h"
#include "str.h"
#include "wake.h"

/* The most messages that may be published and not confirmed. */
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
    /* Used if the address has no credentials; NULL: the broker's default. */
    const char *user, *password;
};

/* Another node has reported that the log has reached this revision. Called on a thread of the bus;
 * must not block for long. */
typedef void bus_listener(void *user, uint64_t revision);

struct bus;

struct bus_ops {
    const char *scheme;
    bool (*open)(const struct bus_options *options, struct bus **ret_bus, struct status *st);
    void (*close)(struct bus *bus);
    void (*listen)(struct bus *bus, bus_listener *listener, void *user);
    void (*wake)(struct bus *bus, uint64_t revision);
    /* Whether events leave the process. If not, there is no publisher and the methods below are
     * NULL. */
    bool outside;
    bool (*acquire)(struct bus *bus, struct status *st);
    bool (*publish)(struct bus *bus, const struct bus_message *message, struct status *st);
    bool (*wait)(struct bus *bus, const struct wake *wake, int64_t timeout_ms,
                 uint64_t *ret_confirmed, struct status *st);
    void (*release)(struct bus *bus);
    void (*interrupt)(struct bus *bus);
};

/* The first member of every implementation's struct. */
struct bus {
    const struct bus_ops *ops;
};

/* Parses the address; does not connect. INVALID_ARGUMENT BUS_ADDRESS: not a valid address. */
bool bus_open(const struct bus_options *options, struct bus **ret_bus, struct status *st);
/* After the publisher's thread has ended. NULL is ignored. */
void bus_close(struct bus *bus);

/* Connects if there is no connection, and takes the lease. Blocks for some seconds at most. ABORTED
 * LEASE_HELD: another node holds it; UNAVAILABLE BUS_UNAVAILABLE: the bus cannot be reached. */
bool bus_acquire(struct bus *bus, struct status *st);
/* Sends a message (borrowed). The n-th message since acquire has number n. UNAVAILABLE: the
 * connection failed. */
bool bus_publish(struct bus *bus, const struct bus_message *message, struct status *st);
/* Waits until a message is confirmed, the wake is set or the time has passed. All messages up to
 * number *ret_confirmed are confirmed. UNAVAILABLE: the connection failed; ABORTED NOT_CONFIRMED:
 * the broker refused a message. */
bool bus_wait(struct bus *bus, const struct wake *wake, int64_t timeout_ms, uint64_t *ret_confirmed,
              struct status *st);
/* Gives the lease back and closes the connection. */
void bus_release(struct bus *bus);
/* Makes the publisher's running call and all later ones fail. Any thread. */
void bus_interrupt(struct bus *bus);

/* Starts to receive wake-ups; once. */
void bus_listen(struct bus *bus, bus_listener *listener, void *user);
/* Sends a wake-up to the other nodes. If several are pending, only the highest revision is sent.
 * Any thread. */
void bus_wake(struct bus *bus, uint64_t revision);

#endif
