#include "local.h"

#include "mem.h"

struct local_bus {
    struct bus bus;
    struct subscription {
        bus_subscriber *subscriber;
        void *user;
    } * subscriptions;
    size_t n_subscriptions;
};

static struct local_bus *local_of(struct bus *bus)
{
    return CONTAINER_OF(bus, struct local_bus, bus);
}

static bool local_open(const char *location, struct bus **ret_bus, struct status *st)
{
    if (location[0] != '\0') {
        return status_set(st, STATUS_INVALID_ARGUMENT, "BUS_ADDRESS",
                          "\"local:\" takes nothing behind it, found \"%.100s\"", location);
    }
    struct local_bus *local = mem_zalloc(sizeof *local);
    local->bus.ops = &bus_local;
    *ret_bus = &local->bus;
    return true;
}

static void local_close(struct bus *bus)
{
    free(local_of(bus)->subscriptions);
    free(local_of(bus));
}

static bool local_publish(struct bus *bus, const struct bus_message *message, struct status *st)
{
    (void)st;
    const struct local_bus *local = local_of(bus);
    for (size_t i = 0; i < local->n_subscriptions; i++) {
        local->subscriptions[i].subscriber(local->subscriptions[i].user, message);
    }
    return true;
}

static void local_subscribe(struct bus *bus, bus_subscriber *subscriber, void *user)
{
    struct local_bus *local = local_of(bus);
    local->subscriptions =
        mem_grow(local->subscriptions, local->n_subscriptions + 1, sizeof local->subscriptions[0]);
    local->subscriptions[local->n_subscriptions++] = (struct subscription){subscriber, user};
}

const struct bus_ops bus_local = {
    .scheme = "local",
    .open = local_open,
    .close = local_close,
    .publish = local_publish,
    .subscribe = local_subscribe,
};
