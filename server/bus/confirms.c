#include "confirms.h"

#include <assert.h>

static bool *slot(struct confirms *confirms, uint64_t number)
{
    return &confirms->confirmed[number % BUS_IN_FLIGHT];
}

void confirms_reset(struct confirms *confirms)
{
    *confirms = (struct confirms){.published = 0};
}

uint64_t confirms_add(struct confirms *confirms)
{
    assert(confirms->published - confirms->frontier < BUS_IN_FLIGHT &&
           "no more is under way than is allowed");
    *slot(confirms, ++confirms->published) = false;
    return confirms->published;
}

bool confirms_take(struct confirms *confirms, uint64_t number, bool all_before)
{
    if (number == 0 || number > confirms->published) {
        return false;
    }
    if (all_before && number > confirms->frontier) {
        confirms->frontier = number;
    } else if (number > confirms->frontier) {
        *slot(confirms, number) = true;
    }
    while (confirms->frontier < confirms->published && *slot(confirms, confirms->frontier + 1)) {
        confirms->frontier++;
    }
    return true;
}
