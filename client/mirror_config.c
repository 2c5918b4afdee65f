#include "mirror_config.h"

#include <assert.h>
#include <string.h>

#include "texts.h"

int64_t mirror_time_us(const Google__Protobuf__Timestamp *timestamp)
{
    return timestamp == NULL ? 0 : timestamp->seconds * 1000000 + timestamp->nanos / 1000;
}

/* Copies n bytes and a NUL to *at and advances *at. Returns the copy. */
static const char *lay_out(char **at, const void *bytes, size_t n)
{
    char *text = *at;
    if (n > 0) {
        memcpy(text, bytes, n);
    }
    text[n] = '\0';
    *at += n + 1;
    return text;
}

static struct mirror_config *allocate(const char *epoch, const char *environment,
                                      const char *service_name, size_t n_more, char **ret_at)
{
    size_t n_environment = strlen(environment);
    size_t n_service = strlen(service_name);
    struct mirror_config *config =
        mem_alloc(sizeof *config + n_environment + 1 + n_service + 1 + n_more);
    *config = (struct mirror_config){.refs = 1, .comment = ""};
    *ret_at = (char *)(config + 1);
    config->environment = lay_out(ret_at, environment, n_environment);
    config->service_name = lay_out(ret_at, service_name, n_service);
    strncpy(config->epoch, epoch, sizeof config->epoch - 1);
    return config;
}

struct mirror_config *mirror_config_new(const char *epoch, const Confreg__V1__Config *message,
                                        free_attachment *free_attached)
{
    const char *author = texts_author_named(message->created_by, message->created_by_empty);
    bool whole = message->payload_state == CONFREG__V1__PAYLOAD_STATE__PAYLOAD_STATE_UNSPECIFIED;
    size_t n_author = author == NULL ? 0 : strlen(author) + 1;
    size_t n_comment = strlen(message->comment) + 1;
    char *at;
    struct mirror_config *config =
        allocate(epoch, message->environment, message->service_name,
                 n_author + n_comment + message->config_data.len + 1, &at);
    config->version = message->version;
    config->mod_revision = message->mod_revision;
    config->revision = message->revision;
    config->source_version = message->source_version;
    config->kind = (int)message->kind;
    config->create_time_us = mirror_time_us(message->create_time);
    config->created_by = author == NULL ? NULL : lay_out(&at, author, n_author - 1);
    config->comment = lay_out(&at, message->comment, n_comment - 1);
    if (whole) {
        config->data = lay_out(&at, message->config_data.data, message->config_data.len);
        config->n_data = message->config_data.len;
    }
    config->free_attachment = free_attached;
    return config;
}

struct mirror_config *mirror_config_tombstone(const char *epoch, const char *environment,
                                              const char *service_name, uint64_t mod_revision)
{
    char *at;
    struct mirror_config *config = allocate(epoch, environment, service_name, 0, &at);
    config->mod_revision = mod_revision;
    return config;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool mirror_config_equal(const struct mirror_config *a, const struct mirror_config *b)
{
    return strcmp(a->epoch, b->epoch) == 0 && a->mod_revision == b->mod_revision &&
           a->version == b->version && a->revision == b->revision &&
           a->source_version == b->source_version && a->kind == b->kind &&
           a->create_time_us == b->create_time_us && same_text(a->created_by, b->created_by) &&
           same_text(a->comment, b->comment) && (a->data == NULL) == (b->data == NULL) &&
           a->n_data == b->n_data && (a->n_data == 0 || memcmp(a->data, b->data, a->n_data) == 0);
}

struct mirror_config *mirror_config_ref(struct mirror_config *config)
{
    assert(config != NULL && "a reference is to something");
    atomic_fetch_add_explicit(&config->refs, 1, memory_order_relaxed);
    return config;
}

void mirror_config_unref(struct mirror_config *config)
{
    if (config == NULL || atomic_fetch_sub_explicit(&config->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    void *attachment = atomic_load_explicit(&config->attachment, memory_order_relaxed);
    if (attachment != NULL) {
        config->free_attachment(attachment);
    }
    free(config);
}

void *mirror_attach(struct mirror_config *config, void *attachment)
{
    void *before = NULL;
    if (atomic_compare_exchange_strong(&config->attachment, &before, attachment)) {
        return attachment;
    }
    config->free_attachment(attachment);
    return before;
}

void *mirror_attachment(const struct mirror_config *config)
{
    return atomic_load_explicit(&config->attachment, memory_order_acquire);
}
