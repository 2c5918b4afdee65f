#include <criterion/criterion.h>
#include <string.h>

#include "leak_check.h"
#include "secret_marks.h"

#define MARK "{\"x-confreg-secret\":\"allowed\"}"

static void expect(const char *schema, const char *pointer, bool allowed)
{
    cr_expect_eq(secret_is_allowed((struct json_text){schema, strlen(schema)}, pointer), allowed,
                 "%s: %s", schema, pointer);
}

Test(secret_marks, stand_at_the_property_or_around_it)
{
    static const char schema[] =
        "{\"properties\":{\"a\":" MARK ",\"b\":{\"properties\":{\"c/d\":" MARK "}}}}";
    expect(schema, "/a", true);
    expect(schema, "/a/x/0", true);
    expect(schema, "/b", false);
    expect(schema, "/b/c~1d", true);
    expect(schema, "/b/x", false);
    expect(schema, "", false);
    expect(MARK, "", true);
    expect(MARK, "/a", true);
    expect("true", "/a", false);
    expect("{\"x-confreg-secret\":\"denied\"}", "/a", false);
    expect("{\"x-confreg-secret\":true}", "/a", false);
    leak_check();
}

Test(secret_marks, are_found_by_every_applicator)
{
    expect("{\"additionalProperties\":" MARK "}", "/any", true);
    expect("{\"properties\":{\"a\":{}},\"additionalProperties\":" MARK "}", "/a", false);
    expect("{\"patternProperties\":{\"^a\":" MARK "}}", "/ab", true);
    expect("{\"patternProperties\":{\"^a\":" MARK "}}", "/ba", false);
    expect("{\"patternProperties\":{\"^b\":{},\"a$\":{\"items\":" MARK "}}}", "/ba/0", true);
    expect("{\"patternProperties\":{\"^a\":{}},\"additionalProperties\":" MARK "}", "/a", false);
    expect("{\"patternProperties\":{\"^(a+)+$\":" MARK "}}", "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
           false);
    expect("{\"items\":" MARK "}", "/7", true);
    expect("{\"items\":" MARK "}", "/a", false);
    expect("{\"prefixItems\":[{}," MARK "]}", "/1", true);
    expect("{\"prefixItems\":[{}," MARK "]}", "/0", false);
    expect("{\"prefixItems\":[{}],\"items\":" MARK "}", "/1", true);
    expect("{\"items\":[{}," MARK "]}", "/1", true);
    expect("{\"anyOf\":[{},{\"properties\":{\"a\":" MARK "}}]}", "/a", true);
    expect("{\"properties\":{\"a\":{\"$ref\":\"#/$defs/t\"}},\"$defs\":{\"t\":" MARK "}}", "/a",
           true);
    expect("{\"properties\":{\"a\":{\"$ref\":\"https://a.example/t\"}}}", "/a", false);
    leak_check();
}

/* References in circles end. */
Test(secret_marks, circles_end)
{
    expect("{\"$ref\":\"#\"}", "/a", false);
    expect(
        "{\"allOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"}],\"properties\":{\"a\":{\"$ref\":\"#\"}}}",
        "/a/a/a", false);
    leak_check();
}
