/* References in strings of a config: what they stand for, and which keys are left out. */
#include "references.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "leak_check.h"

TestSuite(references, .fini = leak_check);

static struct settings *parse(const char *text)
{
    struct settings *settings = NULL;
    struct status st;
    cr_assert(settings_parse(text, strlen(text), &settings, &st), "%s: %s", text, st.message);
    return settings;
}

static void note(void *user, const struct setting *key, const struct status *st)
{
    cr_expect_eq(strncmp(st->message, key->name, key->n_name), 0);
    str_addf(user, "%s\n", st->message);
}

/* left_out: a line for each key. */
static void expect(const char *config, const char *expected, const char *left_out)
{
    AUTO(settings_unref)
    struct settings *variables = parse("{\"USER\":\"a\\\"da\",\"EMPTY\":\"\"}");
    AUTO(settings_unref) struct settings *settings = parse(config);
    AUTO_STR found = {0};
    AUTO_STR lines = {0};
    const struct references references = {variables, note, &lines};
    bool may_change = references_replace(&references, settings, &found);
    cr_expect_eq(may_change, strstr(config, "${file:") != NULL);
    cr_assert_str_eq(str_text(&found), expected);
    cr_assert_str_eq(str_text(&lines), left_out);
    settings_unref(parse(str_text(&found)));
}

Test(references, variables_are_filled_in_at_any_depth)
{
    expect("{}", "{}", "");
    expect("{\"a\":\"${env:USER}\",\"b\":[\"x${env:USER}${env:EMPTY}y\",{\"c\":\"${env:USER}\"}],"
           "\"n\":1.50}",
           "{\"a\":\"a\\\"da\",\"b\":[\"xa\\\"day\",{\"c\":\"a\\\"da\"}],\"n\":1.50}", "");
    expect("{\"${env:USER}\":\"\\u0024{env:USER}\"}", "{\"${env:USER}\":\"a\\\"da\"}", "");
}

Test(references, other_texts_stay)
{
    const char *config =
        "{\"a\":\"${env:}${file:}$ {env:USER} ${USER} ${env:USER\",\"b\":[null,true]}";
    expect(config, config, "");
}

Test(references, keys_without_their_values_are_left_out)
{
    const char *missing = " is left out: the variable NOBODY, which it refers to, is not set\n";
    AUTO_STR lines = {0};
    str_addf(&lines, "a%sc%s", missing, missing);
    expect("{\"a\":\"${env:NOBODY}\",\"b\":1,\"c\":{\"d\":[1,\"${env:NOBODY}\"]},\"e\":2}",
           "{\"b\":1,\"e\":2}", str_text(&lines));
    expect("{\"a\":\"${file:/x\\u0000y}\"}", "{}",
           "a is left out: the name of a file, which it refers to, has a NUL\n");
    expect("{\"a\":\"${file:/}\"}", "{}",
           "a is left out: /, which it refers to, is no regular file\n");
    expect("{\"a\":\"${file:/dev/null/x}\"}", "{}",
           "a is left out: the file /dev/null/x, which it refers to: Not a directory\n");
}

static void write_file(const char *path, const char *content, size_t n)
{
    struct status st;
    cr_assert(file_replace(path, content, n, NULL, &st), "%s", st.message);
}

Test(references, files_lose_the_white_space_at_their_end)
{
    char path[] = "/tmp/confreg-references-XXXXXX", config[128], left_out[128];
    close(mkstemp(path));
    snprintf(config, sizeof config, "{\"a\":\"<${file:%s}>\"}", path);
    snprintf(left_out, sizeof left_out,
             "a is left out: the file %s, which it refers to, is not UTF-8\n", path);
    write_file(path, " hush \"\r\n\n", strlen(" hush \"\r\n\n"));
    expect(config, "{\"a\":\"< hush \\\">\"}", "");
    write_file(path, "\n", 1);
    expect(config, "{\"a\":\"<>\"}", "");
    write_file(path, "\xff", 1);
    expect(config, "{}", left_out);
    unlink(path);
}

Test(references, a_config_without_any_is_known)
{
    AUTO(settings_unref) struct settings *without = parse("{\"a\":[\"$\",{\"b\":\"{\"}]}");
    AUTO(settings_unref) struct settings *with = parse("{\"a\":[1,{\"b\":\"\\u0000${env:X}\"}]}");
    cr_assert_not(references_may_be_in(without));
    cr_assert(references_may_be_in(with));
}
