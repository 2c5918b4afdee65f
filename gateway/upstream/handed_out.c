#include "handed_out.h"

#include <stdio.h>
#include <string.h>

void handed_out_raise(struct handed_out *handed, const char *epoch, uint64_t revision)
{
    bool same = strcmp(handed->epoch, epoch) == 0;
    if (!same) {
        snprintf(handed->epoch, sizeof handed->epoch, "%s", epoch);
    }
    handed->revision = same && handed->revision > revision ? handed->revision : revision;
}
