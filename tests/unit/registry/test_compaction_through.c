/* Which versions a compaction removes, by the config's newest change at the floor and at the
 * compaction's own commit. */
#include <criterion/criterion.h>

#include "registry.h"

Test(compaction_through, both_points_keep_their_versions)
{
    static const struct {
        const char *what;
        uint64_t keep_versions;
        struct change at_floor, at_commit;
        uint64_t through;
    } cases[] = {
        {"unchanged since", 1, {.head_version = 5}, {.head_version = 5}, 4},
        {"more versions since", 1, {.head_version = 5}, {.head_version = 9}, 4},
        {"two are kept", 2, {.head_version = 5}, {.head_version = 9}, 3},
        {"as many as there are", 5, {.head_version = 5}, {.head_version = 5}, 0},
        {"the head fell back", 1, {.head_version = 5}, {.head_version = 3}, 2},
        {"the head fell back to the first", 1, {.head_version = 5}, {.head_version = 1}, 0},
        {"deleted since", 1, {.head_version = 5}, {.previous_version = 6}, 4},
        {"deleted at both", 1, {.previous_version = 6}, {.previous_version = 6}, 6},
        {"deleted, by a number above the head",
         1,
         {.previous_version = 4, .source_version = 6},
         {.previous_version = 4, .source_version = 6},
         6},
        {"undeleted since", 2, {.previous_version = 6}, {.head_version = 7}, 5},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct compaction compaction = {.keep_versions = cases[i].keep_versions};
        cr_expect_eq(compaction_through(&compaction, &cases[i].at_floor, &cases[i].at_commit),
                     cases[i].through, "%s", cases[i].what);
        cr_expect_eq(compaction_through(&compaction, NULL, &cases[i].at_commit), 0);
    }
}
