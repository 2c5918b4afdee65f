#include "config.h"

#include <string.h>

/* ---- Making ---- */

static size_t size_of(const char *text)
{
    return text == NULL ? 0 : strlen(text) + 1;
}

/* Copies a text to *room, which moves behind it. */
static const char *put(char **room, const char *text, size_t size)
{
    if (text == NULL) {
        return NULL;
    }
    char *copy = *room;
    memcpy(copy, text, size);
    *room += size;
    return copy;
}

static const char *put_text(char **room, const char *text)
{
    return put(room, text, size_of(text));
}

struct confreg_config *config_new(const struct config_parts *parts)
{
    size_t n_texts = size_of(parts->environment) + size_of(parts->service) + size_of(parts->epoch) +
                     size_of(parts->author) + size_of(parts->comment);
    struct confreg_config *config = mem_zalloc(sizeof *config + n_texts + parts->n_data + 1);
    char *room = (char *)(config + 1);
    atomic_init(&config->refs, 1);
    config->version = parts->version;
    config->revision = parts->revision;
    config->mod_revision = parts->mod_revision;
    config->time_us = parts->time_us;
    config->environment = put_text(&room, parts->environment);
    config->service = put_text(&room, parts->service);
    config->epoch = put_text(&room, parts->epoch);
    config->author = put_text(&room, parts->author);
    config->comment = put_text(&room, parts->comment);
    config->data = put(&room, parts->data, parts->n_data);
    config->n_data = parts->n_data;
    return config;
}

static const char *or_null(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

static int64_t time_us_of(const Google__Protobuf__Timestamp *time)
{
    return time == NULL ? 0 : time->seconds * 1000000 + time->nanos / 1000;
}

struct confreg_config *config_of_message(const Confreg__V1__Config *message,
                                         const Confreg__V1__Position *position)
{
    bool has_data = message->config_data.len > 0;
    const struct config_parts parts = {
        .environment = message->environment,
        .service = message->service_name,
        .epoch = position == NULL ? "" : position->epoch,
        .version = message->version,
        .revision = message->revision,
        .mod_revision = message->mod_revision,
        .time_us = time_us_of(message->create_time),
        .author = message->created_by_empty ? "" : or_null(message->created_by),
        .comment = or_null(message->comment),
        .data = has_data ? message->config_data.data : NULL,
        .n_data = message->config_data.len,
    };
    return config_new(&parts);
}

/* ---- Life ---- */

/* Only the count changes. */
static atomic_uint *refs_of(const struct confreg_config *config)
{
    return (atomic_uint *)(uintptr_t)&config->refs;
}

const struct confreg_config *confreg_config_ref(const struct confreg_config *config)
{
    if (config != NULL) {
        atomic_fetch_add_explicit(refs_of(config), 1, memory_order_relaxed);
    }
    return config;
}

void confreg_config_unref(const struct confreg_config *config)
{
    if (config != NULL && atomic_fetch_sub(refs_of(config), 1) == 1) {
        free((void *)(uintptr_t)config);
    }
}

/* ---- Members ---- */

const char *confreg_config_environment(const struct confreg_config *config)
{
    return config->environment;
}

const char *confreg_config_service(const struct confreg_config *config)
{
    return config->service;
}

const char *confreg_config_epoch(const struct confreg_config *config)
{
    return config->epoch;
}

uint64_t confreg_config_version(const struct confreg_config *config)
{
    return config->version;
}

uint64_t confreg_config_revision(const struct confreg_config *config)
{
    return config->revision;
}

uint64_t confreg_config_mod_revision(const struct confreg_config *config)
{
    return config->mod_revision;
}

const char *confreg_config_data(const struct confreg_config *config)
{
    return config->data;
}

size_t confreg_config_data_len(const struct confreg_config *config)
{
    return config->n_data;
}

const char *confreg_config_author(const struct confreg_config *config)
{
    return config->author;
}

const char *confreg_config_comment(const struct confreg_config *config)
{
    return config->comment;
}

int64_t confreg_config_time_us(const struct confreg_config *config)
{
    return config->time_us;
}
