#include "query.h"

#include <string.h>

#include "leak_check.h"

TestSuite(query, .fini = leak_check);

#define NEVER (UINT64_MAX - 1)

Test(query, numbers)
{
    static const struct {
        const char *text;
        const char *shown; /* NULL: no number */
        bool negative;
        uint64_t magnitude, version;
    } cases[] = {
        {"1", "1", false, 1, 1},
        {"0", "0", false, 0, NEVER},
        {"-0", "0", false, 0, NEVER},
        {"-1", "-1", true, 1, NEVER},
        {"+2", "2", false, 2, 2},
        {"+002", "2", false, 2, 2},
        {" 2", "2", false, 2, 2},
        {"\t2\r\n", "2", false, 2, 2},
        {"-007", "-7", true, 7, NEVER},
        {"18446744073709551613", "18446744073709551613", false, UINT64_MAX - 2, UINT64_MAX - 2},
        {"18446744073709551615", "18446744073709551615", false, UINT64_MAX, NEVER},
        {"18446744073709551617", "18446744073709551617", false, UINT64_MAX, NEVER},
        {"-99999999999999999999999", "-99999999999999999999999", true, UINT64_MAX, NEVER},
        {"", NULL, false, 0, 0},
        {" ", NULL, false, 0, 0},
        {"+", NULL, false, 0, 0},
        {"-", NULL, false, 0, 0},
        {"--1", NULL, false, 0, 0},
        {"+-1", NULL, false, 0, 0},
        {"- 1", NULL, false, 0, 0},
        {"1 2", NULL, false, 0, 0},
        {"1.0", NULL, false, 0, 0},
        {"1e3", NULL, false, 0, 0},
        {"0x1", NULL, false, 0, 0},
        {"one", NULL, false, 0, 0},
        {"1\xc2\xa0", NULL, false, 0, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct number number = {0};
        bool ok = number_parse(cases[i].text, strlen(cases[i].text), &number);
        cr_expect_eq(ok, cases[i].shown != NULL, "\"%s\"", cases[i].text);
        if (ok) {
            cr_expect(number.given);
            cr_expect_str_eq(number.text, cases[i].shown);
            cr_expect_eq(number.negative, cases[i].negative, "\"%s\"", cases[i].text);
            cr_expect_eq(number.magnitude, cases[i].magnitude, "\"%s\"", cases[i].text);
            cr_expect_eq(number_version(&number, NEVER), cases[i].version, "\"%s\"", cases[i].text);
        }
        number_fini(&number);
    }
}

Test(query, no_number_is_no_version)
{
    struct number number = {0};
    cr_expect_eq(number_version(&number, NEVER), 0);
}

#define ONE (PARAMETER_ENVIRONMENT | PARAMETER_VERSION)
#define LIST (PARAMETER_SERVICE_FILTER | PARAMETER_ENVIRONMENT_FILTER)

Test(query, parameters)
{
    static const struct {
        const char *query;
        unsigned wanted;
        const char *environment, *service_filter; /* NULL: not set */
        uint64_t version;
    } cases[] = {
        {"", ONE, "default", NULL, 0},
        {"environment=prod", ONE, "prod", NULL, 0},
        {"environment=prod&version=3", ONE, "prod", NULL, 3},
        {"version=%2B3", ONE, "default", NULL, 3},
        {"version=+3", ONE, "default", NULL, 3},
        {"environment=dev&environment=prod", ONE, "prod", NULL, 0},
        {"version=x&version=1", ONE, "default", NULL, 1},
        {"environment=&environment=prod", ONE, "prod", NULL, 0},
        {"%65nvironment=prod", ONE, "prod", NULL, 0},
        {"environment=a+b", ONE, "a b", NULL, 0},
        {"environment=a%2Bb", ONE, "a+b", NULL, 0},
        {"Environment=prod", ONE, "default", NULL, 0},
        {"limit=x&verbose&x=", ONE, "default", NULL, 0},
        {"", LIST, NULL, NULL, 0},
        {"environment=&service_name=", LIST, NULL, NULL, 0},
        {"environment=prod", LIST, "prod", NULL, 0},
        {"service_name=a&service_name=b", LIST, NULL, "b", 0},
        {"version=x", LIST, NULL, NULL, 0},
        {"environment=%FF", 0, NULL, NULL, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct parameters found;
        struct invalid invalid = {0};
        parameters_parse(cases[i].query, strlen(cases[i].query), cases[i].wanted, &found, &invalid);
        cr_expect_eq(invalid.n, 0, "%s: %s", cases[i].query, str_text(&invalid.items));
        cr_expect((found.environment == NULL) == (cases[i].environment == NULL), "%s",
                  cases[i].query);
        if (found.environment != NULL && cases[i].environment != NULL) {
            cr_expect_str_eq(found.environment, cases[i].environment);
        }
        cr_expect((found.service_filter == NULL) == (cases[i].service_filter == NULL), "%s",
                  cases[i].query);
        if (found.service_filter != NULL && cases[i].service_filter != NULL) {
            cr_expect_str_eq(found.service_filter, cases[i].service_filter);
        }
        cr_expect_eq(number_version(&found.version, NEVER), cases[i].version, "%s", cases[i].query);
        parameters_fini(&found);
        invalid_fini(&invalid);
    }
}

Test(query, switches)
{
    static const struct {
        const char *query;
        bool value;
        size_t faults;
    } cases[] = {
        {"", false, 0},
        {"resolve=true", true, 0},
        {"resolve=True", true, 0},
        {"resolve=1", true, 0},
        {"resolve=yes&resolve=off", false, 0},
        {"resolve=0", false, 0},
        {"resolve=", false, 1},
        {"resolve", false, 1},
        {"resolve=2", false, 1},
        {"resolve=true%00", false, 1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct parameters found;
        struct invalid invalid = {0};
        parameters_parse(cases[i].query, strlen(cases[i].query), PARAMETER_RESOLVE, &found,
                         &invalid);
        cr_expect_eq(found.resolve, cases[i].value, "%s", cases[i].query);
        cr_expect_eq(invalid.n, cases[i].faults, "%s", cases[i].query);
        parameters_fini(&found);
        invalid_fini(&invalid);
    }
}

Test(query, faults_in_declared_order)
{
    static const struct {
        const char *query;
        unsigned wanted;
        const char *names; /* each followed by '|' */
    } cases[] = {
        {"environment=", ONE, "environment|"},
        {"environment=a%2Fb", ONE, "environment|"},
        {"environment=a%00", ONE, "environment|"},
        {"environment=%C3", ONE, "environment|"},
        {"version=", ONE, "version|"},
        {"version", ONE, "version|"},
        {"version=1&version=x", ONE, "version|"},
        {"version=one&environment=", ONE, "environment|version|"},
        {"service_name=a%2Fb&environment=%01", LIST, "service_name|environment|"},
        {"new_version=b&old_version=a", PARAMETER_OLD_VERSION | PARAMETER_NEW_VERSION,
         "old_version|new_version|"},
        {"limit=all", PARAMETER_LIMIT, "limit|"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct parameters found;
        struct invalid invalid = {0};
        AUTO_STR names = {0};
        parameters_parse(cases[i].query, strlen(cases[i].query), cases[i].wanted, &found, &invalid);
        static const char place[] = "\"loc\":[\"query\",\"";
        const char *at = str_text(&invalid.items);
        while ((at = strstr(at, place)) != NULL) {
            at += sizeof place - 1;
            str_addf(&names, "%.*s|", (int)strcspn(at, "\""), at);
        }
        cr_expect_str_eq(str_text(&names), cases[i].names, "%s: %s", cases[i].query,
                         str_text(&names));
        parameters_fini(&found);
        invalid_fini(&invalid);
    }
}
