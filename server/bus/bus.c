#include "bus.h"

#include <string.h>

#include "local.h"

static const struct bus_ops *const backends[] = {&bus_local};

bool bus_open(const char *address, struct bus **ret_bus, struct status *st)
{
    for (size_t i = 0; i < COUNT_OF(backends); i++) {
        size_t n = strlen(backends[i]->scheme);
        if (strncmp(address, backends[i]->scheme, n) == 0 && address[n] == ':') {
            return backends[i]->open(address + n + 1, ret_bus, st);
        }
    }
    return status_set(st, STATUS_INVALID_ARGUMENT, "BUS_ADDRESS",
                      "\"%.200s\" is no bus; use local:", address);
}

void bus_close(struct bus *bus)
{
    if (bus != NULL) {
        bus->ops->close(bus);
    }
}

bool bus_publish(struct bus *bus, const struct bus_message *message, struct status *st)
{
    return bus->ops->publish(bus, message, st);
}

void bus_subscribe(struct bus *bus, bus_subscriber *subscriber, void *user)
{
    bus->ops->subscribe(bus, subscriber, user);
}
