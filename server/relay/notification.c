#include "notification.h"

#include <inttypes.h>
#include <string.h>

#include "clock.h"
#include "json.h"
#include "key.h"
#include "texts.h"

static const char created[] = "config.created";
static const char updated[] = "config.updated";
static const char deleted[] = "config.deleted";

const char *notification_routing_key(const struct change *change)
{
    if (key_kind(change->environment) != KEY_CONFIG) {
        return NULL; /* the events are about configs */
    }
    switch (change->kind) {
    case CHANGE_CREATE:
    case CHANGE_UNDELETE:
        return created;
    case CHANGE_UPDATE:
    case CHANGE_ROLLBACK:
        return updated;
    case CHANGE_DELETE:
    case CHANGE_ERASE:
        return deleted;
    case CHANGE_IMPORT:
        return change->previous_version == 0 ? created : updated;
    default:
        return NULL;
    }
}

static void add_text(struct str *out, const char *name, const char *value)
{
    str_addf(out, ",\"%s\":", name);
    json_encode_string(out, value, strlen(value));
}

void notification_render(const struct commit *commit, size_t index, struct str *out)
{
    const struct change *change = &commit->changes[index];
    const char *key = notification_routing_key(change);
    char time[CLOCK_TEXT_SIZE];
    clock_format(commit->time_us, time);
    str_add_text(out, "{\"event_type\":\"config.changes\"");
    add_text(out, "service_name", change->service);
    add_text(out, "environment", change->environment);
    str_addf(out, ",\"version\":%" PRIu64, change->version);
    add_text(out, "timestamp", time);
    add_text(out, "change_type", key + strlen("config."));
    add_text(out, "comment", texts_event_comment(commit->comment, key == deleted));
    add_text(out, "created_by", texts_author(commit->created_by));
    str_add_char(out, '}');
}
