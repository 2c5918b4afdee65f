#include "recent_requests.h"

static uint32_t *bucket_of(const struct recent_requests *recent, const struct hash *key)
{
    return (uint32_t *)(uintptr_t)&recent->buckets[hash_short(key) % RECENT_REQUESTS];
}

static void unlink_item(struct recent_requests *recent, uint32_t number)
{
    uint32_t *link = bucket_of(recent, &recent->items[number - 1].key);
    while (*link != number) {
        link = &recent->items[*link - 1].next;
    }
    *link = recent->items[number - 1].next;
}

void recent_requests_add(struct recent_requests *recent, const struct commit *commit)
{
    if (commit->request_id[0] == '\0') {
        return;
    }
    uint32_t number = (uint32_t)(recent->n_added % RECENT_REQUESTS) + 1;
    if (recent->n_added >= RECENT_REQUESTS) {
        unlink_item(recent, number);
    }
    struct hash key = commit_request_key(commit->actor, commit->request_id);
    uint32_t *bucket = bucket_of(recent, &key);
    recent->items[number - 1] =
        (struct recent_request){.key = key, .revision = commit->revision, .next = *bucket};
    *bucket = number;
    recent->n_added++;
}

uint64_t recent_requests_find(const struct recent_requests *recent, const struct hash *key)
{
    uint32_t number = *bucket_of(recent, key);
    while (number != 0 && !hash_equal(&recent->items[number - 1].key, key)) {
        number = recent->items[number - 1].next;
    }
    return number == 0 ? 0 : recent->items[number - 1].revision;
}
