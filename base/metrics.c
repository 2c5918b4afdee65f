#include "metrics.h"

#include <assert.h>
#include <stdbool.h>

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)

const struct histogram_scale scale_latency = {
    .n = 17,
    .unit = 1e9,
    .bounds = {50 * US, 100 * US, 250 * US, 500 * US, 1 * MS, 2500 * US, 5 * MS, 10 * MS, 25 * MS,
               50 * MS, 100 * MS, 250 * MS, 500 * MS, 1000 * MS, 2500 * MS, 5000 * MS, 10000 * MS},
};

const struct histogram_scale scale_count = {
    .n = 11,
    .unit = 1,
    .bounds = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024},
};

/* ---- Counting ---- */

void histogram_init(struct histogram *histogram, const struct histogram_scale *scale)
{
    assert(scale->n <= HISTOGRAM_MAX_BOUNDS && "a histogram has room for its scale");
    *histogram = (struct histogram){.scale = scale};
}

void histogram_observe(struct histogram *histogram, uint64_t value)
{
    const struct histogram_scale *scale = histogram->scale;
    size_t bucket = 0;
    while (bucket < scale->n && value > scale->bounds[bucket]) {
        bucket++;
    }
    metric_add(&histogram->buckets[bucket], 1);
    metric_add(&histogram->sum, value);
}

void histogram_add(struct histogram *histogram, const struct histogram *other)
{
    assert(histogram->scale == other->scale && "only like is added to like");
    for (size_t i = 0; i <= histogram->scale->n; i++) {
        metric_add(&histogram->buckets[i], metric_value(&other->buckets[i]));
    }
    metric_add(&histogram->sum, metric_value(&other->sum));
}

/* ---- The page ---- */

void metrics_family(struct str *page, const char *name, enum metric_kind kind, const char *help)
{
    static const char *const kinds[] = {
        [METRIC_COUNTER] = "counter",
        [METRIC_GAUGE] = "gauge",
        [METRIC_HISTOGRAM] = "histogram",
    };
    str_addf(page, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kinds[kind]);
}

static void add_label(struct str *page, const char *name, const char *value, bool first)
{
    str_addf(page, "%c%s=\"", first ? '{' : ',', name);
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '\\' || *c == '"') {
            str_add_char(page, '\\');
        }
        if (*c == '\n') {
            str_add_text(page, "\\n");
        } else {
            str_add_char(page, *c);
        }
    }
    str_add_char(page, '"');
}

/* bound: of a bucket, as a last label; NULL: none. */
static void add_sample(struct str *page, const char *name, const char *suffix,
                       const struct metric_labels *labels, const char *bound, double value)
{
    str_addf(page, "%s%s", name, suffix);
    size_t n = 0;
    for (; labels != NULL && n < METRIC_MAX_LABELS && labels->items[n].name != NULL; n++) {
        add_label(page, labels->items[n].name, labels->items[n].value, n == 0);
    }
    if (bound != NULL) {
        add_label(page, "le", bound, n == 0);
    }
    str_addf(page, "%s %.15g\n", n > 0 || bound != NULL ? "}" : "", value);
}

void metrics_sample(struct str *page, const char *name, const struct metric_labels *labels,
                    double value)
{
    add_sample(page, name, "", labels, NULL, value);
}

void metrics_histogram(struct str *page, const char *name, const struct metric_labels *labels,
                       const struct histogram *histogram)
{
    const struct histogram_scale *scale = histogram->scale;
    AUTO_STR bound = {0};
    uint64_t count = 0;
    for (size_t i = 0; i < scale->n; i++) {
        count += metric_value(&histogram->buckets[i]);
        str_clear(&bound);
        str_addf(&bound, "%.15g", (double)scale->bounds[i] / scale->unit);
        add_sample(page, name, "_bucket", labels, bound.data, (double)count);
    }
    count += metric_value(&histogram->buckets[scale->n]);
    add_sample(page, name, "_bucket", labels, "+Inf", (double)count);
    add_sample(page, name, "_sum", labels, NULL,
               (double)metric_value(&histogram->sum) / scale->unit);
    add_sample(page, name, "_count", labels, NULL, (double)count);
}

void metrics_one(struct str *page, const char *name, enum metric_kind kind, const char *help,
                 double value)
{
    metrics_family(page, name, kind, help);
    metrics_sample(page, name, NULL, value);
}

void metrics_one_histogram(struct str *page, const char *name, const char *help,
                           const struct histogram *histogram)
{
    metrics_family(page, name, METRIC_HISTOGRAM, help);
    metrics_histogram(page, name, NULL, histogram);
}
