#include "relay.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backoff.h"
#include "clock.h"
#include "commit_window.h"
#include "condition.h"
#include "log.h"
#include "notification.h"

#define FLIGHTS BUS_IN_FLIGHT /* most commits that are not confirmed yet; a power of two */
#define READ_COMMITS 512
#define MARK_EVERY_MS 100
#define LOOK_EVERY_MS 1000
#define STAND_BY_MS 1000
#define LAST_WORDS_MS 1000
#define STALL_MS 3000 /* without a confirm the broker counts as stalled; over LOOK_EVERY_MS */

/* A commit whose messages were published and not all confirmed. */
struct flight {
    uint64_t revision;
    uint64_t last_message; /* number of the newest message up to and including this commit */
};

struct relay {
    struct bus *bus;
    struct store *store;
    const char *epoch;
    struct commit_window window;
    struct wake wake;
    pthread_t thread;
    atomic_bool ending;

    /* Only the relay's thread. */
    uint64_t marked;    /* the stored position as last read or written */
    int64_t marked_at;  /* when it was written, on clock_monotonic_ns() */
    uint64_t next;      /* the revision to publish next */
    uint64_t messages;  /* published since the lease was taken */
    uint64_t confirmed; /* messages 1 to this one are confirmed */
    struct flight flights[FLIGHTS];
    uint64_t first_flight, next_flight;
    struct commit *backlog[READ_COMMITS]; /* read from the store; owned references */
    size_t n_backlog;
    size_t next_backlog;
    struct backoff backoff;

    pthread_mutex_t lock;       /* protects the members below */
    struct relay_report report; /* without `behind`; next: below it everything is confirmed */
    int64_t moved_at;           /* when the last confirm came, or nothing was unconfirmed */
    pthread_cond_t progress;    /* the role changed, or the thread ended */
    bool ended;
};

/* ---- The report ---- */

/* A broker with a full disk or memory, or a frozen one, keeps its connection open and confirms
 * nothing. The relay's thread may then be blocked in a send, so the stall is detected here, on the
 * thread that asks for the report. */
static void note_stall(struct relay_report *report, int64_t moved_at)
{
    int64_t stalled_ms = (clock_monotonic_ns() - moved_at) / 1000000;
    if (report->role == RELAY_PUBLISHING && report->behind > 0 && stalled_ms >= STALL_MS) {
        report->role = RELAY_CONNECTING;
        snprintf(report->reason, sizeof report->reason,
                 "the broker has confirmed nothing for %" PRId64 " s", stalled_ms / 1000);
    }
}

void relay_report(struct relay *relay, struct relay_report *ret_report)
{
    pthread_mutex_lock(&relay->lock);
    *ret_report = relay->report;
    int64_t moved_at = relay->moved_at;
    pthread_mutex_unlock(&relay->lock);
    uint64_t end = commit_window_newest(&relay->window) + 1;
    ret_report->behind = end > ret_report->next ? end - ret_report->next : 0;
    note_stall(ret_report, moved_at);
}

static void log_role(const struct relay *relay, enum relay_role role, const char *reason)
{
    char next[24];
    snprintf(next, sizeof next, "%" PRIu64, relay->marked);
    switch (role) {
    case RELAY_CONNECTING:
        log_event(LOG_WARNING, "events_delayed", "reason", reason, NULL);
        break;
    case RELAY_PUBLISHING:
        log_event(LOG_INFO, "events_published", "bus", relay->bus->ops->scheme, "from_revision",
                  next, NULL);
        break;
    case RELAY_STANDING_BY:
        log_event(LOG_INFO, "events_published_elsewhere", NULL);
        break;
    }
}

static void set_role(struct relay *relay, enum relay_role role, const char *reason)
{
    pthread_mutex_lock(&relay->lock);
    /* The role is RELAY_CONNECTING from the start: its first failure must be logged, too. */
    bool changed =
        relay->report.role != role || (relay->report.reason[0] == '\0' && reason[0] != '\0');
    relay->report.role = role;
    relay->moved_at = clock_monotonic_ns();
    snprintf(relay->report.reason, sizeof relay->report.reason, "%s", reason);
    pthread_cond_signal(&relay->progress);
    pthread_mutex_unlock(&relay->lock);
    if (changed) {
        log_role(relay, role, reason);
    }
}

static void set_progress(struct relay *relay, uint64_t next, uint64_t published)
{
    bool moved = published > 0 || relay->first_flight == relay->next_flight;
    pthread_mutex_lock(&relay->lock);
    relay->report.next = next;
    relay->report.published += published;
    relay->moved_at = moved ? clock_monotonic_ns() : relay->moved_at;
    pthread_mutex_unlock(&relay->lock);
}

/* ---- The position ---- */

static struct flight *flight(struct relay *relay, uint64_t number)
{
    return &relay->flights[number & (FLIGHTS - 1)];
}

/* The oldest revision that is not confirmed completely. */
static uint64_t position(struct relay *relay)
{
    return relay->first_flight == relay->next_flight ? relay->next
                                                     : flight(relay, relay->first_flight)->revision;
}

static bool keep_position(struct relay *relay, struct status *st)
{
    uint64_t to = position(relay);
    if (to == relay->marked) {
        return true;
    }
    if (!store_move_mark(relay->store, STORE_MARK_RELAYED, relay->marked, to, st)) {
        return false;
    }
    relay->marked = to;
    relay->marked_at = clock_monotonic_ns();
    return true;
}

static bool read_position(struct relay *relay, struct status *st)
{
    if (!store_get_mark(relay->store, STORE_MARK_RELAYED, &relay->marked, st)) {
        return status_context(st, "reading how far events were published");
    }
    set_progress(relay, relay->marked, 0);
    return true;
}

/* Sets the position of a log that was never relayed. Runs before the node accepts writes, so no
 * change is missed. */
static bool first_position(struct relay *relay, const struct relay_options *options,
                           struct status *st)
{
    uint64_t first = options->whole_log ? 1 : options->revision + 1;
    if (!store_move_mark(relay->store, STORE_MARK_RELAYED, 0, first, st) &&
        st->code != STATUS_ABORTED) {
        return status_context(st, "noting where events begin");
    }
    return read_position(relay, st);
}

/* ---- Commits to publish ---- */

static bool keep_commit(void *user, struct commit *commit)
{
    struct relay *relay = user;
    relay->backlog[relay->n_backlog++] = commit_ref(commit);
    return relay->n_backlog < READ_COMMITS;
}

static void drop_backlog(struct relay *relay)
{
    while (relay->next_backlog < relay->n_backlog) {
        commit_unref(relay->backlog[relay->next_backlog++]);
    }
    relay->n_backlog = 0;
    relay->next_backlog = 0;
}

static bool read_backlog(struct relay *relay, uint64_t newest, struct status *st)
{
    drop_backlog(relay);
    return store_read_known_commits(relay->store, relay->next, newest, false, keep_commit, relay,
                                    st) ||
           status_context(st, "reading the log from revision %" PRIu64, relay->next);
}

/* Returns a reference to the commit of revision `next`: from the backlog, the window or the store.
 */
static bool take_commit(struct relay *relay, uint64_t newest, struct commit **ret_commit,
                        struct status *st)
{
    if (relay->next_backlog == relay->n_backlog) {
        *ret_commit = commit_window_take(&relay->window, relay->next);
        if (*ret_commit != NULL) {
            return true;
        }
        if (!read_backlog(relay, newest, st)) {
            return false;
        }
    }
    *ret_commit = relay->backlog[relay->next_backlog++];
    assert((*ret_commit)->revision == relay->next && "the backlog stands at the next revision");
    return true;
}

/* ---- Publishing ---- */

static bool publish_change(struct relay *relay, const struct commit *commit, size_t index,
                           struct status *st)
{
    AUTO_STR body = {0};
    char id[64];
    notification_render(commit, index, &body);
    snprintf(id, sizeof id, "%s:%" PRIu64 ":%zu", relay->epoch, commit->revision, index);
    struct bus_message message = {.routing_key = notification_routing_key(&commit->changes[index]),
                                  .id = id,
                                  .body = str_text(&body),
                                  .n_body = body.len};
    relay->messages++;
    return bus_publish(relay->bus, &message, st);
}

static bool publish_commit(struct relay *relay, const struct commit *commit, struct status *st)
{
    for (size_t i = 0; i < commit->n_changes; i++) {
        if (notification_routing_key(&commit->changes[i]) != NULL &&
            !publish_change(relay, commit, i, st)) {
            return false;
        }
    }
    *flight(relay, relay->next_flight++) =
        (struct flight){.revision = commit->revision, .last_message = relay->messages};
    relay->next++;
    return true;
}

static bool has_room(const struct relay *relay)
{
    return relay->next_flight - relay->first_flight < FLIGHTS &&
           relay->messages - relay->confirmed + COMMIT_MAX_CHANGES <= BUS_IN_FLIGHT;
}

static bool publish_more(struct relay *relay, struct status *st)
{
    uint64_t newest = commit_window_newest(&relay->window);
    while (relay->next <= newest && has_room(relay)) {
        AUTO(commit_unref) struct commit *commit = NULL;
        if (!take_commit(relay, newest, &commit, st) || !publish_commit(relay, commit, st)) {
            return false;
        }
    }
    return true;
}

static void take_confirms(struct relay *relay, uint64_t confirmed)
{
    while (relay->first_flight < relay->next_flight &&
           flight(relay, relay->first_flight)->last_message <= confirmed) {
        relay->first_flight++;
    }
    set_progress(relay, position(relay), confirmed - relay->confirmed);
    relay->confirmed = confirmed;
}

static bool all_is_said(struct relay *relay)
{
    return position(relay) == commit_window_newest(&relay->window) + 1;
}

/* How long to wait for confirms or commits; 0: the position must be stored now. */
static int64_t patience_ms(struct relay *relay)
{
    if (position(relay) == relay->marked) {
        return LOOK_EVERY_MS;
    }
    int64_t passed_ms = (clock_monotonic_ns() - relay->marked_at) / 1000000;
    return passed_ms >= MARK_EVERY_MS ? 0 : MARK_EVERY_MS - passed_ms;
}

static bool step(struct relay *relay, struct status *st)
{
    uint64_t confirmed = 0;
    wake_clear(&relay->wake);
    if (!publish_more(relay, st) ||
        !bus_wait(relay->bus, &relay->wake, patience_ms(relay), &confirmed, st)) {
        return false;
    }
    take_confirms(relay, confirmed);
    return patience_ms(relay) > 0 || keep_position(relay, st);
}

/* ---- The lease ---- */

static bool take_lease(struct relay *relay, struct status *st)
{
    /* Read the position before taking the lease as well: a relay that stands by reports it. */
    if (!read_position(relay, st) || !bus_acquire(relay->bus, st) || !read_position(relay, st)) {
        return false;
    }
    relay->next = relay->marked;
    relay->messages = 0;
    relay->confirmed = 0;
    relay->first_flight = relay->next_flight;
    return true;
}

static void give_lease_back(struct relay *relay)
{
    struct status st;
    if (!keep_position(relay, &st) && st.code != STATUS_ABORTED) {
        log_event(LOG_WARNING, "mark_not_saved", "reason", st.message, NULL);
    }
    bus_release(relay->bus);
    drop_backlog(relay);
}

static bool goes_on(const struct relay *relay)
{
    return !atomic_load(&relay->ending) && !wake_stopping(&relay->wake);
}

/* Holds the lease and publishes until something fails (false) or the relay ends (true). */
static bool publish(struct relay *relay, struct status *st)
{
    set_role(relay, RELAY_PUBLISHING, "");
    bool ok = true;
    while (ok && (goes_on(relay) || (!wake_stopping(&relay->wake) && !all_is_said(relay)))) {
        ok = step(relay, st);
        if (relay->confirmed > 0) {
            backoff_reset(&relay->backoff);
        }
    }
    give_lease_back(relay);
    return ok;
}

static void *run(void *argument)
{
    struct relay *relay = argument;
    while (goes_on(relay)) {
        struct status st;
        if (take_lease(relay, &st) && publish(relay, &st)) {
            break;
        }
        bool elsewhere = st.outcome == OUTCOME_LEASE_HELD;
        set_role(relay, elsewhere ? RELAY_STANDING_BY : RELAY_CONNECTING,
                 elsewhere ? "" : st.message);
        if (goes_on(relay)) {
            wake_pause(&relay->wake, elsewhere ? STAND_BY_MS : backoff_next_ms(&relay->backoff));
        }
    }
    pthread_mutex_lock(&relay->lock);
    relay->ended = true;
    pthread_cond_signal(&relay->progress);
    pthread_mutex_unlock(&relay->lock);
    return NULL;
}

/* ---- Start and end ---- */

static bool is_heard(const struct relay *relay)
{
    return relay->bus->ops->outside;
}

static bool start(struct relay *relay, const struct relay_options *options, struct status *st)
{
    if (!is_heard(relay)) {
        relay->report =
            (struct relay_report){.role = RELAY_PUBLISHING, .next = options->revision + 1};
        return true;
    }
    if (!first_position(relay, options, st)) {
        return false;
    }
    int failed = pthread_create(&relay->thread, NULL, run, relay);
    assert(failed == 0 && "a thread can be had at start");
    return true;
}

static void destroy(struct relay *relay)
{
    commit_window_fini(&relay->window);
    wake_fini(&relay->wake);
    pthread_cond_destroy(&relay->progress);
    pthread_mutex_destroy(&relay->lock);
    free(relay);
}

bool relay_new(const struct relay_options *options, struct relay **ret_relay, struct status *st)
{
    struct relay *relay = mem_zalloc(sizeof *relay);
    relay->bus = options->bus;
    relay->store = options->store;
    relay->epoch = options->epoch;
    commit_window_init(&relay->window, options->revision);
    wake_init(&relay->wake);
    pthread_mutex_init(&relay->lock, NULL);
    pthread_cond_init(&relay->progress, NULL);
    if (!start(relay, options, st)) {
        destroy(relay);
        return false;
    }
    *ret_relay = relay;
    return true;
}

static void end_thread(struct relay *relay, int64_t patience_ms)
{
    int64_t last_words_ms = patience_ms < LAST_WORDS_MS ? patience_ms : LAST_WORDS_MS;
    int64_t until_ns = clock_monotonic_ns() + last_words_ms * 1000000;
    bool in_time = true;
    atomic_store(&relay->ending, true);
    wake_set(&relay->wake);
    pthread_mutex_lock(&relay->lock);
    while (relay->report.role == RELAY_PUBLISHING && !relay->ended && in_time) {
        in_time = condition_wait_until(&relay->progress, &relay->lock, until_ns);
    }
    pthread_mutex_unlock(&relay->lock);
    wake_stop(&relay->wake);
    bus_interrupt(relay->bus);
    pthread_join(relay->thread, NULL);
}

void relay_free(struct relay *relay, int64_t patience_ms)
{
    if (relay == NULL) {
        return;
    }
    if (is_heard(relay)) {
        end_thread(relay, patience_ms);
    }
    destroy(relay);
}

/* A bus without outside listeners: changes are only counted. */
static void count_changes(struct relay *relay, const struct commit *commit)
{
    uint64_t n = 0;
    for (size_t i = 0; i < commit->n_changes; i++) {
        n += notification_routing_key(&commit->changes[i]) != NULL;
    }
    pthread_mutex_lock(&relay->lock);
    relay->report.published += n;
    relay->report.next = commit->revision + 1;
    pthread_mutex_unlock(&relay->lock);
}

void relay_commit(struct relay *relay, struct commit *commit)
{
    if (is_heard(relay)) {
        commit_window_put(&relay->window, commit);
    } else {
        count_changes(relay, commit);
    }
}

void relay_wake(struct relay *relay)
{
    if (is_heard(relay)) {
        wake_set(&relay->wake);
    }
}
