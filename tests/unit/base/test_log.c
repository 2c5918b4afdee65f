#include "log.h"

#include <string.h>
#include <unistd.h>

#include "capture.h"
#include "leak_check.h"

TestSuite(log, .fini = leak_check);

#define CAUGHT(text, ...)                                                                          \
    do {                                                                                           \
        struct capture capture_ = capture_start(STDERR_FILENO);                                    \
        __VA_ARGS__;                                                                               \
        capture_end(&capture_, text, sizeof text);                                                 \
    } while (0)

/* Checks the time at the front of a line and returns what follows. */
static const char *behind_time(const char *line)
{
    cr_assert_eq(strncmp(line, "time=", 5), 0);
    const char *blank = strchr(line, ' ');
    cr_assert(blank != NULL && blank - line == 5 + 27 && blank[-1] == 'Z');
    return blank + 1;
}

Test(log, a_line_holds_level_event_and_pairs)
{
    char text[512];
    CAUGHT(text, log_event(LOG_WARNING, "bus_lost", "address", "amqp:5672", "n", "3", NULL));
    cr_expect_str_eq(behind_time(text), "level=warning event=bus_lost address=amqp:5672 n=3\n");
}

Test(log, values_are_quoted_where_they_must_be)
{
    static const char *const cases[][2] = {
        {"plain", "plain"},
        {"", "\"\""},
        {"two words", "\"two words\""},
        {"a=b", "\"a=b\""},
        {"say \"x\"", "\"say \\\"x\\\"\""},
        {"back\\slash", "\"back\\\\slash\""},
        {"line\nbreak", "\"line\\x0abreak\""},
        {"tab\t", "\"tab\\x09\""},
        {"\x7f", "\"\\x7f\""},
        {"größe", "größe"},
        {"\x1b[31m", "\"\\x1b[31m\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[512], wanted[512];
        CAUGHT(text, log_event(LOG_INFO, "e", "k", cases[i][0], NULL));
        snprintf(wanted, sizeof wanted, "level=info event=e k=%s\n", cases[i][1]);
        cr_expect_str_eq(behind_time(text), wanted);
    }
}

Test(log, no_value_is_an_empty_one)
{
    char text[512];
    const char *none = NULL;
    CAUGHT(text, log_event(LOG_INFO, "e", "k", none, "l", "x", NULL));
    /* NULL stands at a key's place only where the list ends. */
    cr_expect_str_eq(behind_time(text), "level=info event=e k=\"\" l=x\n");
}

Test(log, what_is_below_the_level_is_dropped)
{
    char text[512];
    CAUGHT(text, log_event(LOG_DEBUG, "e", NULL));
    cr_expect_str_eq(text, "");
    log_set_level(LOG_DEBUG);
    CAUGHT(text, log_event(LOG_DEBUG, "e", NULL));
    cr_expect_str_eq(behind_time(text), "level=debug event=e\n");
    log_set_level(LOG_ERROR);
    CAUGHT(text, log_event(LOG_WARNING, "e", NULL));
    cr_expect_str_eq(text, "");
    CAUGHT(text, log_event(LOG_ERROR, "e", NULL));
    cr_expect_str_eq(behind_time(text), "level=error event=e\n");
}

Test(log, levels_are_parsed_in_either_case)
{
    static const struct {
        const char *text;
        enum log_level level;
    } cases[] = {
        {"DEBUG", LOG_DEBUG}, {"debug", LOG_DEBUG},     {"INFO", LOG_INFO},
        {"Info", LOG_INFO},   {"WARNING", LOG_WARNING}, {"warn", LOG_WARNING},
        {"ERROR", LOG_ERROR}, {"CRITICAL", LOG_ERROR},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum log_level level;
        cr_assert(log_parse_level(cases[i].text, &level), "%s", cases[i].text);
        cr_expect_eq(level, cases[i].level);
    }
    static const char *const wrong[] = {"", "VERBOSE", "INF", "INFO ", "0"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        enum log_level level = LOG_ERROR;
        cr_expect_not(log_parse_level(wrong[i], &level), "%s", wrong[i]);
        cr_expect_eq(level, LOG_ERROR);
    }
}

Test(log, a_limit_counts_what_it_leaves_out)
{
    struct log_limit limit = {0};
    uint64_t left_out;
    for (int64_t second = 5; second < 8; second++) {
        for (int i = 0; i < 100; i++) {
            left_out = 1000;
            int64_t now_ns = second * 1000000000 + i;
            bool told = log_limit_take(&limit, now_ns, &left_out);
            cr_expect_eq(told, i < LOG_LINES_A_SECOND);
            uint64_t wanted = i == 0 && second > 5 ? 100 - LOG_LINES_A_SECOND : 0;
            cr_expect(!told || left_out == wanted);
        }
    }
}

static void keep_line(void *user, enum log_level level, const char *line)
{
    snprintf(user, 100, "%d %s", (int)level, line);
}

Test(log, a_sink_gets_lines_instead_of_standard_error)
{
    char text[512], line[100];
    const struct log_sink sink = {keep_line, line};
    CAUGHT(text, log_event_to(&sink, LOG_ERROR, "token_kept", "why", "a b", NULL));
    cr_expect_str_eq(text, "");
    cr_expect_str_eq(line, "3 event=token_kept why=\"a b\"");
}
