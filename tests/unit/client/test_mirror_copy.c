/* The mirror's copy, fed by hand: what a watch may bring, in every order that matters. */
#include "mirror_copy.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "leak_check.h"
#include "mirror_config.h"

TestSuite(copy, .fini = leak_check);

#define EPOCH "0123456789abcdef"
#define OTHER_EPOCH "fedcba9876543210"
#define KIND(name) CONFREG__V1__WATCH_RESPONSE_KIND__WATCH_RESPONSE_KIND_##name
#define CHANGE(name) CONFREG__V1__CHANGE_KIND__CHANGE_KIND_##name

/* ---- What is told ---- */

struct told {
    char text[4096];
    size_t n_calls;
    size_t n_freed;
};

static struct told told;

/* "5 a@1 -> 2;" a change of revision 5, "|" the end of a commit, "~" a synthetic one. */
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

/* All configs, unless a test selects others. */
static struct mirror_selection wanted;

static void start(struct mirror_copy *copy)
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

struct said {
    Confreg__V1__WatchResponseKind kind;
    const char *epoch;
    uint64_t revision;
    uint64_t previous;
    bool more, filtered;
    const char *configs; /* "a:VERSION:MOD_REVISION b:…" */
    const char *events; /* "REVISION:a:VERSION …"; version 0 deletes, "a:1!" erased since, "a:-" one
                           that leaves the head alone */
};

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

static bool take(struct mirror_copy *copy, const struct said *said, struct status *st)
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

#define TAKE(copy, ...)                                                                            \
    cr_assert(take(copy, &(const struct said){__VA_ARGS__}, &(struct status){0}))

/* A copy with a at version 1 and b at version 7, as of revision 10. */
static void load(struct mirror_copy *copy)
{
    start(copy);
    TAKE(copy, .kind = KIND(SNAPSHOT), .configs = "a:1:3 b:7:10");
    TAKE(copy, .kind = KIND(SNAPSHOT_END), .revision = 10);
    told.n_calls = 0;
}

static void end(struct mirror_copy *copy, enum status_code code)
{
    struct status st;
    status_set(&st, code, "", "gone");
    mirror_copy_end(copy, &st, false);
}

/* ---- What it holds ---- */

static void expect(const struct mirror_copy *copy, const char *service, uint64_t version,
                   uint64_t mod_revision)
{
    const struct mirror_config *found = mirror_table_find(&copy->table, "prod", service);
    cr_assert_not_null(found, "%s is not there", service);
    cr_expect_eq(found->version, version, "%s: version %d", service, (int)found->version);
    cr_expect_eq(found->mod_revision, mod_revision, "%s: %d", service, (int)found->mod_revision);
}

static void expect_view(const struct mirror_copy *copy, enum mirror_state state, uint64_t revision,
                        size_t n_live)
{
    cr_expect_eq(copy->view.state, state, "state %d", copy->view.state);
    cr_expect_eq(copy->view.revision, revision, "revision %d", (int)copy->view.revision);
    cr_expect_eq(copy->table.n_live, n_live, "%zu configs", copy->table.n_live);
}

Test(copy, a_snapshot_is_seen_when_it_is_complete)
{
    struct mirror_copy copy;
    start(&copy);
    TAKE(&copy, .kind = KIND(SNAPSHOT), .configs = "a:1:3");
    expect_view(&copy, MIRROR_LOADING, 0, 0);
    TAKE(&copy, .kind = KIND(SNAPSHOT), .configs = "b:7:10");
    expect_view(&copy, MIRROR_LOADING, 0, 0);
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .revision = 10);
    expect_view(&copy, MIRROR_IN_STEP, 10, 2);
    expect(&copy, "a", 1, 3);
    expect(&copy, "b", 7, 10);
    cr_expect_str_eq(copy.view.epoch, EPOCH);
    cr_expect_eq(told.n_calls, 1);
    cr_expect_str_eq(told.text, "", "a first copy is no change");
    mirror_copy_fini(&copy);
}

Test(copy, an_empty_registry_is_a_copy_too)
{
    struct mirror_copy copy;
    start(&copy);
    TAKE(&copy, .kind = KIND(SNAPSHOT_END));
    expect_view(&copy, MIRROR_IN_STEP, 0, 0);
    cr_expect_null(mirror_table_find(&copy.table, "prod", "a"));
    mirror_copy_fini(&copy);
}

Test(copy, events_in_order)
{
    struct mirror_copy copy;
    load(&copy);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 12, .previous = 10,
         .events = "11:a:2 11:c:1 12:a:3");
    expect_view(&copy, MIRROR_IN_STEP, 12, 3);
    expect(&copy, "a", 3, 12);
    expect(&copy, "c", 1, 11);
    cr_expect_str_eq(told.text, "11 a@1->2;11 c@-1->1|12 a@2->3|");
    TAKE(&copy, .kind = KIND(PROGRESS), .revision = 20, .previous = 12);
    expect_view(&copy, MIRROR_IN_STEP, 20, 3);
    cr_expect_eq(told.n_calls, 2, "progress is told");
    mirror_copy_fini(&copy);
}

Test(copy, a_head_that_falls_back_is_newer)
{
    struct mirror_copy copy;
    load(&copy);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 11, .previous = 10, .events = "11:b:6");
    expect(&copy, "b", 6, 11);
    mirror_copy_fini(&copy);
}

Test(copy, what_is_older_than_the_copy_changes_nothing)
{
    struct mirror_copy copy;
    load(&copy);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 11, .previous = 10, .events = "9:b:8 11:a:2");
    expect(&copy, "b", 7, 10);
    expect(&copy, "a", 2, 11);
    mirror_copy_fini(&copy);
}

Test(copy, deletes_leave_tombstones)
{
    struct mirror_copy copy;
    load(&copy);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 11, .previous = 10, .events = "11:a:0");
    expect_view(&copy, MIRROR_IN_STEP, 11, 1);
    expect(&copy, "a", 0, 11);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 12, .previous = 11, .events = "12:a:2");
    expect_view(&copy, MIRROR_IN_STEP, 12, 2);
    expect(&copy, "a", 2, 12);
    cr_expect_str_eq(told.text, "11 a@1->0|12 a@0->2|");
    mirror_copy_fini(&copy);
}

Test(copy, a_delete_of_an_old_version_leaves_the_head_alone)
{
    struct mirror_copy copy;
    load(&copy);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 11, .previous = 10, .events = "11:a:-");
    expect(&copy, "a", 1, 3);
    cr_expect_str_eq(told.text, "11 a@-1->-1|");
    mirror_copy_fini(&copy);
}

Test(copy, an_erased_payload_is_none)
{
    struct mirror_copy copy;
    load(&copy);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 11, .previous = 10, .events = "11:a:2!");
    expect(&copy, "a", 2, 11);
    cr_expect_null(mirror_table_find(&copy.table, "prod", "a")->data);
    cr_expect_str_eq(mirror_table_find(&copy.table, "prod", "b")->data, "{}");
    mirror_copy_fini(&copy);
}

Test(copy, a_commit_in_parts_appears_at_once)
{
    struct mirror_copy copy;
    load(&copy);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 11, .previous = 10, .more = true,
         .events = "11:a:2 12:a:3");
    expect_view(&copy, MIRROR_IN_STEP, 10, 2);
    expect(&copy, "a", 1, 3);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 11, .previous = 12, .more = true,
         .events = "12:b:8");
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 12, .previous = 12, .events = "12:c:1");
    expect_view(&copy, MIRROR_IN_STEP, 12, 3);
    cr_expect_str_eq(told.text, "11 a@1->2|12 a@2->3;12 b@7->8;12 c@-1->1|");
    mirror_copy_fini(&copy);
}

static void begin_again(struct mirror_copy *copy, uint64_t revision)
{
    Confreg__V1__WatchRequest request = CONFREG__V1__WATCH_REQUEST__INIT;
    mirror_copy_begin(copy, &wanted, &request);
    cr_assert_eq(request.include_snapshot, revision == 0);
    if (revision != 0) {
        cr_assert_not_null(request.resume_after);
        cr_expect_eq(request.resume_after->revision, revision);
        cr_expect_eq(request.resume_after->chain_hash, revision * 1000);
        cr_expect_str_eq(request.resume_after->epoch, EPOCH);
    }
}

Test(copy, a_lost_connection_goes_on_where_it_was)
{
    struct mirror_copy copy;
    load(&copy);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 11, .previous = 10, .more = true,
         .events = "11:a:2 12:a:3");
    end(&copy, STATUS_UNAVAILABLE);
    expect_view(&copy, MIRROR_STALE, 10, 2);
    begin_again(&copy, 10);
    TAKE(&copy, .kind = KIND(STARTED), .revision = 10);
    expect_view(&copy, MIRROR_STALE, 10, 2);
    cr_expect(mirror_copy_wants_target(&copy));
    mirror_copy_target(&copy, 12);
    expect_view(&copy, MIRROR_STALE, 10, 2);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 11, .events = "11:a:2");
    expect_view(&copy, MIRROR_STALE, 11, 2);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 12, .previous = 11, .events = "12:a:3");
    expect_view(&copy, MIRROR_IN_STEP, 12, 2);
    cr_expect_str_eq(told.text, "11 a@1->2|12 a@2->3|");
    mirror_copy_fini(&copy);
}

Test(copy, events_before_the_target_count)
{
    struct mirror_copy copy;
    load(&copy);
    end(&copy, STATUS_UNAVAILABLE);
    begin_again(&copy, 10);
    TAKE(&copy, .kind = KIND(STARTED), .revision = 10);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 12, .events = "12:a:2");
    expect_view(&copy, MIRROR_STALE, 12, 2);
    size_t before = told.n_calls;
    mirror_copy_target(&copy, 11);
    expect_view(&copy, MIRROR_IN_STEP, 12, 2);
    cr_expect_eq(told.n_calls, before + 1);
    cr_expect_not(mirror_copy_wants_target(&copy));
    mirror_copy_fini(&copy);
}

Test(copy, a_copy_at_the_target_is_in_step)
{
    struct mirror_copy copy;
    load(&copy);
    end(&copy, STATUS_UNAVAILABLE);
    begin_again(&copy, 10);
    TAKE(&copy, .kind = KIND(STARTED), .revision = 10);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 12, .events = "12:a:2");
    mirror_copy_target(&copy, 13);
    expect_view(&copy, MIRROR_STALE, 12, 2);
    mirror_copy_target(&copy, 12);
    expect_view(&copy, MIRROR_IN_STEP, 12, 2);
    mirror_copy_fini(&copy);
}

/* The position at the start of a stream may come without its hash: the known one is kept. */
Test(copy, two_connections_lost_in_a_row)
{
    struct mirror_copy copy;
    load(&copy);
    end(&copy, STATUS_UNAVAILABLE);
    begin_again(&copy, 10);
    TAKE(&copy, .kind = KIND(STARTED), .revision = 10);
    end(&copy, STATUS_UNAVAILABLE);
    begin_again(&copy, 10);
    mirror_copy_fini(&copy);
}

Test(copy, lost_positions_take_a_snapshot)
{
    static const enum status_code codes[] = {STATUS_FAILED_PRECONDITION, STATUS_OUT_OF_RANGE};
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        struct mirror_copy copy;
        load(&copy);
        end(&copy, codes[i]);
        expect_view(&copy, MIRROR_STALE, 10, 2);
        begin_again(&copy, 0);
        mirror_copy_fini(&copy);
    }
}

Test(copy, another_log_replaces_everything_at_once)
{
    struct mirror_copy copy;
    load(&copy);
    end(&copy, STATUS_FAILED_PRECONDITION);
    begin_again(&copy, 0);
    TAKE(&copy, .kind = KIND(SNAPSHOT), .epoch = OTHER_EPOCH, .configs = "b:2:2 d:1:1");
    expect_view(&copy, MIRROR_STALE, 10, 2);
    expect(&copy, "a", 1, 3);
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .epoch = OTHER_EPOCH, .revision = 4);
    expect_view(&copy, MIRROR_IN_STEP, 4, 2);
    expect(&copy, "b", 2, 2);
    expect(&copy, "d", 1, 1);
    cr_expect_null(mirror_table_find(&copy.table, "prod", "a"));
    cr_expect_str_eq(copy.view.epoch, OTHER_EPOCH);
    cr_expect_eq(copy.view.resets, 1);
    cr_expect_not_null(strstr(told.text, "~4 a@1->0;"), "%s", told.text);
    cr_expect_not_null(strstr(told.text, "~2 b@7->2;"), "%s", told.text);
    cr_expect_not_null(strstr(told.text, "~1 d@-1->1;"), "%s", told.text);
    mirror_copy_fini(&copy);
}

/* ---- Rights ---- */

static void refuse(struct mirror_copy *copy, const struct said *said)
{
    struct status st;
    cr_assert_not(take(copy, said, &st));
    cr_expect_str_eq(st.reason, "RIGHTS_CHANGED");
    mirror_copy_end(copy, &st, false);
}

Test(copy, wider_rights_bring_what_could_not_be_read)
{
    struct mirror_copy copy;
    start(&copy);
    TAKE(&copy, .kind = KIND(SNAPSHOT), .filtered = true, .configs = "a:1:3");
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .filtered = true, .revision = 10);
    refuse(&copy, &(const struct said){.kind = KIND(PROGRESS), .revision = 12, .previous = 10});
    expect_view(&copy, MIRROR_STALE, 10, 1);
    begin_again(&copy, 0);
    TAKE(&copy, .kind = KIND(SNAPSHOT), .configs = "a:1:3 b:7:10");
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .revision = 12);
    expect_view(&copy, MIRROR_IN_STEP, 12, 2);
    cr_expect_str_eq(told.text, "~10 b@-1->7;");
    mirror_copy_fini(&copy);
}

/* The rights have changed while no stream was open. */
Test(copy, narrower_rights_take_away_what_cannot_be_read_any_more)
{
    struct mirror_copy copy;
    load(&copy);
    end(&copy, STATUS_UNAVAILABLE);
    begin_again(&copy, 10);
    refuse(&copy, &(const struct said){.kind = KIND(STARTED), .filtered = true, .revision = 10});
    begin_again(&copy, 0);
    TAKE(&copy, .kind = KIND(STARTED), .filtered = true);
    TAKE(&copy, .kind = KIND(SNAPSHOT), .filtered = true, .configs = "a:1:3");
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .filtered = true, .revision = 10);
    expect_view(&copy, MIRROR_IN_STEP, 10, 1);
    TAKE(&copy, .kind = KIND(EVENTS), .filtered = true, .revision = 11, .previous = 10,
         .events = "11:a:2");
    mirror_copy_fini(&copy);
}

Test(copy, rights_that_change_within_a_snapshot)
{
    struct mirror_copy copy;
    start(&copy);
    TAKE(&copy, .kind = KIND(SNAPSHOT), .filtered = true, .configs = "a:1:3");
    refuse(&copy, &(const struct said){.kind = KIND(SNAPSHOT_END), .revision = 10});
    begin_again(&copy, 0);
    mirror_copy_fini(&copy);
}

Test(copy, what_a_snapshot_confirms_keeps_what_is_attached)
{
    struct mirror_copy copy;
    static int a;
    load(&copy);
    mirror_attach(mirror_table_find(&copy.table, "prod", "a"), &a);
    mirror_attach(mirror_table_find(&copy.table, "prod", "b"), &a);
    end(&copy, STATUS_OUT_OF_RANGE);
    begin_again(&copy, 0);
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .revision = 30, .configs = "a:1:3 b:8:25");
    cr_expect_eq(mirror_attachment(mirror_table_find(&copy.table, "prod", "a")), &a);
    cr_expect_null(mirror_attachment(mirror_table_find(&copy.table, "prod", "b")));
    cr_expect_eq(told.n_freed, 1);
    cr_expect_str_eq(told.text, "~25 b@7->8;");
    mirror_copy_fini(&copy);
    cr_expect_eq(told.n_freed, 2);
}

/* The same revision of another log says nothing about what is in it. */
Test(copy, the_same_revision_in_another_epoch_is_another_config)
{
    struct mirror_copy copy;
    static int a;
    load(&copy);
    mirror_attach(mirror_table_find(&copy.table, "prod", "a"), &a);
    end(&copy, STATUS_FAILED_PRECONDITION);
    begin_again(&copy, 0);
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .epoch = OTHER_EPOCH, .revision = 10,
         .configs = "a:1:3 b:7:10");
    cr_expect_null(mirror_attachment(mirror_table_find(&copy.table, "prod", "a")));
    mirror_copy_fini(&copy);
}

/* ---- Silence ---- */

Test(copy, a_silent_watch_is_not_in_step_until_it_is_heard_again)
{
    struct mirror_copy copy;
    struct mirror_view view;
    load(&copy);
    mirror_copy_silent(&copy, clock_monotonic_ns() - INT64_C(7000000000));
    expect_view(&copy, MIRROR_STALE, 10, 2);
    cr_expect_eq(told.n_calls, 1);
    mirror_copy_view(&copy, &view);
    cr_expect(view.age_ms >= 7000, "%d ms", (int)view.age_ms);
    cr_expect_not(mirror_copy_wants_target(&copy));
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 10, .previous = 10, .more = true,
         .events = "11:a:2");
    expect_view(&copy, MIRROR_STALE, 10, 2);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 11, .previous = 11, .events = "11:b:8");
    expect_view(&copy, MIRROR_IN_STEP, 11, 2);
    mirror_copy_silent(&copy, clock_monotonic_ns());
    TAKE(&copy, .kind = KIND(PROGRESS), .revision = 11, .previous = 11);
    expect_view(&copy, MIRROR_IN_STEP, 11, 2);
    cr_expect_eq(told.n_calls, 4);
    mirror_copy_fini(&copy);
}

/* Silence does not change a copy that waits for its snapshot or its target. */
Test(copy, silence_of_what_is_not_in_step)
{
    struct mirror_copy copy;
    start(&copy);
    mirror_copy_silent(&copy, clock_monotonic_ns());
    expect_view(&copy, MIRROR_LOADING, 0, 0);
    mirror_copy_fini(&copy);
    load(&copy);
    end(&copy, STATUS_UNAVAILABLE);
    begin_again(&copy, 10);
    mirror_copy_silent(&copy, clock_monotonic_ns());
    TAKE(&copy, .kind = KIND(STARTED), .revision = 10);
    expect_view(&copy, MIRROR_STALE, 10, 2);
    cr_expect(mirror_copy_wants_target(&copy));
    mirror_copy_fini(&copy);
}

/* ---- What is absent ---- */

static void note(struct mirror_copy *copy, const char *service, uint64_t revision,
                 uint64_t mod_revision)
{
    mirror_copy_note_absent(copy, &(const struct mirror_absence){.epoch = EPOCH,
                                                                 .revision = revision,
                                                                 .environment = "prod",
                                                                 .service_name = service,
                                                                 .mod_revision = mod_revision});
}

/* mod_revision UINT64_MAX: the copy must not know the config. */
static void expect_found(const struct mirror_copy *copy, const char *service, uint64_t version,
                         uint64_t mod_revision)
{
    const struct mirror_config *found = mirror_copy_find(copy, "prod", service);
    cr_assert_eq(found == NULL, mod_revision == UINT64_MAX, "%s", service);
    if (found != NULL) {
        cr_expect_eq(found->version, version, "%s: version %d", service, (int)found->version);
        cr_expect_eq(found->mod_revision, mod_revision, "%s: %d", service,
                     (int)found->mod_revision);
    }
}

Test(copy, what_is_absent_is_a_tombstone_until_it_comes)
{
    struct mirror_copy copy;
    load(&copy);
    note(&copy, "c", 10, 4);
    expect_found(&copy, "c", 0, 4);
    expect_view(&copy, MIRROR_IN_STEP, 10, 2);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 12, .previous = 10, .events = "12:c:1");
    expect_found(&copy, "c", 1, 12);
    expect_view(&copy, MIRROR_IN_STEP, 12, 3);
    cr_expect_str_eq(told.text, "12 c@-1->1|");
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 13, .previous = 12, .events = "13:c:0");
    expect_found(&copy, "c", 0, 13);
    note(&copy, "c", 13, 4);
    expect_found(&copy, "c", 0, 13);
    mirror_copy_fini(&copy);
}

/* The copy covers revisions 10 (its snapshot) to 12. An absence is noted if its interval
 * [mod_revision, revision] overlaps that. */
Test(copy, an_absence_is_noted_where_it_holds_now)
{
    static const struct {
        const char *service;
        uint64_t revision, mod_revision, found;
    } cases[] = {
        {"c", 9, 0, UINT64_MAX},   {"d", 10, 0, 0},   {"e", 12, 12, 12},
        {"f", 99, 13, UINT64_MAX}, {"g", 99, 12, 12}, {"a", 12, 5, 3},
    };
    struct mirror_copy copy;
    load(&copy);
    TAKE(&copy, .kind = KIND(PROGRESS), .revision = 12, .previous = 10);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        note(&copy, cases[i].service, cases[i].revision, cases[i].mod_revision);
        expect_found(&copy, cases[i].service, cases[i].service[0] == 'a', cases[i].found);
    }
    mirror_copy_note_absent(&copy, &(const struct mirror_absence){.epoch = OTHER_EPOCH,
                                                                  .revision = 12,
                                                                  .environment = "prod",
                                                                  .service_name = "h"});
    expect_found(&copy, "h", 0, UINT64_MAX);
    mirror_copy_fini(&copy);
}

/* Noted tombstones are not part of the comparison of copies. */
Test(copy, a_snapshot_forgets_what_was_noted)
{
    struct mirror_copy copy;
    load(&copy);
    note(&copy, "c", 10, 4);
    note(&copy, "d", 10, 0);
    end(&copy, STATUS_OUT_OF_RANGE);
    begin_again(&copy, 0);
    note(&copy, "e", 10, 0);
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .revision = 12, .configs = "a:1:3 b:7:10 d:1:12");
    cr_expect_str_eq(told.text, "~12 d@-1->1;");
    expect_found(&copy, "c", 0, UINT64_MAX);
    expect_found(&copy, "d", 1, 12);
    expect_found(&copy, "e", 0, UINT64_MAX);
    note(&copy, "c", 11, 4);
    expect_found(&copy, "c", 0, UINT64_MAX);
    note(&copy, "c", 12, 4);
    expect_found(&copy, "c", 0, 4);
    mirror_copy_fini(&copy);
}

/* ---- What goes wrong ---- */

Test(copy, a_missed_message_is_noticed)
{
    static const struct said wrong[] = {
        {.kind = KIND(EVENTS), .revision = 13, .previous = 12, .events = "13:a:2"},
        {.kind = KIND(EVENTS), .revision = 13, .previous = 0, .events = "13:a:2"},
        {.kind = KIND(PROGRESS), .revision = 13, .previous = 11},
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct mirror_copy copy;
        struct status st;
        load(&copy);
        cr_expect_not(take(&copy, &wrong[i], &st));
        cr_expect_str_eq(st.reason, "MESSAGE_MISSED");
        expect(&copy, "a", 1, 3);
        end(&copy, STATUS_DATA_LOSS);
        begin_again(&copy, 0);
        mirror_copy_fini(&copy);
    }
}

Test(copy, a_snapshot_that_breaks_off_leaves_the_copy)
{
    struct mirror_copy copy;
    load(&copy);
    end(&copy, STATUS_OUT_OF_RANGE);
    begin_again(&copy, 0);
    TAKE(&copy, .kind = KIND(SNAPSHOT), .configs = "z:1:11");
    end(&copy, STATUS_UNAVAILABLE);
    expect_view(&copy, MIRROR_STALE, 10, 2);
    begin_again(&copy, 0);
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .revision = 12, .configs = "a:1:3 b:7:10");
    cr_expect_null(mirror_table_find(&copy.table, "prod", "z"));
    mirror_copy_fini(&copy);
}

/* A progress mark passes revisions that select nothing. */
Test(copy, progress_brings_a_selection_in_step)
{
    struct mirror_copy copy;
    load(&copy);
    end(&copy, STATUS_UNAVAILABLE);
    begin_again(&copy, 10);
    TAKE(&copy, .kind = KIND(STARTED), .revision = 10);
    mirror_copy_target(&copy, 15);
    expect_view(&copy, MIRROR_STALE, 10, 2);
    TAKE(&copy, .kind = KIND(PROGRESS), .revision = 15);
    expect_view(&copy, MIRROR_IN_STEP, 15, 2);
    mirror_copy_fini(&copy);
}

Test(copy, a_reference_outlives_the_copy)
{
    struct mirror_copy copy;
    load(&copy);
    struct mirror_config *kept = mirror_config_ref(mirror_table_find(&copy.table, "prod", "a"));
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 11, .previous = 10, .events = "11:a:2");
    mirror_copy_fini(&copy);
    cr_expect_eq(kept->version, 1);
    cr_expect_str_eq(kept->data, "{}");
    mirror_config_unref(kept);
}

Test(copy, the_first_to_attach_wins)
{
    static int one, two;
    struct mirror_copy copy;
    load(&copy);
    struct mirror_config *a = mirror_table_find(&copy.table, "prod", "a");
    cr_expect_null(mirror_attachment(a));
    cr_expect_eq(mirror_attach(a, &one), &one);
    cr_expect_eq(mirror_attach(a, &two), &one);
    cr_expect_eq(mirror_attachment(a), &one);
    cr_expect_eq(told.n_freed, 1);
    mirror_copy_fini(&copy);
}

/* ---- Other selections ---- */

static void select_services(const char *a, const char *b, uint64_t number)
{
    const struct mirror_selector selectors[] = {{NULL, a, NULL}, {NULL, b, NULL}};
    mirror_selection_fini(&wanted);
    mirror_selection_init(&wanted, selectors, b == NULL ? 1 : 2, number);
}

static void begin_for(struct mirror_copy *copy, enum mirror_stream stream, const char *services)
{
    Confreg__V1__WatchRequest request = CONFREG__V1__WATCH_REQUEST__INIT;
    char found[64] = "";
    mirror_copy_begin(copy, &wanted, &request);
    cr_assert_eq(copy->stream, stream, "stream %d", copy->stream);
    cr_expect_eq(request.include_snapshot, stream != MIRROR_STREAM_CHANGES);
    cr_expect_eq(request.resume_after == NULL, stream != MIRROR_STREAM_CHANGES);
    for (size_t i = 0; i < request.n_selectors; i++) {
        strcat(found, request.selectors[i]->service_name);
    }
    cr_expect_str_eq(found, services);
}

/* A copy of a alone, at version 1, as of revision 10; then b is selected, too. */
static void load_one_and_select(struct mirror_copy *copy)
{
    select_services("a", NULL, 1);
    start(copy);
    TAKE(copy, .kind = KIND(SNAPSHOT), .configs = "a:1:3");
    TAKE(copy, .kind = KIND(SNAPSHOT_END), .revision = 10);
    cr_expect(mirror_copy_is_settled(copy));
    cr_expect_eq(copy->view.selection, 1);
    cr_expect_not(mirror_copy_lacks(copy, &wanted));
    select_services("a", "b", 2);
    cr_expect(mirror_copy_lacks(copy, &wanted));
}

static void finish(struct mirror_copy *copy)
{
    mirror_copy_fini(copy);
    mirror_selection_fini(&wanted);
}

Test(copy, an_addition_appears_when_the_copy_reaches_it)
{
    struct mirror_copy copy;
    load_one_and_select(&copy);
    cr_expect(mirror_copy_end(&copy, NULL, true));
    expect_view(&copy, MIRROR_IN_STEP, 10, 1);
    begin_for(&copy, MIRROR_STREAM_ADDITION, "b");
    TAKE(&copy, .kind = KIND(STARTED));
    TAKE(&copy, .kind = KIND(SNAPSHOT), .configs = "b:7:12");
    cr_expect_not(mirror_copy_has_served(&copy));
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .revision = 15);
    cr_expect(mirror_copy_has_served(&copy));
    expect_view(&copy, MIRROR_IN_STEP, 10, 1);
    cr_expect(mirror_copy_end(&copy, NULL, false));

    begin_for(&copy, MIRROR_STREAM_CHANGES, "ab");
    TAKE(&copy, .kind = KIND(STARTED), .revision = 10);
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 12, .events = "11:b:6 12:a:2 12:b:7");
    expect_view(&copy, MIRROR_IN_STEP, 12, 1);
    cr_expect_eq(copy.view.selection, 1);
    cr_expect_not(mirror_copy_is_settled(&copy));
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 16, .previous = 12, .events = "16:b:8");
    expect_view(&copy, MIRROR_IN_STEP, 16, 2);
    expect(&copy, "a", 2, 12);
    expect(&copy, "b", 8, 16);
    cr_expect_eq(copy.view.selection, 2);
    cr_expect(mirror_copy_is_settled(&copy));
    cr_expect_str_eq(told.text, "12 a@1->2|16 b@7->8|");
    finish(&copy);
}

Test(copy, a_progress_mark_shows_an_addition)
{
    struct mirror_copy copy;
    load_one_and_select(&copy);
    mirror_copy_end(&copy, NULL, true);
    begin_for(&copy, MIRROR_STREAM_ADDITION, "b");
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .revision = 15);
    mirror_copy_end(&copy, NULL, false);
    begin_for(&copy, MIRROR_STREAM_CHANGES, "ab");
    TAKE(&copy, .kind = KIND(STARTED), .revision = 10);
    cr_expect_eq(copy.view.selection, 1);
    TAKE(&copy, .kind = KIND(PROGRESS), .revision = 15);
    cr_expect_eq(copy.view.selection, 2, "there is no b, and that is known");
    finish(&copy);
}

/* Load b, which the caller may read in part, beside a, which he may read. */
static void add_filtered(struct mirror_copy *copy)
{
    load_one_and_select(copy);
    mirror_copy_end(copy, NULL, true);
    begin_for(copy, MIRROR_STREAM_ADDITION, "b");
    TAKE(copy, .kind = KIND(STARTED), .filtered = true);
    TAKE(copy, .kind = KIND(SNAPSHOT_END), .filtered = true, .revision = 15);
    mirror_copy_end(copy, NULL, false);
    begin_for(copy, MIRROR_STREAM_CHANGES, "ab");
}

Test(copy, an_addition_that_may_be_read_in_part)
{
    struct mirror_copy copy;
    add_filtered(&copy);
    TAKE(&copy, .kind = KIND(STARTED), .filtered = true, .revision = 10);
    TAKE(&copy, .kind = KIND(PROGRESS), .filtered = true, .revision = 15);
    cr_expect_eq(copy.view.selection, 2);
    TAKE(&copy, .kind = KIND(PROGRESS), .filtered = true, .revision = 16);
    refuse(&copy, &(const struct said){.kind = KIND(PROGRESS), .revision = 17});
    begin_for(&copy, MIRROR_STREAM_WHOLE, "ab");
    finish(&copy);
}

Test(copy, an_addition_that_may_be_read_before_the_copy_has_it)
{
    struct mirror_copy copy;
    add_filtered(&copy);
    refuse(&copy, &(const struct said){.kind = KIND(STARTED), .revision = 10});
    begin_for(&copy, MIRROR_STREAM_WHOLE, "ab");
    finish(&copy);
}

/* Of an empty registry everything is as of revision 0. */
Test(copy, an_addition_of_nothing)
{
    struct mirror_copy copy;
    select_services("a", NULL, 1);
    start(&copy);
    TAKE(&copy, .kind = KIND(SNAPSHOT_END));
    select_services("a", "b", 2);
    mirror_copy_end(&copy, NULL, true);
    begin_for(&copy, MIRROR_STREAM_ADDITION, "b");
    TAKE(&copy, .kind = KIND(SNAPSHOT_END));
    cr_expect(mirror_copy_has_served(&copy));
    mirror_copy_end(&copy, NULL, false);
    begin_for(&copy, MIRROR_STREAM_CHANGES, "ab");
    TAKE(&copy, .kind = KIND(STARTED));
    cr_expect_eq(copy.view.selection, 2);
    finish(&copy);
}

/* A config of both selections stays as the table has it, so that no change of it is missed. */
Test(copy, an_addition_leaves_alone_what_is_there)
{
    const struct mirror_selector both[] = {{NULL, "a", NULL}, {"prod", NULL, NULL}};
    struct mirror_copy copy;
    load_one_and_select(&copy);
    mirror_selection_fini(&wanted);
    mirror_selection_init(&wanted, both, 2, 2);
    mirror_copy_end(&copy, NULL, true);
    begin_for(&copy, MIRROR_STREAM_ADDITION, "");
    TAKE(&copy, .kind = KIND(SNAPSHOT), .configs = "a:2:12 b:7:9");
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .revision = 15);
    mirror_copy_end(&copy, NULL, false);
    begin_for(&copy, MIRROR_STREAM_CHANGES, "a");
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 20, .events = "12:a:2");
    expect(&copy, "b", 7, 9);
    cr_expect_str_eq(told.text, "12 a@1->2|");
    finish(&copy);
}

Test(copy, an_addition_from_elsewhere)
{
    struct mirror_copy copy;
    load_one_and_select(&copy);
    mirror_copy_end(&copy, NULL, true);
    begin_for(&copy, MIRROR_STREAM_ADDITION, "b");
    TAKE(&copy, .kind = KIND(SNAPSHOT), .configs = "b:7:9");
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .revision = 9);
    cr_expect_not(mirror_copy_end(&copy, NULL, false), "a server that lags is asked again later");
    begin_for(&copy, MIRROR_STREAM_ADDITION, "b");
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .epoch = OTHER_EPOCH, .revision = 20);
    cr_expect_not(mirror_copy_end(&copy, NULL, false));
    begin_for(&copy, MIRROR_STREAM_WHOLE, "ab");
    TAKE(&copy, .kind = KIND(SNAPSHOT), .epoch = OTHER_EPOCH, .configs = "b:1:1");
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .epoch = OTHER_EPOCH, .revision = 2);
    expect_view(&copy, MIRROR_IN_STEP, 2, 1);
    cr_expect_eq(copy.view.selection, 2);
    finish(&copy);
}

Test(copy, a_refused_addition_keeps_the_rest)
{
    struct status st;
    struct mirror_copy copy;
    load_one_and_select(&copy);
    mirror_copy_end(&copy, NULL, true);
    begin_for(&copy, MIRROR_STREAM_ADDITION, "b");
    status_set(&st, STATUS_PERMISSION_DENIED, "", "no");
    cr_expect(mirror_copy_end(&copy, &st, false));
    expect_view(&copy, MIRROR_IN_STEP, 10, 1);
    begin_for(&copy, MIRROR_STREAM_CHANGES, "a");
    TAKE(&copy, .kind = KIND(EVENTS), .revision = 11, .events = "11:a:2");
    cr_expect_str_eq(told.text, "11 a@1->2|");
    cr_expect_not(mirror_copy_lacks(&copy, &wanted));
    end(&copy, STATUS_UNAVAILABLE);
    cr_expect(mirror_copy_lacks(&copy, &wanted), "it is asked for again on a new connection");
    finish(&copy);
}

Test(copy, what_is_not_selected_any_more_goes)
{
    struct mirror_copy copy;
    select_services("a", "b", 1);
    load(&copy);
    select_services("b", "c", 2);
    mirror_copy_end(&copy, NULL, true);
    begin_for(&copy, MIRROR_STREAM_ADDITION, "c");
    TAKE(&copy, .kind = KIND(SNAPSHOT), .configs = "c:1:9");
    TAKE(&copy, .kind = KIND(SNAPSHOT_END), .revision = 10);
    mirror_copy_end(&copy, NULL, false);
    begin_for(&copy, MIRROR_STREAM_CHANGES, "bc");
    cr_expect_null(mirror_table_find(&copy.table, "prod", "a"));
    TAKE(&copy, .kind = KIND(STARTED), .revision = 10);
    expect_view(&copy, MIRROR_IN_STEP, 10, 2);
    cr_expect_str_eq(told.text, "");
    finish(&copy);
}

Test(copy, a_selection_that_is_there_already)
{
    struct mirror_copy copy;
    select_services("a", "b", 1);
    load(&copy);
    select_services("b", NULL, 2);
    cr_expect(mirror_copy_lacks(&copy, &wanted));
    mirror_copy_end(&copy, NULL, true);
    begin_for(&copy, MIRROR_STREAM_CHANGES, "b");
    cr_expect_eq(copy.view.selection, 2);
    cr_expect_not(mirror_copy_lacks(&copy, &wanted));
    expect_view(&copy, MIRROR_IN_STEP, 10, 1);
    finish(&copy);
}
