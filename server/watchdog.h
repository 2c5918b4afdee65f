/* A watchdog for the shutdown of a node: it bounds the time that a shutdown can take.
 *
 * Its thread waits for the calls' grace. WATCHDOG_FINISH_MS later it calls `interrupt`;
 * WATCHDOG_END_MS after the grace it logs the phase that hangs and ends the process. That loses no
 * acknowledged write: the stores survive kill -9. */
#ifndef SERVER_WATCHDOG_H
#define SERVER_WATCHDOG_H

#include <stdint.h>

/* Both count from the end of the grace. */
#define WATCHDOG_FINISH_MS 600 /* for accepted work to finish before it is interrupted */
#define WATCHDOG_END_MS 1000   /* until the process is ended in any case */

/* The exit code of a process that was ended while calls or writes were not finished. */
#define WATCHDOG_EXIT_CODE 3

/* The phases of a shutdown, in order: what it currently waits for. */
enum watchdog_phase {
    WATCHDOG_CALLS,
    WATCHDOG_WRITES,
    WATCHDOG_EVENTS, /* the last events; unpublished ones are published after the next start */
    WATCHDOG_STORE,  /* closing the store's connections */
};

struct watchdog;

/* Interrupts whatever the phase waits for. Called at most once, on the watchdog's thread, and never
 * in phase WATCHDOG_STORE. watchdog_enter blocks meanwhile. Must not block. */
typedef void watchdog_interrupt(void *user, enum watchdog_phase phase);

struct watchdog *watchdog_new(int64_t grace_ms, watchdog_interrupt *interrupt, void *user);
/* Reports the current phase. After it returned for WATCHDOG_STORE interrupt is not called. */
void watchdog_enter(struct watchdog *watchdog, enum watchdog_phase phase);
/* Milliseconds until interrupt is called; 0: that time has passed. */
int64_t watchdog_left_ms(const struct watchdog *watchdog);
/* The shutdown is complete: stops the watchdog. NULL is ignored. */
void watchdog_free(struct watchdog *watchdog);

#endif
