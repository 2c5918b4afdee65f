#include "clock.h"
#include "state.h"

#define FIRST_APPEND_NS INT64_C(2000000)
#define LONGEST_WAY_NS INT64_C(50000000)
#define TURN_LOOK_NS INT64_C(100000000)
#define LOST_BEFORE_ASKING 2

/* Between half of it and one and a half times as much, so that nodes fall out of step. */
static int64_t jittered(int64_t ns)
{
    uint32_t random;
    random_bytes(&random, sizeof random);
    int64_t way = ns / 2 + (int64_t)((uint64_t)ns * random >> 32);
    return way < LONGEST_WAY_NS ? way : LONGEST_WAY_NS;
}

void turns_won(struct committer *c, int64_t took_ns)
{
    c->append_ns = c->append_ns == 0 ? took_ns : (7 * c->append_ns + took_ns) / 8;
    c->contended = c->rival_seen;
    c->rival_seen = false;
    c->lost_in_row = 0;
}

/* Who has just won has the advantage of having nothing to read: a loser that cannot get in asks it
 * for a turn by a mark in the store. */
void turns_lost(struct committer *c)
{
    struct status ignored;
    c->rival_seen = true;
    c->lost_in_row++;
    if (c->lost_in_row % LOST_BEFORE_ASKING == 0) {
        uint64_t wanted = registry_position(c->registry).revision;
        store_set_mark(c->store, STORE_MARK_TURN, wanted, &ignored);
    }
}

/* Whether another node has asked since it was heeded last. */
static bool is_asked(struct committer *c)
{
    struct status ignored;
    uint64_t asked = 0;
    int64_t now_ns = clock_monotonic_ns();
    if (now_ns < c->next_turn_ns) {
        return false;
    }
    c->next_turn_ns = now_ns + TURN_LOOK_NS;
    if (!store_get_mark(c->store, STORE_MARK_TURN, &asked, &ignored) || asked <= c->turn_given) {
        return false;
    }
    c->turn_given = asked;
    return true;
}

void turns_give_way(struct committer *c)
{
    struct status ignored;
    if (!c->store->shared || c->lost_in_row > 0) {
        return;
    }
    int64_t append_ns = c->append_ns == 0 ? FIRST_APPEND_NS : c->append_ns;
    if (c->contended) {
        c->contended = false;
        write_queue_pause(&c->queue, jittered(append_ns));
    } else if (is_asked(c)) {
        write_queue_pause(&c->queue, jittered(3 * append_ns));
    } else {
        return;
    }
    follow_log(c, NULL, &ignored);
}
