#include "render.h"

#include <inttypes.h>
#include <string.h>

#include "clock.h"
#include "json.h"
#include "payload.h"
#include "texts.h"

/* The fields that Config and Version share. */
struct shared_fields {
    const char *service, *environment, *comment;
    const char *created_by;         /* NULL: none named */
    const char *source_environment; /* NULL or "": it is no copy, or it is not known */
    uint64_t version, source_version;
    Confreg__V1__ChangeKind kind;
    bool deleted;
    int64_t time_us;
    struct json_text data;
    bool is_schema;
};

void render_environment(struct str *out, const char *environment)
{
    if (environment[0] == '\0') {
        str_add_text(out, "\"environment\":null");
    } else {
        json_add_text(out, "\"environment\":", environment);
    }
}

static int64_t time_of(const Google__Protobuf__Timestamp *timestamp)
{
    return timestamp == NULL ? 0 : timestamp->seconds * 1000000 + timestamp->nanos / 1000;
}

/* A version is not changed, so both times are its own. */
static void add_member(struct str *out, const struct shared_fields *d, enum document_member member)
{
    char time[CLOCK_TEXT_SIZE];
    char room[TEXTS_COMMENT_SIZE];
    switch (member) {
    case DOCUMENT_SERVICE:
        json_add_text(out, "\"service_name\":", d->service);
        break;
    case DOCUMENT_ENVIRONMENT:
        render_environment(out, d->environment);
        break;
    case DOCUMENT_VERSION:
        str_addf(out, "\"version\":%" PRIu64, d->version);
        break;
    case DOCUMENT_DATA:
        str_add_text(out, d->is_schema ? "\"schema\":" : "\"config_data\":");
        str_add(out, d->data.data, d->data.len);
        break;
    case DOCUMENT_CREATED_AT:
    case DOCUMENT_UPDATED_AT:
        clock_format(d->time_us, time);
        json_add_text(out,
                      member == DOCUMENT_CREATED_AT ? "\"created_at\":" : "\"updated_at\":", time);
        break;
    case DOCUMENT_CREATED_BY:
        json_add_text(out, "\"created_by\":", texts_author(d->created_by));
        break;
    case DOCUMENT_COMMENT:
        json_add_text(
            out, "\"comment\":",
            texts_version_comment(d->comment, d->kind, d->version, d->source_version, room));
        break;
    case DOCUMENT_ALL:
        break;
    }
}

static bool add_document(struct str *out, const struct shared_fields *d, unsigned members)
{
    char mark = '{';
    if ((members & DOCUMENT_DATA) != 0 && d->data.len == 0) {
        return false;
    }
    for (unsigned member = 1; member < DOCUMENT_ALL; member <<= 1) {
        if ((members & member) != 0) {
            str_add_char(out, mark);
            add_member(out, d, (enum document_member)member);
            mark = ',';
        }
    }
    if (d->deleted) {
        str_addf(out, "%c\"deleted\":true", mark);
        mark = ',';
    }
    if (d->source_environment != NULL && d->source_environment[0] != '\0') {
        str_addf(out, "%c\"source_version\":%" PRIu64, mark, d->source_version);
        json_add_text(out, ",\"source_environment\":", d->source_environment);
        mark = ',';
    }
    str_add_text(out, mark == '{' ? "{}" : "}");
    return true;
}

static struct shared_fields of_config(const Confreg__V1__Config *config)
{
    return (struct shared_fields){
        .service = config->service_name,
        .environment = config->environment,
        .created_by = texts_author_named(config->created_by, config->created_by_empty),
        .comment = config->comment,
        .version = config->version,
        .source_version = config->source_version,
        .kind = config->kind,
        .time_us = time_of(config->create_time),
        .data = payload_of_config(config),
    };
}

static struct shared_fields of_version(const char *service, const char *environment,
                                       const Confreg__V1__Version *version)
{
    return (struct shared_fields){
        .service = service,
        .environment = environment,
        .created_by = texts_author_named(version->created_by, version->created_by_empty),
        .comment = version->comment,
        .version = version->version,
        .source_version = version->source_version,
        .source_environment = version->source_environment,
        .kind = version->kind,
        .deleted = version->deleted,
        .time_us = time_of(version->create_time),
        .data = payload_of_version(version),
    };
}

#define OF_SCHEMAS (DOCUMENT_ALL & ~(unsigned)DOCUMENT_UPDATED_AT)

bool render_schema(struct str *out, const Confreg__V1__Config *schema)
{
    struct shared_fields d = of_config(schema);
    d.is_schema = true;
    return add_document(out, &d, OF_SCHEMAS);
}

bool render_schema_version(struct str *out, const char *service, const char *environment,
                           const Confreg__V1__Version *version)
{
    struct shared_fields d = of_version(service, environment, version);
    d.is_schema = true;
    return add_document(out, &d, OF_SCHEMAS);
}

bool render_config(struct str *out, const Confreg__V1__Config *config, unsigned members)
{
    struct shared_fields d = of_config(config);
    return add_document(out, &d, members);
}

bool render_mirrored(struct str *out, const struct mirror_config *config, unsigned members)
{
    struct shared_fields d = {
        .service = config->service_name,
        .environment = config->environment,
        .created_by = config->created_by,
        .comment = config->comment,
        .version = config->version,
        .source_version = config->source_version,
        .kind = (Confreg__V1__ChangeKind)config->kind,
        .time_us = config->create_time_us,
        .data = {config->data, config->n_data},
    };
    return add_document(out, &d, members);
}

bool render_version(struct str *out, const char *service, const char *environment,
                    const Confreg__V1__Version *version, unsigned members)
{
    struct shared_fields d = of_version(service, environment, version);
    return add_document(out, &d, members);
}

void render_deleted(struct str *out, const Confreg__V1__Config *config)
{
    char time[CLOCK_TEXT_SIZE];
    clock_format(time_of(config->create_time), time);
    json_add_text(out, "{\"service_name\":", config->service_name);
    json_add_text(out, ",\"environment\":", config->environment);
    str_addf(out, ",\"version\":%" PRIu64, config->last_version);
    json_add_text(out, ",\"deleted_at\":", time);
    json_add_text(out, ",\"deleted_by\":",
                  texts_author(texts_author_named(config->created_by, config->created_by_empty)));
    json_add_text(out, ",\"comment\":", texts_event_comment(config->comment, true));
    str_addf(out, ",\"revision\":%" PRIu64 "}", config->revision);
}

/* ---- Differences ---- */

static void add_key(struct str *out, const char *key, size_t index)
{
    str_add_text(out, index == 0 ? "" : ",");
    json_encode_string(out, key, strlen(key));
    str_add_char(out, ':');
}

/* The server leaves values out of a difference that clients would not accept. */
static void add_value(struct str *out, const ProtobufCBinaryData *value)
{
    if (value->len == 0) {
        str_add_text(out, "null");
    } else {
        str_add(out, value->data, value->len);
    }
}

static void add_added(struct str *out, const Confreg__V1__Diff *diff)
{
    for (size_t i = 0; i < diff->n_added; i++) {
        add_key(out, diff->added[i]->key, i);
        add_value(out, &diff->added[i]->new_value);
    }
}

static void add_removed(struct str *out, const Confreg__V1__Diff *diff)
{
    for (size_t i = 0; i < diff->n_removed; i++) {
        add_key(out, diff->removed[i]->key, i);
        add_value(out, &diff->removed[i]->old_value);
    }
}

static void add_changed(struct str *out, const Confreg__V1__Diff *diff)
{
    for (size_t i = 0; i < diff->n_changed; i++) {
        const Confreg__V1__DiffEntry *entry = diff->changed[i];
        add_key(out, entry->key, i);
        str_add_text(out, "{\"old\":");
        add_value(out, &entry->old_value);
        str_add_text(out, ",\"new\":");
        add_value(out, &entry->new_value);
        str_add_char(out, '}');
    }
}

static void add_diff(struct str *out, const Confreg__V1__Diff *diff)
{
    json_add_text(out, "{\"service_name\":", diff->service_name);
    str_add_char(out, ',');
    render_environment(out, diff->environment);
    str_addf(out, ",\"old_version\":%" PRIu64 ",\"new_version\":%" PRIu64, diff->old_version,
             diff->new_version);
    str_add_text(out, ",\"added\":{");
    add_added(out, diff);
    str_add_text(out, "},\"removed\":{");
    add_removed(out, diff);
    str_add_text(out, "},\"changed\":{");
    add_changed(out, diff);
    str_add_char(out, '}');
}

void render_diff(struct str *out, const Confreg__V1__Diff *diff)
{
    add_diff(out, diff);
    str_add_char(out, '}');
}

void render_diff_and_patch(struct str *out, const Confreg__V1__Diff *diff)
{
    add_diff(out, diff);
    if (diff->json_patch.len > 0) {
        str_add_text(out, ",\"json_patch\":");
        str_add(out, diff->json_patch.data, diff->json_patch.len);
    }
    str_add_char(out, '}');
}

void render_counters(struct str *out, const struct counters *counters, bool with_deleted)
{
    str_addf(out,
             "\"configs_created\":%" PRIu64 ",\"configs_updated\":%" PRIu64
             ",\"configs_retrieved\":%" PRIu64,
             counters->configs_created, counters->configs_updated, counters->configs_retrieved);
    if (with_deleted) {
        str_addf(out, ",\"configs_deleted\":%" PRIu64, counters->configs_deleted);
    }
    str_addf(out, ",\"notifications_sent\":%" PRIu64, counters->notifications_sent);
}
