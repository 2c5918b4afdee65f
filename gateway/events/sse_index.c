#include "sse_index.h"

#include <assert.h>
#include <search.h>
#include <string.h>

#define LENGTHS 256 /* of prefixes; no service name is longer than 255 bytes */

/* The key of an audience: what its selectors name. */
struct audience_key {
    const char *environment; /* NULL: any */
    const char *text;        /* a service name, or a prefix */
    size_t n_text;
    bool is_prefix;
};

/* The members with equal selectors. */
struct sse_audience {
    struct audience_key key; /* texts are owned */
    size_t n;                /* members, whether they listen or not */
    TAILQ_HEAD(, sse_member) listeners;
};

struct sse_index {
    void *audiences;             /* a tree (tsearch) by key */
    size_t n_of_length[LENGTHS]; /* audiences of prefixes */
};

static int compare_environments(const char *a, const char *b)
{
    if (a == NULL || b == NULL) {
        return (a != NULL) - (b != NULL);
    }
    return strcmp(a, b);
}

/* The tree holds audiences, which begin with their keys. */
static int compare(const void *a, const void *b)
{
    const struct audience_key *x = a;
    const struct audience_key *y = b;
    if (x->is_prefix != y->is_prefix) {
        return x->is_prefix ? 1 : -1;
    }
    if (x->n_text != y->n_text) {
        return x->n_text < y->n_text ? -1 : 1;
    }
    int order = memcmp(x->text, y->text, x->n_text);
    return order != 0 ? order : compare_environments(x->environment, y->environment);
}
static_assert(offsetof(struct sse_audience, key) == 0, "an audience begins with its key");

struct sse_index *sse_index_new(void)
{
    return mem_zalloc(sizeof(struct sse_index));
}

void sse_index_free(struct sse_index *index)
{
    assert(index == NULL || index->audiences == NULL);
    free(index);
}

/* ---- Members ---- */

/* False where the selector can match nothing. */
static bool key_of(const struct mirror_selector *selector, struct audience_key *ret_key)
{
    const char *prefix = selector->service_name_prefix == NULL ? "" : selector->service_name_prefix;
    const char *service = selector->service_name;
    const char *text = service == NULL ? prefix : service;
    *ret_key = (struct audience_key){.environment = selector->environment,
                                     .text = text,
                                     .n_text = strlen(text),
                                     .is_prefix = service == NULL};
    bool contradicts = service != NULL && strncmp(service, prefix, strlen(prefix)) != 0;
    return !contradicts && ret_key->n_text < LENGTHS;
}

static struct sse_audience *audience_new(const struct audience_key *key)
{
    struct sse_audience *audience = mem_zalloc(sizeof *audience);
    audience->key = *key;
    audience->key.text = mem_text(key->text, key->n_text);
    audience->key.environment = key->environment == NULL ? NULL : mem_string(key->environment);
    TAILQ_INIT(&audience->listeners);
    return audience;
}

static void audience_free(struct sse_audience *audience)
{
    free((char *)(uintptr_t)audience->key.text);
    free((char *)(uintptr_t)audience->key.environment);
    free(audience);
}

static struct sse_audience *find(const struct sse_index *index, const struct audience_key *key)
{
    void *const *node = tfind(key, &index->audiences, compare);
    return node == NULL ? NULL : *node;
}

void sse_index_join(struct sse_index *index, const struct mirror_selector *selector,
                    struct sse_member *member)
{
    struct audience_key key;
    *member = (struct sse_member){0};
    if (!key_of(selector, &key)) {
        return;
    }
    struct sse_audience *audience = find(index, &key);
    if (audience == NULL) {
        audience = audience_new(&key);
        if (tsearch(audience, &index->audiences, compare) == NULL) {
            abort();
        }
        index->n_of_length[key.n_text] += key.is_prefix;
    }
    audience->n++;
    member->audience = audience;
}

void sse_index_leave(struct sse_index *index, struct sse_member *member)
{
    struct sse_audience *audience = member->audience;
    sse_index_ignore(member);
    if (audience != NULL && --audience->n == 0) {
        tdelete(audience, &index->audiences, compare);
        index->n_of_length[audience->key.n_text] -= audience->key.is_prefix;
        audience_free(audience);
    }
    member->audience = NULL;
}

void sse_index_listen(struct sse_member *member)
{
    if (!member->listens && member->audience != NULL) {
        member->listens = true;
        TAILQ_INSERT_TAIL(&member->audience->listeners, member, in_audience);
    }
}

void sse_index_ignore(struct sse_member *member)
{
    if (member->listens) {
        member->listens = false;
        TAILQ_REMOVE(&member->audience->listeners, member, in_audience);
    }
}

/* ---- Changes ---- */

struct sse_visit {
    const struct sse_index *index;
    void (*visit)(void *user, struct sse_member *member);
    void *user;
};

static void visit_audience(const struct sse_visit *v, const struct audience_key *key)
{
    struct sse_audience *audience = find(v->index, key);
    struct sse_member *following;
    if (audience == NULL) {
        return;
    }
    for (struct sse_member *member = TAILQ_FIRST(&audience->listeners); member != NULL;
         member = following) {
        following = TAILQ_NEXT(member, in_audience);
        v->visit(v->user, member);
    }
}

/* Visits the audiences that named the environment, and those that named none. */
static void visit_both(const struct sse_visit *v, const char *environment, struct audience_key key)
{
    key.environment = environment;
    visit_audience(v, &key);
    key.environment = NULL;
    visit_audience(v, &key);
}

void sse_index_visit(struct sse_index *index, const char *environment, const char *service_name,
                     void (*visit)(void *user, struct sse_member *member), void *user)
{
    const struct sse_visit v = {index, visit, user};
    size_t n = strlen(service_name);
    visit_both(&v, environment, (struct audience_key){.text = service_name, .n_text = n});
    for (size_t i = 0; i <= n && i < LENGTHS; i++) {
        if (index->n_of_length[i] > 0) {
            visit_both(&v, environment,
                       (struct audience_key){.text = service_name, .n_text = i, .is_prefix = true});
        }
    }
}
