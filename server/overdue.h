/* Holds the end of a node to its time, whatever it waits for.
 *
 * A thread of its own looks at the clock. When the calls' grace and OVERDUE_FINISH_MS are over it
 * interrupts what can be interrupted; when the second is full it says what does not end and ends
 * the process, which what is stored minds as little as kill -9. */
#ifndef SERVER_OVERDUE_H
#define SERVER_OVERDUE_H

#include <stdint.h>

/* After the grace: to finish what was accepted, before the store is interrupted; and until the
 * process ends in any case. */
#define OVERDUE_FINISH_MS 600
#define OVERDUE_END_MS 1000

/* The exit code of a process that had to be ended. */
#define OVERDUE_EXIT_CODE 3

/* What a node ends, in this order. */
enum overdue_stage {
    OVERDUE_CALLS,
    OVERDUE_WRITES,
    OVERDUE_EVENTS, /* from here on nothing is lost: what was not told will be, … */
    OVERDUE_STORE,  /* … and these are connections only */
};

struct overdue;

/* Ends what the stage may be waiting for. Called once, on the thread, and not in stage
 * OVERDUE_STORE; the stage does not end meanwhile. Must not block. */
typedef void overdue_interrupt(void *user, enum overdue_stage stage);

struct overdue *overdue_new(int64_t grace_ms, overdue_interrupt *interrupt, void *user);
/* Where the end has come to. After this has returned with OVERDUE_STORE, interrupt does not run. */
void overdue_enter(struct overdue *overdue, enum overdue_stage stage);
/* How long it is until interrupt is called; 0: it was. */
int64_t overdue_left_ms(const struct overdue *overdue);
/* All has ended. NULL is ignored. */
void overdue_free(struct overdue *overdue);

#endif
