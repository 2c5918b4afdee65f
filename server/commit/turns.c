#include "clock.h"
#include "state.h"

#define FIRST_APPEND_NS INT64_C(2000000)
#define LONGEST_POLL_NS INT64_C(20000000)
#define TURN_APPENDS 14 /* that make a turn, about */
#define SHORTEST_TURN_NS INT64_C(50000000)
#define LONGEST_TURN_NS INT64_C(300000000)
#define TURNS_PATIENCE 4 /* so many turns of others are waited for, … */
#define POLLS_A_LOOK 4   /* … or until nothing came for so many polls */
#define LOST_BEFORE_WAITING 2

static int64_t bounded(int64_t ns, int64_t least, int64_t most)
{
    return ns < least ? least : ns > most ? most : ns;
}

static int64_t append_ns(const struct committer *c)
{
    return c->append_ns == 0 ? FIRST_APPEND_NS : c->append_ns;
}

static int64_t turn_ns(const struct committer *c)
{
    return bounded(TURN_APPENDS * append_ns(c), SHORTEST_TURN_NS, LONGEST_TURN_NS);
}

/* Between half an append and one and a half, so that nodes fall out of step. */
static int64_t poll_ns(const struct committer *c)
{
    uint32_t random;
    random_bytes(&random, sizeof random);
    int64_t ns = append_ns(c);
    return bounded(ns / 2 + (int64_t)((uint64_t)ns * random >> 32), 0, LONGEST_POLL_NS);
}

void turns_won(struct committer *c, int64_t took_ns)
{
    c->append_ns = c->append_ns == 0 ? took_ns : (7 * c->append_ns + took_ns) / 8;
    c->lost_in_row = 0;
    c->won_ns = clock_monotonic_ns();
    if (c->turn_begun_ns == 0) {
        c->turn_begun_ns = c->won_ns - took_ns;
    }
}

void turns_lost(struct committer *c)
{
    c->turn_begun_ns = 0;
    c->lost_in_row++;
}

/* Whether another node has asked for a turn since one was heeded last. */
static bool is_asked(struct committer *c)
{
    struct status ignored;
    uint64_t asked = 0;
    if (!store_get_mark(c->store, STORE_MARK_TURN, &asked, &ignored) || asked <= c->turn_heeded) {
        return false;
    }
    c->turn_heeded = asked;
    return true;
}

/* Whether another node gave way, and nothing came since that this one knows of. */
static bool is_given(struct committer *c)
{
    struct status ignored;
    uint64_t given = 0;
    return store_get_mark(c->store, STORE_MARK_GIVEN, &given, &ignored) && given > c->turn_given &&
           given >= registry_position(c->registry).revision;
}

/* Who has the turn may not know that others want one. */
static void ask(struct committer *c)
{
    struct status ignored;
    store_set_mark(c->store, STORE_MARK_TURN, registry_position(c->registry).revision, &ignored);
}

/* False where the log has stood still since the look before. */
static bool look(struct committer *c, uint64_t *known)
{
    uint64_t before = *known;
    committer_look(c, true);
    *known = registry_position(c->registry).revision;
    return *known > before;
}

/* Until it is given the turn, or nobody has it. */
static void wait_for_turn(struct committer *c)
{
    int64_t give_up_ns = clock_monotonic_ns() + TURNS_PATIENCE * turn_ns(c);
    uint64_t known = registry_position(c->registry).revision;
    for (unsigned polls = 1; clock_monotonic_ns() < give_up_ns; polls++) {
        if (write_queue_pause(&c->queue, poll_ns(c)) || is_given(c) ||
            (polls % POLLS_A_LOOK == 0 && !look(c, &known))) {
            break;
        }
        if (polls == POLLS_A_LOOK) {
            ask(c);
        }
    }
    look(c, &known);
}

static void give(struct committer *c)
{
    struct status ignored;
    c->turn_given = registry_position(c->registry).revision;
    store_set_mark(c->store, STORE_MARK_GIVEN, c->turn_given, &ignored);
}

static bool is_over(const struct committer *c)
{
    return c->turn_begun_ns != 0 && clock_monotonic_ns() - c->turn_begun_ns >= turn_ns(c);
}

/* Who has appended nothing for as long as a turn takes has kept nobody from it. */
static bool has_lapsed(const struct committer *c)
{
    return clock_monotonic_ns() - c->won_ns >= turn_ns(c);
}

void turns_give_way(struct committer *c)
{
    if (!c->store->shared) {
        return;
    }
    if (c->lost_in_row >= LOST_BEFORE_WAITING) {
        wait_for_turn(c);
    } else if (is_over(c)) {
        bool wanted = !has_lapsed(c) && (c->rival_seen || is_asked(c));
        c->turn_begun_ns = 0;
        c->rival_seen = false;
        if (wanted) {
            give(c);
            wait_for_turn(c);
        }
    }
}
