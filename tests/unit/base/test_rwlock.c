/* Whom a read-write lock lets go first. */
#include "rwlock.h"

#include <criterion/criterion.h>

static void *write_once(void *argument)
{
    pthread_rwlock_t *lock = argument;
    pthread_rwlock_wrlock(lock);
    pthread_rwlock_unlock(lock);
    return NULL;
}

/* While somebody reads, others may begin to, until a writer waits. With readers preferred they
 * always may, and this never ends. */
Test(rwlock, a_writer_that_waits_goes_before_new_readers, .timeout = 60)
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
