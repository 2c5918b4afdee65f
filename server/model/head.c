#include "head.h"

#include <assert.h>
#include <string.h>

#include "encode.h"

/* How many holes are below a version. */
static size_t holes_below(const struct holes *holes, uint64_t version)
{
    size_t low = 0;
    size_t high = holes->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (holes->versions[middle] < version) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool holes_contain(const struct holes *holes, uint64_t version)
{
    size_t at = holes_below(holes, version);
    return at < holes->n && holes->versions[at] == version;
}

static struct holes holes_copy(const struct holes *from)
{
    struct holes copy = {.versions = NULL, .n = from->n};
    if (from->n > 0) {
        copy.versions = mem_array(from->n, sizeof copy.versions[0]);
        memcpy(copy.versions, from->versions, from->n * sizeof copy.versions[0]);
    }
    return copy;
}

/* The holes of `before` and n more, at `version` and the numbers after it. */
static struct holes holes_with(const struct holes *before, uint64_t version, size_t n)
{
    struct holes after = {.versions = mem_array(before->n + n, sizeof after.versions[0]),
                          .n = before->n + n};
    size_t at = 0;
    while (at < before->n && before->versions[at] < version) {
        after.versions[at] = before->versions[at];
        at++;
    }
    for (size_t i = 0; i < n; i++) {
        after.versions[at + i] = version + i;
    }
    for (; at < before->n; at++) {
        after.versions[at + n] = before->versions[at];
    }
    return after;
}

static bool erases_all(const struct change *change)
{
    return change->kind == CHANGE_ERASE && change->version == 0;
}

/* The holes after a change: an erase adds one, an import adds the numbers that it skips. */
static struct holes holes_after(const struct head *before, const struct change *change)
{
    if (before == NULL || erases_all(change)) {
        return (struct holes){.n = 0};
    }
    if (change->kind == CHANGE_ERASE) {
        return holes_with(&before->holes, change->version, 1);
    }
    if (change->kind == CHANGE_IMPORT) {
        return holes_with(&before->holes, before->last_version + 1,
                          change->version - before->last_version - 1);
    }
    return holes_copy(&before->holes);
}

bool head_is_named(const struct head *h, const char *environment, const char *service)
{
    return strcmp(head_environment(h), environment) == 0 && strcmp(head_service(h), service) == 0;
}

struct json_text head_payload(const struct head *h)
{
    assert(h->encoded != NULL && h->payload_size <= h->encoded->len &&
           "only a live head has a payload");
    const struct buf *b = h->encoded;
    return (struct json_text){(const char *)b->data + b->len - h->payload_size, h->payload_size};
}

struct head *head_new(const char *environment, const char *service)
{
    size_t n_environment = strlen(environment);
    size_t n_service = strlen(service);
    struct head *h = mem_zalloc(sizeof *h + n_environment + n_service + 2);
    atomic_init(&h->refs, 1);
    h->first_live_version = 1;
    h->first_kept_version = 1;
    h->n_environment = n_environment;
    h->n_service = n_service;
    memcpy(h->key, environment, n_environment);
    memcpy(h->key + n_environment + 1, service, n_service);
    return h;
}

struct head *head_ref(struct head *h)
{
    if (h != NULL) {
        unsigned before = atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
        assert(before > 0 && "a reference is made from another");
    }
    return h;
}

void head_unref(struct head *h)
{
    if (h != NULL && atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) == 1) {
        free(h->holes.versions);
        buf_unref(h->encoded);
        free(h);
    }
}

size_t head_bytes(const struct head *h)
{
    size_t encoded = h->encoded == NULL ? 0 : sizeof *h->encoded + h->encoded->len + 1;
    return sizeof *h + h->n_environment + h->n_service + 2 +
           h->holes.n * sizeof h->holes.versions[0] + encoded;
}

bool head_has_version(const struct head *h, uint64_t version)
{
    return h != NULL && h->version != 0 && version >= h->first_live_version &&
           version <= h->version && !holes_contain(&h->holes, version);
}

uint64_t head_live_versions(const struct head *h)
{
    if (h == NULL || h->version == 0) {
        return 0;
    }
    size_t holes =
        holes_below(&h->holes, h->version) - holes_below(&h->holes, h->first_live_version);
    return h->version - h->first_live_version + 1 - holes;
}

bool head_keeps_version(const struct head *h, uint64_t version)
{
    return h != NULL && version >= h->first_kept_version && version <= h->last_version &&
           !holes_contain(&h->holes, version);
}

uint64_t head_kept_versions(const struct head *h)
{
    return h == NULL ? 0 : h->last_version + 1 - h->first_kept_version - h->holes.n;
}

uint64_t head_kept_version_before(const struct head *h, uint64_t version)
{
    if (h == NULL) {
        return 0;
    }
    for (uint64_t v = version <= h->last_version ? version : h->last_version + 1;
         v > h->first_kept_version;) {
        v--;
        if (head_keeps_version(h, v)) {
            return v;
        }
    }
    return 0;
}

uint64_t head_last_kept_version(const struct head *h)
{
    assert(h->version == 0 && "the life has ended");
    uint64_t version = head_kept_version_before(h, h->last_version + 1);
    return version < h->first_live_version ? 0 : version;
}

uint64_t head_version_before(const struct head *h, uint64_t version)
{
    if (h == NULL || h->version == 0) {
        return 0;
    }
    for (uint64_t v = version <= h->version ? version : h->version + 1;
         v > h->first_live_version;) {
        v--;
        if (head_has_version(h, v)) {
            return v;
        }
    }
    return 0;
}

void head_encode(struct head *h, const struct version_ref *newest)
{
    assert(h->encoded == NULL && "a head is encoded once");
    const struct change *change = version_change(newest);
    h->version = change->version;
    h->revision = newest->commit->revision;
    h->index = (uint32_t)newest->index;
    h->payload_size = change->payload == NULL ? 0 : change->payload->len;
    h->secrets_allowed = change->secrets_allowed;
    h->encoded = encode_config(newest, h->mod_revision);
}

static void take_state(struct head *h, const struct head *before)
{
    h->version = before->version;
    h->last_version = before->last_version;
    h->first_live_version = before->first_live_version;
    h->first_kept_version = before->first_kept_version;
    h->mod_revision = before->mod_revision;
    h->revision = before->revision;
    h->index = before->index;
    h->payload_size = before->payload_size;
    atomic_store(&h->verdict, atomic_load(&before->verdict));
    atomic_store(&h->judged_at, atomic_load(&before->judged_at));
    h->secrets_allowed = before->secrets_allowed;
    h->encoded = buf_ref(before->encoded);
}

static void drop_head_version(struct head *h)
{
    buf_unref(h->encoded);
    h->encoded = NULL;
    h->payload_size = 0;
    atomic_store(&h->verdict, 0);
    h->secrets_allowed = false;
    h->version = 0;
    h->revision = 0;
    h->index = 0;
}

/* The life that the version added belongs to, and which versions are kept. */
static void take_life(struct head *h, const struct head *before, const struct change *change)
{
    if (erases_all(change)) {
        h->first_live_version = h->first_kept_version = h->last_version + 1;
    }
    if (before == NULL) {
        h->first_kept_version = change->version;
    }
    if (change_brings_version(change->kind) && h->version == 0 && change->kind != CHANGE_UNDELETE) {
        h->first_live_version = change->version;
    }
}

struct head *head_after(const struct head *before, const struct commit *commit, size_t index,
                        const struct version_ref *newest)
{
    const struct change *change = &commit->changes[index];
    struct head *h = head_new(change->environment, change->service);
    if (before != NULL) {
        take_state(h, before);
    }
    h->row_revision = commit->revision;
    h->holes = holes_after(before, change);
    take_life(h, before, change);
    if (change->head_version == h->version && !change_brings_version(change->kind)) {
        return h; /* what was erased was not the head */
    }
    h->mod_revision = commit->revision;
    if (change->head_version == 0) {
        drop_head_version(h);
        return h;
    }
    drop_head_version(h);
    head_encode(h, newest);
    assert(h->version == change->head_version && "the newest version is the one the change names");
    if (h->version > h->last_version) {
        h->last_version = h->version;
    }
    return h;
}
