#include "failpoint.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* The parsed value of the variable. */
static struct wanted {
    const char *name;
    size_t n_name; /* 0: nothing is wanted */
    atomic_long left;
} wanted;

static void read_variable(void)
{
    const char *text = getenv("CONFREG_FAILPOINT");
    const char *colon = text == NULL ? NULL : strchr(text, ':');
    if (colon != NULL) {
        wanted.name = text;
        wanted.n_name = (size_t)(colon - text);
        atomic_store(&wanted.left, strtol(colon + 1, NULL, 10));
    }
}

void failpoint_reach(const char *name)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_variable);
    if (wanted.n_name == strlen(name) && memcmp(name, wanted.name, wanted.n_name) == 0 &&
        atomic_fetch_sub(&wanted.left, 1) == 1) {
        raise(SIGKILL);
    }
}
