#include "fake_bus.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "mem.h"

static struct fake_bus *fake_of(struct bus *bus)
{
    return CONTAINER_OF(bus, struct fake_bus, bus);
}

static bool gone(struct status *st)
{
    return status_set(st, STATUS_UNAVAILABLE, "BUS_UNAVAILABLE", "the connection was lost");
}

static bool fake_acquire(struct bus *bus, struct status *st)
{
    struct fake_bus *fake = fake_of(bus);
    pthread_mutex_lock(&fake->lock);
    bool unreachable = fake->unreachable > 0 || fake->interrupted;
    fake->unreachable -= fake->unreachable > 0;
    bool held = !unreachable && fake->held > 0;
    fake->held -= held;
    fake->number = 0;
    fake->confirmed = 0;
    fake->told = 0;
    fake->leases += !unreachable && !held;
    pthread_mutex_unlock(&fake->lock);
    return held ? status_set_outcome(st, OUTCOME_LEASE_HELD, "another node has it")
                : !unreachable || gone(st);
}

static void hear(struct fake_bus *fake, const struct bus_message *message)
{
    struct heard heard;
    int n = sscanf(message->id, "%*[0-9a-f]:%" SCNu64 ":%" SCNu64, &heard.revision, &heard.index);
    assert(n == 2);
    fake->messages = mem_grow(fake->messages, fake->n_messages + 1, sizeof heard);
    fake->messages[fake->n_messages++] = heard;
}

static bool fake_publish(struct bus *bus, const struct bus_message *message, struct status *st)
{
    struct fake_bus *fake = fake_of(bus);
    pthread_mutex_lock(&fake->lock);
    fake->number++;
    enum fake_fault fault = ++fake->total == fake->fault_at ? fake->fault : FAKE_WELL;
    assert(fake->number - fake->confirmed <= BUS_IN_FLIGHT);
    fake->broken = fake->broken || fault == FAKE_CLOSED || fault == FAKE_SILENT;
    fake->refused = fake->refused || fault == FAKE_REFUSED;
    if (fault == FAKE_WELL || fault == FAKE_SILENT) {
        hear(fake, message);
    }
    if (!fake->broken && !fake->refused && !fake->stalled) {
        fake->confirmed = fake->number;
    }
    pthread_mutex_unlock(&fake->lock);
    return fault != FAKE_CLOSED || gone(st);
}

static bool fake_wait(struct bus *bus, const struct wake *wake, int64_t timeout_ms,
                      uint64_t *ret_confirmed, struct status *st)
{
    struct fake_bus *fake = fake_of(bus);
    pthread_mutex_lock(&fake->lock);
    bool broken = fake->broken || fake->interrupted;
    bool refused = fake->refused;
    bool news = fake->confirmed > fake->told;
    fake->told = fake->confirmed;
    *ret_confirmed = fake->confirmed;
    pthread_mutex_unlock(&fake->lock);
    if (broken) {
        return gone(st);
    }
    if (refused) {
        return status_set(st, STATUS_ABORTED, "NOT_CONFIRMED", "the broker refused a message");
    }
    if (!news) {
        wake_wait(wake, -1, timeout_ms);
    }
    return true;
}

static void fake_release(struct bus *bus)
{
    struct fake_bus *fake = fake_of(bus);
    pthread_mutex_lock(&fake->lock);
    fake->broken = false;
    fake->refused = false;
    pthread_mutex_unlock(&fake->lock);
}

static void fake_interrupt(struct bus *bus)
{
    struct fake_bus *fake = fake_of(bus);
    pthread_mutex_lock(&fake->lock);
    fake->interrupted = true;
    pthread_mutex_unlock(&fake->lock);
}

static const struct bus_ops outside_ops = {
    .scheme = "fake",
    .outside = true,
    .acquire = fake_acquire,
    .publish = fake_publish,
    .wait = fake_wait,
    .release = fake_release,
    .interrupt = fake_interrupt,
};

static const struct bus_ops inside_ops = {.scheme = "fake"};

void fake_bus_init(struct fake_bus *fake, bool outside)
{
    *fake = (struct fake_bus){.bus = {.ops = outside ? &outside_ops : &inside_ops}};
    pthread_mutex_init(&fake->lock, NULL);
}

void fake_bus_fini(struct fake_bus *fake)
{
    free(fake->messages);
    pthread_mutex_destroy(&fake->lock);
}
