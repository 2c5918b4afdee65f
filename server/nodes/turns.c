#include "turns.h"

#include "clock.h"

#define FIRST_APPEND_NS INT64_C(2000000)
#define LONGEST_POLL_NS INT64_C(20000000)
#define TURN_APPENDS 14 /* that make a turn, about */
#define SHORTEST_TURN_NS INT64_C(50000000)
#define LONGEST_TURN_NS INT64_C(300000000)
#define TURNS_PATIENCE 4 /* so many turns of others are waited for, … */
#define POLLS_A_LOOK 4   /* … or until nothing came for so many polls */
#define LOST_BEFORE_WAITING 2

struct turns {
    struct turns_options options;
    int64_t append_ns;     /* how long an append takes, smoothed; 0: not known yet */
    int64_t won_ns;        /* when the last append went well */
    int64_t turn_begun_ns; /* when this node's turn began; 0: it has none */
    bool rival_seen;       /* another node's commit, since the last turn was over */
    unsigned lost_in_row;  /* appends that came too late */
    uint64_t turn_heeded;  /* the newest request for a turn that was heeded */
    uint64_t turn_given;   /* the revision at which this node gave way last */
};

struct turns *turns_new(const struct turns_options *options)
{
    struct turns *t = mem_zalloc(sizeof *t);
    t->options = *options;
    return t;
}

void turns_free(struct turns *t)
{
    free(t);
}

static int64_t bounded(int64_t ns, int64_t least, int64_t most)
{
    return ns < least ? least : ns > most ? most : ns;
}

static int64_t append_ns(const struct turns *t)
{
    return t->append_ns == 0 ? FIRST_APPEND_NS : t->append_ns;
}

static int64_t turn_ns(const struct turns *t)
{
    return bounded(TURN_APPENDS * append_ns(t), SHORTEST_TURN_NS, LONGEST_TURN_NS);
}

/* Between half an append and one and a half, so that nodes fall out of step. */
static int64_t poll_ns(const struct turns *t)
{
    uint32_t random;
    random_bytes(&random, sizeof random);
    int64_t ns = append_ns(t);
    return bounded(ns / 2 + (int64_t)((uint64_t)ns * random >> 32), 0, LONGEST_POLL_NS);
}

void turns_won(struct turns *t, int64_t took_ns)
{
    t->append_ns = t->append_ns == 0 ? took_ns : (7 * t->append_ns + took_ns) / 8;
    t->lost_in_row = 0;
    t->won_ns = clock_monotonic_ns();
    if (t->turn_begun_ns == 0) {
        t->turn_begun_ns = t->won_ns - took_ns;
    }
}

void turns_lost(struct turns *t)
{
    t->turn_begun_ns = 0;
    t->lost_in_row++;
}

/* Whether another node has asked for a turn since one was heeded last. */
static bool is_asked(struct turns *t)
{
    struct status ignored;
    uint64_t asked = 0;
    if (!store_get_mark(t->options.store, STORE_MARK_TURN, &asked, &ignored) ||
        asked <= t->turn_heeded) {
        return false;
    }
    t->turn_heeded = asked;
    return true;
}

/* Whether another node gave way, and nothing came since that this one knows of. */
static bool is_given(struct turns *t)
{
    struct status ignored;
    uint64_t given = 0;
    return store_get_mark(t->options.store, STORE_MARK_GIVEN, &given, &ignored) &&
           given > t->turn_given && given >= registry_position(t->options.registry).revision;
}

/* Asks for a turn by a mark in the store: the node that appends may not know that others want to.
 */
static void ask(struct turns *t)
{
    struct status ignored;
    store_set_mark(t->options.store, STORE_MARK_TURN,
                   registry_position(t->options.registry).revision, &ignored);
}

/* False where the log has stood still since the look before. */
static bool look(struct turns *t, uint64_t *known)
{
    uint64_t before = *known;
    t->options.follow(t->options.user);
    *known = registry_position(t->options.registry).revision;
    return *known > before;
}

/* An append is next: not to a log that has been replaced meanwhile. */
static void check_log(struct turns *t)
{
    struct status ignored;
    struct position applied = registry_position(t->options.registry);
    log_identity_check(t->options.identity, &applied, &ignored);
}

/* Waits, for a bounded time, until another node gives way or the log does not grow. */
static void wait_for_turn(struct turns *t)
{
    int64_t give_up_ns = clock_monotonic_ns() + TURNS_PATIENCE * turn_ns(t);
    uint64_t known = registry_position(t->options.registry).revision;
    for (unsigned polls = 1; clock_monotonic_ns() < give_up_ns; polls++) {
        if (t->options.pause(t->options.user, poll_ns(t)) || is_given(t) ||
            (polls % POLLS_A_LOOK == 0 && !look(t, &known))) {
            break;
        }
        if (polls == POLLS_A_LOOK) {
            ask(t);
        }
    }
    look(t, &known);
    check_log(t);
}

static void give(struct turns *t)
{
    struct status ignored;
    t->turn_given = registry_position(t->options.registry).revision;
    store_set_mark(t->options.store, STORE_MARK_GIVEN, t->turn_given, &ignored);
}

static bool is_over(const struct turns *t)
{
    return t->turn_begun_ns != 0 && clock_monotonic_ns() - t->turn_begun_ns >= turn_ns(t);
}

/* Whether this node's turn has lapsed: it has appended nothing for the length of a turn. */
static bool has_lapsed(const struct turns *t)
{
    return clock_monotonic_ns() - t->won_ns >= turn_ns(t);
}

void turns_give_way(struct turns *t)
{
    t->rival_seen = catch_up_take_rival(t->options.catch_up) || t->rival_seen;
    if (t->lost_in_row >= LOST_BEFORE_WAITING) {
        wait_for_turn(t);
    } else if (is_over(t)) {
        bool wanted = !has_lapsed(t) && (t->rival_seen || is_asked(t));
        t->turn_begun_ns = 0;
        t->rival_seen = false;
        if (wanted) {
            give(t);
            wait_for_turn(t);
        }
    }
}
