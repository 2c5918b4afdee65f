#include "local.h"

#include <string.h>

#include "mem.h"

static bool local_open(const struct bus_options *options, struct bus **ret_bus, struct status *st)
{
    if (strcmp(options->address, "local:") != 0) {
        return status_set(st, STATUS_INVALID_ARGUMENT, "BUS_ADDRESS",
                          "\"local:\" takes nothing behind it");
    }
    *ret_bus = mem_zalloc(sizeof **ret_bus);
    (*ret_bus)->ops = &bus_local;
    return true;
}

static void local_close(struct bus *bus)
{
    free(bus);
}

/* Nothing to do: there are no other nodes. */
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
    .listen = local_listen,
    .wake = local_wake,
};
