#include "interest.h"

#include <assert.h>
#include <string.h>

/* What a group selects. All texts but those that are named are empty. */
enum { BY_ENVIRONMENT = 1, BY_SERVICE = 2, BY_PREFIX = 4 };

#define NAME_BYTES 255
#define KEY_BYTES (1 + NAME_BYTES + 1 + NAME_BYTES)

struct interest_group {
    struct interest_group *next; /* in its slot */
    struct interest *first;
    size_t n_members;
    uint64_t hash;
    size_t n_prefix; /* 0: none */
    size_t n_key;
    char key[]; /* what it selects by, environment, NUL, service or prefix */
};

struct key {
    size_t n;
    char bytes[KEY_BYTES];
};

static void make_key(struct key *key, int by, const char *environment, const char *text, size_t n)
{
    size_t n_environment = (by & BY_ENVIRONMENT) != 0 ? strlen(environment) : 0;
    assert(n_environment <= NAME_BYTES && n <= NAME_BYTES && "names were checked");
    key->bytes[0] = (char)by;
    memcpy(key->bytes + 1, environment, n_environment);
    key->bytes[1 + n_environment] = '\0';
    memcpy(key->bytes + 2 + n_environment, text, n);
    key->n = 2 + n_environment + n;
}

static struct interest_group **slot_of(const struct interests *interests, uint64_t hash)
{
    return &interests->slots[hash & (interests->n_slots - 1)];
}

static struct interest_group *find(const struct interests *interests, const struct key *key,
                                   uint64_t hash)
{
    if (interests->n_slots == 0) {
        return NULL;
    }
    struct interest_group *group = *slot_of(interests, hash);
    while (group != NULL && (group->hash != hash || group->n_key != key->n ||
                             memcmp(group->key, key->bytes, key->n) != 0)) {
        group = group->next;
    }
    return group;
}

static void link_group(struct interests *interests, struct interest_group *group)
{
    struct interest_group **slot = slot_of(interests, group->hash);
    group->next = *slot;
    *slot = group;
}

static void grow(struct interests *interests)
{
    struct interest_group **old = interests->slots;
    size_t n_old = interests->n_slots;
    interests->n_slots = n_old == 0 ? 64 : n_old * 2;
    interests->slots = mem_array(interests->n_slots, sizeof(struct interest_group *));
    for (size_t i = 0; i < n_old; i++) {
        for (struct interest_group *group = old[i], *next; group != NULL; group = next) {
            next = group->next;
            link_group(interests, group);
        }
    }
    free(old);
}

static struct interest_group *add_group(struct interests *interests, const struct key *key,
                                        uint64_t hash, size_t n_prefix)
{
    if (interests->n_groups == interests->n_slots) {
        grow(interests);
    }
    struct interest_group *group = mem_zalloc(sizeof *group + key->n);
    group->hash = hash;
    group->n_prefix = n_prefix;
    group->n_key = key->n;
    memcpy(group->key, key->bytes, key->n);
    link_group(interests, group);
    interests->n_groups++;
    interests->prefixes[n_prefix]++;
    return group;
}

static void drop_group(struct interests *interests, struct interest_group *group)
{
    struct interest_group **link = slot_of(interests, group->hash);
    while (*link != group) {
        link = &(*link)->next;
    }
    *link = group->next;
    interests->n_groups--;
    interests->prefixes[group->n_prefix]--;
    free(group);
}

void interests_fini(struct interests *interests)
{
    assert(interests->n_groups == 0 && "streams leave before the hub");
    free(interests->slots);
    *interests = (struct interests){0};
}

void interests_add(struct interests *interests, struct interest *interest,
                   const struct head_filter *filter)
{
    const char *prefix = filter->service == NULL ? filter->service_prefix : NULL;
    const char *text = filter->service != NULL ? filter->service : prefix;
    int by = (filter->environment != NULL ? BY_ENVIRONMENT : 0) |
             (filter->service != NULL ? BY_SERVICE : 0) | (prefix != NULL ? BY_PREFIX : 0);
    struct key key;
    make_key(&key, by, filter->environment == NULL ? "" : filter->environment,
             text == NULL ? "" : text, text == NULL ? 0 : strlen(text));
    uint64_t hash = hash_table_key(key.bytes, key.n);
    struct interest_group *group = find(interests, &key, hash);
    if (group == NULL) {
        group = add_group(interests, &key, hash, prefix == NULL ? 0 : strlen(prefix));
    }
    interest->group = group;
    interest->previous = NULL;
    interest->next = group->first;
    if (group->first != NULL) {
        group->first->previous = interest;
    }
    group->first = interest;
    group->n_members++;
}

void interests_remove(struct interests *interests, struct interest *interest)
{
    struct interest_group *group = interest->group;
    group->n_members--;
    if (interest->next != NULL) {
        interest->next->previous = interest->previous;
    }
    if (interest->previous != NULL) {
        interest->previous->next = interest->next;
        return;
    }
    group->first = interest->next;
    if (group->first == NULL) {
        drop_group(interests, group);
    }
}

size_t interests_beside(const struct interest *interest)
{
    return interest->group->n_members;
}

/* ---- A change ---- */

struct visit {
    const struct interests *interests;
    const char *environment;
    const char *service;
    void (*fn)(struct interest *interest, void *user);
    void *user;
};

static void visit_group(const struct visit *visit, int by, size_t n_text)
{
    struct key key;
    make_key(&key, by, visit->environment, visit->service, n_text);
    const struct interest_group *group =
        find(visit->interests, &key, hash_table_key(key.bytes, key.n));
    if (group == NULL) {
        return;
    }
    for (struct interest *i = group->first; i != NULL; i = i->next) {
        visit->fn(i, visit->user);
    }
}

void interests_visit(const struct interests *interests, const char *environment,
                     const char *service, void (*visit)(struct interest *interest, void *user),
                     void *user)
{
    struct visit v = {interests, environment, service, visit, user};
    size_t n = strlen(service);
    visit_group(&v, 0, 0);
    visit_group(&v, BY_ENVIRONMENT, 0);
    visit_group(&v, BY_SERVICE, n);
    visit_group(&v, BY_ENVIRONMENT | BY_SERVICE, n);
    for (size_t length = 1; length <= n; length++) {
        if (interests->prefixes[length] > 0) {
            visit_group(&v, BY_PREFIX, length);
            visit_group(&v, BY_ENVIRONMENT | BY_PREFIX, length);
        }
    }
}
