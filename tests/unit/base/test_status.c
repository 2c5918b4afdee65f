#include "status.h"

#include <string.h>

#include "leak_check.h"

TestSuite(status, .fini = leak_check);

Test(status, set_fills_all_and_returns_false)
{
    struct status st;
    memset(&st, 0x55, sizeof st);
    cr_assert_not(status_set(&st, STATUS_NOT_FOUND, "CONFIG_LOST", "no %s in %d", "x", 7));
    cr_expect_eq(st.code, STATUS_NOT_FOUND);
    cr_expect_eq(st.outcome, OUTCOME_OTHER);
    cr_expect_str_eq(st.reason, "CONFIG_LOST");
    cr_expect_str_eq(st.field, "");
    cr_expect_str_eq(st.message, "no x in 7");
    cr_expect_eq(st.n_info, 0);
}

Test(status, an_outcome_has_a_code_and_a_reason)
{
    struct status st;
    cr_assert_not(status_set_outcome(&st, OUTCOME_REVISION_TAKEN, "revision %d", 7));
    cr_expect_eq(st.code, STATUS_ABORTED);
    cr_expect_eq(st.outcome, OUTCOME_REVISION_TAKEN);
    cr_expect_str_eq(st.reason, "REVISION_TAKEN");
    cr_expect_str_eq(st.message, "revision 7");
}

/* The text of a peer's reason gives the same outcome again; texts that are unknown give none. */
Test(status, outcomes_are_decoded_from_reasons)
{
    for (int outcome = OUTCOME_OTHER + 1; outcome <= OUTCOME_WATCHES_COUNT; outcome++) {
        struct status st;
        struct status decoded = {.code = STATUS_INTERNAL};
        status_set_outcome(&st, (enum outcome)outcome, "why");
        status_set_reason(&decoded, st.reason);
        cr_expect_eq(decoded.outcome, (enum outcome)outcome, "%s", st.reason);
        cr_expect_eq(decoded.code, STATUS_INTERNAL, "the peer said the code");
    }
    struct status st = {.outcome = OUTCOME_UNKNOWN, .reason = "OUTCOME_UNKNOWN"};
    status_set_reason(&st, "OUTCOME_UNKNOWN_TO_US");
    cr_expect_eq(st.outcome, OUTCOME_OTHER);
    cr_expect_str_eq(st.reason, "OUTCOME_UNKNOWN_TO_US");
}

Test(status, becomes_an_outcome_and_keeps_its_message)
{
    struct status st;
    status_set(&st, STATUS_DEADLINE_EXCEEDED, "SLOW", "no answer");
    status_become(&st, OUTCOME_UNKNOWN);
    cr_expect_eq(st.code, STATUS_UNAVAILABLE);
    cr_expect_eq(st.outcome, OUTCOME_UNKNOWN);
    cr_expect_str_eq(st.reason, "OUTCOME_UNKNOWN");
    cr_expect_str_eq(st.message, "no answer");
}

Test(status, bad_field_is_an_invalid_argument)
{
    struct status st;
    cr_assert_not(status_bad_field(&st, "config.name", "NAME_EMPTY", "%s is empty", "name"));
    cr_expect_eq(st.code, STATUS_INVALID_ARGUMENT);
    cr_expect_str_eq(st.field, "config.name");
    cr_expect_str_eq(st.reason, "NAME_EMPTY");
    cr_expect_str_eq(st.message, "name is empty");
}

Test(status, may_be_filled_from_itself)
{
    struct status st;
    status_bad_field(&st, "payload", "JSON_SYNTAX", "is not JSON");
    status_set(&st, STATUS_DATA_LOSS, st.reason, "%s: %s", st.field, st.message);
    cr_expect_str_eq(st.reason, "JSON_SYNTAX");
    cr_expect_str_eq(st.message, "payload: is not JSON");
}

/* A message that is too long ends with a whole character, wherever the cut falls. */
Test(status, long_messages_are_cut_between_characters)
{
    static const char *const characters[] = {"a", "é", "€", "😀"};
    for (size_t c = 0; c < sizeof characters / sizeof characters[0]; c++) {
        size_t size = strlen(characters[c]);
        for (size_t lead = 0; lead < 4; lead++) {
            char text[1024] = "xxxx";
            text[lead] = '\0';
            for (size_t n = 0; n < 600 / size; n++) {
                strcat(text, characters[c]);
            }
            struct status st;
            status_set(&st, STATUS_INTERNAL, "R", "%s", text);
            size_t room = sizeof st.message - 1;
            cr_expect_eq(strlen(st.message), lead + (room - lead) / size * size);
            cr_expect_eq(memcmp(st.message, text, strlen(st.message)), 0);
        }
    }
}

Test(status, whole_characters_at_the_end_stay)
{
    static const char *const texts[] = {"", "a", "é", "a€", "😀", "€é"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct status st;
        status_set(&st, STATUS_INTERNAL, "R", "%s", texts[i]);
        cr_expect_str_eq(st.message, texts[i]);
    }
}

Test(status, long_reasons_and_fields_are_cut)
{
    char text[400];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct status st;
    status_bad_field(&st, text, text, "m");
    cr_expect_eq(strlen(st.reason), sizeof st.reason - 1);
    cr_expect_eq(strlen(st.field), sizeof st.field - 1);
}

Test(status, info_is_kept_up_to_its_room)
{
    struct status st;
    status_set(&st, STATUS_ABORTED, "CONFLICT", "m");
    status_add_info(&st, "config", "billing");
    status_add_number(&st, "version", UINT64_MAX);
    status_add_number(&st, "zero", 0);
    status_add_info(&st, "long", "1234567890123456789012345678901234567890123456€");
    status_add_info(&st, "dropped", "x");
    cr_assert_eq(st.n_info, STATUS_INFO_MAX);
    cr_expect_str_eq(st.info[0].key, "config");
    cr_expect_str_eq(st.info[0].value, "billing");
    cr_expect_str_eq(st.info[1].value, "18446744073709551615");
    cr_expect_str_eq(st.info[2].value, "0");
    cr_expect_str_eq(st.info[3].value, "1234567890123456789012345678901234567890123456");
}

Test(status, context_goes_before_the_message)
{
    struct status st;
    status_set(&st, STATUS_UNAVAILABLE, "STORE", "no connection");
    cr_assert_not(status_context(&st, "append of %d commits", 3));
    cr_expect_str_eq(st.message, "append of 3 commits: no connection");
    cr_expect_eq(st.code, STATUS_UNAVAILABLE);
    cr_expect_str_eq(st.reason, "STORE");
}

Test(status, context_of_any_length_fits)
{
    for (int n = 500; n < 520; n++) {
        struct status st;
        status_set(&st, STATUS_UNAVAILABLE, "STORE", "€€€€€€€€€€");
        status_context(&st, "%0*d", n, 0);
        size_t length = strlen(st.message);
        cr_expect(length < sizeof st.message && length >= sizeof st.message - 4);
    }
}

Test(status, codes_have_their_names)
{
    cr_expect_str_eq(status_code_name(STATUS_OK), "OK");
    cr_expect_str_eq(status_code_name(STATUS_UNKNOWN), "UNKNOWN");
    cr_expect_str_eq(status_code_name(STATUS_NOT_FOUND), "NOT_FOUND");
    cr_expect_str_eq(status_code_name(STATUS_RESOURCE_EXHAUSTED), "RESOURCE_EXHAUSTED");
    cr_expect_str_eq(status_code_name(STATUS_DATA_LOSS), "DATA_LOSS");
    cr_expect_str_eq(status_code_name(STATUS_UNAUTHENTICATED), "UNAUTHENTICATED");
    cr_expect_str_eq(status_code_name((enum status_code)17), "UNKNOWN");
    cr_expect_str_eq(status_code_name((enum status_code) - 1), "UNKNOWN");
}
