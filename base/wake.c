#include "wake.h"

#include <assert.h>
#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"

void wake_init(struct wake *wake)
{
    *wake = (struct wake){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    assert(wake->fd >= 0 && "a descriptor can be had at start");
}

void wake_fini(struct wake *wake)
{
    close(wake->fd);
}

void wake_set(struct wake *wake)
{
    if (!atomic_exchange(&wake->set, true)) {
        eventfd_write(wake->fd, 1);
    }
}

void wake_stop(struct wake *wake)
{
    atomic_store(&wake->stopping, true);
    wake_set(wake);
}

/* Reads the descriptor first. In the other order a wake_set between the two steps would leave the
 * flag set and the descriptor not readable: later ones would not write to it. */
void wake_clear(struct wake *wake)
{
    eventfd_t count;
    eventfd_read(wake->fd, &count);
    atomic_store(&wake->set, false);
}

void wake_wait(const struct wake *wake, int fd, int64_t timeout_ms)
{
    struct pollfd fds[] = {{.fd = wake->fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    poll(fds, 2, timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms);
}

void wake_pause(struct wake *wake, int64_t ms)
{
    int64_t until = clock_monotonic_ns() + ms * 1000000;
    for (int64_t left = ms; left > 0 && !wake_stopping(wake);
         left = (until - clock_monotonic_ns() + 999999) / 1000000) {
        wake_wait(wake, -1, left);
        wake_clear(wake);
    }
}
