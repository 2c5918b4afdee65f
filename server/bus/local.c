#include "local.h"

#include <string.h>

#include "mem.h"

struct local_bus {
    struct bus bus;
    uint64_t published; /* since acquire */
};

static struct local_bus *local_of(struct bus *bus)
{
    return CONTAINER_OF(bus, struct local_bus, bus);
}

static bool local_open(const struct bus_options *options, struct bus **ret_bus, struct status *st)
{
    if (strcmp(options->address, "local:") != 0) {
        return status_set(st, STATUS_INVALID_ARGUMENT, "BUS_ADDRESS",
                          "\"local:\" takes nothing behind it");
    }
    struct local_bus *local = mem_zalloc(sizeof *local);
    local->bus.ops = &bus_local;
    *ret_bus = &local->bus;
    return true;
}

static void local_close(struct bus *bus)
{
    free(local_of(bus));
}

static bool local_acquire(struct bus *bus, struct status *st)
{
    (void)st;
    local_of(bus)->published = 0;
    return true;
}

static bool local_publish(struct bus *bus, const struct bus_message *message, struct status *st)
{
    (void)message, (void)st;
    local_of(bus)->published++;
    return true;
}

static bool local_wait(struct bus *bus, const struct wake *wake, int64_t timeout_ms,
                       uint64_t *ret_confirmed, struct status *st)
{
    (void)st;
    wake_wait(wake, -1, timeout_ms);
    *ret_confirmed = local_of(bus)->published;
    return true;
}

static void local_release(struct bus *bus)
{
    (void)bus;
}

/* Nothing here blocks but for a wake, which whoever interrupts sets, too. */
static void local_interrupt(struct bus *bus)
{
    (void)bus;
}

/* There are no other nodes. */
static void local_listen(struct bus *bus, bus_listener *listener, void *user)
{
    (void)bus, (void)listener, (void)user;
}

static void local_wake(struct bus *bus, uint64_t revision)
{
    (void)bus, (void)revision;
}

const struct bus_ops bus_local = {
    .scheme = "local",
    .open = local_open,
    .close = local_close,
    .acquire = local_acquire,
    .publish = local_publish,
    .wait = local_wait,
    .release = local_release,
    .interrupt = local_interrupt,
    .listen = local_listen,
    .wake = local_wake,
};
