/* The thread on which a client's callbacks run, one after the other in the order of posting. It is
 * none of the threads that talk to servers, so a callback may block. Any thread may post. */
#ifndef LIB_CALLBACKS_H
#define LIB_CALLBACKS_H

#include <stdbool.h>

struct callbacks;

/* Embedded in an object of the poster; belongs to the queue from the post until run is called. */
struct callback {
    void (*run)(struct callback *callback);
    struct callback *next; /* private to callbacks.c */
};

/* NULL: the system gives no thread. */
struct callbacks *callbacks_new(void);
void callbacks_post(struct callbacks *callbacks, struct callback *callback);
/* Whether this is the thread. */
bool callbacks_is_here(const struct callbacks *callbacks);
/* Runs what has been posted, and ends the thread. Not on the thread. NULL is ignored. */
void callbacks_free(struct callbacks *callbacks);
/* The same on the thread, in a callback: returns at once. After that callback the thread calls
 * close, then runs what has been posted, calls done and ends. */
void callbacks_free_here(struct callbacks *callbacks, void (*close)(void *user),
                         void (*done)(void *user), void *user);

#endif
