#include "registry.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "overlay.h"
#include "registry_private.h"
#include "rwlock.h"

#define LIST_STEPS 4096           /* most nodes that one call visits under the lock */
#define PENDING_BYTES (16u << 10) /* of the pending table, kept for the next batch */

struct registry *registry_new(const uint8_t epoch[EPOCH_SIZE])
{
    struct registry *registry = mem_zalloc(sizeof *registry);
    memcpy(registry->epoch, epoch, EPOCH_SIZE);
    hex_encode(epoch, EPOCH_SIZE, registry->epoch_text);
    rwlock_init(&registry->lock);
    registry->values = values_new();
    return registry;
}

void registry_free(struct registry *registry)
{
    if (registry == NULL) {
        return;
    }
    head_order_fini(&registry->order);
    head_table_fini(&registry->heads);
    head_table_fini(&registry->pending);
    str_fini(&registry->judging.cursor.after);
    changed_keys_fini(&registry->changed);
    free(registry->accepted);
    values_free(registry->values);
    pthread_rwlock_destroy(&registry->lock);
    free(registry);
}

const char *registry_epoch(const struct registry *registry)
{
    return registry->epoch_text;
}

/* Readers take a const registry, but must lock it. */
static pthread_rwlock_t *lock_of(const struct registry *registry)
{
    return (pthread_rwlock_t *)(uintptr_t)&registry->lock;
}

struct position registry_position(const struct registry *registry)
{
    pthread_rwlock_rdlock(lock_of(registry));
    struct position position = registry->position;
    pthread_rwlock_unlock(lock_of(registry));
    return position;
}

struct compaction registry_compaction(const struct registry *registry)
{
    pthread_rwlock_rdlock(lock_of(registry));
    struct compaction compaction = registry->compaction;
    pthread_rwlock_unlock(lock_of(registry));
    return compaction;
}

uint64_t registry_floor(const struct registry *registry)
{
    return registry_compaction(registry).floor;
}

bool registry_check_start(const struct registry *registry, uint64_t revision, struct status *st)
{
    uint64_t floor = registry_floor(registry);
    if (revision > floor) {
        return true;
    }
    status_set(st, STATUS_OUT_OF_RANGE, "COMPACTED",
               "revision %" PRIu64 " is gone; the log is complete from %" PRIu64
               " on: start with a snapshot",
               revision, floor + 1);
    status_add_number(st, "oldest_revision", floor + 1);
    status_add_number(st, "newest_revision", registry_position(registry).revision);
    return false;
}

static uint64_t count_live(const struct registry *registry, enum key_kind kind)
{
    pthread_rwlock_rdlock(lock_of(registry));
    uint64_t count = registry->live[kind];
    pthread_rwlock_unlock(lock_of(registry));
    return count;
}

uint64_t registry_config_count(const struct registry *registry)
{
    return count_live(registry, KEY_CONFIG);
}

uint64_t registry_schema_count(const struct registry *registry)
{
    return count_live(registry, KEY_SCHEMA);
}

size_t registry_bytes(const struct registry *registry)
{
    pthread_rwlock_rdlock(lock_of(registry));
    size_t bytes = registry->head_bytes + head_table_bytes(&registry->heads) +
                   head_order_bytes(head_table_count(&registry->heads));
    pthread_rwlock_unlock(lock_of(registry));
    return bytes;
}

void registry_get_many(const struct registry *registry, const struct config_name *names, size_t n,
                       struct head **ret_heads, struct position *ret_position)
{
    pthread_rwlock_rdlock(lock_of(registry));
    for (size_t i = 0; i < n; i++) {
        ret_heads[i] =
            head_ref(head_table_find(&registry->heads, names[i].environment, names[i].service));
    }
    *ret_position = registry->position;
    pthread_rwlock_unlock(lock_of(registry));
}

struct head *registry_get(const struct registry *registry, const char *environment,
                          const char *service)
{
    struct config_name name = {environment, service};
    struct head *head;
    struct position position;
    registry_get_many(registry, &name, 1, &head, &position);
    return head;
}

/* ---- Values ---- */

static struct head *find_applied(void *user, const char *environment, const char *service)
{
    return registry_get(user, environment, service);
}

void registry_set_secret_policy(struct registry *registry, const struct secret_policy *policy)
{
    values_set_secret_policy(registry->values, policy);
}

struct secret_counts *registry_secret_counts(const struct registry *registry)
{
    return values_secret_counts(registry->values);
}

struct head_source registry_source(const struct registry *registry)
{
    return (struct head_source){find_applied, (void *)(uintptr_t)registry};
}

uint64_t registry_schema_revision(const struct registry *registry)
{
    pthread_rwlock_rdlock(lock_of(registry));
    uint64_t revision = registry->schema_revision;
    pthread_rwlock_unlock(lock_of(registry));
    return revision;
}

bool registry_check_secrets(const struct registry *registry, const struct value *text,
                            struct value_report *report)
{
    return values_check_secrets(registry->values, text, report);
}

struct rule *registry_rule(const struct registry *registry, const char *environment,
                           const char *service)
{
    const struct head_source source = registry_source(registry);
    return rules_find(values_rules(registry->values), &source, environment, service);
}

bool registry_check_value(const struct registry *registry, const struct value *value,
                          struct value_report *report, uint64_t *ret_schema_revision)
{
    const struct head_source source = registry_source(registry);
    /* Before the schemas are looked up: a change after this is noticed when the value is staged. */
    *ret_schema_revision = registry_schema_revision(registry);
    return values_check(registry->values, &source, value, report);
}

/* ---- Lists ---- */

bool head_filter_matches(const struct head_filter *filter, const char *environment,
                         const char *service)
{
    return (filter->kind == KEY_ANY || key_kind(environment) == filter->kind) &&
           (filter->environment == NULL || strcmp(filter->environment, environment) == 0) &&
           (filter->service == NULL || strcmp(filter->service, service) == 0) &&
           (filter->service_prefix == NULL ||
            strncmp(filter->service_prefix, service, strlen(filter->service_prefix)) == 0);
}

/* The prefix that every service name accepted by the filter has. */
static const char *service_start(const struct head_filter *filter)
{
    if (filter->service != NULL) {
        return filter->service;
    }
    return filter->service_prefix == NULL ? "" : filter->service_prefix;
}

static const struct head_order_node *seek_name(const struct head_order *order,
                                               const char *environment, const char *service)
{
    AUTO_STR key = {0};
    str_add(&key, environment, strlen(environment) + 1);
    str_add_text(&key, service);
    return head_order_seek(order, key.data, key.len, false);
}

/* The first head of the next environment. Names contain no control characters, so a key with U+0001
 * instead of the NUL after the environment sorts after all services of this environment. */
static const struct head_order_node *seek_next_environment(const struct head_order *order,
                                                           const char *environment)
{
    AUTO_STR key = {0};
    str_add_text(&key, environment);
    str_add_char(&key, '\x01');
    return head_order_seek(order, key.data, key.len, false);
}

/* Where the keys of a filter's kind begin. */
static const char *kind_start(const struct head_filter *filter)
{
    return filter->kind == KEY_CONFIG ? KEY_FIRST_CONFIG : "";
}

static const struct head_order_node *first_candidate(const struct registry *registry,
                                                     const struct head_filter *filter,
                                                     const struct head_cursor *cursor)
{
    if (cursor->after.len > 0) {
        return head_order_seek(&registry->order, cursor->after.data, cursor->after.len, true);
    }
    return seek_name(&registry->order,
                     filter->environment == NULL ? kind_start(filter) : filter->environment,
                     filter->environment == NULL ? "" : service_start(filter));
}

/* After a head that does not match: the next node that can match; NULL: none can. */
static const struct head_order_node *skip(const struct registry *registry,
                                          const struct head_filter *filter,
                                          const struct head_order_node *node)
{
    const char *environment = head_environment(node->head);
    if (filter->kind == KEY_SCHEMA && key_kind(environment) != KEY_SCHEMA) {
        return NULL;
    }
    int side = filter->environment == NULL ? 0 : strcmp(environment, filter->environment);
    if (side > 0) {
        return NULL;
    }
    if (side < 0) {
        return seek_name(&registry->order, filter->environment, service_start(filter));
    }
    if (strcmp(head_service(node->head), service_start(filter)) < 0) {
        return seek_name(&registry->order, environment, service_start(filter));
    }
    return filter->environment == NULL ? seek_next_environment(&registry->order, environment)
                                       : NULL;
}

static void move_cursor(struct head_cursor *cursor, const struct head *head)
{
    str_clear(&cursor->after);
    str_add(&cursor->after, head->key, head_key_size(head));
}

size_t registry_list(const struct registry *registry, const struct head_filter *filter,
                     struct head_cursor *cursor, struct head **ret_heads, size_t max)
{
    assert(!cursor->done && max > 0 && "there is something to look for");
    size_t n = 0;
    size_t steps = 0;
    pthread_rwlock_rdlock(lock_of(registry));
    const struct head_order_node *node = first_candidate(registry, filter, cursor);
    while (node != NULL && n < max && steps++ < LIST_STEPS) {
        struct head *head = node->head;
        move_cursor(cursor, head);
        if (head_filter_matches(filter, head_environment(head), head_service(head))) {
            ret_heads[n++] = head_ref(head);
            node = head_order_next(node);
        } else {
            node = skip(registry, filter, node);
        }
    }
    cursor->done = node == NULL;
    pthread_rwlock_unlock(lock_of(registry));
    return n;
}

/* ---- Commits ---- */

struct head *registry_pending_head(const struct registry *registry, const char *environment,
                                   const char *service)
{
    struct head *head = head_table_find(&registry->pending, environment, service);
    return head != NULL ? head : head_table_find(&registry->heads, environment, service);
}

static struct position position_after(const struct commit *commit)
{
    return (struct position){.revision = commit->revision, .hash = commit->hash};
}

static bool lacks_payload(const struct head *head)
{
    return head != NULL && head->version != 0 && head->payload_size == 0;
}

static void put_pending(struct registry *registry, struct head *head)
{
    struct head *replaced = head_table_put(&registry->pending, head_ref(head));
    registry->n_removed += lacks_payload(head);
    registry->n_removed -= lacks_payload(replaced);
    head_unref(replaced);
}

bool registry_is_whole(const struct registry *registry)
{
    return registry->n_removed == 0;
}

static void note_change(struct registry *registry, const struct commit *commit,
                        const struct change *change)
{
    bool is_schema = key_kind(change->environment) == KEY_SCHEMA;
    bool is_default = strcmp(change->environment, DEFAULT_ENVIRONMENT) == 0;
    bool has_schemas = registry->pending_schema_revision != 0;
    if (is_schema || (has_schemas && (is_default || !change_brings_version(change->kind)))) {
        registry->pending_unsettled = commit->revision;
    }
    if (is_schema) {
        registry->pending_schema_revision = commit->revision;
    } else if (change_has_config(change->kind)) {
        changed_keys_add(&registry->changed, commit->revision, change->environment,
                         change->service);
    }
}

void registry_accept(struct registry *registry, struct staged *staged)
{
    const struct commit *commit = staged->commit;
    assert(commit->record != NULL && "a commit is sealed before it is accepted");
    assert(commit->revision == registry->pending_position.revision + 1 && "the log has no gaps");
    if (registry->n_accepted == registry->room_accepted) {
        registry->room_accepted = registry->room_accepted == 0 ? 64 : registry->room_accepted * 2;
        registry->accepted =
            mem_grow(registry->accepted, registry->room_accepted, sizeof(struct staged *));
    }
    registry->accepted[registry->n_accepted++] = staged;
    for (size_t i = 0; i < commit->n_changes; i++) {
        if (staged->after[i] != NULL) {
            registry_judge(registry, staged->after[i]);
            put_pending(registry, staged->after[i]);
        }
        note_change(registry, commit, &commit->changes[i]);
    }
    registry->pending_compaction = compaction_after(&registry->pending_compaction, commit);
    registry->pending_position = position_after(commit);
    registry->last_time_us = commit->time_us;
}

void registry_count_verdict(struct registry *registry, const struct head *head, int by)
{
    unsigned verdict = atomic_load(&((struct head *)(uintptr_t)head)->verdict);
    uint64_t n = (uint64_t)by;
    registry->verdicts.suspect += (verdict & VERDICT_SUSPECT) != 0 ? n : 0;
    registry->verdicts.broken += (verdict & VERDICT_BROKEN) != 0 ? n : 0;
}

/* Called with the lock held, or before there are readers. Returns the replaced head, owned. */
static struct head *put_head(struct registry *registry, struct head *head)
{
    bool lives = head->version != 0;
    head_order_put(&registry->order, head);
    struct head *replaced = head_table_put(&registry->heads, head);
    uint64_t *count = &registry->live[key_kind(head_environment(head))];
    *count += lives;
    *count -= replaced != NULL && replaced->version != 0;
    registry_count_verdict(registry, head, 1);
    if (replaced != NULL) {
        registry_count_verdict(registry, replaced, -1);
    }
    registry->head_bytes += head_bytes(head);
    registry->head_bytes -= replaced == NULL ? 0 : head_bytes(replaced);
    return replaced;
}

/* Every apply visits all slots of the pending table: after a very large batch its memory is freed,
 * so that later batches do not visit empty slots. */
static void forget_pending(struct registry *registry)
{
    if (head_table_bytes(&registry->pending) > PENDING_BYTES) {
        head_table_fini(&registry->pending);
    }
    head_table_clear(&registry->pending);
    registry->n_accepted = 0;
    registry->n_removed = 0;
}

void registry_apply(struct registry *registry)
{
    /* The pending table holds the newest head of every config that was changed. Heads that are
     * replaced go back into it: they are freed by forget_pending, after the lock is released. */
    struct head_table *pending = &registry->pending;
    size_t place = 0;
    pthread_rwlock_wrlock(&registry->lock);
    for (struct head *head; (head = head_table_next(pending, &place)) != NULL;) {
        struct head *replaced = put_head(registry, head_ref(head));
        if (replaced != NULL) {
            head_unref(head_table_put(pending, replaced));
        }
    }
    registry->position = registry->pending_position;
    registry->compaction = registry->pending_compaction;
    registry->schema_revision = registry->pending_schema_revision;
    registry->unsettled = registry->pending_unsettled;
    pthread_rwlock_unlock(&registry->lock);
    forget_pending(registry);
}

void registry_discard(struct registry *registry)
{
    forget_pending(registry);
    changed_keys_cut(&registry->changed, registry->position.revision);
    registry->pending_position = registry->position;
    registry->pending_compaction = registry->compaction;
    registry->pending_schema_revision = registry->schema_revision;
    registry->pending_unsettled = registry->unsettled;
}

/* ---- Starting ---- */

void registry_clear(struct registry *registry)
{
    static const struct position nowhere;
    head_table_fini(&registry->pending);
    forget_pending(registry);
    head_order_fini(&registry->order);
    head_table_fini(&registry->heads);
    registry->live[KEY_CONFIG] = registry->live[KEY_SCHEMA] = 0;
    registry->head_bytes = 0;
    registry->verdicts = (struct verdicts){0};
    registry->unsettled = registry->pending_unsettled = 0;
    registry->judging.cursor.done = false;
    str_clear(&registry->judging.cursor.after);
    registry->schema_revision = registry->pending_schema_revision = 0;
    registry->compaction = (struct compaction){.floor = 0};
    registry->pending_compaction = registry->compaction;
    registry_load_position(registry, &nowhere, 0);
}

void registry_load_head(struct registry *registry, struct head *head)
{
    assert(registry->n_accepted == 0 && "nothing accepted waits to be applied");
    bool newer = key_kind(head_environment(head)) == KEY_SCHEMA &&
                 head->mod_revision > registry->schema_revision;
    registry->schema_revision = newer ? head->mod_revision : registry->schema_revision;
    registry->pending_schema_revision = registry->schema_revision;
    head_unref(put_head(registry, head));
}

void registry_load_compaction(struct registry *registry, const struct commit *commit)
{
    registry->compaction = compaction_after(&registry->compaction, commit);
    registry->pending_compaction = registry->compaction;
}

void registry_load_position(struct registry *registry, const struct position *position,
                            int64_t time_us)
{
    assert(registry->n_accepted == 0 && "nothing accepted waits to be applied");
    registry->position = *position;
    registry->pending_position = *position;
    changed_keys_start(&registry->changed, position->revision);
    registry->last_time_us = time_us;
}
