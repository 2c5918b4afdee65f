#include "change_queue.h"

#include <string.h>

#include "confreg/v1/registry.pb-c.h"
#include "hash.h"

void change_queue_init(struct change_queue *queue, bool newest, size_t limit)
{
    *queue = (struct change_queue){.limit = limit, .newest = newest, .merges = newest};
    TAILQ_INIT(&queue->changes);
}

void queued_change_free(struct queued_change *queued)
{
    if (queued != NULL) {
        mirror_config_unref(queued->change.before);
        mirror_config_unref(queued->change.after);
        free((char *)(uintptr_t)queued->change.environment);
        free((char *)(uintptr_t)queued->change.service_name);
        free((char *)(uintptr_t)queued->change.created_by);
        free((char *)(uintptr_t)queued->change.comment);
        free(queued);
    }
}

static char *copy_text(const char *text)
{
    return text == NULL ? NULL : mem_string(text);
}

static struct queued_change *copy_change(const struct mirror_change *change)
{
    struct queued_change *queued = mem_zalloc(sizeof *queued);
    queued->change = *change;
    queued->change.environment = mem_string(change->environment);
    queued->change.service_name = mem_string(change->service_name);
    queued->change.created_by = copy_text(change->created_by);
    queued->change.comment = copy_text(change->comment);
    if (change->before != NULL) {
        mirror_config_ref(change->before);
    }
    mirror_config_ref(change->after);
    return queued;
}

/* ---- Merging ---- */

static uint64_t hash_of(const struct mirror_change *change)
{
    return hash_table_key(change->environment, strlen(change->environment)) * 31 +
           hash_table_key(change->service_name, strlen(change->service_name));
}

static bool is_of_config(const void *item, const void *key)
{
    const struct mirror_change *a = &((const struct queued_change *)item)->change;
    const struct mirror_change *b = key;
    return strcmp(a->service_name, b->service_name) == 0 &&
           strcmp(a->environment, b->environment) == 0;
}

static bool is_live(const struct mirror_config *config)
{
    return config != NULL && config->version != 0;
}

/* Gives a change the state before an older one of its config. False: nothing is left of both. */
static bool absorb(struct queued_change *queued, struct queued_change *older)
{
    struct mirror_change *change = &queued->change;
    mirror_config_unref(change->before);
    change->before = MOVE(older->change.before);
    change->synthetic = true;
    bool was = is_live(change->before);
    bool is = is_live(change->after);
    change->kind = !is    ? CONFREG__V1__CHANGE_KIND__CHANGE_KIND_DELETE
                   : !was ? CONFREG__V1__CHANGE_KIND__CHANGE_KIND_CREATE
                          : CONFREG__V1__CHANGE_KIND__CHANGE_KIND_UPDATE;
    return was || is;
}

static void append(struct change_queue *queue, struct queued_change *queued)
{
    TAILQ_INSERT_TAIL(&queue->changes, queued, link);
    queue->n++;
    if (queue->merges) {
        table_put(&queue->names, hash_of(&queued->change), is_of_config, &queued->change, queued);
    }
}

static void take_out(struct change_queue *queue, struct queued_change *queued)
{
    TAILQ_REMOVE(&queue->changes, queued, link);
    queue->n--;
    if (queue->merges) {
        table_remove(&queue->names, hash_of(&queued->change), is_of_config, &queued->change);
    }
}

static void merge(struct change_queue *queue, struct queued_change *queued)
{
    struct queued_change *older =
        table_find(&queue->names, hash_of(&queued->change), is_of_config, &queued->change);
    bool remains = true;
    if (older != NULL) {
        take_out(queue, older);
        remains = absorb(queued, older);
        queued_change_free(older);
    }
    if (remains) {
        append(queue, queued);
    } else {
        queued_change_free(queued);
    }
}

static void begin_merging(struct change_queue *queue)
{
    struct queued_changes all;
    TAILQ_INIT(&all);
    TAILQ_CONCAT(&all, &queue->changes, link);
    queue->n = 0;
    queue->merges = true;
    for (struct queued_change *queued; (queued = TAILQ_FIRST(&all)) != NULL;) {
        TAILQ_REMOVE(&all, queued, link);
        merge(queue, queued);
    }
}

/* ---- The queue ---- */

/* Of two logs, whose revisions and versions have nothing to do with each other. */
static bool is_same_of_another_log(const struct mirror_config *before,
                                   const struct mirror_config *after)
{
    return is_live(before) && is_live(after) && strcmp(before->epoch, after->epoch) != 0 &&
           (before->data == NULL) == (after->data == NULL) && before->n_data == after->n_data &&
           (before->n_data == 0 || memcmp(before->data, after->data, before->n_data) == 0);
}

void change_queue_add(struct change_queue *queue, const struct mirror_change *change)
{
    if (change->after == NULL || is_same_of_another_log(change->before, change->after)) {
        return;
    }
    if (!queue->merges && queue->n >= queue->limit) {
        begin_merging(queue);
    }
    struct queued_change *queued = copy_change(change);
    if (queue->merges) {
        merge(queue, queued);
    } else {
        append(queue, queued);
    }
}

struct queued_change *change_queue_take(struct change_queue *queue)
{
    struct queued_change *queued = TAILQ_FIRST(&queue->changes);
    if (queued != NULL) {
        take_out(queue, queued);
    }
    if (queue->n == 0) {
        queue->merges = queue->newest;
    }
    return queued;
}

void change_queue_fini(struct change_queue *queue)
{
    for (struct queued_change *queued; (queued = change_queue_take(queue)) != NULL;) {
        queued_change_free(queued);
    }
    table_fini(&queue->names);
}
