#include "news.h"

#include <pthread.h>

#include "clock.h"
#include "condition.h"

#define MANY_HEADS 1024
#define MANY_COMMITS 2048

struct news_queue {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct news news;
    size_t n_commits; /* in news */
    int64_t first_ns; /* time of the first commit since the last take; 0: there was none */
    int64_t last_ns;  /* time of the last put */
    bool urgent;
    bool stopped;
};

struct news_queue *news_queue_new(void)
{
    struct news_queue *queue = mem_zalloc(sizeof *queue);
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->wake, NULL);
    return queue;
}

void news_queue_free(struct news_queue *queue)
{
    head_table_fini(&queue->news.heads);
    pthread_cond_destroy(&queue->wake);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

static void put_heads(struct head_table *heads, const struct staged *staged)
{
    for (size_t i = 0; i < staged->commit->n_changes; i++) {
        if (staged->after[i] != NULL) {
            head_unref(head_table_put(heads, head_ref(staged->after[i])));
        }
    }
}

/* Call under the lock. */
static void wake_if_due(struct news_queue *queue, bool urgent)
{
    bool first = queue->first_ns == 0;
    bool many =
        queue->n_commits >= MANY_COMMITS || head_table_count(&queue->news.heads) >= MANY_HEADS;
    queue->last_ns = clock_monotonic_ns();
    queue->first_ns = first ? queue->last_ns : queue->first_ns;
    bool was_urgent = queue->urgent;
    queue->urgent = was_urgent || urgent || many;
    if (first || queue->urgent != was_urgent) {
        pthread_cond_signal(&queue->wake);
    }
}

void news_queue_put(struct news_queue *queue, const struct staged *staged, bool own)
{
    const struct commit *commit = staged->commit;
    bool compacts = commit->changes[0].kind == CHANGE_COMPACT;
    bool erases = commit_erases(commit);
    pthread_mutex_lock(&queue->lock);
    struct news *news = &queue->news;
    put_heads(&news->heads, staged);
    news->position = (struct position){.revision = commit->revision, .hash = commit->hash};
    news->erases = news->erases || erases;
    if (compacts) {
        news->compaction = commit->revision;
        news->compaction_is_own = own;
    }
    queue->n_commits++;
    wake_if_due(queue, erases || compacts);
    pthread_mutex_unlock(&queue->lock);
}

bool news_queue_put_wait(struct news_queue *queue, struct scrub_wait *wait)
{
    pthread_mutex_lock(&queue->lock);
    bool stopped = queue->stopped;
    if (!stopped) {
        wait->next = queue->news.waits;
        queue->news.waits = wait;
        wake_if_due(queue, true);
    }
    pthread_mutex_unlock(&queue->lock);
    return !stopped;
}

static int64_t earlier(int64_t a_ns, int64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

/* Call under the lock. */
static void wait_for_news(struct news_queue *queue, int64_t at_ns)
{
    bool in_time = true;
    while (in_time && !queue->urgent && !queue->stopped) {
        int64_t until_ns =
            queue->first_ns == 0 ? at_ns : earlier(at_ns, queue->first_ns + NEWS_TICK_NS);
        in_time = condition_wait_until(&queue->wake, &queue->lock, until_ns);
    }
}

void news_queue_take(struct news_queue *queue, int64_t at_ns, struct news *ret_news)
{
    pthread_mutex_lock(&queue->lock);
    wait_for_news(queue, at_ns);
    *ret_news = queue->news;
    ret_news->quiet = clock_monotonic_ns() - queue->last_ns >= NEWS_TICK_NS;
    ret_news->stopped = queue->stopped;
    queue->news = (struct news){.stopped = false};
    queue->n_commits = 0;
    queue->first_ns = 0;
    queue->urgent = false;
    pthread_mutex_unlock(&queue->lock);
}

void news_queue_stop(struct news_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->stopped = true;
    pthread_cond_signal(&queue->wake);
    pthread_mutex_unlock(&queue->lock);
}
