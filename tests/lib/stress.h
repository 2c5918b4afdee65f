/* Shared by stress programs: a check that ends the program, and a counter to wait for. */
#ifndef TESTS_STRESS_H
#define TESTS_STRESS_H

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Like assert, with a message that says what was found. */
#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s: ", __FILE__, __LINE__, #condition);                \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fputc('\n', stderr);                                                                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct tally {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t n;
};

#define TALLY_INIT                                                                                 \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0                                     \
    }

static inline void tally_add(struct tally *tally, uint64_t n)
{
    pthread_mutex_lock(&tally->lock);
    tally->n += n;
    pthread_cond_broadcast(&tally->changed);
    pthread_mutex_unlock(&tally->lock);
}

static inline void tally_wait(struct tally *tally, uint64_t at_least)
{
    pthread_mutex_lock(&tally->lock);
    while (tally->n < at_least) {
        pthread_cond_wait(&tally->changed, &tally->lock);
    }
    pthread_mutex_unlock(&tally->lock);
}

static inline uint64_t tally_get(struct tally *tally)
{
    pthread_mutex_lock(&tally->lock);
    uint64_t n = tally->n;
    pthread_mutex_unlock(&tally->lock);
    return n;
}

#endif
