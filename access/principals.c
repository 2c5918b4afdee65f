#include "principals.h"

#include <assert.h>
#include <string.h>

#include "jwt_issuers.h"

#define FIRST_ROOM 16

struct principals *principals_new(void)
{
    struct principals *principals = mem_zalloc(sizeof *principals);
    atomic_init(&principals->refs, 1);
    return principals;
}

struct principals *principals_ref(struct principals *principals)
{
    atomic_fetch_add_explicit(&principals->refs, 1, memory_order_relaxed);
    return principals;
}

void principals_unref(struct principals *principals)
{
    if (principals == NULL ||
        atomic_fetch_sub_explicit(&principals->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    free(principals->items);
    free(principals->tokens);
    free(principals->places);
    table_fini(&principals->certificates);
    jwt_issuers_free(principals->jwt);
    arena_fini(&principals->arena);
    free(principals);
}

/* ---- Building ---- */

/* Makes room for one more item of an array; grows by half. */
static void *make_room(void *items, size_t n, size_t *room, size_t size)
{
    if (n < *room) {
        return items;
    }
    *room = *room == 0 ? FIRST_ROOM : *room + *room / 2;
    return mem_grow(items, *room, size);
}

uint32_t principals_add(struct principals *principals)
{
    principals->items =
        make_room(principals->items, principals->n, &principals->room, sizeof principals->items[0]);
    assert(principals->n < UINT32_MAX && "a file has fewer principals than bytes");
    principals->items[principals->n] = (struct principal){.name = ""};
    return (uint32_t)principals->n++;
}

/* The place of a hash, or the free one where it belongs. Hashes are even, so their first bytes
 * will do. */
static size_t place_of(const struct principals *principals, const struct hash *hash)
{
    size_t mask = principals->n_places - 1;
    size_t at = hash_short(hash) & mask;
    while (
        principals->places[at] != 0 &&
        !secret_equal(&principals->tokens[principals->places[at] - 1].hash, hash, sizeof *hash)) {
        at = (at + 1) & mask;
    }
    return at;
}

static void grow_places(struct principals *principals)
{
    if (principals->n_tokens < principals->n_places / 4 * 3) {
        return;
    }
    free(principals->places);
    principals->n_places = principals->n_places == 0 ? FIRST_ROOM : principals->n_places * 2;
    principals->places = mem_array(principals->n_places, sizeof principals->places[0]);
    for (size_t i = 0; i < principals->n_tokens; i++) {
        principals->places[place_of(principals, &principals->tokens[i].hash)] = (uint32_t)i + 1;
    }
}

bool principals_add_token(struct principals *principals, uint32_t principal,
                          const struct hash *hash, int64_t expires_us)
{
    grow_places(principals);
    size_t place = place_of(principals, hash);
    if (principals->places[place] != 0) {
        return false;
    }
    principals->tokens = make_room(principals->tokens, principals->n_tokens,
                                   &principals->room_tokens, sizeof principals->tokens[0]);
    struct principal_token *token = &principals->tokens[principals->n_tokens];
    token->hash = *hash;
    token->expires_us = expires_us;
    token->principal = principal;
    atomic_init(&token->last_use_s, 0);
    principals->places[place] = (uint32_t)++principals->n_tokens;
    return true;
}

static bool has_name(const void *item, const void *key)
{
    const struct principal_certificate *certificate = item;
    return strcmp(certificate->name, key) == 0;
}

bool principals_add_certificate(struct principals *principals, uint32_t principal, const char *name,
                                size_t n)
{
    struct principal_certificate *certificate = arena_take(&principals->arena, sizeof *certificate);
    certificate->name = arena_text(&principals->arena, name, n);
    certificate->principal = principal;
    return table_put(&principals->certificates, hash_table_key(certificate->name, n), has_name,
                     certificate->name, certificate) == NULL;
}

/* ---- Looking up ---- */

struct principal_token *principals_find_token(const struct principals *principals,
                                              const struct hash *hash)
{
    if (principals->n_tokens == 0) {
        return NULL;
    }
    uint32_t place = principals->places[place_of(principals, hash)];
    return place == 0 ? NULL : &principals->tokens[place - 1];
}

const struct principal_certificate *principals_find_certificate(const struct principals *principals,
                                                                const char *name)
{
    return table_find(&principals->certificates, hash_table_key(name, strlen(name)), has_name,
                      name);
}

int64_t principals_next_expiry(const struct principals *principals, int64_t now_us)
{
    int64_t next = EXPIRES_NEVER;
    for (size_t i = 0; i < principals->n_tokens; i++) {
        int64_t expires = principals->tokens[i].expires_us;
        next = expires > now_us && expires < next ? expires : next;
    }
    return next;
}
