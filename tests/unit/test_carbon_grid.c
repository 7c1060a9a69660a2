/* SPDX-License-Identifier: Apache-2.0 */
/* The yearly table: what is built in, what is refused and where, what a zone finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "carbon/grid.h"
#include "oom.h"

#define HEAD "zone,alias,name,year,intensity_mg_kwh,basis,source,licence\n"
#define ROW "DE,DEU,Germany,2023,380950,average/life-cycle/location,owid,CC-BY-4.0\n"
#define TAIL ",average/life-cycle/location,s,l\n"

static const char several[] =
    HEAD "DE,DEU,Germany,2022,400000" TAIL "DE,DEU,Germany,2023,380000" TAIL
         "DE,DEU,Germany,2021,700000,marginal/operational/location,s,l\n"
         "FR,FRA,France,2023,56000" TAIL "GB,-,United Kingdom,2023,200000" TAIL;

static void builtin_has_the_world(void **state)
{
    ti_grid g;
    const ti_grid_row *row;
    (void)state;
    assert_int_equal(ti_grid_builtin(&g, NULL), TERN_OK);
    assert_int_equal(g.n, 211);
    assert_int_equal(ti_grid_find(&row, &g, "DE", NULL, NULL), TERN_OK);
    assert_int_equal(row->intensity.intensity_mg_kwh, 380950);
    assert_int_equal(row->year, 2023);
    assert_int_equal(ti_basis_rank(row->intensity.basis), 0);
    for (size_t i = 0; i < g.n; i++) {
        char zone[8];
        assert_int_equal(g.rows[i].zone.len, 2);
        assert_int_equal(g.rows[i].alias.len, 3);
        snprintf(zone, sizeof zone, "%.*s", (int)g.rows[i].alias.len, g.rows[i].alias.data);
        assert_int_equal(ti_grid_find(&row, &g, zone, NULL, NULL), TERN_OK);
        assert_ptr_equal(row, &g.rows[i]);
        /* From the cleanest hydro to the dirtiest oil: a slipped digit would be outside. */
        assert_in_range(row->intensity.intensity_mg_kwh, 15000, 1400000);
    }
    ti_grid_free(&g);
}

static void zones_are_found(void **state)
{
    ti_grid g;
    const ti_grid_row *row;
    ti_basis marginal = {.kind = TI_MARGINAL, .scope = TI_OPERATIONAL};
    ti_grid_want old = {.year = 2022}, other = {.basis = &marginal};
    static const char *const names[] = {"DE", "de", "DEU", "deu", "Germany", "GERMANY"};
    (void)state;
    assert_int_equal(ti_grid_parse(&g, several, strlen(several), NULL), TERN_OK);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(ti_grid_find(&row, &g, names[i], NULL, NULL), TERN_OK);
        assert_int_equal(row->intensity.intensity_mg_kwh, 380000); /* newest, first basis */
        assert_int_equal(ti_grid_find(&row, &g, names[i], &old, NULL), TERN_OK);
        assert_int_equal(row->intensity.intensity_mg_kwh, 400000);
        assert_int_equal(ti_grid_find(&row, &g, names[i], &other, NULL), TERN_OK);
        assert_int_equal(row->intensity.intensity_mg_kwh, 700000);
    }
    ti_grid_free(&g);
}

static void unknown_zones_name_near_ones(void **state)
{
    static const struct {
        const char *zone, *want;
    } cases[] = {
        {"Germny", "no zone 'Germny' in the table; near it: DE (Germany)"},
        {"Unit", "no zone 'Unit' in the table; near it: GB (United Kingdom)"},
        {"DE-BY", "no zone 'DE-BY' in the table; near it: DE (Germany)"},
        {"FX", "no zone 'FX' in the table; near it: FR (France)"},
        {"Atlantis", "no zone 'Atlantis' in the table"},
        {"", "no zone '' in the table"},
        {"-", "no zone '-' in the table"},
        {"a name that is longer than any field of the table may be, and then some more of it",
         "no zone 'a name that is longer than any field of ' in the table"},
    };
    ti_grid g;
    const ti_grid_row *row = NULL;
    ti_basis market = {.method = TI_MARKET};
    ti_grid_want year = {.year = 1999}, basis = {.basis = &market};
    tern_err err;
    (void)state;
    assert_int_equal(ti_grid_parse(&g, several, strlen(several), NULL), TERN_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(ti_grid_find(&row, &g, cases[i].zone, NULL, &err), TERN_USAGE);
        assert_string_equal(err.message, cases[i].want);
    }
    assert_int_equal(ti_grid_find(&row, &g, "DE", &year, &err), TERN_USAGE);
    assert_string_equal(err.message,
                        "zone DE has no such year; there is 2023, average/life-cycle/location");
    assert_int_equal(ti_grid_find(&row, &g, "FR", &basis, &err), TERN_USAGE);
    assert_string_equal(
        err.message, "zone FR has no such basis; there is 2023, average/life-cycle/location");
    assert_null(row);
    ti_grid_free(&g);
}

static void wrong_tables_say_where(void **state)
{
    static const struct {
        const char *text, *where;
    } cases[] = {
        {"", "line 1, column 1"},
        {"zone\n", "line 1, column 1"},
        {HEAD "DE", "line 2, column 1: the last row"},
        {HEAD ROW "DE,DEU\n", "line 3, column 7: a row of fewer"},
        {HEAD "DE,DEU,Germany,2023,1" TAIL "\n", "line 3, column 1: a row of fewer"},
        {HEAD "DE,,Germany,2023,1" TAIL, "line 2, column 4: an empty"},
        {HEAD "DE,DEU,Ger\tmany,2023,1" TAIL, "line 2, column 11: a byte"},
        {HEAD "DE,DEU,\"G\",2023,1" TAIL, "line 2, column 8: a byte"},
        {HEAD "DE,DEU,\xc3\x84,2023,1" TAIL, "line 2, column 8: a byte"},
        {HEAD "DE,DEU, G,2023,1" TAIL, "line 2, column 8: blanks"},
        {HEAD "de,DEU,G,2023,1" TAIL, "line 2, column 1: a code"},
        {HEAD "DE,D U,G,2023,1" TAIL, "line 2, column 5: a code"},
        {HEAD "DE,DEU,G,1989,1" TAIL, "line 2, column 10: a year"},
        {HEAD "DE,DEU,G,2101,1" TAIL, "line 2, column 10: a year"},
        {HEAD "DE,DEU,G,02023,1" TAIL, "line 2, column 10: no whole"},
        {HEAD "DE,DEU,G,2023,0" TAIL, "line 2, column 15: an intensity"},
        {HEAD "DE,DEU,G,2023,5000001" TAIL, "line 2, column 15: an intensity"},
        {HEAD "DE,DEU,G,2023,99999999999999999999999" TAIL, "line 2, column 15: an intensity"},
        {HEAD "DE,DEU,G,2023,1.5" TAIL, "line 2, column 16: no whole"},
        {HEAD "DE,DEU,G,2023,1,average,s,l\n", "line 2, column 17: no basis"},
        {HEAD "DE,DEU,G,2023,1,average/life-cycle/location,s,l,m\n",
         "line 2, column 48: a row"},
        {HEAD "DE,DEU,G,2023,1,average/life-cycle/location,s,l\r\n",
         "line 2, column 48: a byte"},
        {HEAD ROW ROW, "line 3, column 1: rows are not in order"},
        {HEAD ROW "AT,AUT,Austria,2023,1" TAIL, "line 3, column 1: rows are not in order"},
        {HEAD
         "DE,DEU,0123456789012345678901234567890123456789012345678901234567890123,2023,1" TAIL,
         "line 2, column 8: a field of more"},
    };
    ti_grid g = {.n = 77};
    tern_err err;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(ti_grid_parse(&g, cases[i].text, strlen(cases[i].text), &err),
                         TERN_CORRUPT);
        if (strncmp(err.message, cases[i].where, strlen(cases[i].where)) != 0) {
            fail_msg("case %zu: %s, not %s", i, err.message, cases[i].where);
        }
    }
    assert_int_equal(g.n, 77);
    /* Cut anywhere, a table is refused or ends at the end of a row. */
    for (size_t n = 0; n < strlen(several); n++) {
        char *cut = malloc(n + 1);
        assert_non_null(cut);
        memcpy(cut, several, n);
        tern_status status = ti_grid_parse(&g, cut, n, &err);
        bool ends = n >= strlen(HEAD) && several[n - 1] == '\n';
        assert_int_equal(status, ends ? TERN_OK : TERN_CORRUPT);
        if (status == TERN_OK) {
            ti_grid_free(&g);
        }
        free(cut);
    }
}

static void large_tables_are_refused(void **state)
{
    size_t n = TI_GRID_ROWS_MAX + 1, head = strlen(HEAD);
    char *text = malloc(head + n);
    ti_grid g;
    (void)state;
    assert_non_null(text);
    memcpy(text, HEAD, head);
    memset(text + head, '\n', n);
    assert_int_equal(ti_grid_parse(&g, text, head + n, NULL), TERN_LIMIT);
    free(text);
}

static void files_are_read(void **state)
{
    char path[] = "/tmp/tern-test-XXXXXX";
    int fd = mkstemp(path);
    ti_grid g = {.n = 77};
    tern_err err;
    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, several, strlen(several)), strlen(several));
    close(fd);
    for (long n = 0;; n++) {
        oom_fail_at(n);
        tern_status status = ti_grid_load(&g, path, &err);
        if (!oom_disarm()) {
            assert_int_equal(status, TERN_OK);
            break;
        }
        assert_int_equal(status, TERN_NOMEM);
        assert_int_equal(g.n, 77);
    }
    assert_int_equal(g.n, 5);
    ti_grid_free(&g);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ti_grid_load(&g, path, &err), TERN_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builtin_has_the_world),
        cmocka_unit_test(zones_are_found),
        cmocka_unit_test(unknown_zones_name_near_ones),
        cmocka_unit_test(wrong_tables_say_where),
        cmocka_unit_test(large_tables_are_refused),
        cmocka_unit_test(files_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
