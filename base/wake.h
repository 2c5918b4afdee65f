/* A wake-up for a thread that waits for a descriptor or for time to pass. One thread waits; any
 * thread may set the wake. */
#ifndef BASE_WAKE_H
#define BASE_WAKE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct wake {
    int fd; /* readable while it is set */
    atomic_bool set;
    atomic_bool stopping;
};

void wake_init(struct wake *wake);
void wake_fini(struct wake *wake);
/* Sets the wake; costs a system call only if it was not set. */
void wake_set(struct wake *wake);
/* Sets the wake and tells the waiting thread to stop, for good. */
void wake_stop(struct wake *wake);
static inline bool wake_stopping(const struct wake *wake)
{
    return atomic_load(&wake->stopping);
}
/* Called by the waiting thread before it checks what it was woken for. */
void wake_clear(struct wake *wake);
/* Waits until fd (-1: none) is readable, the wake is set, or the time has passed. */
void wake_wait(const struct wake *wake, int fd, int64_t timeout_ms);
/* Waits until the time has passed or the thread is to stop; ignores wake_set. */
void wake_pause(struct wake *wake, int64_t ms);

#endif
