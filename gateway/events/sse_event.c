#include "sse_event.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "clock.h"
#include "confreg/v1/registry.pb-c.h"
#include "json.h"
#include "texts.h"

#define CHANGE(name) CONFREG__V1__CHANGE_KIND__CHANGE_KIND_##name

struct buf *sse_text_render(const struct sse_text *event)
{
    char time[CLOCK_TEXT_SIZE];
    AUTO_STR out = {0};
    str_addf(&out, "event: %s\ndata: ", event->name);
    json_add_text(&out, "{\"service_name\":", event->service_name);
    json_add_text(&out, ",\"environment\":", event->environment);
    str_addf(&out, ",\"version\":%" PRIu64 ",\"head_version\":%" PRIu64 ",\"change_type\":\"%s\"",
             event->version, event->head_version, event->name);
    clock_format(event->time_us, time);
    json_add_text(&out, ",\"timestamp\":", time);
    json_add_text(&out, ",\"created_by\":", texts_author(event->created_by));
    json_add_text(&out, ",\"comment\":", event->comment);
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
    case CHANGE(UNDELETE):
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

const char *sse_comment(int kind, const char *comment)
{
    return texts_event_comment(comment, kind == CHANGE(DELETE) || kind == CHANGE(ERASE));
}

/* Memory of an event without its texts and data: the struct and the member names in the rendered
 * text. */
#define EVENT_BYTES (sizeof(struct sse_event) + 192)

static const char *lay_out(char **at, const char *text)
{
    size_t n = strlen(text) + 1;
    const char *copy = memcpy(*at, text, n);
    *at += n;
    return copy;
}

struct sse_event *sse_event_new(const struct mirror_change *change)
{
    bool was_there = change->before != NULL && change->before->version != 0;
    bool has_data = change->after != NULL && change->after->data != NULL;
    const char *author = change->created_by;
    const char *comment = sse_comment(change->kind, change->comment);
    size_t n_texts = strlen(change->environment) + strlen(change->service_name) + strlen(comment) +
                     (author == NULL ? 0 : strlen(author)) + 4;
    struct sse_event *event = mem_alloc(sizeof *event + n_texts);
    char *at = event->texts;
    *event = (struct sse_event){
        .ends_commit = change->ends_commit,
        .revision = change->revision,
        .n_bytes = EVENT_BYTES + 2 * n_texts + (has_data ? change->after->n_data : 0),
        .after = has_data ? mirror_config_ref(change->after) : NULL,
        .parts = {.name = sse_name(change->kind, was_there),
                  .version = change->version,
                  .head_version = change->head_version,
                  .time_us = change->time_us},
    };
    event->is_told = event->parts.name != NULL;
    event->environment = event->parts.environment = lay_out(&at, change->environment);
    event->service_name = event->parts.service_name = lay_out(&at, change->service_name);
    event->parts.comment = lay_out(&at, comment);
    event->parts.created_by = author == NULL ? NULL : lay_out(&at, author);
    return event;
}

struct buf *sse_event_text(struct sse_event *event)
{
    assert(event->is_told);
    if (event->text == NULL) {
        struct mirror_config *after = MOVE(event->after);
        struct sse_text text = event->parts;
        text.data = after == NULL ? NULL : after->data;
        text.n_data = after == NULL ? 0 : after->n_data;
        event->text = sse_text_render(&text);
        mirror_config_unref(after);
    }
    return buf_ref(event->text);
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
        mirror_config_unref(event->after);
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
