#include "published.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>

#include "mem.h"

static _Atomic(struct published_reader *) readers;
static pthread_key_t key;
_Thread_local struct published_reader *published_own;

/* ---- Places of threads ---- */

static void give_back(void *place)
{
    struct published_reader *reader = place;
    published_own = NULL;
    atomic_store(&reader->used, NULL);
    atomic_store(&reader->taken, false);
}

static void make_key(void)
{
    int error = pthread_key_create(&key, give_back);
    assert(error == 0 && "there is a key for the places of threads");
}

/* One that a thread which has ended has left. */
static struct published_reader *find_free(void)
{
    struct published_reader *reader = atomic_load(&readers);
    for (; reader != NULL; reader = reader->next) {
        bool taken = false;
        if (atomic_compare_exchange_strong(&reader->taken, &taken, true)) {
            return reader;
        }
    }
    return NULL;
}

static struct published_reader *add_reader(void)
{
    struct published_reader *reader =
        aligned_alloc(_Alignof(struct published_reader), sizeof *reader);
    assert(reader != NULL && "there is memory for a thread's place");
    atomic_init(&reader->used, NULL);
    atomic_init(&reader->taken, true);
    reader->next = atomic_load(&readers);
    while (!atomic_compare_exchange_weak(&readers, &reader->next, reader)) {
    }
    return reader;
}

struct published_reader *published_take_reader(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_key);
    struct published_reader *reader = find_free();
    published_own = reader != NULL ? reader : add_reader();
    pthread_setspecific(key, published_own);
    return published_own;
}

static bool is_used(const void *object)
{
    const struct published_reader *reader = atomic_load(&readers);
    for (; reader != NULL; reader = reader->next) {
        if (atomic_load(&reader->used) == object) {
            return true;
        }
    }
    return false;
}

/* ---- Replacing ---- */

void published_init(struct published *published, void (*unref)(void *object))
{
    *published = (struct published){.unref = unref};
}

static void release_unused(struct published *published)
{
    size_t n = 0;
    for (size_t i = 0; i < published->n_retired; i++) {
        if (is_used(published->retired[i])) {
            published->retired[n++] = published->retired[i];
        } else {
            published->unref(published->retired[i]);
        }
    }
    published->n_retired = n;
}

void published_set(struct published *published, void *object)
{
    void *old = atomic_exchange(&published->object, object);
    if (old != NULL) {
        if (published->n_retired == published->room) {
            published->room = published->room == 0 ? 4 : published->room * 2;
            published->retired =
                mem_grow(published->retired, published->room, sizeof published->retired[0]);
        }
        published->retired[published->n_retired++] = old;
    }
    release_unused(published);
}

void published_fini(struct published *published)
{
    for (size_t i = 0; i < published->n_retired; i++) {
        published->unref(published->retired[i]);
    }
    free(published->retired);
    void *object = atomic_load(&published->object);
    if (object != NULL) {
        published->unref(object);
    }
    *published = (struct published){.unref = NULL};
}
