/* SPDX-License-Identifier: Apache-2.0 */
/* The benchmark's scoring: by hand, against what NAB published, and with the core's watch. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"
#include "device/nab_data.h"
#include "oom.h"

enum { MOST_ROWS = 32768, MOST_WINDOWS = 16 };

static tern_err err;
static double scores[MOST_ROWS];

static void assert_near(double a, double b, double within)
{
    if (!(fabs(a - b) <= within)) {
        fail_msg("%.12g is not %.12g", a, b);
    }
}

/* 2 / (1 + e^(5 y)) - 1 */
static double worth(double y)
{
    return 2.0 / (1.0 + exp(5.0 * y)) - 1.0;
}

static ti_nab_result best(ti_nab *nab, uint32_t profile)
{
    ti_nab_result r;
    assert_int_equal(ti_nab_best(&r, nab, &ti_nab_profiles[profile], &err), TERN_OK);
    return r;
}

/* A series of 1,000 rows with windows 300..399 and 700..799, and detections at some rows. */
static ti_nab two_windows(const uint32_t *rows, uint32_t n)
{
    static const ti_nab_window windows[] = {{300, 399}, {700, 799}};
    ti_nab nab = {0};
    memset(scores, 0, sizeof scores);
    for (uint32_t i = 0; i < n; i++) {
        scores[rows[i]] = 0.75;
    }
    assert_int_equal(ti_nab_add(&nab, scores, 1000, windows, 2, &err), TERN_OK);
    return nab;
}

static void by_hand(void **state)
{
    (void)state;
    for (uint32_t p = 0; p < TI_NAB_PROFILES; p++) {
        ti_nab nab = two_windows((uint32_t[]){300, 700}, 2);
        ti_nab_result r = best(&nab, p);
        assert_near(r.score, 100, 1e-9);
        assert_true(r.found == 2 && r.alarms == 0);
        assert_near(r.threshold, 0.75, 0);
        ti_nab_free(&nab);
        nab = two_windows(NULL, 0);
        r = best(&nab, p);
        assert_near(r.score, 0, 1e-9);
        assert_true(r.found == 0 && isinf(r.threshold));
        ti_nab_free(&nab);
    }
    /* Late in one window (and again, which is nothing), a false alarm before any window, one
     * ten rows after the first; in the rows that are not scored, one more. */
    ti_nab nab = two_windows((uint32_t[]){340, 390, 200, 409, 149}, 5);
    assert_int_equal(ti_nab_probation(1000), 150);
    const double gain = worth(-60.0 / 100) / worth(-1), after = worth(10.0 / 99);
    ti_nab_result r = best(&nab, 0);
    assert_near(r.raw, gain - 1 - 0.11 + 0.11 * after, 1e-12);
    assert_near(r.score, 100 * (r.raw + 2) / 4, 1e-9);
    assert_true(r.found == 1 && r.alarms == 2);
    r = best(&nab, 1);
    assert_near(r.raw, gain - 1 - 0.22 + 0.22 * after, 1e-12);
    r = best(&nab, 2);
    assert_near(r.raw, gain - 2 - 0.11 + 0.11 * after, 1e-12);
    assert_near(r.score, 100 * (r.raw + 4) / 6, 1e-9);
    assert_int_equal(ti_nab_at(&r, &nab, &ti_nab_profiles[0], 0.8, &err), TERN_OK);
    assert_near(r.score, 0, 1e-9);
    /* Everything is a detection. */
    assert_int_equal(ti_nab_at(&r, &nab, &ti_nab_profiles[0], 0, &err), TERN_OK);
    assert_true(r.found == 2 && r.alarms == 850 - 200 && r.score < 0);
    ti_nab_free(&nab);
    assert_int_equal(ti_nab_probation(20000), 750);
    assert_int_equal(ti_nab_probation(1127), 169);
}

static void wrong_windows(void **state)
{
    (void)state;
    static const ti_nab_window bad[][2] = {
        {{5, 4}, {6, 7}}, {{5, 9}, {9, 12}}, {{5, 9}, {90, 100}}, {{50, 60}, {20, 30}}};
    ti_nab nab = {0};
    memset(scores, 0, sizeof scores);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(ti_nab_add(&nab, scores, 100, bad[i], 2, &err), TERN_USAGE);
    }
    scores[50] = (double)NAN;
    assert_int_equal(ti_nab_add(&nab, scores, 100, NULL, 0, &err), TERN_USAGE);
    assert_true(nab.n_points == 0 && nab.n_windows == 0);
    ti_nab_free(&nab);
}

/* --- published detections (tests/data/nab) ------------------------------------------------ */

static char *open_list(const char *name)
{
    ti_buf path = {0};
    char *text;
    size_t size;
    ti_buf_addf(&path, "%s/tests/data/nab/%s.txt", getenv("TERN_SOURCE"), name);
    assert_int_equal(ti_read_file(&text, &size, path.data, 1 << 20, &err), TERN_OK);
    ti_buf_free(&path);
    return text;
}

static char *next_line(char **rest)
{
    char *line = *rest, *end = strchr(line, '\n');
    assert_non_null(end);
    *end = '\0';
    *rest = end + 1;
    return line;
}

/* The line of series.txt: NAME ROWS FIRST-LAST... */
static uint32_t read_windows(const char *line, ti_nab_window *windows, uint32_t *n_windows)
{
    char *at = strchr(line, ' ');
    const uint32_t n_rows = (uint32_t)strtoul(at, &at, 10);
    assert_in_range(n_rows, 1, MOST_ROWS);
    for (*n_windows = 0; *at == ' '; ++*n_windows) {
        assert_true(*n_windows < MOST_WINDOWS);
        windows[*n_windows].first = (uint32_t)strtoul(at, &at, 10);
        windows[*n_windows].last = (uint32_t)strtoul(at + 1, &at, 10);
    }
    return n_rows;
}

static void read_scores(char *at, uint32_t n_rows)
{
    memset(scores, 0, n_rows * sizeof *scores);
    while (*at != '\0') {
        const uint32_t row = (uint32_t)strtoul(at, &at, 10);
        assert_true(row < n_rows);
        scores[row] = *at == '=' ? strtod(at + 1, &at) : 1.0;
        at += *at == ' ';
    }
}

static void check_published(const char *name, const double *wanted, double within)
{
    char *series = open_list("series"), *rows = open_list(name);
    char *series_at = series, *rows_at = rows;
    ti_nab nab = {0};
    uint32_t n = 0;
    for (; *series_at != '\0'; n++) {
        ti_nab_window windows[MOST_WINDOWS];
        uint32_t n_windows;
        const uint32_t n_rows = read_windows(next_line(&series_at), windows, &n_windows);
        read_scores(next_line(&rows_at), n_rows);
        assert_int_equal(ti_nab_add(&nab, scores, n_rows, windows, n_windows, &err), TERN_OK);
    }
    assert_true(n == 58 && nab.n_windows == 116);
    for (uint32_t p = 0; p < TI_NAB_PROFILES; p++) {
        assert_near(best(&nab, p).score, wanted[p], within);
    }
    ti_nab_free(&nab);
    free(series);
    free(rows);
}

/* What results/final_results.json of NAB says, in the order of the profiles. */
static void published_scores(void **state)
{
    (void)state;
    static const double twitter[] = {47.06195725408189, 33.610051641206894, 53.50107495100574};
    static const double entropy[] = {54.64274893469828, 47.598351759844824, 58.84229239324713};
    static const double artime[] = {74.85377223215792, 65.15400017974811, 80.36228493638114};
    /* Those that published them rounded the raw sums to ten digits. */
    check_published("twitterADVec", twitter, 1e-7);
    check_published("relativeEntropy", entropy, 1e-7);
    check_published("ARTime", artime, 1e-9);
}

/* --- files ---------------------------------------------------------------------------------
 */

static char dir[] = "/tmp/tern-nab-XXXXXX";

static const char *const folders[] = {"labels", "data", "data/a", "own", "own/a"};

static const char *in_dir(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(in_dir(name), "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static int make_files(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        assert_int_equal(mkdir(in_dir(folders[i]), 0700), 0);
    }
    return 0;
}

static int remove_files(void **state)
{
    static const char *const names[] = {"labels/combined_windows.json", "data/a/x.csv",
                                        "data/a/y.csv", "own/a/own_x.csv"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        unlink(in_dir(names[i]));
    }
    for (size_t i = sizeof folders / sizeof folders[0]; i-- > 0;) {
        rmdir(in_dir(folders[i]));
    }
    return rmdir(dir);
}

static const char good_labels[] = "{\"a/x.csv\": [[\"2014-04-01 00:05:00.000000\", "
                                  "\"2014-04-01 00:10:00.000000\"]], \"a/y.csv\": []}";
static const char good_data[] = "timestamp,value\n2014-04-01 00:00:00,1\n"
                                "2014-04-01 00:05:00,2.5\r\n2014-04-01 00:10:00,-3e2";

static void files(void **state)
{
    (void)state;
    ti_nab_set set;
    write_file("labels/combined_windows.json", good_labels);
    write_file("data/a/x.csv", good_data);
    write_file("data/a/y.csv", "timestamp,value\n");
    assert_int_equal(ti_nab_set_read(&set, dir, &err), TERN_OK);
    assert_int_equal(set.n, 2);
    const ti_nab_series *x = &set.series[0];
    assert_string_equal(x->name, "a/x.csv");
    assert_true(x->n_rows == 3 && x->n_windows == 1 && set.series[1].n_rows == 0);
    assert_true(x->windows[0].first == 1 && x->windows[0].last == 2);
    assert_true(x->time_s[0] == 1396310400 && x->time_s[2] == 1396311000);
    assert_near(x->values[2], -300, 0);
    char results[64];
    snprintf(results, sizeof results, "%s/own/", dir);
    write_file("own/a/own_x.csv", "timestamp,value,anomaly_score\n2014-04-01 00:00:00,1,0.5\n"
                                  "2014-04-01 00:05:00,1,1\n2014-04-01 00:10:00,1,0\n");
    assert_int_equal(ti_nab_results_read(scores, results, x, &err), TERN_OK);
    assert_near(scores[0] + 10 * scores[1], 10.5, 0);
    write_file("own/a/own_x.csv", "timestamp,anomaly_score\n2014-04-01 00:00:00,1\n");
    assert_int_equal(ti_nab_results_read(scores, results, x, &err), TERN_CORRUPT);
    ti_nab_set_free(&set);

    static const char *const bad_data[] = {
        "",
        "time,value\n",
        "timestamp,value\nyesterday,1\n",
        "timestamp,value\n2014-04-01 00:00:00,one\n",
        "timestamp,value\n2014-04-01 00:00:00\n",
        "timestamp,value\n2014-04-01 00:00:00,nan\n",
        "timestamp,value\n2014-04-01 00:05:00,1\n" /* where the window ends there is no row */};
    for (size_t i = 0; i < sizeof bad_data / sizeof bad_data[0]; i++) {
        write_file("data/a/x.csv", bad_data[i]);
        assert_int_equal(ti_nab_set_read(&set, dir, &err), TERN_CORRUPT);
        ti_nab_set_free(&set);
    }
    static const char *const bad_labels[] = {"[]",
                                             "{",
                                             "{\"a/x.csv\": 1}",
                                             "{\"a/x.csv\": [[\"2014-04-01 00:05:00\"]]}",
                                             "{\"a/x.csv\": [[1, 2]]}",
                                             "{\"a/x.csv\": [1]}"};
    write_file("data/a/x.csv", good_data);
    for (size_t i = 0; i < sizeof bad_labels / sizeof bad_labels[0]; i++) {
        write_file("labels/combined_windows.json", bad_labels[i]);
        assert_int_equal(ti_nab_set_read(&set, dir, &err), TERN_CORRUPT);
        ti_nab_set_free(&set);
    }
    write_file("labels/combined_windows.json", "{\"a/none.csv\": []}");
    assert_int_equal(ti_nab_set_read(&set, dir, &err), TERN_IO);
    ti_nab_set_free(&set);
}

static void memory_that_fails(void **state)
{
    (void)state;
    write_file("labels/combined_windows.json", good_labels);
    write_file("data/a/x.csv", good_data);
    write_file("data/a/y.csv", "timestamp,value\n");
    static const ti_nab_window window = {2, 3};
    memset(scores, 0, sizeof scores);
    for (long n = 0;; n++) {
        ti_nab_set set;
        ti_nab nab = {0};
        ti_nab_result r;
        oom_fail_at(n);
        tern_status status = ti_nab_set_read(&set, dir, &err);
        if (status == TERN_OK) {
            status = ti_nab_add(&nab, scores, 10, &window, 1, &err);
        }
        if (status == TERN_OK) {
            status = ti_nab_best(&r, &nab, &ti_nab_profiles[0], &err);
        }
        const bool failed = oom_disarm();
        assert_int_equal(status, failed ? TERN_NOMEM : TERN_OK);
        ti_nab_set_free(&set);
        ti_nab_free(&nab);
        if (!failed) {
            assert_true(n > 8);
            break;
        }
    }
}

/* --- the core's watch ----------------------------------------------------------------------
 */

/* One setting for all 58 series.  The scores are what docs/edge.md says; everything is integer
 * arithmetic, so they are the same on every machine. */
static void the_watch(void **state)
{
    (void)state;
    const char *data = getenv("TERN_DATA");
    char path[512];
    snprintf(path, sizeof path, "%s/meter/NAB", data ? data : "");
    ti_nab_set set;
    if (!data || access(path, R_OK) != 0) {
        print_message("SKIPPED: meter/NAB is not in TERN_DATA\n");
        skip();
    }
    assert_int_equal(ti_nab_set_read(&set, path, &err), TERN_OK);
    ti_nab nab = {0};
    for (uint32_t i = 0; i < set.n; i++) {
        const ti_nab_series *s = &set.series[i];
        assert_true(s->n_rows <= MOST_ROWS);
        ti_nab_watch(scores, s);
        assert_int_equal(ti_nab_add(&nab, scores, s->n_rows, s->windows, s->n_windows, &err),
                         TERN_OK);
    }
    static const double wanted[TI_NAB_PROFILES] = {69.5882, 55.8187, 76.2772};
    for (uint32_t p = 0; p < TI_NAB_PROFILES; p++) {
        const ti_nab_result r = best(&nab, p);
        print_message("%s: %.4f at %g, %u found, %u false\n", ti_nab_profiles[p].name, r.score,
                      r.threshold, r.found, r.alarms);
        assert_near(r.score, wanted[p], 0.0001);
    }
    ti_nab_free(&nab);
    ti_nab_set_free(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),           cmocka_unit_test(wrong_windows),
        cmocka_unit_test(published_scores),  cmocka_unit_test(files),
        cmocka_unit_test(memory_that_fails), cmocka_unit_test(the_watch),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
