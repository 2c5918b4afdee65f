#include "provider_values.h"

#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "references.h"
#include "str.h"

static void unref_snapshot(void *object)
{
    confreg_snapshot_unref(object);
}

void provider_values_init(struct provider_values *values,
                          const struct provider_values_options *options)
{
    static const struct reading nothing = {.epoch = ""};
    *values = (struct provider_values){.options = *options};
    published_init(&values->snapshots, unref_snapshot);
    if (options->env_prefix != NULL) {
        values->variables = snapshot_read_environment(options->env_prefix);
    }
    if (options->references) {
        values->referable = snapshot_read_environment("");
    }
    provider_values_take(values, &nothing);
}

void provider_values_fini(struct provider_values *values)
{
    published_fini(&values->snapshots);
    settings_unref(values->variables);
    settings_unref(values->referable);
    buf_unref(values->text);
}

/* ---- Positions ---- */

bool provider_values_are_of_another(const struct provider_values *values, const char *epoch)
{
    return strcmp(values->epoch, epoch) != 0;
}

bool provider_values_are_ahead(const struct provider_values *values, const char *epoch,
                               uint64_t revision)
{
    return !provider_values_are_of_another(values, epoch) && revision < values->revision;
}

void provider_values_advance(struct provider_values *values, uint64_t revision)
{
    if (revision > values->revision) {
        values->revision = revision;
    }
}

/* ---- References ---- */

/* A key whose reference leads nowhere. */
struct leaving_out {
    struct provider_values *values;
    const struct settings *present; /* the values in use; NULL: the key is left out, and told */
    bool keeps;                     /* such a key is in use */
    struct status st;               /* why it cannot be replaced */
};

static void leave_out(void *user, const struct setting *key, const struct status *st)
{
    struct leaving_out *leaving = user;
    const struct provider_values *values = leaving->values;
    if (leaving->present == NULL) {
        values->options.problem(values->options.user, "config_reference", st);
    } else if (settings_child(leaving->present, settings_whole(leaving->present), key->name,
                              key->n_name) != NULL) {
        leaving->keeps = true;
        leaving->st = *st;
    }
}

/* Parses the reading's text into *ret_settings, with what its references stand for.
 * *ret_reads_files: whether one refers to a file. */
static bool parse(const struct provider_values *values, struct buf *text,
                  struct leaving_out *leaving, struct settings **ret_settings,
                  bool *ret_reads_files, struct status *st)
{
    const struct references references = {values->referable, leave_out, leaving};
    AUTO(settings_unref) struct settings *written = NULL;
    if (!settings_parse((const char *)text->data, text->len, &written, st)) {
        return false;
    }
    if (values->referable == NULL || !references_may_be_in(written)) {
        *ret_settings = MOVE(written);
        *ret_reads_files = false;
        return true;
    }
    AUTO_SECRET replaced = {0};
    bool reads_files = references_replace(&references, written, &replaced);
    if (!settings_parse(replaced.data, replaced.len, ret_settings, st)) {
        return false;
    }
    *ret_reads_files = reads_files;
    return true;
}

/* ---- Publishing ---- */

static void publish(struct provider_values *values, struct settings *settings)
{
    struct confreg_snapshot *snapshot = snapshot_new(settings, values->variables);
    snapshot->version = values->version;
    snapshot->revision = values->mod_revision;
    memcpy(snapshot->epoch, values->epoch, sizeof snapshot->epoch);
    values->keeps = false;
    published_set(&values->snapshots, snapshot);
}

bool provider_values_take(struct provider_values *values, const struct reading *reading)
{
    bool has_data = reading->data != NULL;
    AUTO(buf_unref)
    struct buf *text = has_data ? buf_copy(reading->data, reading->n_data) : buf_copy("{}", 2);
    struct leaving_out leaving = {.values = values};
    struct settings *settings;
    struct status st;
    memset(values->epoch, 0, sizeof values->epoch);
    snprintf(values->epoch, sizeof values->epoch, "%s", reading->epoch);
    values->revision = reading->revision;
    if (!parse(values, text, &leaving, &settings, &values->reads_files, &st)) {
        values->options.problem(values->options.user, "config_damaged", &st);
        return false;
    }
    buf_unref(values->text);
    values->text = MOVE(text);
    values->version = has_data ? reading->version : 0;
    values->mod_revision = reading->mod_revision;
    publish(values, settings);
    return true;
}

static bool is_same(const struct settings *a, const struct settings *b)
{
    return a->text->len == b->text->len && memcmp(a->text->data, b->text->data, a->text->len) == 0;
}

static void tell_kept(struct provider_values *values, const struct status *st)
{
    if (!values->keeps) {
        values->keeps = true;
        values->options.problem(values->options.user, "config_reference_kept", st);
    }
}

void provider_values_read_again(struct provider_values *values)
{
    const struct confreg_snapshot *now = atomic_load(&values->snapshots.object);
    struct leaving_out leaving = {.values = values, .present = now->settings};
    AUTO(settings_unref) struct settings *settings = NULL;
    struct status st;
    if (!parse(values, values->text, &leaving, &settings, &values->reads_files, &st)) {
        tell_kept(values, &st);
    } else if (leaving.keeps) {
        tell_kept(values, &leaving.st);
    } else if (!is_same(settings, now->settings)) {
        publish(values, MOVE(settings));
    } else {
        values->keeps = false;
    }
}
