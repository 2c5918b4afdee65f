#include "callbacks.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <semaphore.h>

#include "mem.h"

#define N 1000

struct noted {
    struct callback callback;
    struct notes *notes;
    int number;
};

struct notes {
    struct callbacks *callbacks;
    int numbers[N + 2];
    int n;
    bool was_here;
    sem_t done;
};

static void note(struct callback *callback)
{
    struct noted *noted = CONTAINER_OF(callback, struct noted, callback);
    noted->notes->numbers[noted->notes->n++] = noted->number;
    noted->notes->was_here = callbacks_is_here(noted->notes->callbacks);
}

static struct noted noted_of(struct notes *notes, int number)
{
    return (struct noted){{note, NULL}, notes, number};
}

Test(callbacks, run_in_order_and_before_the_end)
{
    static struct noted all[N];
    struct notes notes = {.callbacks = callbacks_new()};
    for (int i = 0; i < N; i++) {
        all[i] = noted_of(&notes, i);
        callbacks_post(notes.callbacks, &all[i].callback);
    }
    cr_expect(!callbacks_is_here(notes.callbacks));
    callbacks_free(notes.callbacks);
    cr_assert_eq(notes.n, N);
    for (int i = 0; i < N; i++) {
        cr_assert_eq(notes.numbers[i], i);
    }
    cr_expect(notes.was_here);
}

static struct noted from_close, behind;

static void close_it(void *user)
{
    struct notes *notes = user;
    from_close = noted_of(notes, 2);
    callbacks_post(notes->callbacks, &from_close.callback);
}

static void done(void *user)
{
    struct notes *notes = user;
    sem_post(&notes->done);
}

static void free_it(struct callback *callback)
{
    struct noted *noted = CONTAINER_OF(callback, struct noted, callback);
    struct notes *notes = noted->notes;
    behind = noted_of(notes, 1);
    callbacks_post(notes->callbacks, &behind.callback);
    callbacks_free_here(notes->callbacks, close_it, done, notes);
    notes->numbers[notes->n++] = 0;
}

Test(callbacks, can_be_freed_in_one_of_them)
{
    struct notes notes = {.callbacks = callbacks_new()};
    sem_init(&notes.done, 0, 0);
    struct noted freeing = {{free_it, NULL}, &notes, 0};
    callbacks_post(notes.callbacks, &freeing.callback);
    sem_wait(&notes.done);
    cr_assert_eq(notes.n, 3, "what was posted before and while closing has run");
    cr_expect(notes.numbers[0] == 0 && notes.numbers[1] == 1 && notes.numbers[2] == 2);
    sem_destroy(&notes.done);
}
