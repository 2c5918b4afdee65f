/* Short texts from outside: addresses, values of options, percent-encoding, names, page tokens,
 * and the details of a status. The first byte chooses. */
#include "address.h"
#include "fuzz.h"
#include "mem.h"
#include "options.h"
#include "options_value.h"
#include "percent.h"
#include "status_details.h"
#include "store.h"
#include "token.h"
#include "utf8.h"

static void try_address(const char *text, size_t n)
{
    struct status st;
    struct address address;
    (void)n;
    bool listens = address_parse(text, ADDRESS_TO_LISTEN, &address, &st);
    MUST(listens || st.code == STATUS_INVALID_ARGUMENT);
    MUST(!listens || !address.is_unix ||
         (address.name.sun_path[0] != '\0' && (address.mode & ~(mode_t)0777) == 0));
    MUST(!listens || address.is_unix || (address.host[0] != '\0' && atoi(address.port) <= 65535));
    bool connects = address_parse(text, ADDRESS_TO_CONNECT, &address, &st);
    MUST(listens || !connects);
}

static void try_option(const char *text, size_t n)
{
    (void)n;
    for (int kind = OPTION_TEXT; kind < OPTION_HEADING; kind++) {
        union {
            const char *text;
            uint64_t number;
            int64_t duration;
            bool on;
            struct option_list list;
        } target = {.list = {0}};
        struct option_row row = {
            .name = "x", .kind = (enum option_kind)kind, .target = &target, .min = 1, .max = 1000};
        bool ok = option_set(&row, text);
        MUST(!ok || kind != OPTION_NUMBER || (target.number >= 1 && target.number <= 1000));
        if (kind == OPTION_LIST) {
            option_list_fini(&target.list);
        }
    }
}

static void try_percent(const char *text, size_t n)
{
    AUTO_STR decoded = {0};
    AUTO_STR encoded = {0};
    AUTO_STR again = {0};
    percent_decode(text, n, false, &decoded);
    percent_encode(str_text(&decoded), decoded.len, &encoded);
    percent_decode(str_text(&encoded), encoded.len, false, &again);
    MUST(again.len == decoded.len && memcmp(str_text(&again), str_text(&decoded), again.len) == 0);
    struct query_parameter parameter;
    for (size_t position = 0; query_next(text, n, &position, &parameter);) {
        MUST(parameter.n_name <= n && parameter.n_value <= n);
    }
}

static void try_name(const char *text, size_t n)
{
    struct status st;
    size_t good = utf8_check(text, n);
    MUST(good <= n);
    bool ok = name_check(text, n, "name", &st);
    MUST(!ok || (good == n && n >= 1 && n <= NAME_MAX_BYTES && memchr(text, '/', n) == NULL));
    ok = text_check(text, n, 100, "text", &st);
    MUST(!ok || (good == n && n <= 100));
}

static void try_token(const char *text, size_t n)
{
    struct store store = {.identity = {.epoch = "fuzz"}};
    const struct service service = {.store = &store};
    struct page_token token;
    struct status st;
    (void)n;
    MUST(!page_token_open(&service, text, 7, &token, &st)); /* nobody guesses the seal */
    /* A sealed token can be opened. */
    struct page_token own = {.filter = 7, .number = n, .n_key = n < TOKEN_KEY_MAX ? n : 0};
    memcpy(own.key, text, own.n_key);
    AUTO_STR sealed = {0};
    page_token_seal(&service, &own, &sealed);
    MUST(page_token_open(&service, str_text(&sealed), 7, &token, &st));
    MUST(token.number == own.number && token.n_key == own.n_key);
}

static void try_details(const char *text, size_t n)
{
    struct status st;
    status_set(&st, STATUS_ABORTED, "", "what");
    struct violations violations = {0};
    status_details_decode((const uint8_t *)text, n, &st, &violations);
    violations_fini(&violations);
    MUST(st.code == STATUS_ABORTED && strlen(st.reason) < sizeof st.reason);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const parsers[])(const char *, size_t) = {
        try_address, try_option, try_percent, try_name, try_token, try_details,
    };
    struct input in = {data, size};
    uint8_t which = take_byte(&in);
    AUTO(free) char *text = malloc(in.size + 1);
    MUST(text != NULL);
    if (in.size > 0) {
        memcpy(text, in.data, in.size);
    }
    text[in.size] = '\0';
    parsers[which % COUNT_OF(parsers)](text, in.size);
    return 0;
}
