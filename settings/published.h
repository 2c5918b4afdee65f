/* A pointer to an immutable, reference-counted object that one thread replaces and any number of
 * threads read, without a lock and without writing to memory that they share.
 *
 * A reader puts the pointer that it is about to use into a place of its own thread (a hazard
 * pointer). Who replaces the object gives its reference back as soon as no place has it; until then
 * the object is kept in a list of retired ones.
 *
 * Guarantees: a read never waits and never fails. A thread never reads an older object after a
 * newer one, nor does a thread that it has told of the newer one.
 *
 * Threads: published_enter, published_leave: any thread, not in a signal handler, one after the
 * other. published_set, published_fini: one thread at a time. */
#ifndef SETTINGS_PUBLISHED_H
#define SETTINGS_PUBLISHED_H

#include <stdatomic.h>
#include <stddef.h>

struct published {
    _Atomic(void *) object; /* owned reference; NULL: none yet */
    void (*unref)(void *object);
    void **retired; /* references that wait for readers */
    size_t n_retired, room;
};

/* A thread's place. It has a cache line of its own. */
struct published_reader {
    _Alignas(64) _Atomic(const void *) used; /* NULL: nothing is */
    atomic_bool taken;
    struct published_reader *next; /* in the list of all; they are never freed */
};

void published_init(struct published *published, void (*unref)(void *object));
/* No thread may read any more. */
void published_fini(struct published *published);
/* Moves a reference to object, which is not NULL, into it. */
void published_set(struct published *published, void *object);

/* The place of this thread. Takes one at the thread's first call; it is given back when the thread
 * ends. */
extern _Thread_local struct published_reader *published_own;
struct published_reader *published_take_reader(void);

/* The object, borrowed until published_leave; NULL: there is none yet. */
static inline void *published_enter(struct published *published,
                                    struct published_reader **ret_reader)
{
    struct published_reader *reader = published_own;
    if (__builtin_expect(reader == NULL, 0)) {
        reader = published_take_reader();
    }
    *ret_reader = reader;
    void *object = atomic_load_explicit(&published->object, memory_order_acquire);
    for (;;) {
        /* Sequentially consistent, as are the steps of published_set: either that sees the place,
         * or the second look here sees the new object. */
        atomic_store(&reader->used, object);
        void *now = atomic_load(&published->object);
        if (__builtin_expect(now == object, 1)) {
            return object;
        }
        object = now;
    }
}

static inline void published_leave(struct published_reader *reader)
{
    atomic_store_explicit(&reader->used, NULL, memory_order_release);
}

#endif
