#include "relay.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "json.h"
#include "log.h"

struct relay {
    struct bus *bus;
    const char *epoch;
    atomic_uint_fast64_t sent;
    bool failing; /* the last publish failed and was logged */
};

struct relay *relay_new(struct bus *bus, const char *epoch)
{
    struct relay *relay = mem_zalloc(sizeof *relay);
    relay->bus = bus;
    relay->epoch = epoch;
    return relay;
}

void relay_free(struct relay *relay)
{
    free(relay);
}

uint64_t relay_sent(const struct relay *relay)
{
    return atomic_load(&relay->sent);
}

static const char *change_type(enum change_kind kind)
{
    static const char *const types[] = {
        [CHANGE_CREATE] = "created", [CHANGE_UPDATE] = "updated", [CHANGE_ROLLBACK] = "updated",
        [CHANGE_DELETE] = "deleted", [CHANGE_ERASE] = "deleted",  [CHANGE_IMPORT] = "created",
    };
    return types[kind];
}

static void add_text(struct str *out, const char *name, const char *value)
{
    str_addf(out, ",\"%s\":", name);
    json_encode_string(out, value, strlen(value));
}

void relay_render(const struct commit *commit, size_t index, struct str *out)
{
    const struct change *change = &commit->changes[index];
    const char *type = change_type(change->kind);
    bool deleted = strcmp(type, "deleted") == 0;
    char time[CLOCK_TEXT_SIZE];
    clock_format(commit->time_us, time);
    str_add_text(out, "{\"event_type\":\"config.changes\"");
    add_text(out, "service_name", change->service);
    add_text(out, "environment", change->environment);
    str_addf(out, ",\"version\":%" PRIu64, change->version);
    add_text(out, "timestamp", time);
    add_text(out, "change_type", type);
    add_text(out, "comment",
             deleted && commit->comment[0] == '\0' ? "Configuration deleted" : commit->comment);
    str_add_char(out, '}');
}

static void publish(struct relay *relay, const struct commit *commit, size_t index)
{
    AUTO_STR body = {0};
    relay_render(commit, index, &body);
    char key[32];
    char id[64];
    snprintf(key, sizeof key, "config.%s", change_type(commit->changes[index].kind));
    snprintf(id, sizeof id, "%s:%" PRIu64 ":%zu", relay->epoch, commit->revision, index);
    struct bus_message message = {
        .routing_key = key, .id = id, .body = body.data, .n_body = body.len};
    struct status st;
    if (bus_publish(relay->bus, &message, &st)) {
        atomic_fetch_add(&relay->sent, 1);
        relay->failing = false;
    } else if (!relay->failing) {
        log_event(LOG_WARNING, "publish_failed", "reason", st.message, NULL);
        relay->failing = true;
    }
}

void relay_commit(struct relay *relay, const struct commit *commit)
{
    for (size_t i = 0; i < commit->n_changes; i++) {
        publish(relay, commit, i);
    }
}
