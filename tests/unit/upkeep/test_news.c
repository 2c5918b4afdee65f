/* The queue of upkeep: what is kept of commits, and when the taker learns of them. */
#include <criterion/criterion.h>

#include "clock.h"
#include "ledger.h"
#include "news.h"
#include "store_open.h"

struct fixture {
    struct ledger ledger;
    struct news_queue *queue;
    struct news news;
};

static void init(struct fixture *f)
{
    struct store *store = NULL;
    struct status st;
    *f = (struct fixture){.queue = news_queue_new()};
    cr_assert(store_open("memory:", &store, &st));
    ledger_init(&f->ledger, store);
}

static void fini(struct fixture *f)
{
    head_table_fini(&f->news.heads);
    news_queue_free(f->queue);
    ledger_fini(&f->ledger);
}

static void put(struct fixture *f, const struct mutation *m)
{
    AUTO(staged_free) struct staged *staged = ledger_write(&f->ledger, m);
    news_queue_put(f->queue, staged, true);
}

static const struct mutation update = {
    .kind = MUTATE_UPDATE, .service = "a", .allow_missing = true};

Test(news, the_newest_head_of_a_config_is_kept)
{
    struct fixture f;
    init(&f);
    put(&f, &update);
    put(&f, &update);
    put(&f, &(struct mutation){.kind = MUTATE_CREATE, .service = "b"});
    news_queue_take(f.queue, 0, &f.news);
    cr_assert_eq(f.news.heads.by_name.n, 2);
    cr_assert_eq(head_table_find(&f.news.heads, "prod", "a")->version, 2);
    cr_assert_eq(f.news.position.revision, 3);
    cr_assert_not(f.news.erases);
    cr_assert_eq(f.news.compaction, 0);
    fini(&f);
}

Test(news, what_was_taken_is_told_once)
{
    struct fixture f;
    init(&f);
    put(&f, &update);
    news_queue_take(f.queue, 0, &f.news);
    head_table_fini(&f.news.heads);
    news_queue_take(f.queue, 0, &f.news);
    cr_assert_eq(f.news.heads.by_name.n, 0);
    cr_assert_eq(f.news.position.revision, 0);
    fini(&f);
}

/* Without the wake-up the taker would wait for good. */
Test(news, an_erase_and_a_compaction_are_urgent, .timeout = 240)
{
    struct fixture f;
    init(&f);
    put(&f, &update);
    put(&f, &(struct mutation){.kind = MUTATE_DELETE, .service = "a", .erase = true});
    news_queue_take(f.queue, INT64_MAX, &f.news);
    cr_assert(f.news.erases);
    head_table_fini(&f.news.heads);
    put(&f, &(struct mutation){
                .kind = MUTATE_COMPACT, .environment = "", .service = "", .keep_versions = 1});
    news_queue_take(f.queue, INT64_MAX, &f.news);
    cr_assert_eq(f.news.compaction, 3);
    cr_assert(f.news.compaction_is_own);
    fini(&f);
}

Test(news, what_is_not_urgent_is_told_after_a_tick, .timeout = 240)
{
    struct fixture f;
    init(&f);
    int64_t put_ns = clock_monotonic_ns();
    put(&f, &update);
    news_queue_take(f.queue, INT64_MAX, &f.news);
    cr_assert_geq(clock_monotonic_ns() - put_ns, NEWS_TICK_NS);
    cr_assert_eq(f.news.position.revision, 1);
    fini(&f);
}

static void ignore(struct scrub_wait *wait)
{
    (void)wait;
}

Test(news, a_stopped_queue_takes_no_waits, .timeout = 240)
{
    struct fixture f;
    struct scrub_wait early = {.done = ignore};
    struct scrub_wait late = {.done = ignore};
    init(&f);
    cr_assert(news_queue_put_wait(f.queue, &early));
    news_queue_stop(f.queue);
    cr_assert_not(news_queue_put_wait(f.queue, &late));
    news_queue_take(f.queue, INT64_MAX, &f.news);
    cr_assert_eq(f.news.waits, &early);
    cr_assert_null(early.next);
    cr_assert(f.news.stopped);
    fini(&f);
}
