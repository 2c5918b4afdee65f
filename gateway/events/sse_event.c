#include "sse_event.h"

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

struct buf *sse_text_render(const struct sse_text *event)
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

const char *sse_name(int kind, bool was_there)
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
    struct sse_text event = {
        .name = sse_name(change->kind, was_there),
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
    return event.name == NULL ? NULL : sse_text_render(&event);
}

struct sse_event *sse_event_new(const struct mirror_change *change)
{
    size_t n_environment = strlen(change->environment) + 1;
    size_t n_service = strlen(change->service_name) + 1;
    struct sse_event *event = mem_alloc(sizeof *event + n_environment + n_service);
    *event = (struct sse_event){
        .ends_commit = change->ends_commit,
        .revision = change->revision,
        .text = text_of(change),
    };
    event->environment = memcpy(event->names, change->environment, n_environment);
    event->service_name = memcpy(event->names + n_environment, change->service_name, n_service);
    return event;
}

struct sse_event *sse_event_new_reset(void)
{
    struct sse_event *event = mem_zalloc(sizeof *event);
    event->is_reset = true;
    return event;
}

void sse_event_free(struct sse_event *event)
{
    if (event != NULL) {
        buf_unref(event->text);
        free(event);
    }
}

void sse_events_drop(struct sse_events *events)
{
    struct sse_event *event;
    while ((event = STAILQ_FIRST(events)) != NULL) {
        STAILQ_REMOVE_HEAD(events, next);
        sse_event_free(event);
    }
}
