/* A read-write lock prefers writers. */
#include "rwlock.h"

#include <criterion/criterion.h>

static void *write_once(void *argument)
{
    pthread_rwlock_t *lock = argument;
    pthread_rwlock_wrlock(lock);
    pthread_rwlock_unlock(lock);
    return NULL;
}

/* While one thread reads, others may start to read until a writer waits. If the lock preferred
 * readers, they always could and this would never end. */
Test(rwlock, a_writer_that_waits_goes_before_new_readers, .timeout = 240)
{
    pthread_rwlock_t lock;
    pthread_t writer;
    rwlock_init(&lock);
    pthread_rwlock_rdlock(&lock);
    cr_assert_eq(pthread_rwlock_tryrdlock(&lock), 0, "readers read together");
    pthread_rwlock_unlock(&lock);
    pthread_create(&writer, NULL, write_once, &lock);
    while (pthread_rwlock_tryrdlock(&lock) == 0) {
        pthread_rwlock_unlock(&lock);
        sched_yield();
    }
    pthread_rwlock_unlock(&lock);
    pthread_join(writer, NULL);
    cr_assert_eq(pthread_rwlock_tryrdlock(&lock), 0, "and again when it has written");
    pthread_rwlock_unlock(&lock);
    pthread_rwlock_destroy(&lock);
}
