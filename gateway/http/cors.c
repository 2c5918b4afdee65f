#include "cors.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mem.h"

/* The fields of an answer that a page may read besides the fields that the Fetch standard always
 * lets through (Cache-Control, Content-Length, Content-Type and the like). */
#define EXPOSED                                                                                    \
    "Access-Control-Expose-Headers: Accept-Patch, Age, Allow, ETag, Link, Location, "              \
    "Preference-Applied, Retry-After, Vary, WWW-Authenticate, Warning, X-Config-Defaulted, "       \
    "X-Config-Filtered, X-Config-Ignored, X-Config-Revision, X-Config-Version, "                   \
    "X-Confreg-Warning\r\n"
#define ORIGIN_MAX 300 /* bytes: a host has 253 at most */
#define VARY "Vary: Origin\r\n"
#define PRIVATE "Cache-Control: private\r\nVary: Authorization, Cookie\r\n"

/* Of answers for everybody, and of private ones. */
struct fields {
    struct str open, private;
};

struct allowed {
    char *origin;         /* owned; as browsers write it */
    struct fields fields; /* of answers to its pages */
};

struct cors {
    struct fields fields; /* of all other answers */
    size_t n;
    struct allowed allowed[];
};

static bool refuse(struct status *st, const char *origin, const char *why)
{
    return status_set(st, STATUS_INVALID_ARGUMENT, "ORIGIN", "\"%s\" %s", origin, why);
}

/* Where the host of an origin begins; NULL if it has no scheme. */
static const char *host_of(const char *origin)
{
    size_t n = strspn(origin, "abcdefghijklmnopqrstuvwxyz0123456789+-.");
    return n > 0 && strncmp(origin + n, "://", 3) == 0 ? origin + n + 3 : NULL;
}

static void lower(char *text)
{
    for (; *text != '\0'; text++) {
        *text = (char)(*text >= 'A' && *text <= 'Z' ? *text - 'A' + 'a' : *text);
    }
}

/* Removes the port that browsers leave out. */
static void drop_default_port(char *origin)
{
    static const char *const defaults[][2] = {{"http://", ":80"}, {"https://", ":443"}};
    size_t n = strlen(origin);
    for (size_t i = 0; i < COUNT_OF(defaults); i++) {
        size_t n_port = strlen(defaults[i][1]);
        if (strncmp(origin, defaults[i][0], strlen(defaults[i][0])) == 0 && n > n_port &&
            strcmp(origin + n - n_port, defaults[i][1]) == 0) {
            origin[n - n_port] = '\0';
            return;
        }
    }
}

/* origin is in lower case. */
static bool check(const char *origin, struct status *st)
{
    if (strcmp(origin, "*") == 0 || strcmp(origin, "null") == 0) {
        return refuse(st, origin, "would allow any page: name the origins");
    }
    const char *host = host_of(origin);
    if (host == NULL || *host == '\0' || strlen(origin) > ORIGIN_MAX) {
        return refuse(st, origin, "is not an origin: SCHEME://HOST or SCHEME://HOST:PORT");
    }
    for (const char *p = host; *p != '\0'; p++) {
        if (*p <= ' ' || *p > '~' || strchr("/?#@*\"\\", *p) != NULL) {
            return refuse(st, origin,
                          "is not an origin: behind the scheme it has a host and a "
                          "port only, without a path, a user or a wildcard");
        }
    }
    return true;
}

__attribute__((format(printf, 2, 3))) static void make_fields(struct fields *fields,
                                                              const char *format, ...)
{
    va_list arguments;
    char text[1024];
    va_start(arguments, format);
    int n = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    assert(n > 0 && (size_t)n < sizeof text && "an origin is a short text");
    str_add_text(&fields->open, text);
    str_add_text(&fields->private, text);
    str_add_text(&fields->private, PRIVATE);
}

static void fields_fini(struct fields *fields)
{
    str_fini(&fields->open);
    str_fini(&fields->private);
}

bool cors_new(const struct option_list *origins, struct cors **ret_cors, struct status *st)
{
    if (origins->n == 0) {
        *ret_cors = NULL;
        return true;
    }
    struct cors *cors = mem_zalloc(sizeof *cors + origins->n * sizeof cors->allowed[0]);
    make_fields(&cors->fields, VARY);
    for (size_t i = 0; i < origins->n; i++) {
        struct allowed *allowed = &cors->allowed[cors->n++];
        allowed->origin = mem_string(origins->texts[i]);
        lower(allowed->origin);
        if (!check(allowed->origin, st)) {
            cors_free(cors);
            return false;
        }
        drop_default_port(allowed->origin);
        make_fields(&allowed->fields, "Access-Control-Allow-Origin: %s\r\n" EXPOSED VARY,
                    allowed->origin);
    }
    *ret_cors = cors;
    return true;
}

void cors_free(struct cors *cors)
{
    if (cors != NULL) {
        for (size_t i = 0; i < cors->n; i++) {
            free(cors->allowed[i].origin);
            fields_fini(&cors->allowed[i].fields);
        }
        fields_fini(&cors->fields);
        free(cors);
    }
}

static const struct allowed *find(const struct cors *cors, const char *origin)
{
    for (size_t i = 0; cors != NULL && origin != NULL && i < cors->n; i++) {
        if (strcmp(cors->allowed[i].origin, origin) == 0) {
            return &cors->allowed[i];
        }
    }
    return NULL;
}

bool cors_allows(const struct cors *cors, const char *origin)
{
    return find(cors, origin) != NULL;
}

const struct str *cors_fields(const struct cors *cors, const char *origin, bool is_private)
{
    static char text[] = PRIVATE;
    static const struct str private_only = {.data = text, .len = sizeof text - 1};
    if (cors == NULL) {
        return is_private ? &private_only : NULL;
    }
    const struct allowed *allowed = find(cors, origin);
    const struct fields *fields = allowed != NULL ? &allowed->fields : &cors->fields;
    return is_private ? &fields->private : &fields->open;
}
