#include "bus.h"

#include <string.h>

#include "amqp_bus.h"
#include "local.h"

static const struct bus_ops *const backends[] = {&bus_local, &bus_amqp, &bus_amqps};

bool bus_open(const struct bus_options *options, struct bus **ret_bus, struct status *st)
{
    for (size_t i = 0; i < COUNT_OF(backends); i++) {
        size_t n = strlen(backends[i]->scheme);
        if (strncmp(options->address, backends[i]->scheme, n) == 0 && options->address[n] == ':') {
            return backends[i]->open(options, ret_bus, st);
        }
    }
    /* The message does not contain the address, which may contain a password. */
    return status_set(st, STATUS_INVALID_ARGUMENT, "BUS_ADDRESS",
                      "the bus's address is none; use local: or amqp://HOST");
}

void bus_close(struct bus *bus)
{
    if (bus != NULL) {
        bus->ops->close(bus);
    }
}

bool bus_acquire(struct bus *bus, struct status *st)
{
    return bus->ops->acquire(bus, st);
}

bool bus_publish(struct bus *bus, const struct bus_message *message, struct status *st)
{
    return bus->ops->publish(bus, message, st);
}

bool bus_wait(struct bus *bus, const struct wake *wake, int64_t timeout_ms, uint64_t *ret_confirmed,
              struct status *st)
{
    return bus->ops->wait(bus, wake, timeout_ms, ret_confirmed, st);
}

void bus_release(struct bus *bus)
{
    bus->ops->release(bus);
}

void bus_interrupt(struct bus *bus)
{
    bus->ops->interrupt(bus);
}

void bus_listen(struct bus *bus, bus_listener *listener, void *user)
{
    bus->ops->listen(bus, listener, user);
}

void bus_wake(struct bus *bus, uint64_t revision)
{
    bus->ops->wake(bus, revision);
}
