/* How many values a histogram has counted. */
#ifndef TESTS_HISTOGRAM_COUNT_H
#define TESTS_HISTOGRAM_COUNT_H

#include "metrics.h"

static inline uint64_t histogram_count(const struct histogram *histogram)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= histogram->scale->n; i++) {
        count += metric_value(&histogram->buckets[i]);
    }
    return count;
}

#endif
