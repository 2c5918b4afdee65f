#include <criterion/criterion.h>
#include <string.h>

#include "leak_check.h"
#include "token.h"

static struct store store = {.identity = {.epoch = {1}, .secret = {2}}};
static struct service service = {.store = &store};

static struct page_token sample(void)
{
    struct page_token token = {.position = {.revision = 77}, .filter = 5, .number = 3, .n_key = 6};
    memcpy(token.key, "prod\0a", 6);
    memset(token.position.hash.bytes, 0xab, 8);
    return token;
}

Test(token, what_was_sealed_opens)
{
    struct page_token token = sample();
    struct page_token opened;
    struct status st;
    AUTO_STR text = {0};
    page_token_seal(&service, &token, &text);
    cr_assert(page_token_open(&service, text.data, 5, &opened, &st), "%s", st.message);
    cr_assert_eq(opened.position.revision, 77);
    cr_assert_eq(opened.number, 3);
    cr_assert_eq(opened.n_key, 6);
    cr_assert_arr_eq(opened.key, token.key, 6);
    cr_assert_arr_eq(opened.position.hash.bytes, token.position.hash.bytes, 8);
    str_fini(&text);
    leak_check();
}

Test(token, another_list_refuses_it)
{
    struct page_token token = sample();
    struct page_token opened;
    struct status st;
    AUTO_STR text = {0};
    page_token_seal(&service, &token, &text);
    cr_assert_not(page_token_open(&service, text.data, 6, &opened, &st));
    cr_assert_str_eq(st.reason, "PAGE_TOKEN");
    cr_assert_str_eq(st.field, "page_token");
}

Test(token, another_log_refuses_it)
{
    struct store elsewhere = store;
    struct service other = {.store = &elsewhere};
    struct page_token token = sample();
    struct page_token opened;
    struct status st;
    AUTO_STR text = {0};
    elsewhere.identity.epoch[0] = 9;
    page_token_seal(&service, &token, &text);
    cr_assert_not(page_token_open(&other, text.data, 5, &opened, &st));
    cr_assert_str_eq(st.reason, "EPOCH_MISMATCH");
}

Test(token, no_changed_digit_passes)
{
    struct page_token token = sample();
    struct page_token opened;
    struct status st;
    AUTO_STR text = {0};
    page_token_seal(&service, &token, &text);
    for (size_t i = 0; i < text.len; i++) {
        char kept = text.data[i];
        text.data[i] = kept == '0' ? '1' : '0';
        cr_assert_not(page_token_open(&service, text.data, 5, &opened, &st), "digit %zu", i);
        text.data[i] = kept;
    }
    for (size_t n = 0; n < text.len; n++) {
        AUTO(free) char *cut = mem_text(text.data, n);
        cr_assert_not(page_token_open(&service, cut, 5, &opened, &st));
    }
    cr_assert_not(page_token_open(&service, "zz", 5, &opened, &st));
}
