/* The queue of the committer: how much it takes, and in which order. */
#include <criterion/criterion.h>

#include "write_queue.h"

#define N 5

struct fixture {
    struct write_queue *queue;
    struct write writes[N];
    struct write *all[N];
    struct status st;
};

static void init(struct fixture *f, size_t max_n, size_t max_bytes)
{
    *f = (struct fixture){0};
    f->queue = write_queue_new(max_n, max_bytes);
    for (size_t i = 0; i < N; i++) {
        f->writes[i].bytes = 10;
        f->all[i] = &f->writes[i];
    }
}

/* Expects that the first n writes were taken, in their order. */
static void expect_taken(struct fixture *f, size_t n)
{
    enum write_queue_news news;
    struct write *taken = write_queue_take(f->queue, N, SIZE_MAX, &news);
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(taken, &f->writes[i]);
        taken = taken->next;
    }
    cr_assert_null(taken);
    cr_assert_eq(write_queue_size(f->queue), 0);
    write_queue_free(f->queue);
}

Test(write_queue, takes_many_at_once_in_their_order)
{
    struct fixture f;
    init(&f, N, SIZE_MAX);
    cr_assert_eq(write_queue_put(f.queue, f.all, 2, &f.st), 2);
    cr_assert_eq(write_queue_put(f.queue, f.all + 2, N - 2, &f.st), N - 2);
    expect_taken(&f, N);
}

Test(write_queue, takes_the_first_of_too_many)
{
    struct fixture f;
    init(&f, 3, SIZE_MAX);
    cr_assert_eq(write_queue_put(f.queue, f.all, N, &f.st), 3);
    cr_assert_eq(f.st.code, STATUS_RESOURCE_EXHAUSTED);
    cr_assert_str_eq(f.st.reason, "OVERLOADED");
    cr_assert_eq(write_queue_put(f.queue, f.all + 3, 1, &f.st), 0);
    expect_taken(&f, 3);
}

Test(write_queue, takes_no_more_bytes_than_it_may)
{
    struct fixture f;
    init(&f, N, 25);
    cr_assert_eq(write_queue_put(f.queue, f.all, N, &f.st), 2);
    cr_assert_str_eq(f.st.reason, "OVERLOADED");
    expect_taken(&f, 2);
}

Test(write_queue, takes_nothing_once_it_stops)
{
    struct fixture f;
    init(&f, N, SIZE_MAX);
    write_queue_stop(f.queue);
    cr_assert_eq(write_queue_put(f.queue, f.all, N, &f.st), 0);
    cr_assert_eq(f.st.code, STATUS_UNAVAILABLE);
    cr_assert_str_eq(f.st.reason, "SHUTTING_DOWN");
    expect_taken(&f, 0);
}

/* The queue is full, and stops: what was lent still comes back, and the end comes after it. */
Test(write_queue, what_is_lent_comes_back, .timeout = 10)
{
    struct fixture f;
    enum write_queue_news news;
    init(&f, 2, SIZE_MAX);
    cr_assert_eq(write_queue_put(f.queue, f.all, 2, &f.st), 2);
    cr_assert_eq(write_queue_take(f.queue, 1, SIZE_MAX, &news), &f.writes[0]);
    write_queue_lend(f.queue);
    cr_assert_eq(write_queue_put(f.queue, f.all + 2, 1, &f.st), 1);
    write_queue_stop(f.queue);
    write_queue_give_back(f.queue, &f.writes[0]);
    struct write *taken = write_queue_take(f.queue, N, SIZE_MAX, &news);
    cr_assert_eq(news, WRITE_QUEUE_WRITES);
    cr_assert_eq(taken, &f.writes[1]);
    cr_assert_eq(taken->next, &f.writes[2]);
    cr_assert_eq(taken->next->next, &f.writes[0]);
    cr_assert_null(write_queue_take(f.queue, N, SIZE_MAX, &news));
    cr_assert_eq(news, WRITE_QUEUE_STOPPED);
    write_queue_free(f.queue);
}

Test(write_queue, a_poke_is_told_beside_writes, .timeout = 10)
{
    struct fixture f;
    enum write_queue_news news;
    init(&f, N, SIZE_MAX);
    write_queue_poke(f.queue);
    cr_assert_null(write_queue_take(f.queue, N, SIZE_MAX, &news));
    cr_assert_eq(news, WRITE_QUEUE_POKED);
    cr_assert_eq(write_queue_put(f.queue, f.all, 1, &f.st), 1);
    write_queue_poke(f.queue);
    cr_assert_eq(write_queue_take(f.queue, N, SIZE_MAX, &news), &f.writes[0]);
    cr_assert_eq(news, WRITE_QUEUE_POKED);
    write_queue_free(f.queue);
}
