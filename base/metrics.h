/* Metrics: counters and histograms that any thread updates without a lock, and a page of them in
 * Prometheus' text format (0.0.4).
 *
 * The memory of counters and histograms belongs to the module that counts. A page is written family
 * by family: first metrics_family, then all of its samples. Values of labels come from small fixed
 * sets, never from names that users choose. */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "str.h"

/* ---- Counting ---- */

/* Starts zeroed. */
struct metric {
    atomic_uint_fast64_t value;
};

static inline void metric_add(struct metric *counter, uint64_t n)
{
    atomic_fetch_add_explicit(&counter->value, n, memory_order_relaxed);
}
static inline uint64_t metric_value(const struct metric *counter)
{
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}

#define HISTOGRAM_MAX_BOUNDS 20

/* The upper bounds of the buckets, inclusive and ascending, in observed units; `unit` of these make
 * one unit of the page. */
struct histogram_scale {
    size_t n;
    double unit;
    uint64_t bounds[HISTOGRAM_MAX_BOUNDS];
};
extern const struct histogram_scale
    scale_latency;                               /* nanoseconds, shown as seconds: 50 us to 10 s */
extern const struct histogram_scale scale_count; /* 1, 2, 4 … 1024 */

struct histogram {
    const struct histogram_scale *scale;
    struct metric
        buckets[HISTOGRAM_MAX_BOUNDS + 1]; /* not cumulative; the last is above all bounds */
    struct metric sum;
};

void histogram_init(struct histogram *histogram, const struct histogram_scale *scale);
void histogram_observe(struct histogram *histogram, uint64_t value);
/* Adds the counts of another histogram with the same scale. */
void histogram_add(struct histogram *histogram, const struct histogram *other);

/* ---- The page ---- */

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

#define METRIC_MAX_LABELS 4

/* A NULL name ends the labels if there are fewer than METRIC_MAX_LABELS. All borrowed. */
struct metric_labels {
    struct metric_label {
        const char *name, *value;
    } items[METRIC_MAX_LABELS];
};

/* The HELP and TYPE lines. */
void metrics_family(struct str *page, const char *name, enum metric_kind kind, const char *help);
/* labels: NULL for none. */
void metrics_sample(struct str *page, const char *name, const struct metric_labels *labels,
                    double value);
void metrics_histogram(struct str *page, const char *name, const struct metric_labels *labels,
                       const struct histogram *histogram);

/* A family with one sample that has no labels. */
void metrics_one(struct str *page, const char *name, enum metric_kind kind, const char *help,
                 double value);
void metrics_one_histogram(struct str *page, const char *name, const char *help,
                           const struct histogram *histogram);

#endif
