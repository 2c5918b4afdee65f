#include <signal.h>
#include <stdint.h>
#include <string.h>

#include "buf.h"
#include "leak_check.h"
#include "mem.h"
#include "str.h"

TestSuite(memory, .fini = leak_check);

Test(memory, sizes_of_nothing_give_memory)
{
    AUTO(free) void *a = mem_alloc(0);
    AUTO(free) void *b = mem_zalloc(0);
    AUTO(free) void *c = mem_array(0, 8);
    AUTO(free) void *d = mem_grow(NULL, 0, 8);
    cr_expect(a != NULL && b != NULL && c != NULL && d != NULL);
}

Test(memory, zeroed_where_it_says_so)
{
    AUTO(free) unsigned char *bytes = mem_zalloc(100);
    AUTO(free) unsigned char *array = mem_array(10, 10);
    for (size_t i = 0; i < 100; i++) {
        cr_expect(bytes[i] == 0 && array[i] == 0);
    }
}

Test(memory, grow_keeps_the_content)
{
    int *numbers = mem_array(2, sizeof *numbers);
    numbers[1] = 7;
    numbers = mem_grow(numbers, 1000, sizeof *numbers);
    numbers[999] = 8;
    cr_expect_eq(numbers[1], 7);
    free(numbers);
}

Test(memory, texts_are_copied_with_a_nul)
{
    AUTO(free) char *part = mem_text("abcdef", 3);
    AUTO(free) char *whole = mem_string("xyz");
    AUTO(free) char *none = mem_text(NULL, 0);
    cr_expect_str_eq(part, "abc");
    cr_expect_str_eq(whole, "xyz");
    cr_expect_str_eq(none, "");
}

Test(memory, move_leaves_null)
{
    AUTO(free) char *from = mem_string("x");
    AUTO(free) char *to = MOVE(from);
    cr_expect_null(from);
    cr_expect_str_eq(to, "x");
}

Test(memory, container_of_goes_back)
{
    struct outer {
        int first;
        char member;
    } o = {0};
    cr_expect_eq(CONTAINER_OF(&o.member, struct outer, member), &o);
}

Test(memory, buf_counts_references)
{
    struct buf *b = buf_copy("abc", 3);
    cr_expect_eq(buf_ref(b), b);
    buf_unref(b);
    cr_expect_eq(b->len, 3);
    cr_expect_str_eq((const char *)b->data, "abc");
    buf_unref(b);
    buf_unref(NULL);
    cr_expect_null(buf_ref(NULL));
}

Test(memory, buf_ends_with_a_nul)
{
    AUTO(buf_unref) struct buf *empty = buf_copy(NULL, 0);
    cr_expect(empty->len == 0 && empty->data[0] == '\0');
    AUTO(buf_unref) struct buf *b = buf_new(4);
    memcpy(b->data, "abcd", 4);
    cr_expect_str_eq((const char *)b->data, "abcd");
}

Test(memory, str_starts_empty)
{
    AUTO_STR s = {0};
    cr_expect_str_eq(str_text(&s), "");
    str_clear(&s);
    str_truncate(&s, 0);
    AUTO(buf_unref) struct buf *b = str_to_buf(&s);
    cr_expect_eq(b->len, 0);
    str_fini(NULL);
}

Test(memory, str_collects_all_kinds)
{
    AUTO_STR s = {0};
    str_add(&s, "a\0b", 3);
    str_add(&s, NULL, 0);
    str_add_text(&s, "cd");
    str_add_char(&s, 'e');
    str_addf(&s, "%d-%s", 5, "f");
    str_addf(&s, "%s", "");
    memcpy(str_extend(&s, 2), "gh", 2);
    cr_expect_eq(s.len, 11);
    cr_expect_eq(memcmp(s.data, "a\0bcde5-fgh", 12), 0);
    AUTO(buf_unref) struct buf *b = str_to_buf(&s);
    cr_expect(b->len == 11 && memcmp(b->data, s.data, 12) == 0);
}

Test(memory, str_grows_over_every_edge)
{
    AUTO_STR s = {0};
    for (size_t i = 0; i < 5000; i++) {
        str_add_char(&s, (char)('a' + i % 26));
        cr_assert(s.len == i + 1 && s.data[s.len] == '\0' && s.room > s.len);
    }
    for (size_t i = 0; i < 5000; i++) {
        cr_assert_eq(s.data[i], (char)('a' + i % 26));
    }
    AUTO_STR formatted = {0};
    str_addf(&formatted, "%s%s", s.data, s.data);
    cr_expect_eq(formatted.len, 10000);
}

Test(memory, str_is_cut_and_used_again)
{
    AUTO_STR s = {0};
    str_add_text(&s, "abcdef");
    str_truncate(&s, 2);
    str_add_text(&s, "x");
    cr_expect_str_eq(s.data, "abx");
    size_t room = s.room;
    str_clear(&s);
    cr_expect(s.len == 0 && s.room == room && s.data[0] == '\0');
}
