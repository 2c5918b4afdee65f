#include "inbox.h"

#include <assert.h>

static struct commit **slot(struct inbox *inbox, uint64_t revision)
{
    return &inbox->slots[revision & (INBOX_COMMITS - 1)];
}

void inbox_init(struct inbox *inbox, uint64_t revision)
{
    *inbox = (struct inbox){.first = revision + 1, .next = revision + 1};
    pthread_mutex_init(&inbox->lock, NULL);
}

static void drop_oldest(struct inbox *inbox)
{
    struct commit **oldest = slot(inbox, inbox->first++);
    inbox->bytes -= (*oldest)->record->len;
    commit_unref(MOVE(*oldest));
}

void inbox_fini(struct inbox *inbox)
{
    while (inbox->first < inbox->next) {
        drop_oldest(inbox);
    }
    pthread_mutex_destroy(&inbox->lock);
}

void inbox_put(struct inbox *inbox, struct commit *commit)
{
    pthread_mutex_lock(&inbox->lock);
    assert(commit->revision == inbox->next && "the log has no gaps");
    while (inbox->first < inbox->next && (inbox->next - inbox->first == INBOX_COMMITS ||
                                          inbox->bytes + commit->record->len > INBOX_BYTES)) {
        drop_oldest(inbox);
    }
    *slot(inbox, inbox->next++) = commit_ref(commit);
    inbox->bytes += commit->record->len;
    pthread_mutex_unlock(&inbox->lock);
}

struct commit *inbox_take(struct inbox *inbox, uint64_t revision)
{
    struct commit *commit = NULL;
    pthread_mutex_lock(&inbox->lock);
    while (inbox->first < inbox->next && inbox->first < revision) {
        drop_oldest(inbox);
    }
    if (inbox->first == revision && revision < inbox->next) {
        commit = commit_ref(*slot(inbox, revision));
    }
    pthread_mutex_unlock(&inbox->lock);
    return commit;
}

uint64_t inbox_newest(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->lock);
    uint64_t newest = inbox->next - 1;
    pthread_mutex_unlock(&inbox->lock);
    return newest;
}
