#include "mirror_feed.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "mirror_config.h"

#define CHANGE(name) CONFREG__V1__CHANGE_KIND__CHANGE_KIND_##name

/* ---- What is told ---- */

struct told told;

static void changed(void *user, const struct mirror_view *view, const struct mirror_change *changes,
                    size_t n)
{
    struct told *t = user;
    (void)view;
    t->n_calls++;
    for (size_t i = 0; i < n; i++) {
        const struct mirror_change *c = &changes[i];
        size_t len = strlen(t->text);
        snprintf(t->text + len, sizeof t->text - len, "%s%d %s@%d->%d%s", c->synthetic ? "~" : "",
                 (int)c->revision, c->service_name,
                 c->before == NULL ? -1 : (int)c->before->version,
                 c->after == NULL ? -1 : (int)c->after->version, c->ends_commit ? "|" : ";");
    }
}

static void free_attached(void *attachment)
{
    (void)attachment;
    told.n_freed++;
}

struct mirror_selection wanted;

void start(struct mirror_copy *copy)
{
    const struct mirror_options options = {
        .changed = changed, .free_attachment = free_attached, .user = &told};
    Confreg__V1__WatchRequest request = CONFREG__V1__WATCH_REQUEST__INIT;
    told = (struct told){0};
    mirror_copy_init(copy, &options);
    mirror_copy_begin(copy, &wanted, &request);
    cr_assert(request.include_snapshot);
    cr_assert_null(request.resume_after);
}

/* ---- What comes ---- */

static Confreg__V1__Config *config_of(char *service, uint64_t version, uint64_t mod_revision)
{
    static char environment[] = "prod";
    static uint8_t data[] = "{}";
    Confreg__V1__Config *config = mem_alloc(sizeof *config);
    confreg__v1__config__init(config);
    config->environment = environment;
    config->service_name = service;
    config->version = version;
    config->mod_revision = mod_revision;
    config->revision = mod_revision;
    config->config_data = (ProtobufCBinaryData){2, data};
    return config;
}

#define MOST 8

static size_t read_configs(const char *text, char (*names)[16], Confreg__V1__Config **configs)
{
    size_t n = 0;
    int used;
    unsigned long version, mod_revision;
    while (text != NULL &&
           sscanf(text, " %15[a-z]:%lu:%lu%n", names[n], &version, &mod_revision, &used) == 3) {
        configs[n] = config_of(names[n], version, mod_revision);
        n++;
        text += used;
    }
    return n;
}

static Confreg__V1__Event *event_of(uint64_t revision, char *service, const char *version)
{
    static char environment[] = "prod";
    Confreg__V1__Event *event = mem_alloc(sizeof *event);
    confreg__v1__event__init(event);
    event->revision = revision;
    event->environment = environment;
    event->service_name = service;
    event->version = strtoul(version, NULL, 10);
    event->head_version = event->version;
    event->kind = event->version == 0 ? CHANGE(DELETE) : CHANGE(UPDATE);
    if (version[0] == '-') {
        event->head_version = 1;
    } else if (event->version != 0) {
        event->config = config_of(service, event->version, revision);
    }
    if (strchr(version, '!') != NULL) {
        event->config->payload_state = CONFREG__V1__PAYLOAD_STATE__PAYLOAD_STATE_ERASED;
        event->config->config_data.len = 0;
    }
    return event;
}

static size_t read_events(const char *text, char (*names)[16], Confreg__V1__Event **events)
{
    size_t n = 0;
    int used;
    unsigned long revision;
    char version[16];
    while (text != NULL &&
           sscanf(text, " %lu:%15[a-z]:%15[-!0-9]%n", &revision, names[n], version, &used) == 3) {
        events[n] = event_of(revision, names[n], version);
        n++;
        text += used;
    }
    return n;
}

bool take(struct mirror_copy *copy, const struct said *said, struct status *st)
{
    char names[2 * MOST][16];
    char epoch[MIRROR_EPOCH_SIZE];
    Confreg__V1__Config *configs[MOST];
    Confreg__V1__Event *events[MOST];
    Confreg__V1__Position header = CONFREG__V1__POSITION__INIT;
    Confreg__V1__WatchResponse response = CONFREG__V1__WATCH_RESPONSE__INIT;
    snprintf(epoch, sizeof epoch, "%s", said->epoch == NULL ? EPOCH : said->epoch);
    header.epoch = epoch;
    header.revision = said->revision;
    header.chain_hash = said->kind == KIND(STARTED) ? 0 : said->revision * 1000;
    char token[32];
    snprintf(token, sizeof token, "%d-%d", (int)said->revision, (int)header.chain_hash);
    header.token = token;
    response.header = &header;
    response.kind = said->kind;
    response.previous_revision = said->previous;
    response.more = said->more;
    response.filtered = said->filtered;
    response.configs = configs;
    response.n_configs = read_configs(said->configs, names, configs);
    response.events = events;
    response.n_events = read_events(said->events, names + MOST, events);

    AUTO(free) uint8_t *bytes = mem_alloc(protobuf_c_message_get_packed_size(&response.base) + 1);
    size_t size = protobuf_c_message_pack(&response.base, bytes);
    for (size_t i = 0; i < response.n_configs; i++) {
        free(configs[i]);
    }
    for (size_t i = 0; i < response.n_events; i++) {
        free(events[i]->config);
        free(events[i]);
    }
    return mirror_copy_take(copy, confreg__v1__watch_response__unpack(NULL, size, bytes), st);
}

void load(struct mirror_copy *copy)
{
    start(copy);
    TAKE(copy, .kind = KIND(SNAPSHOT), .configs = "a:1:3 b:7:10");
    TAKE(copy, .kind = KIND(SNAPSHOT_END), .revision = 10);
    told.n_calls = 0;
}

void end_stream(struct mirror_copy *copy, enum status_code code)
{
    struct status st;
    status_set(&st, code, "", "gone");
    mirror_copy_end(copy, &st, false);
}

/* ---- What it holds ---- */

void expect(const struct mirror_copy *copy, const char *service, uint64_t version,
            uint64_t mod_revision)
{
    const struct mirror_config *found = mirror_table_find(&copy->table, "prod", service);
    cr_assert_not_null(found, "%s is not there", service);
    cr_expect_eq(found->version, version, "%s: version %d", service, (int)found->version);
    cr_expect_eq(found->mod_revision, mod_revision, "%s: %d", service, (int)found->mod_revision);
}

void expect_view(const struct mirror_copy *copy, enum mirror_state state, uint64_t revision,
                 size_t n_live)
{
    cr_expect_eq(copy->view.state, state, "state %d", copy->view.state);
    cr_expect_eq(copy->view.revision, revision, "revision %d", (int)copy->view.revision);
    cr_expect_eq(copy->table.n_live, n_live, "%zu configs", copy->table.n_live);
}

void begin_again(struct mirror_copy *copy, uint64_t revision)
{
    Confreg__V1__WatchRequest request = CONFREG__V1__WATCH_REQUEST__INIT;
    mirror_copy_begin(copy, &wanted, &request);
    cr_assert_eq(request.include_snapshot, revision == 0);
    if (revision != 0) {
        cr_assert_not_null(request.resume_after);
        cr_expect_eq(request.resume_after->revision, revision);
        cr_expect_eq(request.resume_after->chain_hash, revision * 1000);
        cr_expect_str_eq(request.resume_after->epoch, EPOCH);
        char token[32];
        snprintf(token, sizeof token, "%d-%d", (int)revision, (int)revision * 1000);
        cr_expect_str_eq(request.resume_after->token, token, "it tells what could be read");
    }
}

void refuse(struct mirror_copy *copy, const struct said *said)
{
    struct status st;
    cr_assert_not(take(copy, said, &st));
    cr_expect_str_eq(st.reason, "RIGHTS_CHANGED");
    mirror_copy_end(copy, &st, false);
}
