/* Ends a program that holds two locks at once, in builds with sanitizers.
 *
 * The linker sends each call to pthread_mutex_lock and its relatives from an object of ours to the
 * function __wrap_… here (--wrap, base/CMakeLists.txt). Shared libraries keep their own, so their
 * locks are not counted. */
#include <execinfo.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The linker makes these names. */
int __real_pthread_mutex_lock(pthread_mutex_t *lock);
int __real_pthread_mutex_unlock(pthread_mutex_t *lock);
int __real_pthread_rwlock_rdlock(pthread_rwlock_t *lock);
int __real_pthread_rwlock_wrlock(pthread_rwlock_t *lock);
int __real_pthread_rwlock_unlock(pthread_rwlock_t *lock);
int __wrap_pthread_mutex_lock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock);
int __wrap_pthread_rwlock_rdlock(pthread_rwlock_t *lock);
int __wrap_pthread_rwlock_wrlock(pthread_rwlock_t *lock);
int __wrap_pthread_rwlock_unlock(pthread_rwlock_t *lock);

static _Thread_local const void *held; /* by this thread; NULL: none */

static void take(const void *lock)
{
    if (held != NULL) {
        void *frames[32];
        fputs("a thread holds two locks at once\n", stderr);
        backtrace_symbols_fd(frames, backtrace(frames, 32), STDERR_FILENO);
        abort();
    }
    held = lock;
}

/* A lock that was had by a try is not counted: trying waits for nobody. */
static void give(const void *lock)
{
    held = held == lock ? NULL : held;
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *lock)
{
    take(lock);
    return __real_pthread_mutex_lock(lock);
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock)
{
    give(lock);
    return __real_pthread_mutex_unlock(lock);
}

int __wrap_pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
    take(lock);
    return __real_pthread_rwlock_rdlock(lock);
}

int __wrap_pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
    take(lock);
    return __real_pthread_rwlock_wrlock(lock);
}

int __wrap_pthread_rwlock_unlock(pthread_rwlock_t *lock)
{
    give(lock);
    return __real_pthread_rwlock_unlock(lock);
}
