#include "forks.h"

#include <pthread.h>
#include <stdatomic.h>

static atomic_bool is_child;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void note_child(void)
{
    atomic_store(&is_child, true);
}

static void begin(void)
{
    pthread_atfork(NULL, NULL, note_child);
}

bool forks_enter(void)
{
    pthread_once(&once, begin);
    return !atomic_load(&is_child);
}

bool forks_is_child(void)
{
    return atomic_load(&is_child);
}
