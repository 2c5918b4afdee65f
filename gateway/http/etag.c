#include "etag.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "mem.h"

void etag_format(const char *epoch, uint64_t revision, char text[ETAG_SIZE])
{
    snprintf(text, ETAG_SIZE, "%.*s-%" PRIu64, EPOCH_DIGITS, epoch, revision);
}

void etag_format_pair(const char *epoch, uint64_t overlay, uint64_t base, char text[ETAG_SIZE])
{
    snprintf(text, ETAG_SIZE, "%.*s-%" PRIu64 ".%" PRIu64, EPOCH_DIGITS, epoch, overlay, base);
}

#define GZIP_SUFFIX "-gzip"

void etag_quote(const char *tag, enum coding coding, char text[ETAG_QUOTED_SIZE])
{
    snprintf(text, ETAG_QUOTED_SIZE, "\"%s%s\"", tag, coding == CODING_GZIP ? GZIP_SUFFIX : "");
}

struct entity_tag {
    bool weak;
    enum coding coding;
    const char *opaque; /* borrowed, without quotes and the suffix of its coding */
    size_t n;
};

static void take_suffix(struct entity_tag *tag)
{
    size_t n = strlen(GZIP_SUFFIX);
    bool is_gzip = tag->n >= n && memcmp(tag->opaque + tag->n - n, GZIP_SUFFIX, n) == 0;
    tag->coding = is_gzip ? CODING_GZIP : CODING_PLAIN;
    tag->n -= is_gzip ? n : 0;
}

/* Takes the next tag of a list; false at its end and at what is no tag. */
static bool next_tag(const char **list, struct entity_tag *ret)
{
    const char *at = *list + strspn(*list, " \t,");
    ret->weak = strncmp(at, "W/", 2) == 0;
    at += ret->weak ? 2 : 0;
    if (*at != '"') {
        return false;
    }
    ret->opaque = at + 1;
    ret->n = strcspn(ret->opaque, "\"");
    if (ret->opaque[ret->n] != '"') {
        return false;
    }
    at = ret->opaque + ret->n + 1;
    take_suffix(ret);
    at += strspn(at, " \t");
    *list = at;
    return *at == ',' || *at == '\0';
}

static bool is_any(const char *list)
{
    list += strspn(list, " \t");
    return list[0] == '*' && list[1 + strspn(list + 1, " \t")] == '\0';
}

bool etag_list_find(const char *list, const char *tag, enum coding *ret_coding)
{
    struct entity_tag found;
    while (next_tag(&list, &found)) {
        if (found.n == strlen(tag) && memcmp(found.opaque, tag, found.n) == 0) {
            *ret_coding = found.coding;
            return true;
        }
    }
    return is_any(list);
}

/* 1 to 20 digits without needless zeros, not 0, at most UINT64_MAX. */
static bool parse_revision(const char *text, size_t n, uint64_t *ret)
{
    char digits[21];
    if (n == 0 || n >= sizeof digits || text[0] == '0' || strspn(text, "0123456789") != n) {
        return false;
    }
    memcpy(digits, text, n);
    digits[n] = '\0';
    *ret = strtoull(digits, NULL, 10);
    char again[21];
    snprintf(again, sizeof again, "%" PRIu64, *ret);
    return strcmp(again, digits) == 0;
}

static bool parse_epoch(const char *text, size_t n, char mark, struct expectation *ret)
{
    if (n < EPOCH_DIGITS + 2 || text[EPOCH_DIGITS] != mark ||
        strspn(text, "0123456789abcdef") != EPOCH_DIGITS) {
        return false;
    }
    memcpy(ret->epoch, text, EPOCH_DIGITS);
    ret->epoch[EPOCH_DIGITS] = '\0';
    return true;
}

/* A tag that names the head of one config. */
static bool parse_tag(const struct entity_tag *tag, struct expectation *ret)
{
    return parse_epoch(tag->opaque, tag->n, '-', ret) &&
           parse_revision(tag->opaque + EPOCH_DIGITS + 1, tag->n - EPOCH_DIGITS - 1,
                          &ret->revision);
}

/* Half of a pair; 0 where there never was such a config. */
static bool parse_half(const char *text, size_t n, uint64_t *ret)
{
    *ret = 0;
    return (n == 1 && text[0] == '0') || parse_revision(text, n, ret);
}

bool etag_parse(const char *text, size_t n, struct expectation *ret)
{
    if (!parse_epoch(text, n, '-', ret)) {
        return false;
    }
    const char *revision = text + EPOCH_DIGITS + 1;
    n -= EPOCH_DIGITS + 1;
    const char *dot = memchr(revision, '.', n);
    if (dot == NULL) {
        return parse_half(revision, n, &ret->revision);
    }
    uint64_t overlay, base;
    size_t n_overlay = (size_t)(dot - revision);
    if (!parse_half(revision, n_overlay, &overlay) ||
        !parse_half(dot + 1, n - n_overlay - 1, &base)) {
        return false;
    }
    ret->revision = overlay > base ? overlay : base;
    return true;
}

void event_id_format(const struct event_id *id, char text[EVENT_ID_SIZE])
{
    int n = snprintf(text, EVENT_ID_SIZE, "%s:%" PRIu64, id->last.epoch, id->last.revision);
    if (id->rights != 0) {
        snprintf(text + n, EVENT_ID_SIZE - (size_t)n, ":%016" PRIx64, id->rights);
    }
}

bool event_id_parse(const char *text, struct event_id *ret)
{
    size_t n = strlen(text);
    uint64_t big_endian = 0;
    if (!parse_epoch(text, n, ':', &ret->last)) {
        return false;
    }
    const char *revision = text + EPOCH_DIGITS + 1;
    size_t n_revision = strcspn(revision, ":");
    const char *rights = revision + n_revision;
    if (*rights == ':' && !hex_decode(rights + 1, strlen(rights + 1), &big_endian, 8)) {
        return false;
    }
    ret->rights = be64toh(big_endian);
    return parse_half(revision, n_revision, &ret->last.revision);
}

uint64_t etag_list_newest(const char *list, const char *epoch)
{
    struct entity_tag tag;
    uint64_t newest = 0;
    while (next_tag(&list, &tag)) {
        struct expectation found;
        if (etag_parse(tag.opaque, tag.n, &found) && strcmp(found.epoch, epoch) == 0 &&
            found.revision > newest) {
            newest = found.revision;
        }
    }
    return newest;
}

static bool is_at_end(const char *list)
{
    return list[strspn(list, " \t,")] == '\0';
}

static void add_tag(struct etag_set *set, const struct expectation *head)
{
    set->tags = mem_grow(set->tags, set->n + 1, sizeof set->tags[0]);
    set->tags[set->n++] = *head;
}

void etag_set_parse(const char *list, enum etag_comparison comparison, struct etag_set *ret)
{
    *ret = (struct etag_set){.given = list != NULL};
    if (list == NULL) {
        return;
    }
    ret->any = is_any(list);
    struct entity_tag tag;
    while (next_tag(&list, &tag)) {
        struct expectation head;
        if ((comparison == ETAG_WEAK || !tag.weak) && parse_tag(&tag, &head)) {
            add_tag(ret, &head);
        }
    }
    ret->malformed = !ret->any && !is_at_end(list);
}

bool etag_set_has(const struct etag_set *set, const struct expectation *head)
{
    for (size_t i = 0; i < set->n; i++) {
        if (set->tags[i].revision == head->revision &&
            strcmp(set->tags[i].epoch, head->epoch) == 0) {
            return true;
        }
    }
    return set->any;
}

void etag_set_fini(struct etag_set *set)
{
    free(set->tags);
    *set = (struct etag_set){0};
}
