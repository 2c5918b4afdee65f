/* The change log, GET /api/commits, and several changes in one commit, POST /api/commits. */
#include <inttypes.h>
#include <string.h>

#include "changes.h"
#include "clock.h"
#include "config_answers.h"
#include "config_counts.h"
#include "config_handlers.h"
#include "errors.h"
#include "payload.h"
#include "render.h"
#include "texts.h"
#include "when.h"
#include "write_options.h"

#define KIND(name) CONFREG__V1__CHANGE_KIND__CHANGE_KIND_##name
#define VIEW(name) CONFREG__V1__COMMIT_VIEW__COMMIT_VIEW_##name

/* A word of a parameter, and the value of the gRPC interface that it stands for. */
struct word {
    const char *text;
    int value;
};

static const struct word kinds[] = {{"create", KIND(CREATE)},     {"update", KIND(UPDATE)},
                                    {"rollback", KIND(ROLLBACK)}, {"delete", KIND(DELETE)},
                                    {"undelete", KIND(UNDELETE)}, {"erase", KIND(ERASE)},
                                    {"import", KIND(IMPORT)},     {"compact", KIND(COMPACT)}};
static const struct word views[] = {
    {"facts", VIEW(UNSPECIFIED)}, {"payloads", VIEW(PAYLOADS)}, {"diff", VIEW(DIFF)}};
static const struct word orders[] = {{"desc", false}, {"asc", true}};

/* ---- The query of the log ---- */

/* The message, and what it points to. */
struct commits_query {
    Confreg__V1__ListCommitsRequest message;
    Confreg__V1__ChangeKind kinds[COUNT_OF(kinds)];
    Google__Protobuf__Timestamp start_time, end_time;
    Confreg__V1__ReadOptions read;
};

static void refuse_word(struct invalid *invalid, const char *name, const struct word *words,
                        size_t n)
{
    AUTO_STR message = {0};
    str_add_text(&message, "Input should be one of ");
    for (size_t i = 0; i < n; i++) {
        str_addf(&message, "%s%s", i == 0 ? "" : ", ", words[i].text);
    }
    invalid_add(invalid, "query", name, FAULT_WORD, message.data);
}

/* The value of a word; -1: it is none of them. */
static int word_value(const struct word *words, size_t n, const char *given, size_t n_given)
{
    for (size_t i = 0; i < n; i++) {
        if (strlen(words[i].text) == n_given && memcmp(words[i].text, given, n_given) == 0) {
            return words[i].value;
        }
    }
    return -1;
}

/* The value of a parameter that is one word; 0 if it is not given. */
static int take_word(const char *name, const char *given, const struct word *words, size_t n,
                     struct invalid *invalid)
{
    int value = given == NULL ? 0 : word_value(words, n, given, strlen(given));
    if (value < 0) {
        refuse_word(invalid, name, words, n);
    }
    return value;
}

static void take_kinds(struct commits_query *query, const char *given, struct invalid *invalid)
{
    size_t n;
    for (const char *at = given == NULL ? "" : given; *at != '\0'; at += n + (at[n] == ',')) {
        n = strcspn(at, ",");
        int kind = word_value(kinds, COUNT_OF(kinds), at, n);
        if (kind < 0 || query->message.n_kinds == COUNT_OF(kinds)) {
            refuse_word(invalid, "kind", kinds, COUNT_OF(kinds));
            return;
        }
        query->kinds[query->message.n_kinds++] = (Confreg__V1__ChangeKind)kind;
    }
    query->message.kinds = query->kinds;
}

static void take_time(const char *name, const char *given, Google__Protobuf__Timestamp *time,
                      Google__Protobuf__Timestamp **ret, struct invalid *invalid)
{
    int64_t us;
    if (given == NULL) {
        return;
    }
    if (!when_parse(given, clock_wall_us(), &us)) {
        invalid_add(invalid, "query", name, FAULT_TIME,
                    "Input should be a time such as 2026-01-31T09:18:40Z, or how long ago such as "
                    "-1h or -7d");
        return;
    }
    int64_t seconds = us / 1000000 - (us % 1000000 < 0);
    google__protobuf__timestamp__init(time);
    time->seconds = seconds;
    time->nanos = (int32_t)(us - seconds * 1000000) * 1000;
    *ret = time;
}

static void take_query(struct request *r, struct commits_query *query, struct invalid *invalid)
{
    const struct parameters *p = &r->parameters;
    Confreg__V1__ListCommitsRequest *m = &query->message;
    confreg__v1__list_commits_request__init(m);
    m->environment = registry_text(p->environment);
    m->service_name = registry_text(p->service_filter);
    m->service_name_prefix = registry_text(p->prefix_filter);
    m->actor = registry_text(p->actor);
    m->credential = registry_text(p->credential);
    m->created_by = registry_text(p->created_by);
    m->json_pointer = registry_text(p->pointer);
    take_kinds(query, p->kind, invalid);
    take_time("since", p->since, &query->start_time, &m->start_time, invalid);
    take_time("until", p->until, &query->end_time, &m->end_time, invalid);
    m->start_revision = config_request_revision("from_revision", &p->from_revision, invalid);
    m->end_revision = config_request_revision("to_revision", &p->to_revision, invalid);
    m->oldest_first = take_word("order", p->order, orders, COUNT_OF(orders), invalid) > 0;
    m->view = (Confreg__V1__CommitView)take_word("view", p->view, views, COUNT_OF(views), invalid);
    m->page_size = config_request_limit(&p->limit, invalid);
    m->page_token = registry_text(p->page);
    confreg__v1__read_options__init(&query->read);
    m->read = config_answer_read_options(r, &query->read);
}

/* ---- Commits ---- */

static const char *kind_text(Confreg__V1__ChangeKind kind)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (kinds[i].value == (int)kind) {
            return kinds[i].text;
        }
    }
    return "unknown";
}

static const char *state_text(Confreg__V1__PayloadState state)
{
    return state == CONFREG__V1__PAYLOAD_STATE__PAYLOAD_STATE_ERASED      ? "erased"
           : state == CONFREG__V1__PAYLOAD_STATE__PAYLOAD_STATE_COMPACTED ? "compacted"
                                                                          : "omitted";
}

/* "old": {…}, or "old": null and why it is not there. */
static void add_payload(struct str *out, const char *name, const Confreg__V1__Config *config)
{
    struct json_text data = payload_of_config(config);
    str_addf(out, ",\"%s\":", name);
    if (data.len > 0) {
        str_add(out, data.data, data.len);
    } else {
        str_addf(out, "null,\"%s_state\":\"%s\"", name, state_text(config->payload_state));
    }
}

static void add_change(struct str *out, const Confreg__V1__Event *change)
{
    str_add_char(out, '{');
    render_environment(out, change->environment);
    json_add_text(out, ",\"service_name\":", change->service_name);
    str_addf(out,
             ",\"kind\":\"%s\",\"version\":%" PRIu64 ",\"previous_version\":%" PRIu64
             ",\"head_version\":%" PRIu64,
             kind_text(change->kind), change->version, change->previous_version,
             change->head_version);
    if (change->resource == CONFREG__V1__RESOURCE_KIND__RESOURCE_KIND_SCHEMA) {
        str_add_text(out, ",\"resource\":\"schema\"");
    }
    if (change->source_environment[0] != '\0') {
        json_add_text(out, ",\"source_environment\":", change->source_environment);
        str_addf(out, ",\"source_version\":%" PRIu64, change->source_version);
    }
    if (change->previous != NULL) {
        add_payload(out, "old", change->previous);
    }
    if (change->config != NULL) {
        add_payload(out, "new", change->config);
    }
    if (change->diff != NULL) {
        str_add_text(out, ",\"diff\":");
        render_diff_and_patch(out, change->diff);
    }
    str_add_char(out, '}');
}

static void add_commit(struct str *out, const Confreg__V1__Commit *commit)
{
    char time[CLOCK_TEXT_SIZE];
    int64_t us = commit->commit_time == NULL
                     ? 0
                     : commit->commit_time->seconds * 1000000 + commit->commit_time->nanos / 1000;
    clock_format(us, time);
    str_addf(out, "{\"revision\":%" PRIu64 ",\"timestamp\":\"%s\"", commit->revision, time);
    json_add_text(out, ",\"actor\":", commit->actor);
    json_add_text(out, ",\"credential\":", commit->credential);
    json_add_text(out, ",\"method\":", commit->method);
    json_add_text(out, ",\"created_by\":",
                  texts_author(texts_author_named(commit->created_by, commit->created_by_empty)));
    json_add_text(out, ",\"comment\":", commit->comment);
    json_add_text(out, ",\"request_id\":", commit->request_id);
    json_add_text(out, ",\"peer\":", commit->peer);
    str_addf(out, ",\"change_count\":%" PRIu32 ",\"changes\":[", commit->change_count);
    for (size_t i = 0; i < commit->n_changes; i++) {
        str_add_text(out, i == 0 ? "" : ",");
        add_change(out, commit->changes[i]);
    }
    str_add_text(out, commit->more ? "],\"more\":true}" : "]}");
}

/* ---- GET ---- */

static void show_commits(struct request *r, const ProtobufCMessage *message,
                         const struct status *st)
{
    const Confreg__V1__ListCommitsResponse *page = (const void *)message;
    if (!config_answer_begin_page(r, page == NULL ? NULL : page->header, st, "commits")) {
        return;
    }
    config_answer_note_filtered(r, page->filtered);
    struct str *out = &r->response.body;
    for (size_t i = 0; i < page->n_commits; i++) {
        str_add_text(out, i == 0 ? "" : ",");
        add_commit(out, page->commits[i]);
    }
    config_answer_end_page(r, page->next_page_token);
}

void handle_commits(struct request *r)
{
    struct commits_query query = {.end_time = {.nanos = 0}};
    struct invalid invalid = {0};
    take_query(r, &query, &invalid);
    config_request_read(r, &invalid, REGISTRY_LIST_COMMITS, &query.message.base, show_commits);
}

/* ---- POST ---- */

static void count_change(struct counters *counters, const Confreg__V1__Event *change)
{
    switch (change->kind) {
    case KIND(CREATE):
    case KIND(UNDELETE):
        counters->configs_created++;
        break;
    case KIND(DELETE):
    case KIND(ERASE):
        counters->configs_deleted++;
        break;
    default:
        counters->configs_updated++;
        break;
    }
}

/* The position is the answer's X-Config-Revision, to be passed on as X-Config-Min-Revision. */
static void answer_committed(struct request *r, unsigned status,
                             const Confreg__V1__CommitChangesResponse *response)
{
    char tag[ETAG_SIZE];
    etag_format(response->header->epoch, response->header->revision, tag);
    request_add_header(r, "X-Config-Revision", tag);
    request_answer(r, status);
    config_answer_hand_out_when_seen(r, response->header);
}

static void show_committed(struct request *r, const ProtobufCMessage *message,
                           const struct status *st)
{
    const Confreg__V1__CommitChangesResponse *response = (const void *)message;
    struct str *out = &r->response.body;
    if (st != NULL) {
        errors_answer(r, st);
        return;
    }
    if (!config_answer_is_whole(r, response->header)) {
        return;
    }
    if (response->commit == NULL) {
        str_addf(out, "{\"revision\":%" PRIu64 ",\"change_count\":0,\"changes\":[]}",
                 response->header->revision);
        answer_committed(r, 200, response);
        return;
    }
    add_commit(out, response->commit);
    config_answer_warn(r, response->suspects, response->n_suspects);
    for (size_t i = 0; i < response->commit->n_changes && !r->parameters.validate_only; i++) {
        count_change(&r->gateway->configs->counters, response->commit->changes[i]);
    }
    answer_committed(r, r->parameters.validate_only ? 200 : 201, response);
}

/* A commit has many configs, so that a condition of its request would not say of which. */
static void refuse_conditions(struct request *r, struct invalid *invalid)
{
    static const char message[] =
        "A commit takes conditions of its changes only: expected_version, expected_revision";
    const struct conditions *c = &config_request_of(r)->conditions;
    if (c->match.given) {
        invalid_add(invalid, "header", "If-Match", FAULT_UNKNOWN, message);
    }
    if (c->none.given) {
        invalid_add(invalid, "header", "If-None-Match", FAULT_UNKNOWN, message);
    }
}

void handle_commit(struct request *r)
{
    Confreg__V1__CommitChangesRequest m = CONFREG__V1__COMMIT_CHANGES_REQUEST__INIT;
    const struct write_options options = write_options_of(r);
    struct changes changes;
    struct invalid invalid = {0};
    changes_read(r->body.list, &changes, &invalid);
    refuse_conditions(r, &invalid);
    if (invalid.n > 0) {
        request_refuse_invalid(r, &invalid);
    } else {
        m.changes = changes.list;
        m.n_changes = changes.n;
        VALUE_OPTIONS_PUT(&options, &m);
        call_start(r, REGISTRY_COMMIT_CHANGES, &m.base, r->gateway->upstream->timeout_ms,
                   show_committed);
    }
    invalid_fini(&invalid);
    changes_fini(&changes);
}
