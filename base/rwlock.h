/* The one kind of read-write lock of this program: a writer that waits goes before readers that
 * come. glibc's default lets readers pass, so that a few that come often hold a writer up at will.
 *
 * A thread that holds it for reading must not take it for reading again: a writer may have come
 * between the two. */
#ifndef BASE_RWLOCK_H
#define BASE_RWLOCK_H

#include <pthread.h>

/* pthread_rwlock_destroy ends it. */
void rwlock_init(pthread_rwlock_t *lock);

#endif
