#include "list_commits.h"

#include <assert.h>
#include <string.h>

#include "checks.h"
#include "commits.h"
#include "deferred_read.h"
#include "encode.h"
#include "history.h"
#include "json_pointer.h"
#include "page.h"
#include "utf8.h"
#include "view_key.h"

#define FIELD_LISTED 2 /* the commits of a ListCommitsResponse */

/* The bounds of one call's work, beside its time (page.h): commits that are decoded, payloads that
 * are read, and the bytes of these. A page that reaches one ends there, behind the change that did,
 * be it in the middle of a commit. */
#define LOOK_MAX 5000
#define READ_MAX 256
#define READ_BYTES (16u << 20)

/* ---- A page ---- */

/* The part of the log that the next page lists; kept in the page token. */
struct bounds {
    uint64_t from, through;
    uint64_t skip; /* changes of the first commit that an earlier page has looked at */
};

struct commit_page {
    struct service *service;
    const Confreg__V1__ListCommitsRequest *request;
    struct head_filter filter;
    struct head_filter schema_filter; /* the same for schemas */
    struct view reading, auditing;    /* either of them shows a change */
    uint32_t kinds;                   /* a bit for each kind that is listed; 0: all */
    struct page_token token;
    struct bounds bounds;
    size_t left;   /* commits that still fit on the page */
    size_t looked; /* commits that were decoded */
    size_t read;   /* payloads */
    size_t n_read; /* bytes of these */
    int64_t until_ns;
    bool has_moved; /* the bounds have: at least one change was looked at */
    struct answer answer;
    bool ended_early; /* before the end of the bounds */
    bool failed;      /* with st */
    struct status *st;
};

/* ---- Heads ---- */

/* The versions that were a config's head before and after a change. */
struct change_heads {
    struct version_ref before, after; /* owned; commit NULL: there was no head */
    bool gone;                        /* the payload of one was erased or compacted */
};

static void change_heads_fini(struct change_heads *heads)
{
    commit_unref(heads->before.commit);
    commit_unref(heads->after.commit);
}

static size_t bytes_of(const struct buf *buf)
{
    return buf == NULL ? 0 : buf->len;
}

/* The payload, "{}" if there was no head; not of one that is gone. */
static struct json_text data_of(const struct version_ref *version)
{
    static const struct json_text nothing = {"{}", 2};
    return version->commit == NULL ? nothing : json_of_buf(version_change(version)->payload);
}

static bool read_head(struct commit_page *page, const struct change *change, uint64_t version,
                      struct change_heads *heads, struct version_ref *ret_head)
{
    if (!store_read_live_version(page->service->store, change->environment, change->service,
                                 version, ret_head, page->st)) {
        return false;
    }
    const struct buf *payload = version_change(ret_head)->payload;
    page->read++;
    page->n_read += bytes_of(payload);
    heads->gone = heads->gone || payload == NULL;
    return true;
}

/* Whether the heads of a change are needed: it has some, and a filter or the view is about them. */
static bool needs_heads(const struct commit_page *page, const struct change *change)
{
    const Confreg__V1__ListCommitsRequest *r = page->request;
    return change_has_config(change->kind) && change_touches_head(change) &&
           (r->json_pointer[0] != '\0' ||
            r->view != CONFREG__V1__COMMIT_VIEW__COMMIT_VIEW_UNSPECIFIED);
}

/* Leaves both empty if they are not needed. */
static bool read_heads(struct commit_page *page, const struct change *change,
                       struct change_heads *heads)
{
    *heads = (struct change_heads){.gone = false};
    if (!needs_heads(page, change)) {
        return true;
    }
    return (!event_has_previous(change) ||
            read_head(page, change, change->previous_version, heads, &heads->before)) &&
           (!event_has_config(change) ||
            read_head(page, change, change->head_version, heads, &heads->after));
}

/* ---- Filters ---- */

static bool find_value(const struct version_ref *head, const char *pointer,
                       struct json_text *ret_value)
{
    return head->commit != NULL && json_pointer_find(data_of(head), pointer, ret_value);
}

/* Whether the value at the pointer differs. */
static bool differs_at(const struct change_heads *heads, const char *pointer)
{
    struct json_text before;
    struct json_text after;
    bool had = find_value(&heads->before, pointer, &before);
    bool has = find_value(&heads->after, pointer, &after);
    return had != has || (had && !json_text_equal(before, after));
}

/* A change whose payloads are gone matches a pointer: it may have changed what is there. */
static bool matches_pointer(const struct commit_page *page, const struct change_heads *heads)
{
    const char *pointer = page->request->json_pointer;
    return pointer[0] == '\0' || heads->gone || differs_at(heads, pointer);
}

/* A change without a key concerns them all. */
static bool sees(const struct commit_page *page, const struct change *change)
{
    return view_has_key(&page->reading, change->environment, change->service) ||
           view_has_key(&page->auditing, change->environment, change->service);
}

static bool matches_facts(const struct commit_page *page, const struct change *change)
{
    return sees(page, change) && (page->kinds == 0 || (page->kinds >> change->kind & 1) != 0) &&
           (head_filter_matches(&page->filter, change->environment, change->service) ||
            head_filter_matches(&page->schema_filter, change->environment, change->service));
}

/* wanted: "" accepts every text. */
static bool accepts(const char *wanted, const char *text)
{
    return wanted[0] == '\0' || strcmp(wanted, text) == 0;
}

static bool matches_commit(const struct commit_page *page, const struct commit *commit)
{
    const Confreg__V1__ListCommitsRequest *r = page->request;
    const char *author = commit->created_by == NULL ? "" : commit->created_by;
    return accepts(r->actor, commit->actor) && accepts(r->credential, commit->credential) &&
           accepts(r->created_by, author);
}

/* ---- Encoding ---- */

static struct buf *without_payload(struct buf *config)
{
    struct buf *without =
        config == NULL
            ? NULL
            : encode_without_payload(config, CONFREG__V1__PAYLOAD_STATE__PAYLOAD_STATE_OMITTED);
    buf_unref(config);
    return without;
}

/* An event with heads; without their payloads if these alone would exceed an answer. */
static bool encode_heads(const struct commit_page *page, const struct commit *commit, size_t index,
                         const struct change_heads *heads, struct buf **ret_event)
{
    struct buf *config = NULL;
    struct buf *previous = NULL;
    if (heads->before.commit != NULL) {
        uint64_t mod_revision;
        if (!history_revision_before(page->service->store, commit, index, &mod_revision,
                                     page->st)) {
            return false;
        }
        previous = encode_config(&heads->before, mod_revision);
    }
    if (heads->after.commit != NULL) {
        config = encode_config(&heads->after, commit->revision);
    }
    if (bytes_of(config) + bytes_of(previous) > REPLY_BYTES) {
        config = without_payload(config);
        previous = without_payload(previous);
    }
    const struct event_content content = {.config = config, .previous = previous};
    *ret_event = encode_event(FIELD_COMMIT_CHANGES, commit, index, &content);
    buf_unref(config);
    buf_unref(previous);
    return true;
}

static struct buf *encode_diff(const struct change *change, const struct change_heads *heads)
{
    struct diff_answer difference;
    diff_answer_init(&difference, data_of(&heads->before), data_of(&heads->after));
    Confreg__V1__Diff *diff = &difference.diff;
    diff->environment = (char *)(uintptr_t)key_environment(change->environment);
    diff->new_environment = diff->environment;
    diff->service_name = change->service;
    diff->old_version = change->previous_version;
    diff->new_version = change->head_version;
    struct buf *encoded = encode_field(FIELD_EVENT_DIFF, &diff->base);
    diff_answer_fini(&difference);
    return encoded;
}

/* An event with the difference; without it if it alone would exceed an answer. */
static struct buf *encode_difference(const struct commit *commit, size_t index,
                                     const struct change_heads *heads)
{
    const struct change *change = &commit->changes[index];
    bool has_heads = heads->before.commit != NULL || heads->after.commit != NULL;
    AUTO(buf_unref)
    struct buf *diff = has_heads && !heads->gone ? encode_diff(change, heads) : NULL;
    const struct event_content content = {.diff = bytes_of(diff) <= REPLY_BYTES ? diff : NULL};
    return encode_event(FIELD_COMMIT_CHANGES, commit, index, &content);
}

static bool encode_change(const struct commit_page *page, const struct commit *commit, size_t index,
                          const struct change_heads *heads, struct buf **ret_event)
{
    static const struct event_content alone = {.change = NULL};
    switch (page->request->view) {
    case CONFREG__V1__COMMIT_VIEW__COMMIT_VIEW_PAYLOADS:
        return encode_heads(page, commit, index, heads, ret_event);
    case CONFREG__V1__COMMIT_VIEW__COMMIT_VIEW_DIFF:
        *ret_event = encode_difference(commit, index, heads);
        return true;
    default:
        *ret_event = encode_event(FIELD_COMMIT_CHANGES, commit, index, &alone);
        return true;
    }
}

/* Encodes the change as a field of its commit. *ret_event NULL: it does not match. */
static bool find_change(struct commit_page *page, const struct commit *commit, size_t index,
                        struct buf **ret_event)
{
    const struct change *change = &commit->changes[index];
    struct change_heads heads;
    *ret_event = NULL;
    if (!matches_facts(page, change)) {
        return true;
    }
    bool ok = read_heads(page, change, &heads);
    if (ok && matches_pointer(page, &heads)) {
        ok = encode_change(page, commit, index, &heads, ret_event);
    }
    change_heads_fini(&heads);
    return ok;
}

/* ---- Filling a page ---- */

/* The next page begins with this change of the commit, or behind the commit if it has no such
 * change. */
static void move_bounds(struct commit_page *page, const struct commit *commit, size_t index)
{
    bool behind = index == commit->n_changes;
    if (page->request->oldest_first) {
        page->bounds.from = commit->revision + behind;
    } else {
        page->bounds.through = commit->revision - behind;
    }
    page->bounds.skip = behind ? 0 : index;
}

/* The change of the commit that the page goes on with. */
static size_t first_change(const struct commit_page *page, const struct commit *commit)
{
    const struct bounds *bounds = &page->bounds;
    uint64_t near = page->request->oldest_first ? bounds->from : bounds->through;
    return near == commit->revision ? bounds->skip : 0;
}

/* Never before the bounds have moved, so that the pages come to an end. */
static bool is_worked_out(const struct commit_page *page)
{
    return page->has_moved && (page->looked >= LOOK_MAX || page->read >= READ_MAX ||
                               page->n_read >= READ_BYTES || page_is_late(page->until_ns));
}

/* Whether the event does not fit behind the changes of its commit and what the page has. The first
 * one always does. */
static bool exceeds_page(const struct commit_page *page, const struct str *changes,
                         const struct buf *event)
{
    bool first = page->answer.n == 1 && changes->len == 0; /* the header alone */
    return !first && page->answer.bytes + changes->len + event->len > REPLY_BYTES;
}

/* Appends the matching changes of the commit from *index on, and moves *index behind those that
 * were looked at; ends early, if need be, before the end. False: an error. */
static bool add_changes(struct commit_page *page, const struct commit *commit, size_t *index,
                        struct str *changes)
{
    while (*index < commit->n_changes) {
        AUTO(buf_unref) struct buf *event = NULL;
        page->ended_early = is_worked_out(page);
        if (page->ended_early) {
            return true;
        }
        if (!find_change(page, commit, *index, &event)) {
            return false;
        }
        if (event != NULL) {
            page->ended_early = exceeds_page(page, changes, event);
            if (page->ended_early) {
                return true;
            }
            str_add(changes, event->data, event->len);
        }
        ++*index;
        page->has_moved = true;
    }
    return true;
}

static size_t count_seen(const struct commit_page *page, const struct commit *commit)
{
    size_t n = 0;
    for (size_t i = 0; i < commit->n_changes; i++) {
        n += sees(page, &commit->changes[i]);
    }
    return n;
}

/* Adds the commit, or the part of it that fits, if a change matches. False: an error. */
static bool add_matching(struct commit_page *page, const struct commit *commit, size_t *index)
{
    Confreg__V1__Commit message;
    Google__Protobuf__Timestamp time;
    AUTO_STR changes = {0};
    if (!add_changes(page, commit, index, &changes)) {
        return false;
    }
    if (changes.len > 0) {
        describe_commit(&message, &time, commit);
        message.change_count = (uint32_t)count_seen(page, commit);
        message.more = *index < commit->n_changes;
        answer_add(&page->answer,
                   encode_field_and(FIELD_LISTED, &message.base, changes.data, changes.len));
        page->left--;
    }
    return true;
}

/* Ends the walk by returning false. */
static bool add_commit(void *user, struct commit *commit)
{
    struct commit_page *page = user;
    size_t index = first_change(page, commit);
    move_bounds(page, commit, index);
    page->ended_early = page->left == 0 || is_worked_out(page);
    if (page->ended_early) {
        return false;
    }
    page->looked++;
    if (matches_commit(page, commit)) {
        page->failed = !add_matching(page, commit, &index);
    } else {
        index = commit->n_changes;
    }
    if (page->failed || page->ended_early) {
        move_bounds(page, commit, index);
        return false;
    }
    move_bounds(page, commit, commit->n_changes);
    page->has_moved = true;
    return true;
}

/* The configs that the filters name, tombstones included, if a search can have so many; else
 * n_configs 0: all commits are looked at. Heads and configs are owned by the caller. */
struct named {
    struct head *heads[STORE_SEARCH_CONFIGS];
    struct store_config configs[STORE_SEARCH_CONFIGS];
    size_t n;
    bool searched; /* by name; if n is 0, too: there are no such configs */
};

#define NAMING_STEPS 256 /* parts of the heads' order that are looked at for names */

static void add_names(const struct commit_page *page, const struct head_filter *filter,
                      struct named *named)
{
    struct head_cursor cursor = {.done = false};
    for (int i = 0; named->searched && !cursor.done; i++) {
        named->searched = i < NAMING_STEPS && named->n < STORE_SEARCH_CONFIGS;
        if (named->searched) {
            named->n += registry_list(page->service->registry, filter, &cursor,
                                      named->heads + named->n, STORE_SEARCH_CONFIGS - named->n);
        }
    }
    str_fini(&cursor.after);
}

static void find_names(const struct commit_page *page, struct named *named)
{
    const struct head_filter *filter = &page->filter;
    named->n = 0;
    named->searched =
        filter->environment != NULL || filter->service != NULL || filter->service_prefix != NULL;
    add_names(page, filter, named);
    add_names(page, &page->schema_filter, named);
    for (size_t i = 0; i < named->n; i++) {
        named->configs[i] =
            (struct store_config){head_environment(named->heads[i]), head_service(named->heads[i])};
    }
}

static bool fill_commits(struct commit_page *page)
{
    struct named named;
    find_names(page, &named);
    const struct commit_range range = {.from = page->bounds.from,
                                       .through = page->bounds.through,
                                       .newest_first = !page->request->oldest_first,
                                       .configs = named.configs,
                                       .n_configs = named.searched ? named.n : 0};
    bool nothing = named.searched && named.n == 0;
    bool ok = nothing || history_commits(page->service->store, &range, page->left + 1, add_commit,
                                         page, page->st);
    for (size_t i = 0; i < named.n; i++) {
        head_unref(named.heads[i]);
    }
    return ok && !page->failed;
}

/* ---- Bounds ---- */

static int64_t wall_us(const Google__Protobuf__Timestamp *time)
{
    return time->seconds * 1000000 + time->nanos / 1000;
}

/* The bounds of the first page, as of the token's revision. */
static bool find_bounds(struct commit_page *page)
{
    const Confreg__V1__ListCommitsRequest *r = page->request;
    struct store *store = page->service->store;
    uint64_t last = page->token.position.revision;
    struct bounds bounds = {
        .from = r->start_revision == 0 ? 1 : r->start_revision,
        .through = r->end_revision == 0 || r->end_revision > last ? last : r->end_revision};
    uint64_t found;
    if (r->start_time != NULL) {
        if (!history_revision_at(store, wall_us(r->start_time), last, &found, page->st)) {
            return false;
        }
        bounds.from = found > bounds.from ? found : bounds.from;
    }
    if (r->end_time != NULL) {
        if (!history_revision_at(store, wall_us(r->end_time), last, &found, page->st)) {
            return false;
        }
        bounds.through = found - 1 < bounds.through ? found - 1 : bounds.through;
    }
    page->bounds = bounds;
    return true;
}

static bool take_bounds(struct commit_page *page)
{
    if (page->request->page_token[0] == '\0') {
        return find_bounds(page);
    }
    assert(page->token.n_key == sizeof page->bounds && "a token of commits keeps the bounds");
    memcpy(&page->bounds, page->token.key, sizeof page->bounds);
    return true;
}

static void add_next(struct commit_page *page)
{
    memcpy(page->token.key, &page->bounds, sizeof page->bounds);
    page->token.n_key = sizeof page->bounds;
    page_add_next(page->service, &page->token, &page->answer);
}

/* ---- The call ---- */

/* A token is valid for all requests with the same value of this. It keeps the bounds that the times
 * and revisions of the first request gave: a time "an hour ago" is another one for each page. */
static uint64_t commits_filter(const struct service *service, const struct rpc_call *call,
                               const Confreg__V1__ListCommitsRequest *request)
{
    Confreg__V1__ListCommitsRequest filters = *request;
    filters.page_size = 0;
    filters.page_token = (char *)(uintptr_t)protobuf_c_empty_string;
    filters.read = NULL;
    filters.start_time = NULL;
    filters.end_time = NULL;
    filters.start_revision = 0;
    filters.end_revision = 0;
    filters.epoch = filters.page_token;
    return page_filter_of(service, call, "commits", &filters.base);
}

static uint32_t kinds_of(const Confreg__V1__ListCommitsRequest *r)
{
    uint32_t kinds = 0;
    for (size_t i = 0; i < r->n_kinds; i++) {
        kinds |= UINT32_C(1) << r->kinds[i];
    }
    return kinds;
}

static void run(struct service *service, struct rpc_call *call, const ProtobufCMessage *message)
{
    const Confreg__V1__ListCommitsRequest *r = (const void *)message;
    struct status st;
    struct commit_page page = {.service = service,
                               .request = r,
                               .filter = {.environment = filter_text(r->environment),
                                          .service = filter_text(r->service_name),
                                          .service_prefix = filter_text(r->service_name_prefix)},
                               .kinds = kinds_of(r),
                               .left = page_items(r->page_size),
                               .until_ns = page_work_until(),
                               .st = &st};
    const struct key_text key = key_of_schema(r->environment);
    page.schema_filter = page.filter;
    page.schema_filter.kind = KEY_SCHEMA;
    page.schema_filter.environment = page.filter.environment == NULL ? NULL : key.text;
    page.reading = rights_view(call, PERMISSION_READ, &page.filter);
    page.auditing = rights_view(call, PERMISSION_AUDIT, &page.filter);
    enum view_extent extent = view_either(page.reading.extent, page.auditing.extent);
    if ((extent == VIEW_NOTHING && !rights_see(&page.reading, &st)) ||
        !page_open(service, r->page_token, commits_filter(service, call, r), &page.token, &st) ||
        !take_bounds(&page)) {
        rpc_fail(call, &st);
        return;
    }
    answer_add(&page.answer, answer_header(service, &page.token.position));
    if (!fill_commits(&page)) {
        answer_drop(&page.answer);
        rpc_fail(call, &st);
        return;
    }
    if (page.ended_early) {
        add_next(&page);
    }
    page_add_filtered(extent, &page.answer);
    answer_send(&page.answer, call);
}

/* ---- Checks ---- */

static bool check_kinds(const Confreg__V1__ListCommitsRequest *r, struct status *st)
{
    for (size_t i = 0; i < r->n_kinds; i++) {
        if (r->kinds[i] <= 0 || (int)r->kinds[i] >= CHANGE_KINDS) {
            return status_bad_field(st, "kinds", "KIND_UNKNOWN", "kinds: %d is no kind of change",
                                    (int)r->kinds[i]);
        }
    }
    return true;
}

/* The limits of Timestamp: years 1 to 9999. */
static bool check_time(const Google__Protobuf__Timestamp *time, const char *field,
                       struct status *st)
{
    return time == NULL ||
           (time->seconds >= INT64_C(-62135596800) && time->seconds <= INT64_C(253402300799) &&
            time->nanos >= 0 && time->nanos < 1000000000) ||
           status_bad_field(st, field, "TIME_RANGE", "%s: not a time of the years 1 to 9999",
                            field);
}

static bool check_text(const char *text, size_t max, const char *field, struct status *st)
{
    return text_check(text, strlen(text), max, field, st);
}

static bool check_view(const Confreg__V1__ListCommitsRequest *r, struct status *st)
{
    return (r->view >= CONFREG__V1__COMMIT_VIEW__COMMIT_VIEW_UNSPECIFIED &&
            r->view <= CONFREG__V1__COMMIT_VIEW__COMMIT_VIEW_DIFF) ||
           status_bad_field(st, "view", "VIEW_UNKNOWN", "view: %d is none", (int)r->view);
}

static bool check(const struct service *service, const Confreg__V1__ListCommitsRequest *r,
                  struct status *st)
{
    return check_name_filters(r->environment, r->service_name, r->service_name_prefix, st) &&
           check_text(r->actor, AUTHOR_MAX_BYTES, "actor", st) &&
           check_text(r->credential, AUTHOR_MAX_BYTES, "credential", st) &&
           check_text(r->created_by, AUTHOR_MAX_BYTES, "created_by", st) && check_kinds(r, st) &&
           check_time(r->start_time, "start_time", st) && check_time(r->end_time, "end_time", st) &&
           check_epoch(service, r->epoch, "epoch", st) &&
           json_pointer_check(r->json_pointer, "json_pointer", st) && check_view(r, st);
}

void list_commits(struct rpc_call *call, const Confreg__V1__ListCommitsRequest *request,
                  struct service *service)
{
    struct status st;
    struct read_revisions revisions = {0};
    if (!check(service, request, &st) ||
        !page_revision(service, request->page_token, commits_filter(service, call, request),
                       &revisions.awaited, &st)) {
        rpc_fail(call, &st);
        return;
    }
    read_when_reached(service, call, &request->base, request->read, &revisions, run);
}
