#include "commit_window.h"

#include <assert.h>

_Static_assert((COMMIT_WINDOW_COMMITS & (COMMIT_WINDOW_COMMITS - 1)) == 0,
               "the slot of a revision is found by a mask");

static struct commit **slot(struct commit_window *window, uint64_t revision)
{
    return &window->slots[revision & (COMMIT_WINDOW_COMMITS - 1)];
}

void commit_window_init(struct commit_window *window, uint64_t revision)
{
    *window = (struct commit_window){.first = revision + 1, .next = revision + 1};
    pthread_mutex_init(&window->lock, NULL);
}

static void drop_oldest(struct commit_window *window)
{
    assert(window->first < window->next && "there is one to drop");
    struct commit **oldest = slot(window, window->first++);
    window->bytes -= (*oldest)->record->len;
    commit_unref(MOVE(*oldest));
}

void commit_window_fini(struct commit_window *window)
{
    while (window->first < window->next) {
        drop_oldest(window);
    }
    pthread_mutex_destroy(&window->lock);
}

void commit_window_put(struct commit_window *window, struct commit *commit)
{
    pthread_mutex_lock(&window->lock);
    assert(commit->revision == window->next && "the log has no gaps");
    while (window->first < window->next &&
           (window->next - window->first == COMMIT_WINDOW_COMMITS ||
            window->bytes + commit->record->len > COMMIT_WINDOW_BYTES)) {
        drop_oldest(window);
    }
    *slot(window, window->next++) = commit_ref(commit);
    window->bytes += commit->record->len;
    pthread_mutex_unlock(&window->lock);
}

struct commit *commit_window_take(struct commit_window *window, uint64_t revision)
{
    struct commit *commit = NULL;
    pthread_mutex_lock(&window->lock);
    while (window->first < window->next && window->first < revision) {
        drop_oldest(window);
    }
    if (window->first == revision && revision < window->next) {
        commit = commit_ref(*slot(window, revision));
    }
    pthread_mutex_unlock(&window->lock);
    return commit;
}

uint64_t commit_window_newest(struct commit_window *window)
{
    pthread_mutex_lock(&window->lock);
    uint64_t newest = window->next - 1;
    pthread_mutex_unlock(&window->lock);
    return newest;
}
