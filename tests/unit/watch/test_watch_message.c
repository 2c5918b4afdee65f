#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "leak_check.h"
#include "random.h"
#include "watch_message.h"

#define CONFIGS 100

/* Configs service-0, service-1, … */
static char services[CONFIGS][32];

static void name_configs(void)
{
    for (size_t i = 0; i < CONFIGS; i++) {
        snprintf(services[i], sizeof services[i], "service-%zu", i);
    }
}

TestSuite(message, .init = name_configs);

static bool add(struct message *message, size_t config, uint64_t revision)
{
    struct config_name name = {"prod", services[config]};
    AUTO(buf_unref) struct buf *event = buf_copy(&revision, sizeof revision);
    if (!message_has_room(message, 1, event->len)) {
        return false;
    }
    message_add(message, &name, revision, event);
    return true;
}

static uint64_t revision_at(const struct message *message, size_t piece)
{
    uint64_t revision;
    memcpy(&revision, message->pieces->items[piece]->data, sizeof revision);
    return revision;
}

Test(message, holds_every_event_in_order)
{
    struct rpc_pieces pieces;
    struct message message;
    message_init(&message, &pieces, false, JOIN_BYTES);
    cr_assert(message_is_empty(&message));
    for (uint64_t i = 1; i < RPC_STREAM_PIECES; i++) {
        cr_assert(add(&message, 0, i));
    }
    cr_assert_not(add(&message, 0, 1000), "there is no piece left");
    message_end(&message);
    cr_assert_eq(pieces.n, RPC_STREAM_PIECES);
    cr_assert_eq(message.newest, RPC_STREAM_PIECES - 1);
    for (size_t i = 1; i < pieces.n; i++) {
        cr_assert_eq(revision_at(&message, i), i);
    }
    message_drop(&message);
    cr_assert_eq(pieces.n, 0);
    leak_check();
}

Test(message, takes_one_large_event_and_no_second)
{
    struct rpc_pieces pieces;
    struct message message;
    message_init(&message, &pieces, false, JOIN_BYTES);
    cr_assert(message_has_room(&message, 1, 2 * MESSAGE_BYTES));
    AUTO(buf_unref) struct buf *large = buf_new(2 * MESSAGE_BYTES);
    struct config_name name = {"prod", services[0]};
    message_add(&message, &name, 1, large);
    cr_assert_not(message_has_room(&message, 1, 1));
    message_drop(&message);
    leak_check();
}

Test(message, joins_commits_up_to_a_bound_and_takes_a_large_one_whole)
{
    struct rpc_pieces pieces;
    struct message message;
    AUTO(buf_unref) struct buf *large = buf_new(JOIN_BYTES + 1);
    struct config_name name = {"prod", services[0]};
    message_init(&message, &pieces, false, JOIN_BYTES);
    cr_assert(message_may_join(&message, 1, large->len), "into an empty one any commit goes");
    cr_assert(add(&message, 0, 1));
    size_t left = JOIN_BYTES - message.bytes;
    cr_assert(message_may_join(&message, 2, left));
    cr_assert_not(message_may_join(&message, 2, left + 1));
    cr_assert(message_has_room(&message, 1, large->len), "but a commit is not cut for that");
    message_add(&message, &name, 2, large);
    cr_assert_not(message_may_join(&message, 1, 1));
    cr_assert(message_may_join(&message, 0, 0), "one that is not wanted is passed over");
    message_drop(&message);
    leak_check();
}

Test(message, conflated_keeps_the_newest_of_each_config_in_order)
{
    struct rpc_pieces pieces;
    struct message message;
    message_init(&message, &pieces, true, MESSAGE_BYTES);
    const size_t order[] = {0, 1, 2, 1, 0, 3, 1};
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        cr_assert(add(&message, order[i], i + 1));
    }
    message_end(&message);
    cr_assert_eq(pieces.n, 5);
    const uint64_t expected[] = {3, 5, 6, 7};
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        cr_assert_eq(revision_at(&message, 1 + i), expected[i]);
    }
    cr_assert_eq(message.bytes, 4 * sizeof(uint64_t), "what was replaced does not count");
    message_drop(&message);
    leak_check();
}

Test(message, conflated_has_room_for_any_number_of_changes_of_few_configs)
{
    struct random r = {.state = random_seed()};
    struct rpc_pieces pieces;
    struct message message;
    uint64_t newest[CONFIGS] = {0};
    message_init(&message, &pieces, true, MESSAGE_BYTES);
    for (uint64_t revision = 1; revision <= 50000; revision++) {
        size_t config = random_below(&r, CONFIGS);
        cr_assert(add(&message, config, revision));
        newest[config] = revision;
    }
    message_end(&message);
    cr_assert_eq(pieces.n, 1 + CONFIGS);
    for (size_t i = 1; i < pieces.n; i++) {
        cr_assert(i == 1 || revision_at(&message, i - 1) < revision_at(&message, i));
        size_t config = (size_t)(message.names[i].service - services[0]) / sizeof services[0];
        cr_assert_eq(revision_at(&message, i), newest[config]);
    }
    message_drop(&message);
    leak_check();
}
