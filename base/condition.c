#include "condition.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)

bool condition_wait_until(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t at_ns)
{
    if (at_ns == INT64_MAX) {
        pthread_cond_wait(condition, mutex);
        return true;
    }
    const struct timespec at = {.tv_sec = at_ns / NS_PER_S, .tv_nsec = at_ns % NS_PER_S};
    int error = pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, &at);
    assert((error == 0 || error == ETIMEDOUT) && "the time is valid");
    return error == 0;
}
