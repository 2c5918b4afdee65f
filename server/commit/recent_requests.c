#include "recent_requests.h"

#include "table.h"

struct recent_requests {
    struct recent_request {
        struct hash key;
        uint64_t revision;
    } items[RECENT_REQUESTS]; /* a ring: the next one replaces the oldest */
    uint64_t n_added;
    struct table by_key; /* the newest item of each key */
};

struct recent_requests *recent_requests_new(void)
{
    return mem_zalloc(sizeof(struct recent_requests));
}

static bool has_key(const void *item, const void *key)
{
    return hash_equal(&((const struct recent_request *)item)->key, key);
}

/* A key is a hash of what clients choose, so that its bytes spread by themselves. */
static struct recent_request *find(const struct recent_requests *recent, const struct hash *key)
{
    return table_find(&recent->by_key, hash_short(key), has_key, key);
}

/* A newer item may have the same key: that one stays in the table. */
static void forget(struct recent_requests *recent, const struct recent_request *item)
{
    if (find(recent, &item->key) == item) {
        table_remove(&recent->by_key, hash_short(&item->key), has_key, &item->key);
    }
}

void recent_requests_free(struct recent_requests *recent)
{
    table_fini(&recent->by_key);
    free(recent);
}

void recent_requests_add(struct recent_requests *recent, const struct commit *commit)
{
    if (commit->request_id[0] == '\0') {
        return;
    }
    struct recent_request *item = &recent->items[recent->n_added % RECENT_REQUESTS];
    if (recent->n_added >= RECENT_REQUESTS) {
        forget(recent, item);
    }
    item->key = commit_request_key(commit->actor, commit->request_id);
    item->revision = commit->revision;
    table_put(&recent->by_key, hash_short(&item->key), has_key, &item->key, item);
    recent->n_added++;
}

uint64_t recent_requests_find(const struct recent_requests *recent, const struct hash *key)
{
    const struct recent_request *item = find(recent, key);
    return item == NULL ? 0 : item->revision;
}
