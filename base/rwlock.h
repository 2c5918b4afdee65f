/* The only kind of read-write lock in this program: it prefers writers. glibc's default prefers
 * readers, so a steady stream of readers can starve a writer.
 *
 * A thread that holds it for reading must not take it for reading again: if a writer waits in
 * between, both deadlock. */
#ifndef BASE_RWLOCK_H
#define BASE_RWLOCK_H

#include <pthread.h>

/* End it with pthread_rwlock_destroy. */
void rwlock_init(pthread_rwlock_t *lock);

#endif
