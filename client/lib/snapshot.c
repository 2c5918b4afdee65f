#include "snapshot.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "coercion.h"

#define VARIABLE_NAME_MAX 128 /* longer keys are not looked for in the environment */

/* ---- Life ---- */

struct confreg_snapshot *snapshot_new(struct settings *settings, struct settings *environment)
{
    struct confreg_snapshot *snapshot = mem_zalloc(sizeof *snapshot);
    atomic_init(&snapshot->refs, 1);
    snapshot->settings = settings;
    snapshot->environment = environment == NULL ? NULL : settings_ref(environment);
    return snapshot;
}

void confreg_snapshot_unref(struct confreg_snapshot *snapshot)
{
    if (snapshot != NULL &&
        atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel) == 1) {
        settings_unref(snapshot->settings);
        settings_unref(snapshot->environment);
        free(snapshot);
    }
}

/* ---- The environment ---- */

struct settings *snapshot_read_environment(const char *prefix)
{
    AUTO_STR object = {0};
    size_t n_prefix = strlen(prefix);
    str_add_char(&object, '{');
    for (char **at = environ; at != NULL && *at != NULL; at++) {
        const char *equals = strchr(*at, '=');
        if (equals == NULL || strncmp(*at, prefix, n_prefix) != 0) {
            continue;
        }
        AUTO(free) char *name = mem_text(*at, (size_t)(equals - *at));
        if (strlen(name) < n_prefix || getenv(name) != equals + 1) {
            continue; /* a second variable of that name */
        }
        str_add_text(&object, object.len == 1 ? "" : ",");
        json_encode_string(&object, name + n_prefix, strlen(name + n_prefix));
        str_add_char(&object, ':');
        json_encode_string(&object, equals + 1, strlen(equals + 1));
    }
    str_add_char(&object, '}');
    struct settings *settings = NULL;
    struct status st;
    if (!settings_parse(object.data, object.len, &settings, &st)) {
        settings_parse("{}", 2, &settings, &st); /* names that differ only in what is no UTF-8 */
    }
    return settings;
}

static const struct setting *find_variable(const struct settings *environment, const char *key)
{
    char name[VARIABLE_NAME_MAX];
    size_t n = 0;
    for (; key[n] != '\0' && n < sizeof name; n++) {
        bool is_lower = key[n] >= 'a' && key[n] <= 'z';
        name[n] = (char)(is_lower ? key[n] - 'a' + 'A' : key[n]);
    }
    return n == sizeof name ? NULL
                            : settings_child(environment, settings_whole(environment), name, n);
}

/* ---- Looking up ---- */

const struct setting *snapshot_find(const struct confreg_snapshot *snapshot, const char *path)
{
    const struct setting *found = settings_find(snapshot->settings, path);
    if (found == NULL && snapshot->environment != NULL && path[0] != '/') {
        found = find_variable(snapshot->environment, path);
    }
    return found;
}

const char *snapshot_string(const struct confreg_snapshot *snapshot, const char *path,
                            const char *fallback, size_t *ret_len)
{
    const struct setting *found = snapshot_find(snapshot, path);
    if (found != NULL && found->string != NULL) {
        *ret_len = found->n_string;
        return found->string;
    }
    fallback = fallback == NULL ? "" : fallback;
    *ret_len = strlen(fallback);
    return fallback;
}

bool confreg_snapshot_get_bool(const struct confreg_snapshot *snapshot, const char *path,
                               bool fallback)
{
    return setting_to_bool(snapshot_find(snapshot, path), fallback);
}

int64_t confreg_snapshot_get_int64(const struct confreg_snapshot *snapshot, const char *path,
                                   int64_t fallback)
{
    return setting_to_int64(snapshot_find(snapshot, path), fallback);
}

double confreg_snapshot_get_double(const struct confreg_snapshot *snapshot, const char *path,
                                   double fallback)
{
    return setting_to_double(snapshot_find(snapshot, path), fallback);
}

int64_t confreg_snapshot_get_duration_ms(const struct confreg_snapshot *snapshot, const char *path,
                                         int64_t fallback)
{
    return setting_to_duration_ms(snapshot_find(snapshot, path), fallback);
}

int64_t confreg_snapshot_get_size(const struct confreg_snapshot *snapshot, const char *path,
                                  int64_t fallback)
{
    return setting_to_size(snapshot_find(snapshot, path), fallback);
}

const char *confreg_snapshot_get_string(const struct confreg_snapshot *snapshot, const char *path,
                                        const char *fallback)
{
    const struct setting *found = snapshot_find(snapshot, path);
    return found == NULL || found->string == NULL ? fallback : found->string;
}

const char *confreg_snapshot_get_json(const struct confreg_snapshot *snapshot, const char *path,
                                      size_t *ret_len)
{
    const struct setting *found = snapshot_find(snapshot, path);
    *ret_len = found == NULL ? 0 : found->text.len;
    return found == NULL ? NULL : found->text.data;
}

size_t confreg_snapshot_count(const struct confreg_snapshot *snapshot, const char *path)
{
    const struct setting *found = snapshot_find(snapshot, path);
    return found == NULL ? 0 : found->n_children;
}

uint64_t confreg_snapshot_version(const struct confreg_snapshot *snapshot)
{
    return snapshot->version;
}

uint64_t confreg_snapshot_revision(const struct confreg_snapshot *snapshot)
{
    return snapshot->revision;
}

const char *confreg_snapshot_epoch(const struct confreg_snapshot *snapshot)
{
    return snapshot->epoch;
}
