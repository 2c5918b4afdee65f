/* Spring Cloud Config: a service is an application, environments are its profiles. The later of
 * several profiles counts more, and `default` the least; the answer has the one that counts most
 * first. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config_answers.h"
#include "config_counts.h"
#include "door_read.h"
#include "doors.h"
#include "identify.h"
#include "properties.h"
#include "utf8.h"

/* The names in the path: PROFILE,PROFILE and LABEL. */
enum { NAME_PROFILES, NAME_LABEL };

/* ---- What a request asks for ---- */

static bool has_environment(const struct door_request *d, const char *name)
{
    for (size_t i = 0; i < d->n_environments; i++) {
        if (strcmp(d->environments[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* Takes profiles from the last one on. */
static void add_environment(struct door_request *d, const char *name, struct invalid *invalid)
{
    struct status st;
    if (strcmp(name, DOOR_SHARED) == 0 || has_environment(d, name)) {
        return;
    }
    if (!name_check(name, strlen(name), "profile", &st)) {
        invalid_add_status(invalid, "path", "profile", &st);
    } else if (d->n_environments == DOOR_ENVIRONMENTS - 1) {
        status_bad_field(&st, "profile", "PROFILES_COUNT", "At most %d profiles",
                         DOOR_ENVIRONMENTS - 1);
        status_add_number(&st, "limit", DOOR_ENVIRONMENTS - 1);
        invalid_add_status(invalid, "path", "profile", &st);
    } else {
        d->environments[d->n_environments++] = name;
    }
}

static void parse_profiles(struct request *r, struct invalid *invalid)
{
    struct door_request *d = door_request_of(r);
    const struct str *text = r->names[NAME_PROFILES];
    if (memchr(text->data, '\0', text->len) != NULL) {
        struct status st;
        name_check(text->data, text->len, "profile", &st);
        invalid_add_status(invalid, "path", "profile", &st);
        return;
    }
    str_add(&d->profiles, text->data, text->len);
    for (char *comma; invalid->n == 0 && (comma = strrchr(d->profiles.data, ',')) != NULL;) {
        add_environment(d, comma + 1, invalid);
        *comma = '\0';
    }
    if (invalid->n == 0) {
        add_environment(d, d->profiles.data, invalid);
    }
}

/* A label that is no version is one that no config has. */
static void parse_label(struct request *r, struct invalid *invalid)
{
    struct door_request *d = door_request_of(r);
    const struct str *label = r->names[NAME_LABEL];
    d->has_label = label != NULL;
    if (!d->has_label) {
        return;
    }
    if (!number_parse(label->data, label->len, &d->label)) {
        d->label = (struct number){.given = true};
    }
    if (d->n_environments > 1) {
        struct status st;
        status_bad_field(&st, "label", "LABEL_AMBIGUOUS",
                         "A label is a version of one profile's config");
        invalid_add_status(invalid, "path", "label", &st);
    }
}

void spring_parse(struct request *r, struct invalid *invalid)
{
    parse_profiles(r, invalid);
    parse_label(r, invalid);
    if (invalid->n == 0) {
        struct door_request *d = door_request_of(r);
        d->environments[d->n_environments++] = DOOR_SHARED;
    }
    config_request_parse_read(r, invalid);
}

/* ---- The answer ---- */

static void add_string(struct str *out, const char *before, const struct str *text)
{
    str_add_text(out, before);
    json_encode_string(out, str_text(text), text->len);
}

static void add_profiles(struct str *out, const struct str *text)
{
    const char *at = str_text(text);
    str_add_text(out, ",\"profiles\":[");
    for (;;) {
        size_t n = strcspn(at, ",");
        json_encode_string(out, at, n);
        if (at[n] == '\0') {
            break;
        }
        str_add_char(out, ',');
        at += n + 1;
    }
    str_add_char(out, ']');
}

/* Spring knows by "-PROFILE" in its name that a source is of a profile. */
static void add_name(struct str *out, const struct request *r, const char *environment)
{
    AUTO_STR name = {0};
    str_addf(&name, "confreg:%s", str_text(r->service));
    if (strcmp(environment, DOOR_SHARED) != 0) {
        str_addf(&name, "-%s", environment);
    }
    add_string(out, "{\"name\":", &name);
}

/* False: the request is answered. */
static bool add_sources(struct request *r, const struct door_heads *heads)
{
    struct str *out = &r->response.body;
    const char *comma = "";
    str_add_text(out, ",\"propertySources\":[");
    for (size_t i = 0; i < heads->n; i++) {
        const struct door_head *head = &heads->items[i];
        if (head->version == 0) {
            continue;
        }
        str_add_text(out, comma);
        add_name(out, r, head->environment);
        str_add_text(out, ",\"source\":");
        if (!properties_add(head->data, out)) {
            request_refuse(r, 413, "PROPERTIES_TOO_LARGE",
                           "The config of environment %s takes more than %zu bytes as properties",
                           head->environment, PROPERTIES_MAX_BYTES);
            return false;
        }
        str_add_char(out, '}');
        comma = ",";
    }
    str_add_text(out, "]}");
    return true;
}

/* The version of the source that counts most, and a state that changes when a source does. */
static void add_position(struct str *out, const struct door_heads *heads)
{
    uint64_t version = 0, revision = 0;
    for (size_t i = 0; i < heads->n; i++) {
        const struct door_head *head = &heads->items[i];
        version = version == 0 ? head->version : version;
        revision = head->mod_revision > revision ? head->mod_revision : revision;
    }
    if (version == 0) {
        str_add_text(out, ",\"version\":null,\"state\":null");
        return;
    }
    str_addf(out, ",\"version\":\"%" PRIu64 "\",\"state\":\"%s:%" PRIu64 "\"", version,
             heads->epoch, revision);
}

static bool has_any(const struct door_heads *heads)
{
    for (size_t i = 0; i < heads->n; i++) {
        if (heads->items[i].version != 0) {
            return true;
        }
    }
    return false;
}

/* A client first asks for the profile "default", whatever profiles it has: without this answer, one
 * that may not start without its configs would not get to them. */
static bool asks_for_shared_only(const struct door_heads *heads)
{
    return heads->n == 1;
}

static void show_sources(struct request *r, const struct door_heads *heads)
{
    struct str *out = &r->response.body;
    const struct str *label = r->names[NAME_LABEL];
    if (!has_any(heads) && !asks_for_shared_only(heads)) {
        request_refuse(r, 404, "CONFIG_NOT_FOUND", "Configuration not found");
        return;
    }
    r->gateway->configs->counters.configs_retrieved++;
    add_string(out, "{\"name\":", r->service);
    add_profiles(out, r->names[NAME_PROFILES]);
    if (label != NULL) {
        add_string(out, ",\"label\":", label);
    } else {
        str_add_text(out, ",\"label\":null");
    }
    add_position(out, heads);
    if (add_sources(r, heads)) {
        request_answer(r, 200);
    }
}

/* ---- With a label ---- */

/* Shows the version that the label names over the shared config. */
static void show_labelled(struct request *r, const struct door_heads *shared)
{
    const struct door_request *d = door_request_of(r);
    struct door_heads heads = *shared;
    bool is_shared = strcmp(d->labelled.environment, DOOR_SHARED) == 0;
    heads.items[0] = d->labelled;
    if (!is_shared) {
        heads.items[heads.n++] = shared->items[0];
    }
    show_sources(r, &heads);
}

static void keep_labelled(struct request *r, const ProtobufCMessage *message,
                          const struct status *st)
{
    const Confreg__V1__GetConfigResponse *response = (const void *)message;
    struct door_request *d = door_request_of(r);
    struct json_text payload;
    if (!config_answer_payload(r, response, st, &payload)) {
        return;
    }
    config_answer_hand_out(r, response->header);
    str_add(&d->labelled_data, payload.data, payload.len);
    d->labelled = (struct door_head){
        .environment = d->environments[0],
        .version = response->config->version,
        .mod_revision = response->config->revision,
        .data = {d->labelled_data.data, d->labelled_data.len},
    };
    d->environments[0] = DOOR_SHARED;
    d->n_environments = 1;
    door_read(r, show_labelled);
}

static void ask_labelled(struct request *r)
{
    const struct door_request *d = door_request_of(r);
    Confreg__V1__GetConfigRequest m = CONFREG__V1__GET_CONFIG_REQUEST__INIT;
    Confreg__V1__ReadOptions read = CONFREG__V1__READ_OPTIONS__INIT;
    m.environment = registry_text(d->environments[0]);
    m.service_name = registry_text(str_text(r->service));
    m.version = number_version(&d->label, VERSION_NEVER);
    m.read = config_answer_read_options(r, &read);
    metric_add(&r->gateway->configs->sources.server, 1);
    call_start(r, REGISTRY_GET_CONFIG, &m.base, r->gateway->upstream->timeout_ms, keep_labelled);
}

void handle_spring(struct request *r)
{
    if (!identify_ensure(r, handle_spring)) {
        return;
    }
    if (door_request_of(r)->has_label) {
        ask_labelled(r);
    } else {
        door_read(r, show_sources);
    }
}
