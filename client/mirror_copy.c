#include "mirror_copy.h"

#include <string.h>

#include "clock.h"
#include "mirror_config.h"
#include "rwlock.h"
#include "texts.h"

#define NOTED_MAX 65536

void mirror_copy_init(struct mirror_copy *copy, const struct mirror_options *options)
{
    *copy = (struct mirror_copy){
        .options = *options,
        .position = CONFREG__V1__POSITION__INIT,
        .wants_snapshot = true,
        .target = UINT64_MAX,
        .stale_since_ns = clock_monotonic_ns(),
    };
    copy->options.selectors = NULL;
    rwlock_init(&copy->lock);
}

static void drop_unfinished(struct mirror_copy *copy)
{
    for (size_t i = 0; i < copy->n_unfinished; i++) {
        confreg__v1__watch_response__free_unpacked(copy->unfinished[i], NULL);
    }
    free(MOVE(copy->unfinished));
    copy->n_unfinished = 0;
}

void mirror_copy_fini(struct mirror_copy *copy)
{
    drop_unfinished(copy);
    free(copy->token);
    mirror_table_fini(&copy->snapshot);
    mirror_table_fini(&copy->addition);
    mirror_table_fini(&copy->noted);
    mirror_table_fini(&copy->table);
    mirror_selection_fini(&copy->asked);
    mirror_selection_fini(&copy->held);
    mirror_selection_fini(&copy->adding);
    pthread_rwlock_destroy(&copy->lock);
}

/* ---- State ---- */

void mirror_copy_view(const struct mirror_copy *copy, struct mirror_view *ret_view)
{
    *ret_view = copy->view;
    ret_view->n_configs = copy->table.n_live;
    ret_view->age_ms = copy->view.state == MIRROR_IN_STEP
                           ? 0
                           : (clock_monotonic_ns() - copy->stale_since_ns) / 1000000;
}

struct mirror_config *mirror_copy_find(const struct mirror_copy *copy, const char *environment,
                                       const char *service_name)
{
    struct mirror_config *found = mirror_table_find(&copy->table, environment, service_name);
    return found != NULL ? found : mirror_table_find(&copy->noted, environment, service_name);
}

/* Whether a config that the server reported absent is also absent at the copy's revision. Called
 * with the lock held. The server's answer covers the revisions from mod_revision to revision. The
 * table has every change after snapshot_revision. If the two ranges leave no gap, and the table
 * does not know the name, nothing has created the config since. */
static bool holds_now(const struct mirror_copy *copy, const struct mirror_absence *absence)
{
    return strcmp(copy->view.epoch, absence->epoch) == 0 &&
           absence->revision >= copy->snapshot_revision &&
           absence->mod_revision <= copy->view.revision &&
           mirror_copy_find(copy, absence->environment, absence->service_name) == NULL;
}

void mirror_copy_note_absent(struct mirror_copy *copy, const struct mirror_absence *absence)
{
    pthread_rwlock_wrlock(&copy->lock);
    if (mirror_table_count(&copy->noted) < NOTED_MAX && holds_now(copy, absence)) {
        mirror_table_put(&copy->noted,
                         mirror_config_tombstone(absence->epoch, absence->environment,
                                                 absence->service_name, absence->mod_revision));
    }
    pthread_rwlock_unlock(&copy->lock);
}

static void tell(struct mirror_copy *copy, const struct mirror_change *changes, size_t n)
{
    if (copy->options.changed != NULL) {
        struct mirror_view view;
        mirror_copy_view(copy, &view);
        copy->options.changed(copy->options.user, &view, changes, n);
    }
}

/* Leaves MIRROR_IN_STEP for MIRROR_STALE; the other states do not change. */
static void leave_step(struct mirror_copy *copy, int64_t since_ns)
{
    pthread_rwlock_wrlock(&copy->lock);
    bool leaves = copy->view.state == MIRROR_IN_STEP;
    if (leaves) {
        copy->view.state = MIRROR_STALE;
        copy->stale_since_ns = since_ns;
    }
    pthread_rwlock_unlock(&copy->lock);
    if (leaves) {
        tell(copy, NULL, 0);
    }
}

static void enter_step(struct mirror_copy *copy)
{
    pthread_rwlock_wrlock(&copy->lock);
    bool enters = copy->view.state == MIRROR_STALE && copy->view.revision >= copy->target;
    if (enters) {
        copy->view.state = MIRROR_IN_STEP;
    }
    pthread_rwlock_unlock(&copy->lock);
    if (enters) {
        tell(copy, NULL, 0);
    }
}

void mirror_copy_target(struct mirror_copy *copy, uint64_t revision)
{
    copy->target = revision;
    enter_step(copy);
}

bool mirror_copy_wants_target(const struct mirror_copy *copy)
{
    return copy->view.state == MIRROR_STALE && copy->target == UINT64_MAX;
}

bool mirror_copy_is_in_step(const struct mirror_copy *copy)
{
    return copy->view.state == MIRROR_IN_STEP;
}

static void keep_position(struct mirror_copy *copy, const Confreg__V1__Position *header)
{
    bool same =
        strcmp(copy->epoch, header->epoch) == 0 && copy->position.revision == header->revision;
    memset(copy->epoch, 0, sizeof copy->epoch);
    strncpy(copy->epoch, header->epoch, sizeof copy->epoch - 1);
    copy->position.epoch = copy->epoch;
    copy->position.revision = header->revision;
    /* The first response of a stream may lack the hash: keep what is known. The token also says
     * what the caller could read. */
    if (!same || header->chain_hash != 0) {
        free(copy->token);
        copy->token = mem_string(header->token);
        copy->position.token = copy->token;
        copy->position.chain_hash = header->chain_hash;
    }
}

/* ---- Streams ---- */

static void replace_selection(struct mirror_selection *selection,
                              const struct mirror_selection *from)
{
    mirror_selection_fini(selection);
    mirror_selection_copy(selection, from);
}

static void move_selection(struct mirror_selection *to, struct mirror_selection *from)
{
    mirror_selection_fini(to);
    *to = *from;
    *from = (struct mirror_selection){.n = 0};
}

static void drop_addition(struct mirror_copy *copy)
{
    mirror_table_fini(&copy->addition);
    copy->has_addition = false;
}

/* Takes configs that are not selected any more out of the table. */
static void keep_selected(struct mirror_copy *copy, const struct mirror_selection *selection)
{
    struct mirror_table kept = {0};
    size_t place = 0;
    if (mirror_selection_is_in(&copy->held, selection)) {
        return;
    }
    for (struct mirror_config *config;
         (config = mirror_table_next(&copy->table, &place)) != NULL;) {
        if (mirror_selection_matches(selection, config->environment, config->service_name)) {
            mirror_table_put(&kept, mirror_config_ref(config));
        }
    }
    pthread_rwlock_wrlock(&copy->lock);
    struct mirror_table old = copy->table;
    copy->table = kept;
    pthread_rwlock_unlock(&copy->lock);
    mirror_table_fini(&old);
}

bool mirror_copy_lacks(const struct mirror_copy *copy, const struct mirror_selection *wanted)
{
    return wanted->number != copy->held.number && wanted->number != copy->refused;
}

/* The copy has all that is wanted, and perhaps more. */
static void go_on_with_less(struct mirror_copy *copy, const struct mirror_selection *wanted)
{
    keep_selected(copy, wanted);
    replace_selection(&copy->held, wanted);
    pthread_rwlock_wrlock(&copy->lock);
    copy->view.selection = wanted->number;
    pthread_rwlock_unlock(&copy->lock);
}

/* Decides what the next stream is for. Returns what it is to select. */
static const struct mirror_selection *plan_stream(struct mirror_copy *copy,
                                                  const struct mirror_selection *wanted)
{
    mirror_selection_fini(&copy->asked);
    copy->stream = MIRROR_STREAM_CHANGES;
    if (copy->wants_snapshot) {
        copy->stream = MIRROR_STREAM_WHOLE;
        drop_addition(copy);
        keep_selected(copy, wanted);
        mirror_selection_copy(&copy->asked, wanted);
        return &copy->asked;
    }
    if (copy->has_addition) {
        keep_selected(copy, &copy->adding);
        return &copy->adding;
    }
    if (mirror_selection_is_in(wanted, &copy->held)) {
        go_on_with_less(copy, wanted);
    } else if (mirror_copy_lacks(copy, wanted)) {
        copy->stream = MIRROR_STREAM_ADDITION;
        replace_selection(&copy->adding, wanted);
        mirror_selection_without(wanted, &copy->held, &copy->asked);
        return &copy->asked;
    }
    return &copy->held; /* and the rest of what is wanted was refused */
}

uint64_t mirror_copy_loading(const struct mirror_copy *copy)
{
    return mirror_copy_is_settled(copy)          ? 0
           : copy->stream == MIRROR_STREAM_WHOLE ? copy->asked.number
                                                 : copy->adding.number;
}

void mirror_copy_begin(struct mirror_copy *copy, const struct mirror_selection *wanted,
                       Confreg__V1__WatchRequest *request)
{
    drop_unfinished(copy);
    mirror_table_fini(&copy->snapshot);
    copy->delivered = 0;
    copy->served = false;
    copy->overflowed = false;
    copy->heard = false;
    copy->target = UINT64_MAX;
    const struct mirror_selection *asked = plan_stream(copy, wanted);
    request->include_snapshot = copy->stream != MIRROR_STREAM_CHANGES;
    request->resume_after = request->include_snapshot ? NULL : &copy->position;
    request->selectors = asked->list;
    request->n_selectors = asked->n;
}

bool mirror_copy_has_served(const struct mirror_copy *copy)
{
    return copy->served;
}

bool mirror_copy_is_settled(const struct mirror_copy *copy)
{
    return copy->stream != MIRROR_STREAM_ADDITION && !copy->wants_snapshot && !copy->has_addition;
}

/* Whether the server will not have these configs watched, now and if asked again. */
static bool refuses(const struct status *st)
{
    return st != NULL &&
           (st->code == STATUS_INVALID_ARGUMENT || st->code == STATUS_PERMISSION_DENIED);
}

bool mirror_copy_holds_parts(const struct mirror_copy *copy)
{
    return copy->n_unfinished > 0 || mirror_table_count(&copy->snapshot) > 0;
}

void mirror_copy_overflow(struct mirror_copy *copy)
{
    copy->overflowed = true;
    copy->wants_snapshot = copy->wants_snapshot || copy->stream != MIRROR_STREAM_ADDITION;
}

/* Whether the server will never take the position: it is of another log or of other rights, is
 * compacted, or has the form of a newer server's. */
static bool loses_position(const struct status *st)
{
    switch (st->code) {
    case STATUS_FAILED_PRECONDITION:
    case STATUS_OUT_OF_RANGE:
    case STATUS_DATA_LOSS:
        return true;
    case STATUS_INVALID_ARGUMENT:
        return strncmp(st->field, "resume_after", strlen("resume_after")) == 0;
    default:
        return false;
    }
}

bool mirror_copy_end(struct mirror_copy *copy, const struct status *st, bool planned)
{
    bool is_addition = copy->stream == MIRROR_STREAM_ADDITION;
    bool lost = st != NULL && loses_position(st);
    bool refused = is_addition && (refuses(st) || copy->overflowed);
    copy->wants_snapshot = copy->wants_snapshot || lost;
    if (refused) {
        copy->refused = copy->adding.number;
    } else if (!planned && !is_addition) {
        copy->refused = 0; /* rights may have changed */
    }
    bool goes_on =
        refused || (planned && !copy->wants_snapshot) || (is_addition && copy->has_addition);
    if (!goes_on) {
        leave_step(copy, clock_monotonic_ns());
    }
    return goes_on;
}

void mirror_copy_silent(struct mirror_copy *copy, int64_t since_ns)
{
    if (copy->view.state == MIRROR_IN_STEP) {
        copy->target = copy->view.revision; /* any further response proves that it is in step */
        leave_step(copy, since_ns);
    }
}

/* ---- Snapshots ---- */

static void take_part(struct mirror_copy *copy, const Confreg__V1__WatchResponse *response)
{
    for (size_t i = 0; i < response->n_configs; i++) {
        mirror_config_unref(mirror_table_put(
            &copy->snapshot, mirror_config_new(response->header->epoch, response->configs[i],
                                               copy->options.free_attachment)));
    }
}

/* Configs that are equal in the old table and the snapshot keep their old object, with its
 * attachment. */
static void keep_unchanged(struct mirror_copy *copy)
{
    size_t place = 0;
    for (struct mirror_config *config;
         (config = mirror_table_next(&copy->snapshot, &place)) != NULL;) {
        struct mirror_config *old =
            mirror_table_find(&copy->table, config->environment, config->service_name);
        if (old != NULL && mirror_config_equal(old, config)) {
            mirror_config_unref(mirror_table_put(&copy->snapshot, mirror_config_ref(old)));
        }
    }
}

static struct mirror_change change_of(const struct mirror_config *named,
                                      struct mirror_config *before, struct mirror_config *after)
{
    return (struct mirror_change){
        .revision = named->mod_revision,
        .synthetic = true,
        .kind = named->kind,
        .environment = named->environment,
        .service_name = named->service_name,
        .version = named->version,
        .head_version = named->version,
        .created_by = named->created_by,
        .comment = named->comment,
        .before = before,
        .after = after,
    };
}

/* Finds configs that the snapshot adds or changes. */
static size_t find_new(const struct mirror_table *old, const struct mirror_table *new,
                       struct mirror_change *changes)
{
    size_t n = 0;
    size_t place = 0;
    for (struct mirror_config *after; (after = mirror_table_next(new, &place)) != NULL;) {
        struct mirror_config *before =
            mirror_table_find(old, after->environment, after->service_name);
        if (after == before) {
            continue;
        }
        changes[n] = change_of(after, before, after);
        changes[n++].kind = mirror_config_is_live(before)
                                ? CONFREG__V1__CHANGE_KIND__CHANGE_KIND_UPDATE
                                : CONFREG__V1__CHANGE_KIND__CHANGE_KIND_CREATE;
    }
    return n;
}

/* Finds configs that are missing in the snapshot: they were deleted at or before its revision. */
static size_t find_gone(const struct mirror_table *old, const struct mirror_table *new,
                        const Confreg__V1__Position *now, struct mirror_change *changes)
{
    size_t n = 0;
    size_t place = 0;
    for (struct mirror_config *before; (before = mirror_table_next(old, &place)) != NULL;) {
        if (!mirror_config_is_live(before) ||
            mirror_table_find(new, before->environment, before->service_name) != NULL) {
            continue;
        }
        struct mirror_config *after = mirror_config_tombstone(now->epoch, before->environment,
                                                              before->service_name, now->revision);
        changes[n] = change_of(after, before, after);
        changes[n++].kind = CONFREG__V1__CHANGE_KIND__CHANGE_KIND_DELETE;
    }
    return n;
}

static void change_over(struct mirror_copy *copy, const Confreg__V1__Position *header)
{
    pthread_rwlock_wrlock(&copy->lock);
    struct mirror_table old = copy->table;
    struct mirror_table noted = copy->noted;
    bool first = copy->view.state == MIRROR_LOADING;
    copy->table = copy->snapshot;
    copy->snapshot = old;
    copy->noted = (struct mirror_table){0};
    copy->snapshot_revision = header->revision;
    copy->view.resets += !first;
    copy->view.revision = header->revision;
    memset(copy->view.epoch, 0, sizeof copy->view.epoch);
    strncpy(copy->view.epoch, header->epoch, sizeof copy->view.epoch - 1);
    copy->view.state = MIRROR_IN_STEP;
    copy->view.selection = copy->asked.number;
    pthread_rwlock_unlock(&copy->lock);
    mirror_table_fini(&noted);
    move_selection(&copy->held, &copy->asked);
}

/* Keeps a complete addition aside, unless it is of another log, or of a server that lags behind the
 * table. */
static void finish_addition(struct mirror_copy *copy, const Confreg__V1__Position *header)
{
    copy->delivered = header->revision;
    copy->served = true;
    if (strcmp(header->epoch, copy->epoch) != 0) {
        copy->wants_snapshot = true;
    } else if (header->revision >= copy->position.revision) {
        copy->addition = copy->snapshot;
        copy->snapshot = (struct mirror_table){0};
        copy->addition_revision = header->revision;
        copy->has_addition = true;
    }
}

/* The table has reached the revision of the addition. Called with the lock held. */
static void absorb_addition(struct mirror_copy *copy)
{
    size_t place = 0;
    for (struct mirror_config *config;
         (config = mirror_table_next(&copy->addition, &place)) != NULL;) {
        if (!mirror_selection_matches(&copy->held, config->environment, config->service_name)) {
            mirror_config_unref(mirror_table_put(&copy->table, mirror_config_ref(config)));
        }
    }
    drop_addition(copy);
    move_selection(&copy->held, &copy->adding);
    copy->filtered = copy->filtered || copy->addition_filtered;
    copy->snapshot_revision = copy->addition_revision;
    copy->view.selection = copy->held.number;
}

static void finish_snapshot(struct mirror_copy *copy, const Confreg__V1__WatchResponse *response)
{
    if (copy->stream == MIRROR_STREAM_ADDITION) {
        finish_addition(copy, response->header);
        return;
    }
    keep_unchanged(copy);
    change_over(copy, response->header);
    keep_position(copy, response->header);
    copy->wants_snapshot = false;
    copy->delivered = response->header->revision;

    const struct mirror_table *old = &copy->snapshot;
    AUTO(free)
    struct mirror_change *changes = mem_array(
        mirror_table_count(old) + mirror_table_count(&copy->table) + 1, sizeof changes[0]);
    size_t n_new = find_new(old, &copy->table, changes);
    size_t n = n_new + find_gone(old, &copy->table, response->header, changes + n_new);
    bool first = copy->view.resets == 0;
    tell(copy, changes, first ? 0 : n);
    for (size_t i = n_new; i < n; i++) {
        mirror_config_unref(changes[i].after);
    }
    mirror_table_fini(&copy->snapshot);
}

/* ---- Events ---- */

/* The head after an event; NULL: the event did not change the head. */
static struct mirror_config *head_after(struct mirror_copy *copy, const char *epoch,
                                        const Confreg__V1__Event *event)
{
    if (event->config != NULL) {
        return mirror_config_new(epoch, event->config, copy->options.free_attachment);
    }
    if (event->head_version == 0) {
        return mirror_config_tombstone(epoch, event->environment, event->service_name,
                                       event->revision);
    }
    return NULL;
}

static struct mirror_change event_change(struct mirror_copy *copy, const char *epoch,
                                         const Confreg__V1__Event *event)
{
    return (struct mirror_change){
        .revision = event->revision,
        .kind = (int)event->kind,
        .environment = event->environment,
        .service_name = event->service_name,
        .version = event->version,
        .head_version = event->head_version,
        .time_us = mirror_time_us(event->commit_time),
        .created_by = texts_author_named(event->created_by, event->created_by_empty),
        .comment = event->comment,
        .after = head_after(copy, epoch, event),
    };
}

/* Called with the lock held. The change holds references to both heads. */
static void apply(struct mirror_copy *copy, struct mirror_change *change)
{
    if (change->after == NULL) {
        return;
    }
    struct mirror_config *known =
        mirror_table_find(&copy->table, change->environment, change->service_name);
    if (known != NULL && known->mod_revision >= change->after->mod_revision) {
        change->before = mirror_config_ref(known);
        return;
    }
    change->before = mirror_table_put(&copy->table, mirror_config_ref(change->after));
}

static void apply_all(struct mirror_copy *copy, struct mirror_change *changes, size_t n,
                      const Confreg__V1__Position *header)
{
    pthread_rwlock_wrlock(&copy->lock);
    if (copy->has_addition && header->revision >= copy->addition_revision) {
        absorb_addition(copy);
    }
    for (size_t i = 0; i < n; i++) {
        apply(copy, &changes[i]);
    }
    copy->view.revision = header->revision;
    if (copy->view.state == MIRROR_STALE && header->revision >= copy->target) {
        copy->view.state = MIRROR_IN_STEP;
    }
    pthread_rwlock_unlock(&copy->lock);
}

/* Whether the addition has this change already. */
static bool is_in_addition(const struct mirror_copy *copy, const Confreg__V1__Event *event)
{
    return copy->has_addition && event->revision <= copy->addition_revision &&
           !mirror_selection_matches(&copy->held, event->environment, event->service_name);
}

static size_t make_changes(struct mirror_copy *copy, struct mirror_change *changes)
{
    size_t n = 0;
    for (size_t i = 0; i < copy->n_unfinished; i++) {
        const Confreg__V1__WatchResponse *response = copy->unfinished[i];
        for (size_t k = 0; k < response->n_events; k++) {
            if (is_in_addition(copy, response->events[k])) {
                continue;
            }
            changes[n] = event_change(copy, response->header->epoch, response->events[k]);
            if (n > 0) {
                changes[n - 1].ends_commit = changes[n - 1].revision != changes[n].revision;
            }
            n++;
        }
    }
    if (n > 0) {
        changes[n - 1].ends_commit = true;
    }
    return n;
}

/* Makes all events since the last complete commit visible at once. */
static void finish_commits(struct mirror_copy *copy, const Confreg__V1__Position *header)
{
    size_t n = 0;
    for (size_t i = 0; i < copy->n_unfinished; i++) {
        n += copy->unfinished[i]->n_events;
    }
    AUTO(free) struct mirror_change *changes = mem_array(n + 1, sizeof changes[0]);
    n = make_changes(copy, changes);
    apply_all(copy, changes, n, header);
    keep_position(copy, header);
    tell(copy, changes, n);
    for (size_t i = 0; i < n; i++) {
        mirror_config_unref(changes[i].before);
        mirror_config_unref(changes[i].after);
    }
    drop_unfinished(copy);
}

static void add_unfinished(struct mirror_copy *copy, Confreg__V1__WatchResponse *response)
{
    copy->unfinished =
        mem_grow(copy->unfinished, copy->n_unfinished + 1, sizeof copy->unfinished[0]);
    copy->unfinished[copy->n_unfinished++] = response;
}

/* ---- Responses ---- */

/* Handles a response. Sets *response to NULL if it keeps the response. */
static void take_by_kind(struct mirror_copy *copy, Confreg__V1__WatchResponse **response)
{
    switch ((*response)->kind) {
    case CONFREG__V1__WATCH_RESPONSE_KIND__WATCH_RESPONSE_KIND_SNAPSHOT:
        take_part(copy, *response);
        break;
    case CONFREG__V1__WATCH_RESPONSE_KIND__WATCH_RESPONSE_KIND_SNAPSHOT_END:
        take_part(copy, *response);
        finish_snapshot(copy, *response);
        break;
    case CONFREG__V1__WATCH_RESPONSE_KIND__WATCH_RESPONSE_KIND_EVENTS:
        if ((*response)->n_events > 0) {
            copy->delivered = (*response)->events[(*response)->n_events - 1]->revision;
        }
        bool more = (*response)->more != 0;
        const Confreg__V1__Position *header = (*response)->header;
        add_unfinished(copy, MOVE(*response));
        if (!more) {
            finish_commits(copy, header);
        }
        break;
    default: /* STARTED, PROGRESS, and kinds that later servers may add */
        if (copy->stream != MIRROR_STREAM_ADDITION && !copy->wants_snapshot) {
            finish_commits(copy, (*response)->header);
        }
    }
}

/* Whether nothing is missing before the response. */
static bool is_next(const struct mirror_copy *copy, const Confreg__V1__WatchResponse *response,
                    struct status *st)
{
    return (response->header != NULL && response->previous_revision == copy->delivered) ||
           status_set(st, STATUS_DATA_LOSS, "MESSAGE_MISSED",
                      "the watch does not go on from what it told last");
}

/* Whether the caller may read as much as when the copy was loaded. A stream with a snapshot says at
 * its beginning what that is made of. */
static bool has_same_rights(struct mirror_copy *copy, bool filtered, struct status *st)
{
    bool is_addition = copy->stream == MIRROR_STREAM_ADDITION;
    bool *loaded = is_addition ? &copy->addition_filtered : &copy->filtered;
    if (copy->stream != MIRROR_STREAM_CHANGES && !copy->heard) {
        *loaded = filtered;
    }
    copy->heard = true;
    bool expected = *loaded || (copy->has_addition && copy->addition_filtered);
    return filtered == expected || status_set(st, STATUS_FAILED_PRECONDITION, "RIGHTS_CHANGED",
                                              "the caller may now read other configs than before");
}

bool mirror_copy_take(struct mirror_copy *copy, Confreg__V1__WatchResponse *response,
                      struct status *st)
{
    bool sound = is_next(copy, response, st) && has_same_rights(copy, response->filtered, st);
    if (sound && !mirror_copy_has_served(copy)) {
        take_by_kind(copy, &response);
    }
    if (response != NULL) {
        confreg__v1__watch_response__free_unpacked(response, NULL);
    }
    return sound;
}
