/* A watchdog for the shutdown of a node: it bounds the time, whatever the shutdown hangs on.
 *
 * Its thread waits for the calls' grace. OVERDUE_FINISH_MS later it calls `interrupt`;
 * OVERDUE_END_MS after the grace it logs the stage that hangs and ends the process. That loses no
 * acknowledged write: the stores survive kill -9. */
#ifndef SERVER_OVERDUE_H
#define SERVER_OVERDUE_H

#include <stdint.h>

/* Both count from the end of the grace. */
#define OVERDUE_FINISH_MS 600 /* for accepted work to finish before it is interrupted */
#define OVERDUE_END_MS 1000   /* until the process is ended in any case */

/* The exit code of a process that was ended while calls or writes were not finished. */
#define OVERDUE_EXIT_CODE 3

/* The stages of a shutdown, in order: what it currently waits for. */
enum overdue_stage {
    OVERDUE_CALLS,
    OVERDUE_WRITES,
    OVERDUE_EVENTS, /* the last events; unpublished ones are published after the next start */
    OVERDUE_STORE,  /* closing the store's connections */
};

struct overdue;

/* Interrupts whatever the stage waits for. Called at most once, on the watchdog's thread, and never
 * in stage OVERDUE_STORE. overdue_enter blocks meanwhile. Must not block. */
typedef void overdue_interrupt(void *user, enum overdue_stage stage);

struct overdue *overdue_new(int64_t grace_ms, overdue_interrupt *interrupt, void *user);
/* Reports the current stage. Once it returned for OVERDUE_STORE, interrupt is not called any more.
 */
void overdue_enter(struct overdue *overdue, enum overdue_stage stage);
/* Milliseconds until interrupt is called; 0: that time has passed. */
int64_t overdue_left_ms(const struct overdue *overdue);
/* The shutdown is complete: stops the watchdog. NULL is ignored. */
void overdue_free(struct overdue *overdue);

#endif
