#include "notice.h"

#include <inttypes.h>
#include <string.h>

#include "clock.h"
#include "confreg/v1/registry.pb-c.h"
#include "json.h"

#define CHANGE(name) CONFREG__V1__CHANGE_KIND__CHANGE_KIND_##name

static void add_string(struct str *out, const char *before, const char *text)
{
    str_add_text(out, before);
    json_encode_string(out, text, strlen(text));
}

struct buf *event_text_render(const struct event_text *event)
{
    char time[CLOCK_TEXT_SIZE];
    AUTO_STR out = {0};
    str_addf(&out, "event: %s\ndata: ", event->name);
    add_string(&out, "{\"service_name\":", event->service_name);
    add_string(&out, ",\"environment\":", event->environment);
    str_addf(&out, ",\"version\":%" PRIu64 ",\"head_version\":%" PRIu64 ",\"change_type\":\"%s\"",
             event->version, event->head_version, event->name);
    clock_format(event->time_us, time);
    add_string(&out, ",\"timestamp\":", time);
    if (event->created_by != NULL) {
        add_string(&out, ",\"created_by\":", event->created_by);
    }
    add_string(&out, ",\"comment\":", event->comment);
    if (event->data != NULL) {
        str_add_text(&out, ",\"config_data\":");
        str_add(&out, event->data, event->n_data);
    }
    str_add_text(&out, "}\n");
    return str_to_buf(&out);
}

const char *event_name(int kind, bool was_there)
{
    switch (kind) {
    case CHANGE(CREATE):
        return "created";
    case CHANGE(UPDATE):
    case CHANGE(ROLLBACK):
        return "updated";
    case CHANGE(IMPORT):
        return was_there ? "updated" : "created";
    case CHANGE(DELETE):
    case CHANGE(ERASE):
        return "deleted";
    default:
        return NULL;
    }
}

static struct buf *text_of(const struct mirror_change *change)
{
    bool was_there = change->before != NULL && change->before->version != 0;
    const struct mirror_config *after = change->after;
    struct event_text event = {
        .name = event_name(change->kind, was_there),
        .environment = change->environment,
        .service_name = change->service_name,
        .version = change->version,
        .head_version = change->head_version,
        .time_us = change->time_us,
        .created_by = change->created_by,
        .comment = change->comment,
        .data = after == NULL ? NULL : after->data,
        .n_data = after == NULL ? 0 : after->n_data,
    };
    return event.name == NULL ? NULL : event_text_render(&event);
}

struct notice *notice_new(const struct mirror_change *change)
{
    size_t n_environment = strlen(change->environment) + 1;
    size_t n_service = strlen(change->service_name) + 1;
    struct notice *notice = mem_alloc(sizeof *notice + n_environment + n_service);
    *notice = (struct notice){
        .ends_commit = change->ends_commit,
        .revision = change->revision,
        .text = text_of(change),
    };
    notice->environment = memcpy(notice->names, change->environment, n_environment);
    notice->service_name = memcpy(notice->names + n_environment, change->service_name, n_service);
    return notice;
}

struct notice *notice_new_reset(void)
{
    struct notice *notice = mem_zalloc(sizeof *notice);
    notice->is_reset = true;
    return notice;
}

void notice_free(struct notice *notice)
{
    if (notice != NULL) {
        buf_unref(notice->text);
        free(notice);
    }
}

void notices_drop(struct notices *notices)
{
    struct notice *notice;
    while ((notice = STAILQ_FIRST(notices)) != NULL) {
        STAILQ_REMOVE_HEAD(notices, next);
        notice_free(notice);
    }
}
