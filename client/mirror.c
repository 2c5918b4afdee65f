#include "mirror.h"

#include <assert.h>
#include <string.h>

#include "clock.h"
#include "condition.h"
#include "hash.h"
#include "mirror_config.h"
#include "mirror_copy.h"
#include "mirror_selection.h"
#include "registry_client.h"
#include "status.h"

/* The pause between two attempts is random, up to a bound that doubles. */
#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 2000
#define STATUS_TIMEOUT_MS 1000
#define PROGRESS_MS 500 /* interval of the progress messages that the server is asked for */
#define SILENCE_MS 1500 /* without any response the mirror becomes stale */
/* Without any response for HANGS_MS the watch is opened again. The time doubles with each such
 * attempt, because over a slow network one response may take longer. */
#define HANGS_MS INT64_C(5000)
#define HANGS_MOST_MS INT64_C(160000)
#define NS_PER_MS INT64_C(1000000)
#define WATCH_ID_BYTES 16
/* A server that is behind the mirror's position is asked again every BEHIND_MS, BEHIND_MOST times.
 * A node that lags catches up in that time; otherwise the log has lost commits. */
#define BEHIND_MS 1000
#define BEHIND_MOST 5

/* The mirror's thread opens one watch after the other; their responses arrive on the client's
 * thread. */
struct mirror {
    struct mirror_copy copy;
    struct registry_client *client;
    void (*failed)(void *user, const struct status *st, uint64_t selection);
    void *user;
    char id[2 * WATCH_ID_BYTES + 1]; /* of the watch */
    pthread_t thread;

    struct registry_watch watch;
    /* While a stream is open, only the client's thread. */
    unsigned n_behind; /* how often the server was behind the position, on this stream */
    bool progressed;   /* a response has arrived on this stream */
    bool was_settled;  /* after the last response */
    size_t n_held;     /* bytes of parts that the copy holds */
    int64_t heard_ns;  /* when the last response had been applied */
    struct rpc_timer silence;
    int64_t hangs_ms; /* see HANGS_MS */

    pthread_mutex_t lock;         /* protects the members below */
    pthread_cond_t moved;         /* one of them has changed */
    struct rpc_client_call *call; /* the open stream; NULL: none, or its handle is not known yet */
    bool cancelled;               /* the newest stream is to end */
    bool calls;                   /* a GetStatus for this stream's target is running */
    int64_t call_at_ns;           /* when to send the next one; 0: do not */
    bool ended;                   /* the newest stream has ended */
    struct mirror_selection wanted;
    bool settled;         /* the copy can take another selection; see mirror_copy_is_settled */
    int64_t retry_ms;     /* the server wants to be left alone for so long; 0: it did not say */
    bool planned;         /* the stream was ended for another selection */
    bool goes_on;         /* the next stream is opened at once, and the copy is in step meanwhile */
    int64_t silent_at_ns; /* then without a response until this time it is not; 0: no limit */
    bool stopping;
};

/* ---- Reading ---- */

static struct mirror_config *find(const struct mirror_copy *copy, const char *environment,
                                  const char *service_name)
{
    struct mirror_config *found = mirror_copy_find(copy, environment, service_name);
    return found == NULL ? NULL : mirror_config_ref(found);
}

/* The copy, locked for reading until end_reading. */
static struct mirror_copy *begin_reading(struct mirror *mirror)
{
    pthread_rwlock_rdlock(&mirror->copy.lock);
    return &mirror->copy;
}

static void end_reading(struct mirror_copy *copy, struct mirror_view *ret_view)
{
    mirror_copy_view(copy, ret_view);
    pthread_rwlock_unlock(&copy->lock);
}

void mirror_look(struct mirror *mirror, struct mirror_view *ret_view)
{
    end_reading(begin_reading(mirror), ret_view);
}

struct mirror_config *mirror_get(struct mirror *mirror, const char *environment,
                                 const char *service_name, struct mirror_view *ret_view)
{
    struct mirror_copy *copy = begin_reading(mirror);
    struct mirror_config *found = find(copy, environment, service_name);
    end_reading(copy, ret_view);
    return found;
}

void mirror_get_several(struct mirror *mirror, const char *service_name,
                        const char *const *environments, size_t n,
                        struct mirror_config **ret_configs, struct mirror_view *ret_view)
{
    struct mirror_copy *copy = begin_reading(mirror);
    for (size_t i = 0; i < n; i++) {
        ret_configs[i] = find(copy, environments[i], service_name);
    }
    end_reading(copy, ret_view);
}

static bool selects(const struct mirror_selector *s, const struct mirror_config *config)
{
    return (s->environment == NULL || strcmp(s->environment, config->environment) == 0) &&
           (s->service_name == NULL || strcmp(s->service_name, config->service_name) == 0) &&
           (s->service_name_prefix == NULL || strncmp(s->service_name_prefix, config->service_name,
                                                      strlen(s->service_name_prefix)) == 0);
}

static int by_name(const void *a, const void *b)
{
    const struct mirror_config *x = *(struct mirror_config *const *)a;
    const struct mirror_config *y = *(struct mirror_config *const *)b;
    int order = strcmp(x->environment, y->environment);
    return order != 0 ? order : strcmp(x->service_name, y->service_name);
}

static void add_reference(struct mirror_list *list, size_t *room, struct mirror_config *config)
{
    if (list->n == *room) {
        *room = *room == 0 ? 64 : *room * 2;
        list->configs = mem_grow(list->configs, *room, sizeof list->configs[0]);
    }
    list->configs[list->n++] = mirror_config_ref(config);
}

static void add_selected(struct mirror_list *list, size_t *room,
                         const struct mirror_selector *selector, struct mirror_config *config)
{
    if (mirror_config_is_live(config) && selects(selector, config)) {
        add_reference(list, room, config);
    }
}

/* The configs that a list has to look at. A name is looked up, a service has a group; anything else
 * takes a look at every config. */
struct candidates {
    struct mirror_config *one;        /* of one name; NULL: there is none */
    const struct mirror_group *group; /* of one service; NULL: there is none */
    const struct mirror_table *all;   /* NULL: `one` or `group` is meant */
    size_t n;
};

static struct candidates find_candidates(const struct mirror_copy *copy,
                                         const struct mirror_selector *s)
{
    struct candidates found = {.n = 0};
    if (s->service_name == NULL) {
        found.all = &copy->table;
        found.n = mirror_table_count(found.all);
    } else if (s->environment == NULL) {
        found.group = mirror_table_service(&copy->table, s->service_name);
        found.n = found.group == NULL ? 0 : found.group->n;
    } else {
        found.one = mirror_table_find(&copy->table, s->environment, s->service_name);
        found.n = found.one != NULL;
    }
    return found;
}

static void add_candidates(const struct candidates *candidates,
                           const struct mirror_selector *selector, struct mirror_list *list)
{
    size_t room = 0;
    size_t place = 0;
    struct mirror_config *config;
    add_selected(list, &room, selector, candidates->one);
    for (size_t i = 0; candidates->group != NULL && i < candidates->group->n; i++) {
        add_selected(list, &room, selector, candidates->group->configs[i]);
    }
    while (candidates->all != NULL &&
           (config = mirror_table_next(candidates->all, &place)) != NULL) {
        add_selected(list, &room, selector, config);
    }
}

bool mirror_list(struct mirror *mirror, const struct mirror_selector *selector, size_t max,
                 struct mirror_list *ret_list, struct mirror_view *ret_view)
{
    static const struct mirror_selector all = {0};
    struct mirror_list list = {0};
    const struct mirror_selector *wanted = selector == NULL ? &all : selector;
    struct mirror_copy *copy = begin_reading(mirror);
    const struct candidates candidates = find_candidates(copy, wanted);
    bool fits = candidates.n <= max;
    if (fits) {
        add_candidates(&candidates, wanted, &list);
    }
    end_reading(copy, ret_view);
    if (list.n > 1) {
        qsort(list.configs, list.n, sizeof list.configs[0], by_name);
    }
    *ret_list = list;
    return fits;
}

void mirror_list_fini(struct mirror_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        mirror_config_unref(list->configs[i]);
    }
    free(list->configs);
    *list = (struct mirror_list){0};
}

void mirror_note_absent(struct mirror *mirror, const struct mirror_absence *absence)
{
    mirror_copy_note_absent(&mirror->copy, absence);
}

/* ---- Callbacks of the watch, on the client's thread ---- */

/* Makes the mirror's thread ask for the target after ms. */
static void call_in(struct mirror *mirror, int64_t ms)
{
    pthread_mutex_lock(&mirror->lock);
    mirror->call_at_ns = clock_monotonic_ns() + ms * NS_PER_MS;
    pthread_cond_signal(&mirror->moved);
    pthread_mutex_unlock(&mirror->lock);
}

/* Where the handle is not known yet, open_watch cancels the stream as soon as it has it. */
static void cancel_stream(struct mirror *mirror)
{
    pthread_mutex_lock(&mirror->lock);
    mirror->cancelled = true;
    if (mirror->call != NULL) {
        rpc_client_cancel(mirror->call);
    }
    pthread_mutex_unlock(&mirror->lock);
}

static void hear_nothing(struct rpc_timer *timer)
{
    struct mirror *mirror = CONTAINER_OF(timer, struct mirror, silence);
    int64_t hangs_ns = mirror->heard_ns + mirror->hangs_ms * NS_PER_MS;
    if (clock_monotonic_ns() < hangs_ns) {
        mirror_copy_silent(&mirror->copy, mirror->heard_ns);
        registry_client_set_timer(mirror->client, timer, hangs_ns);
    } else {
        int64_t next_ms = mirror->hangs_ms * 2;
        mirror->hangs_ms = next_ms < HANGS_MOST_MS ? next_ms : HANGS_MOST_MS;
        cancel_stream(mirror);
    }
}

static void lose_position(struct mirror *mirror)
{
    struct status st;
    status_set(&st, STATUS_FAILED_PRECONDITION, "POSITION_LOST",
               "the server's log is shorter than a position that it has sent");
    mirror_copy_end(&mirror->copy, &st, false);
    cancel_stream(mirror);
}

static void compare_position(struct mirror *mirror, const Confreg__V1__Position *header)
{
    const Confreg__V1__Position *seen = &mirror->copy.position;
    bool behind = header->revision < seen->revision;
    bool other = header->revision == seen->revision && seen->chain_hash != 0 &&
                 header->chain_hash != seen->chain_hash;
    if (other || (behind && ++mirror->n_behind == BEHIND_MOST)) {
        lose_position(mirror);
    } else if (behind) {
        call_in(mirror, BEHIND_MS);
    } else {
        mirror_copy_target(&mirror->copy, header->revision);
    }
}

static void take_target(void *user, ProtobufCMessage *message, const struct status *st)
{
    struct mirror *mirror = user;
    const Confreg__V1__GetStatusResponse *response = (const void *)message;
    pthread_mutex_lock(&mirror->lock);
    bool is_open = !mirror->ended;
    pthread_mutex_unlock(&mirror->lock);
    if (is_open && response != NULL && response->header != NULL) {
        compare_position(mirror, response->header);
    } else if (is_open && st != NULL) {
        call_in(mirror, BEHIND_MS);
    }
    if (message != NULL) {
        protobuf_c_message_free_unpacked(message, NULL);
    }
    pthread_mutex_lock(&mirror->lock);
    mirror->calls = false;
    pthread_cond_signal(&mirror->moved);
    pthread_mutex_unlock(&mirror->lock);
}

/* ---- Responses ---- */

static void ignore(void *user, ProtobufCMessage *message, const struct status *st)
{
    (void)user;
    (void)st;
    if (message != NULL) {
        protobuf_c_message_free_unpacked(message, NULL);
    }
}

/* Without an answer the next progress message tells. */
void mirror_ask_progress(struct mirror *mirror)
{
    Confreg__V1__WatchProgressRequest request = CONFREG__V1__WATCH_PROGRESS_REQUEST__INIT;
    request.watch_id = mirror->id;
    registry_client_call(mirror->client, REGISTRY_WATCH_PROGRESS, &request.base, STATUS_TIMEOUT_MS,
                         ignore, NULL);
}

static void note_first_response(struct mirror *mirror)
{
    if (mirror_copy_wants_target(&mirror->copy)) {
        call_in(mirror, 0);
    }
    if (mirror->copy.has_addition) {
        mirror_ask_progress(mirror); /* how soon the copy reaches the addition */
    }
}

static void note_progress(struct mirror *mirror)
{
    pthread_mutex_lock(&mirror->lock);
    mirror->silent_at_ns = 0;
    mirror->settled = mirror_copy_is_settled(&mirror->copy);
    pthread_cond_signal(&mirror->moved);
    pthread_mutex_unlock(&mirror->lock);
}

/* The copy is of no more use for the stream: tells why, which is not that the stream then ends as
 * cancelled. */
static void give_up(struct mirror *mirror, const struct status *st)
{
    if (mirror->failed != NULL) {
        mirror->failed(mirror->user, st, mirror_copy_loading(&mirror->copy));
    }
    mirror_copy_end(&mirror->copy, st, false);
    cancel_stream(mirror);
    mirror->progressed = false; /* so that pauses grow */
}

/* Whether the copy may hold the response, too. */
static bool may_hold(struct mirror *mirror, struct status *st)
{
    if (!mirror_copy_holds_parts(&mirror->copy)) {
        mirror->n_held = 0;
    }
    bool fits = registry_watch_hold(&mirror->watch, &mirror->n_held, st);
    if (!fits) {
        mirror_copy_overflow(&mirror->copy);
    }
    return fits;
}

static bool take_response(struct registry_watch *watch, Confreg__V1__WatchResponse *response)
{
    struct mirror *mirror = CONTAINER_OF(watch, struct mirror, watch);
    struct status st;
    if (!may_hold(mirror, &st)) {
        confreg__v1__watch_response__free_unpacked(response, NULL);
        give_up(mirror, &st);
        return false;
    }
    if (!mirror_copy_take(&mirror->copy, response, &st)) {
        give_up(mirror, &st);
        return false;
    }
    /* After mirror_copy_take, because applying a large snapshot may itself take longer than
     * SILENCE_MS. */
    mirror->heard_ns = clock_monotonic_ns();
    registry_client_set_timer(mirror->client, &mirror->silence,
                              mirror->heard_ns + SILENCE_MS * NS_PER_MS);
    if (!mirror->progressed) {
        note_first_response(mirror);
    }
    if (!mirror->progressed || !mirror->was_settled) {
        note_progress(mirror);
    }
    mirror->progressed = true;
    mirror->was_settled = mirror_copy_is_settled(&mirror->copy);
    mirror->hangs_ms = mirror_copy_is_in_step(&mirror->copy) ? HANGS_MS : mirror->hangs_ms;
    return !mirror_copy_has_served(&mirror->copy);
}

static void end_stream(struct registry_watch *watch, const struct status *st)
{
    struct mirror *mirror = CONTAINER_OF(watch, struct mirror, watch);
    registry_client_clear_timer(mirror->client, &mirror->silence);
    pthread_mutex_lock(&mirror->lock);
    bool planned = mirror->planned;
    bool cancelled = mirror->cancelled || mirror->stopping;
    pthread_mutex_unlock(&mirror->lock);
    if (st != NULL && !cancelled && !mirror_copy_has_served(&mirror->copy) &&
        mirror->failed != NULL) {
        mirror->failed(mirror->user, st, mirror_copy_loading(&mirror->copy));
    }
    if (registry_watch_is_too_large(watch)) {
        mirror_copy_overflow(&mirror->copy);
        mirror->progressed = false;
    }
    bool goes_on = mirror_copy_end(&mirror->copy, st, planned);
    pthread_mutex_lock(&mirror->lock);
    mirror->goes_on = goes_on;
    mirror->retry_ms = st == NULL ? 0 : (int64_t)st->retry_ms;
    mirror->ended = true;
    mirror->call = NULL;
    pthread_cond_signal(&mirror->moved);
    pthread_mutex_unlock(&mirror->lock);
}

/* ---- The mirror's thread ---- */

static void expect_stream(struct mirror *mirror)
{
    mirror->n_behind = 0;
    mirror->progressed = false;
    mirror->was_settled = false;
    pthread_mutex_lock(&mirror->lock);
    assert(mirror->call == NULL && "one stream is open at a time");
    mirror->silent_at_ns = mirror->goes_on ? clock_monotonic_ns() + SILENCE_MS * NS_PER_MS : 0;
    mirror->ended = false;
    mirror->cancelled = false;
    mirror->settled = false;
    mirror->planned = false;
    mirror->call_at_ns = 0;
    pthread_mutex_unlock(&mirror->lock);
}

/* Keeps the handle unless the stream has ended already. While the lock is held and `ended` is
 * false, end_stream has not returned, so the handle is valid. */
static void keep_handle(struct mirror *mirror, struct rpc_client_call *call)
{
    pthread_mutex_lock(&mirror->lock);
    if (!mirror->ended) {
        mirror->call = call;
        if (mirror->cancelled || mirror->stopping) {
            rpc_client_cancel(call);
        }
    }
    pthread_mutex_unlock(&mirror->lock);
}

static void open_watch(struct mirror *mirror)
{
    Confreg__V1__WatchRequest request = CONFREG__V1__WATCH_REQUEST__INIT;
    Google__Protobuf__Duration interval = GOOGLE__PROTOBUF__DURATION__INIT;
    struct mirror_selection wanted;
    pthread_mutex_lock(&mirror->lock);
    mirror_selection_copy(&wanted, &mirror->wanted);
    pthread_mutex_unlock(&mirror->lock);
    mirror_copy_begin(&mirror->copy, &wanted, &request);
    mirror_selection_fini(&wanted);
    interval.nanos = (int)(PROGRESS_MS * NS_PER_MS);
    request.progress_interval = &interval;
    request.include_large = true;
    request.watch_id = mirror->id;
    expect_stream(mirror);
    keep_handle(mirror,
                registry_client_watch_open(mirror->client, NULL, &request, true, &mirror->watch));
}

/* Waits, with the lock held, until something has changed or until at_ns (0: no time-out). False:
 * the time has passed. */
static bool wait_until(struct mirror *mirror, int64_t at_ns)
{
    return condition_wait_until(&mirror->moved, &mirror->lock, at_ns == 0 ? INT64_MAX : at_ns);
}

/* Called with the lock held; releases it during the call. */
static void ask_target(struct mirror *mirror)
{
    Confreg__V1__GetStatusRequest request = CONFREG__V1__GET_STATUS_REQUEST__INIT;
    mirror->calls = true;
    mirror->call_at_ns = 0;
    pthread_mutex_unlock(&mirror->lock);
    registry_client_call(mirror->client, REGISTRY_GET_STATUS, &request.base, STATUS_TIMEOUT_MS,
                         take_target, mirror);
    pthread_mutex_lock(&mirror->lock);
}

/* Sends a GetStatus if one is due. Called with the lock held. Returns when the next one is due; 0:
 * none is. */
static int64_t serve_stream(struct mirror *mirror)
{
    int64_t now = clock_monotonic_ns();
    if (mirror->call_at_ns == 0 || mirror->calls) {
        return 0;
    }
    if (mirror->call_at_ns <= now) {
        ask_target(mirror);
        return now; /* the lock was released: check everything again */
    }
    return mirror->call_at_ns;
}

/* Called with the lock held. */
static void end_for_selection(struct mirror *mirror)
{
    /* While it is settled, the client's thread does not change what the copy holds. */
    if (mirror->settled && !mirror->cancelled && !mirror->stopping &&
        mirror_copy_lacks(&mirror->copy, &mirror->wanted)) {
        mirror->planned = true;
        mirror->cancelled = true;
        if (mirror->call != NULL) {
            rpc_client_cancel(mirror->call);
        }
    }
}

/* Called with the lock held. Returns when it is to be called again; 0: not at a certain time. */
static int64_t end_if_silent(struct mirror *mirror)
{
    bool is_late = mirror->silent_at_ns != 0 && mirror->silent_at_ns <= clock_monotonic_ns();
    if (is_late && !mirror->cancelled) {
        mirror->cancelled = true;
        if (mirror->call != NULL) {
            rpc_client_cancel(mirror->call);
        }
    }
    return is_late ? 0 : mirror->silent_at_ns;
}

/* The earlier of two times of which 0 is none. */
static int64_t earlier(int64_t a_ns, int64_t b_ns)
{
    return a_ns == 0 || (b_ns != 0 && b_ns < a_ns) ? b_ns : a_ns;
}

/* Serves the stream until it has ended and no GetStatus is running. */
static void wait_for_end(struct mirror *mirror)
{
    pthread_mutex_lock(&mirror->lock);
    while (!mirror->ended || mirror->calls) {
        int64_t next_ns = 0;
        if (!mirror->ended) {
            end_for_selection(mirror);
            next_ns = earlier(end_if_silent(mirror), serve_stream(mirror));
        }
        wait_until(mirror, next_ns);
    }
    pthread_mutex_unlock(&mirror->lock);
}

/* Full jitter: clients that lost the same server do not reconnect all at once. */
static int64_t random_up_to(int64_t most)
{
    uint32_t drawn;
    random_bytes(&drawn, sizeof drawn);
    return (int64_t)((uint64_t)drawn * (uint64_t)most >> 32);
}

/* Waits ms. False: the mirror is to stop. */
static bool wait_ms(struct mirror *mirror, int64_t ms)
{
    int64_t at_ns = clock_monotonic_ns() + ms * NS_PER_MS;
    pthread_mutex_lock(&mirror->lock);
    while (!mirror->stopping && wait_until(mirror, at_ns)) {
    }
    bool on = !mirror->stopping;
    pthread_mutex_unlock(&mirror->lock);
    return on;
}

/* Pauses before the next stream, unless that is to be opened at once. False: the mirror is to
 * stop. */
static bool pause_between(struct mirror *mirror, int64_t bound_ms)
{
    pthread_mutex_lock(&mirror->lock);
    bool at_once = mirror->goes_on;
    int64_t least_ms = mirror->retry_ms;
    pthread_mutex_unlock(&mirror->lock);
    return at_once || wait_ms(mirror, least_ms + random_up_to(bound_ms));
}

static void *follow(void *user)
{
    struct mirror *mirror = user;
    int64_t bound_ms = BACKOFF_MIN_MS;
    do {
        open_watch(mirror);
        wait_for_end(mirror);
        bound_ms = mirror->progressed ? BACKOFF_MIN_MS : bound_ms * 2;
        bound_ms = bound_ms > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : bound_ms;
    } while (pause_between(mirror, bound_ms));
    return NULL;
}

/* ---- The mirror ---- */

uint64_t mirror_select(struct mirror *mirror, const struct mirror_selector *selectors, size_t n)
{
    assert(n > 0 && "a selection names something");
    pthread_mutex_lock(&mirror->lock);
    uint64_t number = mirror->wanted.number + 1;
    mirror_selection_fini(&mirror->wanted);
    mirror_selection_init(&mirror->wanted, selectors, n, number);
    pthread_cond_signal(&mirror->moved);
    pthread_mutex_unlock(&mirror->lock);
    return number;
}

struct mirror *mirror_new(struct registry_client *client, const struct mirror_options *options)
{
    struct mirror *mirror = mem_zalloc(sizeof *mirror);
    mirror->client = client;
    mirror->watch = (struct registry_watch){.response = take_response, .done = end_stream};
    mirror->silence.fn = hear_nothing;
    mirror->hangs_ms = HANGS_MS;
    mirror_copy_init(&mirror->copy, options);
    mirror->failed = options->failed;
    mirror->user = options->user;
    mirror_selection_init(&mirror->wanted, options->selectors, options->n_selectors, 1);
    uint8_t id[WATCH_ID_BYTES];
    random_bytes(id, sizeof id);
    hex_encode(id, sizeof id, mirror->id);
    pthread_mutex_init(&mirror->lock, NULL);
    pthread_cond_init(&mirror->moved, NULL);
    int error = pthread_create(&mirror->thread, NULL, follow, mirror);
    assert(error == 0 && "a mirror can have its thread");
    return mirror;
}

void mirror_free(struct mirror *mirror)
{
    if (mirror == NULL) {
        return;
    }
    pthread_mutex_lock(&mirror->lock);
    mirror->stopping = true;
    if (mirror->call != NULL) {
        rpc_client_cancel(mirror->call);
    }
    pthread_cond_signal(&mirror->moved);
    pthread_mutex_unlock(&mirror->lock);
    pthread_join(mirror->thread, NULL);
    pthread_cond_destroy(&mirror->moved);
    pthread_mutex_destroy(&mirror->lock);
    mirror_copy_fini(&mirror->copy);
    mirror_selection_fini(&mirror->wanted);
    free(mirror);
}
