#include "diff_configs.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "checks.h"
#include "deferred_read.h"
#include "encode.h"
#include "page.h"

#define FIELD_DIFFS 2 /* of a DiffConfigsResponse */
#define HEADS_AT_ONCE 64

/* The bounds of one call's work, beside its time (page.h): names that are looked at, configs that
 * are read from the store, and bytes of payloads that are compared. A page that reaches one ends
 * there. */
#define LOOK_MAX 5000
#define READ_MAX 256
#define COMPARE_BYTES ((size_t)32 << 20)

/* The heads of one environment in the order of their services, tombstones included. */
struct stream {
    struct head_filter filter;
    struct head_cursor cursor;
    struct head *heads[HEADS_AT_ONCE]; /* owned references; those from `at` on are still to come */
    size_t n, at;
};

/* One side of a comparison: an environment as of a revision. */
struct diff_side {
    const char *environment;
    uint64_t revision;
    struct view view; /* what the caller may read of it */
    struct view_bounds bounds;
    struct stream stream; /* unused on the new side if both have one environment */
};

struct diff_page {
    struct service *service;
    const Confreg__V1__DiffConfigsRequest *request;
    struct page_token token; /* the key is the name of the last service that was looked at */
    struct diff_side old_side, new_side;
    bool within; /* both sides have one environment */
    size_t left; /* differences that still fit on the page */
    size_t looked;
    size_t read;
    size_t compared; /* bytes */
    int64_t until_ns;
    struct answer answer;
    bool full;
    struct status *st;
};

/* ---- Streams ---- */

static void stream_begin(struct diff_side *side, const struct diff_page *page)
{
    struct stream *stream = &side->stream;
    const char *environment = side->environment;
    const Confreg__V1__DiffConfigsRequest *r = page->request;
    stream->filter = (struct head_filter){.environment = environment,
                                          .service = filter_text(r->service_name),
                                          .service_prefix = filter_text(r->service_name_prefix)};
    rights_narrow(&side->view, &side->bounds, &stream->filter);
    if (page->token.n_key > 0) {
        str_add(&stream->cursor.after, environment, strlen(environment) + 1);
        str_add(&stream->cursor.after, page->token.key, page->token.n_key);
    }
}

static void stream_fini(struct stream *stream)
{
    while (stream->at < stream->n) {
        head_unref(stream->heads[stream->at++]);
    }
    str_fini(&stream->cursor.after);
}

/* The next head, borrowed; NULL: there is none. */
static struct head *stream_next(struct stream *stream, const struct registry *registry)
{
    while (stream->at == stream->n && !stream->cursor.done) {
        stream->at = 0;
        stream->n =
            registry_list(registry, &stream->filter, &stream->cursor, stream->heads, HEADS_AT_ONCE);
    }
    return stream->at < stream->n ? stream->heads[stream->at] : NULL;
}

/* Hands the next head over. */
static struct head *stream_take(struct stream *stream)
{
    return stream->heads[stream->at++];
}

/* A config on both sides. */
struct pair {
    struct head *old_head, *new_head; /* owned references; NULL: never existed there */
};

static void pair_fini(struct pair *pair)
{
    head_unref(pair->old_head);
    head_unref(pair->new_head);
}
#define AUTO_PAIR __attribute__((cleanup(pair_fini))) struct pair

/* Takes the next service that either side has; false: there is none. */
static bool next_pair(struct diff_page *page, struct pair *ret_pair)
{
    const struct registry *registry = page->service->registry;
    struct head *from = stream_next(&page->old_side.stream, registry);
    if (page->within) {
        ret_pair->old_head = from == NULL ? NULL : stream_take(&page->old_side.stream);
        ret_pair->new_head = from == NULL ? NULL : head_ref(from);
        return from != NULL;
    }
    struct head *to = stream_next(&page->new_side.stream, registry);
    int order = from == NULL ? 1 : to == NULL ? -1 : strcmp(head_service(from), head_service(to));
    if (from != NULL && order <= 0) {
        ret_pair->old_head = stream_take(&page->old_side.stream);
    }
    if (to != NULL && order >= 0) {
        ret_pair->new_head = stream_take(&page->new_side.stream);
    }
    return from != NULL || to != NULL;
}

/* ---- Comparing ---- */

/* A config as of its side's revision. */
struct compared_state {
    uint64_t version; /* 0: it did not exist */
    struct json_text data;
    Confreg__V1__Config *decoded; /* owned; NULL: data belongs to a head */
};

static void state_fini(struct compared_state *state)
{
    if (state->decoded != NULL) {
        confreg__v1__config__free_unpacked(state->decoded, NULL);
    }
}
#define AUTO_STATE __attribute__((cleanup(state_fini))) struct compared_state

static bool read_state(struct diff_page *page, struct head *head, uint64_t revision,
                       struct compared_state *state)
{
    AUTO(buf_unref) struct buf *config = NULL;
    page->read++;
    if (!history_listed_config(page->service->store, head, revision, &config, page->st)) {
        return false;
    }
    if (config != NULL) {
        state->decoded = decode_config(config);
        state->version = state->decoded->version;
        state->data = (struct json_text){(const char *)state->decoded->config_data.data,
                                         state->decoded->config_data.len};
    }
    return true;
}

static bool load(struct diff_page *page, struct head *head, uint64_t revision,
                 struct compared_state *state)
{
    *state = (struct compared_state){.data = {"{}", 2}};
    if (head != NULL && head->mod_revision > revision) {
        return read_state(page, head, revision, state);
    }
    if (head != NULL && head->version != 0) {
        state->version = head->version;
        state->data = head_payload(head);
    }
    return true;
}

static bool differ(struct diff_page *page, const struct compared_state *from,
                   const struct compared_state *to)
{
    if (from->version == 0 || to->version == 0) {
        return from->version != to->version;
    }
    page->compared += from->data.len + to->data.len;
    return !json_text_equal(from->data, to->data);
}

static void omit_values(Confreg__V1__DiffEntry **entries, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        entries[i]->old_value = (ProtobufCBinaryData){.len = 0};
        entries[i]->new_value = (ProtobufCBinaryData){.len = 0};
    }
}

/* Leaves the patch out, and then the values, if clients would not accept the response. */
static void fit(Confreg__V1__Diff *diff)
{
    if (confreg__v1__diff__get_packed_size(diff) > ACCEPTED_BYTES) {
        diff->json_patch = (ProtobufCBinaryData){.len = 0};
    }
    if (confreg__v1__diff__get_packed_size(diff) > ACCEPTED_BYTES) {
        omit_values(diff->added, diff->n_added);
        omit_values(diff->removed, diff->n_removed);
        omit_values(diff->changed, diff->n_changed);
        diff->values_omitted = true;
    }
}

static struct buf *encode_diff(const struct diff_page *page, const char *service,
                               const struct compared_state *from, const struct compared_state *to)
{
    struct diff_answer difference;
    diff_answer_init(&difference, from->data, to->data);
    Confreg__V1__Diff *diff = &difference.diff;
    diff->service_name = (char *)(uintptr_t)service;
    diff->environment = (char *)(uintptr_t)page->old_side.environment;
    diff->new_environment = (char *)(uintptr_t)page->new_side.environment;
    diff->old_version = from->version;
    diff->new_version = to->version;
    fit(diff);
    struct buf *encoded = encode_field(FIELD_DIFFS, &diff->base);
    diff_answer_fini(&difference);
    return encoded;
}

/* Sets page->full instead if it does not fit. */
static void add_diff(struct diff_page *page, struct buf *encoded)
{
    bool empty = page->answer.n == 1;
    page->full = page->left == 0 || (!empty && page->answer.bytes + encoded->len > REPLY_BYTES);
    if (page->full) {
        buf_unref(encoded);
        return;
    }
    answer_add(&page->answer, encoded);
    page->left--;
}

/* Whether nothing can have changed between the revisions. */
static bool is_untouched(const struct diff_page *page, const struct pair *pair)
{
    return page->within && pair->new_head->mod_revision <= page->old_side.revision &&
           pair->new_head->mod_revision <= page->new_side.revision;
}

/* Whether the caller may read the config on both sides. */
static bool sees(const struct diff_page *page, const char *service)
{
    return view_has(&page->old_side.view, page->old_side.environment, service) &&
           view_has(&page->new_side.view, page->new_side.environment, service);
}

static bool compare(struct diff_page *page, const struct pair *pair, const char *service)
{
    AUTO_STATE from = {0};
    AUTO_STATE to = {0};
    if (is_untouched(page, pair)) {
        return true;
    }
    if (!load(page, pair->old_head, page->old_side.revision, &from) ||
        !load(page, pair->new_head, page->new_side.revision, &to)) {
        return false;
    }
    bool same_version = page->within && from.version == to.version;
    if (!same_version && differ(page, &from, &to)) {
        add_diff(page, encode_diff(page, service, &from, &to));
    }
    return true;
}

static bool is_worked_out(const struct diff_page *page)
{
    return page->looked >= LOOK_MAX || page->read >= READ_MAX || page->compared >= COMPARE_BYTES ||
           page_is_late(page->until_ns);
}

/* Ends with page->full if there may be more. */
static bool fill(struct diff_page *page)
{
    AUTO_PAIR pair = {0};
    while (!page->full && next_pair(page, &pair)) {
        const char *service = head_service(pair.new_head != NULL ? pair.new_head : pair.old_head);
        bool visible = sees(page, service);
        if (visible && !compare(page, &pair, service)) {
            return false;
        }
        /* A config that the caller may not see does not count, and no token names it. */
        if (visible && !page->full) {
            page->looked++;
            page->token.n_key = strlen(service);
            memcpy(page->token.key, service, page->token.n_key);
            page->full = is_worked_out(page);
        }
        pair_fini(&pair);
        pair = (struct pair){NULL, NULL};
    }
    return true;
}

/* ---- The call ---- */

/* Whether the log has the revision that a field names. */
static bool check_end(const struct diff_page *page, uint64_t revision, const char *field)
{
    uint64_t newest = page->token.position.revision;
    if (revision <= newest) {
        return true;
    }
    status_bad_field(page->st, field, "",
                     "%s: revision %" PRIu64 " does not exist yet, the newest is %" PRIu64, field,
                     revision, newest);
    status_become(page->st, OUTCOME_REVISION_AHEAD);
    status_add_number(page->st, "newest_revision", newest);
    return false;
}

/* Whether both revisions can still be read in full. */
static bool check_floor(const struct diff_page *page, struct status *st)
{
    uint64_t floor = registry_floor(page->service->registry);
    uint64_t oldest = page->old_side.revision < page->new_side.revision ? page->old_side.revision
                                                                        : page->new_side.revision;
    if (oldest >= floor) {
        return true;
    }
    if (page->request->page_token[0] != '\0') {
        return status_set(st, STATUS_ABORTED, "PAGE_TOKEN_COMPACTED",
                          "a revision of this comparison was compacted; start again");
    }
    status_set(st, STATUS_OUT_OF_RANGE, "COMPACTED",
               "revision %" PRIu64 " is gone: configs can be read as of revision %" PRIu64
               " and later ones",
               oldest, floor);
    status_add_number(st, "oldest_revision", floor);
    status_add_number(st, "newest_revision", page->token.position.revision);
    return false;
}

/* A token is valid for all requests with the same value of this. */
static uint64_t filter_of(const struct service *service, const struct rpc_call *call,
                          const Confreg__V1__DiffConfigsRequest *request)
{
    Confreg__V1__DiffConfigsRequest filters = *request;
    filters.page_size = 0;
    filters.page_token = (char *)(uintptr_t)protobuf_c_empty_string;
    filters.read = NULL;
    return page_filter_of(service, call, "differences", &filters.base);
}

static const char *new_environment_of(const Confreg__V1__DiffConfigsRequest *r)
{
    return r->new_environment[0] == '\0' ? environment_or_default(r->environment)
                                         : r->new_environment;
}

static bool is_within(const Confreg__V1__DiffConfigsRequest *r)
{
    return strcmp(environment_or_default(r->environment), new_environment_of(r)) == 0;
}

static struct view view_of_side(const struct rpc_call *call, const struct diff_page *page,
                                const char *environment)
{
    const struct head_filter selection = {.environment = environment,
                                          .service = filter_text(page->request->service_name),
                                          .service_prefix =
                                              filter_text(page->request->service_name_prefix)};
    return rights_view(call, PERMISSION_READ, &selection);
}

static enum view_extent extent_of(const struct diff_page *page)
{
    return view_both(page->old_side.view.extent, page->new_side.view.extent);
}

static void begin(struct diff_page *page)
{
    const Confreg__V1__DiffConfigsRequest *r = page->request;
    uint64_t now = page->token.position.revision;
    page->within = is_within(r);
    page->new_side.environment = new_environment_of(r);
    page->new_side.revision = r->new_revision == 0 ? now : r->new_revision;
    page->old_side.environment = environment_or_default(r->environment);
    page->old_side.revision = r->old_revision == 0 ? page->new_side.revision : r->old_revision;
    stream_begin(&page->old_side, page);
    stream_begin(&page->new_side, page);
}

/* A compaction may have removed payloads while the page was made, also where that made it fail. */
static bool make(struct diff_page *page)
{
    if (!check_end(page, page->new_side.revision, "new_revision") ||
        !check_end(page, page->old_side.revision, "old_revision") || !check_floor(page, page->st)) {
        return false;
    }
    answer_add(&page->answer, answer_header(page->service, &page->token.position));
    bool ok = fill(page);
    return check_floor(page, page->st) && ok;
}

static void run(struct service *service, struct rpc_call *call, const ProtobufCMessage *message)
{
    const Confreg__V1__DiffConfigsRequest *r = (const void *)message;
    struct status st;
    struct diff_page page = {.service = service,
                             .request = r,
                             .left = page_items(r->page_size),
                             .until_ns = page_work_until(),
                             .st = &st};
    page.old_side.view = view_of_side(call, &page, environment_or_default(r->environment));
    page.new_side.view = view_of_side(call, &page, new_environment_of(r));
    if (!rights_see(&page.old_side.view, &st) || !rights_see(&page.new_side.view, &st) ||
        !page_open(service, r->page_token, filter_of(service, call, r), &page.token, &st)) {
        rpc_fail(call, &st);
        return;
    }
    begin(&page);
    if (make(&page)) {
        if (page.full) {
            page_add_next(service, &page.token, &page.answer);
        }
        page_add_filtered(extent_of(&page), &page.answer);
        answer_send(&page.answer, call);
    } else {
        answer_drop(&page.answer);
        rpc_fail(call, &st);
    }
    stream_fini(&page.old_side.stream);
    stream_fini(&page.new_side.stream);
}

static bool check(const struct service *service, const Confreg__V1__DiffConfigsRequest *r,
                  struct status *st)
{
    if (!check_name_filter(r->environment, "environment", st) ||
        !check_name_filter(r->new_environment, "new_environment", st) ||
        !check_name_filter(r->service_name, "service_name", st) ||
        !check_prefix_filter(r->service_name_prefix, "service_name_prefix", st) ||
        !check_epoch(service, r->epoch, "epoch", st)) {
        return false;
    }
    return !is_within(r) || r->old_revision != 0 ||
           status_bad_field(st, "old_revision", "OLD_REVISION_MISSING",
                            "old_revision: needed to compare an environment with itself");
}

void diff_configs(struct rpc_call *call, const Confreg__V1__DiffConfigsRequest *request,
                  struct service *service)
{
    struct status st;
    struct read_revisions revisions = {0};
    if (!check(service, request, &st) ||
        !page_revision(service, request->page_token, filter_of(service, call, request),
                       &revisions.awaited, &st)) {
        rpc_fail(call, &st);
        return;
    }
    revisions.named = request->old_revision > request->new_revision ? request->old_revision
                                                                    : request->new_revision;
    read_when_reached(service, call, &request->base, request->read, &revisions, run);
}
