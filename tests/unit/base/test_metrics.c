#include "metrics.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "histogram_count.h"
#include "leak_check.h"
#include "process.h"

TestSuite(metrics, .fini = leak_check);

Test(metrics, a_family_has_help_and_type_and_its_samples)
{
    AUTO_STR page = {0};
    struct metric_labels labels = {{{"method", "Get"}, {"code", "OK"}}};
    metrics_family(&page, "calls_total", METRIC_COUNTER, "Calls.");
    metrics_sample(&page, "calls_total", &labels, 12345678901.0);
    metrics_sample(&page, "calls_total", NULL, 0);
    metrics_one(&page, "up", METRIC_GAUGE, "Whether.", 1);
    cr_expect_str_eq(page.data, "# HELP calls_total Calls.\n"
                                "# TYPE calls_total counter\n"
                                "calls_total{method=\"Get\",code=\"OK\"} 12345678901\n"
                                "calls_total 0\n"
                                "# HELP up Whether.\n"
                                "# TYPE up gauge\n"
                                "up 1\n");
}

Test(metrics, all_labels_may_be_taken)
{
    AUTO_STR page = {0};
    struct metric_labels labels = {{{"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}}};
    metrics_sample(&page, "x", &labels, 0.25);
    cr_expect_str_eq(page.data, "x{a=\"1\",b=\"2\",c=\"3\",d=\"4\"} 0.25\n");
}

Test(metrics, values_of_labels_are_escaped)
{
    AUTO_STR page = {0};
    struct metric_labels labels = {{{"path", "a\\b\"c\nd"}}};
    metrics_sample(&page, "x", &labels, 1);
    cr_expect_str_eq(page.data, "x{path=\"a\\\\b\\\"c\\nd\"} 1\n");
}

Test(metrics, a_histogram_shows_cumulated_buckets)
{
    static const struct histogram_scale scale = {.n = 3, .unit = 1000, .bounds = {1, 500, 2000}};
    struct histogram histogram;
    AUTO_STR page = {0};
    histogram_init(&histogram, &scale);
    const uint64_t values[] = {0, 1, 2, 500, 2000, 2001, 10000};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        histogram_observe(&histogram, values[i]);
    }
    struct metric_labels labels = {{{"m", "g"}}};
    metrics_histogram(&page, "t_seconds", &labels, &histogram);
    metrics_one_histogram(&page, "u", "Help.", &histogram);
    cr_expect_eq(histogram_count(&histogram), 7);
    cr_expect_str_eq(page.data, "t_seconds_bucket{m=\"g\",le=\"0.001\"} 2\n"
                                "t_seconds_bucket{m=\"g\",le=\"0.5\"} 4\n"
                                "t_seconds_bucket{m=\"g\",le=\"2\"} 5\n"
                                "t_seconds_bucket{m=\"g\",le=\"+Inf\"} 7\n"
                                "t_seconds_sum{m=\"g\"} 14.504\n"
                                "t_seconds_count{m=\"g\"} 7\n"
                                "# HELP u Help.\n"
                                "# TYPE u histogram\n"
                                "u_bucket{le=\"0.001\"} 2\n"
                                "u_bucket{le=\"0.5\"} 4\n"
                                "u_bucket{le=\"2\"} 5\n"
                                "u_bucket{le=\"+Inf\"} 7\n"
                                "u_sum 14.504\n"
                                "u_count 7\n");
}

Test(metrics, histograms_add_up)
{
    struct histogram a, b;
    histogram_init(&a, &scale_latency);
    histogram_init(&b, &scale_latency);
    histogram_observe(&a, 1000);
    histogram_observe(&b, 1000);
    histogram_observe(&b, UINT64_C(20000000000));
    histogram_add(&a, &b);
    cr_expect_eq(histogram_count(&a), 3);
    cr_expect_eq(metric_value(&a.buckets[0]), 2);
    cr_expect_eq(metric_value(&a.buckets[scale_latency.n]), 1);
    cr_expect_eq(metric_value(&a.sum), UINT64_C(20000002000));
}

static void check_scale(const struct histogram_scale *scale)
{
    cr_assert(scale->n > 0 && scale->n <= HISTOGRAM_MAX_BOUNDS);
    for (size_t i = 1; i < scale->n; i++) {
        cr_expect_gt(scale->bounds[i], scale->bounds[i - 1]);
    }
}

Test(metrics, bounds_ascend)
{
    check_scale(&scale_latency);
    check_scale(&scale_count);
}

struct work {
    struct metric *counter;
    struct histogram *histogram;
};

static void *count_much(void *argument)
{
    struct work *work = argument;
    for (uint64_t i = 0; i < 100000; i++) {
        metric_add(work->counter, 1);
        histogram_observe(work->histogram, i);
    }
    return NULL;
}

Test(metrics, no_thread_is_lost)
{
    struct metric counter = {0};
    struct histogram histogram;
    histogram_init(&histogram, &scale_count);
    struct work work = {&counter, &histogram};
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, count_much, &work), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    cr_expect_eq(metric_value(&counter), 400000);
    cr_expect_eq(histogram_count(&histogram), 400000);
    cr_expect_eq(metric_value(&histogram.sum), 4 * UINT64_C(4999950000));
}

static double value_of(const struct str *page, const char *name)
{
    AUTO_STR line = {0};
    str_addf(&line, "\n%s ", name);
    const char *found = strstr(page->data, line.data);
    cr_assert_not_null(found, "%s is missing", name);
    return strtod(found + line.len, NULL);
}

Test(metrics, the_process_tells_what_it_takes)
{
    AUTO_STR page = {0};
    process_metrics(&page);
    cr_expect_gt(value_of(&page, "process_resident_memory_bytes"), 100e3);
    cr_expect_gt(value_of(&page, "process_virtual_memory_bytes"),
                 value_of(&page, "process_resident_memory_bytes"));
    cr_expect_geq(value_of(&page, "process_cpu_seconds_total"), 0);
    cr_expect_geq(value_of(&page, "process_threads"), 1);
    cr_expect_gt(value_of(&page, "process_max_fds"), value_of(&page, "process_open_fds"));
    double started = value_of(&page, "process_start_time_seconds");
    double now = (double)time(NULL);
    cr_expect(started > now - 3600 && started < now + 10, "started at %.2f, now is %.2f", started,
              now);
}

Test(metrics, descriptors_are_counted)
{
    AUTO_STR before = {0}, after = {0};
    process_metrics(&before);
    FILE *file = fopen("/dev/null", "r");
    process_metrics(&after);
    fclose(file);
    cr_expect_eq(value_of(&after, "process_open_fds"), value_of(&before, "process_open_fds") + 1);
}
