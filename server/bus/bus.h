/* The bus: where every change is told to the world. This header is the contract; local.c implements
 * it inside the process.
 *
 * A message is the documented notification on the topic exchange config.changes
 * (docs/protocol.md). publish is called from one thread; it must not block for long. */
#ifndef BUS_BUS_H
#define BUS_BUS_H

#include "status.h"
#include "str.h"

struct bus_message {
    const char *routing_key; /* "config.created", "config.updated", "config.deleted" */
    const char *id;          /* "epoch:revision:index" */
    const char *body;        /* JSON */
    size_t n_body;
};

typedef void bus_subscriber(void *user, const struct bus_message *message);

struct bus;

struct bus_ops {
    const char *scheme;
    bool (*open)(const char *location, struct bus **ret_bus, struct status *st);
    void (*close)(struct bus *bus);
    /* Returns when the message is as safe as this bus makes it. UNAVAILABLE where it is not. */
    bool (*publish)(struct bus *bus, const struct bus_message *message, struct status *st);
    /* Tells the subscriber, on the publishing thread, of each message from now on. */
    void (*subscribe)(struct bus *bus, bus_subscriber *subscriber, void *user);
};

/* What every implementation's struct begins with. */
struct bus {
    const struct bus_ops *ops;
};

/* "local:". INVALID_ARGUMENT where it is no bus's address. */
bool bus_open(const char *address, struct bus **ret_bus, struct status *st);
void bus_close(struct bus *bus);
bool bus_publish(struct bus *bus, const struct bus_message *message, struct status *st);
void bus_subscribe(struct bus *bus, bus_subscriber *subscriber, void *user);

#endif
