/* The chain of an audit log, and what its verification finds. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "audit_verify.h"
#include "chain.h"
#include "leak_check.h"
#include "mem.h"

#define LINES 8

/* A log of LINES lines, each without its newline. */
struct lines {
    struct str text[LINES];
    struct chain chain;
};

static struct lines make_lines(void)
{
    struct lines lines = {.chain = {.seq = 0}};
    for (int i = 0; i < LINES; i++) {
        char members[32];
        snprintf(members, sizeof members, "\"what\":\"%d\"", i + 1);
        chain_add(&lines.chain, members, strlen(members), &lines.text[i]);
        str_truncate(&lines.text[i], lines.text[i].len - 1);
    }
    return lines;
}

static void lines_fini(struct lines *lines)
{
    for (int i = 0; i < LINES; i++) {
        str_fini(&lines->text[i]);
    }
}

/* Verifies a file of this text; returns what is printed, behind the exit code and a blank. "F:"
 * stands for the file's name. */
static struct str verify_text(const char *text, size_t n, const char *head)
{
    char path[] = "/tmp/confreg-audit-XXXXXX";
    char *paths[] = {path};
    char *printed = NULL;
    size_t n_printed = 0;
    int fd = mkstemp(path);
    cr_assert_eq(write(fd, text, n), (ssize_t)n);
    close(fd);
    FILE *out = open_memstream(&printed, &n_printed);
    int code = audit_verify(paths, 1, head, out);
    fclose(out);
    unlink(path);
    struct str report = {0};
    str_addf(&report, "%d ", code);
    for (const char *at = printed; *at != '\0';) {
        bool is_path = strncmp(at, path, strlen(path)) == 0;
        str_add_char(&report, is_path ? 'F' : *at);
        at += is_path ? strlen(path) : 1;
    }
    free(printed);
    return report;
}

/* order: the lines as digits from 1 on; any other character is a line of that character; '.' takes
 * the newline before it away. */
static struct str verify_order(const char *order, const char *head)
{
    struct lines lines = make_lines();
    AUTO_STR text = {0};
    for (const char *at = order; *at != '\0'; at++) {
        if (*at >= '1' && *at <= '8') {
            str_add(&text, lines.text[*at - '1'].data, lines.text[*at - '1'].len);
            str_add_char(&text, '\n');
        } else if (*at == '.') {
            str_truncate(&text, text.len - 1);
        } else {
            str_add_char(&text, *at);
            str_add_char(&text, '\n');
        }
    }
    lines_fini(&lines);
    return verify_text(str_text(&text), text.len, head);
}

Test(chain, a_line_has_its_number_and_the_hash_before)
{
    struct chain chain = {0};
    struct chain before;
    AUTO_STR out = {0};
    uint64_t seq;
    struct hash previous;
    chain_add(&chain, "\"a\":1", 5, &out);
    before = chain;
    size_t n_first = out.len;
    chain_add(&chain, "\"b\":\"c\"", 7, &out);
    cr_assert_eq(out.data[n_first - 1], '\n');
    cr_assert(chain_parse(out.data, n_first - 1, &seq, &previous));
    cr_expect_eq(seq, 1);
    cr_assert(chain_parse(out.data + n_first, out.len - n_first - 1, &seq, &previous));
    cr_expect_eq(seq, 2);
    struct hash first = hash_bytes(out.data, n_first - 1);
    cr_expect(hash_equal(&previous, &first));
    cr_expect(hash_equal(&before.hash, &first));
    cr_expect(chain_accepts(&before, out.data + n_first, out.len - n_first - 1));
    cr_expect(!chain_accepts(&chain, out.data + n_first, out.len - n_first - 1));
    leak_check();
}

Test(chain, other_texts_are_no_lines)
{
    static const char *const texts[] = {
        "",
        "{",
        "{}",
        "{\"seq\":",
        "{\"seq\":1,\"prev\":\"\",\"a\":1}",
        "{\"seq\":01,\"prev\":\"0000000000000000000000000000000000000000000000000000000000000000\","
        "\"a\":1}",
        "{\"seq\":,\"prev\":\"0000000000000000000000000000000000000000000000000000000000000000\","
        "\"a\":1}",
        "{\"seq\":99999999999999999999,\"prev\":"
        "\"0000000000000000000000000000000000000000000000000000000000000000\",\"a\":1}",
        "{\"seq\":1,\"prev\":\"000000000000000000000000000000000000000000000000000000000000000G\","
        "\"a\":1}",
        "{\"seq\":1,\"prev\":\"0000000000000000000000000000000000000000000000000000000000000000\","
        "\"a\":1",
        "{\"seq\":1,\"prev\":\"0000000000000000000000000000000000000000000000000000000000000000\"}",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        uint64_t seq;
        struct hash previous;
        cr_expect(!chain_parse(texts[i], strlen(texts[i]), &seq, &previous), "%s", texts[i]);
    }
}

Test(chain, a_line_that_was_begun_tells_what_was_before)
{
    struct lines lines = make_lines();
    const struct str *third = &lines.text[2];
    struct chain second;
    cr_assert(chain_move(&second, lines.text[1].data, lines.text[1].len));
    size_t n_told = strlen("{'seq':3,'prev':'") + (size_t)2 * HASH_SIZE;
    for (size_t n = 0; n < third->len; n++) {
        struct chain chain = {0};
        cr_assert(chain_move_before(&chain, third->data, n), "%zu", n);
        cr_expect_eq(chain.seq, n < n_told ? 0 : 2, "%zu", n);
        cr_expect(n < n_told || hash_equal(&chain.hash, &second.hash), "%zu", n);
        if (n > 0 && n <= n_told) {
            struct chain untouched = {0};
            AUTO_STR changed = {0};
            str_add(&changed, third->data, n);
            changed.data[n - 1] ^= 0x40;
            cr_expect(!chain_move_before(&untouched, changed.data, n), "%s", changed.data);
            cr_expect_eq(untouched.seq, 0);
        }
    }
    lines_fini(&lines);
    leak_check();
}

#define EXPECT_STARTS(report, text)                                                                \
    cr_expect(strncmp((report).data, text, strlen(text)) == 0, "%s", (report).data)

Test(chain, a_whole_log_is_whole)
{
    static const char *const orders[] = {"12345678", "345678", "8"};
    for (size_t i = 0; i < COUNT_OF(orders); i++) {
        AUTO_STR report = verify_order(orders[i], NULL);
        EXPECT_STARTS(report, "0 whole: ");
    }
    AUTO_STR empty = verify_order("", NULL);
    EXPECT_STARTS(empty, "0 whole: 0 lines, ");
    leak_check();
}

Test(chain, what_was_done_to_a_log_is_told_with_its_place)
{
    static const struct {
        const char *order, *report;
    } cases[] = {
        {"1235678", "2 F:4: lines 4 to 4 are missing\nBROKEN"},
        {"1278", "2 F:3: lines 3 to 6 are missing\nBROKEN"},
        {"12435678", "2 F:3: lines 3 to 3 are missing\nF:4: line 3 follows line 4: the order is "
                     "wrong, or it is there twice\nF:5: lines 4 to 4 are missing\nBROKEN"},
        {"123345678", "2 F:4: line 3 follows line 3: the order is wrong, or it is there twice\n"
                      "BROKEN"},
        {"123412345678", "2 F:5: line 1 follows line 4: another log begins\nBROKEN"},
        {"1234x678", "2 F:5: lines 5 to 5 are missing\nBROKEN"},
        {"1234xy678", "2 F:5: this is no line of an audit log\nF:6: lines 5 to 5 are missing\n"
                      "BROKEN"},
        {"12345678x", "2 F:9: this is no line of an audit log\nBROKEN"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_STR report = verify_order(cases[i].order, NULL);
        EXPECT_STARTS(report, cases[i].report);
    }
    leak_check();
}

/* A crash or a full disk leaves such lines behind. */
Test(chain, a_line_that_was_cut_off_is_no_damage)
{
    AUTO_STR within = verify_order("123x45678", NULL);
    EXPECT_STARTS(within, "0 F:4: note: a line was begun and not finished; none is missing\nwhole");
    AUTO_STR at_the_end = verify_order("12345678x.", NULL);
    EXPECT_STARTS(at_the_end, "0 F:9: note: a line was begun and not finished\nwhole");
    leak_check();
}

Test(chain, every_changed_byte_is_found)
{
    struct lines lines = make_lines();
    AUTO_STR text = {0};
    for (int i = 0; i < 4; i++) {
        str_add(&text, lines.text[i].data, lines.text[i].len);
        str_add_char(&text, '\n');
    }
    size_t n_two = lines.text[0].len + lines.text[1].len + 2;
    for (size_t at = 0; at < n_two; at++) {
        AUTO_STR changed = {0};
        str_add(&changed, text.data, text.len);
        changed.data[at] ^= 1;
        AUTO_STR report = verify_text(changed.data, changed.len, NULL);
        EXPECT_STARTS(report, "2 F:");
    }
    lines_fini(&lines);
    leak_check();
}

/* The chain alone does not show that its end was cut off. */
Test(chain, a_head_that_was_noted_shows_what_was_removed_at_the_end)
{
    char head[CHAIN_TEXT_SIZE];
    struct lines lines = make_lines();
    chain_format(&lines.chain, head);
    lines_fini(&lines);
    AUTO_STR whole = verify_order("12345678", head);
    EXPECT_STARTS(whole, "0 whole: 8 lines, 1 to 8, head 8:");
    AUTO_STR cut = verify_order("1234567", head);
    EXPECT_STARTS(cut, "2 no line has the head 8:");
    leak_check();
}

Test(chain, a_file_that_cannot_be_read_is_told)
{
    char path[] = "/proc/nowhere/audit.log";
    char *paths[] = {path};
    char printed[128] = "";
    FILE *out = fmemopen(printed, sizeof printed, "w");
    cr_expect_eq(audit_verify(paths, 1, NULL, out), 1);
    fclose(out);
    cr_expect_str_eq(printed, "/proc/nowhere/audit.log: No such file or directory\n");
}
