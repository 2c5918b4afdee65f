/* A life of a few configs that touches every kind of row: the same deeds for every test. */
#ifndef FAULT_DEEDS_H
#define FAULT_DEEDS_H

#include "desk.h"

/* Longer than a page, so that it overflows. */
#define LONG_TEXT                                                                                  \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789"   \
    "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef01"
#define LONGER_TEXT LONG_TEXT LONG_TEXT LONG_TEXT LONG_TEXT LONG_TEXT LONG_TEXT LONG_TEXT
#define LONG_JSON                                                                                  \
    "{\"l\":\"" LONGER_TEXT LONGER_TEXT LONG_TEXT LONG_TEXT LONG_TEXT LONG_TEXT LONG_TEXT          \
        LONG_TEXT LONG_TEXT "\"}"
/* Looked for in files where it must be gone. */
#define ERASED_MARK "to-be-erased-0123456789"
#define ERASED_JSON "{\"mark\":\"" ERASED_MARK "\"}"

static const struct deed deeds[] = {
    {MUTATE_CREATE, {"alpha"}, "{\"n\":1}", 0, false, "first"},
    {MUTATE_CREATE, {"beta", "gamma", "delta"}, "{\"n\":1}", 0, false, NULL},
    {MUTATE_UPDATE, {"alpha"}, LONG_JSON, 0, false, "second"},
    {MUTATE_UPDATE, {"beta", "gamma"}, "{\"n\":2,\"x\":[1,2,3]}", 0, false, NULL},
    {MUTATE_UPDATE, {"gamma"}, ERASED_JSON, 0, false, NULL},
    {MUTATE_ROLLBACK, {"alpha"}, NULL, 1, false, "third"},
    {MUTATE_DELETE, {"gamma"}, NULL, 3, false, "erasing"},
    {MUTATE_UPDATE, {"gamma"}, "{\"n\":4}", 0, false, NULL},
    {MUTATE_MERGE_PATCH, {"beta"}, "{\"y\":{\"z\":null}}", 0, false, NULL},
    {MUTATE_JSON_PATCH, {"beta"}, "[{\"op\":\"remove\",\"path\":\"/x\"}]", 0, false, NULL},
    {MUTATE_DELETE, {"delta"}, NULL, 0, false, NULL},
    {MUTATE_CREATE, {"epsilon"}, ERASED_JSON, 0, false, NULL},
    {MUTATE_DELETE, {"epsilon"}, NULL, 0, true, "all of it"},
    {MUTATE_CREATE, {"delta"}, "{\"again\":true}", 0, false, "late"},
    {MUTATE_CREATE, {"epsilon"}, "{}", 0, false, NULL},
    {MUTATE_DELETE, {"delta"}, NULL, 0, false, NULL},
    {MUTATE_UNDELETE, {"delta"}, NULL, 0, false, "back"},
};
#define N_DEEDS (sizeof deeds / sizeof deeds[0])
#define N_VERSIONS 5 /* no config has more */

#endif
