/* Waiting on a condition variable with a time-out on the monotonic clock. */
#ifndef BASE_CONDITION_H
#define BASE_CONDITION_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Waits with the mutex, which the caller holds, until the condition is signalled or at_ns of
 * clock_monotonic_ns() has passed; INT64_MAX: no time-out. False once the time has passed. May
 * return true early, like pthread_cond_wait: call it in a loop. */
bool condition_wait_until(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t at_ns);

#endif
