/* Counts the live configs whose values look like secrets. A head is judged when it is made; one
 * that was loaded at the start, when somebody asks for the count. A schema that allows or forbids a
 * place later on does not change the count until the config is written again. */
#include "registry_private.h"

#define JUDGED_PER_CALL 100000
#define PAGE 64

static bool can_be_judged(const struct head *head)
{
    return head->version != 0 && head->payload_size > 0 &&
           key_kind(head_environment(head)) == KEY_CONFIG &&
           atomic_load(&head->suspicion) == HEAD_UNJUDGED;
}

void registry_find_secrets(struct registry *registry, const struct value *value)
{
    const struct head_source source = registry_source(registry);
    values_find_secrets(registry->values, &source, value);
}

static enum suspicion judge(struct registry *registry, const struct head *head)
{
    struct suspects suspects = {0};
    const struct value value = {.environment = head_environment(head),
                                .service = head_service(head),
                                .json = head_payload(head),
                                .suspects = &suspects};
    registry_find_secrets(registry, &value);
    bool suspect = suspects.n > 0;
    suspects_fini(&suspects);
    return suspect ? HEAD_SUSPECT : HEAD_CLEAN;
}

void registry_judge(struct registry *registry, struct head *head)
{
    if (can_be_judged(head)) {
        atomic_store(&head->suspicion, judge(registry, head));
    }
}

/* Judges a head that is visible already, unless it has been replaced. */
static void judge_loaded(struct registry *registry, struct head *head)
{
    if (!can_be_judged(head)) {
        return;
    }
    enum suspicion found = judge(registry, head);
    pthread_rwlock_wrlock(&registry->lock);
    if (head_table_find(&registry->heads, head_environment(head), head_service(head)) == head &&
        atomic_load(&head->suspicion) == HEAD_UNJUDGED) {
        atomic_store(&head->suspicion, found);
        registry->suspects += found == HEAD_SUSPECT;
    }
    pthread_rwlock_unlock(&registry->lock);
}

uint64_t registry_suspect_count(struct registry *registry)
{
    static const struct head_filter configs = {.kind = KEY_CONFIG};
    struct head *heads[PAGE];
    for (size_t judged = 0; judged < JUDGED_PER_CALL && !registry->judging.done;) {
        size_t n = registry_list(registry, &configs, &registry->judging, heads, PAGE);
        for (size_t i = 0; i < n; i++) {
            judge_loaded(registry, heads[i]);
            head_unref(heads[i]);
        }
        judged += n + 1;
    }
    pthread_rwlock_rdlock(&registry->lock);
    uint64_t count = registry->suspects;
    pthread_rwlock_unlock(&registry->lock);
    return count;
}
