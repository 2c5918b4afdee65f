#include "rwlock.h"

#include <assert.h>

void rwlock_init(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    /* PTHREAD_RWLOCK_PREFER_WRITER_NP still prefers readers (pthread_rwlockattr_setkind_np(3)). */
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    int error = pthread_rwlock_init(lock, &attributes);
    assert(error == 0 && "a lock takes no resources that could be missing");
    pthread_rwlockattr_destroy(&attributes);
}
